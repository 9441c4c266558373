//! Rare facts that the agent should hear of at once.

/// What happened.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// Another MAC claimed or answered for an address that we answer for.
    Conflict = 0,
    /// Another MAC claimed an address that we do not answer for.
    Claim = 1,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Conflict, Self::Claim];

    /// The kind with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Conflict),
            1 => Some(Self::Claim),
            _ => None,
        }
    }
}

/// One record of [`EVENTS`](super::names::EVENTS). 40 bytes.
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
}

impl Event {
    /// `at_ns` is monotonic, `mac` that of the other side.
    #[inline(always)]
    pub const fn new(kind: EventKind, key: super::Key6, mac: [u8; 6], at_ns: u64) -> Self {
        Self { at_ns, address: key.address(), mac, kind: kind as u8, reserved: 0, ifindex: key.ifindex(), reserved2: 0 }
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

    /// What happened; `None` for a number that this version does not know.
    pub const fn kind(&self) -> Option<EventKind> {
        EventKind::from_code(self.kind)
    }
}

#[cfg(test)]
mod tests {
    use core::mem::{offset_of, size_of};

    use super::{super::Key6, *};

    #[test]
    fn layout_is_pinned() {
        assert_eq!(size_of::<Event>(), 40);
        assert_eq!((offset_of!(Event, address), offset_of!(Event, ifindex)), (8, 32));
        assert_eq!((offset_of!(Event, mac), offset_of!(Event, kind)), (24, 30));
    }

    #[test]
    fn an_event_gives_back_what_it_was_made_of() {
        for kind in EventKind::ALL {
            let event = Event::new(kind, Key6::new(4, [6; 16]), [8; 6], 99);
            assert_eq!((event.kind(), event.key(), event.mac(), event.at_ns()), (Some(kind), Key6::new(4, [6; 16]), [8; 6], 99));
        }
    }
}
