//! A fight about the status of a Service in virtual time: another program writes once a second, for two minutes.

use std::time::{Duration, Instant};

use super::restraint::Restraint;
use crate::{
    cluster::{Changes, Rival, Service},
    decide::{
        Decider, QUIET,
        fixture::{World, key},
    },
    plan::{self, ConditionChange, Matter, Write, plan},
};

/// How finely time passes.
const STEP: u64 = 10;
/// How long the other program writes, in milliseconds.
const FIGHT: u64 = 120_000;

/// What happened.
#[derive(Debug, Default)]
struct Outcome {
    /// Our writes of the status.
    writes: usize,
    /// Of these, those that were for the condition that tells of the conflict alone.
    for_condition: usize,
    /// How often that condition was changed.
    conditions: usize,
    /// Longest time that the addresses were wrong.
    wrong: Duration,
    /// When the condition went, after the last write of the other program.
    gone: Option<Duration>,
    /// What it said.
    said: String,
}

/// Lets `strike` undo something once a second, and the controller do what it does about it.
fn fight(strike: impl Fn(&mut Service)) -> Outcome {
    let mut world = World::new(&["a", "b"]);
    world.ask("web");
    let (mut decider, mut restraint, mut outcome) = (Decider::new(), Restraint::default(), Outcome::default());
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the beginning")]
    let begin = Instant::now();
    let mut changes = Changes::everything();
    let mut wrong_since = None;
    let last = (FIGHT - 1) / 1000 * 1000;
    for millis in (0..FIGHT + 2 * 180_000).step_by(usize::try_from(STEP).unwrap()) {
        let (at, now) = (Duration::from_millis(millis), begin + Duration::from_millis(millis));
        world.at = at;
        if (1000..FIGHT).contains(&millis) && millis % 1000 == 0 {
            let service = world.services.get_mut(&key("web")).unwrap();
            strike(service);
            service.resource_version = format!("theirs-{millis}");
            changes.services.insert(key("web"));
        }
        let woken = restraint.wake(now);
        changes.services.extend(woken.iter().filter_map(|write| {
            if let Write::ServiceStatus(status) = write { Some(status.key.clone()) } else { None }
        }));
        changes.services.extend(decider.due(at));
        for _ in 0..3 {
            let snapshot = world.snapshot();
            let writes = plan(&snapshot, &decider.decide(&snapshot, &std::mem::take(&mut changes)));
            for write in writes {
                let Some(write) = restraint.admit(write, now) else { continue };
                changes = world.apply(std::slice::from_ref(&write));
                let times = restraint.done(&write, now, 1.0);
                let Write::ServiceStatus(status) = &write else { continue };
                outcome.writes += 1;
                outcome.for_condition += usize::from(status.matter == Matter::Conflict);
                outcome.conditions += usize::from(status.conflict != ConditionChange::Keep);
                if plan::overwritten(status, times).is_some_and(|what| decider.overwritten(what, at)) {
                    changes.services.insert(key("web"));
                }
            }
        }
        let service = &world.services[&key("web")];
        if service.status_differs || service.ingress.is_empty() {
            outcome.wrong = outcome.wrong.max(at - *wrong_since.get_or_insert(at));
        } else {
            wrong_since = None;
        }
        match &service.conflict {
            Some(says) => outcome.said.clone_from(&says.message),
            None if millis > last => {
                outcome.gone.get_or_insert_with(|| at - Duration::from_millis(last));
            }
            None => {}
        }
    }
    let service = &world.services[&key("web")];
    assert!(!service.ingress.is_empty() && service.allocated_from.is_some() && service.conflict.is_none());
    outcome
}

fn by(name: &str) -> Option<Box<Rival>> {
    Some(Box::new(Rival::Writer(name.to_owned())))
}

#[test]
fn a_status_that_is_emptied_every_second_is_right_within_two_seconds_and_one_condition_says_who_did_it() {
    let outcome = fight(|service| {
        service.ingress.clear();
        service.rival = by("kube-vip");
    });
    assert!(outcome.wrong < Duration::from_secs(2), "{outcome:?}");
    assert!((40..=125).contains(&outcome.writes), "{outcome:?}");
    assert!(outcome.said.starts_with("kube-vip writes status.loadBalancer"), "{outcome:?}");
    assert_eq!((outcome.conditions, outcome.for_condition), (2, 2), "it comes and goes once: {outcome:?}");
    let gone = outcome.gone.unwrap();
    assert!((QUIET - Duration::from_secs(2)..=QUIET + Duration::from_secs(2)).contains(&gone), "{outcome:?}");
}

#[test]
fn a_status_that_is_replaced_with_our_condition_costs_no_write_more() {
    let outcome = fight(|service| {
        service.ingress.clear();
        service.status_differs = true;
        service.conflict = None;
        service.rival = by("kube-vip");
    });
    assert!(outcome.wrong < Duration::from_secs(2), "{outcome:?}");
    assert!((40..=125).contains(&outcome.writes) && outcome.for_condition <= 2, "{outcome:?}");
    assert!(outcome.gone.unwrap() < QUIET + Duration::from_secs(2), "{outcome:?}");
}

#[test]
fn an_annotation_that_is_taken_away_every_second_is_a_conflict_that_costs_little() {
    let outcome = fight(|service| {
        service.allocated_from = None;
        service.rival = Some(Box::new(Rival::Among("gitops, kubectl".to_owned())));
    });
    assert!(outcome.writes < 15 && outcome.conditions == 2, "{outcome:?}");
    assert!(outcome.said.contains("managedFields names gitops, kubectl"), "{outcome:?}");
}

#[test]
fn the_condition_that_tells_of_a_conflict_is_not_fought_over() {
    let outcome = fight(|service| {
        service.allocated_from = None;
        service.conflict = None;
    });
    assert!(outcome.writes < 25, "{outcome:?}");
}
