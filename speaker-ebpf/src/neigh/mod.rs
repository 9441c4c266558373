//! ARP and neighbour discovery: one decision each, and what they share.

mod arp;
mod ndp;

pub use arp::decide as arp;
pub use ndp::decide as ndp;

use arpeggio_common::{
    abi::{
        Action, CLAIM_INTERVAL_NS, ClientKey, EVENT_INTERVAL_NS, Event, EventKind, Flags, Key6, Lease, NodeId, Outcome,
        Peer, PeerKey, Sighting, SightingKind, Vip,
    },
    wire::Mac,
};

use crate::Tables;

/// Who asks: address as in [`Key6`], MAC, and the share of clients it belongs to.
struct Asker {
    address: [u8; 16],
    mac: Mac,
    bucket: u32,
    /// Another node that looks for the owner: no cache of it has to be corrected.
    is_speaker: bool,
}

/// Who speaks to us or for an address, as the frame says: MAC, and the node of its tag.
struct Speaker {
    mac: Mac,
    node: Option<NodeId>,
    /// Our own frame came back: by a loop, or over another of our interfaces.
    is_us: bool,
}

impl Speaker {
    #[inline(always)]
    fn new(vip: &Vip, lease: &Lease, mac: Mac, node: Option<NodeId>) -> Self {
        let is_us = mac.0 == vip.mac() || (node.is_some() && node == lease.node);
        Self { mac, node, is_us }
    }

    /// Notes that the node is there, if the frame says that another one sent it; `answers`: it answers a question of ours.
    #[inline(always)]
    fn hear(&self, tables: &impl Tables, ifindex: u32, answers: bool) {
        if let Some(node) = self.node
            && !self.is_us
        {
            let heard = Peer::new(self.mac.0, tables.now_ns());
            tables.hear(&PeerKey::new(ifindex, node), if answers { heard.answering() } else { heard });
        }
    }
}

/// What is to become of a client's request for an address that is in the maps; counts and remembers it. A standby remembers
/// whom the owner answers: those are the caches to be corrected when it takes over.
#[inline(always)]
fn request(tables: &impl Tables, vip: &Vip, key: Key6, asker: &Asker, now_ns: u64) -> Outcome {
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
        fresh = !asker.is_speaker && !stats.remembers(asker.address, asker.mac.0, now_ns);
        if fresh {
            stats.remember(asker.address, asker.mac.0, now_ns);
        }
    });
    if fresh {
        tables.remember(&ClientKey::new(key, asker.address), asker.mac.0, now_ns);
    }
    outcome
}

/// What is to become of another node's heartbeat or probe, or `None` when it is to be treated like anybody's request: only
/// an owner has a pulse. These belong to no client, so the shares play no part.
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
fn sighting(tables: &impl Tables, vip: &Vip, key: Key6, speaker: &Speaker, kind: SightingKind) -> Outcome {
    if speaker.is_us {
        return Outcome::OwnEcho;
    }
    let now_ns = tables.now_ns();
    tables.count(vip.slot(), |stats| stats.claims += 1);
    let seen = Sighting::new(speaker.mac.0, kind, speaker.node, now_ns);
    let before = tables.sight(&key, seen);
    let ours = vip.action() == Some(Action::Answer);
    let reported = match kind {
        SightingKind::Heartbeat => return Outcome::HeartbeatHeard,
        // Another owner steps forward: succession waits for that.
        SightingKind::Claim => before.is_none_or(|before| {
            !before.is_same_rival(&seen) || !before.is_same_kind(&seen) || is_older(&before, now_ns, CLAIM_INTERVAL_NS)
        }),
        // A rival that answers every client wakes the agent once a second, not once a frame.
        SightingKind::Reply => {
            ours && before
                .is_none_or(|before| before.mac() != speaker.mac.0 || is_older(&before, now_ns, EVENT_INTERVAL_NS))
        }
    };
    if reported {
        let event = if ours { EventKind::Conflict } else { EventKind::Claim };
        tables.report(&Event::new(event, key, speaker.mac.0, speaker.node, now_ns));
    }
    if ours { Outcome::Conflict } else { Outcome::Claimed }
}

/// Another CPU may have stamped a sighting a moment after this one read the clock: that is no old one.
#[inline(always)]
const fn is_older(sighting: &Sighting, now_ns: u64, interval_ns: u64) -> bool {
    now_ns.saturating_sub(sighting.last_seen_ns()) >= interval_ns
}
