//! Somebody else speaks for an address: what is recorded, and what the agent is told.

use arpeggio_common::abi::{
    Action, CLAIM_INTERVAL_NS, EVENT_INTERVAL_NS, Event, EventKind, Key6, Outcome, RIVAL_INTERVAL_NS, Sighting,
    SightingKey, SightingKind, Sort,
};

use super::{Place, Speaker};
use crate::Tables;

/// Somebody else speaks for an address that is in the maps. `nonce` is inside the tag.
#[inline(never)]
pub(super) fn sighting(tables: &impl Tables, place: &Place, speaker: &Speaker, kind: SightingKind) -> Outcome {
    if speaker.is_us || speaker.is_ourselves {
        return Outcome::OwnEcho;
    }
    let now_ns = tables.now_ns();
    tables.count(place.vip.slot(), |stats| stats.claims += 1);
    let ours = place.vip.action() == Some(Action::Answer);
    let generation = if speaker.node.is_some() { speaker.generation } else { 0 };
    let line = SightingKey::new(place.key, if speaker.node.is_some() { Sort::Speaker } else { Sort::Stranger });
    let seen = Sighting::new(speaker.mac.0, kind, speaker.node, now_ns).with_generation(generation);
    // Another owner that steps forward is what the succession waits for; who answers others concerns an owner alone.
    let mut is_told = !place.is_leaseless() && (ours || matches!(kind, SightingKind::Claim));
    let mut seen = seen;
    if let Some(before) = tables.sighting(&line) {
        let interval_ns = if speaker.node.is_none() {
            EVENT_INTERVAL_NS
        } else if before.node() == seen.node() {
            CLAIM_INTERVAL_NS
        } else {
            RIVAL_INTERVAL_NS
        };
        is_told &= is_older(before.told_ns(), now_ns, interval_ns);
        seen = before.then(seen);
    }
    if is_told {
        seen = seen.told(now_ns);
    }
    tables.sight(&line, &seen);
    if is_told {
        let event = if ours { EventKind::Conflict } else { EventKind::Claim };
        let event = Event::new(event, place.key, speaker.mac.0, speaker.node, now_ns);
        tables.report(&event.with_generation(generation));
    }
    if ours { Outcome::Conflict } else { Outcome::Claimed }
}

/// A node answers a question of ours. An answer to none that we can have asked is anybody's.
#[inline(always)]
pub(super) fn answer(tables: &impl Tables, place: &Place, speaker: &Speaker) -> Outcome {
    if speaker.is_us {
        return Outcome::OwnEcho;
    }
    let asked_ns = speaker.nonce.at_ns();
    if asked_ns > tables.now_ns() {
        return Outcome::AnsweredNothing;
    }
    speaker.hear(tables, place.key.ifindex(), Some(speaker.nonce));
    if !speaker.nonce.asks_for_life() {
        record(tables, place, speaker);
    }
    Outcome::HeartbeatHeard
}

/// Keeps the answer to a question for the address.
#[inline(never)]
fn record(tables: &impl Tables, place: &Place, speaker: &Speaker) {
    let asked_ns = speaker.nonce.at_ns();
    tables.count(place.vip.slot(), |stats| stats.claims += 1);
    let line = SightingKey::new(place.key, Sort::Answer);
    let seen = Sighting::new(speaker.mac.0, SightingKind::Heartbeat, speaker.node, asked_ns)
        .with_generation(speaker.generation);
    match tables.sighting(&line) {
        // One that was held back, or sent again, proves nothing new.
        Some(before) if before.last_seen_ns() > asked_ns => {}
        Some(before) => tables.sight(&line, &before.then(seen)),
        None => tables.sight(&line, &seen),
    }
}

/// Our own node spoke with another MAC. Known by the interface: every frame of our other interface is one.
#[inline(never)]
pub(super) fn ourselves(tables: &impl Tables, ifindex: u32, speaker: &Speaker) {
    let (now_ns, line) = (tables.now_ns(), SightingKey::ourselves(ifindex));
    let node = tables.lease().node;
    let seen = Sighting::new(speaker.mac.0, SightingKind::Claim, node, now_ns);
    let (mut seen, mut is_told) = (seen, true);
    if let Some(before) = tables.sighting(&line) {
        let interval_ns = if before.mac() == speaker.mac.0 { EVENT_INTERVAL_NS } else { CLAIM_INTERVAL_NS };
        is_told = is_older(before.told_ns(), now_ns, interval_ns);
        seen = before.then(seen);
    }
    if is_told {
        seen = seen.told(now_ns);
    }
    tables.sight(&line, &seen);
    if is_told {
        let key = Key6::new(ifindex, [0; 16]);
        tables.report(&Event::new(EventKind::OwnIdentity, key, speaker.mac.0, node, now_ns));
    }
}

/// Another CPU may have stamped a sighting a moment after this one read the clock: that is no old one.
#[inline(always)]
const fn is_older(told_ns: u64, now_ns: u64, interval_ns: u64) -> bool {
    now_ns.saturating_sub(told_ns) >= interval_ns
}
