//! Agents: what they say about themselves, and the leases that say that they live.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use arpeggio_common::{
    api::{Decoded, Speaker, condition, names, speaker::Authentication},
    model::{InterfaceName, NodeName},
};
use ipnet::IpNet;
use k8s_openapi::api::coordination::v1::Lease;

use super::{Kind, Object, Watched, interface_name, node_name};
use crate::cluster::Node;

/// A Speaker object; whether its agent lives is in its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeakerFacts {
    /// The node.
    pub node: NodeName,
    /// `spec.evacuate`.
    pub evacuate: bool,
    /// Interfaces on which it can announce, with their addresses.
    pub interfaces: BTreeMap<InterfaceName, Vec<IpNet>>,
    /// Addresses that its interfaces hold with a subnet, whether it can announce there or not.
    pub held: BTreeSet<IpAddr>,
    /// By what it knows the frames of others.
    pub authentication: Option<Authentication>,
    /// Why it does not understand every Announcement.
    pub refused: Option<String>,
    /// It says that it has sessions with BGP peers, or would have if a BGPPeer were for the node.
    pub tells_peers: bool,
}

impl SpeakerFacts {
    /// Of an agent that has said nothing.
    pub const fn silent(node: NodeName) -> Self {
        Self {
            node,
            evacuate: false,
            interfaces: BTreeMap::new(),
            held: BTreeSet::new(),
            authentication: None,
            refused: None,
            tells_peers: false,
        }
    }
}

/// A lease, of a speaker or of the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseFacts {
    /// The node whose agent it is; `None`: not the lease of a speaker.
    pub speaker: Option<NodeName>,
    /// Who holds it; `None`: it was given back.
    pub holder: Option<String>,
    /// `renewTime` as its writer's clock had it: only whether it changes says anything.
    pub renewed: Option<String>,
    /// How long it holds from each renewal.
    pub duration: Duration,
}

impl Watched for Decoded<Speaker> {
    const KIND: Kind = Kind::Speaker;

    fn project(self) -> Result<Object, String> {
        let speaker = self.0.map_err(|error| error.to_string())?;
        let node = node_name(&speaker.metadata.name.unwrap_or_default())?;
        let (mut interfaces, mut held) = (BTreeMap::new(), BTreeSet::new());
        let status = speaker.status.unwrap_or_default();
        let accepted = condition::find(&status.conditions, names::ACCEPTED);
        let refused = accepted.filter(|it| condition::holds(it) == Some(false)).map(|it| it.message.clone());
        for interface in status.interfaces {
            let addresses: Vec<IpNet> = interface.addresses.iter().filter_map(|text| text.parse().ok()).collect();
            // One that is held without a subnet only stands in for somebody, as those on lo and kube-ipvs0 do.
            let own = addresses.iter().filter(|net| net.prefix_len() < net.max_prefix_len());
            held.extend(own.map(|net| net.addr().to_canonical()).filter(Node::may_have));
            if interface.attached.is_empty() {
                continue;
            }
            interfaces.insert(interface_name(&interface.name)?, addresses);
        }
        Ok(Object::Speaker(SpeakerFacts {
            node,
            evacuate: speaker.spec.evacuate,
            interfaces,
            held,
            authentication: status.succession.and_then(|succession| succession.authentication),
            refused,
            tells_peers: status.bgp_sessions.is_some(),
        }))
    }
}

impl Watched for Lease {
    const KIND: Kind = Kind::Lease;

    fn project(self) -> Result<Object, String> {
        let name = self.metadata.name.unwrap_or_default();
        let spec = self.spec.unwrap_or_default();
        let is_speaker = self.metadata.labels.is_some_and(|labels| {
            labels.get(names::COMPONENT).is_some_and(|component| component == names::SPEAKER_COMPONENT)
        });
        // A name that was shortened does not say which node it is.
        let annotated = self.metadata.annotations.and_then(|mut all| all.remove(names::LEASE_NODE));
        let annotated = annotated.filter(|node| names::speaker_lease(node) == name);
        let node = annotated.as_deref().or_else(|| name.strip_prefix("speaker-")).filter(|_| is_speaker);
        Ok(Object::Lease(LeaseFacts {
            speaker: node.map(node_name).transpose()?,
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            renewed: spec.renew_time.map(|time| time.0.to_string()),
            duration: Duration::from_secs(
                spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default(),
            ),
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn speaker(object: Value) -> Result<Object, String> {
        serde_json::from_value::<Decoded<Speaker>>(object).unwrap().project()
    }

    fn lease(object: Value) -> LeaseFacts {
        let object = serde_json::from_value::<Lease>(object).unwrap().project().unwrap();
        let Object::Lease(lease) = object else { panic!("{object:?}") };
        lease
    }

    #[test]
    fn only_attached_interfaces_can_announce() {
        let object = speaker(json!({"metadata": {"name": "node-a"}, "spec": null, "status": {"interfaces": [
            {"name": "eth0", "attached": "native", "addresses": ["192.0.2.1/24", "fe80::1/64", "nonsense"]},
            {"name": "eth1", "addresses": ["198.51.100.1/24"]}, {"name": "lo", "addresses": ["192.0.2.77/32"]}]}}));
        let Ok(Object::Speaker(facts)) = object else { panic!("{object:?}") };
        let interfaces: Vec<_> = facts.interfaces.iter().map(|(name, nets)| (name.as_str(), nets.len())).collect();
        assert_eq!((interfaces, facts.evacuate), (vec![("eth0", 2)], false));
        let held: Vec<_> = facts.held.iter().map(ToString::to_string).collect();
        assert_eq!(held, ["192.0.2.1", "198.51.100.1", "fe80::1"]);
    }

    #[test]
    fn who_reports_sessions_tells_peers() {
        let established = json!([{"peer": "rack", "state": "Established", "since": "2026-01-01T00:00:00Z", "prefixes": 3,
            "lastError": null}]);
        let sessions = [(established, true), (json!([]), true), (Value::Null, false)];
        for (sessions, expected) in sessions {
            let object = json!({"metadata": {"name": "node-a"}, "spec": {}, "status": {"bgpSessions": sessions}});
            let Ok(Object::Speaker(facts)) = speaker(object) else { panic!("{sessions}") };
            assert_eq!(facts.tells_peers, expected, "{sessions}");
        }
        let Ok(Object::Speaker(facts)) = speaker(json!({"metadata": {"name": "node-a"}, "spec": {}})) else { panic!() };
        assert!(!facts.tells_peers, "one that knows no such field");
    }

    #[test]
    fn what_cannot_be_decoded_is_a_sentence_and_nothing_worse() {
        let error = speaker(json!({"metadata": {"name": "node-a"}, "spec": {"evacuate": "perhaps"}})).unwrap_err();
        assert!(error.contains("perhaps"), "{error}");
    }

    #[test]
    fn leases_of_speakers_are_known_by_label_and_name() {
        let spec =
            json!({"holderIdentity": "node-a", "leaseDurationSeconds": 10, "renewTime": "2026-01-01T00:00:00.000000Z"});
        let labels = json!({"app.kubernetes.io/component": "arpeggio-speaker"});
        let mine = lease(json!({"metadata": {"name": "speaker-node-a", "labels": labels}, "spec": spec}));
        assert_eq!(mine.speaker.as_ref().map(NodeName::as_str), Some("node-a"));
        assert_eq!((mine.holder.as_deref(), mine.duration), (Some("node-a"), Duration::from_secs(10)));
        assert!(mine.renewed.is_some());
        let long = format!("{}.{}", "a".repeat(240), "b".repeat(12));
        let short = names::speaker_lease(&long);
        let of_long = |node: &str| {
            let metadata = json!({"name": short, "labels": labels, "annotations": {"arpeggio.io/node": node}});
            lease(json!({"metadata": metadata, "spec": {"holderIdentity": ""}})).speaker
        };
        assert_eq!(of_long(&long).unwrap().as_str(), long, "although it was given back");
        assert_ne!(of_long("node-a").unwrap().as_str(), "node-a", "it is another lease");
        assert_eq!(lease(json!({"metadata": {"name": "speaker-node-a"}, "spec": spec})).speaker, None);
        let given_back =
            lease(json!({"metadata": {"name": "speaker-a", "labels": labels}, "spec": {"holderIdentity": ""}}));
        assert_eq!((given_back.holder, given_back.duration), (None, Duration::ZERO));
    }
}
