//! Who asked for an address: exactly the caches that a new owner has to correct.

/// Key of [`CLIENTS`](super::names::CLIENTS). 40 bytes. Both addresses as in [`Key6`](super::Key6).
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey {
    vip: [u8; 16],
    client: [u8; 16],
    ifindex: u32,
    reserved: u32,
}

impl ClientKey {
    /// `client` asked for the address of `vip` on its interface.
    #[inline(always)]
    pub const fn new(vip: super::Key6, client: [u8; 16]) -> Self {
        Self { vip: vip.address(), client, ifindex: vip.ifindex(), reserved: 0 }
    }

    /// The address that was asked for, and where.
    pub const fn vip(&self) -> super::Key6 {
        super::Key6::new(self.ifindex, self.vip)
    }

    /// The address of the client.
    pub const fn client(&self) -> [u8; 16] {
        self.client
    }
}

/// Value of [`CLIENTS`](super::names::CLIENTS). 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    mac: [u8; 6],
    reserved: [u8; 2],
    last_seen_ns: u64,
}

impl Client {
    /// `now_ns` is coarse monotonic time.
    #[inline(always)]
    pub const fn new(mac: [u8; 6], now_ns: u64) -> Self {
        Self { mac, reserved: [0; 2], last_seen_ns: now_ns }
    }

    /// MAC of the client.
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// When it asked, coarse monotonic nanoseconds; up to [`CLIENT_REFRESH_NS`](super::CLIENT_REFRESH_NS) old.
    pub const fn last_seen_ns(&self) -> u64 {
        self.last_seen_ns
    }
}

#[cfg(test)]
mod tests {
    use core::mem::{offset_of, size_of};

    use super::{super::Key6, *};

    #[test]
    fn layout_is_pinned() {
        assert_eq!(size_of::<ClientKey>(), 40);
        assert_eq!((offset_of!(ClientKey, client), offset_of!(ClientKey, ifindex)), (16, 32));
        assert_eq!((size_of::<Client>(), offset_of!(Client, last_seen_ns)), (16, 8));
    }

    #[test]
    fn a_key_gives_back_what_it_was_made_of() {
        let vip = Key6::new(3, [7; 16]);
        let key = ClientKey::new(vip, [9; 16]);
        assert_eq!((key.vip(), key.client()), (vip, [9; 16]));
        let client = Client::new([5; 6], 77);
        assert_eq!((client.mac(), client.last_seen_ns()), ([5; 6], 77));
    }
}
