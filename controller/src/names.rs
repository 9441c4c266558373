//! Names of objects that only the controller writes.

use arpeggio_common::model::{NodeName, stable_hash};

use crate::cluster::ServiceKey;

/// What the names of all ServiceL2Status objects of a Service begin with.
pub fn l2_prefix(service: &ServiceKey) -> String {
    format!("l2-{:016x}-", stable_hash(format!("{}/{}", service.namespace, service.name).into_bytes()))
}

/// Name of the ServiceL2Status of a Service and a node. Neither can change in such an object, so each pair has its own.
pub fn l2_status(service: &ServiceKey, node: &NodeName) -> String {
    format!("{}{:016x}", l2_prefix(service), stable_hash(node.as_str().bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_named_after_service_and_node() {
        let key = |namespace: &str, name: &str| ServiceKey::new(namespace, name);
        let node = |name: &str| NodeName::try_from(name).unwrap();
        let name = l2_status(&key("shop", "web"), &node("node-a"));
        assert_eq!(
            name, "l2-e4146191aec0cded-48e86629c152a3f3",
            "objects of the controller before us have to be found again"
        );
        assert!(name.starts_with(&l2_prefix(&key("shop", "web"))));
        assert_ne!(name, l2_status(&key("shop", "web"), &node("node-b")));
        assert_ne!(name, l2_status(&key("sho", "pweb"), &node("node-a")));
    }
}
