//! What reports have in common: Services with their addresses, and why a node is no candidate.

use std::{collections::BTreeSet, net::IpAddr};

use arpeggio_common::{
    api::names::EXCLUDE,
    model::{L2Advertisement, NodeName},
};
use arpeggio_controller::cluster::{Node, Service, ServiceKey, Snapshot, Speaker};

/// Whether the controller gives this Service its addresses.
pub fn is_ours(snapshot: &Snapshot, service: &Service) -> bool {
    service.load_balancer && service.class == snapshot.settings.class
}

/// The Services that have an address in their status.
pub fn users(snapshot: &Snapshot, address: IpAddr) -> BTreeSet<ServiceKey> {
    let with_it = snapshot.services.values().filter(|service| service.ingress.contains(&address));
    with_it.map(|service| service.key.clone()).collect()
}

/// The L2Advertisements that are for addresses of a Service from a pool.
pub fn advertisements<'a>(snapshot: &'a Snapshot, service: &Service, pool: &str) -> Vec<&'a L2Advertisement> {
    let Some(pool) = snapshot.configuration.pools.get(pool) else { return Vec::new() };
    let all = snapshot.configuration.l2.values();
    all.filter(|one| one.covers_pool(pool) && one.covers_service(&service.labels)).collect()
}

/// An address of a Service, for questions about nodes.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The cluster.
    pub snapshot: &'a Snapshot,
    /// The Service.
    pub service: &'a Service,
    /// Its address.
    pub address: IpAddr,
    /// The pool that the address is from.
    pub pool: &'a str,
}

impl Asked<'_> {
    /// Why a node that is not among the candidates is none, by the first rule of the controller that keeps it out.
    pub fn why_not(&self, name: &NodeName) -> String {
        let Some(node) = self.snapshot.nodes.get(name) else { return "no such node is in the cluster".to_owned() };
        let speaker = self.snapshot.speakers.get(name);
        let advertisements = advertisements(self.snapshot, self.service, self.pool);
        let selecting: Vec<&L2Advertisement> =
            advertisements.iter().copied().filter(|one| one.covers_node(&node.labels)).collect();
        if let Some(why) = self.outside(node, speaker.map(AsRef::as_ref)) {
            return why;
        }
        if advertisements.is_empty() {
            return format!("no L2Advertisement covers pool {} and the labels of the Service", self.pool);
        }
        if selecting.is_empty() {
            return format!("the nodeSelectors of L2Advertisement {} do not select it", names(&advertisements));
        }
        if let Some(why) = speaker.and_then(|speaker| self.unreached(speaker, &selecting)) {
            return why;
        }
        let endpoints = self.snapshot.endpoints.get(&self.service.key);
        if self.service.local && !endpoints.is_some_and(|endpoints| endpoints.nodes.contains(name)) {
            return "externalTrafficPolicy is Local, and no ready endpoint is on it".to_owned();
        }
        if endpoints.is_none_or(|endpoints| !endpoints.any) {
            return "the Service has no endpoint that is ready".to_owned();
        }
        if endpoints.is_some_and(|endpoints| self.service.local && endpoints.ending.contains(name)) {
            return "its endpoints are ending".to_owned();
        }
        if speaker.is_some_and(|speaker| !self.is_inside(speaker))
            && self.snapshot.speakers.values().any(|other| self.is_inside(other))
        {
            return format!("none of its interfaces is in the subnet of {}", self.address);
        }
        "nothing keeps it out now; the controller has not written it yet, or enough others come first".to_owned()
    }

    /// What keeps a node from announcing anything.
    fn outside(&self, node: &Node, speaker: Option<&Speaker>) -> Option<String> {
        if node.labels.contains_key(EXCLUDE) && !self.snapshot.settings.ignore_exclude_label {
            return Some(format!("the label {EXCLUDE} keeps it out"));
        }
        if node.network_unavailable {
            return Some("its condition NetworkUnavailable is true".to_owned());
        }
        match speaker {
            None => Some("no speaker runs on it".to_owned()),
            Some(speaker) if !speaker.live => Some("its speaker does not renew its lease".to_owned()),
            Some(_) => None,
        }
    }

    /// Whether no interface may be used.
    fn unreached(&self, speaker: &Speaker, selecting: &[&L2Advertisement]) -> Option<String> {
        if speaker.interfaces.is_empty() {
            return Some("it reports no interface that can announce".to_owned());
        }
        let is_for = |one: &&L2Advertisement| {
            one.is_for_all_interfaces() || one.interfaces.iter().any(|name| speaker.interfaces.contains_key(name))
        };
        let none = !selecting.iter().any(is_for);
        none.then(|| format!("it has none of the interfaces that L2Advertisement {} asks for", names(selecting)))
    }

    fn is_inside(&self, speaker: &Speaker) -> bool {
        speaker.interfaces.values().flatten().any(|net| net.contains(&self.address))
    }
}

fn names(advertisements: &[&L2Advertisement]) -> String {
    let names: Vec<&str> = advertisements.iter().map(|one| one.name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        fixture::{self, kill, typed},
        objects::Objects,
    };

    fn why(objects: &Objects, node: &str) -> String {
        let (snapshot, _) = objects.index().take();
        let service = snapshot.services.get(&ServiceKey::new("shop", "web")).unwrap();
        let address = "192.0.2.100".parse().unwrap();
        Asked { snapshot: &snapshot, service, address, pool: "pool" }.why_not(&node.try_into().unwrap())
    }

    #[test]
    fn each_rule_names_itself() {
        let with = |change: fn(&mut Objects)| {
            let mut objects = fixture::cluster();
            change(&mut objects);
            why(&objects, "node-a")
        };
        assert!(with(|_| ()).starts_with("nothing keeps it out"));
        assert!(with(|all| kill(all, "node-a")).contains("does not renew"));
        assert!(
            with(|all| all.speakers.clear()).contains("renew")
                || with(|all| all.speakers.clear()).contains("interface")
        );
        let excluded = |all: &mut Objects| {
            all.nodes[0].metadata.labels.as_mut().unwrap().insert(EXCLUDE.to_owned(), String::new());
        };
        assert!(with(excluded).contains(EXCLUDE));
        assert!(with(|all| all.l2_advertisements.clear()).contains("no L2Advertisement"));
        let only_b = |all: &mut Objects| {
            let selector = json!({"nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": "node-b"}}]});
            all.l2_advertisements = vec![typed(fixture::advertisement("b", selector))];
        };
        assert!(with(only_b).contains("nodeSelectors of L2Advertisement b"));
        let eth9 = |all: &mut Objects| {
            all.l2_advertisements = vec![typed(fixture::advertisement("nine", json!({"interfaces": ["eth9"]})))];
        };
        assert!(with(eth9).contains("none of the interfaces"));
        let local = |all: &mut Objects| {
            all.services[0].spec.as_mut().unwrap().external_traffic_policy = Some("Local".to_owned());
            all.slices[0] = typed(fixture::slice("web", &["node-b"]));
        };
        assert!(with(local).contains("Local"));
        let elsewhere = |all: &mut Objects| {
            let mut speaker = fixture::speaker("node-a", 1);
            speaker["status"]["interfaces"][0]["addresses"] = json!(["198.51.100.1/24"]);
            all.speakers[0] = typed(speaker);
        };
        assert!(with(elsewhere).contains("subnet"));
    }

    #[test]
    fn users_of_an_address_are_found() {
        let (snapshot, _) = fixture::cluster().index().take();
        let users = users(&snapshot, "192.0.2.101".parse().unwrap());
        assert_eq!(users.into_iter().map(|key| key.to_string()).collect::<Vec<_>>(), ["shop/api"]);
        let service = snapshot.services.get(&ServiceKey::new("shop", "web")).unwrap();
        assert!(is_ours(&snapshot, service));
        assert!(!is_ours(&snapshot, &Service { class: Some("other".to_owned()), ..Service::clone(service) }));
    }
}
