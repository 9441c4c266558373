//! From evidence to the text people read.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::{
    abi::{ALL_BUCKETS, Action, Sighting, SightingKind, Stats, Vip},
    model::{Announcement, InterfaceName, Mode, NodeId, NodeName},
    wire::Mac,
};
use arpeggio_succession::{Cause, Doubt, Happened, Origin, Pace, Report, Standing, View};

use super::*;
use crate::{
    decide::AttachMode,
    status::{AgentFacts, AttachmentFacts, ConfigFacts, EntryFacts, Facts, Names, PeerFacts, SuccessionFacts},
    world::{Link as Device, Links, testing::card},
};

const NOW: u64 = 1_000_000_000_000_000;
const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
/// 2023-11-14T22:13:20Z, when `NOW` is now.
const WALL_AHEAD: u64 = 1_700_000_000 * SECOND - NOW;
const WE: Mac = Mac([2, 0, 0, 0, 0, 1]);
const THEY: Mac = Mac([2, 0, 0, 0, 0, 2]);

fn name(text: &str) -> NodeName {
    NodeName::try_from(text).unwrap()
}

fn vip() -> IpAddr {
    IpAddr::from([192, 0, 2, 10])
}

fn they() -> Origin {
    Origin { mac: THEY, node: Some(NodeId::from(&name("node-b"))) }
}

fn device() -> Device {
    Device { mac: Some(WE), ..card(2, "eth0", &["192.0.2.1/24", "fe80::1/64"]) }
}

fn announcement(interfaces: &[&str], mode: Mode) -> Announcement {
    let interfaces = interfaces.iter().map(|name| InterfaceName::try_from(*name).unwrap()).collect();
    Announcement::new(vip(), vec![name("node-a"), name("node-b")], interfaces, mode).unwrap()
}

fn entry(action: Action) -> EntryFacts {
    let mut stats = Stats::default();
    (stats.requests, stats.replies, stats.last_request_ns) = (120, 120, NOW - 3 * SECOND);
    stats.remember(std::net::Ipv4Addr::new(192, 0, 2, 77).to_ipv6_mapped().octets(), [6; 6], NOW - 3 * SECOND);
    let buckets = if action == Action::Answer { ALL_BUCKETS } else { 0 };
    EntryFacts { vip: Vip::new(WE.0, action, 0, buckets), stats }
}

/// node-a owns the address and everything is as it should be.
fn evidence() -> Evidence {
    let view = View {
        standing: Standing::Owner,
        rank: Some(0),
        owner: None,
        since_ns: NOW - 190 * SECOND,
        heartbeat_ns: None,
        buckets: ALL_BUCKETS,
        doubt: None,
        unflooded: false,
        unanswered: None,
    };
    let facts = Facts {
        now_ns: NOW,
        node: Some(name("node-a")),
        names: Names::new("", [&name("node-a"), &name("node-b")]),
        agent: Some(AgentFacts { pid: 77, started_ns: NOW - 200 * SECOND }),
        config: Some(ConfigFacts {
            file: "/etc/arpeggio/speaker.yaml".into(),
            generation: 1,
            loaded_ns: NOW - 200 * SECOND,
            newest_order: 0,
            refused: None,
        }),
        lease_until_ns: Some(NOW + 9_400 * MS),
        links: Links(BTreeMap::from([(2, device())])),
        attachments: BTreeMap::from([(
            2,
            AttachmentFacts { mode: Some(AttachMode::Native), steps_down: vec![], ..AttachmentFacts::default() },
        )]),
        entries: BTreeMap::from([((2, vip()), entry(Action::Answer))]),
        succession: Some(SuccessionFacts {
            pace: Pace::DEFAULT,
            keys: Default::default(),
            evacuating: false,
            views: BTreeMap::from([((2, vip()), view)]),
            proxies: BTreeSet::new(),
            standing_by: BTreeMap::new(),
            peers: vec![PeerFacts {
                node: they().node.unwrap(),
                ifindex: 2,
                mac: THEY,
                last_ns: NOW,
                answered_ns: NOW,
                frames: 9,
            }],
        }),
        ..Facts::default()
    };
    Evidence {
        facts,
        address: vip(),
        prefix: None,
        routes: Vec::new(),
        interface: None,
        announcement: Some(announcement(&[], Mode::Exclusive)),
        told: None,
        wire: BTreeMap::from([(2, heard(&[]))]),
        before: BTreeMap::from([(2, entry(Action::Answer).stats)]),
        clients: vec![ClientFacts {
            ifindex: 2,
            client: IpAddr::from([192, 0, 2, 77]),
            mac: Mac([6; 6]),
            last_ns: NOW - 3 * SECOND,
        }],
        events: vec![took(NOW - 90_000 * SECOND), took(NOW - 190 * SECOND)],
        wall_ahead_ns: WALL_AHEAD,
    }
}

fn took(at_ns: u64) -> Report {
    Report {
        place: (2, vip()),
        at_ns,
        happened: Happened::Took,
        cause: Cause::OwnerSilent,
        other: Some(they()),
        gap_ns: Some(142 * MS),
        buckets: ALL_BUCKETS,
    }
}

fn heard(answers: &[Mac]) -> WireFacts {
    WireFacts::Asked {
        at_ns: NOW - 300 * MS,
        source: Some(IpAddr::from([192, 0, 2, 1])),
        answers: answers.iter().copied().collect(),
        heard: !answers.is_empty(),
    }
}

/// node-a watches node-b.
fn standby() -> Evidence {
    let mut evidence = evidence();
    let view = evidence.facts.succession.as_mut().unwrap().views.get_mut(&(2, vip())).unwrap();
    *view = View { standing: Standing::Standby, owner: Some(they()), heartbeat_ns: Some(NOW - 31 * MS), ..*view };
    evidence.facts.entries.insert((2, vip()), entry(Action::Suppress));
    evidence.wire.insert(2, heard(&[THEY]));
    evidence
}

const WHOLE: &str = "\
192.0.2.10 on node-a
  ok       agent          running for 3m 20s
  ok       configuration  /etc/arpeggio/speaker.yaml: one owner, candidates node-a, node-b; this node ranks 1 of 2
  ok       lease          valid, 9.4s left

eth0
  ok       interface      index 2, 02:00:00:00:00:01, carrier
  ok       attached       native
  ok       entry          answers everybody with 02:00:00:00:00:01
  ok       standing       owner for 3m 10s
  ok       wire           asked from 192.0.2.1: nobody else answers; a node does not hear itself, and its program saw frames meanwhile
  ok       requests       120 requests, 120 answers; the last request 3.0s ago
  ok       clients        192.0.2.77 (06:06:06:06:06:06) 3.0s ago

LAST EVENTS (UTC)
  2023-11-13T21:13:20.000 eth0 192.0.2.10: took over from node-b (02:00:00:00:00:02): its heartbeats went unanswered, gap 142 ms
  22:10:10.000 eth0 192.0.2.10: took over from node-b (02:00:00:00:00:02): its heartbeats went unanswered, gap 142 ms

192.0.2.10 is answered by this node on eth0 and by nobody else.
";

#[test]
fn an_explanation_reads_like_this() {
    let explanation = Explanation::new(&evidence());
    let text = render_explanation(&explanation);
    assert!(text == WHOLE, "expected:\n{WHOLE}\ngot:\n{text}");
    assert!(explanation.verdict.good);
}

/// The links of one subject: level and text.
fn links(explanation: &Explanation, subject: &str) -> Vec<(Level, String)> {
    let of = explanation.chain.iter().filter(|link| link.subject == subject);
    of.map(|link| (link.level, link.text.clone())).collect()
}

#[test]
fn a_standby_names_the_owner() {
    let explanation = Explanation::new(&standby());
    assert_eq!(
        explanation.verdict.text,
        "node-b answers for it on eth0; this node is next in line and would take over within 160 ms."
    );
    assert_eq!(
        links(&explanation, "standing"),
        [(
            Level::Ok,
            "standby for 3m 10s; node-b (02:00:00:00:00:02) has it and answered a heartbeat 31 ms ago".to_owned()
        )]
    );
    let answers = (Level::Ok, "asked from 192.0.2.1: node-b (02:00:00:00:00:02) answers".to_owned());
    assert_eq!(links(&explanation, "wire"), [answers]);
    let does = "drops requests, so that this node's kernel does not answer".to_owned();
    assert_eq!(links(&explanation, "entry"), [(Level::Ok, does)]);
}

#[test]
fn a_standby_that_hears_nothing_says_so() {
    let mut evidence = standby();
    let view = evidence.facts.succession.as_mut().unwrap().views.get_mut(&(2, vip())).unwrap();
    view.heartbeat_ns = Some(NOW - 45_377 * MS);
    assert_eq!(links(&Explanation::new(&evidence), "standing")[0].0, Level::Ok, "it answered for other addresses");
    let view = evidence.facts.succession.as_mut().unwrap().views.get_mut(&(2, vip())).unwrap();
    view.doubt = Some(Doubt { since_ns: NOW - 45_377 * MS });
    let text = "standby for 3m 10s; node-b (02:00:00:00:00:02) has it and answered a heartbeat 45377 ms ago; I hear nothing and \
                therefore do not take over";
    let told = links(&Explanation::new(&evidence), "standing");
    assert_eq!(told, [(Level::Warning, text.to_owned())]);
}

#[test]
fn what_the_program_kept_from_sockets_is_taken_from_its_sightings() {
    let mut evidence = standby();
    evidence.wire.insert(2, heard(&[]));
    let seen = |at_ns| Sighting::new(THEY.0, SightingKind::Heartbeat, they().node, at_ns);
    evidence.facts.sightings.insert((2, vip()), seen(NOW - 100 * MS));
    assert!(Explanation::new(&evidence).verdict.good);
    evidence.facts.sightings.insert((2, vip()), seen(NOW - 400 * MS));
    let explanation = Explanation::new(&evidence);
    assert!(!explanation.verdict.good, "what was before the question answers nothing");
    assert_eq!(links(&explanation, "wire"), [(Level::Problem, "asked from 192.0.2.1: nobody answers".to_owned())]);
}

#[test]
fn what_an_owner_says_needs_a_proof() {
    let owner = |change: &dyn Fn(&mut Evidence)| {
        let mut evidence = evidence();
        // Nobody watches it.
        evidence.facts.succession.as_mut().unwrap().peers.clear();
        change(&mut evidence);
        let explanation = Explanation::new(&evidence);
        (explanation.verdict.good, explanation.verdict.text)
    };
    let unseen = "cannot tell whether this node answers on eth0: no frame is known to have reached its program while it was \
                  asked; nobody else does.";
    assert_eq!(owner(&|_| {}), (false, unseen.to_owned()));
    let alone = (true, "192.0.2.10 is answered by this node on eth0 and by nobody else.".to_owned());
    let count = |requests: u64, replies: u64| {
        move |evidence: &mut Evidence| {
            let stats = evidence.before.get_mut(&2).unwrap();
            (stats.requests, stats.replies) = (stats.requests - requests, stats.replies - replies);
        }
    };
    assert_eq!(owner(&count(1, 1)), alone);
    assert_eq!(owner(&count(0, 1)), alone, "it answered a heartbeat");
    let refused = "nobody answers on eth0: this node owns it, was asked, and did not answer.";
    assert_eq!(owner(&count(1, 0)), (false, refused.to_owned()));
    let came_in = |mode| {
        move |evidence: &mut Evidence| {
            evidence.facts.attachments.get_mut(&2).unwrap().mode = Some(mode);
            evidence.wire.insert(2, WireFacts::Asked { at_ns: NOW, source: None, answers: [].into(), heard: true });
        }
    };
    assert_eq!(owner(&came_in(AttachMode::Native)), alone, "what sockets hear came through XDP");
    assert_eq!(owner(&came_in(AttachMode::Tcx)), (false, unseen.to_owned()), "sockets hear before tcx");
}

#[test]
fn interfaces_without_the_subnet_do_not_turn_the_verdict() {
    let with = |address: &[&str], carrier| {
        let mut evidence = evidence();
        evidence.facts.links.0.insert(3, Device { carrier, ..card(3, "docker0", address) });
        Explanation::new(&evidence)
    };
    let alone = "192.0.2.10 is answered by this node on eth0 and by nobody else.";
    for carrier in [true, false] {
        let explanation = with(&["172.17.0.1/16"], carrier);
        assert_eq!((explanation.verdict.text.as_str(), explanation.verdict.good), (alone, true));
        assert!(explanation.chain.iter().all(|link| link.level != Level::Problem), "{:#?}", explanation.chain);
    }
    assert!(!with(&["192.0.2.9/24"], false).verdict.good, "its cable is out");
    let mut nowhere = evidence();
    nowhere.facts.links.0.get_mut(&2).unwrap().addresses = ["198.51.100.1/24".parse().unwrap()].into();
    nowhere.facts.links.0.insert(3, Device { carrier: false, ..card(3, "eth1", &[]) });
    assert_eq!(Explanation::new(&nowhere).verdict.text, alone, "where none has the subnet, those with a carrier count");
}

#[test]
fn whoever_is_no_peer_is_a_stranger() {
    let mut evidence = standby();
    evidence.wire.insert(2, heard(&[Mac([9; 6])]));
    let explanation = Explanation::new(&evidence);
    assert!(
        explanation.verdict.text.starts_with("a stranger (09:09:09:09:09:09) answers"),
        "{}",
        explanation.verdict.text
    );
    assert_eq!(links(&explanation, "wire")[0].0, Level::Problem);
    // Who is known as the owner is none, though its frames were not heard lately.
    let mut known = standby();
    known.facts.succession.as_mut().unwrap().peers.clear();
    assert!(Explanation::new(&known).verdict.good);
}

/// The verdict after a change of the owner's evidence.
fn verdict(change: impl FnOnce(&mut Evidence)) -> String {
    let mut evidence = evidence();
    change(&mut evidence);
    let explanation = Explanation::new(&evidence);
    assert!(!explanation.verdict.good, "{}", explanation.verdict.text);
    assert!(explanation.chain.iter().any(|link| link.level != Level::Ok), "{:#?}", explanation.chain);
    explanation.verdict.text
}

#[test]
fn whatever_is_in_the_way_is_named() {
    let obstacle = |change: fn(&mut Facts)| {
        let text = verdict(|evidence| change(&mut evidence.facts));
        let expected = "nobody answers on eth0: this node owns it, but ";
        text.strip_prefix(expected).unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let carrier = obstacle(|facts| facts.links.0.get_mut(&2).unwrap().carrier = false);
    assert_eq!(carrier, "eth0 has no carrier.");
    let step = (AttachMode::User, "no raw sockets".to_owned());
    let attached = obstacle(|facts| facts.attachments.clear());
    assert_eq!(attached, "nothing is attached to eth0.");
    let mut refused = evidence();
    refused
        .facts
        .attachments
        .insert(2, AttachmentFacts { mode: None, steps_down: vec![step], ..AttachmentFacts::default() });
    let refused = Explanation::new(&refused).verdict.text;
    assert!(refused.ends_with("but nothing is attached to eth0 (not user: no raw sockets)."), "{refused}");
    assert_eq!(obstacle(|facts| facts.lease_until_ns = None), "the kernel was never allowed to answer.");
    assert_eq!(obstacle(|facts| facts.lease_until_ns = Some(NOW - 20 * SECOND)), "the lease ended 20s ago.");
    assert_eq!(obstacle(|facts| facts.entries.clear()), "there is no entry for it on eth0.");
    let full = obstacle(|facts| {
        facts.entries.clear();
        facts.failures.insert((2, vip()), "the map is full; raise --capacity".to_owned());
    });
    assert_eq!(full, "its entry on eth0 could not be written: the map is full; raise --capacity.");
    let mac = obstacle(|facts| facts.links.0.get_mut(&2).unwrap().mac = Some(Mac([8; 6])));
    assert_eq!(mac, "its entry has the MAC 02:00:00:00:00:01, which is not that of eth0.");
    let silent = obstacle(|facts| _ = facts.entries.insert((2, vip()), entry(Action::Suppress)));
    assert_eq!(silent, "its entry on eth0 says suppress.");
}

#[test]
fn an_address_without_a_place_says_why() {
    let limited = |interfaces: &[&str]| {
        let announcement = announcement(interfaces, Mode::Exclusive);
        verdict(|evidence| evidence.announcement = Some(announcement))
    };
    assert_eq!(
        verdict(|evidence| evidence.announcement = None),
        "no: it is not in the configuration /etc/arpeggio/speaker.yaml; nobody answers on eth0."
    );
    let told = Some("192.0.2.10 is not announced: no L2Advertisement covers it".to_owned());
    let silent = Explanation::new(&Evidence { announcement: None, told, ..evidence() });
    assert_eq!(
        silent.verdict.text,
        "no: 192.0.2.10 is not announced: no L2Advertisement covers it; nobody answers on eth0."
    );
    let said = (Level::Problem, "192.0.2.10 is not announced: no L2Advertisement covers it".to_owned());
    assert_eq!(links(&silent, "announced"), [said]);
    assert_eq!(limited(&["eth7"]), "no: this node has no interface for it.");
    let down = verdict(|evidence| {
        evidence.announcement = Some(announcement(&["eth0"], Mode::Exclusive));
        evidence.facts.ineligible.insert(2, "it is administratively down".to_owned());
    });
    assert_eq!(down, "no: this node has no interface for it (eth0: it is administratively down).");
    let unplaced = verdict(|evidence| {
        evidence.facts.links.0.clear();
        evidence.facts.unplaced.insert(vip(), "this node has no eligible interface".to_owned());
        evidence.facts.lease_until_ns = None;
    });
    assert_eq!(unplaced, "no: this node has no eligible interface.");
    let only = |name: &str, limits: &[&str]| {
        let announcement = announcement(limits, Mode::Exclusive);
        let mut evidence =
            Evidence { interface: Some(name.to_owned()), announcement: Some(announcement), ..evidence() };
        evidence.facts.links.0.insert(3, card(3, "eth1", &[]));
        Explanation::new(&evidence).verdict.text
    };
    assert_eq!(only("eth7", &[]), "no: this node has no interface eth7.");
    assert_eq!(only("eth1", &["eth0"]), "no: not on eth1: the address is not announced there.");
    assert_eq!(only("eth0", &["eth0"]), "192.0.2.10 is answered by this node on eth0 and by nobody else.");
}

#[test]
fn without_an_agent_the_maps_speak() {
    let mut pinned = evidence();
    pinned.facts = Facts { agent: None, node: None, config: None, succession: None, ..pinned.facts };
    (pinned.announcement, pinned.wire) = (None, BTreeMap::new());
    let explanation = Explanation::new(&pinned);
    assert_eq!(
        explanation.verdict.text,
        "no agent is running; the kernel of this node answers on eth0 with what is pinned, for 9.4s more."
    );
    assert!(!explanation.verdict.good);
    assert_eq!(links(&explanation, "agent")[0].0, Level::Problem);
    pinned.facts.entries.clear();
    let nothing = Explanation::new(&pinned).verdict.text;
    assert_eq!(nothing, "no agent is running, and nothing is pinned for 192.0.2.10.");
}

#[test]
fn a_client_of_a_shared_address_knows_whose_it_is() {
    let shared = |buckets, answers: &[Mac]| {
        let mut evidence = evidence();
        evidence.announcement = Some(announcement(&[], Mode::Shared));
        let view = evidence.facts.succession.as_mut().unwrap().views.get_mut(&(2, vip())).unwrap();
        *view = View { standing: Standing::Sharing, buckets, ..*view };
        let vip_entry = EntryFacts { vip: Vip::new(WE.0, Action::Answer, 0, buckets), stats: Stats::default() };
        evidence.facts.entries.insert((2, vip()), vip_entry);
        evidence.wire.insert(2, heard(answers));
        Explanation::new(&evidence)
    };
    let own = 1 << arpeggio_common::abi::bucket([0, 0, 0, u32::from_be_bytes([192, 0, 2, 1])]);
    assert!(shared(own, &[]).verdict.good);
    assert!(!shared(own, &[THEY]).verdict.good, "two answer this client");
    assert!(shared(!own, &[THEY]).verdict.good);
    assert!(!shared(!own, &[]).verdict.good, "nobody answers this client");
    assert_eq!(links(&shared(!own, &[THEY]), "wire")[0].0, Level::Ok);
}

#[test]
fn programs_find_the_same_under_names_that_stay() {
    let explanation = Explanation::new(&standby());
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["verdict"]["good"], true);
    assert_eq!((&json["address"], &json["node"]), (&"192.0.2.10".into(), &"node-a".into()));
    let place = &json["places"][0];
    assert_eq!((&place["interface"], &place["status"]["ownership"]["standing"]), (&"eth0".into(), &"standby".into()));
    assert_eq!((&place["wire"]["state"], &place["wire"]["answers"][0]["node"]), (&"asked".into(), &"node-b".into()));
    assert_eq!(place["clients"][0]["agoMs"], 3_000);
    let event = &json["events"][1];
    assert_eq!(
        (&event["happened"], &event["cause"], &event["gapMs"]),
        (&"took".into(), &"owner-silent".into(), &142.into())
    );
    assert_eq!((&event["at"], &event["shares"]), (&"2023-11-14T22:10:10.000Z".into(), &64.into()));
    assert_eq!(json["chain"][0]["level"], "ok");
    let subjects: BTreeSet<_> = explanation.chain.iter().map(|link| link.subject.as_str()).collect();
    assert_eq!(
        subjects.into_iter().collect::<Vec<_>>(),
        [
            "agent",
            "attached",
            "clients",
            "configuration",
            "entry",
            "interface",
            "lease",
            "requests",
            "standing",
            "wire"
        ]
    );
    assert_eq!(serde_json::from_value::<Explanation>(json).unwrap(), explanation);
    let yaml = serde_saphyr::to_string(&explanation).unwrap();
    assert_eq!(serde_saphyr::from_str::<Explanation>(&yaml).unwrap(), explanation, "{yaml}");
}
