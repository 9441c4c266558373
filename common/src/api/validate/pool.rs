//! `IPAddressPool` to [`Pool`].

use super::{Report, labels};
use crate::{
    api::{IPAddressPool, metallb::ServiceAllocation},
    model::{AddressRange, Claim, Fault, Pool, RangeError, Scope, overlaps},
};

impl IPAddressPool {
    /// The pool, if it keeps every rule that concerns it alone; [`crate::api::set::Set::assemble`] compares pools with
    /// each other.
    ///
    /// # Errors
    /// Every rule that it breaks (MetalLB behaviour 3.2, and ranges across the families, which MetalLB reads as empty).
    pub fn validate(&self) -> Result<Pool, Vec<Fault>> {
        let mut report = Report::new(self);
        let pool = Pool {
            name: self.metadata.name.clone().unwrap_or_default(),
            labels: labels(self),
            ranges: report.ranges(&self.spec.addresses),
            auto_assign: self.spec.auto_assign.unwrap_or(true),
            avoid_buggy: self.spec.avoid_buggy_ips,
            scope: self.spec.service_allocation.as_ref().map(|allocation| report.scope(allocation)),
        };
        report.done(pool)
    }
}

impl Report {
    fn ranges(&mut self, addresses: &[String]) -> Vec<AddressRange> {
        if addresses.is_empty() {
            self.fault(
                "spec.addresses",
                "",
                "lists no addresses",
                "list networks (192.0.2.0/24) or ranges (192.0.2.1-192.0.2.9)",
            );
        }
        let mut claims = Vec::with_capacity(addresses.len());
        for (index, text) in addresses.iter().enumerate() {
            match text.parse() {
                Ok(range) => claims.push(Claim { range, rank: index }),
                Err(RangeError { rule, remedy }) => self.fault(&address(index), text, rule, remedy),
            }
        }
        for (later, earlier) in overlaps(&claims) {
            let (later, earlier) = (claims[later].rank, claims[earlier].rank);
            let rule = format!("overlaps with already defined CIDR {} of the same pool", addresses[earlier]);
            self.fault(&address(later), &addresses[later], rule, "list each address once");
        }
        claims.into_iter().map(|claim| claim.range).collect()
    }

    fn scope(&mut self, allocation: &ServiceAllocation) -> Scope {
        let field = |name| format!("spec.serviceAllocation.{name}");
        Scope {
            priority: allocation.priority,
            namespaces: self.unique(&field("namespaces"), &allocation.namespaces),
            namespace_selectors: self.selectors(&field("namespaceSelectors"), &allocation.namespace_selectors),
            service_selectors: self.selectors(&field("serviceSelectors"), &allocation.service_selectors),
        }
    }
}

/// Path of an entry of the list of addresses.
pub(in crate::api) fn address(index: usize) -> String {
    format!("spec.addresses[{index}]")
}
