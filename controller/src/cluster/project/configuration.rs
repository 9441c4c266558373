//! Pools and advertisements: what they say is kept as written, and what their status says about that beside it.

use arpeggio_common::api::{
    BFDProfile, BGPAdvertisement, BGPPeer, Community, Decoded, IPAddressPool, L2Advertisement,
    condition::{self, Conditioned},
    keep_marks,
    metallb::IPAddressPoolStatus,
    names, selectors,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, ObjectMeta};
use kube::Resource as _;
use serde::Deserialize as _;
use serde_json::Value;

use super::{Kind, Object, Watched};
use crate::cluster::{Acceptance, AcceptedCondition, Configured, PoolUsage, Written};

impl Watched for Decoded<IPAddressPool> {
    const KIND: Kind = Kind::Pool;

    fn project(self) -> Result<Object, String> {
        let status = match &self.0 {
            Ok(pool) => pool.status.clone(),
            Err(broken) => broken.status.as_ref().and_then(|status| IPAddressPoolStatus::deserialize(&**status).ok()),
        };
        let usage = status.map(|status| PoolUsage {
            assigned_v4: status.assigned_ipv4,
            assigned_v6: status.assigned_ipv6,
            available_v4: status.available_ipv4,
            available_v6: status.available_ipv6,
        });
        let (pool, configured) = split(self, |_| &[]);
        Ok(Object::Configured(Box::new(Written::Pool(pool)), Box::new(configured), usage))
    }
}

macro_rules! watched {
    ($($api:ident: $kind:ident, $written:ident, $nodes:expr;)*) => {$(
        impl Watched for Decoded<$api> {
            const KIND: Kind = Kind::$kind;

            fn project(self) -> Result<Object, String> {
                let (object, configured) = split(self, $nodes);
                Ok(Object::Configured(Box::new(Written::$written(object)), Box::new(configured), None))
            }
        }
    )*};
}

watched! {
    L2Advertisement: L2Advertisement, L2, |_| &[];
    BGPAdvertisement: BgpAdvertisement, Bgp, |it| &it.spec.node_selectors;
    BGPPeer: Peer, Peer, |it| &it.spec.node_selectors;
    Community: Community, Community, |_| &[];
    BFDProfile: BfdProfile, BfdProfile, |_| &[];
}

/// The object with nothing of its status but the condition `Accepted`, from which is read which of two that exclude each other
/// came first; and beside it who it is. `nodes`: which it is for.
fn split<K: Conditioned>(mut object: Decoded<K>, nodes: fn(&K) -> &[LabelSelector]) -> (Decoded<K>, Configured) {
    let conditions = match &mut object.0 {
        Ok(object) => object.conditions().to_vec(),
        Err(broken) => broken.status.take().map(|status| conditions(&status)).unwrap_or_default(),
    };
    let mut configured = configured(object.meta_mut(), &conditions);
    if let Ok(object) = &mut object.0 {
        configured.nodes = selectors(nodes(object)).unwrap_or_default();
        object.say_only(only_accepted(conditions));
    }
    (object, configured)
}

/// The conditions of a status, whatever else is in it.
fn conditions(status: &Value) -> Vec<Condition> {
    status.get("conditions").and_then(|all| Vec::deserialize(all).ok()).unwrap_or_default()
}

/// Who the object is and what is said about it. Afterwards its metadata have only what the configuration is made of.
fn configured(meta: &mut ObjectMeta, conditions: &[Condition]) -> Configured {
    keep_marks(meta);
    let all = std::mem::take(meta);
    *meta = ObjectMeta {
        annotations: all.annotations,
        name: all.name,
        namespace: all.namespace,
        labels: all.labels,
        creation_timestamp: all.creation_timestamp,
        generation: all.generation,
        ..ObjectMeta::default()
    };
    let others = conditions.iter().filter(|condition| condition.type_ != names::ACCEPTED);
    Configured {
        nodes: Vec::new(),
        uid: all.uid.unwrap_or_default(),
        resource_version: all.resource_version.unwrap_or_default(),
        generation: all.generation.unwrap_or_default(),
        accepted: condition::find(conditions, names::ACCEPTED).and_then(accepted),
        others: others.filter_map(|condition| serde_json::to_value(condition).ok()).collect(),
    }
}

/// `None` if it says neither yes nor no: as if it had not been written.
fn accepted(condition: &Condition) -> Option<AcceptedCondition> {
    let accepted = condition::holds(condition)?;
    let says = Acceptance { accepted, reason: condition.reason.clone(), message: condition.message.clone() };
    Some(AcceptedCondition {
        says,
        generation: condition.observed_generation.unwrap_or_default(),
        since: condition.last_transition_time.0.to_string(),
    })
}

fn only_accepted(conditions: Vec<Condition>) -> Vec<Condition> {
    conditions.into_iter().filter(|condition| condition.type_ == names::ACCEPTED).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(type_: &str, status: &str) -> Value {
        json!({"type": type_, "status": status, "reason": "Invalid", "message": "m", "observedGeneration": 3,
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    fn pool(spec: &Value, conditions: &Value) -> (Decoded<IPAddressPool>, Configured, Option<PoolUsage>) {
        let object = json!({
            "metadata": {"name": "gold", "namespace": "m", "uid": "u", "resourceVersion": "9", "generation": 4,
                "annotations": {"a": "b"}},
            "spec": spec,
            "status": {"assignedIPv4": 7, "conditions": conditions},
        });
        let object = serde_json::from_value::<Decoded<IPAddressPool>>(object).unwrap().project().unwrap();
        let Object::Configured(written, configured, usage) = object else { panic!("{object:?}") };
        let Written::Pool(pool) = *written else { panic!("{written:?}") };
        (pool, *configured, usage)
    }

    #[test]
    fn what_is_said_about_an_object_is_read_whether_the_object_can_be_read_or_not() {
        let conditions = json!([condition("Other", "True"), condition("Accepted", "False")]);
        for spec in [json!({"addresses": ["192.0.2.0/24"]}), json!({"addresses": 5})] {
            let (pool, configured, usage) = pool(&spec, &conditions);
            assert_eq!(usage.unwrap().assigned_v4, 7);
            assert_eq!((configured.uid.as_str(), configured.resource_version.as_str()), ("u", "9"));
            let says = Acceptance { accepted: false, reason: "Invalid".to_owned(), message: "m".to_owned() };
            let since = "2026-01-01T00:00:00Z".to_owned();
            assert_eq!(configured.accepted, Some(AcceptedCondition { says, generation: 3, since }));
            assert_eq!((configured.generation, &configured.others[..]), (4, &[condition("Other", "True")][..]));
            if let Ok(pool) = pool.0 {
                assert_eq!((pool.metadata.generation, pool.metadata.annotations), (Some(4), None));
                let status = pool.status.unwrap();
                assert_eq!((status.assigned_ipv4, status.conditions.len()), (0, 1), "counters are no configuration");
            }
        }
    }

    #[test]
    fn a_condition_that_says_neither_yes_nor_no_says_nothing() {
        let (_, configured, _) = pool(&json!({"addresses": []}), &json!([condition("Accepted", "Unknown")]));
        assert_eq!((configured.accepted, configured.others), (None, Vec::new()));
    }

    fn told_by_its_conditions<K>(specs: [Value; 2])
    where
        K: Conditioned + serde::de::DeserializeOwned,
        Decoded<K>: Watched,
    {
        for spec in specs {
            let object = json!({"metadata": {"name": "all", "generation": 1}, "spec": spec,
                "status": {"conditions": [condition("Accepted", "True"), condition("Other", "True")]}});
            let decoded = serde_json::from_value::<Decoded<K>>(object).unwrap();
            let (kind, is_read) = (<Decoded<K> as Watched>::KIND, decoded.0.is_ok());
            assert_eq!(is_read, spec.is_null(), "{kind:?} {spec}");
            let object = decoded.clone().project().unwrap();
            let Object::Configured(written, configured, _) = object else { panic!("{object:?}") };
            assert!(configured.accepted.unwrap().says.accepted, "{kind:?} {spec}");
            assert_eq!((configured.others.len(), Some(written.kind())), (1, kind.configured()));
            let left = split(decoded, |_| &[]).0.0.map(|object| object.conditions().len());
            assert!(left.is_err() || left.is_ok_and(|left| left == 1));
        }
    }

    #[test]
    fn every_kind_is_told_by_its_conditions() {
        told_by_its_conditions::<L2Advertisement>([json!(null), json!({"interfaces": 5})]);
        told_by_its_conditions::<BGPAdvertisement>([json!(null), json!({"localPref": "much"})]);
        told_by_its_conditions::<BGPPeer>([json!(null), json!({"myASN": "x"})]);
        told_by_its_conditions::<Community>([json!(null), json!({"communities": 5})]);
        told_by_its_conditions::<BFDProfile>([json!(null), json!({"receiveInterval": "fast"})]);
    }
}
