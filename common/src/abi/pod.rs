//! Lets aya copy the map types to and from the kernel.

#![expect(unsafe_code, reason = "aya's Pod is an unsafe trait; each impl below says why it holds")]

use super::{
    Client, ClientKey, Key4, Key6, Keys, Lease, Peer, PeerKey, Sighting, SightingKey, Stats, Stray, StrayKey, Vip,
};

macro_rules! pod {
    ($($type:ty)*) => {$(
        // SAFETY: Pod demands a type that may be copied as bytes and that is valid for every bit pattern. The type is
        // `repr(C)` and made of integers, arrays of integers and optional node ids (an
        // integer of which 0 means none) only; codes with invalid values are kept as integers and
        // decoded by methods. Its unit test pins the size to the sum of its fields, so it has no padding to leak.
        unsafe impl aya::Pod for $type {}
    )*};
}

pod!(Key4 Key6 Keys Vip Stats Sighting SightingKey ClientKey Client Lease PeerKey Peer StrayKey Stray);
