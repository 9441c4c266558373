//! MetalLB behaviour 44 to 52 and 55, and what is done better. Each test is named after its point.

use arpeggio_common::model::NodeName;
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::{
    cluster::{ObservedAnnouncement, Trouble},
    decide::{
        NoticeKind,
        fixture::{World, has, interfaces, ip, key, labels, node, nodes, pool},
    },
};

const ONE: &str = "192.0.2.100";

/// Everything that Services have in their status, looked at from scratch.
fn look(world: &World) -> Announced {
    Announcer::default().look(&world.snapshot(), everything(world))
}

/// As [`look`], when Services without endpoints have been waited for.
pub(super) fn look_after_a_moment(world: &World) -> Announced {
    let mut announcer = Announcer::default();
    announcer.look(&world.snapshot(), everything(world));
    let mut later = world.clone();
    later.at += patience::MOMENT;
    announcer.look(&later.snapshot(), everything(&later))
}

pub(super) fn everything(world: &World) -> Touch {
    let mut touch = Touch { everything: true, services: world.services.keys().cloned().collect(), ..Touch::default() };
    for service in world.services.values() {
        for address in &service.ingress {
            let holding = touch.addresses.entry(*address).or_default().get_or_insert_default();
            holding.pool = service.allocated_from.clone().unwrap();
            holding.services.insert(service.key.clone());
        }
    }
    touch
}

fn content(announced: &Announced, address: &str) -> AnnouncementContent {
    announced.announcements[&ip(address)].clone().unwrap()
}

/// The candidates, ordered by name: who is eligible, at most eight.
fn eligible(world: &World, address: &str) -> Vec<String> {
    let mut names = order(world, address);
    names.sort();
    names
}

fn order(world: &World, address: &str) -> Vec<String> {
    content(&look(world), address).candidates.unwrap().iter().map(ToString::to_string).collect()
}

/// What is decided is in force, and its first candidates say that they own it.
fn settle(world: &mut World) {
    for (address, content) in look(world).announcements {
        let Some(content) = content else { continue };
        let owner = content.candidates.iter().flatten().next().cloned();
        let observed = ObservedAnnouncement {
            resource_version: "1".to_owned(),
            content: Some(content),
            interfaces: owner.iter().map(|_| "eth0".to_owned()).collect(),
            owner,
            trouble: None,
        };
        world.announcements.insert(address, observed);
    }
}

fn exclude(world: &mut World, name: &str) {
    world.node(name).labels.insert("node.kubernetes.io/exclude-from-external-load-balancers".into(), "true".into());
}

fn silence(world: &World, service: &str) -> Option<Refusal> {
    look(world).voices[&key(service)].silence.clone()
}

fn fleet(count: usize) -> World {
    let names: Vec<String> = (0..count).map(|number| format!("node-{number:03}")).collect();
    World::new(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A Service for each of so many addresses.
fn populate(world: &mut World, count: usize) {
    for number in 0..count {
        world.have(&format!("web-{number}"), &format!("192.0.{}.{}", 2 + number / 150, 100 + number % 150));
    }
}

fn loads(announced: &Announced) -> BTreeMap<String, usize> {
    let mut loads = BTreeMap::new();
    for content in announced.announcements.values().flatten() {
        *loads.entry(content.candidates.as_ref().unwrap()[0].to_string()).or_default() += 1;
    }
    loads
}

#[test]
fn point_44_exactly_one_owner_and_everybody_gets_a_share() {
    let mut world = fleet(5);
    populate(&mut world, 100);
    let announced = look(&world);
    assert_eq!(announced.announcements.len(), 100);
    let loads = loads(&announced);
    assert_eq!(loads.len(), 5, "{loads:?}");
    assert!(loads.values().all(|load| *load <= 21), "no more than the average and one: {loads:?}");
    for content in announced.announcements.values().flatten() {
        let candidates = content.candidates.as_ref().unwrap();
        assert_eq!(candidates.iter().collect::<BTreeSet<_>>().len(), 5, "all stand by, each once: {candidates:?}");
    }
}

#[test]
fn point_46_whoever_leaves_moves_only_what_it_owns() {
    let mut world = fleet(5);
    populate(&mut world, 60);
    settle(&mut world);
    let before = look(&world);
    world.speaker("node-002").live = false;
    let after = look(&world);
    for (address, content) in &before.announcements {
        let [then, now] = [content, &after.announcements[address]]
            .map(|content| content.as_ref().unwrap().candidates.clone().unwrap());
        assert!(!now.contains(&node("node-002")));
        if then[0] == node("node-002") {
            assert_eq!(now[0], then[1], "the first standby has taken over already");
        } else {
            assert_eq!(now[0], then[0], "nothing else moves");
        }
    }
    // It comes back: nobody gives anything to it, it only stands by again.
    settle(&mut world);
    let without = look(&world);
    world.speaker("node-002").live = true;
    let back = look(&world);
    for (address, content) in &back.announcements {
        let candidates = content.as_ref().unwrap().candidates.clone().unwrap();
        assert_eq!(
            Some(&candidates[0]),
            without.announcements[address].as_ref().unwrap().candidates.as_ref().unwrap().first()
        );
        assert!(candidates.contains(&node("node-002")), "five are few: all are listed");
    }
}

#[test]
fn point_46_whoever_took_over_stays() {
    let mut world = World::new(&["a", "b", "c"]);
    world.have("web", ONE);
    settle(&mut world);
    let order_before = order(&world, ONE);
    // The owner was gone for a moment, and its successor says that it answers.
    world.announcements.get_mut(&ip(ONE)).unwrap().owner = Some(node(&order_before[1]));
    assert_eq!(order(&world, ONE), order_before, "the order stays, so nobody claims anything");
    // Once the order has to change anyway, it names the owner first.
    world.join("d");
    world.serve("web", &["a", "b", "c", "d"]);
    assert_eq!(order(&world, ONE)[0], order_before[1]);
}

#[test]
fn a_node_that_comes_to_a_large_cluster_changes_nothing() {
    let mut world = fleet(12);
    populate(&mut world, 50);
    settle(&mut world);
    let before = look(&world);
    world.join("node-012");
    assert_eq!(look(&world).announcements, before.announcements);
    // One that goes changes the orders that list it, and no other.
    world.speaker("node-003").live = false;
    for (address, content) in look(&world).announcements {
        let listed =
            before.announcements[&address].as_ref().unwrap().candidates.as_ref().unwrap().contains(&node("node-003"));
        assert_eq!(content != before.announcements[&address], listed, "{address}");
    }
}

#[rstest]
#[case::anywhere(false, &["b"], &["a", "b", "c"])]
#[case::one(true, &["b"], &["b"])]
#[case::two(true, &["a", "c"], &["a", "c"])]
#[case::on_a_node_without_speaker(true, &["z"], &[])]
fn point_47_local_limits_owners_to_nodes_with_endpoints(
    #[case] local: bool,
    #[case] endpoints: &[&str],
    #[case] expected: &[&str],
) {
    let mut world = World::new(&["a", "b", "c"]);
    world.have("web", ONE).local = local;
    world.serve("web", endpoints);
    assert_eq!(eligible(&world, ONE), expected);
}

#[rstest]
#[case::the_first_of_the_order(0)]
#[case::one_that_took_it_out_of_turn(1)]
fn point_47_an_address_moves_while_its_pods_still_drain(#[case] place: usize) {
    let mut world = World::new(&["a", "b", "c"]);
    world.have("web", ONE).local = true;
    world.serve("web", &["a", "b"]);
    settle(&mut world);
    let before = order(&world, ONE);
    let owner = before[place].clone();
    world.announcements.get_mut(&ip(ONE)).unwrap().owner = Some(node(&owner));
    let others: Vec<String> = before.iter().filter(|name| **name != owner).cloned().collect();
    world.endpoints.get_mut(&key("web")).unwrap().ending = nodes(&[&owner]).into();
    assert_eq!(order(&world, ONE), others, "no candidate any more, the owner answers until another claims");
    world.endpoints.get_mut(&key("web")).unwrap().ending = nodes(&["a", "b"]).into();
    assert_eq!(order(&world, ONE), before, "where all drain nobody moves");
    world.speaker(&others[0]).evacuate = true;
    world.endpoints.get_mut(&key("web")).unwrap().ending = nodes(&[&owner]).into();
    assert_eq!(eligible(&world, ONE), ["a", "b"], "who gives everything away is no successor");
}

#[rstest]
#[case::none(false, &[], false, true)]
#[case::somewhere(false, &["z"], false, false)]
#[case::local_and_somewhere_else(true, &["z"], false, false)]
#[case::no_endpoints_known(false, &[], true, true)]
fn point_48_without_a_servable_endpoint_there_is_silence(
    #[case] local: bool,
    #[case] endpoints: &[&str],
    #[case] unknown: bool,
    #[case] unserved: bool,
) {
    let mut world = World::new(&["a", "b"]);
    world.have("web", ONE).local = local;
    world.serve("web", endpoints);
    if unknown {
        world.endpoints.clear();
    }
    let announced = look(&world);
    assert_eq!(announced.announcements.contains_key(&ip(ONE)), !unserved, "it would be written again in a moment");
    let candidates = content(&look_after_a_moment(&world), ONE).candidates.expect("it is meant to be announced");
    assert_eq!(candidates.is_empty(), unserved || local, "{candidates:?}");
    // A Service that is scaled to nothing is no fault; endpoints where nobody can announce are.
    assert_eq!(announced.voices[&key("web")].silence.is_some(), !unserved && local);
}

#[test]
fn point_48_a_service_without_endpoints_says_so_after_a_moment() {
    let mut world = World::new(&["a", "b"]);
    world.have("web", ONE);
    world.serve("web", &[]);
    let mut announcer = Announcer::default();
    let mut told = |world: &World| {
        let announced = announcer.look(&world.snapshot(), everything(world));
        let silence = announced.voices[&key("web")].silence.clone();
        assert_eq!(announced.silences.get(&ip(ONE)), silence.as_ref(), "both say the same");
        (silence, announcer.next_due())
    };
    assert_eq!(told(&world), (None, Some(patience::MOMENT)));
    world.at = patience::MOMENT;
    let (silence, due) = told(&world);
    assert_eq!((silence.unwrap().reason.as_str(), due), ("NoEndpoints", None));
    world.at *= 2;
    world.serve("web", &["a"]);
    assert_eq!(told(&world), (None, None));
    // One that is served nowhere says so even where another with the same address is announced.
    world.have("db", ONE);
    world.serve("db", &[]);
    world.at *= 2;
    announcer.look(&world.snapshot(), everything(&world));
    world.at *= 2;
    let announced = announcer.look(&world.snapshot(), everything(&world));
    assert_eq!(announced.voices[&key("db")].silence.as_ref().unwrap().reason, "NoEndpoints");
    assert_eq!((&announced.voices[&key("web")].silence, announced.silences.len()), (&None, 0));
}

#[rstest]
#[case::label(|world: &mut World| _ = world.node("a").labels.insert("node.kubernetes.io/exclude-from-external-load-balancers".into(), String::new()), &["b", "c"])]
#[case::label_ignored(|world: &mut World| {
    world.node("a").labels.insert("node.kubernetes.io/exclude-from-external-load-balancers".into(), "true".into());
    world.settings.ignore_exclude_label = true;
}, &["a", "b", "c"])]
#[case::network_unavailable(|world: &mut World| world.node("b").network_unavailable = true, &["a", "c"])]
#[case::speaker_dead(|world: &mut World| world.speaker("c").live = false, &["a", "b"])]
#[case::no_speaker(|world: &mut World| _ = world.speakers.remove(&node("c")), &["a", "b"])]
#[case::no_node(|world: &mut World| _ = world.nodes.remove(&node("c")), &["a", "b"])]
fn point_49_nodes_that_cannot_announce(#[case] change: fn(&mut World), #[case] expected: &[&str]) {
    let mut world = World::new(&["a", "b", "c"]);
    world.have("web", ONE);
    change(&mut world);
    assert_eq!(eligible(&world, ONE), expected);
}

#[test]
fn point_50_nodes_are_the_union_over_advertisements() {
    let mut world = World::new(&["a", "b", "c", "d"]);
    world.have("web", ONE);
    world.ad("all").node_selectors = vec![has("name", "a"), has("name", "b")];
    assert_eq!(eligible(&world, ONE), ["a", "b"]);
    world.ad("more").node_selectors = vec![has("name", "d")];
    assert_eq!(eligible(&world, ONE), ["a", "b", "d"]);
    world.ad("nowhere").pools.insert("other".to_owned());
    assert_eq!(eligible(&world, ONE), ["a", "b", "d"], "for pools that are not there");
}

#[test]
fn point_50_advertisements_choose_pools_and_services() {
    let mut world = World::new(&["a", "b", "c"]);
    world.have("web", ONE).labels = labels(&[("app", "web")]);
    world.have("db", "192.0.2.101").labels = labels(&[("app", "db")]);
    world.ad("all").service_selectors = vec![has("app", "web")];
    world.ad("all").node_selectors = vec![has("name", "a")];
    assert_eq!(eligible(&world, ONE), ["a"]);
    assert_eq!(content(&look(&world), "192.0.2.101").candidates, None, "not announced at layer 2");
    let silence = silence(&world, "db").unwrap();
    assert_eq!(silence.reason, "NoAdvertisement");
    assert!(silence.message.contains("pool pool") && silence.message.contains("shop/db"), "{}", silence.message);
    // By label of the pool.
    world.configuration.pools.get_mut("pool").unwrap().labels = labels(&[("zone", "west")]);
    world.ad("west").pool_selectors = vec![has("zone", "west")];
    assert_eq!(eligible(&world, "192.0.2.101"), ["a", "b", "c"]);
    world.ad("west").pool_selectors = vec![has("zone", "east")];
    assert_eq!(content(&look(&world), "192.0.2.101").candidates, None);
}

#[test]
fn point_51_weights_add_up_over_advertisements_and_beat_possession() {
    let mut world = World::new(&["a", "b", "c"]);
    world.have("web", ONE);
    world.ad("all").preferred = vec![(10, has("name", "a")), (6, has("name", "b"))];
    assert_eq!(order(&world, ONE), ["a", "b", "c"]);
    settle(&mut world);
    world.ad("more").preferred = vec![(5, has("name", "b"))];
    assert_eq!(order(&world, ONE), ["b", "a", "c"], "6 and 5 are more than 10, and the owner moves");
    world.ad("more").node_selectors = vec![has("name", "c")];
    assert_eq!(
        order(&world, ONE),
        ["a", "b", "c"],
        "scores only nodes of its own (an advertisement that covers the node)"
    );
    world.ad("more").node_selectors.clear();
    world.ad("more").service_selectors = vec![has("app", "other")];
    assert_eq!(order(&world, ONE), ["a", "b", "c"], "and only Services of its own");
}

#[test]
fn point_51_ties_are_spread_and_stay() {
    let mut world = fleet(4);
    populate(&mut world, 40);
    world.ad("all").preferred = vec![(10, has("name", "node-001")), (10, has("name", "node-003"))];
    let loads = loads(&look(&world));
    assert_eq!(loads.keys().map(String::as_str).collect::<Vec<_>>(), ["node-001", "node-003"]);
    assert!(loads.values().all(|load| *load == 20), "{loads:?}");
}

#[rstest]
#[case::named(&[&["eth1"][..]], &["eth1"], &["a", "c"])]
#[case::union(&[&["eth1"][..], &["eth2"][..]], &["eth1", "eth2"], &["a", "b", "c"])]
#[case::any_without_a_list(&[&["eth1"][..], &[]], &[], &["a", "b", "c"])]
#[case::absent(&[&["eth7"][..]], &[], &[])]
fn point_52_interfaces(#[case] ads: &[&[&str]], #[case] named: &[&str], #[case] expected: &[&str]) {
    let mut world = World::new(&["a", "b", "c"]);
    for (name, more) in [("a", "eth1"), ("b", "eth2"), ("c", "eth1")] {
        world.speaker(name).interfaces.extend(interfaces(&[more]).into_iter().map(|name| (name, Vec::new())));
        // All in the subnet by `eth0` only.
    }
    world.have("web", ONE);
    world.configuration.l2.clear();
    for (number, list) in ads.iter().enumerate() {
        world.ad(&format!("ad-{number}")).interfaces = interfaces(list);
    }
    assert_eq!(eligible(&world, ONE), expected);
    assert_eq!(content(&look(&world), ONE).interfaces, interfaces(named));
}

#[test]
fn point_52_an_interface_that_nobody_has_is_told_once_with_its_name() {
    let mut world = World::new(&["a", "b"]);
    world.have("web", ONE);
    world.ad("all").interfaces = interfaces(&["eth7"]);
    let mut announcer = Announcer::default();
    let voice = announcer.look(&world.snapshot(), everything(&world)).voices[&key("web")].clone();
    let silence = voice.silence.unwrap();
    assert_eq!(silence.reason, "NoEligibleNode");
    for name in ["192.0.2.100", "eth7", "a, b", "all"] {
        assert!(silence.message.contains(name), "{}", silence.message);
    }
    let [notice] = &voice.notices[..] else { panic!("{:?}", voice.notices) };
    assert_eq!((notice.kind, notice.reason), (NoticeKind::Warning, "announceFailed"));
    assert_eq!(notice.message, silence.message);
    // The same once more is no news, and neither to the next controller, which finds the condition.
    let again = announcer.look(&world.snapshot(), everything(&world)).voices[&key("web")].clone();
    assert_eq!((again.silence.as_ref(), &again.notices[..]), (Some(&silence), &[][..]));
    world.services.get_mut(&key("web")).unwrap().silence = Some(silence);
    assert_eq!(look(&world).voices[&key("web")].notices, []);
    world.ad("all").interfaces = interfaces(&["eth0"]);
    assert_eq!(look(&world).voices[&key("web")].silence, None);
}

#[test]
fn point_52_nobody_announces_on_an_interface_that_is_not_for_it() {
    // One rack answers on eth1, another on eth2, and all have both: one Announcement cannot say that.
    let mut world = World::new(&["a", "b", "c"]);
    for name in ["a", "b", "c"] {
        let more = interfaces(&["eth1", "eth2"]).into_iter().map(|name| (name, Vec::new()));
        world.speaker(name).interfaces.extend(more);
    }
    world.have("web", ONE);
    world.ad("all").node_selectors = vec![has("name", "a"), has("name", "b")];
    world.ad("all").interfaces = interfaces(&["eth1"]);
    world.ad("other").node_selectors = vec![has("name", "c")];
    world.ad("other").interfaces = interfaces(&["eth2"]);
    assert_eq!(eligible(&world, ONE), ["a", "b"], "the larger part");
    assert_eq!(content(&look(&world), ONE).interfaces, interfaces(&["eth1"]));
    // Where the names do not meet, one list of all of them is exact.
    for name in ["a", "b"] {
        world.speaker(name).interfaces.remove(interfaces(&["eth2"]).first().unwrap());
    }
    world.speaker("c").interfaces.remove(interfaces(&["eth1"]).first().unwrap());
    assert_eq!(eligible(&world, ONE), ["a", "b", "c"]);
    assert_eq!(content(&look(&world), ONE).interfaces, interfaces(&["eth1", "eth2"]));
    // A preferred node decides which part it is.
    world.speaker("c").interfaces.extend(interfaces(&["eth1"]).into_iter().map(|name| (name, Vec::new())));
    assert_eq!(eligible(&world, ONE), ["a", "b"]);
    world.ad("other").preferred = vec![(1, has("name", "c"))];
    assert_eq!(eligible(&world, ONE), ["c"]);
}

#[test]
fn the_right_subnet_comes_first() {
    let mut world = World::new(&["a", "b", "c"]);
    for name in ["a", "b"] {
        world
            .speaker(name)
            .interfaces
            .extend(interfaces(&["eth1"]).into_iter().map(|name| (name, vec!["198.51.100.1/24".parse().unwrap()])));
    }
    world.configuration.pools.insert("far".to_owned(), pool("far", "198.51.100.100", "203.0.113.9"));
    for (name, address) in [("web", "198.51.100.100"), ("routed", "203.0.113.1")] {
        world.have(name, address).allocated_from = Some("far".to_owned());
    }
    assert_eq!(eligible(&world, "198.51.100.100"), ["a", "b"]);
    assert_eq!(eligible(&world, "203.0.113.1"), ["a", "b", "c"], "nobody is there: everybody may");
    world.speaker("a").live = false;
    world.speaker("b").live = false;
    assert_eq!(eligible(&world, "198.51.100.100"), ["c"], "those who are there are dead");
    world.speaker("a").live = true;
    world.ad("all").interfaces = interfaces(&["eth0"]);
    assert_eq!(eligible(&world, "198.51.100.100"), ["a", "c"], "not by an interface that is not for it");
    let host_route = vec!["203.0.113.1/32".parse().unwrap()];
    world.speaker("c").interfaces.insert(interfaces(&["eth0"]).pop_first().unwrap(), host_route);
    assert_eq!(eligible(&world, "203.0.113.1"), ["a", "c"], "a single address is no subnet");
}

#[test]
fn a_node_that_is_evacuated_comes_last_but_stays() {
    for by_speaker in [true, false] {
        let mut world = World::new(&["a", "b", "c"]);
        world.have("web", ONE);
        settle(&mut world);
        let before = order(&world, ONE);
        let owner = before[0].clone();
        if by_speaker {
            world.speaker(&owner).evacuate = true
        } else {
            world.node(&owner).evacuate = true
        }
        let after = order(&world, ONE);
        assert_eq!(
            (&after[0], &after[2]),
            (&before[1], &owner),
            "the first standby claims, the owner answers until then"
        );
        settle(&mut world);
        world.speaker(&owner).evacuate = false;
        world.node(&owner).evacuate = false;
        assert_eq!(order(&world, ONE), after, "who is back takes nothing");
        for name in ["a", "b", "c"] {
            world.speaker(name).evacuate = true;
        }
        assert_eq!(order(&world, ONE)[0], before[1], "nobody else is left");
    }
}

#[test]
fn point_55_services_that_share_an_address_move_together() {
    let mut world = World::new(&["a", "b", "c"]);
    world.have("web", ONE).local = true;
    world.have("db", ONE).local = true;
    world.serve("web", &["a", "b"]);
    world.serve("db", &["b", "c"]);
    assert_eq!(eligible(&world, ONE), ["b"], "where both are served");
    assert_eq!(content(&look(&world), ONE).services.len(), 2);
    world.serve("db", &[]);
    assert_eq!(eligible(&world, ONE), ["a", "b"], "one that is served nowhere is in nobody's way");
    world.serve("db", &["c"]);
    assert_eq!(eligible(&world, ONE), Vec::<String>::new());
    assert_eq!(silence(&world, "web").unwrap().reason, "NoEligibleNode");
}

#[test]
fn point_55_sharing_goes_with_service_selectors() {
    let mut world = World::new(&["a", "b", "c"]);
    world.have("web", ONE).labels = labels(&[("app", "web")]);
    world.have("db", ONE).labels = labels(&[("app", "db")]);
    world.ad("all").service_selectors = vec![has("app", "web")];
    world.ad("all").node_selectors = vec![has("name", "a"), has("name", "b")];
    assert_eq!(eligible(&world, ONE), ["a", "b"], "one is for nobody, the other is announced");
    assert_eq!(silence(&world, "db").unwrap().reason, "NoAdvertisement");
    assert_eq!(silence(&world, "web"), None);
    world.ad("db").service_selectors = vec![has("app", "db")];
    world.ad("db").node_selectors = vec![has("name", "b"), has("name", "c")];
    world.ad("db").interfaces = interfaces(&["eth0"]);
    assert_eq!(eligible(&world, ONE), ["b"], "one owner, and only where each may be");
    assert_eq!(content(&look(&world), ONE).interfaces, interfaces(&["eth0"]), "and only on what each may use");
    world.ad("db").node_selectors = vec![has("name", "c")];
    assert_eq!(eligible(&world, ONE), Vec::<String>::new());
    let silence = silence(&world, "web").unwrap();
    assert!(silence.message.contains("share"), "{}", silence.message);
}

#[test]
fn an_order_stands_while_nobody_lives_who_could_take_over() {
    let mut world = World::new(&["a", "b", "c"]);
    world.have("web", ONE);
    settle(&mut world);
    let before = order(&world, ONE);
    for name in ["a", "b", "c"] {
        world.speaker(name).live = false;
    }
    let announced = look(&world);
    assert_eq!(
        content(&announced, ONE).candidates.unwrap().iter().map(ToString::to_string).collect::<Vec<_>>(),
        before
    );
    let voice = &announced.voices[&key("web")];
    assert!(voice.l2.is_empty(), "nobody is known to answer");
    let silence = announced.silences[&ip(ONE)].clone();
    assert_eq!((silence.reason.as_str(), voice.silence.as_ref()), ("NoLiveSpeaker", Some(&silence)));
    assert!(silence.message.contains("a, b, c are not alive"), "{}", silence.message);
    world.node(&before[0]).network_unavailable = true;
    assert_eq!(order(&world, ONE), before[1..], "but who may not is out");
    // A new address has no order that could stand.
    world.have("new", "192.0.2.101");
    assert_eq!(order(&world, "192.0.2.101"), Vec::<String>::new());
    assert_eq!(self::silence(&world, "new").unwrap().reason, "NoLiveSpeaker");
}

#[test]
fn who_answers_until_somebody_lives_who_may_is_not_called_silent() {
    let mut world = World::new(&["a", "b"]);
    world.have("web", ONE);
    settle(&mut world);
    world.announcements.get_mut(&ip(ONE)).unwrap().owner = Some(node("b"));
    world.ad("all").node_selectors = vec![has("name", "a")];
    world.speaker("a").live = false;
    let announced = look(&world);
    assert_eq!(content(&announced, ONE).candidates, Some(vec![node("a")]));
    assert_eq!((&announced.silences, &announced.voices[&key("web")].silence), (&BTreeMap::new(), &None));
    assert_eq!(announced.voices[&key("web")].l2.len(), 1, "it is told who it is");
    world.speaker("b").live = false;
    assert_eq!(silence(&world, "web").unwrap().reason, "NoLiveSpeaker");
}

#[rstest]
#[case::selects_nobody(|world: &mut World| world.ad("all").node_selectors = vec![has("name", "z")], "select no node")]
#[case::no_endpoint_there(|world: &mut World| {
    world.services.get_mut(&key("web")).unwrap().local = true;
    world.serve("web", &["z"]);
}, "externalTrafficPolicy")]
#[case::no_interface(|world: &mut World| ["a", "b"].iter().for_each(|name| world.speaker(name).interfaces.clear()), "reports an interface")]
#[case::dead(|world: &mut World| {
    world.ad("all").node_selectors = vec![has("name", "a")];
    world.speaker("a").live = false;
}, "speakers on a are not alive")]
#[case::excluded(|world: &mut World| ["a", "b"].iter().for_each(|name| exclude(world, name)),
    "the label node.kubernetes.io/exclude-from-external-load-balancers keeps out a, b")]
#[case::no_network(|world: &mut World| ["a", "b"].iter().for_each(|name| world.node(name).network_unavailable = true),
    "the condition NetworkUnavailable keeps out a, b")]
#[case::no_speaker(|world: &mut World| world.speakers.clear(), "no speaker runs on a, b")]
#[case::nothing(|world: &mut World| (world.speakers.clear(), world.nodes.clear()).0, "no speaker runs on any node")]
#[case::each_for_another_reason(|world: &mut World| {
    world.join("c");
    exclude(world, "a");
    world.speakers.remove(&node("b"));
    world.speaker("c").live = false;
}, "the speakers on c are not alive")]
#[case::nor_of_nodes_that_are_not_meant(|world: &mut World| {
    world.ad("all").node_selectors = vec![has("name", "a")];
    exclude(world, "a");
    world.node("b").network_unavailable = true;
}, "keeps out a")]
fn silence_says_what_is_in_the_way(#[case] change: fn(&mut World), #[case] what: &str) {
    let mut world = World::new(&["a", "b"]);
    world.have("web", ONE);
    change(&mut world);
    let silence = silence(&world, "web").unwrap();
    assert!(
        silence.message.starts_with("192.0.2.100 is not announced: ") && silence.message.contains(what),
        "{}",
        silence.message
    );
}

#[test]
fn what_speakers_complain_about_reaches_the_service() {
    let mut world = World::new(&["a", "b"]);
    world.have("web", ONE);
    settle(&mut world);
    let trouble = |reason: &str, message: &str| {
        let says = Refusal { reason: reason.to_owned(), message: message.to_owned() };
        Some(Trouble { says, since: "then".to_owned() })
    };
    let in_use = trouble("AddressInUse", "02:00:00:00:00:09 answers for it");
    world.announcements.get_mut(&ip(ONE)).unwrap().trouble = in_use;
    let silence = silence(&world, "web").unwrap();
    assert_eq!(silence.reason, "AddressInUse");
    assert_eq!(silence.message, "192.0.2.100: 02:00:00:00:00:09 answers for it");
    // Between two owners nothing is in the way.
    // What was told while nobody was to answer is over as well.
    for reason in ["NoOwner", "NoEligibleNode", "NoLiveSpeaker", "NoAdvertisement", "NoEndpoints"] {
        world.announcements.get_mut(&ip(ONE)).unwrap().trouble = trouble(reason, "nobody answers");
        assert_eq!(look(&world).voices[&key("web")].silence, None, "{reason}");
    }
}

#[test]
fn point_56_the_status_follows_the_owner_that_speakers_report() {
    let mut world = World::new(&["a", "b"]);
    world.have("web", ONE);
    let mut announcer = Announcer::default();
    let first = announcer.look(&world.snapshot(), everything(&world));
    assert!(first.voices[&key("web")].l2.is_empty(), "a wish is no answer");
    settle(&mut world);
    let owner = world.owner(ONE).unwrap().to_owned();
    let other = if owner == "a" { "b" } else { "a" };
    let voice = announcer.look(&world.snapshot(), everything(&world)).voices[&key("web")].clone();
    let [status] = &voice.l2.iter().collect::<Vec<_>>()[..] else { panic!("{voice:?}") };
    assert_eq!((status.node.as_str(), &status.interfaces), (owner.as_str(), &Few::from(["eth0".to_owned()])));
    assert_eq!(voice.notices.iter().map(|notice| notice.reason).collect::<Vec<_>>(), ["nodeAssigned"]);
    let message = format!("announcing from node {owner:?} with protocol \"layer2\" on eth0");
    assert_eq!(voice.notices[0].message, message, "in the words of MetalLB");
    // It moves: one event, one status, of the new owner.
    world.announcements.get_mut(&ip(ONE)).unwrap().owner = Some(node(other));
    let touch = Touch { addresses: everything(&world).addresses, ..Touch::default() };
    let voice = announcer.look(&world.snapshot(), touch.clone()).voices[&key("web")].clone();
    assert_eq!(voice.l2.iter().map(|status| status.node.as_str()).collect::<Vec<_>>(), [other]);
    assert_eq!(voice.notices.len(), 1);
    assert_eq!(announcer.look(&world.snapshot(), touch.clone()).voices[&key("web")].notices, [], "told once");
    // Its agent is gone, or it has nothing to say: nobody answers, as far as anybody knows.
    world.speaker(other).live = false;
    assert!(announcer.look(&world.snapshot(), touch.clone()).voices[&key("web")].l2.is_empty());
    world.speaker(other).live = true;
    world.announcements.get_mut(&ip(ONE)).unwrap().owner = None;
    assert!(announcer.look(&world.snapshot(), touch).voices[&key("web")].l2.is_empty());
}

#[test]
fn a_service_of_two_families_tells_of_both_owners() {
    let mut world = World::new(&["a", "b"]);
    world.have("web", ONE).ingress.push(ip("2001:db8::100"));
    settle(&mut world);
    for (address, owner) in [(ONE, "a"), ("2001:db8::100", "b")] {
        world.announcements.get_mut(&ip(address)).unwrap().owner = Some(node(owner));
    }
    let voice = look(&world).voices[&key("web")].clone();
    assert_eq!(voice.l2.iter().map(|status| status.node.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    world.announcements.get_mut(&ip(ONE)).unwrap().owner = Some(node("b"));
    world.announcements.get_mut(&ip(ONE)).unwrap().interfaces = Few::from(["eth1".to_owned()]);
    let voice = look(&world).voices[&key("web")].clone();
    let [status] = &voice.l2.iter().collect::<Vec<_>>()[..] else { panic!("{voice:?}") };
    assert_eq!(status.interfaces, Few::from(["eth0".to_owned(), "eth1".to_owned()]));
}

/// Services with an address of each family.
fn couples(world: &mut World, count: usize) {
    for number in 0..count {
        let service = world.have(&format!("web-{number}"), &format!("192.0.2.{}", 100 + number));
        service.ingress.push(ip(&format!("2001:db8::{:x}", 0x100 + number)));
    }
}

/// The orders of both addresses of each Service.
fn orders_of_couples(world: &World) -> Vec<[Vec<NodeName>; 2]> {
    let announced = look(world);
    let order = |address: &IpAddr| announced.announcements[address].clone().unwrap().candidates.unwrap();
    world.services.values().map(|service| [order(&service.ingress[0]), order(&service.ingress[1])]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn both_addresses_of_a_service_have_one_owner_and_go_the_same_way(
        nodes in 1..12usize, count in 1..40usize, gone in 0..12usize,
    ) {
        let mut world = fleet(nodes);
        couples(&mut world, count);
        let most = (2 * count).div_ceil(nodes) + 1;
        let loads = loads(&look(&world));
        prop_assert!(loads.values().all(|load| *load <= most), "the bound holds for couples: {loads:?}");
        settle(&mut world);
        let before = orders_of_couples(&world);
        prop_assert!(before.iter().all(|[four, six]| four == six));
        // One dies: its successors are the same for both, and nothing else moves.
        let gone = format!("node-{:03}", gone % nodes);
        world.speaker(&gone).live = false;
        let after = orders_of_couples(&world);
        for ([then, _], [four, six]) in before.iter().zip(&after) {
            prop_assert_eq!(four, six);
            let heir = if then[0].as_str() == gone { then.get(1).unwrap_or(&then[0]) } else { &then[0] };
            prop_assert_eq!(&four[0], heir);
        }
    }
}

#[test]
fn a_second_address_goes_to_the_owner_of_the_first_and_nobody_moves_for_it() {
    let mut world = World::new(&["a", "b", "c"]);
    populate(&mut world, 20);
    settle(&mut world);
    let before = look(&world).announcements;
    let addresses: Vec<IpAddr> = before.keys().copied().collect();
    for (number, service) in world.services.values_mut().enumerate() {
        service.ingress.push(ip(&format!("2001:db8::{:x}", 0x100 + number)));
    }
    let after = look(&world).announcements;
    for address in &addresses {
        assert_eq!(after[address], before[address]);
    }
    for service in world.services.values() {
        let [four, six] = [0, 1].map(|number| after[&service.ingress[number]].clone().unwrap().candidates);
        assert_eq!(four, six);
    }
    // Two that were apart stay so, as long as nothing has to move.
    settle(&mut world);
    let service = world.services.values().next().unwrap().ingress.clone();
    let [four, six] = [0, 1].map(|number| service[number]);
    let there = world.announcements.get_mut(&six).unwrap();
    let candidates = there.content.as_mut().unwrap().candidates.as_mut().unwrap();
    candidates.rotate_left(1);
    there.owner = candidates.first().cloned();
    let apart = world.announcements[&six].content.clone();
    let announced = look(&world).announcements;
    assert_eq!((&announced[&six], &announced[&four]), (&apart, &world.announcements[&four].content));
}

#[test]
fn an_address_that_nobody_has_is_not_announced() {
    let mut world = World::new(&["a"]);
    world.have("web", ONE);
    settle(&mut world);
    world.services.get_mut(&key("web")).unwrap().ingress.clear();
    assert_eq!(look(&world).announcements, BTreeMap::from([(ip(ONE), None)]));
    let mut announcer = Announcer::default();
    world.have("other", ONE);
    world.services.remove(&key("web"));
    announcer.look(&world.snapshot(), everything(&world));
    world.services.clear();
    let touch = Touch { addresses: BTreeMap::from([(ip(ONE), None)]), ..Touch::default() };
    let announced = announcer.look(&world.snapshot(), touch);
    assert_eq!(announced.announcements, BTreeMap::from([(ip(ONE), None)]));
    assert_eq!(
        announced.voices,
        BTreeMap::from([(key("other"), ServiceReport::default())]),
        "who lost it is looked at"
    );
    assert_eq!(announcer.load.of((&node("a")).into()), 0);
}
