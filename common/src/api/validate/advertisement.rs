//! `L2Advertisement` to [`model::L2Advertisement`].

use std::collections::BTreeSet;

use super::{Report, selector::Repetitions};
use crate::{
    api::{L2Advertisement, metallb::PreferredNode},
    model::{self, Fault, InterfaceName, ObjectName, Selector},
};

/// What is wrong with a name that no interface can have.
const NO_INTERFACE: &str = "cannot be the name of an interface";

impl L2Advertisement {
    /// The advertisement, if it keeps every rule. Names of pools that are not there break none: they may come later.
    ///
    /// # Errors
    /// Every rule that it breaks: MetalLB behaviour 3.2. Names that no interface can have break none, as there:
    /// they are left out, and told of.
    pub fn validate(&self) -> Result<model::L2Advertisement, Vec<Fault>> {
        let mut report = Report::new(self);
        let spec = &self.spec;
        let (interfaces, impossible) = interfaces(&spec.interfaces);
        let advertisement = model::L2Advertisement {
            name: self.metadata.name.clone().unwrap_or_default(),
            pools: report.unique("spec.ipAddressPools", &spec.ip_address_pools),
            pool_selectors: report.selectors("spec.ipAddressPoolSelectors", &spec.ip_address_pool_selectors),
            node_selectors: report.selectors("spec.nodeSelectors", &spec.node_selectors),
            interfaces,
            impossible,
            service_selectors: report.selectors("spec.serviceSelectors", &spec.service_selectors),
            preferred: report.preferred(&spec.preferred_node_selectors),
        };
        report.done(advertisement)
    }
}

/// Names of interfaces, and what can be none.
fn interfaces(names: &[String]) -> (BTreeSet<InterfaceName>, BTreeSet<String>) {
    let mut impossible = BTreeSet::new();
    let mut possible = BTreeSet::new();
    for name in names {
        match InterfaceName::try_from(name.as_str()) {
            Ok(name) => _ = possible.insert(name),
            Err(_) => _ = impossible.insert(name.clone()),
        }
    }
    (possible, impossible)
}

/// What is left out of an advertisement that is in force.
pub(in crate::api) fn remarks(object: &ObjectName, advertisement: &model::L2Advertisement) -> Vec<Fault> {
    let remark = |name: &String| Fault {
        object: object.clone(),
        field: "spec.interfaces".to_owned(),
        value: name.clone(),
        rule: NO_INTERFACE.to_owned(),
        remedy: "it is left out; use 1 to 15 characters without '/', ':' and white space, as `ip link` shows it"
            .to_owned(),
    };
    advertisement.impossible.iter().map(remark).collect()
}

impl Report {
    pub(super) fn no_interface(&mut self, field: &str, name: &str) {
        self.fault(
            field,
            name,
            NO_INTERFACE,
            "use 1 to 15 characters without '/', ':' and white space, as `ip link` shows it",
        );
    }

    fn preferred(&mut self, preferred: &[PreferredNode]) -> Vec<(u32, Selector)> {
        let mut found = Vec::with_capacity(preferred.len());
        for (index, PreferredNode { weight, preference }) in preferred.iter().enumerate() {
            let field = format!("spec.preferredNodeSelectors[{index}]");
            let selector = self.selector(&format!("{field}.preference"), preference, Repetitions::Taken);
            match u32::try_from(*weight) {
                Ok(weight @ 1..=100) => found.push((weight, selector)),
                _ => {
                    self.fault(
                        &format!("{field}.weight"),
                        &weight.to_string(),
                        "is no weight",
                        "use a number from 1 to 100",
                    );
                }
            }
        }
        found
    }
}
