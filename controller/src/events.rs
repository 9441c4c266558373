//! Which events are worth a request: none that was told a moment ago, and no flood about one object.
//!
//! Events name MetalLB's `metallb-controller` or `metallb-speaker` as their source, so whoever looks for MetalLB's events by source
//! finds these. The limits are those of client-go: 25 at once about one object, then one in five minutes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher as _},
    time::{Duration, Instant},
};

use crate::decide::Notice;

/// The same is not told again for this long.
const SAME: Duration = Duration::from_secs(600);
/// Events about one object that go at once.
const BURST: u32 = 25;
/// After that, one in this time.
const REFILL: Duration = Duration::from_secs(300);
/// Events, and objects, that are remembered; those whose memory would end first are forgotten first.
const REMEMBERED: usize = 1 << 16;

/// What was told lately. Of events and objects hashes are kept: two that are the same cost an event in an age.
///
/// Every step costs the logarithm of what is remembered, whatever floods in.
#[derive(Clone, Debug, Default)]
pub struct EventLimiter {
    last: BTreeSet<u64>,
    /// The same, in order.
    order: VecDeque<(Instant, u64)>,
    /// When each object may again have a whole burst. Who has it now is not in here.
    whole: BTreeMap<u64, Instant>,
    /// The same, the earliest first.
    earliest: BTreeSet<(Instant, u64)>,
    suppressed: u64,
}

impl EventLimiter {
    /// Whether this is to be told about the object with this uid; if so it counts as told.
    pub fn admit(&mut self, uid: &str, notice: &Notice, now: Instant) -> bool {
        self.forget(now);
        let key = hash(&(uid, notice));
        if self.last.contains(&key) || !self.spend(hash(uid), now) {
            self.suppressed += 1;
            return false;
        }
        self.last.insert(key);
        self.order.push_back((now, key));
        true
    }

    /// Events that were not told.
    pub const fn suppressed(&self) -> u64 {
        self.suppressed
    }

    /// What is over, and what is too much.
    fn forget(&mut self, now: Instant) {
        while let Some((at, key)) = self.order.front().copied() {
            if now.saturating_duration_since(at) < SAME && self.order.len() < REMEMBERED {
                break;
            }
            self.order.pop_front();
            self.last.remove(&key);
        }
        while let Some((at, object)) = self.earliest.first().copied() {
            if now < at && self.earliest.len() < REMEMBERED {
                break;
            }
            self.earliest.pop_first();
            self.whole.remove(&object);
        }
    }

    /// Each event moves the time at which its object may have a whole burst again by [`REFILL`]; further ahead than a burst it
    /// may not be.
    fn spend(&mut self, object: u64, now: Instant) -> bool {
        let whole = self.whole.get(&object).copied().unwrap_or(now).max(now);
        if whole.saturating_duration_since(now) > REFILL * (BURST - 1) {
            return false;
        }
        if let Some(before) = self.whole.insert(object, whole + REFILL) {
            self.earliest.remove(&(before, object));
        }
        self.earliest.insert((whole + REFILL, object));
        true
    }
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::NoticeKind;

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the beginning")]
    fn start() -> Instant {
        Instant::now()
    }

    fn notice(message: &str) -> Notice {
        Notice { kind: NoticeKind::Normal, reason: "IPAllocated", message: message.to_owned() }
    }

    #[test]
    fn the_same_is_told_once_in_ten_minutes() {
        let (start, mut told) = (start(), EventLimiter::default());
        assert!(told.admit("u", &notice("a"), start));
        assert!(!told.admit("u", &notice("a"), start + Duration::from_secs(599)));
        assert!(told.admit("u", &notice("b"), start));
        assert!(told.admit("v", &notice("a"), start), "another Service");
        assert!(told.admit("u", &notice("a"), start + SAME));
        assert_eq!(told.suppressed(), 1);
    }

    #[test]
    fn a_service_that_flaps_is_told_of_25_times_and_then_every_five_minutes() {
        let (start, mut told) = (start(), EventLimiter::default());
        let flood = |told: &mut EventLimiter, from: u32, at| {
            (from..from + 100).filter(|number| told.admit("u", &notice(&number.to_string()), at)).count()
        };
        assert_eq!(flood(&mut told, 0, start), 25);
        assert_eq!(flood(&mut told, 100, start + REFILL), 1);
        assert_eq!(flood(&mut told, 200, start + REFILL * 4), 3);
        assert_eq!(flood(&mut told, 300, start + REFILL * 1000), 25);
        assert!(told.admit("v", &notice("a"), start), "others are not held back");
    }

    #[test]
    fn memory_is_bounded_and_what_is_over_is_forgotten() {
        let (start, mut told) = (start(), EventLimiter::default());
        let flood = |told: &mut EventLimiter, at| {
            let admitted = (0..2 * REMEMBERED).filter(|number| told.admit(&number.to_string(), &notice("a"), at));
            admitted.count()
        };
        assert_eq!(flood(&mut told, start), 2 * REMEMBERED, "the first events of all objects");
        let sizes = [told.last.len(), told.order.len(), told.whole.len(), told.earliest.len()];
        assert!(sizes.iter().all(|size| *size <= REMEMBERED), "{sizes:?}");
        assert!(told.admit("u", &notice("a"), start + REFILL * 1000));
        assert_eq!([told.last.len(), told.order.len(), told.whole.len(), told.earliest.len()], [1; 4]);
    }

    #[test]
    fn the_first_events_of_ten_thousand_services_are_told() {
        let (start, mut told) = (start(), EventLimiter::default());
        for what in ["IPAllocated", "nodeAssigned", "announceFailed"] {
            assert!((0..10_000).all(|number| told.admit(&number.to_string(), &notice(what), start)), "{what}");
        }
        assert_eq!(told.suppressed(), 0);
        assert!(
            (0..10_000).all(|number| !told.admit(&number.to_string(), &notice("IPAllocated"), start)),
            "told already"
        );
    }
}
