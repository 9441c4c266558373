//! `Community` to [`Aliases`].

use std::collections::BTreeMap;

use super::Report;
use crate::{
    api::Community,
    model::{Aliases, Fault},
};

impl Community {
    /// The names, if they keep every rule that concerns this object alone.
    ///
    /// # Errors
    /// Every rule that it breaks: values that are no communities, names defined twice (MetalLB behaviour 3.2).
    pub fn validate(&self) -> Result<Aliases, Vec<Fault>> {
        let mut report = Report::new(self);
        let mut values = BTreeMap::new();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, alias) in self.spec.communities.iter().enumerate() {
            let field = format!("spec.communities[{index}]");
            match alias.value.parse() {
                Ok(community) => {
                    values.insert(alias.name.clone(), community);
                }
                Err(_) => report.no_community(&format!("{field}.value"), &alias.value),
            }
            if let Some(first) = seen.get(alias.name.as_str()) {
                let rule = format!("repeats spec.communities[{first}].name (duplicate definition of community)");
                report.fault(&format!("{field}.name"), &alias.name, rule, "define each name once");
            } else {
                seen.insert(&alias.name, index);
            }
        }
        report.done(Aliases { name: self.metadata.name.clone().unwrap_or_default(), values })
    }
}
