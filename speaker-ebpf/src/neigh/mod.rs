//! ARP and neighbour discovery: one decision each, and what they share.

mod arp;
mod ndp;
mod prove;
mod sighting;
mod speaker;

pub use arp::decide as arp;
pub use ndp::decide as ndp;

use arpeggio_common::{
    abi::{
        Action, ClientKey, Flags, Key4, Key6, Lease, Outcome, PeerKey, SUPPRESSION_NS, SightingKey, SightingKind, Sort,
        Vip,
    },
    wire::Mac,
};

use self::speaker::Speaker;
use crate::Tables;

// All functions of a chain of calls share 512 bytes of stack. So what happens one after the other is done in functions beside each
// other, which are not inlined, and their parts are handed over by reference, aligned as the verifier wants it.

/// Who asks: address as in [`Key6`], MAC, and the share of clients it belongs to.
#[repr(C, align(8))]
#[derive(Default)]
struct Asker {
    address: [u8; 16],
    mac: [u8; 6],
    /// Another node that looks for the owner: no cache of it has to be corrected.
    is_speaker: bool,
    /// It did not ask just now: whether it uses an address of ours has to be looked up.
    is_fresh: bool,
    bucket: u32,
}

/// What the maps say of the address in question, and when it is asked for.
#[repr(C, align(8))]
struct Place {
    key: Key6,
    vip: Vip,
    lease: Lease,
    now_ns: u64,
}

impl Place {
    /// Nowhere.
    const NOWHERE: Self = Self {
        key: Key6::new(0, [0; 16]),
        vip: Vip::new([0; 6], Action::Observe, 0, 0),
        lease: Lease::NONE,
        now_ns: 0,
    };

    /// Whether the address is in the maps.
    #[inline(always)]
    fn find(&mut self, tables: &impl Tables, key: Key6, vip: Option<Vip>) -> bool {
        let Some(vip) = vip else { return false };
        (self.key, self.vip) = (key, vip);
        (self.lease, self.now_ns) = (tables.lease(), tables.coarse_now_ns());
        true
    }

    /// The same of an IPv4 address.
    #[inline(never)]
    fn find4(&mut self, tables: &impl Tables, key: Key4) -> bool {
        // Apart from the interface, with which it would be written in one word across a boundary of the stack.
        let wide = Key4::new(key.ifindex(), core::hint::black_box(key.address())).widen();
        self.find(tables, wide, tables.vip4(&key))
    }

    /// The same of the IPv6 address that is its key already.
    #[inline(never)]
    fn find6(&mut self, tables: &impl Tables) -> bool {
        self.find(tables, self.key, tables.vip6(&self.key))
    }

    #[inline(always)]
    const fn is_leaseless(&self) -> bool {
        self.lease.is_over(self.now_ns)
    }
}

/// What is to become of a client's request for an address that is in the maps; counts and remembers it. A standby remembers
/// whom the owner answers: those are the caches to be corrected when it takes over.
#[inline(never)]
fn request(tables: &impl Tables, place: &Place, asker: &mut Asker) -> Outcome {
    let (vip, now_ns) = (&place.vip, place.now_ns);
    let outcome = match vip.action() {
        Some(Action::Answer) if vip.serves(asker.bucket) => Outcome::Answered,
        Some(Action::Answer) => Outcome::OtherBucket,
        Some(Action::Suppress) => Outcome::Suppressed,
        Some(Action::Observe) => return Outcome::Observed,
        None => return Outcome::UnknownAction,
    };
    let mut fresh = false;
    tables.count(vip.slot(), |stats| {
        if outcome == Outcome::Answered {
            stats.requests += 1;
            stats.replies += 1;
            stats.last_request_ns = now_ns;
        } else if outcome == Outcome::Suppressed {
            stats.suppressed += 1;
            stats.last_request_ns = now_ns;
        }
        fresh = !asker.is_speaker && !stats.remembers(asker.address, asker.mac, now_ns);
        if fresh {
            stats.remember(asker.address, asker.mac, now_ns);
        }
    });
    if fresh {
        tables.remember(&ClientKey::new(place.key, asker.address), asker.mac, now_ns);
        asker.is_fresh = true;
    }
    outcome
}

/// What is to become of another node's heartbeat or probe, or `None` when it is to be treated like anybody's request: only
/// an owner has a pulse, but every node says that it is there. These belong to no client, so the shares play no part.
#[inline(always)]
fn heartbeat(tables: &impl Tables, vip: &Vip, speaker: &Speaker) -> Option<Outcome> {
    let of_node = speaker.asks_for_life();
    if !of_node && vip.action() != Some(Action::Answer) {
        return None;
    }
    let refused = !of_node && vip.flags().contains(Flags::EVACUATING);
    tables.count(vip.slot(), |stats| {
        stats.heartbeats += 1;
        if !refused {
            stats.replies += 1;
        }
    });
    Some(if refused { Outcome::HeartbeatRefused } else { Outcome::HeartbeatAnswered })
}

/// The lease is over: nothing is answered. A request goes on to the kernel, unless another speaker is heard: then a kernel that
/// holds the address too would answer beside the owner. An address that was ours has to have been taken over since.
#[inline(never)]
fn after_lease(tables: &impl Tables, place: &Place, speaker: &Speaker) -> Outcome {
    let ifindex = place.key.ifindex();
    speaker.hear(tables, ifindex, None);
    let heard_ns = tables.peer(&PeerKey::anybody(ifindex)).map_or(0, |peer| peer.last_seen_ns());
    // Never heard is 0: a machine is up for longer than the interval before that counts, which only means more suppression.
    if heard_ns == 0 || place.now_ns.saturating_sub(heard_ns) >= SUPPRESSION_NS {
        return Outcome::LeaseOver;
    }
    let is_others = match place.vip.action() {
        Some(Action::Suppress) => true,
        Some(Action::Answer) => {
            let sighting = tables.sighting(&SightingKey::new(place.key, Sort::Speaker));
            sighting.is_some_and(|sighting| sighting.last_seen_ns() >= place.lease.until_ns)
        }
        Some(Action::Observe) | None => false,
    };
    if is_others && place.lease.until_ns != 0 { Outcome::SuppressedBeyond } else { Outcome::LeaseOver }
}

/// Whether an asker uses an address of ours, which is that of the place, as its own (RFC 5227 section 2.4).
#[inline(always)]
fn used(tables: &impl Tables, place: &Place, asker: &Asker) {
    if !place.is_leaseless() {
        let mut speaker = Speaker::untagged(Mac(asker.mac));
        speaker.is_us = asker.mac == place.vip.mac();
        let _ = sighting::sighting(tables, place, &speaker, SightingKind::Use);
    }
}
