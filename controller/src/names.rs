//! Names of objects that only the controller writes.

pub use arpeggio_common::api::names::LONGEST_NAME;
use arpeggio_common::{
    api::names::{LONGEST_VALUE, shortened, speaker_lease},
    model::{NodeName, stable_hash},
};

use crate::cluster::ServiceKey;

/// What the names of all ServiceL2Status objects of a Service begin with.
pub fn l2_prefix(service: &ServiceKey) -> String {
    format!("l2-{:016x}-", stable_hash(format!("{}/{}", service.namespace, service.name).into_bytes()))
}

/// Name of the ServiceL2Status of a Service and a node. Neither can change in such an object, so each pair has its own.
pub fn l2_status(service: &ServiceKey, node: &NodeName) -> String {
    format!("{}{:016x}", l2_prefix(service), stable_hash(node.as_str().bytes()))
}

/// `speaker-` and the name of a node, which may itself be as long as a name can be: then the end is a hash of it.
pub fn of_speaker(node: &NodeName) -> String {
    speaker_lease(node.as_str())
}

/// The name of a node as the value of a label; a long one ends with a hash of it.
pub fn label_value(node: &NodeName) -> String {
    shortened(node.as_str(), LONGEST_VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_shortened_and_stay_apart() {
        let node = |name: &str| NodeName::try_from(name).unwrap();
        let long = |end: &str| node(&format!("{}.{end}", vec!["a".repeat(48); 5].join(".")));
        for name in [long("east"), long("west"), node(&"b".repeat(64))] {
            let value = label_value(&name);
            assert!(value.len() <= 63 && value.ends_with(|end: char| end.is_ascii_alphanumeric()), "{value}");
        }
        assert_ne!(label_value(&long("east")), label_value(&long("west")));
        assert_eq!(
            (label_value(&node("node-a")), of_speaker(&node("node-a"))),
            ("node-a".into(), "speaker-node-a".into())
        );
        let (east, west) = (of_speaker(&long("east")), of_speaker(&long("west")));
        assert!(long("east").as_str().len() > 245 && east.len() <= LONGEST_NAME && east != west, "{east}");
    }

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
