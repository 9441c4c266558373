//! What an explanation is made of: plain values, gathered by whoever has them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::{
    abi::{Action, Stats, Vip},
    model::{Announcement, Route},
    wire::Mac,
};
use arpeggio_succession::{Report, Standing, View};
use ipnet::IpNet;

use crate::{
    decide::AttachMode,
    status::{
        facts::{EntryFacts, Facts},
        text::{attach_mode_name, span},
    },
    world::{Link, expected_on},
};

/// What asking one interface came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireFacts {
    /// It was asked.
    Asked {
        /// When, monotonic nanoseconds.
        at_ns: u64,
        /// Our own address that it was asked from; `None` when there was none, so that only speakers were asked to answer.
        source: Option<IpAddr>,
        /// Who answered the question from that address.
        answers: BTreeSet<Mac>,
        /// Whether any answer came in, to whatever question.
        heard: bool,
    },
    /// It was not, and why.
    NotAsked(String),
}

/// Everything that is known about one address, and of the node what bears on it. Times are monotonic nanoseconds.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The node.
    pub facts: Facts,
    /// The address; never IPv4-mapped.
    pub address: IpAddr,
    /// The prefix that is asked about; its first address is `address` then.
    pub prefix: Option<IpNet>,
    /// The routes of the address for BGP peers, of all nodes.
    pub routes: Vec<Route>,
    /// Only this interface is asked about.
    pub interface: Option<String>,
    /// What the configuration says about the address.
    pub announcement: Option<Announcement>,
    /// What the API server shows of why nobody answers.
    pub told: Option<String>,
    /// What asking came to, by interface index.
    pub wire: BTreeMap<u32, WireFacts>,
    /// The counters of the address before it was asked for, by interface index.
    pub before: BTreeMap<u32, Stats>,
    /// Who asked for the address.
    pub clients: Vec<ClientFacts>,
    /// What the flight recorder has about the address, the oldest first.
    pub events: Vec<Report>,
    /// What has to be added to monotonic nanoseconds to make them wall-clock time.
    pub wall_ahead_ns: u64,
}

/// Somebody who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientFacts {
    /// Index of the interface.
    pub ifindex: u32,
    /// Its address; unspecified for a probe.
    pub client: IpAddr,
    /// Its MAC.
    pub mac: Mac,
    /// When it was remembered last.
    pub last_ns: u64,
}

/// What shows that this node answers, beside what it was told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The program answered somebody while the segment was asked.
    Answered,
    /// It saw frames meanwhile; nobody asked it for the address.
    Saw,
    /// It was asked, and answered nobody.
    Refused,
    /// No frame is known to have reached it.
    Nothing,
}

impl Evidence {
    /// The counters of the address, by interface index.
    pub fn stats(&self) -> BTreeMap<u32, Stats> {
        let own = self.facts.entries.iter().filter(|((_, address), _)| *address == self.address);
        own.map(|((index, _), entry)| (*index, entry.stats)).collect()
    }

    /// The other speakers that were heard on an interface.
    pub fn speakers_on(&self, index: u32) -> impl Iterator<Item = Mac> + '_ {
        let peers = self.facts.succession.iter().flat_map(|succession| &succession.peers);
        let owner = self.view(index).and_then(|view| view.owner).map(|voice| voice.mac);
        peers.filter(move |peer| peer.ifindex == index).map(|peer| peer.mac).chain(owner)
    }

    /// What shows that this node answers there.
    pub(super) fn proof(&self, index: u32) -> Proof {
        let Some(WireFacts::Asked { at_ns, heard, .. }) = self.wire.get(&index) else { return Proof::Nothing };
        let (Some(before), Some(after)) = (self.before.get(&index), self.entry(index).map(|entry| entry.stats)) else {
            return Proof::Nothing;
        };
        if after.replies > before.replies {
            return Proof::Answered;
        }
        if after.requests > before.requests {
            return Proof::Refused;
        }
        let peers = self.facts.succession.iter().flat_map(|succession| &succession.peers);
        let mut spoke = peers.filter(|peer| peer.ifindex == index).map(|peer| peer.last_ns);
        let mut seen = self.facts.sightings.iter().filter(|((on, _), _)| *on == index);
        let saw = after.heartbeats > before.heartbeats
            || after.claims > before.claims
            || spoke.any(|last_ns| last_ns >= *at_ns)
            || seen.any(|(_, sighting)| sighting.last_seen_ns() >= *at_ns);
        if saw || (*heard && self.sockets_hear_what_the_program_saw(index)) { Proof::Saw } else { Proof::Nothing }
    }

    /// Sockets hear frames behind XDP, but before tcx.
    fn sockets_hear_what_the_program_saw(&self, index: u32) -> bool {
        let mode = self.facts.attachments.get(&index).and_then(|attachment| attachment.mode);
        matches!(mode, Some(AttachMode::Native | AttachMode::Generic | AttachMode::User))
    }

    /// Whether the address can be expected to be answered on an interface: it is named, or is one of [`expected_on`].
    pub(super) fn matters(&self, index: u32) -> bool {
        let Some(announcement) = &self.announcement else { return true };
        let places = self.places();
        let links = places.iter().filter_map(|index| self.facts.links.0.get(index));
        !announcement.interfaces().is_empty() || expected_on(self.address, links).contains(&index)
    }

    /// The interfaces that the address belongs to: those it is announced on; without an agent those that have an entry.
    pub fn places(&self) -> Vec<u32> {
        let wanted = |index: &u32| self.interface.as_ref().is_none_or(|wanted| *wanted == self.name(*index));
        let Some(announcement) = &self.announcement else {
            let mine = self.facts.entries.keys().filter(|(_, address)| *address == self.address);
            let agent = self.facts.agent.is_some();
            return mine.map(|(index, _)| *index).filter(|index| !agent && wanted(index)).collect();
        };
        let links = self.facts.links.0.values();
        let fits = links.filter(|link| self.why_not(announcement, link).is_none()).map(|link| link.index);
        fits.filter(wanted).collect()
    }

    /// The interfaces that are asked: of an address that this node does not announce, those it can be expected on.
    pub fn asked(&self) -> Vec<u32> {
        if self.announcement.is_some() || self.facts.agent.is_none() {
            return self.places();
        }
        let usable = self.facts.links.0.values().filter(|link| !self.facts.ineligible.contains_key(&link.index));
        let wanted = usable.filter(|link| self.interface.as_ref().is_none_or(|wanted| *wanted == link.name));
        expected_on(self.address, wanted)
    }

    /// Why the address is not announced on an interface.
    pub(super) fn why_not(&self, announcement: &Announcement, link: &Link) -> Option<String> {
        if let Some(reason) = self.facts.ineligible.get(&link.index) {
            return Some(reason.clone());
        }
        if self.facts.held.contains(&self.address) {
            return self.facts.unplaced.get(&self.address).cloned();
        }
        if !announcement.covers(&link.name) {
            return Some("the address is not announced there".to_owned());
        }
        match self.address {
            IpAddr::V4(_) if !link.broadcast => Some("it cannot broadcast".to_owned()),
            IpAddr::V6(_) if link.link_local().is_none() => Some("it has no IPv6 link-local address".to_owned()),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }

    /// The name of an interface, its number when it is gone.
    pub(super) fn name(&self, index: u32) -> String {
        self.facts.links.0.get(&index).map_or_else(|| format!("if{index}"), |link| link.name.clone())
    }

    /// The devices that answer for every address of this family on an interface.
    pub(super) fn proxies(&self, index: u32) -> impl Iterator<Item = Mac> + '_ {
        let all = self.facts.succession.iter().flat_map(|succession| &succession.proxies);
        all.filter(move |proxy| proxy.ifindex == index && proxy.ipv4 == self.address.is_ipv4()).map(|proxy| proxy.mac)
    }

    pub(super) fn view(&self, index: u32) -> Option<&View> {
        self.facts.succession.as_ref()?.views.get(&(index, self.address))
    }

    pub(super) fn entry(&self, index: u32) -> Option<&EntryFacts> {
        self.facts.entries.get(&(index, self.address))
    }

    /// What this node is for the address: what the succession says, else what the entry says; `None` without an agent.
    pub(super) fn standing(&self, index: u32) -> Option<Standing> {
        self.facts.agent?;
        let by_entry = || match self.entry(index).map(|entry| entry.vip) {
            Some(vip) if is_answer(&vip) && vip.buckets() != u64::MAX => Standing::Sharing,
            Some(vip) if is_answer(&vip) => Standing::Owner,
            Some(_) | None => Standing::Out,
        };
        Some(self.view(index).map_or_else(by_entry, |view| view.standing))
    }

    /// Why this node cannot answer on an interface, whatever it is meant to do there.
    pub(super) fn obstacle(&self, index: u32) -> Option<String> {
        let name = self.name(index);
        let Some(link) = self.facts.links.0.get(&index) else { return Some(format!("{name} no longer exists")) };
        if !link.carrier {
            return Some(format!("{name} has no carrier"));
        }
        let place = (index, self.address);
        if let Some(other) = self.facts.succession.as_ref().and_then(|known| known.standing_by.get(&place)) {
            return Some(format!("{name} stands by for {}, which is on the same segment", self.name(*other)));
        }
        let attachment = self.facts.attachments.get(&index);
        if attachment.is_none_or(|attachment| attachment.mode.is_none()) {
            let reason = attachment.and_then(|attachment| attachment.steps_down.last());
            let reason = reason.map(|(mode, why)| format!(" (not {}: {why})", attach_mode_name(*mode)));
            return Some(format!("nothing is attached to {name}{}", reason.unwrap_or_default()));
        }
        match self.facts.lease_until_ns {
            None | Some(0) => return Some("the kernel was never allowed to answer".to_owned()),
            Some(until_ns) if until_ns <= self.facts.now_ns => {
                return Some(format!("the lease ended {} ago", self.ago(until_ns)));
            }
            Some(_) => {}
        }
        self.entry_obstacle(index, link)
    }

    fn entry_obstacle(&self, index: u32, link: &Link) -> Option<String> {
        let Some(entry) = self.entry(index) else {
            let failure = self.facts.failures.get(&(index, self.address));
            return Some(failure.map_or_else(
                || format!("there is no entry for it on {}", link.name),
                |failure| format!("its entry on {} could not be written: {failure}", link.name),
            ));
        };
        let (has, wants) = (Mac(entry.vip.mac()), link.mac);
        if wants.is_some_and(|wants| wants != has) {
            return Some(format!("its entry has the MAC {has}, which is not that of {}", link.name));
        }
        let standing = self.standing(index);
        let owns = matches!(standing, Some(Standing::Owner | Standing::Leaving | Standing::Sharing));
        let action = entry.vip.action().map_or("something unknown", Action::name);
        (owns && !is_answer(&entry.vip)).then(|| format!("its entry on {} says {action}", link.name))
    }

    /// How long ago something was.
    pub(super) fn ago(&self, at_ns: u64) -> String {
        span(self.facts.now_ns.saturating_sub(at_ns) / 1_000_000)
    }
}

/// Whether an entry says that this node answers somebody.
pub(super) fn is_answer(vip: &Vip) -> bool {
    vip.action() == Some(Action::Answer) && vip.buckets() != 0
}
