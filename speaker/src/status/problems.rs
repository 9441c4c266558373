//! Pure: what is not as it should be, each in a sentence. Interfaces that no address can be expected on do not count.

use std::{collections::BTreeMap, net::IpAddr};

use arpeggio_succession::Standing;

use super::{
    bgp::BgpStatus,
    facts::Facts,
    report::{AddressReport, AgentReport, LeaseReport, Role, StatusReport},
    text::span,
};
use crate::world::Link;

/// Somebody else with an address of this node counts for so long after it was seen, in milliseconds.
const RIVAL_MS: u64 = 30_000;
/// A handover takes no longer where there is a successor, in milliseconds.
const LEAVING_MS: u64 = 10_000;

/// What is said of an entry that no round has come to yet.
pub(super) const PENDING: &str = "not written yet";

/// The problems of the node first, then those of interfaces and addresses.
pub(super) fn problems(facts: &Facts, report: &StatusReport) -> Vec<String> {
    let mut problems = of_the_node(facts, report);
    if facts.agent.is_some() {
        problems.extend(of_interfaces(facts, report));
        problems.extend(of_addresses(facts, report));
    }
    problems.extend(report.bgp.iter().flat_map(BgpStatus::problems));
    problems
}

fn of_the_node(facts: &Facts, report: &StatusReport) -> Vec<String> {
    let mut problems = Vec::new();
    if report.agent == AgentReport::NotRunning || matches!(report.agent, AgentReport::Silent { .. }) {
        problems.push(format!("the agent is {}", facts.silence));
    }
    match report.lease {
        LeaseReport::Valid { .. } => {}
        LeaseReport::Lapsed { ago_ms } => {
            problems.push(format!("the lease ended {} ago: the kernel answers nothing", span(ago_ms)))
        }
        LeaseReport::Missing => problems.push("there is no lease: the kernel answers nothing".to_owned()),
    }
    if let Some(error) = report.config.as_ref().and_then(|config| config.refused.as_ref()) {
        problems.push(format!("the newest file is refused, the one before stays in force: {error}"));
    }
    if let Some(kubernetes) = &report.kubernetes {
        let since = kubernetes.for_ms.map(|ms| format!(" for {}", span(ms))).unwrap_or_default();
        if kubernetes.answering == Some(false) {
            problems.push(format!("the API server has not answered{since}; its last state stays in force"));
        }
        let fault = |(name, reason): (&String, &String)| format!("Announcement {name} cannot be used: {reason}");
        problems.extend(alike(kubernetes.faults.iter().map(|fault| (&fault.name, &fault.reason)), fault));
    }
    problems
}

fn of_interfaces(facts: &Facts, report: &StatusReport) -> Vec<String> {
    let Some(desired) = &facts.desired else { return Vec::new() };
    let announced = |link: &Link| {
        let near = |address: &IpAddr| link.addresses.iter().any(|net| net.contains(address));
        desired.vips.keys().any(|(index, address)| *index == link.index && near(address))
    };
    let mut problems = Vec::new();
    for interface in report.interfaces.iter().filter(|interface| interface.eligible) {
        let Some(link) = facts.links.0.get(&interface.index).filter(|link| announced(link)) else { continue };
        if !interface.carrier {
            problems.push(format!("{} has no carrier: nothing is answered there", link.name));
        } else if interface.attach.is_none() {
            let reason = interface.steps_down.last().map(|step| format!(": {}", step.reason)).unwrap_or_default();
            problems.push(format!("nothing is attached to {}: nothing is answered there{reason}", link.name));
        }
    }
    problems
}

fn of_addresses(facts: &Facts, report: &StatusReport) -> Vec<String> {
    let carrier = |address: &AddressReport| {
        let link = facts.links.0.values().find(|link| Some(&link.name) == address.interface.as_ref());
        link.is_none_or(|link| link.carrier)
    };
    let places = report.addresses.iter().filter(|address| carrier(address)).filter_map(|address| {
        let place = match &address.interface {
            Some(interface) => format!("{} on {interface}", address.address),
            None => address.address.to_string(),
        };
        Some((place, of_address(address)?))
    });
    alike(places, |(place, reason)| format!("{place}: {reason}"))
}

fn of_address(address: &AddressReport) -> Option<String> {
    let Some(own) = &address.ownership else {
        // An entry of what others own may be old; what no interface carries, or no map holds, is a problem.
        let is_missing = address.interface.is_none() || address.role == Role::NotInstalled;
        return address.note.clone().filter(|note| is_missing && note != PENDING);
    };
    match own.standing {
        Standing::Owner | Standing::Leaving | Standing::Sharing if address.note.is_some() => address.note.clone(),
        Standing::Owner => {
            let seen = address.seen.as_ref()?;
            let since = seen.ago_ms < RIVAL_MS && seen.ago_ms < own.for_ms;
            let who = seen.node.as_ref().map_or_else(|| format!("a stranger ({})", seen.mac), Clone::clone);
            since.then(|| format!("{who} answers for it or claims it as well"))
        }
        Standing::InUse => {
            let who = own.owner.as_ref().map_or("a stranger", |owner| owner.short());
            Some(format!("not claimed: {who} has it and is no speaker"))
        }
        Standing::Standby | Standing::Waiting if own.deaf_ms.is_some() => {
            let owner = own.owner.as_ref().map_or("its owner", |owner| owner.short());
            Some(format!("{owner} does not answer, but this node hears nothing and does not take over"))
        }
        Standing::Leaving if own.for_ms > LEAVING_MS => {
            Some("evacuated, but no other candidate takes it over; this node answers on".to_owned())
        }
        Standing::Out | Standing::Asking | Standing::Standby | Standing::Waiting => None,
        Standing::Leaving | Standing::Sharing => None,
    }
}

/// One line for all of which the same is true: ten thousand addresses may have one cause.
fn alike<N: std::fmt::Display, R: Ord + std::fmt::Display>(
    found: impl Iterator<Item = (N, R)>,
    line: impl Fn((&String, &String)) -> String,
) -> Vec<String> {
    let mut causes: BTreeMap<R, Vec<String>> = BTreeMap::new();
    for (name, reason) in found {
        causes.entry(reason).or_default().push(name.to_string());
    }
    let told = |(reason, names): (R, Vec<String>)| {
        let reason = reason.to_string();
        match names.as_slice() {
            [first, _, ..] => line((&format!("{first} and {} more", names.len() - 1), &reason)),
            [first] => line((first, &reason)),
            [] => reason,
        }
    };
    causes.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::status::{Counters, OtherSender, OwnershipReport, Party, SenderKind};

    fn party() -> Party {
        Party { node: Some("node-b".to_owned()), mac: "02:00:00:00:00:02".to_owned() }
    }

    fn address(standing: Standing) -> AddressReport {
        AddressReport {
            address: [192, 0, 2, 10].into(),
            interface: Some("eth0".to_owned()),
            role: Role::Owner,
            ownership: Some(OwnershipReport {
                standing,
                rank: Some(1),
                owner: Some(party()),
                for_ms: 20_000,
                heartbeat_ago_ms: None,
                deaf_ms: None,
            }),
            note: None,
            mac: None,
            shares: 64,
            evacuating: false,
            counters: Counters::default(),
            last_request: None,
            seen: None,
        }
    }

    fn seen(ago_ms: u64, node: Option<&str>) -> Option<OtherSender> {
        let (node, mac) = (node.map(str::to_owned), "02:00:00:00:00:09".to_owned());
        Some(OtherSender { node, mac, ago_ms, kind: SenderKind::Claim, count: 1 })
    }

    fn leaving() -> Option<OwnershipReport> {
        address(Standing::Leaving).ownership.map(|own| OwnershipReport { for_ms: 300, ..own })
    }

    fn deaf() -> Option<OwnershipReport> {
        address(Standing::Standby).ownership.map(|own| OwnershipReport { deaf_ms: Some(900), ..own })
    }

    #[rstest]
    #[case::owner(address(Standing::Owner), None)]
    #[case::rival(AddressReport { seen: seen(100, Some("node-c")), ..address(Standing::Owner) }, Some("node-c answers for it or claims it as well"))]
    #[case::stranger(AddressReport { seen: seen(100, None), ..address(Standing::Owner) }, Some("a stranger (02:00:00:00:00:09) answers for it or claims it as well"))]
    #[case::before(AddressReport { seen: seen(25_000, None), ..address(Standing::Owner) }, None)]
    #[case::successor(AddressReport { seen: seen(100, Some("node-c")), ownership: leaving(), ..address(Standing::Leaving) }, None)]
    #[case::nobody_comes(
        address(Standing::Leaving),
        Some("evacuated, but no other candidate takes it over; this node answers on")
    )]
    #[case::in_use(address(Standing::InUse), Some("not claimed: node-b has it and is no speaker"))]
    #[case::standby(address(Standing::Standby), None)]
    #[case::deaf(AddressReport { ownership: deaf(), ..address(Standing::Standby) }, Some("node-b does not answer, but this node hears nothing and does not take over"))]
    #[case::not_installed(AddressReport { note: Some("the map is full".to_owned()), ..address(Standing::Owner) }, Some("the map is full"))]
    #[case::not_ours(AddressReport { note: Some("the map is full".to_owned()), ownership: None, ..address(Standing::Out) }, None)]
    #[case::full(AddressReport { note: Some("the map is full".to_owned()), ownership: None, role: Role::NotInstalled, ..address(Standing::Out) }, Some("the map is full"))]
    #[case::pending(AddressReport { note: Some(PENDING.to_owned()), ownership: None, role: Role::NotInstalled, ..address(Standing::Out) }, None)]
    #[case::unplaced(AddressReport { note: Some("no interface".to_owned()), ownership: None, interface: None, ..address(Standing::Out) }, Some("no interface"))]
    fn every_address_tells_what_is_wrong(#[case] address: AddressReport, #[case] problem: Option<&str>) {
        assert_eq!(of_address(&address).as_deref(), problem);
    }

    #[test]
    fn many_addresses_with_one_cause_are_one_line() {
        let found = [("a", "x"), ("b", "y"), ("c", "x"), ("d", "x")].into_iter();
        assert_eq!(alike(found, |(name, reason)| format!("{name}: {reason}")), ["a and 2 more: x", "b: y"]);
    }
}
