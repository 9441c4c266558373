//! Who may own an address: advertisements, endpoints, interfaces, subnets.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::model::{Eligible, InterfaceName};
use ipnet::IpNet;

use super::{
    cover::{Ads, Advertisements, Allowed, Cover, Coverage},
    topology::{Host, Topology},
};
use crate::cluster::Snapshot;

/// Nodes that may own an address when it is announced on these interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// As in an Announcement: empty means all.
    pub(super) interfaces: BTreeSet<InterfaceName>,
    /// Ordered by the names of the nodes.
    pub(super) nodes: Vec<Eligible>,
}

/// Where endpoints are, for Services that are only served on their nodes (`externalTrafficPolicy: Local`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Local {
    /// Hosts with servable endpoints.
    pub(super) hosts: BTreeSet<usize>,
    /// Those of them that are about to lose theirs.
    pub(super) ending: BTreeSet<usize>,
}

impl Local {
    /// Where both Services are served.
    pub(super) fn and(self, other: &Self) -> Self {
        Self { hosts: &self.hosts & &other.hosts, ending: &self.ending | &other.ending }
    }
}

/// Whether agents have to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Life {
    /// Their leases have to be held.
    Live,
    /// Leases say nothing.
    Any,
}

/// What the Services of an address ask of its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// The advertisements of each Service; never empty.
    pub(super) ads: BTreeSet<Ads>,
    /// Where the owner has to have endpoints; `None`: anywhere.
    pub(super) local: Option<Local>,
}

type Key = (BTreeSet<Ads>, Vec<IpNet>, Life);

/// Everything about nodes and advertisements that many addresses have in common.
#[derive(Debug, Default)]
pub(super) struct Ground {
    pub(super) topology: Topology,
    pub(super) advertisements: Advertisements,
    coverages: BTreeMap<BTreeSet<Ads>, Arc<Coverage>>,
    groups: BTreeMap<Key, Arc<[Group]>>,
    /// What keeps nodes that these advertisements select from announcing at all, as [`explain`](super::explain) says it.
    pub(super) outside: BTreeMap<Ads, Arc<[String]>>,
}

impl Ground {
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        Self {
            topology: Topology::new(snapshot),
            advertisements: Advertisements::new(&snapshot.configuration),
            ..Self::default()
        }
    }

    /// What each host may do under these terms.
    pub(super) fn coverage(&mut self, terms: &Terms) -> Arc<Coverage> {
        if let Some(known) = self.coverages.get(&terms.ads) {
            return Arc::clone(known);
        }
        let coverage = Arc::new(self.advertisements.coverage(&self.topology, &terms.ads));
        self.coverages.insert(terms.ads.clone(), Arc::clone(&coverage));
        coverage
    }

    /// Who may own the address. More than one group where nodes differ in the interfaces they may use: an Announcement names
    /// interfaces for all its candidates, so only one group can be taken. Empty: nobody.
    pub(super) fn eligible(&mut self, address: IpAddr, terms: &Terms, life: Life) -> Arc<[Group]> {
        let coverage = self.coverage(terms);
        let subnets = self.topology.subnets_of(address);
        let all = 0..self.topology.hosts().len();
        if let Some(local) = &terms.local {
            let hosts = local.hosts.iter().copied();
            return Choice { topology: &self.topology, coverage: &coverage, ending: &local.ending, life }
                .groups(hosts, &subnets)
                .into();
        }
        let key = (terms.ads.clone(), subnets, life);
        if let Some(known) = self.groups.get(&key) {
            return Arc::clone(known);
        }
        let choice = Choice { topology: &self.topology, coverage: &coverage, ending: &BTreeSet::new(), life };
        let groups: Arc<[Group]> = choice.groups(all, &key.1).into();
        self.groups.insert(key, Arc::clone(&groups));
        groups
    }
}

struct Choice<'a> {
    topology: &'a Topology,
    coverage: &'a Coverage,
    ending: &'a BTreeSet<usize>,
    life: Life,
}

type Candidate<'a> = (usize, &'a Host, &'a Cover);

impl<'a> Choice<'a> {
    fn groups(&self, numbers: impl Iterator<Item = usize>, subnets: &[IpNet]) -> Vec<Group> {
        let mut candidates: Vec<Candidate<'a>> = numbers.filter_map(|number| self.candidate(number)).collect();
        // Right subnet first: who is not in the subnet answers on a segment where clients do not ask.
        let inside = self.inside(subnets);
        if candidates.iter().any(|(number, ..)| inside.contains(number)) {
            candidates.retain(|(number, ..)| inside.contains(number));
        }
        // Who loses its endpoints is no candidate where somebody else lasts. To put it last is not enough: an owner that took
        // the address out of turn has been behind all along, and an order that stays as it is moves nothing. Who is no
        // candidate any more leaves only after the claim of its successor.
        let ends = |number: &usize| self.ending.contains(number);
        if candidates.iter().any(|(number, host, _)| !ends(number) && !host.is_evacuated()) {
            candidates.retain(|(number, ..)| !ends(number));
        }
        let options = options(&candidates);
        let groups = options.into_iter().map(|allowed| Group {
            nodes: candidates.iter().filter(|who| is_exact(&allowed, who)).map(|who| self.eligible(who)).collect(),
            interfaces: match allowed {
                Allowed::All => BTreeSet::new(),
                Allowed::Only(names) => names,
            },
        });
        groups.filter(|group| !group.nodes.is_empty()).collect()
    }

    /// The host, if it is covered, lives, and has one of the interfaces.
    fn candidate(&self, number: usize) -> Option<Candidate<'a>> {
        let host = self.topology.hosts().get(number)?;
        let cover = self.coverage.get(number)?.as_ref()?;
        let lives = self.life == Life::Any || host.speaker.live;
        (lives && cover.allowed.on(host).next().is_some()).then_some((number, host, cover))
    }

    /// Hosts that have an interface in one of the subnets on which they may announce.
    fn inside(&self, subnets: &[IpNet]) -> BTreeSet<usize> {
        let members = subnets.iter().flat_map(|subnet| self.topology.members(subnet));
        let allowed = |number: usize, interface: &InterfaceName| {
            self.coverage.get(number).and_then(Option::as_ref).is_some_and(|cover| cover.allowed.covers(interface))
        };
        members.filter(|(number, interface)| allowed(*number, interface)).map(|(number, _)| *number).collect()
    }

    /// Who is to give everything away comes behind everybody else, but stays a candidate: the others claim while it still
    /// answers, and where nobody else is left it goes on. So does who is about to lose its endpoints and has not been left out.
    fn eligible(&self, (number, host, cover): &Candidate<'_>) -> Eligible {
        let last = host.is_evacuated() || self.ending.contains(number);
        Eligible { node: host.id, weight: if last { 0 } else { cover.weight.saturating_add(1) } }
    }
}

/// Sets of interfaces that an Announcement could name: what all are allowed together, and what single ones are.
fn options(candidates: &[Candidate<'_>]) -> BTreeSet<Allowed> {
    let Some((_, _, first)) = candidates.first() else { return BTreeSet::new() };
    let mut distinct: Vec<&Arc<Allowed>> = vec![&first.allowed];
    for (_, _, cover) in candidates {
        if !distinct.iter().any(|other| Arc::ptr_eq(other, &cover.allowed)) {
            distinct.push(&cover.allowed);
        }
    }
    let mut options: BTreeSet<Allowed> = distinct.iter().map(|allowed| Allowed::clone(allowed)).collect();
    options.extend(distinct.iter().map(|allowed| Allowed::clone(allowed)).reduce(|all, other| all.or(&other)));
    options
}

/// Whether the host would announce on the interfaces that it may use, on all of them and on no other.
fn is_exact(option: &Allowed, (_, host, cover): &Candidate<'_>) -> bool {
    *option == *cover.allowed || option.on(host).eq(cover.allowed.on(host))
}
