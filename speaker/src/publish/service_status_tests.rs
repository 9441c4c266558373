//! Which objects there should be, and what is done for that.

use arpeggio_common::model::{NodeName, Peer, Remote, RemoteAs};

use super::*;
use crate::bgp::wish;

fn inputs() -> BgpInputs {
    let peer =
        |name: &str, place: &str| Peer::new(name, 64_512, RemoteAs::External, Remote::Address(place.parse().unwrap()));
    let route = |prefix: &str, peers: &[&str], node: Option<&str>| Route {
        prefix: prefix.parse().unwrap(),
        local_pref: 0,
        communities: BTreeSet::new(),
        peers: peers.iter().map(|&peer| peer.to_owned()).collect(),
        nodes: node.map(|node| BTreeSet::from([NodeName::try_from(node).unwrap()])),
    };
    let peers = [peer("tor", "192.0.2.1"), peer("wan", "192.0.2.2"), peer("six", "2001:db8::1")];
    BgpInputs {
        node: NodeName::try_from("node-a").unwrap(),
        labels: [].into(),
        withheld: None,
        peers: Arc::new(peers.into_iter().map(|peer| (peer.name.clone(), peer)).collect()),
        secrets: Arc::default(),
        routes: [
            ("198.51.100.1".parse().unwrap(), [route("198.51.100.1/32", &[], None)].into()),
            ("198.51.100.2".parse().unwrap(), [route("198.51.100.2/32", &["wan"], None)].into()),
            ("198.51.100.3".parse().unwrap(), [route("198.51.100.3/32", &[], Some("node-b"))].into()),
            ("2001:db8:1::1".parse().unwrap(), [route("2001:db8:1::1/128", &[], None)].into()),
        ]
        .into(),
        faults: BTreeSet::new(),
    }
}

fn services() -> BTreeMap<IpAddr, Arc<[String]>> {
    let of = |address: &str, names: &[&str]| {
        (address.parse().unwrap(), names.iter().map(|&name| name.to_owned()).collect::<Arc<[String]>>())
    };
    [
        of("198.51.100.1", &["shop/web", "shop/api"]),
        of("198.51.100.2", &["shop/back"]),
        of("198.51.100.3", &["shop/elsewhere"]),
        of("2001:db8:1::1", &["shop/web"]),
    ]
    .into()
}

fn told(inputs: &BgpInputs) -> Vec<String> {
    let wanted = wanted(&wish(inputs), inputs, &services());
    let mut told: Vec<String> = wanted
        .values()
        .map(|(namespace, name, peers)| {
            format!("{namespace}/{name}: {}", peers.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
        })
        .collect();
    told.sort_unstable();
    told
}

#[test]
fn a_service_names_the_peers_that_its_sessions_carry() {
    let mut inputs = inputs();
    // Both families of one Service are in one object; a route of IPv4 is not for the peer of IPv6.
    assert_eq!(told(&inputs), ["shop/api: tor wan", "shop/back: wan", "shop/web: six tor wan"]);
    inputs.withheld = Some(arpeggio_common::model::Withheld::Excluded);
    assert_eq!(told(&inputs), [""; 0]);
}

#[test]
fn what_differs_is_written_and_the_second_time_nothing() {
    let inputs = inputs();
    let wanted = wanted(&wish(&inputs), &inputs, &services());
    let mut there: BTreeMap<String, Option<Content>> = BTreeMap::from([("bgp-old".to_owned(), None)]);
    let steps = plan(&wanted, &there);
    assert_eq!((steps.len(), &steps[0]), (4, &Step::Delete("bgp-old".to_owned())));
    there = wanted.iter().map(|(name, content)| (name.clone(), Some(content.clone()))).collect();
    assert_eq!(plan(&wanted, &there), []);
    let (name, content) = wanted.iter().next().unwrap();
    for other in [None, Some((content.0.clone(), content.1.clone(), BTreeSet::new()))] {
        there.insert(name.clone(), other);
        assert_eq!(plan(&wanted, &there), [Step::Write(name, content)]);
    }
}

#[test]
fn names_and_labels_are_those_of_metallb() {
    let content = ("shop".to_owned(), "web".to_owned(), BTreeSet::from(["tor".to_owned()]));
    let object = object("bgp-1", &content, "node-a");
    let labels = object.metadata.labels.unwrap();
    let expected =
        [("metallb.io/node", "node-a"), ("metallb.io/service-name", "web"), ("metallb.io/service-namespace", "shop")];
    assert_eq!(labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
    assert!(wanted(&wish(&inputs()), &inputs(), &services()).keys().all(|name| name.starts_with("bgp-")));
}
