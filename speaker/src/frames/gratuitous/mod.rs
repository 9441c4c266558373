//! Pure: when to tell the segment that an address is ours.
//!
//! Taking an address starts six rounds (design section 4): at once and after 50 ms, 200 ms, 1 s, 2 s and 4 s, because a
//! frame may be lost and a switch port may still be learning. Carrier that comes up and a new MAC are like a new taking.
//! After that an address may be refreshed periodically, for devices that forget or never listened.
//!
//! An IPv4 round has both forms, request and reply: some stacks update their caches from one only (RFC 5227 section 3). An
//! IPv6 round is one unsolicited advertisement to all nodes (RFC 4861 section 7.2.6).
//!
//! Everything goes through one [`Pace`]: whoever takes ten thousand addresses must not flood the segment. What waits is
//! sent by round, first rounds of all addresses before any second round, refreshing last.

mod pace;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::Bound,
    time::Duration,
};

use arpeggio_common::{
    abi::{ALL_BUCKETS, Action, NodeId},
    wire::{Arp, Mac, Neighbor},
};

use self::pace::Bucket;
use super::Frame;
use crate::decide::Desired;

pub use self::pace::Pace;

/// When an address is claimed, in nanoseconds after its first claim left.
pub const CLAIM_ROUNDS_NS: [u64; 6] = [0, 50_000_000, 200_000_000, 1_000_000_000, 2_000_000_000, 4_000_000_000];

/// Two rounds of one address are never nearer than this, however late the pace made the earlier one.
const LEAST_DISTANCE_NS: u64 = CLAIM_ROUNDS_NS[1];

/// Refreshing wakes the caller at most this often, in nanoseconds: what falls due within is sent together.
const REFRESH_TICK_NS: u64 = 10_000_000;

/// Refreshing that fell behind by more than this is not caught up, in nanoseconds: that would be the burst it avoids.
const REFRESH_SLACK_NS: u64 = 100_000_000;

/// An address on one interface.
type Key = (u32, IpAddr);

#[derive(Debug)]
struct Claim {
    mac: Mac,
    /// When the first round left.
    begun_ns: u64,
    /// The next round and when it is due; `None` after the last.
    pending: Option<(usize, u64)>,
}

#[derive(Debug)]
struct Refresh {
    interval_ns: u64,
    /// When the next address is due; `None` while there is none.
    next_ns: Option<u64>,
    /// The address that had its turn last.
    last: Option<Key>,
}

impl Refresh {
    fn every(interval: Option<Duration>) -> Option<Self> {
        interval.filter(|interval| !interval.is_zero()).map(|interval| Self {
            interval_ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
            next_ns: None,
            last: None,
        })
    }
}

/// What to send now, and when to ask again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct GratuitousStep {
    /// Frames to be sent, in this order.
    pub frames: Vec<Frame>,
    /// Monotonic nanoseconds of the next call; `None` when only a change of what is announced makes one necessary.
    pub next_ns: Option<u64>,
}

/// The schedule of all claims of this node. Holds no clock and no socket; times are monotonic nanoseconds.
#[derive(Debug)]
pub struct Gratuitous {
    node: NodeId,
    bucket: Bucket,
    claims: BTreeMap<Key, Claim>,
    /// What is pending, by round and due time: the same as in the claims, in the order in which it is sent.
    rounds: [BTreeSet<(u64, Key)>; CLAIM_ROUNDS_NS.len()],
    refresh: Option<Refresh>,
}

impl Gratuitous {
    /// `node` is what the frames say of their sender. `refresh`: how often every address is announced again when nothing happens, spread evenly over the addresses;
    /// `None` or zero for never.
    pub fn new(node: NodeId, pace: Pace, refresh: Option<Duration>) -> Self {
        let rounds = Default::default();
        Self { node, bucket: Bucket::new(pace), claims: BTreeMap::new(), rounds, refresh: Refresh::every(refresh) }
    }

    /// From now on this is the node.
    pub const fn set_node(&mut self, node: NodeId) {
        self.node = node;
    }

    /// From now on this is what the node announces; to be called after the data plane took it over, so that nobody is
    /// called to a node that does not answer yet.
    ///
    /// Claimed is what is answered for alone, on an interface with carrier. Shared addresses are never claimed: a broadcast
    /// would take all clients from the other owners. What is new, or has another MAC than before, starts with the first
    /// round; what is no longer announced is forgotten with all its rounds.
    pub fn follow(&mut self, desired: &Desired, now_ns: u64) {
        let wanted: BTreeMap<Key, Mac> = desired
            .vips
            .iter()
            .filter(|(_, vip)| vip.action == Action::Answer && vip.buckets == ALL_BUCKETS)
            .filter(|((ifindex, _), _)| desired.interfaces.get(ifindex).is_some_and(|interface| interface.carrier))
            .map(|(key, vip)| (*key, vip.mac))
            .collect();
        let gone: Vec<Key> = self.claims.keys().filter(|key| !wanted.contains_key(key)).copied().collect();
        for key in gone {
            self.forget(key);
        }
        for (key, mac) in wanted {
            if self.claims.get(&key).is_none_or(|claim| claim.mac != mac) {
                self.start(key, mac, now_ns);
            }
        }
    }

    /// Takes what is `answered` for known to everybody: an agent that was restarted finds it in the pinned maps, and the
    /// segment never heard of anybody else. To be called before [`Self::follow`] of the same.
    pub fn adopt(&mut self, answered: &Desired, known: &BTreeSet<(u32, IpAddr)>) {
        for (key, vip) in answered.vips.iter().filter(|(key, _)| known.contains(key)) {
            self.claims.insert(*key, Claim { mac: vip.mac, begun_ns: 0, pending: None });
        }
    }

    /// Changes how often every address is announced again; `None` or zero for never.
    pub fn set_refresh(&mut self, refresh: Option<Duration>) {
        self.refresh = Refresh::every(refresh);
    }

    /// Claims every address of the interface from the first round on: its carrier came up, or it was away in between two
    /// calls of [`Self::follow`].
    pub fn restart(&mut self, ifindex: u32, now_ns: u64) {
        let all: Vec<(Key, Mac)> =
            self.claims.iter().filter(|(key, _)| key.0 == ifindex).map(|(key, claim)| (*key, claim.mac)).collect();
        for (key, mac) in all {
            self.start(key, mac, now_ns);
        }
    }

    /// Addresses that still have rounds before them.
    pub fn pending(&self) -> usize {
        self.rounds.iter().map(BTreeSet::len).sum()
    }

    /// What has to be sent now.
    pub fn step(&mut self, now_ns: u64) -> GratuitousStep {
        let mut frames = Vec::new();
        let mut open = true;
        for round in 0..CLAIM_ROUNDS_NS.len() {
            while open
                && let Some((due_ns, key)) = self.rounds[round].first().copied().filter(|(due, _)| *due <= now_ns)
            {
                open = self.bucket.take(frames_of_round(key), now_ns);
                if open {
                    self.rounds[round].remove(&(due_ns, key));
                    self.claim(key, round, now_ns, &mut frames);
                }
            }
        }
        if open {
            open = self.refresh(now_ns, &mut frames);
        }
        let next_ns = if open { self.next_due(now_ns) } else { Some(self.bucket.worth_waking_ns(now_ns)) };
        GratuitousStep { frames, next_ns }
    }

    fn start(&mut self, key: Key, mac: Mac, now_ns: u64) {
        self.forget(key);
        self.claims.insert(key, Claim { mac, begun_ns: now_ns, pending: Some((0, now_ns)) });
        self.rounds[0].insert((now_ns, key));
    }

    fn forget(&mut self, key: Key) {
        if let Some(Claim { pending: Some((round, due_ns)), .. }) = self.claims.remove(&key) {
            self.rounds[round].remove(&(due_ns, key));
        }
    }

    /// Sends one round and appoints the next.
    fn claim(&mut self, key: Key, round: usize, now_ns: u64, frames: &mut Vec<Frame>) {
        let Some(claim) = self.claims.get_mut(&key) else { return };
        push_round(key, claim.mac, self.node, frames);
        if round == 0 {
            claim.begun_ns = now_ns;
        }
        claim.pending = CLAIM_ROUNDS_NS
            .get(round + 1)
            .map(|offset_ns| (round + 1, (claim.begun_ns + offset_ns).max(now_ns + LEAST_DISTANCE_NS)));
        if let Some((round, due_ns)) = claim.pending {
            self.rounds[round].insert((due_ns, key));
        }
    }

    /// Gives every address its turn; `false` when the pace was used up.
    fn refresh(&mut self, now_ns: u64, frames: &mut Vec<Frame>) -> bool {
        let Some(refresh) = &mut self.refresh else { return true };
        let Ok(count @ 1..) = u64::try_from(self.claims.len()) else {
            refresh.next_ns = None;
            return true;
        };
        let spacing_ns = (refresh.interval_ns / count).max(1);
        // More addresses than before: the turn that was appointed for fewer would be too late.
        let latest_ns = now_ns.saturating_add(spacing_ns);
        let mut next_ns = refresh.next_ns.map_or(latest_ns, |next| next.min(latest_ns));
        if next_ns + REFRESH_SLACK_NS < now_ns {
            next_ns = now_ns;
        }
        let mut open = true;
        while open && next_ns <= now_ns {
            let after = refresh.last.map_or(Bound::Unbounded, Bound::Excluded);
            let turn = self.claims.range((after, Bound::Unbounded)).next().or_else(|| self.claims.first_key_value());
            let Some((key, claim)) = turn else { break };
            // An address that still has rounds before it announces itself: its turn passes.
            open = claim.pending.is_some() || self.bucket.take(frames_of_round(*key), now_ns);
            if open {
                if claim.pending.is_none() {
                    push_round(*key, claim.mac, self.node, frames);
                }
                refresh.last = Some(*key);
                next_ns = next_ns.saturating_add(spacing_ns);
            }
        }
        refresh.next_ns = Some(next_ns);
        open
    }

    fn next_due(&self, now_ns: u64) -> Option<u64> {
        let refresh = self.refresh.as_ref().and_then(|refresh| refresh.next_ns);
        let refresh = refresh.map(|next_ns| next_ns.max(now_ns + REFRESH_TICK_NS));
        self.rounds.iter().filter_map(|round| round.first().map(|(due, _)| *due)).chain(refresh).min()
    }
}

/// Frames in one round of an address.
const fn frames_of_round((_, address): Key) -> u64 {
    match address {
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 1,
    }
}

fn push_round((ifindex, address): Key, mac: Mac, node: NodeId, frames: &mut Vec<Frame>) {
    match address {
        IpAddr::V4(v4) => {
            let address = v4.octets();
            frames.push(Frame::new(ifindex, Arp::announcement(mac, address, node)));
            frames.push(Frame::new(ifindex, Arp::announcement_reply(mac, address, node)));
        }
        IpAddr::V6(v6) => frames.push(Frame::new(ifindex, Neighbor::announcement(mac, v6.octets(), node))),
    }
}

#[cfg(test)]
mod tests;
