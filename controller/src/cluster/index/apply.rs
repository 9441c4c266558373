//! What one object changes, kind by kind.

use std::{collections::BTreeSet, sync::Arc};

use arpeggio_common::{api::names::speaker_lease, model::Few};

use super::{Changes, Endpoints, Index, ServiceKey, replace, replace_shared};
use crate::cluster::{
    ConfigurationKind, Configured, ConfiguredName, Objects, ObservedBgpStatus, ObservedL2Status, ObservedState,
    PoolUsage, Service, StateOf,
    project::{AnnouncementFacts, Id, Kind, LeaseFacts, Object, Slice, address_named},
};

impl Index {
    /// An object came or differs from before.
    pub(super) fn apply(&mut self, id: &Id, object: Object) {
        match object {
            Object::Service(service) => self.apply_service(*service),
            Object::Slice(slice) => self.apply_slice(id, slice),
            Object::Node(node) => {
                let name = node.name.clone();
                self.stale_configuration |= Objects::label(&mut self.objects, &name, Some(&node.labels));
                self.changes.topology |= replace(&mut self.snapshot.nodes, &name, Some(node));
            }
            Object::Namespace(labels) => {
                if replace(&mut self.snapshot.namespaces, &id.name, Some(labels)) {
                    self.namespace_changed(&id.name);
                }
            }
            Object::Configured(written, configured, usage) => {
                let kind = written.kind();
                if kind == ConfigurationKind::Pool {
                    self.set_usage(id, usage);
                }
                self.set_configured(ConfiguredName::new(kind, &id.name), Some(*configured));
                self.stale_configuration |= Objects::put(&mut self.objects, id, *written);
            }
            Object::Speaker(facts) => {
                let node = facts.node.clone();
                self.speakers.insert(node.clone(), facts);
                self.refresh_speaker(&node);
            }
            Object::Lease(lease) => self.apply_lease(&lease),
            Object::Announcement(facts) => self.apply_announcement(*facts),
            Object::L2Status(status) => self.apply_l2_status(id, Some(status)),
            Object::BgpStatus(status) => self.apply_bgp_status(id, Some(status)),
            Object::State(state) => self.apply_state(id, Some(state)),
        }
    }

    /// An object is gone or cannot be read any more.
    pub(super) fn forget(&mut self, kind: Kind, id: &Id) {
        match kind {
            Kind::Service => {
                let key = ServiceKey::from(id);
                if replace(&mut self.snapshot.services, &key, None) {
                    self.changes.services.insert(key);
                }
            }
            Kind::EndpointSlice => self.apply_slice(id, Slice::default()),
            Kind::Node => {
                if let Ok(name) = id.name.as_str().try_into() {
                    self.stale_configuration |= Objects::label(&mut self.objects, &name, None);
                    self.changes.topology |= replace(&mut self.snapshot.nodes, &name, None);
                }
            }
            Kind::Namespace => {
                if replace(&mut self.snapshot.namespaces, &id.name, None) {
                    self.namespace_changed(&id.name);
                }
            }
            Kind::Pool
            | Kind::L2Advertisement
            | Kind::BgpAdvertisement
            | Kind::Peer
            | Kind::Community
            | Kind::BfdProfile => {
                if let Some(kind) = kind.configured() {
                    self.forget_configured(kind, id);
                }
            }
            Kind::Speaker => {
                if let Ok(node) = id.name.as_str().try_into() {
                    self.speakers.remove(&node);
                    self.refresh_speaker(&node);
                }
            }
            Kind::Lease => {
                let node = self.liveness.nodes().find(|node| speaker_lease(node.as_str()) == id.name).cloned();
                if let Some(node) = node {
                    self.liveness.forget(&node);
                    self.refresh_speaker(&node);
                }
            }
            Kind::Announcement => {
                let found = address_named(&id.name);
                if let Some(address) = found
                    && replace(&mut self.snapshot.announcements, &address, None)
                {
                    self.changes.addresses.insert(address);
                }
            }
            Kind::L2Status => self.apply_l2_status(id, None),
            Kind::BgpStatus => self.apply_bgp_status(id, None),
            Kind::ConfigurationState => self.apply_state(id, None),
        }
    }

    fn forget_configured(&mut self, kind: ConfigurationKind, id: &Id) {
        if kind == ConfigurationKind::Pool {
            self.set_usage(id, None);
        }
        self.set_configured(ConfiguredName::new(kind, &id.name), None);
        self.stale_configuration |= Objects::remove(&mut self.objects, kind, id);
    }

    /// Versions are kept up to date without a change: writes name the version that they were decided on.
    fn apply_service(&mut self, service: Service) {
        let key = service.key.clone();
        let same = self.snapshot.services.get(&key).is_some_and(|known| {
            let mut known = Service::clone(known);
            known.resource_version.clone_from(&service.resource_version);
            known == service
        });
        Arc::make_mut(&mut self.snapshot.services).insert(key.clone(), Arc::new(service));
        if !same {
            self.changes.services.insert(key);
        }
    }

    /// Counters that only we should write: nothing but themselves has to be looked at.
    fn set_usage(&mut self, id: &Id, usage: Option<PoolUsage>) {
        if self.snapshot.pool_usage.get(&id.name).copied() != usage {
            let all = Arc::make_mut(&mut self.snapshot.pool_usage);
            match usage {
                Some(usage) => all.insert(id.name.clone(), usage),
                None => all.remove(&id.name),
            };
            self.changes.configured.insert(ConfiguredName::pool(&id.name));
        }
    }

    /// Versions are kept up to date without a change, as with Services.
    fn set_configured(&mut self, name: ConfiguredName, configured: Option<Configured>) {
        let known = self.snapshot.configured.get(&name);
        let same = match (known, &configured) {
            (Some(known), Some(new)) => {
                Configured { resource_version: new.resource_version.clone(), ..Configured::clone(known) } == *new
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        replace(&mut self.snapshot.configured, &name, configured);
        if !same {
            self.changes.configured.insert(name);
        }
    }

    fn apply_slice(&mut self, id: &Id, slice: Slice) {
        let before = self.slices.get(id).map(|(service, _)| service.clone());
        if let Some(service) = &before
            && slice.service.as_ref() != Some(service)
        {
            self.slices.remove(id);
            if let Some(ids) = self.slices_of.get_mut(service) {
                ids.remove(id);
                if ids.is_empty() {
                    self.slices_of.remove(service);
                }
            }
            self.refresh_endpoints(&service.clone());
        }
        if let Some(service) = slice.service {
            self.slices.insert(id.clone(), (service.clone(), Arc::new(slice.endpoints)));
            self.slices_of.entry(service.clone()).or_default().insert(id.clone());
            self.refresh_endpoints(&service);
        }
    }

    fn refresh_endpoints(&mut self, service: &ServiceKey) {
        let parts = |ids: &Few<Id>| ids.iter().filter_map(|id| self.slices.get(id)).map(|(_, part)| part).collect();
        let parts: Option<Vec<&Arc<Endpoints>>> = self.slices_of.get(service).map(parts);
        let whole = parts.map(|parts| match parts[..] {
            // Most Services have one slice: what it says is kept once.
            [only] => Arc::clone(only),
            _ => Arc::new(together(&parts)),
        });
        if replace_shared(&mut self.snapshot.endpoints, service, whole) {
            self.changes.services.insert(service.clone());
        }
    }

    /// Labels of a namespace matter only to Services that are in it: they are looked at. A namespace without Services wakes nobody;
    /// its labels are in the snapshot that the first of them is decided by.
    fn namespace_changed(&mut self, namespace: &str) {
        let first = ServiceKey::new(namespace, "");
        let services = self.snapshot.services.range(first..).map(|(key, _)| key);
        let services = services.take_while(|key| &*key.namespace == namespace).cloned().collect();
        self.note(Changes { services, ..Changes::default() });
    }

    fn apply_lease(&mut self, lease: &LeaseFacts) {
        if let Some(node) = &lease.speaker {
            self.liveness.observe(node, lease);
            self.refresh_speaker(node);
        }
    }

    fn apply_announcement(&mut self, facts: AnnouncementFacts) {
        let AnnouncementFacts { address, observed } = facts;
        let same = self.snapshot.announcements.get(&address).is_some_and(|known| {
            let mut known = crate::cluster::ObservedAnnouncement::clone(known);
            known.resource_version.clone_from(&observed.resource_version);
            known == observed
        });
        Arc::make_mut(&mut self.snapshot.announcements).insert(address, Arc::new(observed));
        if !same {
            self.changes.addresses.insert(address);
        }
    }

    fn apply_bgp_status(&mut self, id: &Id, status: Option<ObservedBgpStatus>) {
        if replace(&mut self.snapshot.bgp_statuses, &id.name, status) {
            self.changes.bgp_statuses.insert(id.name.clone());
        }
    }

    /// One that is nobody's by its name is left alone.
    fn apply_state(&mut self, id: &Id, state: Option<ObservedState>) {
        let nodes = self.snapshot.nodes.keys().chain(self.snapshot.speakers.keys());
        let Some(of) = StateOf::named_among(&id.name, nodes) else { return };
        let known = self.snapshot.states.get(&of);
        let same = known.zip(state.as_ref()).is_some_and(|(known, new)| {
            ObservedState { resource_version: new.resource_version.clone(), ..ObservedState::clone(known) } == *new
        });
        replace(&mut self.snapshot.states, &of, state);
        if !same {
            self.changes.states.insert(of);
        }
    }

    fn apply_l2_status(&mut self, id: &Id, status: Option<ObservedL2Status>) {
        let known = self.snapshot.l2_statuses.get(&id.name).cloned();
        let before = known.as_ref().and_then(|known| known.content.clone());
        let after = status.as_ref().and_then(|status| status.content.clone());
        let appeared = known.is_some() != status.is_some();
        replace(&mut self.snapshot.l2_statuses, &id.name, status);
        if appeared || before != after {
            self.changes.services.extend(before.into_iter().chain(after).map(|content| content.service));
        }
    }
}

/// Where a Service can be served that has several slices.
fn together(parts: &[&Arc<Endpoints>]) -> Endpoints {
    let (mut nodes, mut with_ready) = (BTreeSet::new(), BTreeSet::new());
    for part in parts {
        nodes.extend(part.nodes.iter().cloned());
        with_ready.extend(part.nodes.iter().filter(|node| !part.ending.contains(*node)));
    }
    Endpoints {
        any: parts.iter().any(|part| part.any),
        ending: nodes.iter().filter(|node| !with_ready.contains(node)).cloned().collect(),
        nodes: nodes.into(),
        api_server: parts.iter().flat_map(|part| part.api_server.iter().copied()).collect(),
    }
}
