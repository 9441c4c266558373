//! What the watches told so far. Synchronous: the watches call it, nobody waits in it.
//!
//! A complete list of the API server is the truth, an empty one too: what is not in it is gone. A list that fails, also because
//! the kind is not known there, changes nothing. An object that became invalid keeps what it said before: it is a fault to be
//! told, not a reason to stop answering.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::{api::announcement::AnnouncementSpec, model::Route};
use kube::{Resource as _, runtime::watcher::Event};

use super::{
    common::Common,
    objects::{Content, Watched},
    observed::Observed,
    project::{Wish, project, routes},
    snapshot::Snapshot,
};

/// All Announcements.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: BTreeMap<Box<str>, Entry>,
    common: Common,
    /// What a list that is under way has brought so far.
    listed: BTreeSet<Box<str>>,
    /// A list was complete once.
    synced: bool,
}

#[derive(Debug, Default)]
struct Entry {
    wish: Option<Wish>,
    /// The Services that have the address; only metrics tell of them.
    services: Option<Arc<[String]>>,
    /// Its routes for BGP peers.
    routes: Arc<[Route]>,
    fault: Option<String>,
    /// What of it is not in force, although the rest is.
    left_out: Option<String>,
    observed: Observed,
}

/// What an event changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    /// Something that is announced, or whether everything is known.
    pub(super) wishes: bool,
    /// A route for BGP peers, or whether everything is known.
    pub(super) routes: bool,
    /// The status or the faults of an object.
    pub(super) statuses: bool,
}

impl Index {
    /// As an agent before this one left it.
    pub(super) fn restored(snapshot: &Snapshot) -> Self {
        let entry = |wish: &Wish| {
            let name = arpeggio_common::api::names::announcement(wish.address);
            (name.into(), Entry { wish: Some(wish.clone()), ..Entry::default() })
        };
        Self { entries: snapshot.wishes.iter().map(entry).collect(), ..Self::default() }
    }

    /// Takes an event of the watch.
    pub(super) fn take(&mut self, event: Event<Watched>) -> Changed {
        match event {
            Event::Init => {
                self.broke_off();
                Changed::default()
            }
            Event::InitApply(object) => {
                if let Some(name) = &object.meta().name {
                    self.listed.insert(name.as_str().into());
                }
                self.apply(object)
            }
            Event::Apply(object) => self.apply(object),
            Event::Delete(object) => {
                let gone = object.meta().name.as_deref().and_then(|name| self.entries.remove(name));
                let routes = gone.as_ref().is_some_and(|entry| !entry.routes.is_empty());
                Changed { wishes: gone.is_some(), routes, statuses: gone.is_some() }
            }
            Event::InitDone => self.listed(),
        }
    }

    fn apply(&mut self, object: Watched) -> Changed {
        let Some(name) = object.meta().name.clone() else { return Changed::default() };
        let version = object.meta().resource_version.clone();
        let generation = object.generation();
        let services = object.content.as_ref().ok().map(|content| services(&content.spec));
        let read = object.content.and_then(|Content { spec, routes: written, status }| {
            let observed = Observed::new(status, &spec, version.as_deref(), &mut self.common);
            let wish = project(&name, spec, generation, &mut self.common)?;
            let (routes, left_out) = routes(wish.address, written);
            Ok((wish, (routes, left_out), observed))
        });
        let entry = self.entries.entry(name.into()).or_default();
        let mut changed = Changed::default();
        entry.services = services.or_else(|| entry.services.take());
        match read {
            Ok((wish, (routes, left_out), observed)) => {
                let mended = entry.fault.take().is_some() || entry.left_out != left_out;
                entry.left_out = left_out;
                changed.routes = entry.routes != routes;
                entry.routes = routes;
                changed.statuses = mended || entry.observed != observed;
                entry.observed = observed;
                changed.wishes = entry.wish.as_ref() != Some(&wish);
                if changed.wishes {
                    entry.wish = Some(wish);
                }
            }
            Err(fault) => {
                changed.statuses = entry.fault.as_ref() != Some(&fault);
                entry.fault = Some(fault);
                entry.left_out = None;
            }
        }
        changed
    }

    /// A list that was under way is not completed: the next one begins anew.
    pub(super) fn broke_off(&mut self) {
        self.listed.clear();
    }

    /// A list is complete: what it did not bring is gone.
    fn listed(&mut self) -> Changed {
        let listed = std::mem::take(&mut self.listed);
        let before = self.entries.len();
        // Made anew: what came one by one, in order, left the nodes of the map half empty.
        let kept = std::mem::take(&mut self.entries).into_iter().filter(|(name, _)| listed.contains(name));
        self.entries = kept.collect();
        let lost = self.entries.len() != before;
        let first = !std::mem::replace(&mut self.synced, true);
        Changed { wishes: lost || first, routes: lost || first, statuses: lost || first }
    }

    /// Whether a list was complete once.
    pub(super) const fn synced(&self) -> bool {
        self.synced
    }

    /// What is asked for.
    pub(super) fn wishes(&self) -> impl Iterator<Item = &Wish> {
        self.entries.values().filter_map(|entry| entry.wish.as_ref())
    }

    /// The routes for BGP peers, by address.
    pub(super) fn routes(&self) -> impl Iterator<Item = (IpAddr, Arc<[Route]>)> {
        let routed = self.entries.values().filter(|entry| !entry.routes.is_empty());
        routed.filter_map(|entry| Some((entry.wish.as_ref()?.address, Arc::clone(&entry.routes))))
    }

    /// What the API server shows, by address. Objects that cannot be read are not in it.
    pub(super) fn observed(&self) -> impl Iterator<Item = (IpAddr, &Observed)> {
        let seen = |entry: &'_ Entry| entry.fault.is_none() && entry.observed.version.is_some();
        let entries = self.entries.values().filter(move |entry| seen(entry));
        entries.filter_map(|entry| Some((entry.wish.as_ref()?.address, &entry.observed)))
    }

    /// What the API server shows of one address.
    pub(super) fn of(&self, address: IpAddr) -> Option<&Observed> {
        let entry = self.entries.get(arpeggio_common::api::names::announcement(address).as_str())?;
        (entry.fault.is_none() && entry.observed.version.is_some()).then_some(&entry.observed)
    }

    /// The Services of each address, as namespace/name.
    pub(super) fn services(&self) -> impl Iterator<Item = (IpAddr, Arc<[String]>)> {
        let entries = self.entries.values();
        entries.filter_map(|entry| Some((entry.wish.as_ref()?.address, Arc::clone(entry.services.as_ref()?))))
    }

    /// What is wrong, by name of the object.
    pub(super) fn faults(&self) -> impl Iterator<Item = (&str, &str)> {
        let faults =
            self.entries.iter().map(|(name, entry)| (name, entry.fault.as_deref().or(entry.left_out.as_deref())));
        faults.filter_map(|(name, fault)| Some((&**name, fault?)))
    }
}

fn services(spec: &AnnouncementSpec) -> Arc<[String]> {
    spec.services.iter().map(|service| format!("{}/{}", service.namespace, service.name)).collect()
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
