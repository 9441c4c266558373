//! What is said about the configuration as a whole: who is told of what, and that nothing is written twice.

use super::*;
use crate::{
    cluster::{BgpStatusContent, ObservedBgpStatus, ObservedState, ServiceKey},
    decide::{
        Decider,
        fixture::{World, fault, has, node},
    },
    plan::{Write, plan},
};

const NODES: [&str; 2] = ["a", "b"];

fn of(name: &str) -> StateOf {
    StateOf::Speaker(node(name))
}

/// Looks at what changed until nothing is left to write; gives what of it was for states, and for BGP.
fn settle(world: &mut World, changes: Changes) -> Vec<Write> {
    let (mut decider, mut changes, mut all) = (Decider::new(), changes, Vec::new());
    for _ in 0..5 {
        let snapshot = world.snapshot();
        let writes = plan(&snapshot, &decider.decide(&snapshot, &changes));
        changes = world.apply(&writes);
        let is_ours = |write: &Write| {
            matches!(write, Write::State { .. } | Write::DeleteState { .. } | Write::DeleteBgpStatus { .. })
        };
        all.extend(writes.into_iter().filter(is_ours));
        if changes.is_empty() {
            return all;
        }
    }
    panic!("it does not end: {all:?}");
}

fn says(world: &World, of: &StateOf) -> (Soundness, String) {
    let content = world.states[of].content.clone().unwrap();
    (content.soundness, content.errors)
}

fn configuration() -> Changes {
    Changes { configuration: true, ..Changes::default() }
}

#[test]
fn a_sound_configuration_is_said_once_for_the_controller_and_each_node() {
    let mut world = World::new(&NODES);
    let writes = settle(&mut world, Changes::everything());
    assert_eq!((writes.len(), world.states.len()), (3, 3));
    for of in [StateOf::Controller, of("a"), of("b")] {
        assert_eq!(says(&world, &of), (Soundness::Valid, String::new()));
    }
    assert_eq!(settle(&mut world, Changes::everything()), [], "who comes after writes nothing");
}

#[test]
fn metallb_43_bad_configuration_is_told_per_node_and_cleared_on_repair() {
    let mut world = World::new(&NODES);
    settle(&mut world, Changes::everything());
    let peer = ConfiguredName::new(ConfigurationKind::Peer, "rack");
    world.edit(&peer).nodes = vec![has("name", "b")];
    world.configuration.faults = vec![fault("BGPPeer", "rack")];
    settle(&mut world, configuration());
    let told = "configuration error: BGPPeer metallb-system/rack: spec \"\" is wrong; mend it".to_owned();
    assert_eq!(says(&world, &StateOf::Controller).0, Soundness::Valid, "it answers for pools and communities");
    assert_eq!(says(&world, &of("a")), (Soundness::Valid, String::new()), "the peer is not for it");
    assert_eq!(says(&world, &of("b")), (Soundness::Invalid, told));
    // A pool concerns everybody, and so does what cannot be read.
    world.configuration.faults.push(fault("IPAddressPool", "pool"));
    let since = world.states[&of("b")].since.clone();
    settle(&mut world, configuration());
    let told = "configuration error: IPAddressPool metallb-system/pool: spec \"\" is wrong; mend it".to_owned();
    assert_eq!(says(&world, &StateOf::Controller), (Soundness::Invalid, told));
    assert_eq!(says(&world, &of("a")).0, Soundness::Invalid);
    assert_eq!(says(&world, &of("b")).1.lines().count(), 2);
    assert_eq!(world.states[&of("b")].since, since, "it is invalid as before");
    world.configuration.faults.clear();
    assert_eq!(settle(&mut world, configuration()).len(), 3);
    for of in [StateOf::Controller, of("a"), of("b")] {
        assert_eq!(says(&world, &of).0, Soundness::Valid);
    }
    assert_ne!(world.states[&of("b")].since, since);
}

#[test]
fn what_scripts_know_is_said_as_metallb_says_it() {
    let of = |kind, name: &str, field: &str, value: &str, rule: &str| Fault {
        field: field.to_owned(),
        value: value.to_owned(),
        rule: rule.to_owned(),
        ..fault(kind, name)
    };
    for (fault, summary) in [
        (
            of("BGPPeer", "peer1", "spec.bfdProfile", "my-bfd-profile", "names no BFDProfile that is in force"),
            "configuration error: peer peer1 referencing non existing bfd profile my-bfd-profile",
        ),
        (
            of("BGPAdvertisement", "ads", "spec.communities", "my-valid-alias", "names a community"),
            "configuration error: invalid community format: my-valid-alias\ninvalid community \"my-valid-alias\" in BGP advertisement",
        ),
        (
            of(
                "BGPAdvertisement",
                "ads",
                "spec.communities",
                "64",
                "are too many (max supported communities is 63, got 64)",
            ),
            "configuration error: max supported communities is 63, got 64",
        ),
        (
            of("BGPPeer", "two", "spec.peerAddress", "10.200.200.2", "already exists: it is that of one too"),
            "configuration error: peer 10.200.200.2 already exists, FRR mode doesn't support duplicate BGPPeers selecting the same node",
        ),
        (
            of(
                "BGPPeer",
                "peer1",
                "spec.passwordSecret.name",
                "bgp-password",
                "names a Secret of type Opaque (secret type mismatch)",
            ),
            "configuration error: parsing peer peer1 secret type mismatch on \"metallb-system\"/\"bgp-password\", type \"kubernetes.io/basic-auth\" is expected \nfailed to parse peer peer1 password secret",
        ),
        (
            of(
                "BGPPeer",
                "peer1",
                "spec.passwordSecret.name",
                "s",
                "names no Secret in metallb-system (secret ref not found)",
            ),
            "configuration error: parsing peer peer1 secret ref not found for peer config \"metallb-system\"/\"peer1\"\nfailed to parse peer peer1 password secret",
        ),
        (
            of(
                "BGPPeer",
                "peer1",
                "spec.passwordSecret.name",
                "s",
                "names a Secret without a password (password not specified in the secret)",
            ),
            "configuration error: parsing peer peer1 password not specified in the secret \"metallb-system\"/\"s\"\nfailed to parse peer peer1 password secret",
        ),
    ] {
        let mut world = World::new(&NODES);
        world.configuration.pending = vec![fault];
        settle(&mut world, Changes::everything());
        assert_eq!(says(&world, &StateOf::Speaker(node("a"))), (Soundness::Invalid, summary.to_owned()));
        assert_eq!(says(&world, &StateOf::Controller).0, Soundness::Valid);
    }
    assert_eq!(
        (StateOf::Controller.field_manager(), StateOf::Controller.condition()),
        ("poolReconciler", "poolReconcilerValid")
    );
    let speaker = StateOf::Speaker(node("a"));
    assert_eq!((speaker.field_manager(), speaker.condition()), ("configReconciler", "configReconcilerValid"));
}

#[test]
fn what_only_waits_is_told_by_the_nodes_that_wait() {
    let mut world = World::new(&NODES);
    world.configuration.pending = vec![fault("BGPAdvertisement", "far")];
    world.edit(&ConfiguredName::new(ConfigurationKind::BgpAdvertisement, "far")).nodes = vec![has("name", "a")];
    settle(&mut world, Changes::everything());
    let soundness = |of: &StateOf| says(&world, of).0;
    assert_eq!(soundness(&StateOf::Controller), Soundness::Valid);
    assert_eq!((soundness(&of("a")), soundness(&of("b"))), (Soundness::Invalid, Soundness::Valid));
}

#[test]
fn a_node_counts_as_what_its_labels_are_now() {
    let mut world = World::new(&NODES);
    world.configuration.faults = vec![fault("BGPPeer", "rack")];
    world.edit(&ConfiguredName::new(ConfigurationKind::Peer, "rack")).nodes = vec![has("name", "b")];
    settle(&mut world, Changes::everything());
    world.node("b").labels.clear();
    settle(&mut world, Changes { topology: true, ..Changes::default() });
    assert_eq!(says(&world, &of("b")).0, Soundness::Valid);
}

#[test]
fn nobody_knows_what_a_silent_speaker_does_and_one_that_complains_is_heard() {
    let mut world = World::new(&NODES);
    settle(&mut world, Changes::everything());
    world.speaker("a").live = false;
    world.speaker("b").refused = Some("192.0.2.1: no address".to_owned());
    let topology = || Changes { topology: true, ..Changes::default() };
    assert_eq!(settle(&mut world, topology()).len(), 2);
    assert_eq!(says(&world, &of("a")).0, Soundness::Unknown);
    let (soundness, errors) = says(&world, &of("b"));
    assert_eq!(soundness, Soundness::Invalid);
    assert!(errors.ends_with("every Announcement: 192.0.2.1: no address"), "{errors}");
    world.speaker("a").live = true;
    settle(&mut world, topology());
    assert_eq!(says(&world, &of("a")).0, Soundness::Valid);
    // The node goes, and with it what is said about it; then one whose speaker goes.
    world.nodes.remove(&node("a"));
    world.speakers.remove(&node("b"));
    settle(&mut world, topology());
    assert_eq!(world.states.keys().collect::<Vec<_>>(), [&StateOf::Controller]);
}

#[test]
fn what_others_do_to_it_is_put_right_but_what_a_pod_owns_is_left_to_it() {
    let mut world = World::new(&NODES);
    settle(&mut world, Changes::everything());
    let only = |of: &StateOf| Changes { states: BTreeSet::from([of.clone()]), ..Changes::default() };
    world.states.remove(&of("a"));
    assert_eq!(settle(&mut world, only(&of("a"))).len(), 1, "made again");
    world.states.get_mut(&of("b")).unwrap().content = None;
    assert_eq!(settle(&mut world, only(&of("b"))).len(), 1, "put right");
    assert_eq!(says(&world, &of("b")).0, Soundness::Valid);
    let foreign = ObservedState { resource_version: "1".to_owned(), content: None, since: None, owned: true };
    world.states.insert(StateOf::Controller, foreign.clone());
    world.states.insert(of("gone"), foreign.clone());
    assert_eq!(settle(&mut world, Changes::everything()), []);
    world.states.insert(of("gone"), ObservedState { owned: false, ..foreign });
    assert_eq!(settle(&mut world, Changes::everything()).len(), 1);
    assert!(!world.states.contains_key(&of("gone")));
}

#[test]
fn what_a_metallb_that_is_gone_said_about_bgp_goes() {
    let mut world = World::new(&NODES);
    settle(&mut world, Changes::everything());
    let left = |owned| ObservedBgpStatus { resource_version: "1".to_owned(), content: None, owned };
    world.bgp_statuses.insert("bgp-old".to_owned(), left(false));
    world.bgp_statuses.insert("bgp-running".to_owned(), left(true));
    let changes = Changes { bgp_statuses: world.bgp_statuses.keys().cloned().collect(), ..Changes::default() };
    let writes = settle(&mut world, changes);
    assert!(matches!(&writes[..], [Write::DeleteBgpStatus { name, .. }] if name == "bgp-old"), "{writes:?}");
    assert_eq!(settle(&mut world, Changes::everything()), []);
}

#[test]
fn what_a_speaker_says_about_bgp_stays_while_it_tells_peers() {
    let mut world = World::new(&NODES);
    settle(&mut world, Changes::everything());
    let content = BgpStatusContent {
        service: ServiceKey::new("shop", "web"),
        node: NODES[0].try_into().unwrap(),
        peers: BTreeSet::from(["tor".to_owned()]),
    };
    let says = |content| ObservedBgpStatus { resource_version: "1".to_owned(), content, owned: false };
    world.bgp_statuses.insert("bgp-said".to_owned(), says(Some(content.clone())));
    world.bgp_statuses.insert("bgp-half".to_owned(), says(None));
    let other = BgpStatusContent { node: NODES[1].try_into().unwrap(), ..content };
    world.bgp_statuses.insert("bgp-other".to_owned(), says(Some(other)));
    world.speaker(NODES[0]).tells_peers = true;
    let writes = settle(&mut world, Changes { topology: true, ..Changes::default() });
    assert!(matches!(&writes[..], [Write::DeleteBgpStatus { name, .. }] if name == "bgp-other"), "{writes:?}");
    world.speaker(NODES[0]).tells_peers = false;
    assert_eq!(settle(&mut world, Changes { topology: true, ..Changes::default() }).len(), 2);
}
