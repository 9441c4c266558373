//! The whole configuration of a cluster after validation, beside what was left out of it and why.

use std::collections::BTreeMap;

use super::{Aliases, BfdProfile, BgpAdvertisement, Fault, L2Advertisement, Peer, Pool};

/// Everything that keeps the rules. An object at fault is missing here, and with it what depends on it; nothing else is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Pools by name.
    pub pools: BTreeMap<String, Pool>,
    /// Layer-2 advertisements by name.
    pub l2: BTreeMap<String, L2Advertisement>,
    /// BGP advertisements by name, with what their aliases stand for.
    pub bgp: BTreeMap<String, BgpAdvertisement>,
    /// BGP peers by name, with their BFD profiles.
    pub peers: BTreeMap<String, Peer>,
    /// Names of communities, by the object that defines them.
    pub communities: BTreeMap<String, Aliases>,
    /// BFD profiles by name.
    pub bfd_profiles: BTreeMap<String, BfdProfile>,
    /// What is wrong with the rest, ordered by object.
    pub faults: Vec<Fault>,
    /// What waits for objects that are not there yet, ordered by object: a peer for its BFD profile, an advertisement for the
    /// definition of a community. It is no fault to create them in this order; until the other object is there they are left out.
    pub pending: Vec<Fault>,
    /// What is left out of objects that are in force without it, ordered by object.
    pub remarks: Vec<Fault>,
}
