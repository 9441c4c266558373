//! Pure: when to tell the segment that an address is ours.
//!
//! Taking an address starts six rounds (design section 4): at once and after 50 ms, 200 ms, 1 s, 2 s and 4 s, because a
//! frame may be lost and a switch port may still be learning. A new MAC is like a new taking.
//! After that an address may be refreshed periodically, for devices that forget or never listened.
//!
//! Everything goes through a [`Pace`]: whoever takes ten thousand addresses must not flood the segment for long. What waits
//! is sent by round, first rounds of all addresses (at a faster pace of their own) before any second round, refreshing last.

mod pace;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use arpeggio_common::wire::Mac;
use arpeggio_succession::{CLAIM_ROUNDS_NS, Orders};

use self::pace::Bucket;
use super::{
    Frame,
    messages::{Saying, Signer, push_claim},
};
use crate::dataplane::Place;

pub use self::pace::Pace;

/// Two rounds of one address are never nearer than this, however late the pace made the earlier one.
const LEAST_DISTANCE_NS: u64 = CLAIM_ROUNDS_NS[1];

/// Refreshing wakes the caller at most this often, in nanoseconds: what falls due within is sent together.
const REFRESH_TICK_NS: u64 = 10_000_000;

/// Refreshing that fell behind by more than this is not caught up, in nanoseconds: that would be the burst it avoids.
const REFRESH_SLACK_NS: u64 = 100_000_000;

type Key = Place;

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
    signer: Signer,
    /// By which order each address is claimed.
    orders: Arc<Orders>,
    bucket: Bucket,
    /// First rounds have a faster pace: until they are out, clients of a lost node wait.
    first_bucket: Bucket,
    /// Rounds beside the schedule.
    defended: BTreeSet<Key>,
    claims: BTreeMap<Key, Claim>,
    /// What is pending, by round and due time: the same as in the claims, in the order in which it is sent.
    rounds: [BTreeSet<(u64, Key)>; CLAIM_ROUNDS_NS.len()],
    refresh: Option<Refresh>,
}

impl Gratuitous {
    /// `signer` is named in every frame. `refresh`: how often every address is announced again when nothing happens, spread
    /// evenly over the addresses; `None` or zero for never.
    pub fn new(signer: Signer, pace: Pace, refresh: Option<Duration>) -> Self {
        Self {
            signer,
            orders: Arc::default(),
            bucket: Bucket::new(pace),
            first_bucket: Bucket::new(Pace::FIRST),
            defended: BTreeSet::new(),
            claims: BTreeMap::new(),
            rounds: Default::default(),
            refresh: Refresh::every(refresh),
        }
    }

    /// From now on frames are signed so, and follow from these orders.
    pub fn follow(&mut self, signer: Signer, orders: Arc<Orders>) {
        self.signer = signer;
        self.orders = orders;
    }

    /// This node took the address; to be called after its entry answers, so that nobody is called to a node that is silent.
    /// The rounds begin anew. Shared addresses are never claimed: a broadcast would take all clients from the other owners.
    pub fn claim(&mut self, place: Place, mac: Mac, now_ns: u64) {
        self.start(place, mac, now_ns);
    }

    /// One round beside the schedule, as soon as the pace allows: somebody else claimed what is ours.
    pub fn defend(&mut self, place: Place) {
        if self.claims.contains_key(&place) {
            self.defended.insert(place);
        }
    }

    /// The address is no longer ours: nothing of it is sent any more.
    pub fn quiet(&mut self, place: Place) {
        self.forget(place);
    }

    /// The address was ours all along, and the segment knows: only refreshed and defended.
    pub fn adopt(&mut self, place: Place, mac: Mac) {
        self.forget(place);
        self.claims.insert(place, Claim { mac, begun_ns: 0, pending: None });
    }

    /// The interface has this MAC now: what was claimed there with another one is claimed anew.
    pub fn moved(&mut self, ifindex: u32, mac: Mac, now_ns: u64) {
        let other = |(place, claim): (&Place, &Claim)| (place.0 == ifindex && claim.mac != mac).then_some(*place);
        let places: Vec<Place> = self.claims.iter().filter_map(other).collect();
        for place in places {
            self.start(place, mac, now_ns);
        }
    }

    /// Changes how often every address is announced again; `None` or zero for never.
    pub fn set_refresh(&mut self, refresh: Option<Duration>) {
        self.refresh = Refresh::every(refresh);
    }

    /// Addresses that still have rounds before them.
    pub fn pending(&self) -> usize {
        self.rounds.iter().map(BTreeSet::len).sum()
    }

    /// What has to be sent now.
    pub fn step(&mut self, now_ns: u64) -> GratuitousStep {
        let mut frames = Vec::new();
        let mut open = self.firsts(now_ns, &mut frames);
        let eager = !open;
        open = open && self.defences(now_ns, &mut frames);
        for round in 1..CLAIM_ROUNDS_NS.len() {
            while open
                && let Some((due_ns, key)) = self.rounds[round].first().copied().filter(|(due, _)| *due <= now_ns)
            {
                open = self.bucket.take(frames_of_round(key), now_ns);
                if open {
                    self.rounds[round].remove(&(due_ns, key));
                    self.claim_round(key, round, now_ns, &mut frames);
                }
            }
        }
        if open {
            open = self.refresh(now_ns, &mut frames);
        }
        let next_ns = match (open, eager) {
            (true, _) => self.next_due(now_ns),
            (false, true) => Some(self.first_bucket.worth_waking_ns(now_ns)),
            (false, false) => Some(self.bucket.worth_waking_ns(now_ns)),
        };
        GratuitousStep { frames, next_ns }
    }

    /// The first round of everything that was taken; `false` when their pace was used up.
    fn firsts(&mut self, now_ns: u64, frames: &mut Vec<Frame>) -> bool {
        while let Some((due_ns, key)) = self.rounds[0].first().copied() {
            if !self.first_bucket.take(frames_of_round(key), now_ns) {
                return false;
            }
            self.rounds[0].remove(&(due_ns, key));
            self.claim_round(key, 0, now_ns, frames);
        }
        true
    }

    /// What somebody else claimed; `false` when the pace was used up.
    fn defences(&mut self, now_ns: u64, frames: &mut Vec<Frame>) -> bool {
        while let Some(key) = self.defended.first().copied() {
            if !self.bucket.take(frames_of_round(key), now_ns) {
                return false;
            }
            self.defended.remove(&key);
            if let Some(claim) = self.claims.get(&key) {
                push_claim(key, claim.mac, &self.signer, saying(&self.orders, key, now_ns), frames);
            }
        }
        true
    }

    fn start(&mut self, key: Key, mac: Mac, now_ns: u64) {
        self.forget(key);
        self.claims.insert(key, Claim { mac, begun_ns: now_ns, pending: Some((0, now_ns)) });
        self.rounds[0].insert((now_ns, key));
    }

    fn forget(&mut self, key: Key) {
        self.defended.remove(&key);
        if let Some(Claim { pending: Some((round, due_ns)), .. }) = self.claims.remove(&key) {
            self.rounds[round].remove(&(due_ns, key));
        }
    }

    /// Sends one round and appoints the next.
    fn claim_round(&mut self, key: Key, round: usize, now_ns: u64, frames: &mut Vec<Frame>) {
        let Some(claim) = self.claims.get_mut(&key) else { return };
        push_claim(key, claim.mac, &self.signer, saying(&self.orders, key, now_ns), frames);
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
                    push_claim(*key, claim.mac, &self.signer, saying(&self.orders, *key, now_ns), frames);
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

fn saying(orders: &Orders, place: Place, now_ns: u64) -> Saying {
    Saying { generation: orders.places.get(&place).map_or(0, |order| order.generation), now_ns }
}

/// Frames in one round of an address.
const fn frames_of_round((_, address): Key) -> u64 {
    match address {
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 1,
    }
}

#[cfg(test)]
mod tests;
