//! The queue of writes: order, replacement, retries.

use super::*;
use crate::{
    cluster::{Acceptance, ConfiguredName, PoolUsage, ServiceKey},
    decide::{Notice, NoticeKind},
    plan::{AcceptedChange, ConditionChange, ServiceStatus, Subject},
};

#[expect(clippy::disallowed_methods, reason = "any instant will do as the beginning")]
fn start() -> Instant {
    Instant::now()
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("a", name)
}

fn status(name: &str, address: u8, version: &str) -> Write {
    Write::ServiceStatus(ServiceStatus {
        key: key(name),
        uid: "u".to_owned(),
        resource_version: version.to_owned(),
        ingress: vec![[192, 0, 2, address].into()],
        allocated_from: None,
        allocated: ConditionChange::Keep,
        announced: ConditionChange::Keep,
        conflict: ConditionChange::Keep,
        matter: Matter::Traffic,
        rival: None,
    })
}

fn pool(assigned: i64) -> Write {
    let usage = PoolUsage { assigned_v4: assigned, ..PoolUsage::default() };
    Write::Configured(ConfiguredStatus { object: ConfiguredName::pool("p"), usage: Some(usage), accepted: None })
}

fn refused(message: &str, version: &str) -> Write {
    let change = AcceptedChange {
        resource_version: version.to_owned(),
        says: Acceptance { accepted: false, reason: "Invalid".to_owned(), message: message.to_owned() },
        generation: 1,
        since: None,
        others: Vec::new(),
    };
    Write::Configured(ConfiguredStatus { object: ConfiguredName::pool("p"), usage: None, accepted: Some(change) })
}

fn event(message: &str) -> Write {
    let notice = Notice { kind: NoticeKind::Normal, reason: "IPAllocated", message: message.to_owned() };
    Write::Event { about: Subject::Service(key("s")), uid: "u".to_owned(), notice }
}

fn drain(queue: &mut Queue) -> Vec<Write> {
    std::iter::from_fn(|| queue.take()).collect()
}

#[test]
fn what_clients_wait_for_goes_first_and_within_a_class_in_the_order_planned() {
    let mut queue = Queue::default();
    for write in [event("e"), pool(1), status("b", 1, "1"), status("a", 2, "1")] {
        queue.submit(write);
    }
    assert_eq!(queue.waiting(Class::Clients), 2);
    assert_eq!(drain(&mut queue), [status("b", 1, "1"), status("a", 2, "1"), pool(1), event("e")]);
    assert_eq!([Class::Clients, Class::Reports, Class::Events].map(|class| queue.waiting(class)), [0, 0, 0]);
}

#[test]
fn the_latest_wins_and_keeps_the_place() {
    let mut queue = Queue::default();
    queue.submit(status("a", 1, "1"));
    queue.submit(status("b", 2, "1"));
    queue.submit(status("a", 3, "2"));
    assert_eq!(drain(&mut queue), [status("a", 3, "2"), status("b", 2, "1")]);
}

#[test]
fn writes_of_one_object_never_run_at_the_same_time() {
    let (now, mut queue) = (start(), Queue::default());
    queue.submit(status("a", 1, "1"));
    let first = queue.take().unwrap();
    queue.submit(status("a", 2, "1"));
    assert_eq!(queue.take(), None);
    assert!(queue.done(&first, Verdict::Done, now, 0.5), "planned again: what was planned did not know the result");
    queue.submit(status("a", 2, "2"));
    assert_eq!(queue.take(), Some(status("a", 2, "2")));
}

#[test]
fn the_same_once_more_while_it_is_being_written_is_nothing_new() {
    let (now, mut queue) = (start(), Queue::default());
    queue.submit(status("a", 1, "1"));
    let first = queue.take().unwrap();
    queue.submit(status("a", 1, "1"));
    queue.submit(status("a", 1, "2"));
    assert!(!queue.done(&first, Verdict::Done, now, 0.5));
    assert_eq!(queue.take(), None);
}

#[test]
fn newer_counters_follow_without_a_new_plan() {
    let (now, mut queue) = (start(), Queue::default());
    queue.submit(pool(1));
    let first = queue.take().unwrap();
    queue.submit(pool(2));
    assert!(!queue.done(&first, Verdict::Done, now, 0.5));
    let second = queue.take().unwrap();
    assert_eq!(second, pool(2));
    queue.submit(pool(3));
    assert!(!queue.done(&second, Verdict::Failed, now, 1.0));
    queue.wake(now + millis(100));
    assert_eq!(queue.take(), Some(pool(3)));
}

#[test]
fn a_condition_is_planned_again_after_whatever_was_written_meanwhile() {
    let (now, mut queue) = (start(), Queue::default());
    for (first, then) in [(pool(1), refused("m", "1")), (refused("m", "1"), pool(1))] {
        queue.submit(first);
        let sent = queue.take().unwrap();
        queue.submit(then);
        assert!(queue.done(&sent, Verdict::Done, now, 0.5), "what was planned names a version that is past");
        assert_eq!(queue.take(), None);
    }
    queue.submit(refused("m", "1"));
    let sent = queue.take().unwrap();
    queue.submit(refused("m", "2"));
    assert!(!queue.done(&sent, Verdict::Done, now, 0.5), "the same");
}

#[test]
fn a_failed_write_is_sent_again_later_and_later() {
    let (mut now, mut queue) = (start(), Queue::default());
    queue.submit(status("a", 1, "1"));
    for wait in [100, 200, 400, 800] {
        let write = queue.take().unwrap();
        assert!(!queue.done(&write, Verdict::Failed, now, 1.0));
        assert_eq!(queue.take(), None);
        assert_eq!(queue.next_wake(), Some(now + millis(wait)));
        assert_eq!(queue.wake(now + millis(wait - 1)), []);
        now += millis(wait);
        assert_eq!(queue.wake(now), []);
    }
    let write = queue.take().unwrap();
    assert_eq!(write, status("a", 1, "1"));
    assert!(!queue.done(&write, Verdict::Done, now, 1.0));
    assert_eq!((queue.next_wake(), queue.waiting(Class::Clients)), (None, 0));
}

#[test]
fn a_conflict_is_planned_again_after_a_while_unless_news_come_before() {
    let (now, mut queue) = (start(), Queue::default());
    queue.submit(status("a", 1, "1"));
    let write = queue.take().unwrap();
    queue.done(&write, Verdict::Conflict, now, 1.0);
    queue.submit(status("a", 1, "1"));
    assert_eq!(queue.take(), None, "planned from the same old state: it would be refused again");
    assert_eq!(queue.wake(now + millis(40)), [status("a", 1, "1")]);

    queue.submit(status("a", 1, "1"));
    let write = queue.take().unwrap();
    queue.done(&write, Verdict::Conflict, now, 1.0);
    queue.submit(status("a", 1, "2"));
    assert_eq!(queue.take(), Some(status("a", 1, "2")));
    assert_eq!(queue.next_wake(), None);
}

#[test]
fn what_is_not_wanted_is_tried_seldom_unless_something_else_is_planned() {
    let (now, mut queue) = (start(), Queue::default());
    queue.submit(status("a", 1, "1"));
    let write = queue.take().unwrap();
    queue.done(&write, Verdict::Refused, now, 1.0);
    assert_eq!(queue.next_wake(), Some(now + millis(2000)));
    queue.submit(status("a", 2, "1"));
    assert_eq!(queue.take(), Some(status("a", 2, "1")));
}

#[test]
fn a_plan_that_came_meanwhile_ends_the_first_wait_but_not_a_series_of_failures() {
    let (now, mut queue) = (start(), Queue::default());
    queue.submit(status("a", 1, "1"));
    let write = queue.take().unwrap();
    queue.submit(status("a", 2, "1"));
    assert!(queue.done(&write, Verdict::Conflict, now, 1.0));
    queue.submit(status("a", 2, "2"));
    let write = queue.take().unwrap();
    queue.done(&write, Verdict::Failed, now, 1.0);
    queue.wake(now + millis(100));
    let write = queue.take().unwrap();
    queue.submit(status("a", 3, "2"));
    assert!(!queue.done(&write, Verdict::Failed, now, 1.0), "an API server in trouble is not asked faster for that");
}

#[test]
fn events_take_few_connections_and_the_oldest_go_when_too_many_wait() {
    let (now, mut queue) = (start(), Queue::default());
    for number in 0..=MAX_EVENTS {
        queue.submit(event(&number.to_string()));
    }
    assert_eq!(queue.dropped_events(), 1);
    let sent = drain(&mut queue);
    assert_eq!(sent, [event("1"), event("2")]);
    queue.done(&sent[0], Verdict::Failed, now, 1.0);
    assert_eq!(drain(&mut queue), [event("3")], "an event that failed is gone: it is not worth a second request");
}

#[test]
fn who_does_not_lead_any_more_forgets_what_was_not_sent() {
    let (now, mut queue) = (start(), Queue::default());
    for name in ["a", "b", "c"] {
        queue.submit(status(name, 1, "1"));
    }
    queue.submit(event("e"));
    let sent = queue.take().unwrap();
    let failed = queue.take().unwrap();
    queue.done(&failed, Verdict::Failed, now, 1.0);
    queue.clear();
    assert_eq!((queue.take(), queue.next_wake()), (None, None));
    assert!(!queue.done(&sent, Verdict::Done, now, 1.0));
    queue.submit(status("a", 2, "2"));
    assert_eq!(queue.take(), Some(status("a", 2, "2")));
}

#[test]
fn what_is_no_longer_wanted_is_not_sent() {
    let (now, mut queue) = (start(), Queue::default());
    for name in ["ready", "running", "waiting"] {
        queue.submit(status(name, 1, "1"));
    }
    let (first, then) = (queue.take().unwrap(), queue.take().unwrap());
    assert_eq!((&first, &then), (&status("ready", 1, "1"), &status("running", 1, "1")));
    queue.done(&first, Verdict::Conflict, now, 0.0);
    queue.settle(|_| true);
    assert_eq!((queue.take(), queue.next_wake(), queue.waiting(Class::Clients)), (None, None, 0));
    assert!(!queue.done(&then, Verdict::Failed, now, 0.0));
    assert_eq!((queue.take(), queue.next_wake(), queue.wake(now)), (None, None, vec![]));
}

#[test]
fn a_gain_waits_for_a_write_that_may_still_show_the_address_elsewhere() {
    let (now, mut queue) = (start(), Queue::default());
    for unwanted in [true, false] {
        queue.submit(status("loser", 1, "1"));
        let sent = queue.take().unwrap();
        if unwanted {
            queue.settle(|object| *object == Object::Service(key("loser")));
        } else {
            queue.submit(status("loser", 9, "1"));
        }
        queue.submit(status("winner", 1, "1"));
        queue.submit(status("other", 2, "1"));
        assert_eq!(drain(&mut queue), [status("other", 2, "1")]);
        assert_eq!((queue.waiting(Class::Clients), queue.wake(now)), (1, vec![]));
        queue.done(&sent, Verdict::Done, now, 0.0);
        assert_eq!(queue.wake(now), [status("winner", 1, "1")], "planned again, from what is there now");
        assert_eq!(drain(&mut queue), []);
        queue.done(&status("other", 2, "1"), Verdict::Done, now, 0.0);
        queue.clear();
    }
    // Those who share an address do not wait for each other.
    queue.submit(status("one", 1, "1"));
    queue.submit(status("two", 1, "1"));
    assert_eq!(drain(&mut queue).len(), 2);
}
