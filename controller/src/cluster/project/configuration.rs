//! Pools and advertisements: what they say is kept as written, and what their status says about that beside it.

use arpeggio_common::api::{Decoded, IPAddressPool, L2Advertisement, condition, metallb::IPAddressPoolStatus, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::Resource as _;
use serde::Deserialize as _;
use serde_json::Value;

use super::{Kind, Object, Watched};
use crate::cluster::{Acceptance, AcceptedCondition, Configured, PoolUsage};

impl Watched for Decoded<IPAddressPool> {
    const KIND: Kind = Kind::Pool;

    fn project(self) -> Result<Object, String> {
        let mut pool = self;
        let status = match &mut pool.0 {
            Ok(pool) => pool.status.take(),
            Err(broken) => broken.status.take().and_then(|status| IPAddressPoolStatus::deserialize(*status).ok()),
        };
        let usage = status.as_ref().map(|status| PoolUsage {
            assigned_v4: status.assigned_ipv4,
            assigned_v6: status.assigned_ipv6,
            available_v4: status.available_ipv4,
            available_v6: status.available_ipv6,
        });
        let conditions = status.map(|status| status.conditions).unwrap_or_default();
        let configured = configured(pool.meta_mut(), &conditions);
        if let Ok(pool) = &mut pool.0 {
            let conditions = only_accepted(conditions);
            let said = IPAddressPoolStatus { conditions, ..IPAddressPoolStatus::default() };
            pool.status = (!said.conditions.is_empty()).then_some(said);
        }
        Ok(Object::Pool(Box::new(pool), Box::new(configured), usage))
    }
}

impl Watched for Decoded<L2Advertisement> {
    const KIND: Kind = Kind::L2Advertisement;

    fn project(self) -> Result<Object, String> {
        let mut advertisement = self;
        let conditions = match &mut advertisement.0 {
            Ok(advertisement) => advertisement.status.take().map(|status| status.conditions).unwrap_or_default(),
            Err(broken) => broken.status.take().map(|status| conditions(&status)).unwrap_or_default(),
        };
        let configured = configured(advertisement.meta_mut(), &conditions);
        Ok(Object::L2Advertisement(Box::new(advertisement), Box::new(configured)))
    }
}

/// The conditions of a status, whatever else is in it.
fn conditions(status: &Value) -> Vec<Condition> {
    status.get("conditions").and_then(|all| Vec::deserialize(all).ok()).unwrap_or_default()
}

/// Who the object is and what is said about it. Afterwards its metadata have only what the configuration is made of.
fn configured(meta: &mut ObjectMeta, conditions: &[Condition]) -> Configured {
    let all = std::mem::take(meta);
    *meta = ObjectMeta {
        name: all.name,
        namespace: all.namespace,
        labels: all.labels,
        creation_timestamp: all.creation_timestamp,
        generation: all.generation,
        ..ObjectMeta::default()
    };
    let others = conditions.iter().filter(|condition| condition.type_ != names::ACCEPTED);
    Configured {
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

/// Which of two that overlap came first is read from this condition; nothing else of a status is configuration.
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
        let Object::Pool(pool, configured, usage) = object else { panic!("{object:?}") };
        (*pool, *configured, usage)
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

    #[test]
    fn an_advertisement_is_told_by_its_conditions_too() {
        for spec in [json!(null), json!({"interfaces": 5})] {
            let object = json!({"metadata": {"name": "all", "generation": 1}, "spec": spec,
                "status": {"conditions": [condition("Accepted", "True")]}});
            let object = serde_json::from_value::<Decoded<L2Advertisement>>(object).unwrap().project().unwrap();
            let Object::L2Advertisement(advertisement, configured) = object else { panic!("{object:?}") };
            assert!(configured.accepted.unwrap().says.accepted);
            assert!(advertisement.0.is_err() || advertisement.0.is_ok_and(|it| it.status.is_none()));
        }
    }
}
