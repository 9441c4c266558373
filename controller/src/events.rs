//! Which events are worth a request: none that was told a moment ago, and no flood about one object.
//!
//! Events name MetalLB's `metallb-controller` or `metallb-speaker` as their source, so whoever looks for MetalLB's events by source
//! finds these. The limits are those of client-go: 25 at once about one object, then one in five minutes.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use crate::decide::Notice;

/// The same is not told again for this long.
const SAME: Duration = Duration::from_secs(600);
/// Events about one object that go at once.
const BURST: u32 = 25;
/// After that, one in this time.
const REFILL: Duration = Duration::from_secs(300);
/// Events that are remembered; the oldest are forgotten first.
const REMEMBERED: usize = 20_000;

#[derive(Clone, Debug)]
struct Bucket {
    left: u32,
    since: Instant,
}

/// What was told lately.
#[derive(Clone, Debug, Default)]
pub struct Told {
    last: BTreeMap<(String, Notice), Instant>,
    order: VecDeque<(Instant, (String, Notice))>,
    buckets: BTreeMap<String, Bucket>,
    suppressed: u64,
}

impl Told {
    /// Whether this is to be told about the object with this uid; if so it counts as told.
    pub fn admit(&mut self, uid: &str, notice: &Notice, now: Instant) -> bool {
        self.expire(now);
        let key = (uid.to_owned(), notice.clone());
        if self.last.contains_key(&key) || !self.spend(uid, now) {
            self.suppressed += 1;
            return false;
        }
        self.last.insert(key.clone(), now);
        self.order.push_back((now, key));
        true
    }

    /// Events that were not told.
    pub const fn suppressed(&self) -> u64 {
        self.suppressed
    }

    fn expire(&mut self, now: Instant) {
        while let Some((at, _)) = self.order.front() {
            if now.saturating_duration_since(*at) < SAME && self.order.len() < REMEMBERED {
                break;
            }
            if let Some((_, key)) = self.order.pop_front() {
                self.last.remove(&key);
            }
        }
        if self.buckets.len() >= REMEMBERED {
            self.buckets.retain(|_, bucket| now.saturating_duration_since(bucket.since) < REFILL);
        }
    }

    fn spend(&mut self, uid: &str, now: Instant) -> bool {
        let bucket = self.buckets.entry(uid.to_owned()).or_insert(Bucket { left: BURST, since: now });
        while bucket.left < BURST && now.saturating_duration_since(bucket.since) >= REFILL {
            bucket.left += 1;
            bucket.since += REFILL;
        }
        if bucket.left == BURST {
            bucket.since = now;
        }
        let has_one = bucket.left > 0;
        bucket.left = bucket.left.saturating_sub(1);
        has_one
    }
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
        let (start, mut told) = (start(), Told::default());
        assert!(told.admit("u", &notice("a"), start));
        assert!(!told.admit("u", &notice("a"), start + Duration::from_secs(599)));
        assert!(told.admit("u", &notice("b"), start));
        assert!(told.admit("v", &notice("a"), start), "another Service");
        assert!(told.admit("u", &notice("a"), start + SAME));
        assert_eq!(told.suppressed(), 1);
    }

    #[test]
    fn a_service_that_flaps_is_told_of_25_times_and_then_every_five_minutes() {
        let (start, mut told) = (start(), Told::default());
        let flood = |told: &mut Told, from: u32, at| {
            (from..from + 100).filter(|number| told.admit("u", &notice(&number.to_string()), at)).count()
        };
        assert_eq!(flood(&mut told, 0, start), 25);
        assert_eq!(flood(&mut told, 100, start + REFILL), 1);
        assert_eq!(flood(&mut told, 200, start + REFILL * 4), 3);
        assert_eq!(flood(&mut told, 300, start + REFILL * 1000), 25);
        assert!(told.admit("v", &notice("a"), start), "others are not held back");
    }

    #[test]
    fn memory_is_bounded() {
        let (start, mut told) = (start(), Told::default());
        for number in 0..2 * REMEMBERED {
            told.admit(
                &number.to_string(),
                &notice("a"),
                start + Duration::from_millis(u64::try_from(number).unwrap() * 20),
            );
        }
        assert!(told.last.len() <= REMEMBERED && told.order.len() <= REMEMBERED && told.buckets.len() <= REMEMBERED);
    }
}
