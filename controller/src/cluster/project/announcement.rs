//! Announcements that are there.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr},
};

use arpeggio_common::{
    api::{
        Announcement, Decoded,
        announcement::{AnnouncementSpec, AnnouncementStatus, Mode},
        condition, names,
    },
    model::NodeName,
};

use super::{Kind, Object, Watched};
use crate::cluster::{AnnouncementContent, ObservedAnnouncement, Refusal, ServiceKey, Trouble};

/// An Announcement and the address that it is named after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncementFacts {
    /// The address in its name.
    pub address: IpAddr,
    /// What it says.
    pub observed: ObservedAnnouncement,
}

impl Watched for Decoded<Announcement> {
    const KIND: Kind = Kind::Announcement;

    fn project(self) -> Result<Object, String> {
        let (metadata, spec, status) = match self.0 {
            Ok(object) => (object.metadata, Some(object.spec), object.status),
            Err(invalid) => (*invalid.metadata, None, None),
        };
        let name = metadata.name.unwrap_or_default();
        let address = address_named(&name).ok_or_else(|| format!("{name:?} is not the name of an address"))?;
        let status = status.unwrap_or_default();
        let observed = ObservedAnnouncement {
            resource_version: metadata.resource_version.unwrap_or_default(),
            content: spec.and_then(|spec| content(spec, address)),
            trouble: trouble(&status),
            owner: status.owner.and_then(|owner| NodeName::try_from(owner.as_str()).ok()),
            interfaces: status.interfaces.into_iter().map(|interface| interface.name).collect(),
        };
        Ok(Object::Announcement(Box::new(AnnouncementFacts { address, observed })))
    }
}

/// The inverse of [`names::announcement`].
pub(in crate::cluster) fn address_named(name: &str) -> Option<IpAddr> {
    let address = match name.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => name.replace('-', ":").parse::<Ipv6Addr>().ok()?.into(),
    };
    (names::announcement(address) == name).then_some(address)
}

/// `None` if it says anything that the controller would not write: then it has to be written anew.
fn content(spec: AnnouncementSpec, address: IpAddr) -> Option<AnnouncementContent> {
    if spec.address.parse::<IpAddr>().ok()? != address {
        return None;
    }
    let services = spec
        .services
        .into_iter()
        .map(|service| (ServiceKey::new(service.namespace, service.name), service.uid))
        .collect();
    let (candidates, interfaces) = match spec.l2 {
        None => (None, BTreeSet::new()),
        Some(l2) if l2.mode != Mode::Exclusive => return None,
        Some(l2) => {
            let candidates = l2.candidates.iter().map(|name| NodeName::try_from(name.as_str()).ok());
            let interfaces = l2.interfaces.iter().map(|name| super::interface_name(name).ok());
            (Some(candidates.collect::<Option<_>>()?), interfaces.collect::<Option<_>>()?)
        }
    };
    let routes = spec.bgp.iter().map(|route| route.validate(address).ok()).collect::<Option<_>>()?;
    Some(AnnouncementContent { address, pool: spec.pool, services, candidates, interfaces, routes })
}

fn trouble(status: &AnnouncementStatus) -> Option<Trouble> {
    let announced = condition::find(&status.conditions, names::ANNOUNCED)?;
    (condition::holds(announced) != Some(true)).then(|| Trouble {
        says: Refusal { reason: announced.reason.clone(), message: announced.message.clone() },
        since: announced.last_transition_time.0.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn facts(object: Value) -> Result<AnnouncementFacts, String> {
        let object = serde_json::from_value::<Decoded<Announcement>>(object).unwrap().project()?;
        let Object::Announcement(facts) = object else { panic!("{object:?}") };
        Ok(*facts)
    }

    #[test]
    fn names_lead_back_to_addresses() {
        for text in ["192.0.2.10", "2001:db8::a", "::", "fe80::1"] {
            let wanted: IpAddr = text.parse().unwrap();
            assert_eq!(address_named(&names::announcement(wanted)), Some(wanted));
        }
        for name in ["web", "192.0.2", "2001-db8--a", "2001:db8::a", "::ffff:192.0.2.1"] {
            assert_eq!(address_named(name), None, "{name}");
        }
    }

    #[test]
    fn an_announcement_is_read_with_what_its_owner_says() {
        let facts = facts(json!({"metadata": {"name": "192.0.2.1", "resourceVersion": "9"},
            "spec": {"address": "192.0.2.1", "pool": "home", "services": [{"namespace": "a", "name": "b", "uid": "u"}],
                "l2": {"candidates": ["node-b", "node-a"], "interfaces": ["eth0"]}, "bgp": [{"prefix": "192.0.2.0/24"}]},
            "status": {"owner": "node-b", "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01"}],
                "conditions": [{"type": "Announced", "status": "False", "reason": "AddressInUse", "message": "m",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}))
        .unwrap();
        let content = facts.observed.content.unwrap();
        assert_eq!(content.candidates.unwrap().iter().map(NodeName::as_str).collect::<Vec<_>>(), ["node-b", "node-a"]);
        assert_eq!((content.pool.as_str(), content.services.len(), content.interfaces.len()), ("home", 1, 1));
        assert_eq!(content.routes.iter().map(|route| route.prefix.to_string()).collect::<Vec<_>>(), ["192.0.2.0/24"]);
        assert_eq!(facts.observed.owner.unwrap().as_str(), "node-b");
        assert_eq!(facts.observed.trouble.unwrap().says.reason, "AddressInUse");
        assert_eq!(facts.observed.resource_version, "9");
    }

    #[test]
    fn what_we_would_not_write_has_no_content() {
        for spec in [
            json!({"address": "192.0.2.2"}),
            json!({"address": "192.0.2.1", "l2": {"candidates": ["node-a"], "mode": "Shared"}}),
            json!({"address": "192.0.2.1", "l2": {"candidates": ["Node_A"]}}),
            json!({"address": "192.0.2.1", "bgp": [{"prefix": "192.0.2.2/32"}]}),
            json!({"address": 7}),
            Value::Null,
        ] {
            let facts = facts(json!({"metadata": {"name": "192.0.2.1"}, "spec": spec})).unwrap();
            assert_eq!(facts.observed.content, None, "{spec}");
        }
        assert!(facts(json!({"metadata": {"name": "mine"}, "spec": {"address": "192.0.2.1"}})).is_err());
    }
}
