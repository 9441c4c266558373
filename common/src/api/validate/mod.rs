//! From what is written to what decisions are made of. Every rule that is broken is found, not only the first one.

mod advertisement;
mod bfd;
mod bgp;
mod community;
mod peer;
mod pool;
mod selector;

use std::collections::BTreeSet;

use kube::Resource;

pub use self::selector::selectors;
pub(super) use self::{advertisement::remarks, pool::address};
use super::decoded::object_name;
use crate::model::{Fault, Labels, ObjectName};

/// The faults of one object.
struct Report {
    object: ObjectName,
    faults: Vec<Fault>,
}

impl Report {
    /// Begins with what every object needs: a name.
    fn new<K: Resource<DynamicType = ()>>(object: &K) -> Self {
        let mut report = Self { object: object_name::<K>(object.meta()), faults: Vec::new() };
        if report.object.name.is_empty() {
            report.fault("metadata.name", "", "is empty", "give the object a name");
        }
        report
    }

    fn fault(&mut self, field: &str, value: &str, rule: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(Fault {
            object: self.object.clone(),
            field: field.to_owned(),
            value: value.to_owned(),
            rule: rule.into(),
            remedy: remedy.into(),
        });
    }

    /// The texts as a set; each that was there before is a fault.
    fn unique(&mut self, field: &str, texts: &[String]) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        for (index, text) in texts.iter().enumerate() {
            if !seen.insert(text.clone()) {
                let first = texts.iter().position(|other| other == text).unwrap_or_default();
                self.fault(&format!("{field}[{index}]"), text, format!("repeats {field}[{first}]"), "name it once");
            }
        }
        seen
    }

    fn done<T>(self, value: T) -> Result<T, Vec<Fault>> {
        if self.faults.is_empty() { Ok(value) } else { Err(self.faults) }
    }
}

fn labels<K: Resource>(object: &K) -> Labels {
    object.meta().labels.clone().unwrap_or_default()
}

#[cfg(test)]
mod bgp_tests;
#[cfg(test)]
mod peer_tests;
#[cfg(test)]
mod validate_tests;
