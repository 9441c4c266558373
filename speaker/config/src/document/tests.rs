//! Accepts and refuses, as an administrator would meet them.

use std::{collections::BTreeSet, fmt::Write as _, path::Path, time::Duration};

use arpeggio_common::model::Mode;
use arpeggio_succession::generation::{Basis, MOST_COUNTED, basis};
use proptest::prelude::*;
use rstest::rstest;

use super::*;

const WHOLE: &str = "\
node: node-b
announcements:
  - address: 192.0.2.10
    pool: home
    l2:
      candidates: [node-a, node-b]
      interfaces: [eth0]
      mode: Shared
  - address: 2001:db8::a
    l2: {candidates: [node-b], interfaces: null}
  - address: 192.0.2.11
    pool: spare
interfaces:
  - name: eth0
    attach: native
  - {name: eth1}
gratuitous:
  refresh: 60s
lease:
  renew: 500ms
  duration: 4s
succession:
  failover: calm
  misses: 5
  witnesses: [192.0.2.1, \"2001:db8::1\"]
  evacuate: true
  proxy_arp: respect
";

fn node(name: &str) -> NodeName {
    NodeName::try_from(name).unwrap()
}

fn parse(text: &str) -> Result<Config, FileError> {
    Config::parse(text, Path::new("/etc/a.yaml"), &defaults())
}

fn defaults() -> Defaults {
    Defaults { host_name: Some(node("here")), ..Defaults::default() }
}

fn lease(renew_ms: u64, duration_ms: u64) -> LeaseTimes {
    LeaseTimes::new(Duration::from_millis(renew_ms), Duration::from_millis(duration_ms)).unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn the_whole_file_is_understood() {
    let config = parse(WHOLE).unwrap();
    assert_eq!(config.node, node("node-b"));
    let shared = &config.announcements[&address("192.0.2.10")];
    assert_eq!(shared.candidates(), [node("node-a"), node("node-b")]);
    assert_eq!(shared.interfaces(), &BTreeSet::from([InterfaceName::try_from("eth0").unwrap()]));
    assert_eq!(shared.mode(), Mode::Shared);
    let other = &config.announcements[&address("2001:db8::a")];
    assert!(other.interfaces().is_empty() && other.covers("eth7"));
    assert_eq!(other.mode(), Mode::Exclusive);
    assert_eq!(config.announcements.len(), 2, "an announcement without l2 does nothing here");
    let pools = BTreeMap::from([(address("192.0.2.10"), "home".into()), (address("192.0.2.11"), "spare".into())]);
    assert_eq!(config.pools, pools);
    let policy = |name| config.policies[&InterfaceName::try_from(name).unwrap()];
    assert_eq!((policy("eth0"), policy("eth1")), (AttachPolicy::Native, AttachPolicy::Auto));
    assert_eq!(config.refresh, Some(Duration::from_secs(60)));
    assert_eq!(config.lease, lease(500, 4000));
    let succession = SuccessionConfig {
        pace: Pace::new(Duration::from_millis(200), 5).unwrap(),
        witnesses: BTreeSet::from([address("192.0.2.1"), address("2001:db8::1")]),
        evacuate: true,
        proxy_arp: ProxyArp::Respect,
        ..SuccessionConfig::default()
    };
    assert_eq!(config.succession, succession);
}

#[rstest]
#[case("announcements: []")]
#[case("announcements: []\ninterfaces: []\nlease: null\ngratuitous: {}\n")]
#[case("\u{feff}announcements: []\r\n")]
fn what_is_left_out_has_its_default(#[case] text: &str) {
    let nothing = Config {
        node: node("here"),
        cluster: "".into(),
        generation: None,
        announcements: BTreeMap::new(),
        pools: BTreeMap::new(),
        policies: BTreeMap::new(),
        refresh: None,
        lease: lease(1000, 10_000),
        succession: SuccessionConfig::default(),
        bgp: Arc::default(),
    };
    assert_eq!(parse(text), Ok(nothing));
}

#[test]
fn an_order_of_a_file_is_as_new_as_the_file_says_or_as_it_is() {
    let text = "announcements: [{address: 192.0.2.1, l2: {candidates: [here]}}]";
    let of = |text: &str| parse(text).map(|config| basis(config.of_file(1_796_000_000).newest_order()));
    assert_eq!(of(text), Ok(Basis::Changed(1_796_000_000)));
    assert_eq!(of(&format!("generation: 12\n{text}")), Ok(Basis::Counted(12)));
    assert_eq!(of("announcements: []"), Ok(Basis::Unknown));
    for wrong in ["0", "-1", "twelve", "4503599627370496", "99999999999999999999"] {
        let error = parse(&format!("generation: {wrong}\n{text}")).unwrap_err().to_string();
        assert!(error.contains("1: generation: ") && error.contains("is no number from 1"), "{error}");
    }
    let settings = Config::settings("generation: 12", Path::new("a"), &defaults()).unwrap_err().to_string();
    assert!(settings.contains("generation: ") && settings.contains("Kubernetes API"), "{settings}");
}

#[test]
fn nodes_of_two_clusters_have_two_identities() {
    let id = |text: &str| parse(text).map(|config| config.id()).map_err(|error| error.to_string());
    let name = node("here");
    assert_eq!(id("announcements: []"), Ok(NodeId::of("", &name)));
    assert_eq!(id("cluster: east\nannouncements: []"), Ok(NodeId::of("east", &name)));
    for wrong in ["''", "'a b'", "\"a\\0\""] {
        let error = id(&format!("cluster: {wrong}")).unwrap_err();
        assert!(error.contains("1: cluster: ") && error.contains("cannot name a cluster"), "{error}");
    }
}

#[test]
fn the_flag_beats_the_file_and_the_file_beats_the_host_name() {
    let name = |text, flag, host| {
        let defaults = Defaults { node_flag: flag, host_name: host, ..Defaults::default() };
        Config::parse(text, Path::new("a"), &defaults)
            .map(|config| config.node.to_string())
            .map_err(|error| error.to_string())
    };
    let [flag, host] = ["flag", "host"].map(|name| Some(node(name)));
    assert_eq!(name("{node: file, announcements: []}", flag.clone(), host.clone()), Ok("flag".to_owned()));
    assert_eq!(name("{node: file, announcements: []}", None, host.clone()), Ok("file".to_owned()));
    assert_eq!(name("announcements: []", None, host), Ok("host".to_owned()));
    assert!(name("node: F", flag, None).unwrap_err().starts_with("a:1: node: "), "a wrong name is wrong at any rate");
    assert!(name("announcements: []", None, None).unwrap_err().contains("or start with --node-name"));
}

#[test]
fn the_pace_of_the_command_line_is_the_default_and_the_preset_is_overruled_field_by_field() {
    let pace = |ms, misses| Pace::new(Duration::from_millis(ms), misses).unwrap();
    let defaults = Defaults { pace: pace(30, 4), ..defaults() };
    let config = |text| {
        Config::settings(text, Path::new("a"), &defaults)
            .map(|config| config.succession.pace)
            .map_err(|e| e.to_string())
    };
    assert_eq!(config("node: a"), Ok(pace(30, 4)));
    assert_eq!(config("succession: {misses: 2}"), Ok(pace(30, 2)));
    assert_eq!(config("succession: {failover: fast}"), Ok(Pace::FAST));
    assert_eq!(config("succession: {failover: fast, heartbeat: 100ms}"), Ok(pace(100, 3)));
    for (text, wrong) in [
        ("succession: {failover: quick}", "succession.failover: \"quick\" is no preset; write default, fastest"),
        ("succession: {heartbeat: 1ms}", "succession.heartbeat: a heartbeat interval of 1ms cannot be used"),
        ("succession: {misses: 1}", "succession.misses: 1 missed heartbeats cannot"),
        ("succession: {misses: few}", "succession.misses: \"few\": invalid digit"),
        (
            "succession: {proxy_arp: both}",
            "succession.proxy_arp: unknown variant `both`, expected `announce` or `respect`",
        ),
        ("succession: {evacuate: perhaps}", "succession.evacuate: \"perhaps\": provided string was not"),
        ("succession: {witnesses: [gateway]}", "succession.witnesses[0]: \"gateway\": invalid IP"),
        ("succession: {witnesses: [192.0.2.1, 224.0.0.1]}", "succession.witnesses[1]: 224.0.0.1 is no machine"),
    ] {
        let error = config(text).unwrap_err();
        assert!(error.starts_with(&format!("a:1: {wrong}")), "{error}");
    }
}

#[test]
fn the_lease_of_the_command_line_is_the_default() {
    let defaults = Defaults { lease: lease(200, 1000), ..defaults() };
    let config = |text| Config::settings(text, Path::new("a"), &defaults);
    assert_eq!(config("node: a").unwrap().lease, lease(200, 1000));
    assert_eq!(config("lease: {duration: 3s}").unwrap().lease, lease(200, 3000));
    let error = config("lease: {renew: 600ms}").unwrap_err().to_string();
    assert!(error.starts_with("a:1: lease.renew: the lease of 1s must be at least twice"), "{error}");
}

#[rstest]
#[case("")]
#[case("# nothing\n")]
#[case("---\n")]
#[case("null")]
fn an_empty_file_is_refused(#[case] text: &str) {
    let error = parse(text).unwrap_err().to_string();
    assert_eq!(
        error,
        "/etc/a.yaml: the file holds no configuration; write \"announcements: []\" if nothing is to be announced"
    );
}

#[rstest]
#[case::node("node: Node_A", 1, "node", "\"Node_A\" is not a DNS subdomain")]
#[case::no_address("announcements:\n- pool: x", 2, "announcements[0].address", "every announcement needs one")]
#[case::null_address("announcements:\n- address:", 2, "announcements[0].address", "every announcement needs one")]
#[case::no_ip("announcements:\n- address: 192.0.2.10/32", 2, "announcements[0].address", "without prefix length")]
#[case::number("announcements:\n- address: 7", 2, "announcements[0].address", "\"7\" is not an IP address")]
#[case::unicast(
    "announcements:\n- address: 224.0.0.9\n  l2: {candidates: []}",
    2,
    "announcements[0].address",
    "a multicast address; announce a unicast"
)]
#[case::candidate(
    "announcements:\n- address: 192.0.2.1\n  l2:\n    candidates:\n    - a\n    - A",
    6,
    "announcements[0].l2.candidates[1]",
    "\"A\" is not a DNS subdomain; use lower-case"
)]
#[case::candidate_twice(
    "announcements:\n- address: 192.0.2.1\n  l2:\n    candidates:\n    - a\n    - a",
    6,
    "announcements[0].l2.candidates[1]",
    "candidate a is listed already on line 5; name each node once"
)]
#[case::interface(
    "announcements:\n- address: 192.0.2.1\n  l2: {candidates: [a],\n    interfaces: [eth0/1]}",
    4,
    "announcements[0].l2.interfaces[0]",
    "cannot exist on Linux; use"
)]
#[case::mode(
    "announcements:\n- address: 192.0.2.1\n  l2: {candidates: [], mode: exclusive}",
    3,
    "announcements[0].l2.mode",
    "expected `Exclusive` or `Shared`"
)]
#[case::twice(
    "announcements:\n- {address: 192.0.2.1, pool: a}\n- {address: ::ffff:192.0.2.1, pool: a}",
    3,
    "announcements[1].address",
    "192.0.2.1 is announced already on line 2; keep one"
)]
#[case::attach("interfaces:\n- {name: eth0, attach: nativ}", 2, "interfaces[0].attach", "`native`")]
#[case::no_name("interfaces:\n- attach: native", 2, "interfaces[0].name", "names an interface")]
#[case::policy_twice("interfaces:\n- name: a\n- name: a", 3, "interfaces[1].name", "already on line 2")]
#[case::no_time("gratuitous:\n  refresh: 60", 2, "gratuitous.refresh", "write a number and a unit")]
#[case::too_often("gratuitous: {refresh: 10ms}", 1, "gratuitous.refresh", "not between 1s and 24h; choose")]
#[case::never("gratuitous: {refresh: 0s}", 1, "gratuitous.refresh", "leave the field out")]
#[case::renewal("lease: {renew: 1ms, duration: 1s}", 1, "lease.renew", "shorter than 10ms; renew less often")]
#[case::lease("lease: {duration: 2h}", 1, "lease.duration", "longer than 1h")]
#[case::short_lease(
    "lease:\n  renew: 3s\n  duration: 5s",
    3,
    "lease.duration",
    "the lease of 5s must be at least twice"
)]
#[case::long_renewal("lease:\n  renew: 6s", 2, "lease.renew", "the lease of 10s must be at least twice")]
#[case::unknown("anouncements: []", 1, "anouncements", "did you mean \"announcements\"?")]
#[case::unknown_below(
    "announcements:\n- address: 192.0.2.1\n  l2:\n    candidate: [a]",
    4,
    "announcements[0].l2.candidate",
    "did you mean \"candidates\"?"
)]
#[case::foreign("lease:\n  bgp: 1", 2, "lease.bgp", "the known ones are renew, duration")]
#[case::key_twice("node: a\nnode: b", 2, "", "stands here twice")]
#[case::shape(
    "announcements:\n- address: 192.0.2.1\n  l2: yes",
    3,
    "announcements[0].l2",
    "a mapping is expected here; write"
)]
#[case::list("announcements:\n- address: [192.0.2.1]", 2, "announcements[0].address", "a single value is expected")]
#[case::null_candidate(
    "announcements:\n- address: 192.0.2.1\n  l2: {candidates: [null]}",
    3,
    "announcements[0].l2.candidates[0]",
    "the value is missing; write one or leave"
)]
#[case::flat("announcements: {}", 1, "announcements", "a list is expected here; write")]
#[case::no_yaml("announcements: [", 1, "announcements", "mend the YAML")]
#[case::two_documents("node: a\n---\nnode: b", 3, "", "one file is one document")]
fn every_rule_has_its_sentence(#[case] text: &str, #[case] line: u64, #[case] field: &str, #[case] said: &str) {
    let error = parse(text).unwrap_err();
    assert_eq!(error.problems.len(), 1, "{error}");
    let problem = &error.problems[0];
    assert!(problem.text.contains(said), "{error}");
    assert_eq!((problem.line, problem.field.as_str()), (Some(line), field), "{error}");
    assert!(error.to_string().starts_with(&format!("/etc/a.yaml:{line}: ")), "{error}");
}

/// Editors, full disks and copies that were interrupted leave the beginning of a file.
#[rstest]
#[case::before_the_list(
    "node: a\n",
    None,
    "announcements",
    "it is missing, as in a file that is cut off; write the rest"
)]
#[case::nothing_below(
    "node: a\nannouncements:\n",
    Some(2),
    "announcements",
    "write the rest, or \"announcements: []\" if"
)]
#[case::null("announcements: null", Some(1), "announcements", "nothing stands below it")]
#[case::address_alone(
    "announcements:\n- address: 192.0.2.1\n",
    Some(2),
    "announcements[0].l2",
    "name candidates below l2"
)]
#[case::l2_alone(
    "announcements:\n- address: 192.0.2.1\n  l2:\n",
    Some(3),
    "announcements[0].l2.candidates",
    "it is missing"
)]
#[case::l2_empty(
    "announcements:\n- address: 192.0.2.1\n  l2: {}\n",
    Some(3),
    "announcements[0].l2.candidates",
    "or \"candidates: []\" if no node may have it"
)]
#[case::candidates_alone(
    "announcements:\n- address: 192.0.2.1\n  l2:\n    candidates:\n",
    Some(4),
    "announcements[0].l2.candidates",
    "nothing stands below it"
)]
fn a_file_that_is_cut_off_is_refused(
    #[case] text: &str,
    #[case] line: Option<u64>,
    #[case] field: &str,
    #[case] said: &str,
) {
    let error = parse(text).unwrap_err();
    let [problem] = error.problems.as_slice() else { panic!("{error}") };
    assert_eq!((problem.line, problem.field.as_str()), (line, field), "{error}");
    assert!(problem.text.contains(said), "{error}");
}

#[test]
fn an_empty_list_is_meant() {
    let config = parse("announcements:\n- address: 192.0.2.1\n  l2: {candidates: []}").unwrap();
    assert!(config.announcements[&address("192.0.2.1")].candidates().is_empty());
    assert!(parse("announcements: []").unwrap().announcements.is_empty());
}

#[test]
fn all_wrong_values_are_told_at_once() {
    let text = "\
node: .a
announcements:
- address: nowhere
- address: 0.0.0.0
  l2: {candidates: [A, b, B, b], interfaces: [x/y], mode: Both}
- {address: 192.0.2.1, pool: a}
- {address: 192.0.2.1, pool: a}
interfaces:
- {attach: fast}
gratuitous: {refresh: soon}
lease: {renew: 0s, duration: 1y}
";
    let error = parse(text).unwrap_err();
    let found: Vec<_> = error.problems.iter().map(|problem| (problem.line.unwrap(), problem.field.as_str())).collect();
    assert_eq!(
        found,
        [
            (1, "node"),
            (3, "announcements[0].address"),
            (5, "announcements[1].l2.candidates[0]"),
            (5, "announcements[1].l2.candidates[2]"),
            (5, "announcements[1].l2.candidates[3]"),
            (5, "announcements[1].l2.interfaces[0]"),
            (5, "announcements[1].l2.mode"),
            (4, "announcements[1].address"),
            (7, "announcements[3].address"),
            (9, "interfaces[0].attach"),
            (9, "interfaces[0].name"),
            (10, "gratuitous.refresh"),
            (11, "lease.renew"),
            (11, "lease.duration"),
        ],
        "{error}"
    );
}

/// Ten thousand announcements are the size we promise. The bound is loose because the machine may be busy and the test is
/// not optimised; it is there to catch a parser that grows with the square.
#[test]
fn ten_thousand_announcements_are_read_in_seconds() {
    let mut text = String::from("announcements:\n");
    for index in 0..10_000_u32 {
        let [_, _, c, d] = index.to_be_bytes();
        write!(
            text,
            "  - address: 10.1.{c}.{d}\n    pool: home\n    l2:\n      candidates: [node-a, node-b, node-c]\n"
        )
        .unwrap();
    }
    #[expect(clippy::disallowed_methods, reason = "measures how long reading takes")]
    let start = std::time::Instant::now();
    let config = parse(&text).unwrap();
    let taken = start.elapsed();
    println!("{} bytes, 10,000 announcements: {taken:?}", text.len());
    assert_eq!(config.announcements.len(), 10_000);
    assert!(taken < Duration::from_secs(10), "{taken:?}");
}

fn name() -> impl Strategy<Value = NodeName> {
    // Among them names that YAML could take for numbers, truth values and nothing.
    prop_oneof![
        "[a-z0-9]{1,8}(-[a-z0-9]{1,4})?",
        Just("null".to_owned()),
        Just("yes".to_owned()),
        Just("1.5".to_owned())
    ]
    .prop_map(|text| node(&text))
}

fn interface() -> impl Strategy<Value = InterfaceName> {
    "[a-z0-9._@#&*!|>'\"%-]{1,15}"
        .prop_filter_map("a name the kernel takes", |text| InterfaceName::try_from(text.as_str()).ok())
}

fn announcement() -> impl Strategy<Value = Announcement> {
    let address = prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
    let candidates =
        proptest::collection::btree_set(name(), 0..5).prop_map(|names| names.into_iter().collect::<Vec<_>>());
    let interfaces = proptest::collection::btree_set(interface(), 0..3);
    let mode = prop_oneof![Just(Mode::Exclusive), Just(Mode::Shared)];
    (address, candidates, interfaces, mode)
        .prop_filter_map("a unicast address", |(address, candidates, interfaces, mode)| {
            Announcement::new(address, candidates, interfaces, mode).ok()
        })
}

fn policy() -> impl Strategy<Value = AttachPolicy> {
    use AttachPolicy::{Auto, Generic, Native, Tcx, User};
    prop::sample::select(vec![Auto, Native, Tcx, Generic, User])
}

prop_compose! {
    fn succession()(
        interval in 5_u64..10_000,
        misses in 2_u32..=20,
        witnesses in proptest::collection::btree_set(any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([10, a, b, c])), 0..3),
        evacuate: bool,
        key_file in proptest::option::of("/[a-z0-9/._ -]{0,20}[a-z]"),
        proxy_arp in prop::sample::select(vec![ProxyArp::Announce, ProxyArp::Respect]),
    ) -> SuccessionConfig {
        let pace = Pace::new(Duration::from_millis(interval), misses).unwrap();
        let key_file = key_file.map(Into::into);
        SuccessionConfig { pace, witnesses, evacuate, key_file, proxy_arp, ..SuccessionConfig::default() }
    }
}

prop_compose! {
    fn configs()(
        node in name(),
        cluster in "[!-~]{0,9}",
        generation in proptest::option::of((1..=MOST_COUNTED).prop_map(|number| NonZeroU64::new(number).unwrap())),
        announcements in proptest::collection::vec((announcement(), proptest::option::of(any::<String>())), 0..8),
        policies in proptest::collection::btree_map(interface(), policy(), 0..4),
        refresh in proptest::option::of(1_000_u64..86_400_000),
        renew in 10_u64..1000,
        duration in 2000_u64..3_600_000,
        succession in succession(),
    ) -> Config {
        let pool = |(announcement, pool): &(Announcement, Option<String>)| Some((announcement.address(), pool.as_deref()?.into()));
        Config {
            node,
            cluster: cluster.into(),
            generation,
            pools: announcements.iter().filter_map(pool).collect(),
            announcements: announcements.into_iter().map(|(announcement, _)| (announcement.address(), announcement.into())).collect(),
            policies,
            refresh: refresh.map(Duration::from_millis),
            lease: lease(renew, duration),
            succession,
            bgp: Arc::default(),
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text: String) {
        let _ = parse(&text);
    }

    #[test]
    fn no_damaged_file_panics(at in 0..WHOLE.len(), garbage in "[\\x00-\\x7f]{0,4}") {
        let mut text = WHOLE.to_owned();
        text.insert_str(at, &garbage);
        let _ = parse(&text);
        let _ = parse(&text[..at]);
    }

    #[test]
    fn what_is_printed_is_read_again(config in configs()) {
        let text = config.to_yaml().unwrap();
        prop_assert_eq!(parse(&text), Ok(config), "{}", text);
    }
}
