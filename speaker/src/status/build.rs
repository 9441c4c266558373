//! Pure: the facts, as a report. What stands in the kernel is what is shown; where it is not what should be, a note says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
};

use arpeggio_common::{
    abi::{Action, Flags, Sighting, SightingKind, Stats, Vip},
    wire::Mac,
};

use super::{
    bgp::BgpStatus,
    client::Silence,
    cluster::KubernetesReport,
    facts::{AttachmentFacts, EntryFacts, Facts},
    ownership::{OwnershipReport, SuccessionReport},
    problems::{PENDING, problems},
    report::{
        AddressReport, AgentReport, ConfigReport, Counters, ErrorReport, GratuitousReport, GroupReport,
        InterfaceReport, LastRequest, LeaseReport, OtherSender, Role, SenderKind, StatusReport, StepDown,
    },
};
use crate::decide::DesiredVip;

impl StatusReport {
    /// The report of these facts; `version` is that of the program that makes it.
    pub fn new(facts: &Facts, version: &str) -> Self {
        let ago = |at_ns: u64| ago_ms(facts.now_ns, at_ns);
        let mut report = Self {
            problems: Vec::new(),
            node: facts.node.as_ref().map(ToString::to_string),
            cluster: Some(facts.cluster.to_string()).filter(|cluster| !cluster.is_empty()),
            version: version.to_owned(),
            agent: match (facts.agent, facts.silence) {
                (Some(agent), _) => AgentReport::Running { pid: agent.pid, for_ms: ago(agent.started_ns) },
                (None, Silence::NotRunning) => AgentReport::NotRunning,
                (None, silence @ (Silence::Stopped { .. } | Silence::Hangs)) => {
                    AgentReport::Silent { reason: silence.to_string() }
                }
            },
            config: facts.config.as_ref().map(|config| ConfigReport {
                file: config.file.clone(),
                generation: config.generation,
                loaded_ago_ms: ago(config.loaded_ns),
                newest_order: config.newest_order,
                refused: config.refused.clone(),
            }),
            kubernetes: facts.api.as_ref().map(|api| KubernetesReport::new(api, facts.now_ns)),
            lease: lease(facts),
            succession: facts
                .succession
                .as_ref()
                .map(|succession| SuccessionReport::new(facts, succession, |index| interface_name(facts, index))),
            interfaces: interfaces(facts),
            addresses: addresses(facts),
            outcomes: facts
                .outcomes
                .iter()
                .filter(|(_, frames)| **frames > 0)
                .map(|(outcome, frames)| (outcome.name().to_owned(), *frames))
                .collect(),
            groups: facts
                .groups
                .iter()
                .map(|(index, group)| GroupReport { interface: interface_name(facts, *index), group: *group })
                .collect(),
            gratuitous: GratuitousReport {
                frames: facts.gratuitous.frames,
                failed: facts.gratuitous.failed,
                last_ago_ms: facts.gratuitous.last_ns.map(ago),
            },
            errors: errors(facts),
            bgp: facts.bgp.as_ref().map(|(bgp, now_s)| BgpStatus::new(bgp, *now_s)),
        };
        report.problems = problems(facts, &report);
        report
    }
}

const fn ago_ms(now_ns: u64, at_ns: u64) -> u64 {
    now_ns.saturating_sub(at_ns) / 1_000_000
}

fn lease(facts: &Facts) -> LeaseReport {
    match facts.lease_until_ns {
        None | Some(0) => LeaseReport::Missing,
        Some(until) if until > facts.now_ns => LeaseReport::Valid { left_ms: ago_ms(until, facts.now_ns) },
        Some(until) => LeaseReport::Lapsed { ago_ms: ago_ms(facts.now_ns, until) },
    }
}

/// The newest first; of those at the same time the last that was noted.
fn errors(facts: &Facts) -> Vec<ErrorReport> {
    let mut errors: Vec<_> = facts.errors.iter().rev().collect();
    errors.sort_by_key(|(at_ns, _)| std::cmp::Reverse(*at_ns));
    errors
        .into_iter()
        .map(|(at_ns, text)| ErrorReport { ago_ms: ago_ms(facts.now_ns, *at_ns), text: text.clone() })
        .collect()
}

/// The present name of an interface, its last known name if it is gone, else its index.
fn interface_name(facts: &Facts, index: u32) -> String {
    let present = facts.links.0.get(&index).map(|link| &link.name);
    let wanted =
        || facts.desired.as_ref().and_then(|desired| desired.interfaces.get(&index)).map(|wanted| &wanted.name);
    present.or_else(wanted).cloned().unwrap_or_else(|| format!("if{index}"))
}

fn interfaces(facts: &Facts) -> Vec<InterfaceReport> {
    let wanted = facts.desired.iter().flat_map(|desired| desired.interfaces.keys());
    let indices: BTreeSet<_> = facts.links.0.keys().chain(wanted).chain(facts.attachments.keys()).collect();
    indices.into_iter().map(|index| interface(facts, *index)).collect()
}

fn interface(facts: &Facts, index: u32) -> InterfaceReport {
    let link = facts.links.0.get(&index);
    let reason = match link {
        Some(_) => facts.ineligible.get(&index).cloned(),
        None => Some("it no longer exists".to_owned()),
    };
    let attachment = facts.attachments.get(&index);
    InterfaceReport {
        name: interface_name(facts, index),
        index,
        mac: link.and_then(|link| link.mac).map(|mac| mac.to_string()),
        eligible: reason.is_none(),
        reason,
        attach: attachment.and_then(|attachment| attachment.mode),
        steps_down: attachment.map(steps_down).unwrap_or_default(),
        behind: attachment.map(|attachment| attachment.behind.clone()).unwrap_or_default(),
        stands_by_for: facts.standing_by.get(&index).map(|other| interface_name(facts, *other)),
        paths: facts.path_faults(index).iter().map(ToString::to_string).collect(),
        carrier: link.is_some_and(|link| link.carrier),
        mtu: link.map_or(0, |link| link.mtu),
    }
}

fn steps_down(attachment: &AttachmentFacts) -> Vec<StepDown> {
    attachment.steps_down.iter().map(|(mode, reason)| StepDown { mode: *mode, reason: reason.clone() }).collect()
}

fn addresses(facts: &Facts) -> Vec<AddressReport> {
    let nothing = BTreeMap::new();
    let wanted = facts.desired.as_ref().map_or(&nothing, |desired| &desired.vips);
    let viewed = facts.succession.iter().flat_map(|succession| succession.views.keys());
    let places = facts.entries.keys().chain(wanted.keys()).chain(viewed);
    let placed: BTreeSet<(IpAddr, u32)> = places.map(|(index, address)| (*address, *index)).collect();
    let mut reports: Vec<_> = placed
        .into_iter()
        .map(|(address, index)| {
            let key = (index, address);
            let mut report = match facts.entries.get(&key) {
                Some(entry) => installed(facts.now_ns, address, entry),
                None => not_installed(address, facts.failures.get(&key).map_or(PENDING, String::as_str)),
            };
            report.interface = Some(interface_name(facts, index));
            report.ownership = OwnershipReport::new(facts, key);
            if let (Some(entry), Some(_)) = (facts.entries.get(&key), &facts.desired) {
                report.note = difference(&entry.vip, wanted.get(&key), facts.failures.get(&key));
            }
            report.seen = facts.sightings.get(&key).map(|sighting| seen(facts, sighting));
            report
        })
        .collect();
    reports.extend(facts.unplaced.iter().map(|(address, reason)| not_installed(*address, reason)));
    // Stable: the interfaces of one address keep the order of their indices.
    reports.sort_by_key(|report| report.address);
    reports
}

fn not_installed(address: IpAddr, reason: &str) -> AddressReport {
    AddressReport {
        address,
        interface: None,
        role: Role::NotInstalled,
        ownership: None,
        note: Some(reason.to_owned()),
        mac: None,
        shares: 0,
        evacuating: false,
        counters: Counters::default(),
        last_request: None,
        seen: None,
    }
}

fn installed(now_ns: u64, address: IpAddr, EntryFacts { vip, stats }: &EntryFacts) -> AddressReport {
    AddressReport {
        address,
        interface: None,
        role: match vip.action() {
            Some(Action::Answer) => Role::Owner,
            Some(Action::Suppress) => Role::Suppressed,
            // The program passes what it does not know.
            Some(Action::Observe) | None => Role::Observed,
        },
        ownership: None,
        note: None,
        mac: Some(Mac(vip.mac()).to_string()),
        shares: vip.buckets().count_ones(),
        evacuating: vip.flags().contains(Flags::EVACUATING),
        counters: Counters {
            requests: stats.requests,
            replies: stats.replies,
            suppressed: stats.suppressed,
            heartbeats: stats.heartbeats,
            claims: stats.claims,
        },
        last_request: (stats.last_request_ns > 0).then(|| last_request(now_ns, stats)),
        seen: None,
    }
}

fn last_request(now_ns: u64, stats: &Stats) -> LastRequest {
    let client = IpAddr::V6(Ipv6Addr::from(stats.last_client())).to_canonical();
    let mac = Mac(stats.last_client_mac());
    LastRequest {
        ago_ms: ago_ms(now_ns, stats.last_request_ns),
        client: (!client.is_unspecified()).then_some(client),
        mac: (mac != Mac::ZERO).then(|| mac.to_string()),
    }
}

fn seen(facts: &Facts, sighting: &Sighting) -> OtherSender {
    OtherSender {
        node: sighting.node().map(|node| facts.names.of(node)),
        mac: Mac(sighting.mac()).to_string(),
        ago_ms: ago_ms(facts.now_ns, sighting.last_seen_ns()),
        kind: match sighting.kind() {
            Some(SightingKind::Claim) => SenderKind::Claim,
            Some(SightingKind::Reply) => SenderKind::Reply,
            Some(SightingKind::Heartbeat) => SenderKind::Heartbeat,
            Some(SightingKind::Use) => SenderKind::Use,
            None => SenderKind::Unknown,
        },
        count: sighting.count(),
    }
}

/// In what an entry is not what it should be, and why.
fn difference(vip: &Vip, wanted: Option<&DesiredVip>, failure: Option<&String>) -> Option<String> {
    let Some(wanted) = wanted else { return Some(because("no longer wanted", failure)) };
    let mut parts = Vec::new();
    if vip.action() != Some(wanted.action) {
        parts.push(format!("should {}", wanted.action.name()));
    }
    if Mac(vip.mac()) != wanted.mac {
        parts.push(format!("the MAC should be {}", wanted.mac));
    }
    if vip.buckets() != wanted.buckets {
        parts.push(format!("should answer {} of 64 shares", wanted.buckets.count_ones()));
    }
    if vip.flags() != wanted.flags {
        let evacuating = wanted.flags.contains(Flags::EVACUATING);
        parts.push(if evacuating { "should be evacuating" } else { "should not be evacuating" }.to_owned());
    }
    (!parts.is_empty()).then(|| because(&parts.join(", "), failure))
}

fn because(text: &str, failure: Option<&String>) -> String {
    failure.map_or_else(|| text.to_owned(), |failure| format!("{text}: {failure}"))
}
