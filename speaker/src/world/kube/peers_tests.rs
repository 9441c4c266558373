//! Peers, profiles and Secrets as they come.

use kube::core::Status;
use serde_json::{Value, json};

use super::*;
use crate::world::SecretValue;

struct Fixture {
    state: State,
    named: watch::Receiver<BTreeSet<String>>,
    found: watch::Sender<Secrets>,
    seen: Seen,
}

impl Fixture {
    /// Profiles and node are known, peers are not.
    fn new() -> Self {
        let (names, named) = watch::channel(BTreeSet::new());
        let (found, secrets) = watch::channel(Secrets::default());
        let mut fixture = Self { state: State::new(names, secrets), named, found, seen: Seen::default() };
        fixture.state.profiles.take(&fixture.seen, "p", Ok(Event::InitDone));
        fixture.label("one");
        fixture
    }

    fn label(&mut self, rack: &str) {
        let node = json!({"metadata": {"name": "node-a", "labels": {"rack": rack}}});
        self.state.node(Some(Event::Apply(serde_json::from_value(node).unwrap())));
    }

    fn peer(&mut self, name: &str, spec: Value) {
        self.event(Event::Apply(object(name, spec)));
    }

    fn event(&mut self, event: Event<Decoded<BGPPeer>>) -> bool {
        self.state.peers.take(&self.seen, "peers", Ok(event))
    }

    fn judge(&mut self) -> Option<Vec<String>> {
        let node = NodeName::try_from("node-a").unwrap();
        self.state.judge((&node, "m")).map(|(peers, _)| peers.keys().cloned().collect())
    }

    fn is_complete(&mut self) -> bool {
        let node = NodeName::try_from("node-a").unwrap();
        self.state.judge((&node, "m")).is_some_and(|(_, complete)| complete)
    }
}

fn object(name: &str, spec: Value) -> Decoded<BGPPeer> {
    serde_json::from_value(json!({"metadata": {"name": name, "namespace": "m"}, "spec": spec})).unwrap()
}

fn tor() -> Value {
    json!({"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1"})
}

#[test]
fn nothing_is_said_before_everything_is_known() {
    let mut fixture = Fixture::new();
    fixture.event(Event::InitApply(object("tor", tor())));
    assert_eq!(fixture.judge(), None, "the list is not complete");
    fixture.event(Event::InitDone);
    assert_eq!(fixture.judge(), Some(vec!["tor".to_owned()]));
    // A list without it.
    fixture.event(Event::Init);
    assert_eq!(fixture.judge(), Some(vec!["tor".to_owned()]));
    fixture.event(Event::InitDone);
    assert_eq!(fixture.judge(), Some(vec![]));
}

#[test]
fn a_kind_that_is_not_installed_has_no_objects() {
    let mut fixture = Fixture::new();
    let failed = |code| {
        let status = Status::failure("no", "NotFound").with_code(code).boxed();
        Err(watcher::Error::InitialListFailed(Error::Api(status)))
    };
    assert!(!fixture.state.peers.take(&fixture.seen, "peers", failed(403)));
    assert_eq!(fixture.judge(), None, "that it must not be listed says nothing about what there is");
    assert!(fixture.state.peers.take(&fixture.seen, "peers", failed(404)));
    assert_eq!(fixture.judge(), Some(vec![]));
    assert_eq!(fixture.seen.state().watches.len(), 1, "that BGP is not installed is no fault");
}

#[test]
fn a_secret_is_asked_for_by_the_nodes_with_a_session_and_waited_for() {
    let mut fixture = Fixture::new();
    fixture.event(Event::InitDone);
    let mut spec = tor();
    spec["passwordSecret"] = json!({"name": "bgp"});
    spec["nodeSelectors"] = json!([{"matchLabels": {"rack": "one"}}]);
    fixture.peer("tor", spec);
    assert!(!fixture.is_complete());
    assert_eq!(*fixture.named.borrow_and_update(), BTreeSet::from(["bgp".to_owned()]));
    fixture.found.send_replace(Arc::new([("bgp".to_owned(), SecretValue::Password("x".to_owned()))].into()));
    assert!(fixture.is_complete());
    fixture.label("two");
    assert!(fixture.is_complete(), "it is for others");
    assert!(fixture.named.borrow_and_update().is_empty());
}

#[test]
fn an_edit_that_breaks_a_peer_leaves_it_as_it_was() {
    let mut fixture = Fixture::new();
    fixture.event(Event::InitDone);
    fixture.peer("tor", tor());
    fixture.judge();
    fixture.peer("tor", json!({"myASN": 0}));
    assert_eq!(fixture.judge(), Some(vec!["tor".to_owned()]));
    assert_eq!(fixture.state.before.peers["tor"].my_asn, 64_512);
    fixture.event(Event::Delete(object("tor", tor())));
    assert_eq!(fixture.judge(), Some(vec![]));
}

#[test]
fn peers_that_never_meet_here_do_not_exclude_each_other() {
    let mut fixture = Fixture::new();
    fixture.event(Event::InitDone);
    for (name, asn, rack) in [("one", 64_512, "one"), ("two", 64_600, "two")] {
        let mut spec = tor();
        (spec["myASN"], spec["nodeSelectors"]) = (json!(asn), json!([{"matchLabels": {"rack": rack}}]));
        fixture.peer(name, spec);
    }
    assert_eq!(fixture.judge(), Some(vec!["one".to_owned(), "two".to_owned()]));
}
