//! Pure: writes that are better sent later.
//!
//! What somebody undoes is put right at once the first time. Whoever goes on finds us slower and slower: two programs that each
//! know better would else keep the API server busy for ever. Only the very same write again is held back so; what is new for an
//! object is never delayed.
//!
//! A status without its addresses, or with those of somebody else, is no matter of taste: kube-proxy has no rule for the Service then.
//! That is put right within moments however long the quarrel lasts, and has a count of its own.
//!
//! Counters of pools change with every Service. They are written once a second, not once for each.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::{Duration, Instant},
};

use super::queue::bare;
use crate::{
    backoff::Backoff,
    decide::QUIET,
    plan::{ConditionChange, ConfiguredStatus, Matter, Object, Write},
};

/// After a write that had to be repeated.
const UNDONE: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(60) };
/// The same where traffic goes wrong meanwhile.
const HARM: Backoff = Backoff { first: Duration::from_millis(250), most: Duration::from_millis(1500) };
/// Between two writes of the counters of a pool.
const COUNTERS: Duration = Duration::from_secs(1);

/// The last write of an object.
#[derive(Clone, Copy, Debug)]
struct Last {
    /// A hash of what it made of the object: of thousands of objects no more is kept.
    content: u64,
    at: Instant,
    /// How often it was the same as the one before.
    repeated: u32,
    /// When the same may be written again.
    not_before: Instant,
}

/// The pauses between repeated writes of the same state.
#[derive(Clone, Debug, Default)]
pub(super) struct Restraint {
    /// Of each object, what does harm and what does not.
    last: BTreeMap<(Object, Matter), Last>,
    /// When counters may be written again, for each pool.
    counters: BTreeMap<Object, Instant>,
    held: BTreeMap<Object, (Instant, Write)>,
    /// When old entries were last looked for.
    cleaned: Option<Instant>,
}

impl Restraint {
    /// A write that was planned; returned if it may be sent now.
    pub(super) fn admit(&mut self, write: Write, now: Instant) -> Option<Write> {
        let Some(object) = write.object() else { return Some(write) };
        let place = (object.clone(), matter(&write));
        let same = self.last.get(&place).filter(|last| last.content == content(&write)).map(|last| last.not_before);
        let counts = matches!(&write, Write::Configured(ConfiguredStatus { accepted: None, .. }));
        let counters = self.counters.get(&object).copied().filter(|_| counts);
        if let Some(at) = same.max(counters).filter(|at| now < *at) {
            self.held.insert(object, (at, write));
            return None;
        }
        self.held.remove(&object);
        if matches!(&write, Write::Configured(ConfiguredStatus { usage: Some(_), .. })) {
            self.counters.insert(object, now + COUNTERS);
        }
        Some(write)
    }

    /// A write was done. `random`: from 0 to 1. How often the same was written before, and undone since.
    pub(super) fn done(&mut self, write: &Write, now: Instant, random: f64) -> u32 {
        let Some(object) = write.object() else { return 0 };
        if self.cleaned.is_none_or(|cleaned| now >= cleaned + QUIET) {
            self.last.retain(|_, last| now < last.at.max(last.not_before) + QUIET);
            self.cleaned = Some(now);
        }
        let (content, matter) = (content(write), matter(write));
        let place = (object, matter);
        let before = self.last.get(&place).filter(|last| last.content == content && now < last.at + QUIET);
        let repeated = before.map_or(0, |last| last.repeated + 1);
        let pace = if matter == Matter::Traffic { HARM } else { UNDONE };
        let wait = if repeated == 0 { Duration::ZERO } else { pace.delay(repeated, random) };
        self.last.insert(place, Last { content, at: now, repeated, not_before: now + wait });
        repeated
    }

    /// What has been held long enough, to be planned again.
    pub(super) fn wake(&mut self, now: Instant) -> Vec<Write> {
        self.held.extract_if(.., |_, (at, _)| *at <= now).map(|(_, (_, write))| write).collect()
    }

    /// When [`Self::wake`] has something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.held.values().map(|(at, _)| *at).min()
    }

    /// This process does not lead any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What it is that goes wrong until this is written.
const fn matter(write: &Write) -> Matter {
    if let Write::ServiceStatus(status) = write { status.matter } else { Matter::Words }
}

/// What a write makes of its object, whatever version it was planned from. That it tells of a conflict beside makes it no other.
fn content(write: &Write) -> u64 {
    let mut bare = bare(write);
    if let Write::ServiceStatus(status) = &mut bare
        && matter(write) != Matter::Conflict
    {
        status.conflict = ConditionChange::Keep;
    }
    let mut hasher = DefaultHasher::new();
    bare.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use arpeggio_common::model::NodeName;

    use super::*;
    use crate::{
        cluster::{ConfiguredName, L2StatusContent, PoolUsage, ServiceKey},
        plan::ServiceStatus,
    };

    fn pool(assigned: i64) -> Write {
        let usage = PoolUsage { assigned_v4: assigned, ..PoolUsage::default() };
        Write::Configured(ConfiguredStatus { object: ConfiguredName::pool("p"), usage: Some(usage), accepted: None })
    }

    fn delete(version: &str) -> Write {
        Write::DeleteL2Status { name: "l2".to_owned(), resource_version: version.to_owned() }
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the beginning")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn what_is_undone_again_and_again_is_repeated_later_and_later() {
        let (mut now, mut restraint) = (start(), Restraint::default());
        for version in ["1", "2"] {
            assert!(restraint.admit(delete(version), now).is_some(), "once it is put right at once");
            restraint.done(&delete(version), now, 1.0);
        }
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            for version in ["3", "4"] {
                assert_eq!(restraint.admit(delete(version), now), None);
            }
            assert_eq!(restraint.next_wake(), Some(now + Duration::from_secs(wait)));
            assert_eq!(restraint.wake(now), []);
            now += Duration::from_secs(wait);
            assert_eq!(restraint.wake(now), [delete("4")], "the latest");
            assert_eq!(restraint.next_wake(), None);
            assert!(restraint.admit(delete("4"), now).is_some());
            restraint.done(&delete("4"), now, 1.0);
        }
    }

    fn status(harm: bool) -> Write {
        Write::ServiceStatus(ServiceStatus {
            key: ServiceKey::default(),
            uid: "u".to_owned(),
            resource_version: "1".to_owned(),
            ingress: vec![[192, 0, 2, 1].into()],
            allocated_from: Some("pool".to_owned()),
            allocated: ConditionChange::Keep,
            announced: ConditionChange::Keep,
            conflict: ConditionChange::Keep,
            matter: if harm { Matter::Traffic } else { Matter::Words },
            rival: None,
        })
    }

    /// Somebody undoes our write once a second for two minutes. Gives how often we write, and the longest time that it stays undone.
    fn quarrel(restraint: &mut Restraint, harm: bool, begin: Instant) -> (u32, Duration) {
        let (mut writes, mut longest) = (0, Duration::ZERO);
        let mut undone: Option<Duration> = None;
        for millis in 0..120_000 {
            let since = Duration::from_millis(millis);
            let now = begin + since;
            if millis % 1000 == 0 {
                undone.get_or_insert(since);
            }
            let Some(from) = undone else { continue };
            longest = longest.max(since - from);
            let woken = !restraint.wake(now).is_empty();
            if (woken || millis % 1000 == 0) && restraint.admit(status(harm), now).is_some() {
                restraint.done(&status(harm), now, 1.0);
                (writes, undone) = (writes + 1, None);
            }
        }
        (writes, longest)
    }

    #[test]
    fn what_does_harm_is_right_within_two_seconds_after_a_long_quarrel_and_taste_costs_little() {
        let (begin, mut restraint) = (start(), Restraint::default());
        let (writes, longest) = quarrel(&mut restraint, false, begin);
        assert!(writes < 12 && longest > Duration::from_secs(30), "{writes} writes, {longest:?}");
        // The quarrel about taste holds nothing back that does harm; and that in turn never waits for long.
        let (writes, longest) = quarrel(&mut restraint, true, begin + Duration::from_secs(120));
        assert!(longest < Duration::from_secs(2), "{longest:?}");
        assert!((40..=120).contains(&writes), "{writes} writes in two minutes");
    }

    #[test]
    fn who_does_now_this_and_now_that_is_put_right_within_two_seconds_too() {
        let (begin, mut restraint) = (start(), Restraint::default());
        let mut undone: Option<(Duration, bool)> = None;
        let (mut longest, mut repeated) = (Duration::ZERO, 0);
        for millis in (0..120_000).step_by(10) {
            let since = Duration::from_millis(millis);
            let strikes = millis % 1000 == 0;
            if strikes {
                // An address is taken away, or the annotation; what is wrong already stays so.
                let harm = millis % 3000 == 0;
                let (from, before) = undone.unwrap_or((since, harm));
                undone = Some((if harm && !before { since } else { from }, harm || before));
            }
            let Some((from, harm)) = undone else { continue };
            if harm {
                longest = longest.max(since - from);
            }
            let now = begin + since;
            let woken = !restraint.wake(now).is_empty();
            if (woken || strikes) && restraint.admit(status(harm), now).is_some() {
                repeated += u32::from(restraint.done(&status(harm), now, 1.0) > 0);
                undone = None;
            }
        }
        assert!(longest < Duration::from_secs(2), "{longest:?}");
        assert!((20..=80).contains(&repeated), "{repeated} times somebody had undone what was written");
    }

    #[test]
    fn what_is_new_is_never_held_and_ends_the_quarrel() {
        let (now, mut restraint) = (start(), Restraint::default());
        let report = |interface: &str| Write::L2Status {
            name: "l2".to_owned(),
            content: L2StatusContent {
                service: ServiceKey::default(),
                node: NodeName::try_from("a").unwrap(),
                interfaces: [interface.to_owned()].into(),
            },
            resource_version: None,
        };
        assert_eq!(restraint.done(&report("eth0"), now, 1.0), 0, "nobody undid anything");
        assert_eq!(restraint.done(&report("eth0"), now, 1.0), 1);
        assert_eq!(restraint.admit(report("eth0"), now), None);
        assert_eq!(restraint.admit(report("eth1"), now), Some(report("eth1")));
        assert_eq!(restraint.next_wake(), None, "the old one is not wanted any more");
        restraint.done(&report("eth1"), now, 1.0);
        assert!(restraint.admit(report("eth1"), now).is_some());
    }

    #[test]
    fn counters_are_written_once_a_second_and_then_the_latest() {
        let (now, mut restraint) = (start(), Restraint::default());
        assert_eq!(restraint.admit(pool(1), now), Some(pool(1)), "the first at once");
        assert_eq!((restraint.admit(pool(2), now), restraint.admit(pool(3), now)), (None, None));
        let later = now + COUNTERS;
        assert_eq!(restraint.next_wake(), Some(later));
        assert_eq!(restraint.wake(later), [pool(3)]);
        assert_eq!(restraint.admit(pool(3), later), Some(pool(3)));
        assert_eq!(restraint.admit(pool(4), later), None, "those were the next");
        assert_eq!(restraint.admit(pool(4), later + COUNTERS), Some(pool(4)));
        assert_eq!(restraint.next_wake(), None);
    }

    #[test]
    fn a_quarrel_that_rests_is_forgotten() {
        let (now, mut restraint) = (start(), Restraint::default());
        for _ in 0..5 {
            restraint.done(&pool(1), now, 1.0);
        }
        let later = now + QUIET + UNDONE.most;
        restraint.done(&delete("1"), later, 1.0);
        assert_eq!(restraint.last.len(), 1, "nothing is kept of it");
        restraint.done(&pool(1), later, 1.0);
        assert!(restraint.admit(pool(1), later).is_some());
        assert_eq!(restraint.admit(delete("2"), later), Some(delete("2")));
        restraint.clear();
        assert!(restraint.last.is_empty());
    }
}
