//! ARP and neighbour discovery: one decision each, and what they share.

mod arp;
mod ndp;

pub use arp::decide as arp;
pub use ndp::decide as ndp;

use arpeggio_common::{
    abi::{Action, ClientKey, EVENT_INTERVAL_NS, Event, EventKind, Flags, Key6, Outcome, SightingKind, Vip},
    wire::Mac,
};

use crate::Tables;

/// Who asks: address as in [`Key6`], MAC, and the share of clients it belongs to.
struct Asker {
    address: [u8; 16],
    mac: Mac,
    bucket: u32,
}

/// What is to become of a client's request for an address that is in the maps; counts and remembers it.
#[inline(always)]
fn request(tables: &impl Tables, vip: &Vip, key: Key6, asker: &Asker, now_ns: u64) -> Outcome {
    match vip.action() {
        Some(Action::Answer) if vip.serves(asker.bucket) => {
            let mut fresh = false;
            tables.count(vip.slot(), |stats| {
                stats.requests += 1;
                stats.replies += 1;
                stats.last_request_ns = now_ns;
                fresh = !stats.remembers(asker.address, asker.mac.0, now_ns);
                if fresh {
                    stats.remember(asker.address, asker.mac.0, now_ns);
                }
            });
            if fresh {
                tables.remember(&ClientKey::new(key, asker.address), asker.mac.0, now_ns);
            }
            Outcome::Answered
        }
        Some(Action::Answer) => Outcome::OtherBucket,
        Some(Action::Suppress) => {
            tables.count(vip.slot(), |stats| {
                stats.suppressed += 1;
                stats.last_request_ns = now_ns;
            });
            Outcome::Suppressed
        }
        Some(Action::Observe) => Outcome::Observed,
        None => Outcome::UnknownAction,
    }
}

/// What is to become of a heartbeat, or `None` when it is to be treated like anybody's request: only an owner has a pulse.
/// Heartbeats belong to no client, so the shares play no part.
#[inline(always)]
fn heartbeat(tables: &impl Tables, vip: &Vip) -> Option<Outcome> {
    if vip.action() != Some(Action::Answer) {
        return None;
    }
    let refused = vip.flags().contains(Flags::EVACUATING);
    tables.count(vip.slot(), |stats| {
        stats.heartbeats += 1;
        if !refused {
            stats.replies += 1;
        }
    });
    Some(if refused { Outcome::HeartbeatRefused } else { Outcome::HeartbeatAnswered })
}

/// Somebody else speaks for an address that is in the maps.
#[inline(always)]
fn sighting(tables: &impl Tables, vip: &Vip, key: Key6, mac: Mac, kind: SightingKind) -> Outcome {
    if mac.0 == vip.mac() {
        return Outcome::OwnEcho;
    }
    let now_ns = tables.now_ns();
    tables.count(vip.slot(), |stats| stats.claims += 1);
    let before = tables.sight(&key, mac.0, kind, now_ns);
    // A rival that floods wakes the agent once a second, not once a frame.
    let fresh = before
        .is_none_or(|before| before.mac() != mac.0 || now_ns.wrapping_sub(before.last_seen_ns()) >= EVENT_INTERVAL_NS);
    let ours = vip.action() == Some(Action::Answer);
    match kind {
        SightingKind::Heartbeat => Outcome::HeartbeatHeard,
        SightingKind::Claim | SightingKind::Reply => {
            if fresh && (ours || matches!(kind, SightingKind::Claim)) {
                let event = if ours { EventKind::Conflict } else { EventKind::Claim };
                tables.report(&Event::new(event, key, mac.0, now_ns));
            }
            if ours { Outcome::Conflict } else { Outcome::Claimed }
        }
    }
}
