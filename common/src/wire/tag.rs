//! Who sent a frame: what speakers write where everybody else sees padding or an option that nobody knows.
//!
//! Behind an ARP message it stands where Ethernet allows padding, and makes the frame longer than the least length: a device
//! that rebuilds ARP frames loses it, and the frame is then that of a stranger. In neighbour discovery it is a nonce option
//! (RFC 3971 section 5.3.2), which every receiver that does not know it ignores (RFC 4861 section 9). Whoever answers a
//! tagged request writes its own tag in; the kernel of a stranger repeats nothing.

use super::{put, take};
use crate::abi::NodeId;

/// Length of a tag behind an ARP message.
pub const ARP_TRAILER: usize = 40;

/// Length of the tag in neighbour discovery, in blocks of 8 bytes.
pub const ND_TAG_BLOCKS: usize = 5;

/// "Arpeggio" in eight bytes, the last of which is the version of the tag.
const MAGIC: [u8; 8] = *b"ARPEGIO\x02";

/// The first block of the tag in neighbour discovery: type 14 (nonce), five blocks; node, generation, nonce and proof follow.
pub const ND_TAG: [u8; 8] = [14, 5, b'A', b'R', b'P', b'G', b'I', b'2'];

/// What a speaker says of itself in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The sender.
    pub node: NodeId,
    /// The generation of the order that it goes by for the address; 0 where it knows none.
    pub generation: u64,
    /// See [`Nonce`].
    pub nonce: Nonce,
    /// What shows that the sender has the key, see [`proof`](super::proof); 0 without a key.
    pub proof: u64,
}

/// When a question was asked, in monotonic nanoseconds of the asker, which the answer repeats; and what sort of frame it is.
/// A machine runs for 146 years before its clock reaches the two highest bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(u64);

impl Nonce {
    /// Set in a question to a node, whatever it owns, and in the answer: is there anybody?
    const ALIVE: u64 = 1 << 63;
    /// Set in whatever is no question and answers none.
    const STATEMENT: u64 = 1 << 62;

    /// Of a question for an address, asked at this time.
    #[inline(always)]
    pub const fn question(now_ns: u64) -> Self {
        Self(now_ns & !(Self::ALIVE | Self::STATEMENT))
    }

    /// Of a question whether the node is there at all.
    #[inline(always)]
    pub const fn alive(now_ns: u64) -> Self {
        Self(Self::question(now_ns).0 | Self::ALIVE)
    }

    /// Of a claim or a correction.
    #[inline(always)]
    pub const fn statement(now_ns: u64) -> Self {
        Self(Self::question(now_ns).0 | Self::STATEMENT)
    }

    /// As it stands in a frame.
    #[inline(always)]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// As it stands in a frame.
    #[inline(always)]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Whether the question is for the node, not for an address.
    #[inline(always)]
    pub const fn asks_for_life(self) -> bool {
        self.0 & Self::ALIVE != 0
    }

    /// Whether it is neither a question nor an answer.
    #[inline(always)]
    pub const fn is_statement(self) -> bool {
        self.0 & Self::STATEMENT != 0
    }

    /// When it was asked or said, in monotonic nanoseconds of whoever did.
    #[inline(always)]
    pub const fn at_ns(self) -> u64 {
        self.0 & !(Self::ALIVE | Self::STATEMENT)
    }
}

impl Tag {
    /// The tag in these numbers; `None` when they name nobody.
    #[inline(always)]
    pub const fn from_numbers([node, generation, nonce, proof]: [u64; 4]) -> Option<Self> {
        match NodeId::from_number(node) {
            Some(node) => Some(Self { node, generation, nonce: Nonce(nonce), proof }),
            None => None,
        }
    }

    /// The tag in these bytes.
    #[inline(always)]
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        Self::from_numbers([
            u64::from_be_bytes(take::<0, _, _>(bytes)),
            u64::from_be_bytes(take::<8, _, _>(bytes)),
            u64::from_be_bytes(take::<16, _, _>(bytes)),
            u64::from_be_bytes(take::<24, _, _>(bytes)),
        ])
    }

    /// Its numbers in the order of the wire.
    #[inline(always)]
    pub const fn numbers(&self) -> [u64; 4] {
        [self.node.number(), self.generation, self.nonce.0, self.proof]
    }
}

/// A view on the bytes behind an ARP message.
#[derive(Debug)]
pub struct ArpTag<'a>(pub &'a mut [u8; ARP_TRAILER]);

impl ArpTag<'_> {
    /// What it says; `None` without a tag: a client's frame has zeros here, or none of these bytes.
    #[inline(always)]
    pub fn read(&self) -> Option<Tag> {
        if u64::from_be_bytes(take::<0, _, _>(self.0)) != u64::from_be_bytes(MAGIC) {
            return None;
        }
        Tag::from_bytes(&take::<8, _, _>(self.0))
    }

    /// Writes a tag.
    #[inline(always)]
    pub fn write(&mut self, tag: Tag) {
        let [node, generation, nonce, proof] = tag.numbers();
        put::<0, _, _>(self.0, MAGIC);
        put::<8, _, _>(self.0, node.to_be_bytes());
        put::<16, _, _>(self.0, generation.to_be_bytes());
        put::<24, _, _>(self.0, nonce.to_be_bytes());
        put::<32, _, _>(self.0, proof.to_be_bytes());
    }

    /// Takes the sender's name out: an answer that carries the asker's own tag would look like the asker's own frame.
    #[inline(always)]
    pub fn erase(&mut self) {
        put::<0, _, _>(self.0, [0; 8]);
    }

    /// The bytes of a tag.
    pub(super) fn of(tag: Tag) -> [u8; ARP_TRAILER] {
        let mut trailer = [0; ARP_TRAILER];
        ArpTag(&mut trailer).write(tag);
        trailer
    }
}

/// The option of a tag in neighbour discovery.
#[inline(always)]
pub const fn nd_tag(tag: Tag) -> [[u8; 8]; ND_TAG_BLOCKS] {
    let [node, generation, nonce, proof] = tag.numbers();
    [ND_TAG, node.to_be_bytes(), generation.to_be_bytes(), nonce.to_be_bytes(), proof.to_be_bytes()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tag(numbers: [u64; 4]) -> Tag {
        Tag::from_numbers(numbers).unwrap()
    }

    #[test]
    fn the_tag_is_what_nodes_of_every_version_read() {
        let trailer = ArpTag::of(tag([0x0102_0304_0506_0708, 3, 4, 5]));
        let numbers = b"\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x05";
        assert_eq!(trailer[..8], *b"ARPEGIO\x02");
        assert_eq!(trailer[8..], *numbers);
        assert_eq!(nd_tag(tag([0x0102_0304_0506_0708, 3, 4, 5])).as_flattened()[..8], *b"\x0e\x05ARPGI2");
        assert_eq!(nd_tag(tag([0x0102_0304_0506_0708, 3, 4, 5])).as_flattened()[8..], *numbers);
    }

    #[test]
    fn a_nonce_says_when_and_what_for() {
        let at_ns = 123_456_789;
        let sorts = [Nonce::question(at_ns), Nonce::alive(at_ns), Nonce::statement(at_ns)];
        assert_eq!(sorts.map(Nonce::asks_for_life), [false, true, false]);
        assert_eq!(sorts.map(Nonce::is_statement), [false, false, true]);
        assert_eq!(sorts.map(Nonce::at_ns), [at_ns; 3]);
    }

    proptest! {
        #[test]
        fn a_tag_is_read_as_it_was_written_and_nothing_else_is_one(
            numbers in (1u64.., any::<[u64; 3]>()),
            at in 0usize..8,
            bit in 0u8..8,
        ) {
            let (node, [generation, nonce, proof]) = numbers;
            let tag = tag([node, generation, nonce, proof]);
            let mut trailer = ArpTag::of(tag);
            prop_assert_eq!(ArpTag(&mut trailer).read(), Some(tag));
            trailer[at] ^= 1 << bit;
            prop_assert_eq!(ArpTag(&mut trailer).read(), None);
            let mut trailer = ArpTag::of(tag);
            ArpTag(&mut trailer).erase();
            prop_assert_eq!(ArpTag(&mut trailer).read(), None);
        }
    }
}
