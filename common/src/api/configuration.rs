//! All objects of the configuration together: the rules between them, and what stays in force when one breaks a rule.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;

use super::{
    Decoded, IPAddressPool, L2Advertisement,
    condition::{self, Conditioned},
    contend::{Contender, contenders},
    decoded::object_name,
    names,
    pruned::may_be_pruned,
    validate::address,
};
use crate::model::{self, Claim, Fault, ObjectName, Pool, overlaps};

/// What a remedy ends with, where an object stays in force in an older form.
pub(super) const STAYS: &str = "; until then it stays in force as it was";

/// The pools in force.
///
/// Of two that overlap, one whose addresses are in force already keeps them. Without `before` nobody knows who that is but the
/// status: one that says `Accepted` of the present generation is in force as it is written; and one that says the contrary is not,
/// whatever `before` says, which may be what somebody who followed without deciding made of the same edits. Else the older one keeps
/// them, by the time of its creation and then by name, even if it is itself left out because of a third: whoever is in force never
/// has to go because another object went. The other one is at fault as a whole.
pub(super) fn pools_in_force(
    namespace: &str,
    pools: &[&Decoded<IPAddressPool>],
    before: &BTreeMap<String, Pool>,
    (faults, pending): (&mut Vec<Fault>, &mut Vec<Fault>),
) -> BTreeMap<String, Pool> {
    let mut candidates = Vec::new();
    for pool in pools {
        if let Some(name) = name_within(namespace, pool, faults) {
            let said = said(pool);
            let valid = validate(pool, IPAddressPool::validate);
            // Who follows without deciding may have seen edits in another order than whoever decided.
            let is_contradicted =
                |old: &&Pool| said == Some(false) && valid.as_ref().is_ok_and(|wanted| wanted == *old);
            let old = before.get(&name.name).filter(|old| !is_contradicted(old));
            let wanted = settle(valid, old.is_some(), faults);
            let created = pool.meta().creation_timestamp.as_ref();
            let texts = pool.0.as_ref().map_or(&[][..], |pool| &pool.spec.addresses);
            let applied = may_be_pruned(pool.meta());
            let accepted = said == Some(true);
            candidates.push(Candidate { name, accepted, created, wanted, old, texts, applied, fell: false });
        }
    }
    without_overlaps(candidates, (faults, pending))
}

/// The advertisements at layer 2 in force.
pub(super) fn advertisements_in_force(
    namespace: &str,
    l2: &[&Decoded<L2Advertisement>],
    before: &BTreeMap<String, model::L2Advertisement>,
    faults: &mut Vec<Fault>,
) -> BTreeMap<String, model::L2Advertisement> {
    contenders(namespace, l2, before, L2Advertisement::validate, faults)
        .into_iter()
        .filter_map(Contender::into_force)
        .collect()
}

/// Whether its status says that it is in force as it is written now; `None`: it says nothing about that.
pub(super) fn said<K: Conditioned>(object: &Decoded<K>) -> Option<bool> {
    let object = object.0.as_ref().ok()?;
    let generation = object.meta().generation?;
    let accepted = condition::find(object.conditions(), names::ACCEPTED)?;
    condition::holds(accepted).filter(|_| accepted.observed_generation == Some(generation))
}

/// The name of the object; `None` and a fault if it is in a foreign namespace (MetalLB behaviour 41).
pub(super) fn name_within<K>(namespace: &str, object: &Decoded<K>, faults: &mut Vec<Fault>) -> Option<ObjectName>
where
    K: Resource<DynamicType = ()>,
{
    let name = object_name::<K>(object.meta());
    if name.namespace == namespace {
        return Some(name);
    }
    faults.push(Fault {
        field: "metadata.namespace".to_owned(),
        value: name.namespace.clone(),
        rule: "is not where the configuration is read from".to_owned(),
        remedy: format!("the resource must be created in {namespace} namespace"),
        object: name,
    });
    None
}

pub(super) fn validate<K, T>(object: &Decoded<K>, rules: fn(&K) -> Result<T, Vec<Fault>>) -> Result<T, Vec<Fault>> {
    object.0.as_ref().map_err(|undecodable| vec![(*undecodable.fault).clone()]).and_then(rules)
}

/// The value, or its faults told; `stays`: whether an older form of the object stays in force.
pub(super) fn settle<T>(validated: Result<T, Vec<Fault>>, stays: bool, faults: &mut Vec<Fault>) -> Option<T> {
    validated.map_err(|found| faults.extend(found.into_iter().map(|fault| told(fault, stays)))).ok()
}

pub(super) fn told(mut fault: Fault, stays: bool) -> Fault {
    if stays {
        fault.remedy.push_str(STAYS);
    }
    fault
}

/// A pool that may come into force.
struct Candidate<'a> {
    name: ObjectName,
    /// Its status says that it was in force as written.
    accepted: bool,
    created: Option<&'a Time>,
    /// Its form as written, if that keeps the rules for pools alone.
    wanted: Option<Pool>,
    /// Its form in force.
    old: Option<&'a Pool>,
    /// Its ranges as written.
    texts: &'a [String],
    /// By a tool that deletes what it applies no more.
    applied: bool,
    /// The form as written overlaps another pool.
    fell: bool,
}

impl Candidate<'_> {
    /// The form as written, where it asks for other addresses than are in force.
    fn challenge(&self) -> Option<&Pool> {
        self.wanted.as_ref().filter(|wanted| self.old.is_none_or(|old| old.ranges != wanted.ranges))
    }

    /// What is in force if no new addresses are granted to anybody.
    fn standing(&self) -> Option<&Pool> {
        let stays = self.fell || self.challenge().is_none();
        self.old.filter(|_| stays)
    }

    /// Whether this is the other pool under a new name: it is new, it has just its addresses, and the tool that applied both is
    /// about to delete the other. `kubectl apply --prune` comes to that only if this one is taken.
    fn is_renamed(&self, other: &Self) -> bool {
        let ranges = |pool: Option<&Pool>| {
            let mut ranges: Vec<_> =
                pool.into_iter().flat_map(|pool| &pool.ranges).map(|it| (it.first(), it.last())).collect();
            ranges.sort_unstable();
            ranges
        };
        let theirs = ranges(other.standing().or_else(|| other.challenge()));
        self.applied && other.applied && self.old.is_none() && ranges(self.challenge()) == theirs
    }

    fn into_force(self) -> Option<Pool> {
        if self.fell { self.old.cloned() } else { self.wanted.or_else(|| self.old.cloned()) }
    }
}

/// The pools that come into force. Pools in force do not overlap each other, so each claim for new addresses is measured against
/// those and against older claims; who falls and stays as it was makes one more pool in force, and the rest is measured again.
fn without_overlaps(
    mut candidates: Vec<Candidate<'_>>,
    (faults, pending): (&mut Vec<Fault>, &mut Vec<Fault>),
) -> BTreeMap<String, Pool> {
    candidates.sort_by_key(|candidate| {
        let created = candidate.created.map(|time| time.0);
        (!candidate.accepted, created.is_none(), created, candidate.name.clone())
    });
    loop {
        let mut claims = Vec::new();
        let mut whose = Vec::new();
        for (index, candidate) in candidates.iter().enumerate() {
            for (pool, rank) in [(candidate.standing(), 0), (candidate.challenge(), index + 1)] {
                for (place, range) in pool.map_or(&[][..], |pool| &pool.ranges).iter().enumerate() {
                    claims.push(Claim { range: *range, rank });
                    whose.push((index, place));
                }
            }
        }
        let mut fallen = BTreeMap::new();
        for (later, earlier) in overlaps(&claims) {
            let (index, place) = whose[later];
            let Some(loser) = candidates.get(index).filter(|loser| !loser.fell) else { continue };
            let owner = &candidates[whose[earlier].0];
            let (found, renamed) = fallen.entry(index).or_insert_with(|| (Vec::new(), None));
            found.push(overlap(loser, place, &claims[earlier], &owner.name));
            if loser.is_renamed(owner) {
                *renamed = Some(successor(loser, owner));
            }
        }
        let mut again = false;
        for (index, (found, renamed)) in fallen {
            if let Some(loser) = candidates.get_mut(index) {
                loser.fell = true;
                again |= loser.old.is_some();
                match renamed {
                    Some(waits) => pending.push(waits),
                    None => faults.extend(found),
                }
            }
        }
        if !again {
            break;
        }
    }
    candidates.into_iter().filter_map(Candidate::into_force).map(|pool| (pool.name.clone(), pool)).collect()
}

/// A pool that waits until the one with the same addresses is gone.
fn successor(loser: &Candidate<'_>, owner: &Candidate<'_>) -> Fault {
    Fault {
        object: loser.name.clone(),
        field: "spec.addresses".to_owned(),
        value: loser.texts.join(", "),
        rule: format!("are the addresses of {}", owner.name),
        remedy: "it comes into force when that is deleted, and Services keep their addresses".to_owned(),
    }
}

fn overlap(loser: &Candidate<'_>, place: usize, with: &Claim, owner: &ObjectName) -> Fault {
    let fault = Fault {
        object: loser.name.clone(),
        field: address(place),
        value: loser.texts.get(place).cloned().unwrap_or_default(),
        rule: format!("overlaps with already defined CIDR {} of {owner}", with.range),
        remedy: format!(
            "give each address to one pool; to move addresses, apply {owner} without them first, then this again: Services keep \
             theirs meanwhile"
        ),
    };
    told(fault, loser.old.is_some())
}

#[cfg(test)]
#[path = "configuration_tests.rs"]
mod tests;
