//! Accepts and refuses of the section `bgp`.

use std::path::Path;

use super::super::{Config, Defaults};

const WHOLE: &str = "\
node: node-a
announcements:
  - {address: 192.0.2.10, pool: home}
  - {address: 192.0.2.11, pool: spare, l2: {candidates: [node-a]}}
  - {address: \"2001:db8::10\", pool: home}
bgp:
  communities:
    - {name: rack, value: \"64512:7\"}
  bfdProfiles:
    - {name: fast, receiveInterval: 50, transmitInterval: 50}
  peers:
    - name: tor
      myASN: 64512
      peerASN: 64513
      peerAddress: 192.0.2.1
      password: s3cret
      bfdProfile: fast
    - name: other
      myASN: 64512
      peerASN: 64514
      peerAddress: 192.0.2.2
      nodeSelectors:
        - matchLabels: {kubernetes.io/hostname: node-b}
  advertisements:
    - {name: all, communities: [rack, \"64512:8\"]}
    - name: network
      ipAddressPools: [home]
      aggregationLength: 24
      localPref: 100
      peers: [tor]
    - name: elsewhere
      nodeSelectors:
        - matchLabels: {kubernetes.io/hostname: node-b}
";

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("a"), &Defaults::default()).map_err(|error| error.to_string())
}

#[test]
fn peers_and_routes_of_a_file_are_those_of_the_node() {
    let config = parse(WHOLE).unwrap();
    let bgp = &config.bgp;
    let tor = &bgp.peers["tor"];
    assert_eq!((tor.my_asn, tor.bfd.as_ref().unwrap().receive_interval), (64_512, Some(50)));
    assert!(tor.covers_node(&bgp.labels) && !bgp.peers["other"].covers_node(&bgp.labels));
    let told = |address: &str| {
        let routes = bgp.routes[&address.parse().unwrap()].iter();
        routes.map(|route| (route.prefix.to_string(), route.communities.len(), route.local_pref)).collect::<Vec<_>>()
    };
    assert_eq!(told("192.0.2.10"), [("192.0.2.10/32".to_owned(), 2, 0), ("192.0.2.0/24".to_owned(), 0, 100)]);
    assert_eq!(told("192.0.2.11"), [("192.0.2.11/32".to_owned(), 2, 0)]);
    assert_eq!(told("2001:db8::10")[0].0, "2001:db8::10/128");
    assert!(!format!("{config:?}").contains("s3cret"));
    // What is printed is read again.
    let again = parse(&config.to_yaml().unwrap()).unwrap();
    assert_eq!(again, config);
    assert_eq!(parse("node: node-a\nannouncements: []").unwrap().bgp.peers.len(), 0);
}

#[test]
fn every_fault_has_its_line_and_its_field() {
    for (from, to, line, text) in [
        (
            "myASN: 64512\n      peerASN: 64513",
            "myASN: 0\n      peerASN: 64513",
            12,
            "peers[0].myASN: \"0\" is not the number",
        ),
        ("peerASN: 64513", "peerASM: 64513", 12, "did you mean \"peerASN\"?"),
        ("peerASN: 64513", "peerASN: many", 12, "peers[0].peerASN: \"many\" cannot be read"),
        ("bfdProfile: fast", "bfdProfile: fats", 12, "peers[0].bfdProfile: \"fats\" names no BFDProfile"),
        ("password: s3cret", "passwordSecret: {name: bgp}", 12, "there is no field \"passwordSecret\" here"),
        ("receiveInterval: 50", "receiveInterval: 5", 10, "bfdProfiles[0].receiveInterval"),
        ("name: other", "name: tor", 18, "stands on line 12 already"),
        ("- name: other\n      myASN: 64512", "- myASN: 64512", 18, "there is no name"),
        ("communities: [rack,", "communities: [rick,", 25, "advertisements[0].communities: \"rick\" names a community"),
        ("aggregationLength: 24", "aggregationLength: 33", 26, "advertisements[1].aggregationLength"),
        ("value: \"64512:7\"", "value: \"seven\"", 8, "bgp.communities"),
        ("  bfdProfiles:", "  bfdprofiles:", 9, "did you mean \"bfdProfiles\"?"),
    ] {
        assert!(WHOLE.contains(from), "{from}");
        let error = parse(&WHOLE.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(&format!("a:{line}: ")) && error.contains(text), "{to}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn settings_say_nothing_about_bgp() {
    let text = "bgp: {peers: [{name: tor, myASN: 1, peerASN: 2, peerAddress: 192.0.2.1}]}";
    let defaults = Defaults { node_flag: Some("node-a".try_into().unwrap()), ..Defaults::default() };
    let error = Config::settings(text, Path::new("a"), &defaults).unwrap_err().to_string();
    assert!(error.contains("bgp: ") && error.contains("Kubernetes API"), "{error}");
}
