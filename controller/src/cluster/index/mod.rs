//! The synchronous index: what watches tell goes in, snapshots and what changed between them come out. Everything that waits
//! is elsewhere.
//!
//! A change is noted only if the projection of an object differs: a heartbeat of a node, a slice whose pods were renamed, or a
//! new version number wake nobody.

mod apply;
mod ledger;
mod liveness;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arpeggio_common::{
    api::PasswordSecret,
    model::{BgpAdvertisement, Configuration, Fault, Few, L2Advertisement, NodeName, Pool, Selector},
};

use self::{
    ledger::{Ledger, Way},
    liveness::Liveness,
};
use super::{
    Changes, ConfigurationKind, Endpoints, Objects, ServiceKey, Settings, Snapshot, Speaker,
    project::{Entry, Id, Kind, SpeakerFacts, Version},
};

/// A step of a watch.
#[derive(Clone, Debug)]
pub enum Delta {
    /// A list begins: everything that it does not contain is gone when it is complete.
    Begin,
    /// An object, out of a list or changed.
    Applied(Entry),
    /// An object is gone.
    Deleted(Id, Version),
    /// The list is complete.
    Complete,
}

/// An object whose content cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace and name.
    pub id: Id,
    /// The fault of its content.
    pub reason: String,
}

/// Everything that is known of the cluster.
#[derive(Debug)]
pub struct Index {
    snapshot: Snapshot,
    changes: Changes,
    ledgers: BTreeMap<Kind, Ledger>,
    /// What each slice adds to which Service.
    slices: BTreeMap<Id, (ServiceKey, Arc<Endpoints>)>,
    slices_of: BTreeMap<ServiceKey, Few<Id>>,
    namespace: String,
    objects: Arc<Objects>,
    speakers: BTreeMap<NodeName, SpeakerFacts>,
    liveness: Liveness,
    unreadable: BTreeMap<(Kind, Id), String>,
    /// Objects of the configuration changed since it was put together.
    stale_configuration: bool,
}

impl Index {
    /// An empty one. `namespace`: that of the configuration. `lease_gap`: how far apart events of a working watch of leases
    /// are at most.
    pub fn new(settings: Settings, namespace: &str, lease_gap: Duration) -> Self {
        Self {
            snapshot: Snapshot { settings, ..Snapshot::default() },
            changes: Changes::default(),
            ledgers: Kind::ALL.into_iter().map(|kind| (kind, Ledger::default())).collect(),
            slices: BTreeMap::new(),
            slices_of: BTreeMap::new(),
            namespace: namespace.to_owned(),
            objects: Arc::default(),
            speakers: BTreeMap::new(),
            liveness: Liveness::new(lease_gap),
            unreadable: BTreeMap::new(),
            stale_configuration: true,
        }
    }

    /// Takes in what a watch told. Returns the object if it cannot be read and that was not known yet: worth a warning.
    pub fn feed(&mut self, kind: Kind, news: Delta, now: Instant) -> Option<Unreadable> {
        if kind == Kind::Lease && !matches!(news, Delta::Begin) {
            self.hear(now);
        }
        match news {
            Delta::Begin => self.ledger(kind).begin(),
            Delta::Applied(entry) => {
                if self.ledger(kind).admit(&entry.id, &entry.version, Way::Watch) {
                    return self.put(kind, entry);
                }
            }
            Delta::Deleted(id, version) => {
                if self.ledger(kind).remove(&id, &version) {
                    self.drop_object(kind, &id);
                }
            }
            Delta::Complete => {
                for id in self.ledger(kind).complete() {
                    self.drop_object(kind, &id);
                }
                if kind == Kind::BgpAdvertisement {
                    self.changes.bgp |= !std::mem::replace(&mut self.snapshot.knows_bgp, true);
                }
            }
        }
        None
    }

    /// The answer to our own write says how an object is now, before the watch says so. What is gone stays gone.
    pub fn answered(&mut self, kind: Kind, entry: Entry) {
        if self.ledger(kind).admit(&entry.id, &entry.version, Way::Answer) {
            self.put(kind, entry);
        }
    }

    /// We deleted this version of an object: it is gone before the watch says so.
    pub fn deleted(&mut self, kind: Kind, id: &Id, version: &str) {
        if self.ledger(kind).deleted(id, version) {
            self.drop_object(kind, id);
        }
    }

    /// What the Secrets are good for that peers name.
    pub fn set_secrets(&mut self, secrets: Arc<BTreeMap<String, PasswordSecret>>) {
        if self.objects.secrets.as_ref() != Some(&secrets) {
            Arc::make_mut(&mut self.objects).secrets = Some(secrets);
            self.stale_configuration = true;
        }
    }

    /// What changed since the last call, and the state of everything with it.
    pub fn take(&mut self) -> (Snapshot, Changes) {
        self.refresh_configuration();
        (self.snapshot.clone(), std::mem::take(&mut self.changes))
    }

    /// Puts the configuration together if objects of it changed. What an edit breaks stays in force as it was before; so this is
    /// also called where nobody takes what changed.
    pub fn refresh_configuration(&mut self) {
        if std::mem::take(&mut self.stale_configuration) {
            let before = &self.snapshot.configuration;
            let configuration = self.objects.set(&self.namespace).assemble(before);
            if **before != configuration {
                self.changes.everything |= is_for_services(before) != is_for_services(&configuration);
                self.changes.bgp |= is_for_bgp(before) != is_for_bgp(&configuration);
                self.changes.configuration = true;
                self.snapshot.configuration = Arc::new(configuration);
            }
        }
    }

    /// Agents as they are now.
    pub const fn speakers(&self) -> &Arc<BTreeMap<NodeName, Arc<Speaker>>> {
        &self.snapshot.speakers
    }

    /// Every object of the configuration as it is written.
    pub const fn objects(&self) -> &Arc<Objects> {
        &self.objects
    }

    /// What of the configuration is in force, as it was put together last.
    pub fn configuration(&self) -> &Configuration {
        &self.snapshot.configuration
    }

    /// Whether [`Self::take`] would tell of a change, or may.
    pub fn has_changed(&self) -> bool {
        self.stale_configuration || !self.changes.is_empty()
    }

    /// Notes changes that did not come from a watch: something has to be looked at again.
    pub fn note(&mut self, changes: Changes) {
        self.changes.everything |= changes.everything;
        self.changes.configuration |= changes.configuration;
        self.changes.bgp |= changes.bgp;
        self.changes.topology |= changes.topology;
        self.changes.services.extend(changes.services);
        self.changes.addresses.extend(changes.addresses);
        self.changes.configured.extend(changes.configured);
        self.changes.bgp_statuses.extend(changes.bgp_statuses);
        self.changes.states.extend(changes.states);
    }

    /// The Service that a ServiceL2Status is about.
    pub fn service_of_l2_status(&self, name: &str) -> Option<ServiceKey> {
        Some(self.snapshot.l2_statuses.get(name)?.content.as_ref()?.service.clone())
    }

    /// How many Services have addresses of each pool.
    pub fn services_of_pools(&self) -> BTreeMap<&str, i64> {
        let mut counts = BTreeMap::new();
        for pool in self.snapshot.services.values().filter_map(|service| service.allocated_from.as_deref()) {
            *counts.entry(pool).or_default() += 1;
        }
        counts
    }

    /// How many objects cannot be read.
    pub fn unreadable(&self) -> usize {
        self.unreadable.len()
    }

    fn ledger(&mut self, kind: Kind) -> &mut Ledger {
        self.ledgers.entry(kind).or_default()
    }

    fn put(&mut self, kind: Kind, entry: Entry) -> Option<Unreadable> {
        let Entry { id, object, .. } = entry;
        match object {
            Ok(object) => {
                self.unreadable.remove(&(kind, id.clone()));
                self.apply(&id, object);
                None
            }
            Err(reason) => {
                self.forget(kind, &id);
                let known = self.unreadable.insert((kind, id.clone()), reason.clone());
                (known.as_ref() != Some(&reason)).then_some(Unreadable { kind, id, reason })
            }
        }
    }

    fn drop_object(&mut self, kind: Kind, id: &Id) {
        self.unreadable.remove(&(kind, id.clone()));
        self.forget(kind, id);
    }

    fn hear(&mut self, now: Instant) {
        for node in self.liveness.heard(now) {
            self.refresh_speaker(&node);
        }
    }

    /// Puts together what an agent says and whether it lives.
    fn refresh_speaker(&mut self, node: &NodeName) {
        let facts = self.speakers.get(node);
        let has_lease = self.liveness.nodes().any(|known| known == node);
        let speaker = (facts.is_some() || has_lease).then(|| {
            let SpeakerFacts { evacuate, interfaces, held, authentication, refused, tells_peers, .. } =
                facts.cloned().unwrap_or_else(|| SpeakerFacts::silent(node.clone()));
            let live = self.liveness.is_live(node);
            Speaker { node: node.clone(), live, evacuate, interfaces, held, authentication, refused, tells_peers }
        });
        if replace(&mut self.snapshot.speakers, node, speaker) {
            self.changes.topology = true;
        }
    }
}

/// What of a configuration is asked for when addresses are given away and announced at layer 2. What BGP has beside is not.
fn is_for_services(all: &Configuration) -> (&BTreeMap<String, Pool>, &BTreeMap<String, L2Advertisement>, Vec<&Fault>) {
    let kinds = [ConfigurationKind::Pool, ConfigurationKind::L2Advertisement].map(ConfigurationKind::name);
    (&all.pools, &all.l2, all.faults.iter().filter(|fault| kinds.contains(&fault.object.kind)).collect())
}

/// What of a configuration decides about routes for BGP peers, beside pools: a new password of a peer changes none.
fn is_for_bgp(all: &Configuration) -> (&BTreeMap<String, BgpAdvertisement>, Vec<Audience<'_>>, Vec<&Fault>) {
    let peers = all.peers.values().map(|peer| (peer.name.as_str(), peer.node_selectors.as_slice())).collect();
    let faults = all.faults.iter().chain(&all.pending);
    let kind = ConfigurationKind::BgpAdvertisement.name();
    (&all.bgp, peers, faults.filter(|fault| fault.object.kind == kind).collect())
}

/// A peer and the nodes that have a session with it.
type Audience<'a> = (&'a str, &'a [Selector]);

/// Puts a value into one of the maps of a snapshot, or takes it out. Whether that changed anything.
fn replace<K: Ord + Clone, V: PartialEq>(map: &mut Arc<BTreeMap<K, Arc<V>>>, key: &K, value: Option<V>) -> bool {
    replace_shared(map, key, value.map(Arc::new))
}

/// As [`replace`], of a value that is kept elsewhere as well.
fn replace_shared<K: Ord + Clone, V: PartialEq>(
    map: &mut Arc<BTreeMap<K, Arc<V>>>,
    key: &K,
    value: Option<Arc<V>>,
) -> bool {
    match value {
        Some(value) => {
            if map.get(key).is_some_and(|known| *known == value) {
                return false;
            }
            Arc::make_mut(map).insert(key.clone(), value);
            true
        }
        None => map.contains_key(key) && Arc::make_mut(map).remove(key).is_some(),
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
