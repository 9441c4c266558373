//! Pure: why an address is answered, or why not: the whole chain, and a verdict in one sentence.

mod bgp;
mod chain;
mod evidence;
mod history;
mod render;
mod report;
mod verdict;
mod wire;

use std::collections::BTreeMap;

use self::verdict::{Case, Judgement, Prospect, judge, list};
pub use self::{
    evidence::{ClientFacts, Evidence, WireFacts},
    render::render as render_explanation,
    report::{ClientReport, EventReport, Explanation, Level, Link, PlaceReport, Verdict},
    wire::Wire,
};
use super::{Filter, Silence, StatusReport, text::span};

impl Explanation {
    /// What the evidence comes to.
    pub fn new(evidence: &Evidence) -> Self {
        let filter = Filter { addresses: [evidence.address].into(), ..Filter::default() };
        let status = StatusReport::new(&evidence.facts, "").filtered(&filter);
        let mut chain = chain::node(evidence);
        let mut places = Vec::new();
        let mut cases = BTreeMap::new();
        for index in evidence.places() {
            let interface = evidence.name(index);
            let status = status.addresses.iter().find(|address| address.interface.as_ref() == Some(&interface));
            let wire = Wire::new(evidence, index);
            let clients = clients(evidence, index);
            chain.extend(chain::place(evidence, index, status, &wire, &clients));
            if evidence.matters(index) {
                cases.insert(interface.clone(), case(evidence, index, wire.clone()));
            }
            places.push(PlaceReport { status: status.cloned(), interface, wire, clients });
        }
        let judgement = match (cases.is_empty(), bgp::verdict(evidence)) {
            (true, Some(judgement)) => judgement,
            (true, None) => without_place(evidence),
            (false, _) => judge(evidence.address, &cases),
        };
        Self {
            address: evidence.address,
            prefix: evidence.prefix.as_ref().map(ToString::to_string),
            node: evidence.facts.node.as_ref().map(ToString::to_string),
            verdict: Verdict { good: judgement.good, text: judgement.text },
            chain,
            places,
            events: evidence.events.iter().map(|report| history::event(evidence, report)).collect(),
        }
    }
}

fn clients(evidence: &Evidence, index: u32) -> Vec<ClientReport> {
    let mut clients: Vec<_> = evidence.clients.iter().filter(|client| client.ifindex == index).collect();
    clients.sort_by_key(|client| std::cmp::Reverse(client.last_ns));
    let report = |client: &ClientFacts| ClientReport {
        client: client.client,
        mac: client.mac.to_string(),
        ago_ms: evidence.facts.now_ns.saturating_sub(client.last_ns) / 1_000_000,
    };
    clients.into_iter().map(report).collect()
}

fn case(evidence: &Evidence, index: u32, wire: Wire) -> Case {
    let entry = evidence.entry(index);
    let view = evidence.view(index);
    let left_ns = evidence.facts.lease_until_ns.unwrap_or_default().saturating_sub(evidence.facts.now_ns);
    Case {
        standing: evidence.standing(index),
        obstacle: evidence.obstacle(index),
        answers: entry.is_some_and(|entry| evidence::is_answer(&entry.vip)),
        shares: entry.map_or(0, |entry| entry.vip.buckets().count_ones()),
        owner: view.and_then(|view| view.owner).map(|voice| super::Party::new(voice, &evidence.facts.names)),
        prospect: prospect(evidence, index),
        proof: evidence.proof(index),
        behind: evidence.facts.attachments.get(&index).map(|attachment| attachment.behind.clone()).unwrap_or_default(),
        wire,
        lease_left: span(left_ns / 1_000_000),
        silence: without_agent(evidence),
        told: evidence.told.clone(),
    }
}

/// What would happen if the owner were gone: each candidate before this node, the owner aside, waits one turn less.
fn prospect(evidence: &Evidence, index: u32) -> Prospect {
    let candidates = evidence.announcement.iter().flat_map(|announcement| announcement.candidates());
    let candidates: Vec<_> = candidates.map(|name| evidence.facts.id_of(name)).collect();
    let me = evidence.facts.id();
    let Some(rank) = candidates.iter().position(|candidate| Some(*candidate) == me) else {
        return Prospect::NoCandidate;
    };
    let succession = evidence.facts.succession.clone().unwrap_or_default();
    if succession.evacuating {
        return Prospect::Evacuating;
    }
    let owner = evidence.view(index).and_then(|view| view.owner).and_then(|voice| voice.node);
    let before = candidates.iter().take(rank).filter(|candidate| Some(**candidate) != owner).count();
    Prospect::turn(before, succession.pace)
}

/// Why what is pinned has to speak.
fn without_agent(evidence: &Evidence) -> String {
    match evidence.facts.silence {
        Silence::NotRunning => "no agent is running".to_owned(),
        silence @ (Silence::Stopped { .. } | Silence::Hangs) => format!("the agent is {silence}"),
    }
}

/// The verdict where the address belongs to no interface.
fn without_place(evidence: &Evidence) -> Judgement {
    let Evidence { facts, address, interface, announcement, told, .. } = evidence;
    let on = interface.as_ref().map(|name| format!(" on {name}")).unwrap_or_default();
    let text = match (&facts.agent, announcement, &facts.config) {
        (None, ..) => format!("{}, and nothing is pinned for {address}{on}", without_agent(evidence)),
        (Some(_), None, None) if facts.api.is_some() => {
            "no: nothing is known yet of what is to be announced, the API server has not answered".to_owned()
        }
        (Some(_), None, Some(_)) if told.is_some() => format!("no: {}", told.as_deref().unwrap_or_default()),
        (Some(_), None, Some(config)) if facts.api.is_some() => {
            let name = arpeggio_common::api::names::announcement(*address);
            format!("no: there is no usable Announcement {name} in {}", config.file.display())
        }
        (Some(_), None, Some(config)) => format!("no: it is not in the configuration {}", config.file.display()),
        (Some(_), None, None) => "no: this node has no configuration".to_owned(),
        (Some(_), Some(announcement), _) => format!("no: {}", why_nowhere(evidence, announcement)),
    };
    let answers: String = evidence.asked().into_iter().filter_map(|index| who_answers(evidence, index)).collect();
    Judgement { good: false, text: text + &answers + "." }
}

/// Who answers on an interface for an address that this node does not announce.
fn who_answers(evidence: &Evidence, index: u32) -> Option<String> {
    let (wire, name) = (Wire::new(evidence, index), evidence.name(index));
    let Wire::Asked { answers, .. } = &wire else { return None };
    let named: Vec<_> = answers.iter().map(|party| party.short()).collect();
    Some(match named.as_slice() {
        [] => format!("; nobody answers on {name}"),
        [one] => format!("; {one} answers for it on {name}"),
        several => format!("; {} answer for it on {name}", list(several)),
    })
}

fn why_nowhere(evidence: &Evidence, announcement: &arpeggio_common::model::Announcement) -> String {
    let links = evidence.facts.links.0.values();
    if let Some(name) = &evidence.interface {
        let link = links.clone().find(|link| link.name == *name);
        let reason = link.and_then(|link| evidence.why_not(announcement, link));
        return match (link, reason) {
            (None, _) => format!("this node has no interface {name}"),
            (Some(_), reason) => format!("not on {name}: {}", reason.unwrap_or_else(|| "unknown".to_owned())),
        };
    }
    if let Some(reason) = evidence.facts.unplaced.get(&evidence.address) {
        return reason.clone();
    }
    let reasons: Vec<_> = links
        .filter(|link| announcement.interfaces().iter().any(|name| name.as_str() == link.name))
        .filter_map(|link| Some(format!("{}: {}", link.name, evidence.why_not(announcement, link)?)))
        .collect();
    if reasons.is_empty() {
        "this node has no interface for it".to_owned()
    } else {
        format!("this node has no interface for it ({})", reasons.join("; "))
    }
}

#[cfg(test)]
mod tests;
