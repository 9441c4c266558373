//! Who comes into force where objects exclude each other.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource as _;

use super::{
    Decoded,
    condition::Conditioned,
    configuration::{name_within, said, settle, told, validate},
};
use crate::model::{Fault, ObjectName};

/// An object that may come into force.
pub(super) struct Contender<'a, T> {
    /// Its name.
    pub(super) name: ObjectName,
    /// Its status says that it was in force as written.
    pub(super) accepted: bool,
    /// When it was made.
    pub(super) created: Option<&'a Time>,
    /// Its form as written, if that keeps the rules so far.
    pub(super) wanted: Option<T>,
    /// Its form in force.
    pub(super) old: Option<&'a T>,
}

impl<T: Clone> Contender<'_, T> {
    /// What is in force where no two objects exclude each other.
    pub(super) fn into_force(self) -> Option<(String, T)> {
        let form = self.wanted.or_else(|| self.old.cloned())?;
        Some((self.name.name, form))
    }
}

/// A rule that an object breaks because of another one.
pub(super) struct Conflict {
    /// Path of the field.
    pub(super) field: &'static str,
    /// What it holds.
    pub(super) value: String,
    /// What is wrong with that.
    pub(super) rule: String,
    /// The way out.
    pub(super) remedy: String,
}

impl Conflict {
    pub(super) fn of(self, object: &ObjectName) -> Fault {
        let Self { field, value, rule, remedy } = self;
        Fault { object: object.clone(), field: field.to_owned(), value, rule, remedy }
    }
}

/// The objects in `namespace` as they are written, where they keep the rules that concern them alone.
pub(super) fn contenders<'a, K, T>(
    namespace: &str,
    objects: &[&'a Decoded<K>],
    before: &'a BTreeMap<String, T>,
    rules: fn(&K) -> Result<T, Vec<Fault>>,
    faults: &mut Vec<Fault>,
) -> Vec<Contender<'a, T>>
where
    K: Conditioned,
    T: PartialEq,
{
    let mut found = Vec::with_capacity(objects.len());
    for object in objects {
        if let Some(name) = name_within(namespace, object, faults) {
            let said = said(object);
            let valid = validate(object, rules);
            // Who follows without deciding may have seen edits in another order than whoever decided.
            let is_contradicted = |old: &&T| said == Some(false) && valid.as_ref().is_ok_and(|wanted| wanted == *old);
            let old = before.get(&name.name).filter(|old| !is_contradicted(old));
            let wanted = settle(valid, old.is_some(), faults);
            let created = object.meta().creation_timestamp.as_ref();
            found.push(Contender { name, accepted: said == Some(true), created, wanted, old });
        }
    }
    found
}

/// What comes into force. `conflicts(form, held, holder)` says what is wrong with a form because of one that is held already.
///
/// What is in force already and is not changed holds its place. Then come the changed ones and the new ones: first those whose
/// status says that they were in force as written, then the older ones by the time of creation and then by name. One that may not
/// come into force as written stays as it was; then the rest is measured again, with that.
pub(super) fn contend<T, F>(
    mut contenders: Vec<Contender<'_, T>>,
    conflicts: F,
    faults: &mut Vec<Fault>,
) -> BTreeMap<String, T>
where
    T: Clone + PartialEq,
    F: Fn(&T, &T, &ObjectName) -> Vec<Conflict>,
{
    contenders
        .sort_by_key(|one| (!one.accepted, one.created.is_none(), one.created.map(|time| time.0), one.name.clone()));
    let mut fallen: BTreeMap<usize, Vec<Fault>> = BTreeMap::new();
    loop {
        let round = round(&contenders, &fallen, &conflicts);
        let again = round.fallen.keys().any(|index| !fallen.contains_key(index) && contenders[*index].old.is_some());
        for (index, found) in round.fallen {
            fallen.entry(index).or_insert(found);
        }
        if again {
            continue;
        }
        let held: BTreeSet<usize> = round.held.iter().map(|(index, _)| *index).collect();
        for (index, found) in &fallen {
            faults.extend(found.iter().map(|fault| told(fault.clone(), held.contains(index))));
        }
        return round
            .held
            .into_iter()
            .map(|(index, form)| (contenders[index].name.name.clone(), form.clone()))
            .collect();
    }
}

/// What one pass over all objects finds.
struct Round<'r, T> {
    held: Vec<(usize, &'r T)>,
    fallen: BTreeMap<usize, Vec<Fault>>,
}

fn round<'r, T, F>(
    contenders: &'r [Contender<'_, T>],
    before: &BTreeMap<usize, Vec<Fault>>,
    conflicts: &F,
) -> Round<'r, T>
where
    T: PartialEq,
    F: Fn(&T, &T, &ObjectName) -> Vec<Conflict>,
{
    let challenge = |index: usize, one: &'r Contender<'_, T>| {
        one.wanted.as_ref().filter(|wanted| !before.contains_key(&index) && one.old.is_none_or(|old| old != *wanted))
    };
    let indexed = || contenders.iter().enumerate();
    let standing = indexed()
        .filter(|(index, one)| challenge(*index, one).is_none())
        .filter_map(|(index, one)| Some((index, one.old?)));
    let challengers = indexed().filter_map(|(index, one)| Some((index, challenge(index, one)?)));
    let mut round = Round { held: Vec::with_capacity(contenders.len()), fallen: BTreeMap::new() };
    for (index, form) in standing.chain(challengers) {
        let name = &contenders[index].name;
        let found: Vec<Fault> = round
            .held
            .iter()
            .flat_map(|(other, held)| conflicts(form, held, &contenders[*other].name))
            .map(|conflict| conflict.of(name))
            .collect();
        if found.is_empty() {
            round.held.push((index, form));
        } else {
            round.fallen.insert(index, found);
        }
    }
    round
}
