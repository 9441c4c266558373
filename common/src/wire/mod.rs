//! The frames of ARP (RFC 826, RFC 5227) and IPv6 neighbour discovery (RFC 4861): read, built and answered in place.
//!
//! Everything here works on fixed-size byte arrays that somebody else has checked for length, so the same code runs in the
//! kernel, in the agent and in the tests. Accessors compose whole integers; with bpf-linker's
//! `allows-misaligned-mem-access` each becomes one load, where byte-wise copies made up a third of the cost of an answer.

mod arp;
mod checksum;
mod mac;
mod ndp;
mod proof;
mod tag;

pub use arp::{ARP_FRAME, ARP_TAGGED_FRAME, Arp, ArpOperation};
pub use mac::Mac;
#[cfg(feature = "std")]
pub use mac::MacParseError;
pub use ndp::{
    ALL_NODES, ND_FRAME, ND_OPTION, ND_TAGGED_FRAME, Neighbor, NeighborKind, OPTION_SOURCE_LINK, OPTION_TARGET_LINK,
    OPTIONED_FRAME, TAGGED_BLOCKS, solicited_node_group,
};
pub use proof::{Key, Purpose, Statement, proof};
pub use tag::{ARP_TRAILER, ArpTag, ND_TAG, ND_TAG_BLOCKS, Nonce, Tag, nd_tag};

/// Length of an Ethernet header without VLAN tag.
pub const ETHERNET_HEADER: usize = 14;

/// EtherType of a frame, as it stands on the wire: in network order, so that nothing is turned around for every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtherType(u16);

impl EtherType {
    /// ARP.
    pub const ARP: Self = Self(0x0806_u16.to_be());
    /// IPv4.
    pub const IPV4: Self = Self(0x0800_u16.to_be());
    /// IPv6.
    pub const IPV6: Self = Self(0x86dd_u16.to_be());
    /// A VLAN tag (IEEE 802.1Q).
    pub const VLAN: Self = Self(0x8100_u16.to_be());

    /// The EtherType of the frame that begins with `header`.
    #[inline(always)]
    pub const fn of(header: &[u8; ETHERNET_HEADER]) -> Self {
        Self(u16::from_ne_bytes([header[12], header[13]]))
    }

    /// The number in host order.
    pub const fn get(self) -> u16 {
        u16::from_be(self.0)
    }
}

/// Copies `N` bytes from offset `AT`. The copy is a plain memory copy, which the compiler turns into whole loads; a loop over
/// bytes stays one in BPF.
#[inline(always)]
fn take<const AT: usize, const N: usize, const LENGTH: usize>(bytes: &[u8; LENGTH]) -> [u8; N] {
    const { assert!(AT + N <= LENGTH) };
    let mut out = [0; N];
    out.copy_from_slice(&bytes[AT..AT + N]);
    out
}

/// Writes `value` at offset `AT`.
#[inline(always)]
fn put<const AT: usize, const N: usize, const LENGTH: usize>(bytes: &mut [u8; LENGTH], value: [u8; N]) {
    const { assert!(AT + N <= LENGTH) };
    bytes[AT..AT + N].copy_from_slice(&value);
}
