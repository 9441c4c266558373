//! The way of a change: decided, planned, written, and then nothing more.

use std::collections::{BTreeMap, BTreeSet};

use arpeggio_common::{
    api::names::EXCLUDE,
    model::{Configuration, Fault, Few, FewMap, Pool},
};
use proptest::prelude::*;

use super::*;
use crate::{
    cluster::{
        ConfigurationKind, ConfiguredName, L2StatusContent, ObservedBgpStatus, ObservedL2Status, PoolUsage, Refusal,
        StateOf,
    },
    decide::{
        NoticeKind,
        fixture::{World, fault, has, ip, key, node, pool},
    },
    names,
    plan::{Class, ConditionChange, ConfiguredStatus, Write, plan},
};

/// A controller and the cluster it works on.
struct Run {
    world: World,
    decider: Decider,
}

impl Run {
    /// A controller that has just become leader; nothing is decided yet.
    fn new(world: World) -> Self {
        Self { world, decider: Decider::new() }
    }

    fn step(&mut self, changes: &Changes) -> Vec<Write> {
        let snapshot = self.world.snapshot();
        plan(&snapshot, &self.decider.decide(&snapshot, changes))
    }

    /// Until nothing is left to do: what is planned is written, speakers follow. Gives all that was written.
    fn settle(&mut self, changes: Changes) -> Vec<Write> {
        let mut all = Vec::new();
        let mut changes = changes;
        for _ in 0..10 {
            let writes = self.step(&changes);
            changes = self.world.apply(&writes);
            let spoken = self.world.speak();
            changes.addresses.extend(spoken.addresses);
            let over = writes.is_empty() && changes.is_empty();
            all.extend(writes);
            if over {
                return all;
            }
        }
        panic!("it does not end: {all:?}");
    }
}

fn service(name: &str) -> Changes {
    Changes { services: BTreeSet::from([key(name)]), ..Changes::default() }
}

fn topology() -> Changes {
    Changes { topology: true, ..Changes::default() }
}

/// Writes that are not reports or events.
fn for_clients(writes: &[Write]) -> Vec<&Write> {
    writes.iter().filter(|write| matches!(write.class(), Class::Clients | Class::Standbys)).collect()
}

fn settled(names: &[&str], services: &[&str]) -> Run {
    let mut run = Run::new(World::new(names));
    for name in services {
        run.world.ask(name);
    }
    run.settle(Changes::everything());
    run
}

#[test]
fn counters_that_somebody_else_wrote_are_put_right() {
    let mut run = settled(&["a"], &["web"]);
    let (pool, right) = run.world.pool_usage.first_key_value().map(|(pool, usage)| (pool.clone(), *usage)).unwrap();
    run.world.pool_usage.insert(pool.clone(), PoolUsage { assigned_v4: 7, ..right });
    let object = ConfiguredName::pool(&pool);
    let writes = run.settle(Changes { configured: BTreeSet::from([object.clone()]), ..Changes::default() });
    assert_eq!(writes, [Write::Configured(ConfiguredStatus { object, usage: Some(right), accepted: None })]);
}

#[test]
fn a_service_costs_two_writes_the_address_before_the_announcement() {
    let mut run = settled(&["a", "b", "c"], &[]);
    run.world.ask("web");
    let writes = run.settle(service("web"));
    let [Write::ServiceStatus(status), Write::Announcement { content, .. }] = for_clients(&writes)[..] else {
        panic!("{writes:?}");
    };
    assert_eq!(status.ingress, [content.address]);
    assert_eq!(status.allocated_from.as_deref(), Some("pool"));
    assert_eq!(content.services, FewMap::from([(key("web"), "uid-web".to_owned())]));
    assert_eq!(content.candidates.as_ref().unwrap().len(), 3);
    let reports = writes.iter().filter(|write| write.class() == Class::Reports).count();
    assert_eq!(reports, 2, "who answers, and how full the pool is: {writes:?}");
    let reason = |write: &Write| if let Write::Event { notice, .. } = write { Some(notice.reason) } else { None };
    let reasons: Vec<_> = writes.iter().filter_map(reason).collect();
    assert_eq!(reasons, ["IPAllocated", "nodeAssigned"]);
}

#[test]
fn services_that_come_before_their_endpoints_cost_no_write_more() {
    const SERVICES: usize = 100;
    let mut run = settled(&["a", "b", "c"], &[]);
    let names: Vec<String> = (0..SERVICES).map(|number| format!("s{number:03}")).collect();
    let mut writes = Vec::new();
    for name in &names {
        run.world.ask(name);
        run.world.endpoints.remove(&key(name));
        writes.extend(run.settle(service(name)));
    }
    assert!(
        run.world.announcements.is_empty() && run.world.services.values().all(|service| !service.ingress.is_empty())
    );
    for name in &names {
        run.world.serve(name, &["a", "b"]);
        writes.extend(run.settle(service(name)));
    }
    let count = |is_it: fn(&Write) -> bool| writes.iter().filter(|write| is_it(write)).count();
    let counts = [
        count(|write| matches!(write, Write::ServiceStatus(_))),
        count(|write| matches!(write, Write::Announcement { .. })),
        count(|write| matches!(write, Write::L2Status { .. })),
        count(|write| matches!(write, Write::Event { .. })),
    ];
    assert_eq!(counts, [SERVICES, SERVICES, SERVICES, 2 * SERVICES]);
    assert_eq!(count(|write| matches!(write, Write::Silence { .. })), 0);
}

#[test]
fn an_announcement_of_a_service_that_stays_without_endpoints_is_made_after_a_moment() {
    let mut run = settled(&["a", "b"], &[]);
    run.world.ask("web");
    run.world.serve("web", &[]);
    let writes = run.settle(service("web"));
    assert!(matches!(for_clients(&writes)[..], [Write::ServiceStatus(_)]), "{writes:?}");
    let due = run.decider.next_due().unwrap();
    assert!(due <= run.world.at + Duration::from_secs(1));
    run.world.at = due;
    let services = run.decider.due(due);
    run.settle(Changes { services, ..Changes::default() });
    let address = run.world.services[&key("web")].ingress[0];
    assert!(run.world.announcements[&address].trouble.is_some() && run.decider.next_due().is_none());
    // One that lost its endpoints is announced no more at once.
    let mut run = settled(&["a", "b"], &["web"]);
    run.world.serve("web", &[]);
    let writes = run.settle(service("web"));
    let [Write::Announcement { content, .. }] = for_clients(&writes)[..] else { panic!("{writes:?}") };
    assert!(!content.is_announced());
}

#[test]
fn an_address_whose_pool_is_gone_is_announced_until_its_grace_is_over() {
    let mut run = settled(&["a", "b"], &["web"]);
    let ingress = run.world.services[&key("web")].ingress.clone();
    let pool = run.world.configuration.pools.remove("pool").unwrap();
    let announced = run.world.announcements.clone();
    let writes = run.settle(Changes::everything());
    assert_eq!(for_clients(&writes), Vec::<&Write>::new());
    assert_eq!((&run.world.services[&key("web")].ingress, &run.world.announcements), (&ingress, &announced));
    let due = run.decider.next_due().unwrap();
    // The pool comes back under another name in time: nothing but the name is another.
    run.world.configuration.pools.insert("renamed".to_owned(), Pool { name: "renamed".to_owned(), ..pool });
    run.settle(Changes::everything());
    assert_eq!((&run.world.services[&key("web")].ingress, run.decider.next_due()), (&ingress, None));
    // Gone for good.
    run.world.configuration.pools.clear();
    run.settle(Changes::everything());
    run.world.at = due;
    let services = run.decider.due(due);
    run.settle(Changes { services, ..Changes::default() });
    assert!(run.world.services[&key("web")].ingress.is_empty() && run.world.announcements.is_empty());
    assert_eq!(run.decider.next_due(), None);
}

#[test]
fn what_ends_is_silent_before_its_status_says_so() {
    let mut run = settled(&["a", "b"], &["web"]);
    run.world.services.get_mut(&key("web")).unwrap().load_balancer = false;
    let writes = run.settle(service("web"));
    let [Write::DeleteAnnouncement { .. }, Write::ServiceStatus(status)] = for_clients(&writes)[..] else {
        panic!("{writes:?}");
    };
    assert_eq!((&status.ingress[..], &status.allocated_from), (&[][..], &None));
    assert!(run.world.announcements.is_empty());
    assert!(run.world.l2_statuses.is_empty());
}

#[test]
fn a_service_that_is_deleted_takes_its_announcement_and_report_with_it() {
    let mut run = settled(&["a", "b"], &["web", "db"]);
    let address = run.world.services[&key("web")].ingress[0];
    run.world.services.remove(&key("web"));
    run.world.endpoints.remove(&key("web"));
    run.settle(service("web"));
    assert!(!run.world.announcements.contains_key(&address));
    assert_eq!(run.world.announcements.len(), 1);
    let left: Vec<_> = run.world.l2_statuses.values().map(|status| &status.content.as_ref().unwrap().service).collect();
    assert_eq!(left, [&key("db")]);
}

#[test]
fn losing_every_endpoint_silences_at_once_and_is_told_after_a_moment() {
    let mut run = settled(&["a", "b"], &["web"]);
    run.world.serve("web", &[]);
    let writes = run.settle(service("web"));
    let [Write::Announcement { content, .. }] = for_clients(&writes)[..] else { panic!("{writes:?}") };
    assert_eq!(content.candidates, Some(Vec::new()), "it can be seen that nobody is to answer");
    assert!(run.world.l2_statuses.is_empty());
    let due = run.decider.next_due().unwrap();
    run.world.serve("web", &["a"]);
    assert_eq!(for_clients(&run.settle(service("web"))).len(), 1);
    assert_eq!(run.decider.next_due(), None, "what passes by itself is not worth a word");

    run.world.serve("web", &[]);
    run.settle(service("web"));
    run.world.at = due;
    let services = run.decider.due(due);
    let writes = run.settle(Changes { services, ..Changes::default() });
    let [silence] = silences(&writes)[..] else { panic!("{writes:?}") };
    let message = "Service shop/web has no endpoint that is ready or serving";
    assert!(silence.reason == "NoEndpoints" && silence.message.contains(message), "{silence:?}");
    assert_eq!(run.world.services[&key("web")].silence.as_ref(), Some(silence));
    assert_eq!(run.decider.next_due(), None);
    // The next leader finds that it has been told.
    let mut next = Run::new(run.world.clone());
    assert_eq!(next.settle(Changes::everything()), []);
    run.world.serve("web", &["a"]);
    run.settle(service("web"));
    assert_eq!(run.world.services[&key("web")].silence, None);
}

/// What Announcements are made to say.
fn silences(writes: &[Write]) -> Vec<&Refusal> {
    let mut said = Vec::new();
    for write in writes {
        if let Write::Silence { silence, .. } = write {
            said.push(silence);
        }
    }
    said
}

#[test]
fn where_nobody_may_answer_announcement_service_and_event_say_why() {
    let mut run = settled(&["a", "b"], &["web"]);
    let address = *run.world.announcements.keys().next().unwrap();
    for name in ["a", "b"] {
        run.world.node(name).labels.insert(EXCLUDE.to_owned(), String::new());
    }
    // The order first: speakers know by it that they have nothing to say any more.
    let writes = run.step(&topology());
    assert!(matches!(&writes[0], Write::Announcement { content, .. } if content.candidates == Some(Vec::new())));
    assert_eq!(silences(&writes), Vec::<&Refusal>::new());
    assert!(writes.iter().any(|write| matches!(write, Write::DeleteL2Status { .. })), "{writes:?}");
    let warns = |write: &Write| {
        let Write::Event { notice, .. } = write else { return false };
        notice.kind == NoticeKind::Warning && notice.reason == "announceFailed" && notice.message.contains(EXCLUDE)
    };
    assert_eq!(writes.iter().filter(|write| warns(write)).count(), 1, "{writes:?}");
    let changes = run.world.apply(&writes);
    // The owner has not let go yet: what stands there is its word.
    assert!(run.world.owner(&address.to_string()).is_some());
    let writes = run.step(&changes);
    let [silence] = silences(&writes)[..] else { panic!("{writes:?}") };
    assert_eq!(silence.message, format!("{address} is not announced: the label {EXCLUDE} keeps out a, b"));
    assert_eq!(run.world.services[&key("web")].silence.as_ref(), Some(silence));
    let changes = run.world.apply(&writes);
    assert_eq!(run.world.owner(&address.to_string()), None);
    assert_eq!(run.step(&changes), [], "told once");
    // Somebody puts a yes back: it is put right, and stays false since then.
    let there = run.world.announcements.get_mut(&address).unwrap();
    (there.owner, there.trouble) = (Some(node("a")), None);
    let writes = run.step(&Changes { addresses: BTreeSet::from([address]), ..Changes::default() });
    assert_eq!(silences(&writes).len(), 1);
    run.world.apply(&writes);
    run.world.node("a").labels.clear();
    run.settle(topology());
    assert_eq!(run.world.services[&key("web")].silence, None);
    assert_eq!((run.world.owner(&address.to_string()), run.world.l2_statuses.len()), (Some("a"), 1));
}

#[test]
fn what_silences_a_service_is_a_condition_that_is_cured() {
    let mut run = settled(&["a", "b"], &["web"]);
    run.world.ad("all").node_selectors = vec![has("name", "z")];
    let writes = run.settle(Changes::everything());
    let conditions = |write: &Write| {
        let Write::ServiceStatus(status) = write else { return None };
        Some((status.announced.clone(), status.allocated.clone()))
    };
    let announced = |writes: &[Write]| writes.iter().find_map(conditions);
    let Some((ConditionChange::Trouble(refusal), ConditionChange::Keep)) = announced(&writes) else {
        panic!("{writes:?}")
    };
    assert_eq!(refusal.reason, "NoEligibleNode");
    run.world.ad("all").node_selectors.clear();
    let writes = run.settle(Changes::everything());
    assert_eq!(announced(&writes), Some((ConditionChange::Cured, ConditionChange::Keep)), "{writes:?}");
}

#[test]
fn a_refusal_for_another_reason_is_the_same_refusal() {
    let mut run = settled(&["a"], &[]);
    let mut refused = |pool: &str| {
        run.world.ask("web").requests.pool = Some(pool.to_owned());
        let writes = run.settle(service("web"));
        let Some(Write::ServiceStatus(status)) = writes.first() else { panic!("{writes:?}") };
        status.allocated.clone()
    };
    let ConditionChange::Trouble(first) = refused("gold") else { panic!("it was not refused before") };
    let ConditionChange::Still(then) = refused("silver") else { panic!("it was refused before") };
    assert!(first.message.contains("gold") && then.message.contains("silver"), "{first:?} {then:?}");
    assert_eq!(refused("pool"), ConditionChange::Cured);
}

#[test]
fn a_takeover_that_speakers_report_costs_reports_only() {
    let mut run = settled(&["a", "b", "c"], &["web"]);
    let address = *run.world.announcements.keys().next().unwrap();
    let order: Vec<_> = run.world.candidates(&address.to_string()).iter().map(|name| node(name)).collect();
    run.world.announcements.get_mut(&address).unwrap().owner = Some(order[1].clone());
    let writes = run.step(&Changes { addresses: BTreeSet::from([address]), ..Changes::default() });
    assert_eq!(for_clients(&writes), Vec::<&Write>::new());
    assert!(writes.iter().any(|write| matches!(write, Write::L2Status { content, .. } if content.node == order[1])));
    assert!(writes.iter().any(|write| matches!(write, Write::DeleteL2Status { .. })));
}

#[test]
fn a_standby_that_goes_is_less_urgent_than_an_owner() {
    let mut run = settled(&["a", "b", "c"], &["web"]);
    let address = run.world.announcements.keys().next().unwrap().to_string();
    let order: Vec<String> = run.world.candidates(&address).iter().map(ToString::to_string).collect();
    run.world.speaker(&order[2]).live = false;
    let classes = |writes: &[Write]| writes.iter().map(Write::class).collect::<Vec<_>>();
    assert_eq!(classes(&run.settle(topology())), [Class::Standbys, Class::Reports], "beside the order, its state");
    run.world.speaker(&order[0]).live = false;
    // Nobody has claimed yet: the order makes the other one do so.
    let writes = run.settle(topology());
    assert_eq!(writes[0].class(), Class::Clients, "{writes:?}");
    assert_eq!(run.world.owner(&address), Some(order[1].as_str()));
}

#[test]
fn point_56_stale_and_foreign_statuses_go() {
    let mut world = World::new(&["a", "b"]);
    world.ask("web");
    let content = |name: &str, on: &str| L2StatusContent { service: key(name), node: node(on), interfaces: Few::new() };
    let there = |content| ObservedL2Status { resource_version: "7".to_owned(), content };
    world.l2_statuses = BTreeMap::from([
        ("l2-x7k2p".to_owned(), there(Some(content("web", "a")))),
        ("l2-empty".to_owned(), there(None)),
        (names::l2_status(&key("gone"), &node("a")), there(Some(content("gone", "a")))),
    ]);
    let mut run = Run::new(world);
    run.settle(Changes::everything());
    let owner = run.world.owner(&run.world.services[&key("web")].ingress[0].to_string()).unwrap().to_owned();
    assert_eq!(
        run.world.l2_statuses.keys().collect::<Vec<_>>(),
        [&names::l2_status(&key("web"), &node(&owner))],
        "only that of the owner is left"
    );
    // One whose status was never written is written again.
    run.world.l2_statuses.values_mut().for_each(|status| status.content = None);
    let writes = run.step(&service("web"));
    assert!(matches!(&writes[..], [Write::L2Status { resource_version: Some(_), .. }]), "{writes:?}");
}

#[test]
fn announcements_that_nobody_asked_for_go_and_broken_ones_are_mended() {
    let mut run = settled(&["a", "b"], &["web"]);
    let (address, mut stray) = run.world.announcements.clone().pop_first().unwrap();
    run.world.announcements.get_mut(&address).unwrap().content = None;
    stray.content.as_mut().unwrap().address = ip("192.0.2.240");
    run.world.announcements.insert(ip("192.0.2.240"), stray);
    let addresses = BTreeSet::from([address, ip("192.0.2.240")]);
    run.settle(Changes { addresses, ..Changes::default() });
    assert_eq!(run.world.announcements.keys().collect::<Vec<_>>(), [&address]);
    assert_eq!(run.world.candidates(&address.to_string()).len(), 2);
}

#[test]
fn one_object_at_fault_takes_nothing_from_the_others() {
    let mut world = World::new(&["a", "b", "c"]);
    let far_pool = pool("far", "198.51.100.1", "198.51.100.9");
    world.configuration.pools.insert("far".to_owned(), Pool { auto_assign: false, ..far_pool });
    world.configuration.l2.clear();
    world.ad("home").pools.insert("pool".to_owned());
    world.ad("far").pools.insert("far".to_owned());
    world.ask("web");
    world.ask("db").requests.pool = Some("far".to_owned());
    let mut run = Run::new(world);
    run.settle(Changes::everything());
    let before = run.world.announcements.clone();
    let web = run.world.services[&key("web")].ingress[0];
    let far = ip("198.51.100.1");
    for object in ["IPAddressPool", "L2Advertisement"] {
        // Nobody saw it whole: a controller that starts. What is announced stays.
        let mut restarted = Run::new(run.world.clone());
        let configuration = &mut restarted.world.configuration;
        if object == "IPAddressPool" {
            configuration.pools.remove("far");
        } else {
            configuration.l2.remove("far");
        }
        configuration.faults.push(fault(object, "far"));
        let writes = restarted.settle(Changes::everything());
        assert_eq!(for_clients(&writes), Vec::<&Write>::new(), "{object}");
        assert_eq!(restarted.world.announcements, before);
        // What is new finds no advertisement or pool; what has nothing to do with it goes on.
        restarted.world.ask("new-far").requests.pool = Some("far".to_owned());
        restarted.world.ask("new-home");
        let both = BTreeSet::from([key("new-far"), key("new-home")]);
        restarted.settle(Changes { services: both, ..Changes::default() });
        let new = &restarted.world.services[&key("new-far")];
        assert!(new.refusal.is_some() || new.silence.is_some(), "{new:?}");
        let home = restarted.world.services[&key("new-home")].ingress[0];
        assert_eq!(restarted.world.candidates(&home.to_string()).len(), 3);
        assert_eq!(restarted.world.announcements[&web], before[&web]);
        assert_eq!(restarted.world.announcements[&far], before[&far]);
    }
    // Gone instead of at fault: it was meant so.
    run.world.configuration.l2.remove("far");
    run.settle(Changes::everything());
    assert_eq!(run.world.announcements[&far].content.as_ref().unwrap().candidates, None);
    assert_eq!(run.world.announcements[&web], before[&web]);
}

#[test]
fn a_service_by_bgp_alone_never_reads_as_announced_while_no_speaker_tells_peers() {
    let mut world = World::new(&["a", "b"]);
    world.configuration.l2.clear();
    world.bgp_peer("rack");
    world.bgp_ad("all");
    world.ask("web");
    let mut run = Run::new(world);
    let writes = run.settle(Changes::everything());
    let [silence] = silences(&writes)[..] else { panic!("{writes:?}") };
    assert_eq!(silence.reason, "NoBgpSpeaker");
    let address = run.world.services[&key("web")].ingress[0];
    let there = &run.world.announcements[&address];
    assert_eq!((&there.trouble.as_ref().unwrap().says, &there.owner), (silence, &None));
    assert_eq!(there.content.as_ref().unwrap().routes.len(), 1);
    assert_eq!(run.world.services[&key("web")].silence.as_ref(), Some(silence));
    let events =
        writes.iter().filter(|write| matches!(write, Write::Event { notice, .. } if notice.reason == "announceFailed"));
    assert_eq!(events.count(), 1, "{writes:?}");
    // Endpoints go and come: routes follow, and what is said stays.
    for on in [Vec::new(), vec!["a"]] {
        run.world.serve("web", &on);
        let writes = run.settle(service("web"));
        assert!(matches!(writes[..], [Write::Announcement { .. }]), "{writes:?}");
    }
    let again = Decider::new().decide(&run.world.snapshot(), &Changes::everything());
    assert_eq!(plan(&run.world.snapshot(), &again), [], "nor has the next controller anything to say");
}

/// Something that happens to a cluster.
#[derive(Clone, Debug)]
enum Happening {
    Ask(u8),
    Go(u8),
    Serve(u8, u8),
    Local(u8),
    Die(u8),
    Live(u8),
    Evacuate(u8, bool),
    Exclude(u8, bool),
    Prefer(u8, bool),
    Restrict(u8),
    Restart,
    TakeOver(u8),
    Edit(bool, bool),
    /// An object of BGP, for one node: sound, at fault, or waiting.
    Route(u8, u8, u8),
    /// BGP peers are to get routes by all nodes, by one, or none any more; or a speaker begins or ends to tell them.
    Tell(u8, u8),
    /// Somebody spoils what is said about the configuration, or takes it away.
    Tamper(u8, bool),
    /// A ServiceBGPStatus is there.
    Left(u8),
    /// Seconds pass.
    Wait(u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::{
        Ask, Die, Edit, Evacuate, Exclude, Go, Left, Live, Local, Prefer, Restart, Restrict, Route, Serve, TakeOver,
        Tamper, Tell, Wait,
    };
    prop_oneof![
        6 => (0..20u8).prop_map(Ask),
        2 => (0..20u8).prop_map(Go),
        3 => (0..20u8, any::<u8>()).prop_map(|(name, on)| Serve(name, on)),
        1 => (0..20u8).prop_map(Local),
        2 => (0..7u8).prop_map(Die),
        2 => (0..7u8).prop_map(Live),
        1 => (0..7u8, any::<bool>()).prop_map(|(number, evacuate)| Evacuate(number, evacuate)),
        1 => (0..7u8, any::<bool>()).prop_map(|(number, exclude)| Exclude(number, exclude)),
        1 => (0..7u8, any::<bool>()).prop_map(|(number, prefer)| Prefer(number, prefer)),
        1 => (0..7u8).prop_map(Restrict),
        1 => Just(Restart),
        1 => (0..20u8).prop_map(TakeOver),
        2 => any::<(bool, bool)>().prop_map(|(pool, sound)| Edit(pool, sound)),
        2 => (0..4u8, 0..3u8, 0..7u8).prop_map(|(kind, what, node)| Route(kind, what, node)),
        1 => (0..7u8, any::<bool>()).prop_map(|(node, away)| Tamper(node, away)),
        1 => (0..3u8).prop_map(Left),
        2 => (0..3u8).prop_map(Wait),
        2 => (0..6u8, 0..7u8).prop_map(|(what, node)| Tell(what, node)),
    ]
}

const NODES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

impl Run {
    fn happen(&mut self, happening: &Happening) -> Changes {
        let named = |number: u8| NODES[usize::from(number)];
        let world = &mut self.world;
        match *happening {
            Happening::Ask(number) => {
                world.ask(&number.to_string());
                service(&number.to_string())
            }
            Happening::Go(number) => {
                world.services.remove(&key(&number.to_string()));
                world.endpoints.remove(&key(&number.to_string()));
                service(&number.to_string())
            }
            Happening::Serve(number, on) => {
                let on: Vec<&str> =
                    NODES.into_iter().enumerate().filter(|(n, _)| on >> n & 1 == 1).map(|it| it.1).collect();
                world.serve(&number.to_string(), &on);
                service(&number.to_string())
            }
            Happening::Local(number) => {
                if let Some(service) = world.services.get_mut(&key(&number.to_string())) {
                    service.local = !service.local;
                }
                service(&number.to_string())
            }
            Happening::Die(number) => {
                world.speaker(named(number)).live = false;
                topology()
            }
            Happening::Live(number) => {
                world.speaker(named(number)).live = true;
                topology()
            }
            Happening::Evacuate(number, evacuate) => {
                world.speaker(named(number)).evacuate = evacuate;
                topology()
            }
            Happening::Exclude(number, exclude) => {
                world.node(named(number)).network_unavailable = exclude;
                topology()
            }
            Happening::Prefer(number, prefer) => {
                let preferred = if prefer { vec![(10, has("name", named(number)))] } else { Vec::new() };
                world.ad("all").preferred = preferred;
                Changes::everything()
            }
            Happening::Restrict(number) => {
                let nodes = NODES.iter().skip(usize::from(number)).map(|name| has("name", name));
                world.ad("all").node_selectors = nodes.collect();
                Changes::everything()
            }
            Happening::Restart => {
                self.decider = Decider::new();
                Changes::everything()
            }
            Happening::Edit(pool, sound) => {
                let object = if pool { ConfiguredName::pool("pool") } else { ConfiguredName::l2("all") };
                world.edit(&object);
                world.configuration.faults.retain(|fault| fault.object.name != object.name);
                if !sound {
                    world.configuration.faults.push(fault(object.kind.name(), &object.name));
                }
                Changes { everything: true, configured: BTreeSet::from([object]), ..Changes::default() }
            }
            Happening::Route(kind, what, number) => {
                let object = ConfiguredName::new(ConfigurationKind::ALL[usize::from(kind) + 2], "bgp");
                world.edit(&object).nodes = vec![has("name", named(number))];
                let Configuration { faults, pending, .. } = &mut world.configuration;
                let list = [&mut *faults, &mut *pending];
                list.into_iter().for_each(|list| list.retain(|fault| fault.object.kind != object.kind.name()));
                let told = fault(object.kind.name(), "bgp");
                match what {
                    0 => faults.push(told),
                    1 => pending.push(told),
                    _ => {}
                }
                let bgp = object.kind == ConfigurationKind::BgpAdvertisement;
                Changes { configuration: true, bgp, configured: BTreeSet::from([object]), ..Changes::default() }
            }
            Happening::Tell(what @ 4.., number) => {
                world.speaker(named(number)).tells_peers = what == 4;
                topology()
            }
            Happening::Tell(what, number) => {
                let name = format!("told-{}", what % 2);
                if what > 2 {
                    world.configuration.bgp.clear();
                } else {
                    world.bgp_peer("rack");
                    let ad = world.bgp_ad(&name);
                    ad.node_selectors = if what == 0 { Vec::new() } else { vec![has("name", named(number))] };
                    ad.local_pref = u32::from(number % 2);
                    ad.aggregation_v4 = 32 - number % 2;
                }
                Changes { configuration: true, bgp: true, ..Changes::default() }
            }
            Happening::Tamper(number, away) => {
                let of = StateOf::Speaker(node(named(number)));
                if away {
                    world.states.remove(&of);
                } else if let Some(state) = world.states.get_mut(&of) {
                    state.content = None;
                }
                Changes { states: BTreeSet::from([of]), ..Changes::default() }
            }
            Happening::Left(number) => {
                let name = format!("bgp-{number}");
                let left = ObservedBgpStatus { resource_version: "1".to_owned(), content: None, owned: number == 2 };
                world.bgp_statuses.insert(name.clone(), left);
                Changes { bgp_statuses: BTreeSet::from([name]), ..Changes::default() }
            }
            Happening::Wait(seconds) => {
                world.at += Duration::from_secs(seconds.into());
                Changes { services: self.decider.due(world.at), ..Changes::default() }
            }
            Happening::TakeOver(number) => {
                // The second candidate answers, and goes on until it is told otherwise.
                let mut addresses = BTreeSet::new();
                let turn = world.announcements.values_mut().nth(usize::from(number));
                if let Some(content) = turn.as_ref().and_then(|there| there.content.as_ref()) {
                    addresses.insert(content.address);
                }
                if let Some(there) = turn {
                    let second =
                        there.content.iter().flat_map(|content| content.candidates.iter().flatten()).nth(1).cloned();
                    there.owner = second.or_else(|| there.owner.take());
                }
                Changes { addresses, ..Changes::default() }
            }
        }
    }

    /// What must hold whenever nothing is left to do.
    fn check(&mut self) {
        let snapshot = self.world.snapshot();
        let fresh = plan(&snapshot, &Decider::new().decide(&snapshot, &Changes::everything()));
        assert_eq!(fresh, [], "from scratch nothing else is decided");
        assert_eq!(self.step(&Changes::everything()), [], "nor when everything is looked at again");
        for (object, there) in &self.world.configured {
            let Configuration { faults, pending, .. } = &self.world.configuration;
            let is_it = |fault: &Fault| (fault.object.kind, &fault.object.name) == (object.kind.name(), &object.name);
            let sound = !faults.iter().chain(pending).any(is_it);
            let said = there.accepted.as_ref().map(|said| (said.says.accepted, said.generation));
            assert_eq!(said, Some((sound, there.generation)), "{object}");
        }
        let tells = self.world.speakers.values().any(|speaker| speaker.tells_peers);
        assert!(self.world.bgp_statuses.values().all(|status| status.owned || tells));
        assert_eq!(self.world.states.len(), NODES.len() + 1);
        let held: BTreeSet<IpAddr> = self.world.services.values().flat_map(|service| service.ingress.clone()).collect();
        assert_eq!(held, self.world.announcements.keys().copied().collect(), "one for each address");
        for (address, announcement) in &self.world.announcements {
            let candidates = announcement.content.as_ref().unwrap().candidates.clone().unwrap();
            let distinct: BTreeSet<_> = candidates.iter().collect();
            assert_eq!(distinct.len(), candidates.len(), "{address}");
            for name in &candidates {
                assert!(!self.world.nodes[name].network_unavailable, "{address}: {name}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 48 } else { 512 }))]

    #[test]
    fn after_any_sequence_the_second_run_does_nothing(
        happenings in proptest::collection::vec((happening(), any::<bool>()), 1..40),
    ) {
        let mut run = Run::new(World::new(&NODES));
        run.settle(Changes::everything());
        let mut pending = Changes::default();
        for (happening, now) in &happenings {
            let changes = run.happen(happening);
            pending.everything |= changes.everything;
            pending.topology |= changes.topology;
            pending.bgp |= changes.bgp;
            pending.services.extend(changes.services);
            pending.addresses.extend(changes.addresses);
            pending.configuration |= changes.configuration;
            pending.configured.extend(changes.configured);
            pending.states.extend(changes.states);
            pending.bgp_statuses.extend(changes.bgp_statuses);
            if *now {
                run.settle(std::mem::take(&mut pending));
                run.check();
            }
        }
        run.settle(pending);
        run.check();
    }

    #[test]
    fn a_change_of_one_service_leaves_all_other_announcements_alone(count in 1..30u8, which in 0..30u8) {
        let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        let mut run = settled(&NODES, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let name = (which % count).to_string();
        let address = run.world.services[&key(&name)].ingress[0];
        let before = run.world.announcements.clone();
        run.world.services.get_mut(&key(&name)).unwrap().local = true;
        run.world.serve(&name, &["g"]);
        run.settle(service(&name));
        for (other, announcement) in &run.world.announcements {
            prop_assert_eq!(announcement == &before[other], *other != address);
        }
        prop_assert_eq!(run.world.candidates(&address.to_string()), ["g"]);
    }
}
