//! Pure: the links of the chain between a configured address and an answered client, one by one.

use std::collections::BTreeSet;

use arpeggio_common::{
    abi::{Action, Flags},
    model::{Announcement, Mode},
    wire::Mac,
};
use arpeggio_succession::Standing;

use super::{
    bgp,
    evidence::{Evidence, Proof, WireFacts, is_answer},
    report::{ClientReport, Level, Link},
    verdict::list,
    wire::Wire,
};
use crate::{
    decide::AttachMode,
    status::{
        AddressReport,
        ownership::standing_name,
        text::{attach_mode_name, count, span},
    },
    world::describe_generation,
};

/// Clients that are named one by one.
const NAMED_CLIENTS: usize = 4;

/// Adds links to a chain.
struct Chain<'a> {
    evidence: &'a Evidence,
    links: Vec<Link>,
    interface: Option<String>,
}

impl Chain<'_> {
    fn add(&mut self, level: Level, subject: &str, text: impl Into<String>) {
        let (interface, subject) = (self.interface.clone(), subject.to_owned());
        self.links.push(Link { level, interface, subject, text: text.into() });
    }

    /// The address is not expected on this interface: nothing here keeps it from being answered.
    fn soften(&mut self) {
        for link in self.links.iter_mut().filter(|link| link.level == Level::Problem) {
            link.level = Level::Warning;
        }
    }
}

/// What concerns the node as a whole: agent, configuration, interfaces that do not count, lease.
pub(super) fn node(evidence: &Evidence) -> Vec<Link> {
    let mut chain = Chain { evidence, links: Vec::new(), interface: None };
    chain.agent();
    chain.configuration();
    chain.links.extend(bgp::links(evidence));
    chain.lease();
    chain.links
}

/// What concerns one interface.
pub(super) fn place(
    evidence: &Evidence,
    index: u32,
    status: Option<&AddressReport>,
    wire: &Wire,
    clients: &[ClientReport],
) -> Vec<Link> {
    let mut chain = Chain { evidence, links: Vec::new(), interface: Some(evidence.name(index)) };
    chain.device(index);
    chain.attached(index);
    chain.entry(index);
    chain.standing(index, status);
    chain.wire(index, wire);
    chain.requests(status);
    chain.clients(clients);
    if !evidence.matters(index) {
        chain.soften();
    }
    chain.links
}

impl Chain<'_> {
    fn agent(&mut self) {
        match self.evidence.facts.agent {
            Some(agent) => {
                let since = self.evidence.ago(agent.started_ns);
                self.add(Level::Ok, "agent", format!("running for {since}"));
            }
            None => {
                let text = format!("{}; what follows stands in the pinned maps", self.evidence.facts.silence);
                self.add(Level::Problem, "agent", text);
            }
        }
    }

    fn configuration(&mut self) {
        let evidence = self.evidence;
        let Some(config) = &evidence.facts.config else { return };
        let file = config.file.display();
        match &evidence.announcement {
            Some(announcement) => {
                let rank = evidence.facts.node.as_ref().and_then(|node| {
                    announcement.candidates().iter().position(|candidate| candidate == node).map(|rank| rank + 1)
                });
                let of = announcement.candidates().len();
                let me = match (rank, announcement.candidates()) {
                    (Some(rank), _) => format!("this node ranks {rank} of {of}"),
                    (None, _) => "this node is none of them".to_owned(),
                };
                let level = if rank.is_some() { Level::Ok } else { Level::Warning };
                self.add(level, "configuration", format!("{file}: {}; {me}", order(announcement)));
            }
            None if bgp::concerns(evidence) => {}
            None => self.add(Level::Problem, "configuration", format!("{file} does not announce it")),
        }
        if let Some(told) = &evidence.told {
            self.add(Level::Problem, "announced", told.clone());
        }
        if let Some(reason) = evidence.facts.unplaced.get(&evidence.address) {
            self.add(Level::Problem, "address", reason.clone());
        }
        if let Some(refused) = &config.refused {
            self.add(Level::Warning, "configuration", format!("the newest file is refused: {refused}"));
        }
        self.elsewhere();
    }

    /// Interfaces that the address is limited to and is not announced on all the same.
    fn elsewhere(&mut self) {
        let evidence = self.evidence;
        let Some(announcement) = &evidence.announcement else { return };
        let present: BTreeSet<_> = evidence.facts.links.0.values().map(|link| link.name.as_str()).collect();
        for name in announcement.interfaces().iter().filter(|name| !present.contains(name.as_str())) {
            self.add(Level::Warning, "interface", format!("{name}: there is no such interface"));
        }
        for link in evidence.facts.links.0.values() {
            let asked = evidence.interface.as_ref() == Some(&link.name);
            let named = announcement.interfaces().iter().any(|name| name.as_str() == link.name);
            if let Some(reason) = evidence.why_not(announcement, link).filter(|_| asked || named) {
                self.add(Level::Problem, "interface", format!("{}: {reason}", link.name));
            }
        }
    }

    fn lease(&mut self) {
        let facts = &self.evidence.facts;
        match facts.lease_until_ns {
            None | Some(0) => self.add(Level::Problem, "lease", "none: nothing is answered"),
            Some(until_ns) if until_ns > facts.now_ns => {
                let left = span((until_ns - facts.now_ns) / 1_000_000);
                self.add(Level::Ok, "lease", format!("valid, {left} left"));
            }
            Some(until_ns) => {
                let ago = self.evidence.ago(until_ns);
                self.add(Level::Problem, "lease", format!("ended {ago} ago: nothing is answered"));
            }
        }
    }

    fn device(&mut self, index: u32) {
        let Some(link) = self.evidence.facts.links.0.get(&index) else {
            return self.add(Level::Problem, "interface", format!("index {index}: it no longer exists"));
        };
        let mac = link.mac.map_or_else(|| "no MAC".to_owned(), |mac| mac.to_string());
        if link.carrier {
            self.add(Level::Ok, "interface", format!("index {index}, {mac}, carrier"));
        } else {
            self.add(Level::Problem, "interface", format!("index {index}, {mac}, no carrier"));
        }
        for fault in self.evidence.facts.path_faults(index) {
            self.add(Level::Warning, "path", fault.to_string());
        }
    }

    fn attached(&mut self, index: u32) {
        let Some(attachment) = self.evidence.facts.attachments.get(&index) else {
            return self.add(Level::Problem, "attached", "nothing is attached");
        };
        let steps = attachment.steps_down.iter().map(|(mode, why)| format!("; not {}: {why}", attach_mode_name(*mode)));
        let behind =
            attachment.behind.iter().map(|program| format!("; behind {program}, which may take requests away"));
        let steps: String = behind.chain(steps).collect();
        match attachment.mode {
            Some(mode) if !attachment.behind.is_empty() => {
                self.add(Level::Warning, "attached", format!("{}{steps}", attach_mode_name(mode)));
            }
            Some(mode @ (AttachMode::Native | AttachMode::Tcx)) => {
                self.add(Level::Ok, "attached", format!("{}{steps}", attach_mode_name(mode)));
            }
            Some(mode @ (AttachMode::Generic | AttachMode::User)) => {
                self.add(Level::Warning, "attached", format!("{}{steps}", attach_mode_name(mode)));
            }
            None => self.add(Level::Problem, "attached", format!("nothing{steps}")),
        }
    }

    fn entry(&mut self, index: u32) {
        let evidence = self.evidence;
        let Some(entry) = evidence.entry(index) else {
            let why = evidence.facts.failures.get(&(index, evidence.address)).map(|why| format!(": {why}"));
            return self.add(Level::Problem, "entry", format!("none{}", why.unwrap_or_default()));
        };
        let vip = &entry.vip;
        let mac = Mac(vip.mac());
        let does = match vip.action() {
            Some(Action::Answer) if is_answer(vip) => match vip.buckets().count_ones() {
                64 => format!("answers everybody with {mac}"),
                shares => format!("answers {shares} of 64 shares of clients with {mac}"),
            },
            Some(Action::Answer) => "answers nobody".to_owned(),
            Some(Action::Suppress) => "drops requests, so that this node's kernel does not answer".to_owned(),
            Some(Action::Observe) => "passes requests on".to_owned(),
            None => "an action of another version; requests are passed on".to_owned(),
        };
        let leaving = if vip.flags().contains(Flags::EVACUATING) { "; heartbeats stay unanswered" } else { "" };
        let link = evidence.facts.links.0.get(&index);
        if let Some(wants) = link.and_then(|link| link.mac).filter(|wants| *wants != mac) {
            return self.add(Level::Problem, "entry", format!("{does}{leaving}, but the interface has {wants}"));
        }
        let owns =
            matches!(evidence.standing(index), Some(Standing::Owner | Standing::Leaving | Standing::Sharing) | None);
        let level = if owns == is_answer(vip) || evidence.facts.agent.is_none() { Level::Ok } else { Level::Problem };
        self.add(level, "entry", format!("{does}{leaving}"));
    }

    fn standing(&mut self, index: u32, status: Option<&AddressReport>) {
        let Some(own) = status.and_then(|status| status.ownership.as_ref()) else { return };
        let mut text = format!("{} for {}", standing_name(own.standing), span(own.for_ms));
        if let Some(owner) = own.owner.as_ref().filter(|_| !matches!(own.standing, Standing::Owner | Standing::Leaving))
        {
            text += &format!("; {owner} has it");
        }
        if let Some(ms) = own.heartbeat_ago_ms {
            text += &format!(" and answered a heartbeat {ms} ms ago");
        }
        if own.deaf_ms.is_some() {
            text += "; I hear nothing and therefore do not take over";
            return self.add(Level::Warning, "standing", text);
        }
        let level = match own.standing {
            Standing::Owner | Standing::Sharing | Standing::Standby => Level::Ok,
            Standing::Out if self.evidence.obstacle(index).is_none() => Level::Ok,
            Standing::Out | Standing::Asking | Standing::Waiting | Standing::Leaving => Level::Warning,
            Standing::InUse => Level::Problem,
        };
        self.add(level, "standing", text);
    }

    fn wire(&mut self, index: u32, wire: &Wire) {
        if let Wire::NotAsked { reason } = wire {
            return self.add(Level::Warning, "wire", format!("not asked: {reason}"));
        }
        let how = match self.evidence.wire.get(&index) {
            Some(WireFacts::Asked { source: Some(source), .. }) => format!("asked from {source}"),
            Some(WireFacts::Asked { source: None, .. } | WireFacts::NotAsked(_)) | None => "asked".to_owned(),
        };
        let evidence = self.evidence;
        for proxy in evidence.proxies(index) {
            self.add(Level::Warning, "proxy", format!("{proxy} answers for every address there, for this one as well"));
        }
        let answers =
            matches!(self.evidence.standing(index), Some(Standing::Owner | Standing::Leaving | Standing::Sharing));
        let heard = wire.heard();
        let names: Vec<_> = heard.iter().map(ToString::to_string).collect();
        let names = list(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let strangers = heard.iter().any(|party| party.node.is_none());
        let proof = match self.evidence.proof(index) {
            Proof::Answered => (Level::Ok, "and its program answered meanwhile"),
            Proof::Saw => (Level::Ok, "and its program saw frames meanwhile"),
            Proof::Refused => (Level::Problem, "and its program was asked and did not answer"),
            Proof::Nothing => (Level::Warning, "and no frame is known to have reached its program"),
        };
        let (level, text) = match (heard.len(), answers) {
            (0, true) => (proof.0, format!("{how}: nobody else answers; a node does not hear itself, {}", proof.1)),
            (0, false) => (Level::Problem, format!("{how}: nobody answers")),
            (1, false) if !strangers => (Level::Ok, format!("{how}: {names} answers")),
            (1, false) => (Level::Problem, format!("{how}: {names} answers, which is no speaker")),
            (_, true) if self.is_shared() && !strangers => (Level::Ok, format!("{how}: {names} answers as well")),
            (_, true) => (Level::Problem, format!("{how}: {names} answers as well")),
            (_, false) => (Level::Problem, format!("{how}: {names} answer")),
        };
        self.add(level, "wire", text);
    }

    fn is_shared(&self) -> bool {
        self.evidence.announcement.as_ref().is_some_and(|announcement| announcement.mode() == Mode::Shared)
    }

    fn requests(&mut self, status: Option<&AddressReport>) {
        let Some(status) = status.filter(|status| status.mac.is_some()) else { return };
        let counters = &status.counters;
        let mut text = format!("{}, {}", count(counters.requests, "request"), count(counters.replies, "answer"));
        for (number, what) in [(counters.suppressed, "dropped"), (counters.heartbeats, "heartbeats of others")] {
            if number > 0 {
                text += &format!(", {number} {what}");
            }
        }
        if let Some(last) = &status.last_request {
            text += &format!("; the last request {} ago", span(last.ago_ms));
        }
        self.add(Level::Ok, "requests", text);
        if let Some(seen) = &status.seen {
            let seen = crate::status::render::sighting(seen);
            self.add(Level::Ok, "sighting", seen);
        }
    }

    fn clients(&mut self, clients: &[ClientReport]) {
        if clients.is_empty() {
            return;
        }
        let named: Vec<_> = clients
            .iter()
            .take(NAMED_CLIENTS)
            .map(|client| format!("{} ({}) {} ago", client.client, client.mac, span(client.ago_ms)))
            .collect();
        let more = clients.len().saturating_sub(NAMED_CLIENTS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        self.add(Level::Ok, "clients", format!("{}{more}", named.join(", ")));
    }
}

fn order(announcement: &Announcement) -> String {
    let mode = match announcement.mode() {
        Mode::Exclusive => "one owner",
        Mode::Shared => "shared",
    };
    let names: Vec<_> = announcement.candidates().iter().map(|name| name.as_str()).collect();
    let names = if names.is_empty() { "no candidate".to_owned() } else { format!("candidates {}", names.join(", ")) };
    let limits: Vec<_> = announcement.interfaces().iter().map(|name| name.as_str()).collect();
    let limits = if limits.is_empty() { String::new() } else { format!(", only on {}", list(&limits)) };
    let generation = match announcement.generation() {
        0 => String::new(),
        known => format!(", generation {}", describe_generation(known)),
    };
    format!("{mode}, {names}{limits}{generation}")
}
