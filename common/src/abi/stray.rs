//! Senders whose neighbour cache is wrong: they send frames for an address to a node that does not own it.

use super::Key6;

/// Key of [`STRAYS`](super::names::STRAYS): a sender by its MAC, and the address that it means. 32 bytes.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StrayKey {
    address: [u8; 16],
    mac: [u8; 6],
    reserved: [u8; 2],
    ifindex: u32,
    reserved2: u32,
}

impl StrayKey {
    /// `mac` sends frames for the address of `vip` to this node.
    #[inline(always)]
    pub const fn new(vip: Key6, mac: [u8; 6]) -> Self {
        Self { address: vip.address(), mac, reserved: [0; 2], ifindex: vip.ifindex(), reserved2: 0 }
    }

    /// The address that is meant, and where.
    pub const fn vip(&self) -> Key6 {
        Key6::new(self.ifindex, self.address)
    }

    /// MAC of the sender: a client, or its router.
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
    }
}

/// Value of [`STRAYS`](super::names::STRAYS). 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stray {
    source: [u8; 16],
    last_seen_ns: u64,
    count: u64,
}

impl Stray {
    /// The first frame; `source` is its IP source as in [`Key6`], `now_ns` monotonic.
    #[inline(always)]
    pub const fn new(source: [u8; 16], now_ns: u64) -> Self {
        Self { source, last_seen_ns: now_ns, count: 1 }
    }

    /// What is known after the frame `next` as well.
    #[inline(always)]
    #[must_use]
    pub const fn then(&self, next: Self) -> Self {
        Self { count: self.count.wrapping_add(next.count), ..next }
    }

    /// IP source of the last frame, as in [`Key6`].
    pub const fn source(&self) -> [u8; 16] {
        self.source
    }

    /// When the last frame came, coarse monotonic nanoseconds.
    pub const fn last_seen_ns(&self) -> u64 {
        self.last_seen_ns
    }

    /// How many frames came.
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
        assert_eq!(size_of::<StrayKey>(), 32);
        assert_eq!((offset_of!(StrayKey, mac), offset_of!(StrayKey, ifindex)), (16, 24));
        assert_eq!((size_of::<Stray>(), offset_of!(Stray, last_seen_ns), offset_of!(Stray, count)), (32, 16, 24));
    }

    #[test]
    fn a_stray_gives_back_what_it_was_made_of() {
        let key = StrayKey::new(Key6::new(3, [7; 16]), [9; 6]);
        assert_eq!((key.vip(), key.mac()), (Key6::new(3, [7; 16]), [9; 6]));
        let twice = Stray::new([1; 16], 10).then(Stray::new([2; 16], 20));
        assert_eq!((twice.source(), twice.last_seen_ns(), twice.count()), ([2; 16], 20, 2));
    }
}
