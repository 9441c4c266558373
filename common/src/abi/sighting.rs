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
    /// Ordinary requests that name the address as their sender (RFC 5227 section 2.4).
    Use = 3,
}

impl SightingKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Claim, Self::Reply, Self::Heartbeat, Self::Use];

    /// The kind with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Claim),
            1 => Some(Self::Reply),
            2 => Some(Self::Heartbeat),
            3 => Some(Self::Use),
            _ => None,
        }
    }
}

/// Who was sighted: each sort has a line of its own, so that none hides another.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// A node whose tag counts.
    Speaker = 0,
    /// Anybody else.
    Stranger = 1,
    /// A node that answered a question of ours; the time is that of the question.
    Answer = 2,
    /// Our own node with another MAC. The address is the unspecified one: it is known by the interface.
    Ourselves = 3,
}

impl Sort {
    /// Every sort.
    pub const ALL: [Self; 4] = [Self::Speaker, Self::Stranger, Self::Answer, Self::Ourselves];
}

/// Key of [`SIGHTINGS`](super::names::SIGHTINGS). 24 bytes. The address as in [`Key6`](super::Key6).
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SightingKey {
    address: [u8; 16],
    ifindex: u32,
    sort: u32,
}

impl SightingKey {
    /// Somebody of this sort with the address of `key`, on its interface.
    #[inline(always)]
    pub const fn new(key: super::Key6, sort: Sort) -> Self {
        Self { address: key.address(), ifindex: key.ifindex(), sort: sort as u32 }
    }

    /// Ourselves on this interface.
    #[inline(always)]
    pub const fn ourselves(ifindex: u32) -> Self {
        Self { address: [0; 16], ifindex, sort: Sort::Ourselves as u32 }
    }

    /// Which address, and where.
    #[inline(always)]
    pub const fn key(&self) -> super::Key6 {
        super::Key6::new(self.ifindex, self.address)
    }

    /// Who; `None` for a number that this version does not know.
    pub fn sort(&self) -> Option<Sort> {
        Sort::ALL.into_iter().find(|sort| *sort as u32 == self.sort)
    }
}

/// Value of [`SIGHTINGS`](super::names::SIGHTINGS). 48 bytes. The last one wins; a count tells of those before.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    mac: [u8; 6],
    kind: u8,
    reserved: u8,
    last_seen_ns: u64,
    told_ns: u64,
    count: u64,
    node: Option<NodeId>,
    generation: u64,
}

impl Sighting {
    /// The first sighting of an address; `node` is what the frame says of itself, `now_ns` is monotonic.
    #[inline(always)]
    pub const fn new(mac: [u8; 6], kind: SightingKind, node: Option<NodeId>, now_ns: u64) -> Self {
        Self { mac, kind: kind as u8, reserved: 0, last_seen_ns: now_ns, told_ns: 0, count: 1, node, generation: 0 }
    }

    /// The same with the generation of the order that it goes by.
    #[inline(always)]
    #[must_use]
    pub const fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// The same, of which the agent is told at this time.
    #[inline(always)]
    #[must_use]
    pub const fn told(mut self, now_ns: u64) -> Self {
        self.told_ns = now_ns;
        self
    }

    /// The sighting that follows this one, before the agent is told of it.
    #[inline(always)]
    #[must_use]
    pub const fn then(&self, next: Self) -> Self {
        Self { count: self.count.wrapping_add(next.count), told_ns: self.told_ns, ..next }
    }

    /// MAC of the rival.
    #[inline(always)]
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
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

    /// The generation of the order that it goes by; 0 for none.
    #[inline(always)]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// When the agent was told of one of them last, monotonic nanoseconds; 0 for never.
    #[inline(always)]
    pub const fn told_ns(&self) -> u64 {
        self.told_ns
    }

    /// When, monotonic nanoseconds, stamped in the kernel. Of an answer: when we asked.
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

    use super::{super::Key6, *};

    #[test]
    fn layout_is_pinned() {
        assert_eq!((size_of::<Sighting>(), offset_of!(Sighting, node)), (48, 32));
        assert_eq!(offset_of!(Sighting, kind), 6);
        assert_eq!(offset_of!(Sighting, last_seen_ns), 8);
        assert_eq!((offset_of!(Sighting, told_ns), offset_of!(Sighting, count)), (16, 24));
        assert_eq!(offset_of!(Sighting, generation), 40);
        assert_eq!((size_of::<SightingKey>(), offset_of!(SightingKey, sort)), (24, 20));
    }

    #[test]
    fn every_sort_has_a_line_of_its_own() {
        let key = Key6::new(3, [7; 16]);
        for sort in Sort::ALL {
            let line = SightingKey::new(key, sort);
            assert_eq!((line.key(), line.sort()), (key, Some(sort)));
        }
        assert_eq!(SightingKey::ourselves(3), SightingKey::new(Key6::new(3, [0; 16]), Sort::Ourselves));
    }

    #[test]
    fn the_last_one_wins_and_all_are_counted() {
        let first = Sighting::new([1; 6], SightingKind::Claim, NodeId::from_number(1), 10).told(10);
        let next = Sighting::new([2; 6], SightingKind::Reply, NodeId::from_number(2), 20).with_generation(5);
        let both = first.then(next);
        assert_eq!(
            (both.mac(), both.kind(), both.node(), both.last_seen_ns(), both.count()),
            ([2; 6], Some(SightingKind::Reply), NodeId::from_number(2), 20, 2)
        );
        assert_eq!((both.generation(), both.told_ns(), both.told(20).told_ns()), (5, 10, 20));
        for kind in SightingKind::ALL {
            assert_eq!(SightingKind::from_code(kind as u8), Some(kind));
        }
    }
}
