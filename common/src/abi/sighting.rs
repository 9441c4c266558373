//! Who else answered for an address, or claimed it.

use super::NodeId;

/// How a rival showed itself.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SightingKind {
    /// A gratuitous frame or an unsolicited advertisement.
    Claim = 0,
    /// An answer to somebody's request.
    Reply = 1,
    /// An answer to our own heartbeat or probe.
    Heartbeat = 2,
}

impl SightingKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Claim, Self::Reply, Self::Heartbeat];

    /// The kind with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Claim),
            1 => Some(Self::Reply),
            2 => Some(Self::Heartbeat),
            _ => None,
        }
    }
}

/// Value of [`SIGHTINGS`](super::names::SIGHTINGS). 32 bytes. The last one wins; a count tells of those before.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    mac: [u8; 6],
    kind: u8,
    reserved: u8,
    last_seen_ns: u64,
    count: u64,
    node: Option<NodeId>,
}

impl Sighting {
    /// The first sighting of an address; `node` is what the frame says of itself, `now_ns` is monotonic.
    #[inline(always)]
    pub const fn new(mac: [u8; 6], kind: SightingKind, node: Option<NodeId>, now_ns: u64) -> Self {
        Self { mac, kind: kind as u8, reserved: 0, last_seen_ns: now_ns, count: 1, node }
    }

    /// The sighting that follows this one.
    #[inline(always)]
    #[must_use]
    pub const fn then(&self, next: Self) -> Self {
        Self { count: self.count.wrapping_add(next.count), ..next }
    }

    /// MAC of the rival.
    #[inline(always)]
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Whether the other sighting is of the same rival: MAC, and what it says of itself.
    #[inline(always)]
    pub fn is_same_rival(&self, other: &Self) -> bool {
        self.mac == other.mac && self.node == other.node
    }

    /// Whether the rival showed itself in the same way.
    #[inline(always)]
    pub const fn is_same_kind(&self, other: &Self) -> bool {
        self.kind == other.kind
    }

    /// Which node; `None` when its frame had no tag: then it is a stranger, or a speaker that answered a client.
    #[inline(always)]
    pub const fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// How it showed itself; `None` for a number that this version does not know.
    pub const fn kind(&self) -> Option<SightingKind> {
        SightingKind::from_code(self.kind)
    }

    /// When, monotonic nanoseconds, stamped in the kernel.
    #[inline(always)]
    pub const fn last_seen_ns(&self) -> u64 {
        self.last_seen_ns
    }

    /// How often the address was seen on others.
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
        assert_eq!((size_of::<Sighting>(), offset_of!(Sighting, node)), (32, 24));
        assert_eq!(offset_of!(Sighting, kind), 6);
        assert_eq!(offset_of!(Sighting, last_seen_ns), 8);
        assert_eq!(offset_of!(Sighting, count), 16);
    }

    #[test]
    fn the_last_one_wins_and_all_are_counted() {
        let first = Sighting::new([1; 6], SightingKind::Claim, NodeId::from_number(1), 10);
        let both = first.then(Sighting::new([2; 6], SightingKind::Reply, NodeId::from_number(2), 20));
        assert_eq!(
            (both.mac(), both.kind(), both.node(), both.last_seen_ns(), both.count()),
            ([2; 6], Some(SightingKind::Reply), NodeId::from_number(2), 20, 2)
        );
        assert!(!first.is_same_rival(&both) && !first.is_same_kind(&both));
        assert!(first.is_same_rival(&Sighting::new([1; 6], SightingKind::Reply, first.node(), 30)));
        assert!(!first.is_same_rival(&Sighting::new([1; 6], SightingKind::Claim, None, 30)));
        for kind in SightingKind::ALL {
            assert_eq!(SightingKind::from_code(kind as u8), Some(kind));
        }
    }
}
