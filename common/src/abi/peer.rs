//! The other speakers of a segment, as their tagged frames show them.

use super::NodeId;

/// Key of [`PEERS`](super::names::PEERS): a node as heard on one interface. 16 bytes.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey {
    node: Option<NodeId>,
    ifindex: u32,
    reserved: u32,
}

impl PeerKey {
    /// Whatever has a tag has a node.
    #[inline(always)]
    pub const fn new(ifindex: u32, node: NodeId) -> Self {
        Self { node: Some(node), ifindex, reserved: 0 }
    }

    /// Any node: when a speaker was heard on the interface last, whichever it was.
    #[inline(always)]
    pub const fn anybody(ifindex: u32) -> Self {
        Self { node: None, ifindex, reserved: 0 }
    }

    /// Which node; `None` for [`anybody`](Self::anybody).
    pub const fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// Where it was heard.
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }
}

/// Value of [`PEERS`](super::names::PEERS). 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    mac: [u8; 6],
    reserved: [u8; 2],
    last_seen_ns: u64,
    answered_ns: u64,
    count: u64,
}

impl Peer {
    /// A node that the agent knows and that was not heard yet.
    pub const UNHEARD: Self = Self { mac: [0; 6], reserved: [0; 2], last_seen_ns: 0, answered_ns: 0, count: 0 };

    /// A frame of the node; `now_ns` is monotonic.
    #[inline(always)]
    pub const fn new(mac: [u8; 6], now_ns: u64) -> Self {
        Self { mac, reserved: [0; 2], last_seen_ns: now_ns, answered_ns: 0, count: 1 }
    }

    /// The same, when the frame answers a question that we asked at this time, monotonic nanoseconds.
    #[inline(always)]
    #[must_use]
    pub const fn answering(mut self, asked_ns: u64) -> Self {
        self.answered_ns = asked_ns;
        self
    }

    /// What is known after the frame `next` as well. An answer that was held back, or sent again, proves no more than the first.
    #[inline(always)]
    #[must_use]
    pub const fn then(&self, next: Self) -> Self {
        let answered_ns = if next.answered_ns < self.answered_ns { self.answered_ns } else { next.answered_ns };
        Self { answered_ns, count: self.count.wrapping_add(next.count), ..next }
    }

    /// MAC of its interface on this segment.
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// When its last tagged frame came, monotonic nanoseconds, stamped in the kernel.
    pub const fn last_seen_ns(&self) -> u64 {
        self.last_seen_ns
    }

    /// When the newest question of ours that it answered was asked, monotonic nanoseconds; 0 for never.
    pub const fn answered_ns(&self) -> u64 {
        self.answered_ns
    }

    /// How many tagged frames came.
    pub const fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use core::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn layout_is_pinned() {
        assert_eq!((size_of::<PeerKey>(), offset_of!(PeerKey, node), offset_of!(PeerKey, ifindex)), (16, 0, 8));
        assert_eq!(size_of::<Peer>(), 32);
        assert_eq!(
            (offset_of!(Peer, last_seen_ns), offset_of!(Peer, answered_ns), offset_of!(Peer, count)),
            (8, 16, 24)
        );
    }

    #[test]
    fn a_peer_gives_back_what_it_was_made_of() {
        let node = NodeId::from_number(7).unwrap();
        let key = PeerKey::new(3, node);
        assert_eq!((key.ifindex(), key.node()), (3, Some(node)));
        let twice = Peer::new([1; 6], 10).then(Peer::new([2; 6], 20));
        assert_eq!((twice.mac(), twice.last_seen_ns(), twice.count()), ([2; 6], 20, 2));
        let answered = twice.then(Peer::new([2; 6], 30).answering(25)).then(Peer::new([2; 6], 40));
        assert_eq!((twice.answered_ns(), answered.answered_ns(), answered.last_seen_ns()), (0, 25, 40));
        let held_back = answered.then(Peer::new([2; 6], 50).answering(20));
        assert_eq!((held_back.answered_ns(), held_back.last_seen_ns()), (25, 50));
        assert_eq!(Peer::UNHEARD.then(Peer::new([1; 6], 10)), Peer::new([1; 6], 10));
        assert_eq!(PeerKey::anybody(3).node(), None);
    }
}
