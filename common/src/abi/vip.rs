//! The value of the address maps: what to do when somebody asks for an address.

/// Number of shares into which the clients of an address are divided in Shared mode.
pub const BUCKETS: u32 = 64;

/// The bucket mask of an exclusive owner.
pub const ALL_BUCKETS: u64 = u64::MAX;

/// What the program does with a request for an address.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Let the request pass, but watch who answers.
    Observe = 0,
    /// Answer it with our own MAC.
    Answer = 1,
    /// Drop it, so that a kernel that holds the address (kube-ipvs0) stays silent.
    Suppress = 2,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 3] = [Self::Observe, Self::Answer, Self::Suppress];

    /// The action with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Observe),
            1 => Some(Self::Answer),
            2 => Some(Self::Suppress),
            _ => None,
        }
    }

    /// How it is shown to people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Answer => "answer",
            Self::Suppress => "suppress",
        }
    }
}

/// Modifiers of an entry.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flags(u8);

impl Flags {
    /// Nothing special.
    pub const NONE: Self = Self(0);
    /// The node is being evacuated: clients are answered, heartbeats of the other candidates are not.
    pub const EVACUATING: Self = Self(1);

    /// Whether every bit of `other` is set.
    #[inline(always)]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Value of [`VIPS4`](super::names::VIPS4) and [`VIPS6`](super::names::VIPS6). 32 bytes.
///
/// Action and flags are kept as numbers: the kernel hands out whatever bytes were written, and a number has no invalid ones.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vip {
    mac: [u8; 6],
    action: u8,
    flags: u8,
    slot: u32,
    reserved: u32,
    buckets: u64,
    generation: u64,
}

impl Vip {
    /// `mac` is that of the interface the entry is for, whatever the action; `slot` its line in
    /// [`STATS`](super::names::STATS); `buckets` the shares this node answers for.
    pub const fn new(mac: [u8; 6], action: Action, slot: u32, buckets: u64) -> Self {
        Self { mac, action: action as u8, flags: Flags::NONE.0, slot, reserved: 0, buckets, generation: 0 }
    }

    /// The same entry with other modifiers.
    #[must_use]
    pub const fn with_flags(mut self, flags: Flags) -> Self {
        self.flags = flags.0;
        self
    }

    /// The same entry by another order.
    #[must_use]
    pub const fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// MAC of our own interface.
    #[inline(always)]
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// What to do with a request; `None` for a number that this version does not know.
    #[inline(always)]
    pub const fn action(&self) -> Option<Action> {
        Action::from_code(self.action)
    }

    /// Modifiers.
    #[inline(always)]
    pub const fn flags(&self) -> Flags {
        Flags(self.flags)
    }

    /// Line in [`STATS`](super::names::STATS).
    #[inline(always)]
    pub const fn slot(&self) -> u32 {
        self.slot
    }

    /// The generation of the order that the entry follows from: what its answers to speakers say; 0 for none.
    #[inline(always)]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The shares of clients this node answers.
    #[inline(always)]
    pub const fn buckets(&self) -> u64 {
        self.buckets
    }

    /// Whether the client in `bucket` is ours to answer.
    #[inline(always)]
    pub const fn serves(&self, bucket: u32) -> bool {
        (self.buckets >> (bucket % BUCKETS)) & 1 == 1
    }
}

/// The share a client belongs to, 0 to 63: the same on every node. `client` is the sender address in network order,
/// IPv4 as its four bytes in the last word.
#[inline(always)]
pub const fn bucket(client: [u32; 4]) -> u32 {
    // Fibonacci hashing (Knuth, TAOCP 6.4): one multiplication per word, the top six bits are the well mixed ones.
    const GOLDEN: u32 = 0x9e37_79b1;
    let [a, b, c, d] = client;
    let mixed = a.wrapping_mul(GOLDEN) ^ b;
    let mixed = mixed.wrapping_mul(GOLDEN) ^ c;
    let mixed = mixed.wrapping_mul(GOLDEN) ^ d;
    mixed.wrapping_mul(GOLDEN) >> 26
}

/// [`bucket`] of a client's address as user space has it.
pub const fn bucket_of(client: core::net::IpAddr) -> u32 {
    match client {
        core::net::IpAddr::V4(v4) => bucket([0, 0, 0, v4.to_bits()]),
        core::net::IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.segments();
            bucket([join(a, b), join(c, d), join(e, f), join(g, h)])
        }
    }
}

const fn join(high: u16, low: u16) -> u32 {
    ((high as u32) << 16) | low as u32
}

#[cfg(test)]
mod tests {
    use core::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn layout_is_pinned() {
        assert_eq!(size_of::<Vip>(), 32);
        assert_eq!(offset_of!(Vip, mac), 0);
        assert_eq!(offset_of!(Vip, action), 6);
        assert_eq!(offset_of!(Vip, flags), 7);
        assert_eq!(offset_of!(Vip, slot), 8);
        assert_eq!(offset_of!(Vip, buckets), 16);
        assert_eq!(offset_of!(Vip, generation), 24);
    }

    #[test]
    fn action_codes_go_there_and_back() {
        for action in Action::ALL {
            assert_eq!(Action::from_code(action as u8), Some(action));
            assert_eq!(Vip::new([0; 6], action, 0, 0).action(), Some(action));
        }
        assert_eq!(Action::from_code(3), None);
    }

    #[test]
    fn every_bucket_edge_is_served_by_its_own_bit() {
        for wanted in 0..BUCKETS {
            let vip = Vip::new([0; 6], Action::Answer, 0, 1 << wanted);
            for asked in 0..BUCKETS {
                assert_eq!(vip.serves(asked), asked == wanted);
            }
        }
    }

    #[test]
    fn neighbouring_clients_spread_over_all_buckets() {
        let mut hits = [0u32; BUCKETS as usize];
        for host in 0..4096u32 {
            hits[bucket([0, 0, 0, 0xc000_0000 + host]) as usize] += 1;
        }
        assert!(hits.iter().all(|n| (32..=128).contains(n)), "{hits:?}");
    }
}
