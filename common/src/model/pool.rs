//! Address pools and who may draw from them: `IPAddressPool.spec` after validation.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Labels, Selector};

/// Addresses from the first to the last, both included and of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// `None` if the families differ or the last is before the first.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
    }

    /// The lowest address.
    pub const fn first(&self) -> IpAddr {
        self.first
    }

    /// The highest address.
    pub const fn last(&self) -> IpAddr {
        self.last
    }

    /// Whether the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }

    /// Whether both hold an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }
}

/// Which Services a pool is reserved for (`spec.serviceAllocation`); MetalLB behaviour 18 to 20.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Lower numbers are tried first; 0 means last.
    pub priority: i64,
    /// Namespaces by name.
    pub namespaces: BTreeSet<String>,
    /// Namespaces by label, beside those named.
    pub namespace_selectors: Vec<Selector>,
    /// Services by label; empty selects all.
    pub service_selectors: Vec<Selector>,
}

/// A pool that keeps every rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its own labels, by which advertisements select it.
    pub labels: Labels,
    /// In the order written; no two overlap, in this pool or any other.
    pub ranges: Vec<AddressRange>,
    /// Whether Services that ask for nothing may draw from it.
    pub auto_assign: bool,
    /// Whether IPv4 addresses that end in .0 or .255 are never given away.
    pub avoid_buggy: bool,
    /// `None`: for everybody.
    pub scope: Option<Scope>,
}
