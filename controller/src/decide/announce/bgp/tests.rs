//! MetalLB behaviour 38 and 57 to 61, and what is done better. Each test is named after its point.

use arpeggio_common::model::{BgpAdvertisement, Community, Configuration, Few, Labels, NodeName, Peer, any_or_empty};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::{
    cluster::{AnnouncementContent, ObservedAnnouncement, Refusal, Trouble},
    decide::{
        Notice, NoticeKind,
        announce::{
            Announced, Announcer, Touch,
            report::ServiceReport,
            tests::{everything, look_after_a_moment},
        },
        fixture::{World, fault, has, ip, key, labels, pool},
    },
};

const ONE: &str = "192.0.2.100";
const TWO: &str = "192.0.2.101";

/// Three nodes that tell peers, a peer, one Service, and nothing at layer 2.
fn world() -> World {
    let mut world = World::new(&["a", "b", "c"]);
    world.tell_peers();
    world.configuration.l2.clear();
    world.have("web", ONE);
    peer(&mut world, "rack");
    ad(&mut world, "all");
    world
}

fn ad<'w>(world: &'w mut World, name: &str) -> &'w mut BgpAdvertisement {
    world.bgp_ad(name)
}

fn peer<'w>(world: &'w mut World, name: &str) -> &'w mut Peer {
    world.bgp_peer(name)
}

fn texts(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn communities(texts: &[&str]) -> BTreeSet<Community> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn look(world: &World) -> Announced {
    Announcer::default().look(&world.snapshot(), everything(world))
}

fn content(world: &World, address: &str) -> AnnouncementContent {
    look_after_a_moment(world).announcements[&ip(address)].clone().unwrap()
}

/// Each route in a line: what is the same everywhere is left out.
fn routes(world: &World, address: &str) -> Vec<String> {
    content(world, address).routes.iter().map(shown).collect()
}

fn shown(route: &Route) -> String {
    let list = |word: &str, names: Vec<String>| format!(" {word} {}", names.join(","));
    let mut text = route.prefix.to_string();
    if route.local_pref > 0 {
        text += &format!(" pref {}", route.local_pref);
    }
    if !route.communities.is_empty() {
        text += &list("with", route.communities.iter().map(ToString::to_string).collect());
    }
    if !route.peers.is_empty() {
        text += &list("to", route.peers.iter().cloned().collect());
    }
    if let Some(nodes) = &route.nodes {
        text += &list("on", nodes.iter().map(ToString::to_string).collect());
    }
    text
}

fn voice(world: &World, service: &str) -> ServiceReport {
    look(world).voices[&key(service)].clone()
}

fn silence(world: &World, service: &str) -> Option<Refusal> {
    voice(world, service).silence
}

/// What is decided is in force.
fn settle(world: &mut World) {
    for (address, content) in look_after_a_moment(world).announcements {
        let observed = ObservedAnnouncement {
            resource_version: "1".to_owned(),
            content,
            owner: None,
            interfaces: Few::new(),
            trouble: None,
        };
        world.announcements.insert(address, observed);
    }
}

const PLAIN: &str = "192.0.2.100/32";

#[rstest]
#[case::cluster_with_an_endpoint_anywhere(false, &["b"], &[PLAIN])]
#[case::cluster_without_endpoints(false, &[], &[])]
#[case::local_names_the_nodes_with_endpoints(true, &["a", "c"], &["192.0.2.100/32 on a,c"])]
#[case::local_on_every_node_is_still_a_list(true, &["a", "b", "c"], &["192.0.2.100/32 on a,b,c"])]
#[case::local_without_endpoints(true, &[], &[])]
fn point_57_next_hops_by_policy_and_endpoints(#[case] local: bool, #[case] on: &[&str], #[case] expected: &[&str]) {
    let mut world = world();
    world.services.get_mut(&key("web")).unwrap().local = local;
    world.serve("web", on);
    assert_eq!(routes(&world, ONE), expected);
    assert_eq!(silence(&world, "web"), None, "who is not served is silent, and that is meant so");
}

#[test]
fn point_57_a_node_announces_while_its_last_endpoint_still_serves() {
    let mut world = world();
    world.services.get_mut(&key("web")).unwrap().local = true;
    world.serve("web", &["a", "b"]);
    let endpoints = world.endpoints.get_mut(&key("web")).unwrap();
    endpoints.ending = endpoints.nodes.iter().take(1).cloned().collect();
    assert_eq!(routes(&world, ONE), ["192.0.2.100/32 on a,b"], "its connections are not sent elsewhere");
}

#[test]
fn point_58_attributes_and_aggregation_by_family() {
    let mut world = world();
    world.have("web", ONE).ingress.push(ip("2001:db8::100"));
    let all = ad(&mut world, "all");
    all.local_pref = 150;
    all.communities = communities(&["64512:100", "large:64512:100:1"]);
    all.peers = texts(&["rack", "spine"]);
    (all.aggregation_v4, all.aggregation_v6) = (24, 64);
    let said = "pref 150 with 64512:100,large:64512:100:1 to rack,spine";
    assert_eq!(routes(&world, ONE), [format!("192.0.2.0/24 {said}")]);
    assert_eq!(routes(&world, "2001:db8::100"), [format!("2001:db8::/64 {said}")]);
}

#[test]
fn point_58_overlapping_advertisements() {
    let mut world = world();
    ad(&mut world, "all").communities = communities(&["64512:1"]);
    ad(&mut world, "more").communities = communities(&["64512:2"]);
    let both = ["192.0.2.100/32 with 64512:1", "192.0.2.100/32 with 64512:2"];
    assert_eq!(routes(&world, ONE), both, "nodes unite the communities of a prefix");
    // What says the same is said once, by the nodes of either.
    ad(&mut world, "more").communities = communities(&["64512:1"]);
    assert_eq!(routes(&world, ONE), both[..1]);
    ad(&mut world, "all").node_selectors = vec![has("name", "a")];
    ad(&mut world, "more").node_selectors = vec![has("name", "c")];
    assert_eq!(routes(&world, ONE), ["192.0.2.100/32 with 64512:1 on a,c"]);
    ad(&mut world, "more").node_selectors.clear();
    assert_eq!(routes(&world, ONE), both[..1], "every node is in no list");
    // A network and an address in it are two routes.
    ad(&mut world, "more").aggregation_v4 = 24;
    assert_eq!(routes(&world, ONE).len(), 2);
}

#[test]
fn point_58_pools_and_services_are_selected() {
    let mut world = world();
    world.configuration.pools.insert("far".to_owned(), pool("far", "198.51.100.1", "198.51.100.9"));
    world.have("far", "198.51.100.1").allocated_from = Some("far".to_owned());
    ad(&mut world, "all").pools = texts(&["far", "missing"]);
    assert_eq!((routes(&world, ONE).len(), routes(&world, "198.51.100.1").len()), (0, 1));
    assert_eq!(silence(&world, "web").unwrap().reason, "NoAdvertisement");
    let only = &mut ad(&mut world, "all").service_selectors;
    *only = vec![has("app", "far")];
    assert_eq!(routes(&world, "198.51.100.1").len(), 0);
    world.services.get_mut(&key("far")).unwrap().labels = labels(&[("app", "far")]);
    assert_eq!(routes(&world, "198.51.100.1").len(), 1);
}

#[test]
fn point_59_selectors_of_nodes_follow_labels_at_run_time() {
    let mut world = world();
    world.have("other", TWO).labels = labels(&[("app", "other")]);
    ad(&mut world, "all").node_selectors = vec![has("rack", "1"), has("name", "c")];
    ad(&mut world, "all").service_selectors = vec![has("app", "web")];
    ad(&mut world, "other").service_selectors = vec![has("app", "other")];
    world.services.get_mut(&key("web")).unwrap().labels = labels(&[("app", "web")]);
    let mut announcer = Announcer::default();
    let first = announcer.look(&world.snapshot(), everything(&world));
    let routes = |announced: &Announced, address: &str| {
        announced.announcements[&ip(address)].as_ref().unwrap().routes.iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(routes(&first, ONE), ["192.0.2.100/32 on c"]);
    world.node("a").labels.insert("rack".to_owned(), "1".to_owned());
    let then = announcer.look(&world.snapshot(), Touch { topology: true, ..Touch::default() });
    assert_eq!(routes(&then, ONE), ["192.0.2.100/32 on a,c"]);
    assert_eq!(routes(&then, TWO), ["192.0.2.101/32"], "the other Service is as before");
    // A node that comes is in no list that it is not selected for, and in the open ones without a write.
    world.join("d");
    let joined = announcer.look(&world.snapshot(), Touch { topology: true, ..Touch::default() });
    assert_eq!((routes(&joined, ONE), routes(&joined, TWO)), (routes(&then, ONE), routes(&then, TWO)));
}

#[test]
fn point_60_what_a_node_withholds_changes_no_announcement() {
    let mut world = world();
    let before = content(&world, ONE);
    world.node("a").network_unavailable = true;
    world.node("b").labels.insert(arpeggio_common::api::names::EXCLUDE.to_owned(), String::new());
    assert_eq!((content(&world, ONE), silence(&world, "web")), (before.clone(), None));
    // Where nobody is left it is told.
    world.node("c").labels.insert(arpeggio_common::api::names::EXCLUDE.to_owned(), "true".to_owned());
    let told = silence(&world, "web").unwrap();
    assert_eq!(told.reason, "NoEligibleNode");
    assert!(told.message.contains("192.0.2.100") && told.message.contains("all"), "{}", told.message);
    assert_eq!(content(&world, ONE), before);
    world.settings.ignore_exclude_label = true;
    assert_eq!(silence(&world, "web"), None);
    // A speaker that does not live says nothing about the router daemon beside it; of none at all nothing is promised.
    ad(&mut world, "all").node_selectors = vec![has("name", "b")];
    world.speaker("b").live = false;
    assert_eq!(silence(&world, "web"), None);
    ad(&mut world, "all").node_selectors.clear();
    for name in ["a", "c"] {
        world.speaker(name).live = false;
    }
    assert_eq!((content(&world, ONE), silence(&world, "web").unwrap().reason.as_str()), (before, "NoBgpSpeaker"));
}

#[test]
fn point_61_a_prefix_stays_while_one_service_needs_it() {
    let mut world = world();
    world.have("db", ONE);
    world.serve("web", &[]);
    assert_eq!(routes(&world, ONE), [PLAIN]);
    world.services.remove(&key("web"));
    assert_eq!(routes(&world, ONE), [PLAIN]);
    world.serve("db", &[]);
    assert_eq!(routes(&world, ONE), Vec::<String>::new());
    settle(&mut world);
    world.services.clear();
    assert_eq!(look(&world).announcements, BTreeMap::from([(ip(ONE), None)]));
}

#[test]
fn point_61_an_aggregate_stays_while_one_address_needs_it() {
    let mut world = world();
    world.have("db", TWO);
    ad(&mut world, "all").aggregation_v4 = 24;
    for address in [ONE, TWO] {
        assert_eq!(routes(&world, address), ["192.0.2.0/24"], "each carries its own");
    }
    world.serve("web", &[]);
    assert_eq!((routes(&world, ONE).len(), routes(&world, TWO).len()), (0, 1));
}

#[test]
fn services_of_one_address_are_announced_by_the_nodes_of_either() {
    let mut world = world();
    world.have("db", ONE);
    for (name, on) in [("web", "a"), ("db", "b")] {
        world.services.get_mut(&key(name)).unwrap().local = true;
        world.serve(name, &[on]);
    }
    assert_eq!(routes(&world, ONE), ["192.0.2.100/32 on a,b"]);
    world.services.get_mut(&key("db")).unwrap().local = false;
    assert_eq!(routes(&world, ONE), [PLAIN]);
}

/// Gold for some Services, and something else for all.
fn contradiction() -> World {
    let mut world = world();
    world.services.get_mut(&key("web")).unwrap().labels = labels(&[("app", "web")]);
    ad(&mut world, "all").local_pref = 100;
    let gold = ad(&mut world, "gold");
    gold.local_pref = 200;
    gold.service_selectors = vec![has("app", "web")];
    world
}

#[test]
fn point_38_a_service_between_two_local_preferences_is_not_announced() {
    let mut world = contradiction();
    world.have("db", TWO);
    assert_eq!(routes(&world, ONE), Vec::<String>::new());
    let told = silence(&world, "web").unwrap();
    assert_eq!(told.reason, "ConflictingAdvertisements");
    let theirs = "advertisements 'all' and 'gold' have conflicting LOCAL_PREF (100 vs 200)";
    assert!(told.message.contains(theirs) && told.message.contains("shop/web"), "{}", told.message);
    assert_eq!((routes(&world, TWO), silence(&world, "db")), (vec!["192.0.2.101/32 pref 100".to_owned()], None));
}

#[rstest]
#[case::equal(|world: &mut World| ad(world, "gold").local_pref = 100, &["192.0.2.100/32 pref 100"])]
#[case::other_aggregates(
    |world: &mut World| ad(world, "all").aggregation_v4 = 24,
    &["192.0.2.0/24 pref 100", "192.0.2.100/32 pref 200"]
)]
#[case::the_other_family_alone(
    |world: &mut World| (ad(world, "all").aggregation_v4, ad(world, "all").aggregation_v6) = (24, 128),
    &["192.0.2.0/24 pref 100", "192.0.2.100/32 pref 200"]
)]
#[case::other_peers(
    |world: &mut World| {
        peer(world, "spine");
        ad(world, "all").peers = texts(&["rack"]);
        ad(world, "gold").peers = texts(&["spine"]);
    },
    &["192.0.2.100/32 pref 100 to rack", "192.0.2.100/32 pref 200 to spine"]
)]
#[case::other_nodes(
    |world: &mut World| {
        ad(world, "all").node_selectors = vec![has("name", "a")];
        ad(world, "gold").node_selectors = vec![has("name", "b")];
    },
    &["192.0.2.100/32 pref 100 on a", "192.0.2.100/32 pref 200 on b"]
)]
#[case::another_service(
    |world: &mut World| ad(world, "gold").service_selectors = vec![has("app", "db")],
    &["192.0.2.100/32 pref 100"]
)]
fn point_38_what_is_no_conflict(#[case] change: fn(&mut World), #[case] expected: &[&str]) {
    let mut world = contradiction();
    change(&mut world);
    assert_eq!(routes(&world, ONE), expected);
    let voice = voice(&world, "web");
    assert_eq!((voice.silence, voice.complaint), (None, None));
}

#[test]
fn point_38_a_conflict_on_some_nodes_silences_those_and_is_told() {
    let mut world = contradiction();
    ad(&mut world, "gold").node_selectors = vec![has("name", "a")];
    assert_eq!(routes(&world, ONE), ["192.0.2.100/32 pref 100 on b,c"]);
    let mut announcer = Announcer::default();
    let voice = announcer.look(&world.snapshot(), everything(&world)).voices[&key("web")].clone();
    assert_eq!(voice.silence, None, "somebody announces it");
    let [Notice { kind: NoticeKind::Warning, reason: "announceFailed", message }] = &voice.notices[..] else {
        panic!("{:?}", voice.notices)
    };
    assert!(message.contains("(100 vs 200) on a"), "{message}");
    let again = announcer.look(&world.snapshot(), everything(&world)).voices[&key("web")].clone();
    assert_eq!(again.notices, [], "told once");
    settle(&mut world);
    assert_eq!(look(&world).voices[&key("web")].notices, [], "and not again by the next controller");
}

#[test]
fn an_address_is_announced_by_one_protocol_or_both() {
    let mut world = world();
    let alone = content(&world, ONE);
    assert_eq!((alone.candidates, alone.routes.len()), (None, 1), "by BGP alone");
    assert_eq!(silence(&world, "web"), None);
    world.ad("l2");
    let both = content(&world, ONE);
    assert_eq!((both.candidates.unwrap().len(), both.routes.len()), (3, 1));
    settle(&mut world);
    let (reason, message) = ("AddressInUse".to_owned(), "02:00:00:00:00:09 answers for it".to_owned());
    let in_use = Trouble { says: Refusal { reason, message }, since: String::new() };
    world.announcements.get_mut(&ip(ONE)).unwrap().trouble = Some(in_use);
    let there = voice(&world, "web");
    assert_eq!((there.silence, there.complaint.unwrap().reason.as_str()), (None, "AddressInUse"), "peers have it");
    world.announcements.clear();
    // One of them is enough.
    world.ad("l2").node_selectors = vec![has("name", "nobody")];
    assert_eq!(silence(&world, "web"), None, "by BGP");
    world.ad("l2").node_selectors.clear();
    world.configuration.peers.clear();
    let voice = voice(&world, "web");
    assert_eq!((voice.silence, voice.complaint.unwrap().reason.as_str()), (None, "NoPeer"), "at layer 2");
    world.ad("l2").node_selectors = vec![has("name", "nobody")];
    let told = silence(&world, "web").unwrap();
    assert_eq!(told.reason, "NoEligibleNode");
    assert!(told.message.contains("L2Advertisements l2") && told.message.contains("no BGPPeer"), "{}", told.message);
    world.configuration.bgp.clear();
    assert_eq!(content(&world, ONE).routes, BTreeSet::new());
}

#[rstest]
#[case::nobody_is_selected(|world: &mut World| ad(world, "all").node_selectors = vec![has("name", "z")], "NoEligibleNode", "nodeSelectors")]
#[case::endpoints_are_elsewhere(|world: &mut World| {
    ad(world, "all").node_selectors = vec![has("name", "a")];
    world.services.get_mut(&key("web")).unwrap().local = true;
    world.serve("web", &["b"]);
}, "NoEligibleNode", "externalTrafficPolicy")]
#[case::no_speaker(|world: &mut World| world.speakers.clear(), "NoBgpSpeaker", "no speaker tells")]
#[case::no_speaker_that_lives(
    |world: &mut World| world.speakers.values_mut().for_each(|speaker| speaker.live = false),
    "NoBgpSpeaker",
    "is alive"
)]
#[case::speakers_of_other_nodes(|world: &mut World| {
    world.speaker("a").tells_peers = false;
    ad(world, "all").node_selectors = vec![has("name", "a")];
}, "NoEligibleNode", "no speaker that tells")]
#[case::no_peer(|world: &mut World| world.configuration.peers.clear(), "NoPeer", "no BGPPeer")]
#[case::a_peer_of_another_name(|world: &mut World| ad(world, "all").peers = texts(&["spine"]), "NoPeer", "all")]
#[case::a_peer_of_other_nodes(|world: &mut World| {
    peer(world, "rack").node_selectors = vec![has("name", "a")];
    ad(world, "all").node_selectors = vec![has("name", "b")];
}, "NoPeer", "no BGPPeer")]
fn silence_says_what_is_in_the_way(#[case] change: fn(&mut World), #[case] reason: &str, #[case] what: &str) {
    let mut world = world();
    change(&mut world);
    let told = silence(&world, "web").unwrap();
    assert_eq!(told.reason, reason);
    let whole = told.message.starts_with("192.0.2.100 is not announced to BGP peers: ");
    assert!(whole && told.message.contains(what), "{}", told.message);
}

const NOBODY_TELLS: &str = "192.0.2.100 is not announced to BGP peers: BGPAdvertisements all select it, but no speaker tells BGP \
                            peers: none drives FRR; install the component manifests/frr";

/// As [`world`], with speakers that know nothing of BGP.
fn world_of_layer2() -> World {
    let mut world = world();
    world.speakers.values_mut().for_each(|speaker| speaker.tells_peers = false);
    world
}

#[test]
fn where_no_speaker_tells_peers_a_service_by_bgp_alone_is_announced_by_nobody() {
    let mut world = world_of_layer2();
    let nobody = Some(Refusal { reason: "NoBgpSpeaker".to_owned(), message: NOBODY_TELLS.to_owned() });
    for on in [&["b"][..], &[], &["a", "b"]] {
        world.serve("web", on);
        let announced = look(&world);
        assert_eq!(announced.silences.get(&ip(ONE)), nobody.as_ref(), "the Announcement says it");
        let voice = &announced.voices[&key("web")];
        assert_eq!((&voice.silence, &voice.complaint), (&nobody, &None), "and the Service");
    }
    assert_eq!(routes(&world, ONE), [PLAIN], "what peers are to get is decided all the same");
    // Contradictions and missing peers are nothing beside that.
    world.configuration.peers.clear();
    assert_eq!(silence(&world, "web"), nobody);
    peer(&mut world, "rack");
    world.speaker("b").tells_peers = true;
    let announced = look(&world);
    assert_eq!((announced.silences.get(&ip(ONE)), &announced.voices[&key("web")].silence), (None, &None));
}

#[test]
fn where_no_speaker_tells_peers_a_service_of_both_protocols_complains_once() {
    let mut world = world_of_layer2();
    world.ad("l2");
    let mut announcer = Announcer::default();
    let mut see = |world: &World| {
        let announced = announcer.look(&world.snapshot(), everything(world));
        (announced.silences.get(&ip(ONE)).cloned(), announced.voices[&key("web")].clone())
    };
    let (hush, voice) = see(&world);
    assert_eq!((hush, voice.silence), (None, None), "it is announced at layer 2");
    let [Notice { kind: NoticeKind::Warning, reason: "announceFailed", message }] = &voice.notices[..] else {
        panic!("{:?}", voice.notices)
    };
    assert_eq!(message, NOBODY_TELLS);
    // Whatever happens at layer 2 or to advertisements.
    let changes: [fn(&mut World); 6] = [
        |_| {},
        |world| world.serve("web", &[]),
        |world| world.serve("web", &["a"]),
        |world| _ = ad(world, "more"),
        |world| world.ad("l2").node_selectors = vec![has("name", "nobody")],
        |world| world.ad("l2").node_selectors.clear(),
    ];
    let notices: Vec<Notice> = changes
        .into_iter()
        .flat_map(|change| {
            change(&mut world);
            see(&world).1.notices
        })
        .collect();
    let [Notice { message, .. }] = &notices[..] else { panic!("{notices:?}") };
    assert!(
        message.contains("L2Advertisements l2 select no node") && message.contains("no speaker tells"),
        "{message}"
    );
    settle(&mut world);
    assert_eq!(look(&world).voices[&key("web")].notices, [], "nor does the next controller");
}

#[test]
fn an_advertisement_at_fault_that_nobody_saw_whole_withdraws_nothing() {
    for waits in [false, true] {
        let mut world = world();
        world.have("local", TWO).local = true;
        world.serve("local", &["a", "b"]);
        settle(&mut world);
        let before = [content(&world, ONE), content(&world, TWO)];
        world.configuration.bgp.clear();
        let Configuration { faults, pending, .. } = &mut world.configuration;
        let list = if waits { pending } else { faults };
        list.push(fault("BGPAdvertisement", "all"));
        assert_eq!([content(&world, ONE), content(&world, TWO)], before);
        assert_eq!(silence(&world, "web"), None);
        // Where it is not served it ends all the same.
        world.serve("local", &["b"]);
        assert_eq!(routes(&world, TWO), ["192.0.2.101/32 on b"]);
        world.serve("web", &[]);
        assert_eq!(routes(&world, ONE), Vec::<String>::new());
        world.configuration.faults.clear();
        world.configuration.pending.clear();
        world.serve("web", &["a"]);
        assert_eq!(routes(&world, ONE), Vec::<String>::new(), "gone instead of at fault: it was meant so");
    }
}

#[test]
fn the_last_advertisement_that_goes_takes_its_routes_with_it() {
    let mut world = world();
    let mut announcer = Announcer::default();
    announcer.look(&world.snapshot(), everything(&world));
    settle(&mut world);
    world.configuration.bgp.clear();
    let announced = announcer.look(&world.snapshot(), Touch { bgp: true, ..Touch::default() });
    assert_eq!(announced.announcements[&ip(ONE)].as_ref().unwrap().routes, BTreeSet::new());
    assert_eq!(announced.voices[&key("web")].silence.as_ref().unwrap().reason, "NoAdvertisement");
}

#[test]
fn advertisements_that_are_not_listed_yet_withdraw_nothing() {
    let mut world = world();
    settle(&mut world);
    let before = content(&world, ONE);
    world.configuration.bgp.clear();
    let snapshot = Snapshot { knows_bgp: false, ..world.snapshot() };
    let announced = Announcer::default().look(&snapshot, everything(&world));
    assert_eq!(announced.announcements[&ip(ONE)].as_ref(), Some(&before));
    assert_eq!(routes(&world, ONE), Vec::<String>::new(), "listed, and there is none");
}

#[test]
fn neither_protocol_costs_the_other_anything() {
    let mut world = World::new(&["a", "b"]);
    world.have("web", ONE);
    let mut announcer = Announcer::default();
    announcer.look(&world.snapshot(), everything(&world));
    assert!(
        announcer.bgp.outcomes.is_empty() && !announcer.bgp.ground.is_used(),
        "nothing is kept of what is not used"
    );
    // What changes for BGP alone is looked at for BGP alone, and only what is different is told.
    world.configuration.pools.insert("far".to_owned(), pool("far", "198.51.100.1", "198.51.100.9"));
    world.have("far", "198.51.100.1").allocated_from = Some("far".to_owned());
    announcer.look(&world.snapshot(), everything(&world));
    ad(&mut world, "all").pools = texts(&["far"]);
    let announced = announcer.look(&world.snapshot(), Touch { bgp: true, ..Touch::default() });
    assert_eq!(announced.announcements.keys().collect::<Vec<_>>(), [&ip("198.51.100.1")]);
    assert_eq!(announced.voices.keys().collect::<Vec<_>>(), [&key("far")]);
    let again = announcer.look(&world.snapshot(), Touch { bgp: true, ..Touch::default() });
    assert_eq!(again, Announced::default());
}

/// An advertisement as numbers: nodes, Services and peers by bits; aggregates; preference; community.
type Numbers = (u8, u8, u8, (bool, bool), u8, u8);
/// A Service: address, label, policy, endpoints by bits.
type Asked = (u8, u8, bool, u8);

const ADDRESSES: [&str; 3] = [ONE, TWO, "2001:db8::100"];
const NODES: [&str; 4] = ["a", "b", "c", "d"];

fn bits<'a>(names: &[&'a str], bits: u8) -> Vec<&'a str> {
    names.iter().enumerate().filter(|(number, _)| bits >> number & 1 == 1).map(|(_, name)| *name).collect()
}

fn any_world(ads: &[Numbers], services: &[Asked]) -> World {
    let mut world = World::new(&NODES);
    world.tell_peers();
    world.configuration.l2.clear();
    peer(&mut world, "rack");
    for (number, (nodes, apps, peers, (narrow_v4, narrow_v6), preference, community)) in ads.iter().enumerate() {
        let one = ad(&mut world, &format!("ad-{number}"));
        one.node_selectors = bits(&NODES, *nodes).into_iter().map(|name| has("name", name)).collect();
        one.service_selectors = bits(&["x", "y"], *apps).into_iter().map(|app| has("app", app)).collect();
        one.peers = texts(&bits(&["rack", "spine"], *peers));
        one.aggregation_v4 = if *narrow_v4 { 32 } else { 24 };
        one.aggregation_v6 = if *narrow_v6 { 128 } else { 64 };
        one.local_pref = u32::from(*preference) * 100;
        one.communities = bits(&["64512:1", "64512:2"], *community).iter().map(|text| text.parse().unwrap()).collect();
    }
    for (number, (address, app, local, on)) in services.iter().enumerate() {
        let name = format!("web-{number}");
        let service = world.have(&name, ADDRESSES[usize::from(*address)]);
        service.labels = labels(&[("app", ["x", "y"][usize::from(*app)])]);
        service.local = *local;
        world.serve(&name, &bits(&NODES, *on));
    }
    world
}

/// What MetalLB's speaker of a node tells about an address, in the order of its own rules (behaviour 5.1, 5.2).
fn by_the_rules(world: &World, address: IpAddr, node: &NodeName) -> BTreeSet<Route> {
    let of_node: &Labels = &world.nodes[node].labels;
    let mut told = BTreeSet::new();
    for service in world.services.values().filter(|service| service.ingress.contains(&address)) {
        let ads = world.configuration.bgp.values().filter(|ad| {
            any_or_empty(&ad.node_selectors, of_node) && any_or_empty(&ad.service_selectors, &service.labels)
        });
        let all: Vec<Route> =
            ads.filter_map(|spec| ground::Ad { spec: spec.clone(), nodes: None }.route(address)).collect();
        let meet = |one: &Route, other: &Route| {
            one.peers.is_empty() || other.peers.is_empty() || one.peers.iter().any(|peer| other.peers.contains(peer))
        };
        let contradict = |one: &Route, other: &Route| {
            one.prefix == other.prefix && one.local_pref != other.local_pref && meet(one, other)
        };
        if all.iter().any(|one| all.iter().any(|other| contradict(one, other))) {
            continue;
        }
        let endpoints = &world.endpoints[&service.key];
        let is_served = if service.local { endpoints.nodes.contains(node) } else { endpoints.any };
        told.extend(all.into_iter().filter(|_| is_served));
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 128 } else { 2048 }))]

    #[test]
    fn every_node_tells_exactly_what_the_rules_say(
        ads in prop::collection::vec((0..16u8, 0..4u8, 0..4u8, any::<(bool, bool)>(), 0..3u8, 0..4u8), 0..5),
        services in prop::collection::vec((0..3u8, 0..2u8, any::<bool>(), 0..16u8), 1..5),
        order in any::<u64>(),
    ) {
        let world = any_world(&ads, &services);
        let announced = look(&world);
        for (address, content) in &announced.announcements {
            let routes = &content.as_ref().unwrap().routes;
            for route in routes {
                prop_assert!(route.prefix.contains(address) && route.prefix == route.prefix.trunc());
                prop_assert!(route.nodes.as_ref().is_none_or(|nodes| !nodes.is_empty()));
            }
            for node in world.nodes.keys() {
                let told = routes.iter().filter(|route| route.is_of(node));
                let told: BTreeSet<Route> = told.map(|route| Route { nodes: None, ..route.clone() }).collect();
                prop_assert_eq!(told, by_the_rules(&world, *address, node), "{} on {}", address, node);
            }
        }
        // Whoever looks at one after the other, in any order, finds the same.
        let whole = everything(&world);
        let mut addresses: Vec<_> = whole.addresses.into_iter().collect();
        if !addresses.is_empty() {
            let by = usize::try_from(order % 7).unwrap() % addresses.len();
            addresses.rotate_left(by);
        }
        if order % 2 == 1 {
            addresses.reverse();
        }
        let mut announcer = Announcer::default();
        announcer.look(&world.snapshot(), Touch { everything: true, ..Touch::default() });
        let mut found = BTreeMap::new();
        for (address, holding) in addresses {
            let touch = Touch { addresses: BTreeMap::from([(address, holding)]), ..Touch::default() };
            found.extend(announcer.look(&world.snapshot(), touch).announcements);
        }
        prop_assert_eq!(&found, &announced.announcements);
        prop_assert_eq!(&look(&world), &announced, "and finds the same again");
    }
}
