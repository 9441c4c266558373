//! Whether what this node asks everybody reaches the others: fabrics that suppress ARP, and switches that drop broadcasts, let
//! heartbeats through, which go to one MAC. So now and then the same question goes to both in one turn, with two numbers of which
//! the one to everybody is the greater. The kernel keeps the greatest that was answered: it says which of them arrived.

use std::collections::BTreeMap;

use arpeggio_common::wire::Mac;

use super::Answer;

/// Between two such questions, in nanoseconds …
const EVERY_NS: u64 = 60_000_000_000;
/// … and while it is in question whether they arrive.
const SOON_NS: u64 = 3_000_000_000;
/// So many in a row without an answer, while heartbeats are answered, are more than lost frames.
const MISSES: u32 = 3;

/// What is known of one way, to the node with a MAC on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Way {
    /// When everybody was asked last; the heartbeat of that turn.
    asked_ns: u64,
    /// Whether it is known what became of that question.
    settled: bool,
    misses: u32,
}

/// All ways on which heartbeats go.
#[derive(Clone, Debug, Default)]
pub(super) struct Floods(BTreeMap<(u32, Mac), Way>);

impl Floods {
    /// A heartbeat goes out now: whether everybody is to be asked with it.
    pub(super) fn beat(&mut self, key: (u32, Mac), now_ns: u64) -> bool {
        let way = self.0.entry(key).or_default();
        let patience_ns = if way.misses == 0 || way.misses >= MISSES { EVERY_NS } else { SOON_NS };
        let due = way.asked_ns == 0 || (way.settled && now_ns.saturating_sub(way.asked_ns) >= patience_ns);
        if due {
            (way.asked_ns, way.settled) = (now_ns, false);
        }
        due
    }

    /// A question was answered.
    pub(super) fn answered(&mut self, key: (u32, Mac), answer: &Answer) {
        let Some(way) = self.0.get_mut(&key).filter(|way| answer.asked_ns >= way.asked_ns) else { return };
        if answer.was_asked_of_all() {
            (way.settled, way.misses) = (true, 0);
        } else if !way.settled && answer.asked_ns > way.asked_ns + 2 {
            // A later heartbeat was answered, and never that question.
            (way.settled, way.misses) = (true, way.misses.saturating_add(1));
        }
    }

    /// Whether it answers heartbeats, and not what everybody is asked.
    pub(super) fn are_lost(&self, key: (u32, Mac)) -> bool {
        self.0.get(&key).is_some_and(|way| way.misses >= MISSES)
    }

    /// Only these ways are of interest.
    pub(super) fn retain(&mut self, keep: impl Fn(&(u32, Mac)) -> bool) {
        self.0.retain(|key, _| keep(key));
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Origin, To},
        *,
    };

    const SECOND: u64 = 1_000_000_000;
    const KEY: (u32, Mac) = (2, Mac([2, 0, 0, 0, 0, 7]));

    fn answer(to: To, at_ns: u64) -> Answer {
        Answer { voice: Origin { mac: KEY.1, node: None }, asked_ns: to.asked_ns(at_ns), generation: 0 }
    }

    /// Heartbeats once a second, all answered; `arrives`: whether the questions to everybody are. Returns how many those were.
    fn run(floods: &mut Floods, seconds: std::ops::Range<u64>, arrives: bool) -> usize {
        let mut asked = 0;
        for second in seconds {
            let now_ns = second * SECOND + second % 2;
            let all = floods.beat(KEY, now_ns);
            asked += usize::from(all);
            let to = if all && arrives { To::All } else { To::One(KEY.1) };
            floods.answered(KEY, &answer(to, now_ns));
        }
        asked
    }

    #[test]
    fn what_arrives_is_asked_once_a_minute() {
        let mut floods = Floods::default();
        assert_eq!(run(&mut floods, 1..182, true), 4);
        assert!(!floods.are_lost(KEY) && !floods.are_lost((3, KEY.1)));
    }

    #[test]
    fn three_in_a_row_that_do_not_arrive_are_told_until_one_does() {
        let mut floods = Floods::default();
        assert_eq!(run(&mut floods, 1..6, false), 2);
        assert!(!floods.are_lost(KEY), "two may be lost by chance");
        assert_eq!(run(&mut floods, 6..12, false), 1);
        assert!(floods.are_lost(KEY));
        assert_eq!(run(&mut floods, 12..68, false), 0, "it is known");
        assert_eq!(run(&mut floods, 68..80, true), 1);
        assert!(!floods.are_lost(KEY));
    }

    #[test]
    fn who_answers_nothing_says_nothing_about_it() {
        let mut floods = Floods::default();
        assert!(floods.beat(KEY, 5));
        for second in 1..200 {
            assert!(!floods.beat(KEY, second * SECOND), "the first one is open");
        }
        assert!(!floods.are_lost(KEY));
        floods.answered(KEY, &answer(To::One(KEY.1), 5));
        assert!(!floods.beat(KEY, 201 * SECOND), "of the same turn: the other answer may follow");
        floods.retain(|_| false);
        assert!(floods.beat(KEY, 202 * SECOND));
    }
}
