//! What is, as metrics. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::abi::Outcome;
use arpeggio_succession::{Place, Standing, View};
use prometheus::proto::MetricFamily;

use super::{
    bgp,
    counts::word,
    family::{Sample, counter, gauge, number, seconds},
};
use crate::{
    bgp::BgpReport,
    decide::AttachMode,
    status::{AttachmentFacts, EntryFacts, GratuitousFacts, attach_mode_name},
};

/// Plain values, gathered by whoever has them.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    /// The present, monotonic nanoseconds.
    pub now_ns: u64,
    /// Name of this node.
    pub node: String,
    /// The Services that have each address, as namespace/name; an address of a file has none.
    pub services: BTreeMap<IpAddr, Arc<[String]>>,
    /// The entries and their counters.
    pub entries: BTreeMap<Place, EntryFacts>,
    /// How many entries there is room for.
    pub capacity: u32,
    /// What this node is for every address.
    pub views: BTreeMap<Place, View>,
    /// Other speakers that were heard.
    pub peers: usize,
    /// How often the program finished in which way.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Until when answering is allowed, monotonic nanoseconds.
    pub lease_until_ns: Option<u64>,
    /// Where the program is attached.
    pub interfaces: Vec<ScrapedInterface>,
    /// Gratuitous frames.
    pub gratuitous: GratuitousFacts,
    /// The same by address: those that were sent.
    pub gratuitous_of: BTreeMap<IpAddr, u64>,
    /// A configuration was taken.
    pub loaded: bool,
    /// A newer one, or a part of it, is refused.
    pub stale: bool,
    /// Whether the last request to the Kubernetes API was answered; `None` without Kubernetes.
    pub api_answers: Option<bool>,
    /// How it stands with BGP.
    pub bgp: Option<Arc<BgpReport>>,
}

/// An interface on which addresses may be announced.
#[derive(Clone, Debug, Default)]
pub struct ScrapedInterface {
    /// Its name.
    pub name: String,
    /// How the program is attached.
    pub attachment: AttachmentFacts,
}

/// Everything of it, in families.
#[must_use]
pub fn families(scrape: &Scrape) -> Vec<MetricFamily> {
    let sums = ByAddress::new(&scrape.entries);
    let mut families = metallb(scrape, &sums);
    families.extend(addresses(scrape, &sums));
    families.extend(node(scrape));
    families.extend(bgp::families(scrape.bgp.as_deref()));
    families
}

const fn answers(view: &View) -> bool {
    matches!(view.standing, Standing::Owner | Standing::Leaving | Standing::Sharing)
}

/// Sums over the interfaces of each address, with the address as its label.
struct ByAddress(BTreeMap<IpAddr, (String, EntryCounts)>);

#[derive(Clone, Copy, Default)]
struct EntryCounts {
    requests: u64,
    suppressed: u64,
    heartbeats: u64,
    claims: u64,
}

impl ByAddress {
    fn new(entries: &BTreeMap<Place, EntryFacts>) -> Self {
        let mut sums: BTreeMap<IpAddr, (String, EntryCounts)> = BTreeMap::new();
        for ((_, address), EntryFacts { stats, .. }) in entries {
            let (_, sum) = sums.entry(*address).or_insert_with(|| (address.to_string(), EntryCounts::default()));
            sum.requests += stats.requests;
            sum.suppressed += stats.suppressed;
            sum.heartbeats += stats.heartbeats;
            sum.claims += stats.claims;
        }
        Self(sums)
    }

    fn counter(&self, name: &str, help: &str, of: impl Fn(&EntryCounts) -> u64) -> MetricFamily {
        counter(name, help, self.0.values().map(|(ip, sum)| (vec![("ip", ip.as_str())], number(of(sum)))))
    }
}

/// Names, types and labels are MetalLB's.
fn metallb(scrape: &Scrape, sums: &ByAddress) -> Vec<MetricFamily> {
    let owned: BTreeMap<IpAddr, String> = scrape
        .views
        .iter()
        .filter(|(_, view)| answers(view))
        .map(|((_, address), _)| (*address, address.to_string()))
        .collect();
    let nobody: Arc<[String]> = Arc::new([String::new()]);
    let services = |address: &IpAddr| scrape.services.get(address).unwrap_or(&nobody);
    let announced = owned.iter().flat_map(|(address, ip)| {
        services(address).iter().map(move |service| {
            let labels =
                vec![("service", service.as_str()), ("protocol", "layer2"), ("node", &*scrape.node), ("ip", ip)];
            (labels, 1.0)
        })
    });
    let told = told(scrape);
    let by_bgp = told.iter().flat_map(|(address, ip)| {
        services(address).iter().map(move |service| {
            let labels = vec![("service", service.as_str()), ("protocol", "bgp"), ("node", &*scrape.node), ("ip", ip)];
            (labels, 1.0)
        })
    });
    let sent: Vec<(String, u64)> =
        scrape.gratuitous_of.iter().map(|(address, sent)| (address.to_string(), *sent)).collect();
    let bool_of = |value: bool| [(Vec::new(), f64::from(u8::from(value)))];
    vec![
        gauge(
            "metallb_speaker_announced",
            "1 for each Service and address that this node announces",
            announced.chain(by_bgp),
        ),
        sums.counter("metallb_layer2_requests_received", "Requests of clients for addresses of this node", |sum| {
            sum.requests
        }),
        // A request is counted where it is answered.
        sums.counter("metallb_layer2_responses_sent", "Answers to clients", |sum| sum.requests),
        counter(
            "metallb_layer2_gratuitous_sent",
            "Gratuitous ARP frames and unsolicited neighbour advertisements",
            sent.iter().map(|(ip, sent)| (vec![("ip", ip.as_str())], number(*sent))),
        ),
        gauge("metallb_k8s_client_config_loaded_bool", "1 once a configuration was taken", bool_of(scrape.loaded)),
        gauge(
            "metallb_k8s_client_config_stale_bool",
            "1 while a newer configuration, or a part of it, is refused",
            bool_of(scrape.stale),
        ),
    ]
}

/// The addresses of which BGP peers are to be told.
fn told(scrape: &Scrape) -> BTreeMap<IpAddr, String> {
    let Some(report) = &scrape.bgp else { return BTreeMap::new() };
    let addresses = report.wish.told.iter();
    addresses.map(|address| (*address, address.to_string())).collect()
}

/// What is ours of addresses.
fn addresses(scrape: &Scrape, sums: &ByAddress) -> Vec<MetricFamily> {
    let mut standings: BTreeMap<Standing, u64> = ALL.iter().map(|standing| (*standing, 0)).collect();
    for view in scrape.views.values() {
        *standings.entry(view.standing).or_default() += 1;
    }
    let standings: Vec<(String, u64)> =
        standings.into_iter().map(|(standing, count)| (word(&standing), count)).collect();
    let owned: BTreeSet<String> = scrape
        .views
        .iter()
        .filter(|(_, view)| matches!(view.standing, Standing::Owner | Standing::Leaving))
        .map(|((_, address), _)| address.to_string())
        .collect();
    vec![
        sums.counter(
            "arpeggio_speaker_requests_suppressed_total",
            "Requests dropped because another node answers them",
            |sum| sum.suppressed,
        ),
        sums.counter("arpeggio_speaker_heartbeats_received_total", "Heartbeats of other nodes", |sum| sum.heartbeats),
        sums.counter("arpeggio_speaker_claims_seen_total", "Claims and answers of others", |sum| sum.claims),
        gauge(
            "arpeggio_speaker_owned",
            "1 for each address that this node alone answers for",
            owned.iter().map(|ip| (vec![("node", &*scrape.node), ("ip", ip.as_str())], 1.0)),
        ),
        gauge(
            "arpeggio_speaker_addresses",
            "Addresses on interfaces, by what this node is for them",
            standings.iter().map(|(standing, count)| (vec![("standing", standing.as_str())], number(*count))),
        ),
        gauge(
            "arpeggio_speaker_map_entries",
            "Addresses in the maps, once for each interface",
            [(Vec::new(), number(scrape.entries.len() as u64))],
        ),
        gauge(
            "arpeggio_speaker_map_capacity",
            "Addresses that the maps have room for",
            [(Vec::new(), f64::from(scrape.capacity))],
        ),
    ]
}

/// What is ours of the node.
fn node(scrape: &Scrape) -> Vec<MetricFamily> {
    let left = scrape.lease_until_ns.map(|until_ns| seconds(until_ns.saturating_sub(scrape.now_ns)));
    let outcomes = scrape.outcomes.iter().map(|(outcome, count)| (vec![("outcome", outcome.name())], number(*count)));
    let mode = |mode: Option<AttachMode>| mode.map_or("none", attach_mode_name);
    let attached: Vec<Sample<'_>> = scrape
        .interfaces
        .iter()
        .map(|interface| (vec![("interface", &*interface.name), ("mode", mode(interface.attachment.mode))], 1.0))
        .collect();
    let down: Vec<Sample<'_>> = scrape
        .interfaces
        .iter()
        .map(|interface| (vec![("interface", &*interface.name)], number(interface.attachment.steps_down.len() as u64)))
        .collect();
    let plain = |value: f64| [(Vec::new(), value)];
    vec![
        gauge(
            "arpeggio_speaker_lease_seconds",
            "How long the kernel goes on answering if the agent stops now",
            left.map(|left| (Vec::new(), left)),
        ),
        counter(
            "arpeggio_speaker_frames_total",
            "ARP and neighbour discovery frames, by what became of them",
            outcomes,
        ),
        gauge("arpeggio_speaker_attached", "1 for how the program is attached to an interface", attached),
        gauge(
            "arpeggio_speaker_attach_steps_down",
            "Better ways of attaching that were not possible on an interface",
            down,
        ),
        gauge("arpeggio_speaker_peers", "Other speakers that were heard", plain(number(scrape.peers as u64))),
        counter(
            "arpeggio_speaker_gratuitous_failed_total",
            "Gratuitous frames that could not be sent",
            plain(number(scrape.gratuitous.failed)),
        ),
        gauge(
            "arpeggio_speaker_api_answers",
            "1 while the Kubernetes API answers",
            scrape.api_answers.map(|answers| (Vec::new(), f64::from(u8::from(answers)))),
        ),
    ]
}

const ALL: [Standing; 8] = [
    Standing::Out,
    Standing::Asking,
    Standing::Standby,
    Standing::Waiting,
    Standing::Owner,
    Standing::Leaving,
    Standing::InUse,
    Standing::Sharing,
];

#[cfg(test)]
mod tests {
    use arpeggio_common::{
        abi::{Action, Stats, Vip},
        serve::encode,
    };

    use super::{super::Counts, *};

    fn view(standing: Standing) -> View {
        View {
            standing,
            rank: Some(0),
            owner: None,
            since_ns: 0,
            heartbeat_ns: None,
            buckets: 0,
            doubt: None,
            unflooded: false,
            unanswered: None,
        }
    }

    fn counted() -> Stats {
        let mut stats = Stats::default();
        (stats.requests, stats.replies, stats.suppressed, stats.heartbeats, stats.claims) = (3, 5, 1, 2, 4);
        stats
    }

    fn scrape() -> Scrape {
        let vip = Vip::new([2, 0, 0, 0, 0, 1], Action::Answer, 0, 0);
        let stats = counted();
        let (one, two): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let entry = EntryFacts { vip, stats };
        Scrape {
            now_ns: 1_000_000_000,
            node: "node-a".into(),
            services: [(one, vec!["web/front".to_owned(), "web/back".to_owned()].into())].into(),
            entries: [((2, one), entry), ((3, one), entry), ((2, two), entry)].into(),
            capacity: 16_384,
            views: [
                ((2, one), view(Standing::Owner)),
                ((3, one), view(Standing::Owner)),
                ((2, two), view(Standing::Standby)),
            ]
            .into(),
            outcomes: [(Outcome::Conflict, 7)].into(),
            lease_until_ns: Some(10_500_000_000),
            interfaces: vec![ScrapedInterface {
                name: "eth0".into(),
                attachment: AttachmentFacts {
                    mode: Some(AttachMode::Tcx),
                    steps_down: vec![(AttachMode::Native, "busy".into())],
                    behind: Vec::new(),
                },
            }],
            gratuitous_of: [(one, 12)].into(),
            loaded: true,
            ..Scrape::default()
        }
    }

    #[test]
    fn names_and_labels_are_those_of_metallb() {
        let page = encode(&families(&scrape())).unwrap();
        for line in [
            "metallb_speaker_announced{service=\"web/front\",protocol=\"layer2\",node=\"node-a\",ip=\"192.0.2.1\"} 1",
            "metallb_speaker_announced{service=\"web/back\",protocol=\"layer2\",node=\"node-a\",ip=\"192.0.2.1\"} 1",
            "# TYPE metallb_layer2_requests_received counter",
            "metallb_layer2_requests_received{ip=\"192.0.2.1\"} 6",
            "metallb_layer2_responses_sent{ip=\"192.0.2.1\"} 6",
            "metallb_layer2_gratuitous_sent{ip=\"192.0.2.1\"} 12",
            "metallb_k8s_client_config_loaded_bool 1",
            "metallb_k8s_client_config_stale_bool 0",
            "arpeggio_speaker_requests_suppressed_total{ip=\"192.0.2.2\"} 1",
            "arpeggio_speaker_owned{node=\"node-a\",ip=\"192.0.2.1\"} 1",
            "arpeggio_speaker_addresses{standing=\"owner\"} 2",
            "arpeggio_speaker_addresses{standing=\"in-use\"} 0",
            "arpeggio_speaker_lease_seconds 9.5",
            "arpeggio_speaker_attached{interface=\"eth0\",mode=\"tcx\"} 1",
            "arpeggio_speaker_attach_steps_down{interface=\"eth0\"} 1",
            "arpeggio_speaker_frames_total{outcome=\"conflict\"} 7",
            "arpeggio_speaker_map_capacity 16384",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
        let announced = page.lines().filter(|line| line.starts_with("metallb_speaker_announced{")).count();
        assert_eq!(announced, 2, "a standby announces nothing");
        assert!(!page.contains("api_answers"), "there is no API");
    }

    #[test]
    fn an_address_of_a_file_has_no_service() {
        let page = encode(&families(&Scrape { services: BTreeMap::new(), ..scrape() })).unwrap();
        assert!(page.contains("metallb_speaker_announced{service=\"\",protocol=\"layer2\""), "{page}");
    }

    #[test]
    fn nothing_at_all_can_be_told() {
        encode(&families(&Scrape::default())).unwrap();
    }

    #[test]
    fn every_metric_is_documented() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/metrics.md");
        let page = std::fs::read_to_string(file).unwrap();
        let section = page.split_once("## Of the speaker").unwrap().1.split_once("\n## ").unwrap().0;
        let row = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
        let documented: BTreeSet<String> = section.lines().filter_map(row).collect();
        let bgp = Some(bgp::tests::report());
        let scrape = Scrape { api_answers: Some(true), bgp, ..scrape() };
        let counted = Counts::new().unwrap().all();
        let known = families(&scrape).iter().map(|family| family.name().to_owned()).chain(counted).collect();
        assert_eq!(documented, known);
    }
}
