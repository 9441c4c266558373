//! From facts to the text people read.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::{
    abi::{ALL_BUCKETS, Action, Flags, Outcome, Sighting, SightingKind, Stats, Vip},
    model::NodeName,
    wire::Mac,
};

use super::*;
use crate::{
    decide::{AttachMode, Desired, DesiredInterface, DesiredVip},
    world::{AttachPolicy, Link, LinkKind, Links, testing::card},
};

const NOW: u64 = 1_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

fn link(index: u32, name: &str) -> Link {
    card(u8::try_from(index).unwrap(), name, &[])
}

fn entry(action: Action, mac: u8, stats: Stats) -> EntryFacts {
    let buckets = if action == Action::Answer { ALL_BUCKETS } else { 0 };
    EntryFacts { vip: Vip::new([2, 0, 0, 0, 0, mac], action, 0, buckets), stats }
}

fn wanted(action: Action, mac: u8) -> DesiredVip {
    let buckets = if action == Action::Answer { ALL_BUCKETS } else { 0 };
    DesiredVip { mac: Mac([2, 0, 0, 0, 0, mac]), action, flags: Flags::NONE, buckets, may_own: true, generation: 0 }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn asked(requests: u64, last_ns: u64, client: Option<&str>) -> Stats {
    let mut stats = Stats::default();
    (stats.requests, stats.replies, stats.last_request_ns) = (requests, requests, last_ns);
    if let Some(client) = client {
        let client = match ip(client) {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        stats.remember(client.octets(), [6, 0, 0, 0, 0, 9], last_ns);
    }
    stats
}

fn refused(mut stats: Stats) -> Stats {
    (stats.suppressed, stats.replies) = (stats.requests, 0);
    stats
}

/// Two interfaces in use and two that are not; an owned, a suppressed, an observed, a failed and an unplaced address.
fn facts() -> Facts {
    let interface = |name: &str, mac: u8| DesiredInterface {
        name: name.to_owned(),
        mac: Mac([2, 0, 0, 0, 0, mac]),
        kind: LinkKind::Physical,
        carries_vlans: false,
        carrier: true,
        policy: AttachPolicy::Auto,
    };
    Facts {
        api: None,
        silence: Silence::NotRunning,
        now_ns: NOW,
        node: Some(NodeName::try_from("node-a").unwrap()),
        cluster: "east".into(),
        agent: Some(AgentFacts { pid: 77, started_ns: NOW - 190 * SECOND }),
        config: Some(ConfigFacts {
            file: "/etc/arpeggio/config.yaml".into(),
            generation: 3,
            loaded_ns: NOW - 12 * SECOND,
            newest_order: arpeggio_succession::generation::of_number(5),
            refused: None,
        }),
        lease_until_ns: Some(NOW + 9_400_000_000),
        links: Links(BTreeMap::from([
            (1, Link { mac: None, loopback: true, ..link(1, "lo") }),
            (2, link(2, "eth0")),
            (3, Link { carrier: false, mtu: 9000, ..link(3, "bond0.100") }),
            (4, link(4, "docker0")),
        ])),
        ineligible: BTreeMap::from([(1, "loopback".to_owned()), (4, "excluded by ^docker.*".to_owned())]),
        desired: Some(Desired {
            generation: 8,
            interfaces: BTreeMap::from([(2, interface("eth0", 2)), (3, interface("bond0.100", 3))]),
            vips: BTreeMap::from([
                ((2, ip("192.0.2.10")), wanted(Action::Answer, 2)),
                ((2, ip("192.0.2.9")), wanted(Action::Suppress, 2)),
                ((2, ip("2001:db8::10")), wanted(Action::Observe, 2)),
                ((3, ip("192.0.2.10")), wanted(Action::Answer, 3)),
            ]),
            groups: BTreeSet::new(),
        }),
        attachments: BTreeMap::from([
            (2, AttachmentFacts { mode: Some(AttachMode::Native), steps_down: vec![], ..AttachmentFacts::default() }),
            (
                3,
                AttachmentFacts {
                    mode: Some(AttachMode::Generic),
                    steps_down: vec![
                        (AttachMode::Native, "the driver refuses XDP with an MTU of 9000".to_owned()),
                        (AttachMode::Tcx, "needs Linux 6.6, this is 6.1".to_owned()),
                    ],
                    ..AttachmentFacts::default()
                },
            ),
        ]),
        entries: BTreeMap::from([
            ((2, ip("192.0.2.10")), entry(Action::Answer, 2, asked(120, NOW - 3 * SECOND, Some("192.0.2.77")))),
            ((2, ip("192.0.2.9")), entry(Action::Suppress, 2, refused(asked(4, NOW - 61 * SECOND, None)))),
            ((2, ip("2001:db8::10")), entry(Action::Observe, 2, Stats::default())),
        ]),
        sightings: BTreeMap::from([(
            (2, ip("192.0.2.9")),
            Sighting::new([6; 6], SightingKind::Reply, None, NOW - SECOND),
        )]),
        outcomes: BTreeMap::from([(Outcome::ForeignTarget, 31), (Outcome::LeaseOver, 0), (Outcome::BadChecksum, 2)]),
        failures: BTreeMap::from([((3, ip("192.0.2.10")), "the map is full; raise --capacity".to_owned())]),
        unplaced: BTreeMap::from([(ip("198.51.100.1"), "no eligible interface is named eth7".to_owned())]),
        held: BTreeSet::new(),
        standing_by: BTreeMap::new(),
        groups: BTreeSet::from([(2, "ff02::1:ff00:10".parse().unwrap())]),
        gratuitous: GratuitousFacts { frames: 12, failed: 0, last_ns: Some(NOW - 5 * SECOND) },
        names: Names::default(),
        succession: None,
        errors: vec![(NOW - 70 * SECOND, "older".to_owned()), (NOW - 2 * SECOND, "newer".to_owned())],
        bgp: None,
    }
}

const WHOLE: &str = "\
PROBLEMS
  198.51.100.1: no eligible interface is named eth7

node     node-a
cluster  east
version  0.1.0
agent    running for 3m 10s (pid 77)
config   /etc/arpeggio/config.yaml, generation 3, loaded 12s ago; newest order: generation 5
lease    valid, 9.4s left
groups   1 solicited-node group joined
sent     12 gratuitous frames, the last 5.0s ago

LAST ERRORS
  2.0s ago  newer
  1m 10s ago  older

INTERFACE  INDEX  MAC                ATTACHED  CARRIER   MTU
eth0           2  02:00:00:00:00:02  native    yes      1500
bond0.100      3  02:00:00:00:00:03  generic   no       9000
  bond0.100: not native: the driver refuses XDP with an MTU of 9000
  bond0.100: not tcx: needs Linux 6.6, this is 6.1
Not used: lo (loopback), docker0 (excluded by ^docker.*)

ADDRESS       INTERFACE  ROLE           REQUESTS  REPLIES  SUPPRESSED  LAST REQUEST
192.0.2.9     eth0       suppressed            4        0           4  1m 1s ago
192.0.2.10    eth0       owner               120      120           0  3.0s ago, 192.0.2.77
192.0.2.10    bond0.100  not installed         0        0           0  -
198.51.100.1  -          not installed         0        0           0  -
2001:db8::10  eth0       observed              0        0           0  -

NOTES
  192.0.2.9 on eth0: 06:06:06:06:06:06 answered for it 1.0s ago (1 sighting)
  192.0.2.10 on bond0.100: the map is full; raise --capacity
  198.51.100.1: no eligible interface is named eth7

OUTCOME         FRAMES
bad_checksum         2
foreign_target      31
";

const ONE_ADDRESS: &str = "
192.0.2.10 on eth0: owner
  MAC           02:00:00:00:00:02
  requests      120
  replies       120
  suppressed    0
  heartbeats    0
  claims        0
  last request  3.0s ago, last answered: 192.0.2.77 (06:00:00:00:00:09)

192.0.2.10 on bond0.100: not installed
  note          the map is full; raise --capacity

203.0.113.1: not known on this node
";

const FROM_MAPS: &str = "\
PROBLEMS
  the agent is not running
  the lease ended 20s ago: the kernel answers nothing

node     unknown
version  0.1.0
agent    not running; what follows stands in the pinned maps
lease    lapsed 20s ago: nothing is answered

INTERFACE  INDEX  MAC                ATTACHED  CARRIER   MTU
eth0           2  02:00:00:00:00:02  native    yes      1500

ADDRESS     INTERFACE  ROLE   REQUESTS  REPLIES  LAST REQUEST
192.0.2.10  eth0       owner       120      120  3.0s ago, 192.0.2.77
";

fn assert_same(text: &str, expected: &str) {
    assert!(text == expected, "expected:\n{expected}\ngot:\n{text}");
}

#[test]
fn the_whole_report_reads_like_this() {
    let report = StatusReport::new(&facts(), "0.1.0");
    assert!(!report.is_healthy());
    assert_same(&render(&report, &Filter::default()), WHOLE);
    assert!(WHOLE.lines().all(|line| line.len() <= 100));
}

#[test]
fn one_address_is_shown_in_full() {
    let filter = Filter { addresses: BTreeSet::from([ip("192.0.2.10"), ip("203.0.113.1")]), ..Filter::default() };
    let text = render(&StatusReport::new(&facts(), "0.1.0"), &filter);
    let (_, details) = text.split_once("older\n").unwrap();
    assert_same(details, ONE_ADDRESS);
}

#[test]
fn an_interface_filter_keeps_what_belongs_there() {
    let filter = Filter { interfaces: BTreeSet::from(["bond0.100".to_owned()]), ..Filter::default() };
    let report = StatusReport::new(&facts(), "0.1.0").filtered(&filter);
    assert_eq!(report.interfaces.iter().map(|interface| interface.index).collect::<Vec<_>>(), [3]);
    let addresses: Vec<_> =
        report.addresses.iter().map(|address| (address.address, address.interface.as_deref())).collect();
    assert_eq!(addresses, [(ip("192.0.2.10"), Some("bond0.100")), (ip("198.51.100.1"), None)]);
    assert!(report.groups.is_empty());
}

#[test]
fn without_an_agent_the_maps_speak() {
    let all = facts();
    let key = (2, ip("192.0.2.10"));
    let maps = Facts {
        now_ns: NOW,
        lease_until_ns: Some(NOW - 20 * SECOND),
        links: Links(BTreeMap::from([(2, link(2, "eth0"))])),
        attachments: BTreeMap::from([(2, all.attachments[&2].clone())]),
        entries: BTreeMap::from([(key, all.entries[&key])]),
        ..Facts::default()
    };
    let report = StatusReport::new(&maps, "0.1.0");
    assert!(!report.is_healthy());
    assert_same(&render(&report, &Filter::default()), FROM_MAPS);
    let nothing = render(&StatusReport::new(&Facts::default(), "0.1.0"), &Filter::default());
    assert!(nothing.contains("agent    not running, and nothing is pinned\nlease    none"), "{nothing}");
}

#[test]
fn an_entry_that_is_not_what_it_should_be_says_so() {
    let key = (2, ip("192.0.2.10"));
    let note = |change: fn(&mut Facts)| {
        let mut facts = facts();
        change(&mut facts);
        let report = StatusReport::new(&facts, "0.1.0");
        report
            .addresses
            .iter()
            .find(|a| a.address == key.1 && a.interface.as_deref() == Some("eth0"))
            .unwrap()
            .note
            .clone()
    };
    assert_eq!(note(|_| {}), None);
    let desire = |facts: &mut Facts, wanted: Option<DesiredVip>| {
        let vips = &mut facts.desired.as_mut().unwrap().vips;
        match wanted {
            Some(wanted) => vips.insert((2, ip("192.0.2.10")), wanted),
            None => vips.remove(&(2, ip("192.0.2.10"))),
        };
    };
    let wanted_now = note(|facts| {
        facts.desired.as_mut().unwrap().vips.insert((2, ip("192.0.2.10")), wanted(Action::Suppress, 5));
    });
    assert_eq!(
        wanted_now.as_deref(),
        Some("should suppress, the MAC should be 02:00:00:00:00:05, should answer 0 of 64 shares")
    );
    let mut leaving = facts();
    desire(&mut leaving, Some(DesiredVip { flags: Flags::EVACUATING, ..wanted(Action::Answer, 2) }));
    leaving.failures.insert(key, "permission denied".to_owned());
    let report = StatusReport::new(&leaving, "0.1.0");
    assert_eq!(report.addresses[1].note.as_deref(), Some("should be evacuating: permission denied"));
    let mut unwanted = facts();
    desire(&mut unwanted, None);
    assert_eq!(StatusReport::new(&unwanted, "0.1.0").addresses[1].note.as_deref(), Some("no longer wanted"));
}

#[test]
fn shares_and_evacuation_show_in_the_role() {
    let mut facts = facts();
    let vip = Vip::new([2; 6], Action::Answer, 0, 0xffff_ffff).with_flags(Flags::EVACUATING);
    facts.entries.insert((2, ip("192.0.2.10")), EntryFacts { vip, stats: Stats::default() });
    let text = render(&StatusReport::new(&facts, "0.1.0"), &Filter::default());
    assert!(text.contains("192.0.2.10    eth0       owner 32/64, leaving"), "{text}");
}

#[test]
fn every_lease_is_told_apart() {
    for (until, lease) in [
        (None, LeaseReport::Missing),
        (Some(0), LeaseReport::Missing),
        (Some(NOW + 1_500_000), LeaseReport::Valid { left_ms: 1 }),
        (Some(NOW), LeaseReport::Lapsed { ago_ms: 0 }),
        (Some(NOW - SECOND), LeaseReport::Lapsed { ago_ms: 1000 }),
    ] {
        let facts = Facts { lease_until_ns: until, unplaced: BTreeMap::new(), ..facts() };
        let report = StatusReport::new(&facts, "0.1.0");
        assert_eq!(report.is_healthy(), matches!(lease, LeaseReport::Valid { .. }));
        assert_eq!(report.lease, lease);
    }
}

#[test]
fn interfaces_that_are_gone_keep_their_last_name() {
    let mut facts = facts();
    facts.links.0.remove(&3);
    facts.attachments.insert(9, AttachmentFacts::default());
    let report = StatusReport::new(&facts, "0.1.0");
    let gone: Vec<_> =
        report.interfaces.iter().filter(|i| i.reason.as_deref() == Some("it no longer exists")).collect();
    assert_eq!(gone.iter().map(|interface| interface.name.as_str()).collect::<Vec<_>>(), ["bond0.100", "if9"]);
}

#[test]
fn json_and_yaml_give_back_the_report() {
    let report = StatusReport::new(&facts(), "0.1.0");
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<StatusReport>(&json).unwrap(), report);
    for field in
        [r#""agent":{"state":"running","pid":77,"forMs":190000}"#, r#""lease":{"state":"valid","leftMs":9400}"#]
    {
        assert!(json.contains(field), "{json}");
    }
    let yaml = serde_saphyr::to_string(&report).unwrap();
    assert_eq!(serde_saphyr::from_str::<StatusReport>(&yaml).unwrap(), report, "{yaml}");
}

#[test]
fn hundreds_of_unused_interfaces_take_one_line() {
    let mut facts = facts();
    for index in 10..210 {
        facts.links.0.insert(index, link(index, &format!("cali{index}")));
        facts.ineligible.insert(index, "excluded by ^cali.*".to_owned());
    }
    let text = render(&StatusReport::new(&facts, "0.1.0"), &Filter::default());
    assert!(text.contains("cali15 (excluded by ^cali.*) and 194 more\n"), "{text}");
}

#[test]
fn ten_thousand_addresses_are_shown_quickly() {
    let mut facts = facts();
    for host in 0..10_000u32 {
        let address = IpAddr::V4((0x0a00_0000 + host).into());
        facts.entries.insert((2, address), entry(Action::Answer, 2, asked(u64::from(host), NOW, Some("10.1.2.3"))));
        facts.desired.as_mut().unwrap().vips.insert((2, address), wanted(Action::Answer, 2));
    }
    #[expect(clippy::disallowed_methods, reason = "the test measures how long it takes")]
    let start = std::time::Instant::now();
    let report = StatusReport::new(&facts, "0.1.0");
    let text = render(&report, &Filter::default());
    let elapsed = start.elapsed();
    assert_eq!(text.lines().filter(|line| line.starts_with("10.0.")).count(), 10_000);
    // Without optimisation and beside other work; 0.2 s is usual.
    assert!(elapsed < std::time::Duration::from_secs(3), "{elapsed:?}");
    println!("{elapsed:?}, {} bytes of JSON", serde_json::to_vec(&report).unwrap().len());
}
