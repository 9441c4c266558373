//! ConfigurationState and ServiceBGPStatus.

use arpeggio_common::{
    api::{
        ConfigurationState, Decoded, ServiceBGPStatus,
        metallb::{ConfigurationResult, ConfigurationStateStatus},
    },
    model::{Labels, NodeName},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource as _;

use super::{Kind, Object, Watched};
use crate::{
    cluster::{
        BgpStatusContent, ObservedBgpStatus, ObservedState, ServiceKey, Soundness, StateContent, StateOf,
        state::NODE_LABEL,
    },
    names,
};

impl Watched for Decoded<ConfigurationState> {
    const KIND: Kind = Kind::ConfigurationState;

    fn project(self) -> Result<Object, String> {
        let meta = self.meta();
        let (owned, resource_version) = (is_owned(meta), meta.resource_version.clone().unwrap_or_default());
        let labels = meta.labels.clone().unwrap_or_default();
        let of = StateOf::named(meta.name.as_deref().unwrap_or_default());
        let status = self.0.ok().and_then(|state| state.status);
        let (content, since) = of.zip(status).map(|(of, status)| read(&of, &labels, &status)).unwrap_or_default();
        Ok(Object::State(ObservedState { resource_version, content, since, owned }))
    }
}

fn read(
    of: &StateOf,
    labels: &Labels,
    status: &ConfigurationStateStatus,
) -> (Option<StateContent>, Option<(Soundness, String)>) {
    let [condition] = &status.conditions[..] else { return (None, None) };
    let all = [Soundness::Valid, Soundness::Invalid, Soundness::Unknown];
    let Some(said) = all.into_iter().find(|one| one.condition().0 == condition.status) else { return (None, None) };
    if condition.type_ != of.condition() {
        return (None, None);
    }
    let is_long = of.name().len() >= names::LONGEST_NAME - 32;
    let since = Some((said, condition.last_transition_time.0.to_string()));
    let content = StateContent { soundness: said, errors: status.error_summary.clone() };
    let is_ours = status.result == Some(result(said))
        && condition.reason == said.condition().1
        && condition.message == content.message()
        && of.labels().iter().all(|(label, value)| {
            // The name of a node that is too long for that of the object is a hash in both.
            labels.get(label) == Some(value) || (is_long && label == NODE_LABEL && labels.contains_key(label))
        });
    (is_ours.then_some(content), since)
}

/// As it is called in the status.
pub(crate) const fn result(soundness: Soundness) -> ConfigurationResult {
    match soundness {
        Soundness::Valid => ConfigurationResult::Valid,
        Soundness::Invalid => ConfigurationResult::Invalid,
        Soundness::Unknown => ConfigurationResult::Unknown,
    }
}

impl Watched for Decoded<ServiceBGPStatus> {
    const KIND: Kind = Kind::BgpStatus;

    fn project(self) -> Result<Object, String> {
        let meta = self.meta();
        let (owned, resource_version) = (is_owned(meta), meta.resource_version.clone().unwrap_or_default());
        let content = self.0.ok().and_then(|object| object.status).and_then(|status| {
            let node = NodeName::try_from(status.node.as_str()).ok()?;
            let service = ServiceKey::new(status.service_namespace, status.service_name);
            Some(BgpStatusContent { service, node, peers: status.peers.into_iter().collect() })
        });
        Ok(Object::BgpStatus(ObservedBgpStatus { resource_version, content, owned }))
    }
}

fn is_owned(meta: &ObjectMeta) -> bool {
    meta.owner_references.iter().flatten().any(|owner| owner.kind == "Pod")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::writer::state_patch;

    fn state(name: &str, labels: &Value, status: &Value, owners: &Value) -> ObservedState {
        let object = json!({"metadata": {"name": name, "resourceVersion": "7", "labels": labels, "ownerReferences": owners},
            "status": status});
        let object = serde_json::from_value::<Decoded<ConfigurationState>>(object).unwrap().project().unwrap();
        let Object::State(state) = object else { panic!("{object:?}") };
        state
    }

    #[test]
    fn what_is_written_is_read_back_and_anything_else_is_not_ours() {
        let node = NodeName::try_from("node-a").unwrap();
        for of in [StateOf::Controller, StateOf::Speaker(node)] {
            assert_eq!(StateOf::named(&of.name()), Some(of.clone()));
            for (soundness, errors) in
                [(Soundness::Valid, ""), (Soundness::Invalid, "a is wrong\nb too"), (Soundness::Unknown, "silent")]
            {
                let content = StateContent { soundness, errors: errors.to_owned() };
                let patch = state_patch(&of, &content, None, "2026-01-01T00:00:00Z");
                let (labels, status) = (json!(of.labels()), &patch["status"]);
                let read = state(&of.name(), &labels, status, &json!([]));
                assert_eq!((read.content, read.owned), (Some(content), false));
                assert_eq!(read.since, Some((soundness, "2026-01-01T00:00:00Z".to_owned())));
                assert_eq!(state(&of.name(), &json!({}), status, &json!([])).content, None, "labels were taken away");
                let mut other = status.clone();
                other["errorSummary"] = json!("somebody else's");
                let read = state(&of.name(), &labels, &other, &json!([]));
                assert!(read.content.is_none() && read.since.is_some());
            }
        }
        let owners = json!([{"apiVersion": "v1", "kind": "Pod", "name": "speaker-x", "uid": "u"}]);
        assert!(state("controller", &json!({}), &json!({"result": 5}), &owners).owned, "though it cannot be read");
        assert_eq!(StateOf::named("somebody"), None);
    }

    #[test]
    fn a_bgp_status_says_who_announces_what_to_whom() {
        let object = json!({"metadata": {"name": "bgp-x", "resourceVersion": "3"},
            "status": {"node": "node-a", "serviceName": "web", "serviceNamespace": "shop", "peers": ["b", "a"]}});
        let object = serde_json::from_value::<Decoded<ServiceBGPStatus>>(object).unwrap().project().unwrap();
        let Object::BgpStatus(status) = object else { panic!("{object:?}") };
        let content = status.content.unwrap();
        assert_eq!((content.service, content.peers.len()), (ServiceKey::new("shop", "web"), 2));
        assert!(!status.owned);
    }
}
