//! Whether a change of the configuration may be made: what validating webhooks ask. It refuses what the controller would have to
//! leave out, by the same rules, and says why in the same words.

use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Decoded, configuration::STAYS, conversion::convert, decoded::object_name, set::Set};
use crate::model::{Configuration, Fault, ObjectName};

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It is new.
    Create,
    /// It is there and changes.
    Update,
    /// It goes.
    Delete,
}

/// The kinds of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigurationKind {
    /// `IPAddressPool`
    Pool,
    /// `L2Advertisement`
    L2Advertisement,
    /// `BGPAdvertisement`
    BgpAdvertisement,
    /// `BGPPeer`
    Peer,
    /// `Community`
    Community,
    /// `BFDProfile`
    BfdProfile,
}

impl ConfigurationKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Pool, Self::L2Advertisement, Self::BgpAdvertisement, Self::Peer, Self::Community, Self::BfdProfile];

    /// As it is called in objects: `IPAddressPool`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pool => "IPAddressPool",
            Self::L2Advertisement => "L2Advertisement",
            Self::BgpAdvertisement => "BGPAdvertisement",
            Self::Peer => "BGPPeer",
            Self::Community => "Community",
            Self::BfdProfile => "BFDProfile",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A change that somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// What is done.
    pub operation: Operation,
    /// To an object of this kind, in any of its versions.
    pub kind: ConfigurationKind,
    /// The object as it is to be; if it goes, as it was.
    pub object: &'a Value,
}

/// Whether the change may be made to the objects of `set`; if so, what the user should know of it nevertheless.
///
/// Refused is what puts an object at fault: the changed one, or one that was not at fault before. What was wrong before and stays
/// so is no reason, so that every object can be repaired one step at a time, and an object that is being deleted can lose its
/// finalizers. What waits for objects that are not there yet may be created, with a warning: the order of creation does not matter
/// (MetalLB behaviour 36). Only a `BFDProfile` that a `BGPPeer` names cannot be deleted (42).
///
/// # Errors
/// Everything that is wrong with the change.
pub fn review(set: &Set<'_>, change: &Change<'_>) -> Result<Vec<String>, Vec<Fault>> {
    match change.kind {
        ConfigurationKind::Pool => reviewed(set, change, |set| &mut set.pools),
        ConfigurationKind::L2Advertisement => reviewed(set, change, |set| &mut set.l2),
        ConfigurationKind::BgpAdvertisement => reviewed(set, change, |set| &mut set.bgp),
        ConfigurationKind::Peer => reviewed(set, change, |set| &mut set.peers),
        ConfigurationKind::Community => reviewed(set, change, |set| &mut set.communities),
        ConfigurationKind::BfdProfile => reviewed(set, change, |set| &mut set.bfd_profiles),
    }
}

fn reviewed<K>(
    set: &Set<'_>,
    change: &Change<'_>,
    list: for<'s, 'a> fn(&'s mut Set<'a>) -> &'s mut Vec<&'a Decoded<K>>,
) -> Result<Vec<String>, Vec<Fault>>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let object = newest(change.object);
    let decoded = Decoded::<K>::read(&object);
    let name = object_name::<K>(decoded.meta());
    let going = decoded.meta().deletion_timestamp.is_some();
    if change.operation == Operation::Update && (going || name.namespace != set.namespace) {
        return Ok(Vec::new());
    }
    let mut without = set.clone();
    list(&mut without).retain(|other| object_name::<K>(other.meta()) != name);
    let before = if change.operation == Operation::Create { &without } else { set };
    let before = before.assemble(&Configuration::default());
    let mut with = without.clone();
    if change.operation == Operation::Delete {
        in_use(set, change.kind, &name)?;
    } else {
        list(&mut with).push(&decoded);
    }
    let after = with.assemble(&before);
    let told = new_faults(&before, &after, &name);
    if change.operation == Operation::Delete || told.is_empty() {
        Ok(warnings(change, &object, &before, &after))
    } else {
        Err(told)
    }
}

/// The object in the version that is stored.
fn newest(object: &Value) -> Value {
    let is_old = object.get("apiVersion").is_some_and(|version| version == "metallb.io/v1beta1");
    if is_old && let Ok(converted) = convert(object.clone(), "metallb.io/v1beta2") {
        return converted;
    }
    object.clone()
}

/// Refuses that a BFD profile goes which peers name (MetalLB behaviour 42).
fn in_use(set: &Set<'_>, kind: ConfigurationKind, name: &ObjectName) -> Result<(), Vec<Fault>> {
    if kind != ConfigurationKind::BfdProfile || name.namespace != set.namespace {
        return Ok(());
    }
    let read = set.peers.iter().filter_map(|peer| peer.0.as_ref().ok());
    let mut users: Vec<String> = read
        .filter(|peer| peer.spec.bfd_profile == name.name)
        .map(|peer| object_name::<super::BGPPeer>(&peer.metadata).to_string())
        .collect();
    if users.is_empty() {
        return Ok(());
    }
    users.sort_unstable();
    Err(vec![Fault {
        object: name.clone(),
        field: "metadata.name".to_owned(),
        value: name.name.clone(),
        rule: format!("is used by {} (failed to delete BFDProfile)", users.join(" and ")),
        remedy: "take it out of spec.bfdProfile there before you delete it".to_owned(),
    }])
}

/// What is at fault because of the change.
fn new_faults(before: &Configuration, after: &Configuration, changed: &ObjectName) -> Vec<Fault> {
    after
        .faults
        .iter()
        .map(|fault| Fault { remedy: fault.remedy.trim_end_matches(STAYS).to_owned(), ..fault.clone() })
        .filter(|fault| {
            let same = |old: &&Fault| (&old.field, &old.value, &old.rule) == (&fault.field, &fault.value, &fault.rule);
            let mut earlier = before.faults.iter().filter(|old| old.object == fault.object);
            if fault.object == *changed { !earlier.any(|old| same(&old)) } else { earlier.next().is_none() }
        })
        .collect()
}

fn warnings(change: &Change<'_>, object: &Value, before: &Configuration, after: &Configuration) -> Vec<String> {
    let plain = |fault: &Fault| Fault { remedy: fault.remedy.trim_end_matches(STAYS).to_owned(), ..fault.clone() };
    let known: Vec<Fault> = before.pending.iter().map(plain).collect();
    let waits = after.pending.iter().map(plain).filter(|fault| !known.contains(fault));
    let left_out = after.remarks.iter().filter(|remark| !before.remarks.contains(remark)).cloned();
    let mut told: Vec<String> = waits.chain(left_out).map(|fault| fault.to_string()).collect();
    if change.kind == ConfigurationKind::Peer && change.operation != Operation::Delete {
        let spec = &object["spec"];
        if spec["disableMP"] == true {
            told.push(
                "spec.disableMP has no effect; sessions carry both families only with dualStackAddressFamily"
                    .to_owned(),
            );
        }
        let secret = &spec["passwordSecret"]["namespace"];
        if secret
            .as_str()
            .is_some_and(|namespace| !namespace.is_empty() && object["metadata"]["namespace"] != namespace)
        {
            told.push(
                "spec.passwordSecret.namespace is not used; the Secret has to be in the namespace of the BGPPeer"
                    .to_owned(),
            );
        }
    }
    told
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
