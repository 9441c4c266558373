//! Who sent a frame: what speakers write where everybody else sees padding or an option that nobody knows.
//!
//! ARP frames are 42 bytes and Ethernet wants 60, so the tag lies in the 18 bytes between. In neighbour discovery it is a
//! nonce option (RFC 3971 section 5.3.2), which every receiver that does not know it ignores (RFC 4861 section 9). Whoever
//! answers a tagged request writes its own number in; the kernel of a stranger repeats nothing.

use super::{put, take};
use crate::abi::NodeId;

/// Length of what stands behind an ARP message in a frame of Ethernet's least length.
pub const ARP_TRAILER: usize = 18;

/// "Arpeggio" in eight bytes, the last of which is the version of the tag.
const MAGIC: [u8; 8] = *b"ARPEGIO\x01";

/// The first block of the tag in neighbour discovery: type 14 (nonce), two blocks; the second block is the node.
pub const ND_TAG: [u8; 8] = [14, 2, b'A', b'R', b'P', b'G', b'I', b'O'];

/// A view on the bytes behind an ARP message.
#[derive(Debug)]
pub struct ArpTag<'a>(pub &'a mut [u8; ARP_TRAILER]);

impl ArpTag<'_> {
    /// The node that the tag names; `None` without a tag: a client's frame has zeros here, or none of these bytes.
    #[inline(always)]
    pub fn node(&self) -> Option<NodeId> {
        if u64::from_be_bytes(take::<0, _, _>(self.0)) == u64::from_be_bytes(MAGIC) {
            NodeId::from_number(u64::from_be_bytes(take::<8, _, _>(self.0)))
        } else {
            None
        }
    }

    /// Writes another node into a tag.
    #[inline(always)]
    pub fn set_node(&mut self, node: Option<NodeId>) {
        put::<8, _, _>(self.0, node.map_or(0, NodeId::number).to_be_bytes());
    }

    /// The tag of `node`.
    pub(super) fn of(node: NodeId) -> [u8; ARP_TRAILER] {
        let mut trailer = [0; ARP_TRAILER];
        put::<0, _, _>(&mut trailer, MAGIC);
        ArpTag(&mut trailer).set_node(Some(node));
        trailer
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(number: u64) -> NodeId {
        NodeId::from_number(number).unwrap()
    }

    #[test]
    fn the_tag_is_what_it_always_was() {
        let trailer = ArpTag::of(node(0x0102_0304_0506_0708));
        assert_eq!(trailer, *b"ARPEGIO\x01\x01\x02\x03\x04\x05\x06\x07\x08\0\0");
        assert_eq!(ND_TAG, *b"\x0e\x02ARPGIO");
    }

    proptest! {
        #[test]
        fn a_tag_is_read_as_it_was_written_and_nothing_else_is_one(
            number in 1u64..,
            other: u64,
            at in 0usize..8,
            bit in 0u8..8,
        ) {
            let mut trailer = ArpTag::of(node(number));
            prop_assert_eq!(ArpTag(&mut trailer).node(), Some(node(number)));
            ArpTag(&mut trailer).set_node(NodeId::from_number(other));
            prop_assert_eq!(ArpTag(&mut trailer).node(), NodeId::from_number(other));
            trailer[at] ^= 1 << bit;
            prop_assert_eq!(ArpTag(&mut trailer).node(), None);
        }
    }
}
