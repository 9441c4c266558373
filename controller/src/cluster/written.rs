//! The objects of the configuration as they are written, also those that cannot be read: what the configuration is put together
//! from, and what webhooks measure a change against.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arpeggio_common::{
    api::{
        BFDProfile, BGPAdvertisement, BGPPeer, Community, Decoded, IPAddressPool, L2Advertisement, PasswordSecret,
        set::Set,
    },
    model::{Labels, NodeName},
};

use super::{ConfigurationKind, project::Id};

/// Objects of one kind.
pub type Those<K> = Arc<BTreeMap<Id, Arc<Decoded<K>>>>;

/// An object of the configuration, with nothing of its metadata but what the configuration is made of, and nothing of its status
/// but the condition `Accepted`.
#[derive(Clone, Debug)]
pub enum Written {
    /// A pool.
    Pool(Decoded<IPAddressPool>),
    /// An advertisement at layer 2.
    L2(Decoded<L2Advertisement>),
    /// An advertisement to BGP peers.
    Bgp(Decoded<BGPAdvertisement>),
    /// A BGP peer.
    Peer(Decoded<BGPPeer>),
    /// Names of communities.
    Community(Decoded<Community>),
    /// A BFD profile.
    BfdProfile(Decoded<BFDProfile>),
}

impl Written {
    /// Its kind.
    pub const fn kind(&self) -> ConfigurationKind {
        match self {
            Self::Pool(_) => ConfigurationKind::Pool,
            Self::L2(_) => ConfigurationKind::L2Advertisement,
            Self::Bgp(_) => ConfigurationKind::BgpAdvertisement,
            Self::Peer(_) => ConfigurationKind::Peer,
            Self::Community(_) => ConfigurationKind::Community,
            Self::BfdProfile(_) => ConfigurationKind::BfdProfile,
        }
    }
}

/// Every object of the configuration, and the labels of the nodes that they select. Cheap to clone; a change copies the list of
/// one kind at most, and no object.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Pools.
    pub pools: Those<IPAddressPool>,
    /// Advertisements at layer 2.
    pub l2: Those<L2Advertisement>,
    /// Advertisements to BGP peers.
    pub bgp: Those<BGPAdvertisement>,
    /// BGP peers.
    pub peers: Those<BGPPeer>,
    /// Names of communities.
    pub communities: Those<Community>,
    /// BFD profiles.
    pub bfd_profiles: Those<BFDProfile>,
    /// What the Secrets are good for that peers name; `None`: nobody has read them yet.
    pub secrets: Option<Arc<BTreeMap<String, PasswordSecret>>>,
    /// The labels of each node.
    pub nodes: Arc<BTreeMap<String, Labels>>,
}

/// What is known of the configuration, for whoever judges changes of it.
#[derive(Clone, Debug)]
pub struct Known {
    /// The objects.
    pub objects: Arc<Objects>,
    /// The kinds that were listed. Others cannot be at present: their definition may be missing.
    pub kinds: BTreeSet<ConfigurationKind>,
}

impl Known {
    /// Whether a change of an object of this kind can be judged: what it is measured against has to be known. A kind that cannot be
    /// listed keeps no other from being changed.
    pub fn can_judge(&self, kind: ConfigurationKind) -> bool {
        let beside: &[ConfigurationKind] = match kind {
            ConfigurationKind::BgpAdvertisement => &[ConfigurationKind::Pool],
            // Peers use profiles that are to be deleted.
            ConfigurationKind::BfdProfile => &[ConfigurationKind::Peer],
            ConfigurationKind::Pool
            | ConfigurationKind::L2Advertisement
            | ConfigurationKind::Peer
            | ConfigurationKind::Community => &[],
        };
        beside.iter().chain([&kind]).all(|kind| self.kinds.contains(kind))
    }
}

impl Objects {
    /// All of them, to be put together or measured against. `namespace`: where the configuration has to be.
    pub fn set<'a>(&'a self, namespace: &'a str) -> Set<'a> {
        Set {
            namespace,
            pools: list(&self.pools),
            l2: list(&self.l2),
            bgp: list(&self.bgp),
            peers: list(&self.peers),
            communities: list(&self.communities),
            bfd_profiles: list(&self.bfd_profiles),
            secrets: self.secrets.as_deref(),
            nodes: Some(&self.nodes),
        }
    }

    /// Names of the Secrets that peers name, with passwords in them.
    pub fn named_secrets(&self) -> BTreeSet<String> {
        let peers = self.peers.values().filter_map(|peer| peer.0.as_ref().ok());
        peers.map(|peer| &peer.spec.password_secret.name).filter(|name| !name.is_empty()).cloned().collect()
    }

    /// An object came or changed. Whether that may mean anything for the configuration.
    pub(super) fn put(this: &mut Arc<Self>, id: &Id, object: Written) -> bool {
        match object {
            Written::Pool(object) => put(this, |all| &all.pools, |all| &mut all.pools, id, object),
            Written::L2(object) => put(this, |all| &all.l2, |all| &mut all.l2, id, object),
            Written::Bgp(object) => put(this, |all| &all.bgp, |all| &mut all.bgp, id, object),
            Written::Peer(object) => put(this, |all| &all.peers, |all| &mut all.peers, id, object),
            Written::Community(object) => put(this, |all| &all.communities, |all| &mut all.communities, id, object),
            Written::BfdProfile(object) => put(this, |all| &all.bfd_profiles, |all| &mut all.bfd_profiles, id, object),
        }
    }

    /// An object is gone. Whether it was there.
    pub(super) fn remove(this: &mut Arc<Self>, kind: ConfigurationKind, id: &Id) -> bool {
        let all = Arc::make_mut(this);
        match kind {
            ConfigurationKind::Pool => remove(&mut all.pools, id),
            ConfigurationKind::L2Advertisement => remove(&mut all.l2, id),
            ConfigurationKind::BgpAdvertisement => remove(&mut all.bgp, id),
            ConfigurationKind::Peer => remove(&mut all.peers, id),
            ConfigurationKind::Community => remove(&mut all.communities, id),
            ConfigurationKind::BfdProfile => remove(&mut all.bfd_profiles, id),
        }
    }

    /// The labels of a node; `None`: it is gone. Whether that may mean anything for the configuration: only selectors of nodes in
    /// objects of BGP are measured against nodes.
    pub(super) fn label(this: &mut Arc<Self>, node: &NodeName, labels: Option<&Labels>) -> bool {
        if this.nodes.get(node.as_str()) == labels {
            return false;
        }
        let all = Arc::make_mut(this);
        let nodes = Arc::make_mut(&mut all.nodes);
        match labels {
            Some(labels) => nodes.insert(node.to_string(), labels.clone()),
            None => nodes.remove(node.as_str()),
        };
        let peers = all.peers.values().filter_map(|peer| peer.0.as_ref().ok());
        let bgp = all.bgp.values().filter_map(|one| one.0.as_ref().ok());
        let mut selectors = peers.map(|it| &it.spec.node_selectors).chain(bgp.map(|it| &it.spec.node_selectors));
        selectors.any(|selectors| !selectors.is_empty())
    }
}

fn list<K>(those: &Those<K>) -> Vec<&Decoded<K>> {
    those.values().map(Arc::as_ref).collect()
}

fn put<K: Clone + PartialEq>(
    all: &mut Arc<Objects>,
    read: fn(&Objects) -> &Those<K>,
    those: fn(&mut Objects) -> &mut Those<K>,
    id: &Id,
    object: Decoded<K>,
) -> bool {
    if read(all).get(id).is_some_and(|known| is_same(known, &object)) {
        return false;
    }
    Arc::make_mut(those(Arc::make_mut(all))).insert(id.clone(), Arc::new(object));
    true
}

fn remove<K>(those: &mut Those<K>, id: &Id) -> bool {
    those.contains_key(id) && Arc::make_mut(those).remove(id).is_some()
}

fn is_same<K: PartialEq>(one: &Decoded<K>, other: &Decoded<K>) -> bool {
    match (&one.0, &other.0) {
        (Ok(one), Ok(other)) => one == other,
        (Err(one), Err(other)) => one.fault == other.fault && one.metadata == other.metadata,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_cannot_be_listed_keeps_no_other_from_being_judged() {
        use ConfigurationKind::{BfdProfile, BgpAdvertisement, Peer, Pool};
        for missing in ConfigurationKind::ALL {
            let kinds = ConfigurationKind::ALL.into_iter().filter(|kind| *kind != missing).collect();
            let known = Known { objects: Arc::default(), kinds };
            for kind in ConfigurationKind::ALL {
                let is_measured = matches!((kind, missing), (BgpAdvertisement, Pool) | (BfdProfile, Peer));
                assert_eq!(known.can_judge(kind), kind != missing && !is_measured, "{kind:?} without {missing:?}");
            }
        }
    }
}
