//! The whole configuration of a cluster as it is written.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

use super::{
    BFDProfile, BGPAdvertisement, BGPPeer, Community, Decoded, IPAddressPool, L2Advertisement, PasswordSecret,
    condition::{self, Conditioned as _},
    configuration::{advertisements_in_force, pools_in_force, told},
    contend::{Conflict, Contender, contend, contenders},
    decoded::object_name,
    exclusion, names,
    validate::remarks,
};
use crate::model::{Aliases, BfdProfile, BgpAdvertisement, Configuration, Fault, Labels, ObjectName, Password, Peer};

/// Every object of the configuration, as it was read: also those that cannot be, so that they are told of. In any order.
#[derive(Clone, Debug, Default)]
pub struct Set<'a> {
    /// Where the configuration has to be.
    pub namespace: &'a str,
    /// Pools.
    pub pools: Vec<&'a Decoded<IPAddressPool>>,
    /// Advertisements at layer 2.
    pub l2: Vec<&'a Decoded<L2Advertisement>>,
    /// Advertisements to BGP peers.
    pub bgp: Vec<&'a Decoded<BGPAdvertisement>>,
    /// BGP peers.
    pub peers: Vec<&'a Decoded<BGPPeer>>,
    /// Names of communities.
    pub communities: Vec<&'a Decoded<Community>>,
    /// BFD profiles.
    pub bfd_profiles: Vec<&'a Decoded<BFDProfile>>,
    /// The Secrets that peers name, by name. `None`, and what is not in it: not known, and nothing is said of it.
    pub secrets: Option<&'a BTreeMap<String, PasswordSecret>>,
    /// The labels of each node. `None` or empty: not known; any two selections of nodes are then taken to have one in common.
    pub nodes: Option<&'a BTreeMap<String, Labels>>,
}

impl Set<'_> {
    /// What of these objects is in force. What breaks a rule is told in [`Configuration::faults`], what waits for an object that is
    /// not there in [`Configuration::pending`]; both are left out, with what depends on them, and nothing else is.
    ///
    /// `before` is what the last call returned; at the start, the default. An object that an edit broke stays in force as it was
    /// there, as in MetalLB (behaviour 3.5), so that a slip of the pen takes no addresses away. One that is deleted goes.
    ///
    /// Of objects that exclude each other, those that are in force already and did not change hold their place, and the one that
    /// changed is at fault. Without such a past the older one holds it, by the time of its creation and then by name.
    pub fn assemble(&self, before: &Configuration) -> Configuration {
        let mut faults = Vec::new();
        let mut pending = Vec::new();
        let pools = pools_in_force(self.namespace, &self.pools, &before.pools, (&mut faults, &mut pending));
        let l2 = advertisements_in_force(self.namespace, &self.l2, &before.l2, &mut faults);
        let bfd_profiles = self.bfd_profiles(before, &mut faults);
        let communities = self.communities(before, &mut faults);
        let peers = self.peers(before, &bfd_profiles, &mut faults, &mut pending);
        let mut bgp = contenders(self.namespace, &self.bgp, &before.bgp, BGPAdvertisement::validate, &mut faults);
        for one in &mut bgp {
            resolve(one, &communities, &mut pending);
            let old = one.old.filter(|old| exclusion::reach(old, &pools, &peers).is_empty());
            let found = one.wanted.as_ref().map(|wanted| exclusion::reach(wanted, &pools, &peers)).unwrap_or_default();
            if !found.is_empty() {
                one.wanted = None;
                faults.extend(found.into_iter().map(|conflict| told(conflict.of(&one.name), old.is_some())));
            }
            one.old = old;
        }
        let bgp = contend(
            bgp,
            |one: &BgpAdvertisement, held, holder| exclusion::preferences(one, held, holder, &pools, self.nodes),
            &mut faults,
        );
        faults.sort_unstable();
        pending.sort_unstable();
        let there: BTreeSet<&str> = self.pools.iter().filter_map(|pool| pool.meta().name.as_deref()).collect();
        let remarks = l2.values().flat_map(|one| {
            let object = self.name_of::<L2Advertisement>(&one.name);
            let mut all = remarks(&object, one);
            all.extend(missing_pools(&object, &one.pools, &there));
            all
        });
        let remarks = remarks.collect();
        Configuration { pools, l2, bgp, peers, communities, bfd_profiles, faults, pending, remarks }
    }

    fn name_of<K: Resource<DynamicType = ()>>(&self, name: &str) -> ObjectName {
        let (namespace, name) = (Some(self.namespace.to_owned()), Some(name.to_owned()));
        object_name::<K>(&ObjectMeta { namespace, name, ..ObjectMeta::default() })
    }

    fn bfd_profiles(&self, before: &Configuration, faults: &mut Vec<Fault>) -> BTreeMap<String, BfdProfile> {
        contenders(self.namespace, &self.bfd_profiles, &before.bfd_profiles, BFDProfile::validate, faults)
            .into_iter()
            .filter_map(Contender::into_force)
            .collect()
    }

    fn communities(&self, before: &Configuration, faults: &mut Vec<Fault>) -> BTreeMap<String, Aliases> {
        let contenders =
            contenders(self.namespace, &self.communities, &before.communities, Community::validate, faults);
        contend(contenders, exclusion::aliases, faults)
    }

    fn peers(
        &self,
        before: &Configuration,
        profiles: &BTreeMap<String, BfdProfile>,
        faults: &mut Vec<Fault>,
        pending: &mut Vec<Fault>,
    ) -> BTreeMap<String, Peer> {
        let mut peers = contenders(self.namespace, &self.peers, &before.peers, BGPPeer::validate, faults);
        for one in &mut peers {
            let Some(peer) = &mut one.wanted else { continue };
            peer.bfd = peer.bfd_profile.as_ref().and_then(|name| profiles.get(name)).cloned();
            let profile = peer.bfd_profile.as_ref().filter(|_| peer.bfd.is_none()).map(|name| Conflict {
                field: "spec.bfdProfile",
                value: name.clone(),
                rule: "names no BFDProfile that is in force".to_owned(),
                remedy: "create it; the peer waits for that".to_owned(),
            });
            let secret = self.secret(peer);
            if secret.is_some() {
                one.old = one.old.or_else(|| self.waiting(&one.name, before));
            }
            let missing: Vec<Conflict> = profile.into_iter().chain(secret).collect();
            if !missing.is_empty() {
                pending.extend(missing.into_iter().map(|it| told(it.of(&one.name), one.old.is_some())));
                one.wanted = None;
            }
        }
        contend(peers, |one: &Peer, held, holder| exclusion::peers(one, held, holder, self.nodes), faults)
    }
}

impl Set<'_> {
    /// What is wrong with the Secret of a peer's password.
    fn secret(&self, peer: &Peer) -> Option<Conflict> {
        let Some(Password::Secret(name)) = &peer.password else { return None };
        self.secrets?.get(name)?.conflict(name, self.namespace)
    }

    /// The form in force of a peer that waits: that its condition says so contradicts nothing.
    fn waiting<'b>(&self, name: &ObjectName, before: &'b Configuration) -> Option<&'b Peer> {
        let peer = self.peers.iter().find(|peer| object_name::<BGPPeer>(peer.meta()) == *name)?;
        let says = condition::find(peer.0.as_ref().ok()?.conditions(), names::ACCEPTED)?;
        before.peers.get(&name.name).filter(|_| says.reason == names::PENDING)
    }
}

/// Pools that an advertisement names and that are not there. It is in force for the others, and for these when they come.
fn missing_pools(object: &ObjectName, named: &BTreeSet<String>, there: &BTreeSet<&str>) -> Vec<Fault> {
    let missing = named.iter().filter(|name| !there.contains(name.as_str()));
    let remark = |name: &String| Fault {
        object: object.clone(),
        field: "spec.ipAddressPools".to_owned(),
        value: name.clone(),
        rule: "names no IPAddressPool that exists".to_owned(),
        remedy: "nothing is announced for it; create the pool, or correct the name".to_owned(),
    };
    missing.map(remark).collect()
}

/// Adds the communities that the aliases of an advertisement stand for. One that nobody defines makes it wait: without, say, the
/// community that keeps a route within a network, the route is better not announced.
fn resolve(
    one: &mut Contender<'_, BgpAdvertisement>,
    communities: &BTreeMap<String, Aliases>,
    pending: &mut Vec<Fault>,
) {
    let Some(advertisement) = &mut one.wanted else { return };
    let mut complete = true;
    for alias in &advertisement.aliases {
        if let Some(community) = communities.values().find_map(|object| object.values.get(alias)) {
            advertisement.communities.insert(*community);
            continue;
        }
        complete = false;
        let missing = Conflict {
            field: "spec.communities",
            value: alias.clone(),
            rule: "names a community that no Community in force defines".to_owned(),
            remedy: "define it, or write the numbers; the advertisement waits for that".to_owned(),
        };
        pending.push(told(missing.of(&one.name), one.old.is_some()));
    }
    if !complete {
        one.wanted = None;
    }
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
