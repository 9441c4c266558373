//! Keys of the address maps.
//!
//! Every type that the program builds on its stack is aligned to 8 bytes and has its longer fields at multiples of 8: the
//! verifier refuses stack accesses that are not aligned, and the program is compiled for whole-word copies.

/// Key of [`VIPS4`](super::names::VIPS4): an IPv4 address as seen on one interface. 8 bytes.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key4 {
    address: [u8; 4],
    ifindex: u32,
}

impl Key4 {
    /// `address` in network order.
    #[inline(always)]
    pub const fn new(ifindex: u32, address: [u8; 4]) -> Self {
        Self { ifindex, address }
    }

    /// Index of the interface, as the kernel numbers it.
    #[inline(always)]
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// The address in network order.
    #[inline(always)]
    pub const fn address(&self) -> [u8; 4] {
        self.address
    }

    /// The same place in the maps that hold both families.
    #[inline(always)]
    pub const fn widen(&self) -> Key6 {
        let [a, b, c, d] = self.address;
        Key6::new(self.ifindex, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }
}

/// Key of [`VIPS6`](super::names::VIPS6) and of [`SIGHTINGS`](super::names::SIGHTINGS): an address as seen on one
/// interface. 24 bytes. Where both families share a map, IPv4 is written as `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2).
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key6 {
    address: [u8; 16],
    ifindex: u32,
    reserved: u32,
}

impl Key6 {
    /// `address` in network order.
    #[inline(always)]
    pub const fn new(ifindex: u32, address: [u8; 16]) -> Self {
        Self { address, ifindex, reserved: 0 }
    }

    /// Index of the interface, as the kernel numbers it.
    #[inline(always)]
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// The address in network order.
    #[inline(always)]
    pub const fn address(&self) -> [u8; 16] {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use core::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn layout_is_pinned() {
        assert_eq!((size_of::<Key4>(), offset_of!(Key4, address), offset_of!(Key4, ifindex)), (8, 0, 4));
        assert_eq!((size_of::<Key6>(), offset_of!(Key6, address), offset_of!(Key6, ifindex)), (24, 0, 16));
    }

    #[test]
    fn ipv4_is_mapped_into_the_wide_key() {
        let wide = Key4::new(7, [192, 0, 2, 1]).widen();
        assert_eq!(std::net::Ipv6Addr::from(wide.address()).to_ipv4_mapped(), Some([192, 0, 2, 1].into()));
        assert_eq!(wide.ifindex(), 7);
    }
}
