//! Rare facts that the agent should hear of at once.

use core::mem::offset_of;

use super::NodeId;

/// What happened.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// Another MAC claimed or answered for an address that we answer for.
    Conflict = 0,
    /// Another MAC claimed an address that we do not answer for.
    Claim = 1,
    /// Our own node spoke with another MAC: another interface of ours on the same segment, or a machine of the same name. The
    /// address is the unspecified one.
    OwnIdentity = 2,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Conflict, Self::Claim, Self::OwnIdentity];

    /// The kind with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Conflict),
            1 => Some(Self::Claim),
            2 => Some(Self::OwnIdentity),
            _ => None,
        }
    }
}

/// One record of [`EVENTS`](super::names::EVENTS). 56 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    at_ns: u64,
    address: [u8; 16],
    mac: [u8; 6],
    kind: u8,
    reserved: u8,
    ifindex: u32,
    reserved2: u32,
    node: Option<NodeId>,
    generation: u64,
}

impl Event {
    /// `at_ns` is monotonic, `mac` that of the other side, `node` what its frame says of itself.
    #[inline(always)]
    pub const fn new(kind: EventKind, key: super::Key6, mac: [u8; 6], node: Option<NodeId>, at_ns: u64) -> Self {
        Self {
            at_ns,
            address: key.address(),
            mac,
            kind: kind as u8,
            reserved: 0,
            ifindex: key.ifindex(),
            reserved2: 0,
            node,
            generation: 0,
        }
    }

    /// The same with the generation of the order that the other side goes by.
    #[inline(always)]
    #[must_use]
    pub const fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// Reads a record as the program wrote it. `None` when it is too short or tells something that this version does not
    /// know.
    pub fn from_record(record: &[u8]) -> Option<Self> {
        fn field<const N: usize>(record: &[u8], offset: usize) -> Option<[u8; N]> {
            record.get(offset..)?.first_chunk().copied()
        }
        let at_ns = u64::from_ne_bytes(field(record, offset_of!(Self, at_ns))?);
        let ifindex = u32::from_ne_bytes(field(record, offset_of!(Self, ifindex))?);
        let key = super::Key6::new(ifindex, field(record, offset_of!(Self, address))?);
        let [kind] = field(record, offset_of!(Self, kind))?;
        let node = NodeId::from_number(u64::from_ne_bytes(field(record, offset_of!(Self, node))?));
        let generation = u64::from_ne_bytes(field(record, offset_of!(Self, generation))?);
        let event = Self::new(EventKind::from_code(kind)?, key, field(record, offset_of!(Self, mac))?, node, at_ns);
        Some(event.with_generation(generation))
    }

    /// When, monotonic nanoseconds.
    pub const fn at_ns(&self) -> u64 {
        self.at_ns
    }

    /// Which address, and where.
    pub const fn key(&self) -> super::Key6 {
        super::Key6::new(self.ifindex, self.address)
    }

    /// MAC of the other side.
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Which node spoke; `None` when its frame had no tag.
    pub const fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// The generation of the order that the other side goes by; 0 for none.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// What happened; `None` for a number that this version does not know.
    pub const fn kind(&self) -> Option<EventKind> {
        EventKind::from_code(self.kind)
    }
}

#[cfg(test)]
mod tests {
    use core::mem::size_of;

    use super::{super::Key6, *};

    #[test]
    fn layout_is_pinned() {
        assert_eq!((size_of::<Event>(), offset_of!(Event, node), offset_of!(Event, generation)), (56, 40, 48));
        assert_eq!((offset_of!(Event, address), offset_of!(Event, ifindex)), (8, 32));
        assert_eq!((offset_of!(Event, mac), offset_of!(Event, kind)), (24, 30));
    }

    #[test]
    fn an_event_gives_back_what_it_was_made_of() {
        for kind in EventKind::ALL {
            let event = Event::new(kind, Key6::new(4, [6; 16]), [8; 6], NodeId::from_number(5), 99);
            assert_eq!(
                (event.kind(), event.key(), event.mac(), event.node(), event.at_ns()),
                (Some(kind), Key6::new(4, [6; 16]), [8; 6], NodeId::from_number(5), 99)
            );
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut record = [0; size_of::<Event>()];
        record[..8].copy_from_slice(&0x0102_0304_0506_0708u64.to_ne_bytes());
        record[8..24].copy_from_slice(&[7; 16]);
        record[24..30].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
        record[32..36].copy_from_slice(&3u32.to_ne_bytes());
        record[40..48].copy_from_slice(&0x1112_1314_1516_1718u64.to_ne_bytes());
        record[48..].copy_from_slice(&7u64.to_ne_bytes());
        for kind in EventKind::ALL {
            record[30] = kind as u8;
            let node = NodeId::from_number(0x1112_1314_1516_1718);
            let wanted = Event::new(kind, Key6::new(3, [7; 16]), [2, 0, 0, 0, 0, 9], node, 0x0102_0304_0506_0708);
            assert_eq!(Event::from_record(&record), Some(wanted.with_generation(7)));
        }
        for length in 0..56 {
            assert_eq!(Event::from_record(&record[..length]), None, "{length}");
        }
        record[30] = 200;
        assert_eq!(Event::from_record(&record), None, "an unknown kind");
    }
}
