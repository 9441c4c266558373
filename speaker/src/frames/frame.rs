//! One frame that is to leave through one interface.

use std::fmt;

/// Length of an Ethernet header.
const HEADER: usize = arpeggio_common::wire::ETHERNET_HEADER;

/// A whole Ethernet frame and the interface it leaves through.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frame {
    ifindex: u32,
    bytes: Box<[u8]>,
}

impl Frame {
    /// `bytes` begin with the Ethernet header, without checksum at the end and without padding: the driver adds both. The
    /// array is at least as long as an Ethernet header; anything shorter does not compile.
    pub fn new<const N: usize>(ifindex: u32, bytes: [u8; N]) -> Self {
        const { assert!(N >= HEADER) };
        Self { ifindex, bytes: Box::new(bytes) }
    }

    /// Index of the interface.
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// The frame, from the Ethernet header on.
    pub const fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({}:", self.ifindex)?;
        self.bytes.iter().try_for_each(|byte| write!(f, " {byte:02x}"))?;
        f.write_str(")")
    }
}
