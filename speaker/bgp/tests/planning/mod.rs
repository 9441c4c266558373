//! Planning with every session up.

use std::collections::BTreeSet;

use arpeggio_bgp::{
    Desired,
    config::{Config, Vrf},
    plan::{Plan, plan},
    render::{render, tags},
};

/// Every session there is.
pub(crate) fn all_up(config: &Config) -> BTreeSet<(Vrf, String)> {
    let all =
        config.routers.iter().flat_map(|(vrf, router)| router.neighbors.keys().map(|key| (vrf.clone(), key.clone())));
    all.collect()
}

/// What leads from there to here.
pub(crate) fn plan_from(observed: &Config, desired: &Desired) -> Plan {
    let wanted = render(desired, &tags(desired, observed));
    plan(&wanted, observed, &all_up(&wanted))
}
