//! The succession in the report and in the text that people read.

use std::{collections::BTreeMap, net::IpAddr};

use arpeggio_common::{
    abi::{ALL_BUCKETS, Action, Sighting, SightingKind, Stats, Vip},
    model::{NodeId, NodeName},
    wire::Mac,
};
use arpeggio_succession::{Origin, Pace, Proxy, Standing, View};

use super::*;
use crate::world::{Links, testing::card};

const NOW: u64 = 1_000_000_000_000;
const MS: u64 = 1_000_000;

fn name(text: &str) -> NodeName {
    NodeName::try_from(text).unwrap()
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn view(standing: Standing) -> View {
    View {
        standing,
        rank: Some(1),
        owner: None,
        since_ns: NOW - 190_000 * MS,
        heartbeat_ns: None,
        buckets: 0,
        doubt: None,
        unflooded: false,
        unanswered: None,
    }
}

/// One address of each sort that matters: owned, watched, shared, in use by a stranger.
fn facts() -> Facts {
    let node_a = NodeId::from(&name("node-a"));
    let voice = |last: u8, node| Origin { mac: Mac([2, 0, 0, 0, 0, last]), node };
    let standby =
        View { owner: Some(voice(1, Some(node_a))), heartbeat_ns: Some(NOW - 31 * MS), ..view(Standing::Standby) };
    let sharing = View { buckets: 0xff, ..view(Standing::Sharing) };
    let in_use = View { owner: Some(voice(9, None)), rank: None, ..view(Standing::InUse) };
    let entry =
        |action, buckets| EntryFacts { vip: Vip::new([2, 0, 0, 0, 0, 2], action, 0, buckets), stats: Stats::default() };
    Facts {
        now_ns: NOW,
        node: Some(name("node-b")),
        names: Names::new("", [&name("node-a"), &name("node-b")]),
        links: Links(BTreeMap::from([(2, card(2, "eth0", &[]))])),
        succession: Some(SuccessionFacts {
            pace: Pace::DEFAULT,
            keys: Default::default(),
            evacuating: true,
            views: BTreeMap::from([
                ((2, address(10)), view(Standing::Owner)),
                ((2, address(11)), standby),
                ((2, address(12)), sharing),
                ((2, address(13)), in_use),
            ]),
            proxies: [Proxy { ifindex: 2, ipv4: true, mac: Mac([9; 6]) }].into(),
            standing_by: BTreeMap::new(),
            peers: vec![
                PeerFacts {
                    node: NodeId::from_number(0xbeef).unwrap(),
                    ifindex: 2,
                    mac: Mac([2; 6]),
                    last_ns: NOW,
                    answered_ns: NOW,
                    frames: 1,
                },
                PeerFacts {
                    node: node_a,
                    ifindex: 2,
                    mac: Mac([2, 0, 0, 0, 0, 1]),
                    last_ns: NOW - 31 * MS,
                    answered_ns: 0,
                    frames: 812,
                },
            ],
        }),
        entries: BTreeMap::from([
            ((2, address(10)), entry(Action::Answer, ALL_BUCKETS)),
            ((2, address(11)), entry(Action::Suppress, 0)),
            ((2, address(12)), entry(Action::Answer, 0xff)),
            ((2, address(13)), entry(Action::Suppress, 0)),
        ]),
        ..Facts::default()
    }
}

const TABLES: &str = "\
PEER              INTERFACE  MAC                HEARD     FRAMES
000000000000beef  eth0       02:02:02:02:02:02  0.0s ago       1
node-a            eth0       02:00:00:00:00:01  0.0s ago     812

Proxy: 09:09:09:09:09:09 on eth0 answers for every IPv4 address

ADDRESS     INTERFACE  STANDING      RANK  OWNER              FOR     HEARTBEAT  REQUESTS  LAST REQUEST
192.0.2.10  eth0       owner            2  node-b             3m 10s  -                 0  -
192.0.2.11  eth0       standby          2  node-a             3m 10s  31 ms             0  -
192.0.2.12  eth0       sharing 8/64     2  -                  3m 10s  -                 0  -
192.0.2.13  eth0       in use           -  02:00:00:00:00:09  3m 10s  -                 0  -
";

#[test]
fn owners_and_standbys_read_like_this() {
    let report = StatusReport::new(&facts(), "0.1.0");
    let text = render(&report, &Filter::default());
    assert!(
        text.contains("pace     heartbeats every 50 ms, 3 missed mean silence: 160 ms; unauthenticated; evacuating\n"),
        "{text}"
    );
    let (_, tables) = text.split_once("\nPEER").unwrap();
    assert_eq!(format!("PEER{tables}"), TABLES);
    let filter = Filter { addresses: [address(11)].into(), ..Filter::default() };
    let one = render(&report, &filter);
    for line in
        ["192.0.2.11 on eth0: standby\n", "  owner         node-a (02:00:00:00:00:01)\n", "  heartbeat     31 ms\n"]
    {
        assert!(one.contains(line), "{one}");
    }
}

#[test]
fn that_an_owner_answers_heartbeats_is_no_news() {
    let mut facts = facts();
    let seen = |kind| Sighting::new([2, 0, 0, 0, 0, 1], kind, NodeId::from_number(0xbeef), NOW);
    let note = "192.0.2.11 on eth0: 000000000000beef (02:00:00:00:00:01) claimed it 0.0s ago (1 sighting)";
    for (kind, told) in [(SightingKind::Heartbeat, false), (SightingKind::Claim, true)] {
        facts.sightings.insert((2, address(11)), seen(kind));
        let text = render(&StatusReport::new(&facts, "0.1.0"), &Filter::default());
        assert_eq!((text.contains("NOTES"), text.contains(note)), (told, told), "{text}");
    }
}

#[test]
fn programs_find_the_same_under_names_that_stay() {
    let report = StatusReport::new(&facts(), "0.1.0");
    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    let pace = &json["succession"];
    assert_eq!((&pace["intervalMs"], &pace["misses"], &pace["detectionMs"]), (&50.into(), &3.into(), &160.into()));
    assert_eq!(pace["evacuating"], true);
    let proxy = &pace["proxies"][0];
    assert_eq!((&proxy["interface"], &proxy["family"]), (&"eth0".into(), &"IPv4".into()));
    let peer = &pace["peers"][1];
    assert_eq!((&peer["node"], &peer["interface"], &peer["agoMs"]), (&"node-a".into(), &"eth0".into(), &31.into()));
    let standby = &json["addresses"][1]["ownership"];
    assert_eq!((&standby["standing"], &standby["rank"]), (&"standby".into(), &2.into()));
    assert_eq!((&standby["owner"]["node"], &standby["owner"]["mac"]), (&"node-a".into(), &"02:00:00:00:00:01".into()));
    assert_eq!((&standby["forMs"], &standby["heartbeatAgoMs"]), (&190_000.into(), &31.into()));
    assert_eq!(json["addresses"][3]["ownership"]["owner"]["node"], serde_json::Value::Null);
    let yaml = serde_saphyr::to_string(&report).unwrap();
    assert_eq!(serde_saphyr::from_str::<StatusReport>(&yaml).unwrap(), report, "{yaml}");
}

#[test]
fn an_address_without_an_entry_still_has_its_standing() {
    let mut facts = facts();
    facts.entries.clear();
    let report = StatusReport::new(&facts, "0.1.0");
    assert_eq!(report.addresses.len(), 4);
    assert_eq!(report.addresses[0].role, Role::NotInstalled);
    assert_eq!(report.addresses[0].ownership.as_ref().unwrap().standing, Standing::Owner);
}
