//! What the author of an object is told: written once, told once, and of what is in force.

use super::*;
use crate::{
    cluster::{ConfiguredName, PoolUsage},
    decide::{
        Decider,
        fixture::{World, fault, ip, key},
    },
    plan::{ConfiguredStatus, Subject, Write, plan},
};

/// A cluster and a controller that wrote all there was to write.
struct Run {
    world: World,
    decider: Decider,
}

/// Conditions and events of one step.
type Reported = (Vec<ConfiguredStatus>, Vec<(ConfiguredName, Notice)>);

impl Run {
    fn new(world: World) -> Self {
        let mut run = Self { world, decider: Decider::new() };
        run.settle();
        run
    }

    fn settle(&mut self) {
        self.step(&Changes::everything());
        self.step(&Changes::everything());
    }

    /// What is written and told. It is also done.
    fn step(&mut self, changes: &Changes) -> Reported {
        let snapshot = self.world.snapshot();
        let writes = plan(&snapshot, &self.decider.decide(&snapshot, changes));
        self.world.apply(&writes);
        let (mut statuses, mut events) = (Vec::new(), Vec::new());
        for write in writes {
            match write {
                Write::Configured(status) => statuses.push(status),
                Write::Event { about: Subject::Configured(object), notice, .. } => events.push((object, notice)),
                Write::ServiceStatus(_)
                | Write::Announcement { .. }
                | Write::Silence { .. }
                | Write::DeleteAnnouncement { .. }
                | Write::L2Status { .. }
                | Write::DeleteL2Status { .. }
                | Write::DeleteBgpStatus { .. }
                | Write::State { .. }
                | Write::DeleteState { .. }
                | Write::Event { .. } => {}
            }
        }
        (statuses, events)
    }

    fn restart(&mut self) {
        self.decider = Decider::new();
    }

    /// An edit that breaks the pool, with the form before it in force or not.
    fn break_pool(&mut self, kept: bool) {
        self.world.edit(&pool());
        self.world.configuration.faults = vec![fault("IPAddressPool", "pool")];
        if !kept {
            self.world.configuration.pools.clear();
        }
    }
}

fn pool() -> ConfiguredName {
    ConfiguredName::pool("pool")
}

fn only(object: &ConfiguredName) -> Changes {
    Changes { configured: BTreeSet::from([object.clone()]), ..Changes::default() }
}

fn says(status: &ConfiguredStatus) -> (bool, &str, &str) {
    let says = &status.accepted.as_ref().unwrap().says;
    (says.accepted, &says.reason, &says.message)
}

#[test]
fn what_is_right_is_said_once_in_one_write_with_the_counters_and_told_to_nobody() {
    let mut run = Run { world: World::new(&["a"]), decider: Decider::new() };
    let (statuses, events) = run.step(&Changes::everything());
    assert_eq!(events, []);
    let objects: Vec<String> = statuses.iter().map(|status| status.object.to_string()).collect();
    assert_eq!(objects, ["IPAddressPool pool", "L2Advertisement all"]);
    assert!(statuses.iter().all(|status| says(status) == (true, "Valid", IN_FORCE)));
    assert!(statuses[0].usage.is_some() && statuses[1].usage.is_none());
    assert_eq!(run.step(&Changes::everything()), (Vec::new(), Vec::new()));
    run.restart();
    assert_eq!(run.step(&Changes::everything()), (Vec::new(), Vec::new()), "who comes after finds it written");
}

#[test]
fn an_advertisement_in_force_says_what_of_it_is_left_out() {
    let mut run = Run::new(World::new(&["a"]));
    let (all, remark) = (ConfiguredName::l2("all"), fault("L2Advertisement", "all"));
    run.world.edit(&all);
    run.world.ad("all").impossible.insert("a/b".to_owned());
    run.world.configuration.remarks = vec![remark];
    let changes = Changes { everything: true, configuration: true, ..Changes::default() };
    let (statuses, events) = run.step(&changes);
    let message = format!("{LEFT_OUT}spec \"\" is wrong; mend it");
    assert_eq!(says(&statuses[0]), (true, "Valid", message.as_str()));
    assert_eq!((events.len(), events[0].1.reason), (1, PARTLY));
    run.restart();
    assert_eq!(run.step(&changes), (Vec::new(), Vec::new()), "once");
}

#[test]
fn a_pool_says_which_of_its_addresses_belong_to_nodes() {
    let mut run = Run::new(World::new(&["a"]));
    run.world.node("a").addresses = ["192.0.2.101", "192.0.2.110", "198.51.100.7"].map(ip).into();
    let topology = Changes { topology: true, ..Changes::default() };
    let (statuses, events) = run.step(&topology);
    let message = format!("{IN_FORCE}{HELD}192.0.2.101 (node a), 192.0.2.110 (node a)");
    let [status] = &statuses[..] else { panic!("{statuses:?}") };
    assert_eq!(says(status), (true, "Valid", message.as_str()));
    assert_eq!(status.usage.unwrap().available_v4, 149);
    let [(_, Notice { kind: NoticeKind::Warning, reason: NOT_GIVEN, message: told })] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*told, message);
    assert_eq!(run.step(&Changes::everything()), (Vec::new(), Vec::new()), "once");
    run.restart();
    assert_eq!(run.step(&Changes::everything()), (Vec::new(), Vec::new()), "who comes after finds it written");
    run.world.node("a").addresses = (0..30).map(|last| ip(&format!("192.0.2.{}", 110 + last))).collect();
    let (statuses, _) = run.step(&topology);
    assert!(says(&statuses[0]).2.ends_with("192.0.2.129 (node a) and 10 more"), "{statuses:?}");
    run.world.node("a").addresses.clear();
    let (statuses, events) = run.step(&topology);
    assert_eq!((says(&statuses[0]), events), ((true, "Valid", IN_FORCE), Vec::new()));
}

#[test]
fn an_edit_that_breaks_a_pool_is_told_with_what_is_in_force_and_its_cure_too() {
    let mut run = Run::new(World::new(&["a"]));
    let since = |run: &Run| run.world.configured[&pool()].accepted.clone().unwrap().since;
    let before = since(&run);
    run.break_pool(true);
    let (statuses, events) = run.step(&Changes::everything());
    let [status] = &statuses[..] else { panic!("{statuses:?}") };
    assert_eq!(says(status), (false, "Invalid", "spec \"\" is wrong; mend it"), "the fault says what stays in force");
    assert_eq!((status.accepted.as_ref().unwrap().generation, status.usage), (2, None));
    let [(object, Notice { kind: NoticeKind::Warning, reason: REFUSED, .. })] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(object, &pool());
    let broken = since(&run);
    assert_ne!(before, broken);
    // Broken otherwise: said, and told, but for as long as before.
    run.world.edit(&pool());
    run.world.configuration.faults[0].rule = "is still wrong".to_owned();
    let (statuses, events) = run.step(&Changes::everything());
    assert_eq!((statuses.len(), events.len(), since(&run)), (1, 1, broken.clone()));

    run.world.configuration.faults.clear();
    run.world.edit(&pool());
    let (statuses, events) = run.step(&Changes::everything());
    assert_eq!(says(&statuses[0]), (true, "Valid", IN_FORCE));
    let [(_, Notice { kind: NoticeKind::Normal, reason: ACCEPTED, .. })] = &events[..] else { panic!("{events:?}") };
    assert_ne!(since(&run), broken);
}

#[test]
fn who_never_saw_an_object_whole_says_that_nothing_of_it_is_in_force() {
    let mut world = World::new(&["a"]);
    world.have("web", "192.0.2.100");
    let mut run = Run::new(world);
    run.break_pool(true);
    run.step(&Changes::everything());
    run.restart();
    run.world.configuration.pools.clear();
    let (statuses, events) = run.step(&Changes::everything());
    let message = says(&statuses[0]).2;
    assert!(
        message.contains(
            "mend it. It is not in force, and no earlier form of it is known: no Service is given an address of it"
        ),
        "{message}"
    );
    assert_eq!(events.len(), 1, "that is news");
    assert_eq!(run.world.services[&key("web")].ingress, [ip("192.0.2.100")], "and what it says of Services is so");

    let all = ConfiguredName::l2("all");
    run.world.edit(&all);
    run.world.configuration.l2.clear();
    run.world.configuration.faults.push(fault("L2Advertisement", "all"));
    let (statuses, _) = run.step(&Changes::everything());
    let [status] = &statuses[..] else { panic!("{statuses:?}") };
    assert_eq!(status.object, all);
    assert!(says(status).2.ends_with("what is announced already stays"), "{status:?}");
}

#[test]
fn a_new_pool_at_fault_gets_counters_with_its_condition() {
    let mut run = Run::new(World::new(&["a"]));
    let new = ConfiguredName::pool("new");
    run.world.edit(&new);
    run.world.configuration.faults = vec![fault("IPAddressPool", "new")];
    let (statuses, _) = run.step(&Changes::everything());
    let [ConfiguredStatus { usage: Some(usage), accepted: Some(_), object }] = &statuses[..] else {
        panic!("{statuses:?}")
    };
    assert_eq!((usage, object), (&PoolUsage::default(), &new), "a status of a pool without them is no status");
}

#[test]
fn an_edit_that_changes_nothing_is_seen_all_the_same() {
    let mut run = Run::new(World::new(&["a"]));
    run.world.edit(&pool());
    let (statuses, events) = run.step(&only(&pool()));
    let [ConfiguredStatus { usage: None, accepted: Some(change), .. }] = &statuses[..] else { panic!("{statuses:?}") };
    assert_eq!((change.generation, change.since.is_some()), (2, true), "since when is no other");
    assert_eq!(events, []);
}

#[test]
fn a_condition_that_others_change_is_put_right_and_theirs_stay() {
    let mut run = Run::new(World::new(&["a"]));
    let others = vec![serde_json::json!({"type": "Other"})];
    let there = run.world.configured.get_mut(&pool()).unwrap();
    there.accepted = None;
    there.others.clone_from(&others);
    let (statuses, _) = run.step(&only(&pool()));
    assert_eq!(statuses[0].accepted.as_ref().unwrap().others, others);
    assert_eq!(run.step(&only(&pool())).0, []);
}

#[test]
fn counters_that_change_while_a_condition_waits_are_written_with_it() {
    let mut run = Run::new(World::new(&["a"]));
    run.world.edit(&pool());
    run.world.ask("web");
    let changes = Changes { services: BTreeSet::from([key("web")]), ..Changes::default() };
    let (statuses, _) = run.step(&changes);
    let [ConfiguredStatus { usage: Some(_), accepted: Some(_), .. }] = &statuses[..] else { panic!("{statuses:?}") };
}

#[test]
fn many_and_long_faults_are_cut() {
    let mut long = fault("IPAddressPool", "pool");
    long.value = "ä".repeat(MOST_BYTES);
    let faults: Vec<Fault> = std::iter::repeat_n(long, MOST_FAULTS + 3).collect();
    let faults: Vec<&Fault> = faults.iter().collect();
    let says = message(&pool(), &faults, &Configuration::default());
    assert!(says.contains("…. and 3 more faults. It is not in force"), "{says}");
    assert!(says.chars().count() < 32768);
    assert!(!message(&pool(), &faults[..MOST_FAULTS], &Configuration::default()).contains("more faults"));
}

#[test]
fn who_is_gone_is_told_nothing() {
    let mut run = Run::new(World::new(&["a"]));
    run.world.configured.remove(&ConfiguredName::l2("all"));
    run.world.configuration.l2.clear();
    assert_eq!(run.step(&only(&ConfiguredName::l2("all"))), (Vec::new(), Vec::new()));
}

#[test]
fn every_kind_says_whether_it_is_in_force_or_waits() {
    for kind in ConfigurationKind::ALL {
        let mut run = Run::new(World::new(&["a"]));
        let object = ConfiguredName::new(kind, "new");
        run.world.edit(&object);
        run.world.configuration.faults = vec![fault(kind.name(), "new")];
        let changes = || Changes { configuration: true, ..Changes::default() };
        let (statuses, events) = run.step(&changes());
        let [status] = &statuses[..] else { panic!("{statuses:?}") };
        let (accepted, reason, message) = says(status);
        assert_eq!((accepted, reason, events.len()), (false, "Invalid", 1), "{kind:?}");
        assert!(message.contains("It is not in force, and no earlier form of it is known"), "{message}");
        run.world.configuration.pending = std::mem::take(&mut run.world.configuration.faults);
        let (statuses, events) = run.step(&changes());
        assert_eq!((says(&statuses[0]).1, events.len()), ("Pending", 1), "{kind:?}");
        assert_eq!(run.step(&changes()), (Vec::new(), Vec::new()), "said once");
        run.world.configuration.pending.clear();
        let (statuses, events) = run.step(&changes());
        assert_eq!((says(&statuses[0]).1, &events[0].1.kind), ("Valid", &NoticeKind::Normal), "{kind:?}");
    }
}
