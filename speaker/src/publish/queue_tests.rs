//! When differences are written.

use proptest::prelude::*;

use super::*;

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

const WRITTEN: Ended = Ended::Written { contradicted: false };
const CONTRADICTED: Ended = Ended::Written { contradicted: true };

#[test]
fn few_are_under_way_at_once_and_each_once() {
    let mut queue = Queue::default();
    let all: Vec<_> = (0..10).map(|last| (address(last), 0)).collect();
    queue.replan(all.clone(), 100);
    let first: Vec<_> = std::iter::from_fn(|| queue.next(100)).collect();
    assert_eq!(first, [0, 1, 2, 3].map(address));
    assert_eq!((queue.busy(), queue.due_ms()), (AT_ONCE, None));
    queue.replan(all, 101);
    queue.done(address(2), WRITTEN, 102, 0);
    // What is under way still differs as the watch shows it, and is not written twice.
    assert_eq!(queue.next(102), Some(address(4)));
}

#[test]
fn patience_counts_from_when_it_was_first_wanted() {
    let mut queue = Queue::default();
    queue.replan([(address(1), 5000)], 100);
    assert_eq!((queue.next(5099), queue.due_ms()), (None, Some(5100)));
    queue.replan([(address(1), 5000)], 4000);
    assert_eq!(queue.due_ms(), Some(5100));
    queue.replan([], 4500);
    queue.replan([(address(1), 5000)], 4600);
    assert_eq!(queue.due_ms(), Some(9600), "it was all right in between");
    assert_eq!(queue.next(9600), Some(address(1)));
}

#[test]
fn an_echo_that_is_to_come_causes_no_second_write() {
    let mut queue = Queue::default();
    queue.replan([(address(1), 0)], 0);
    assert_eq!(queue.next(0), Some(address(1)));
    queue.done(address(1), WRITTEN, 10, 0);
    queue.replan([(address(1), 0)], 11);
    assert_eq!((queue.next(1000), queue.next(1010)), (None, Some(address(1))));
}

#[test]
fn two_that_contradict_each_other_do_so_more_and_more_rarely() {
    let mut queue = Queue::default();
    let (mut now_ms, mut gaps) = (0, Vec::new());
    for _ in 0..10 {
        queue.replan([(address(1), 0)], now_ms);
        let due_ms = queue.due_ms().unwrap();
        gaps.push(due_ms - now_ms);
        now_ms = due_ms;
        assert_eq!(queue.next(now_ms), Some(address(1)));
        queue.done(address(1), CONTRADICTED, now_ms, 0);
    }
    assert_eq!(gaps[..5], [0, 1000, 2000, 4000, 8000]);
    assert_eq!(gaps.last(), Some(&60_000));
    queue.replan([], now_ms + FORGOTTEN_MS);
    queue.replan([(address(1), 0)], now_ms + FORGOTTEN_MS);
    assert_eq!(queue.due_ms(), Some(now_ms + FORGOTTEN_MS), "after a while it is forgotten");
}

#[test]
fn a_server_that_does_not_answer_is_left_alone_for_a_while() {
    let mut queue = Queue::default();
    queue.replan((0..10).map(|last| (address(last), 0)), 0);
    let first = queue.next(0).unwrap();
    queue.done(first, Ended::Unanswered, 0, 1023);
    assert_eq!(queue.next(999), None);
    assert!((1000..1500).contains(&queue.due_ms().unwrap()), "{queue:?}");
    queue.replan((0..10).map(|last| (address(last), 0)), 2000);
    assert_eq!(queue.next(2000), Some(address(1)), "whoever has waited longest");
    queue.done(address(1), WRITTEN, 2001, 0);
    let rest: Vec<_> =
        (0..9).filter_map(|_| queue.next(2001).inspect(|next| queue.done(*next, WRITTEN, 2001, 0))).collect();
    assert_eq!(rest.last(), Some(&address(0)), "what was not written is wanted still: {rest:?}");
}

proptest! {
    /// However plans and ends mix: never more at once than allowed, and after the last plan everything is written.
    #[test]
    fn everything_is_written_in_the_end(plans in prop::collection::vec((prop::collection::vec((0_u8..20, 0_u64..9000), 0..20), 0_u8..4, 0_u64..1024), 1..20)) {
        let mut queue = Queue::default();
        let (mut now_ms, mut busy) = (0, Vec::new());
        for (differing, how, spread) in &plans {
            now_ms += 400;
            queue.replan(differing.iter().map(|(last, patience_ms)| (address(*last), *patience_ms)), now_ms);
            while let Some(next) = queue.next(now_ms) {
                prop_assert!(!busy.contains(&next));
                busy.push(next);
            }
            prop_assert!(busy.len() <= AT_ONCE && busy.len() == queue.busy());
            let ended = [WRITTEN, CONTRADICTED, Ended::Refused, Ended::Unanswered][usize::from(*how)];
            for one in busy.drain(..) {
                queue.done(one, ended, now_ms, *spread);
            }
        }
        let mut left: BTreeSet<IpAddr> = plans.last().unwrap().0.iter().map(|(last, _)| address(*last)).collect();
        queue.replan(left.iter().map(|address| (*address, 0)), now_ms);
        while let Some(due_ms) = queue.due_ms() {
            now_ms = now_ms.max(due_ms);
            let next = queue.next(now_ms).unwrap();
            left.remove(&next);
            queue.done(next, WRITTEN, now_ms, 0);
        }
        prop_assert!(left.is_empty(), "{:?}", left);
    }
}
