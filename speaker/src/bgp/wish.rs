//! Pure: from what is known to what FRR should do on this node.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_bgp::{Desired, Problem, Session};
use arpeggio_common::model::{Password, Peer, Remote, Route};
use ipnet::IpNet;

use crate::world::{BgpInputs, SecretValue};

/// What this node should tell whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// For FRR.
    pub desired: Desired,
    /// The peers that select this node and where they are, by name.
    pub peers: BTreeMap<String, Remote>,
    /// Those of them that get no session, and why.
    pub without: BTreeMap<String, String>,
    /// What else cannot be had, each in a sentence.
    pub problems: Vec<String>,
    /// The addresses of which at least one peer is to be told.
    pub told: BTreeSet<IpAddr>,
    /// How many prefixes each peer is to be told, by name.
    pub wanted: BTreeMap<String, usize>,
    /// Why nothing is announced to anybody.
    pub withheld: Option<String>,
}

impl Wish {
    /// Every prefix with every peer that is told of it.
    pub fn announced(&self) -> Vec<(IpNet, &str)> {
        let mut told = Vec::new();
        for router in self.desired.routers.values() {
            for (prefix, class) in &router.networks {
                let Some(class) = self.desired.classes.get(class) else { continue };
                let carrying = router.neighbors.values().filter(|neighbor| neighbor.carries(prefix));
                let names = carrying.map(|neighbor| neighbor.peer.name.as_str());
                told.extend(names.filter(|name| class.attributes(name).is_some()).map(|name| (*prefix, name)));
            }
        }
        told
    }

    /// The same, with peers told good bye with this text.
    #[must_use]
    pub fn closing(self, text: &str) -> Self {
        Self { desired: self.desired.closing(text), told: BTreeSet::new(), wanted: BTreeMap::new(), ..self }
    }

    /// How many prefixes are announced.
    pub fn prefixes(&self) -> usize {
        self.desired.routers.values().map(|router| router.networks.len()).sum()
    }
}

/// Judges the inputs for their node.
pub fn wish(inputs: &BgpInputs) -> Wish {
    let mut wish = Wish { withheld: inputs.withheld.map(|why| why.to_string()), ..Wish::default() };
    let mut sessions = Vec::new();
    for peer in inputs.peers.values().filter(|peer| peer.covers_node(&inputs.labels)) {
        wish.peers.insert(peer.name.clone(), peer.remote.clone());
        match password(inputs, peer) {
            Ok(password) => sessions.push(Session { peer: peer.clone(), password }),
            Err(why) => _ = wish.without.insert(peer.name.clone(), why),
        }
    }
    let routes: Vec<Route> = if inputs.withheld.is_some() {
        Vec::new()
    } else {
        let all = inputs.routes.values().flat_map(|routes| routes.iter());
        all.filter(|route| route.is_of(&inputs.node)).cloned().collect()
    };
    let (desired, problems) = Desired::new(&sessions, &routes);
    for problem in problems {
        let text = problem.to_string();
        match problem {
            Problem::SamePlace { peer, .. } | Problem::OtherAsn { peer, .. } | Problem::Password { peer } => {
                wish.without.insert(peer, text);
            }
            Problem::OtherRouterId { .. } | Problem::LocalPref { .. } | Problem::Communities { .. } => {
                wish.problems.push(text);
            }
        }
    }
    wish.problems.extend(wish.without.values().cloned());
    wish.problems.extend(inputs.faults.iter().cloned());
    wish.problems.sort_unstable();
    wish.problems.dedup();
    wish.desired = desired;
    let announced =
        |route: &&Route| wish.desired.routers.values().any(|router| router.networks.contains_key(&route.prefix));
    let is_told =
        |routes: &[Route]| routes.iter().filter(|route| route.is_of(&inputs.node)).any(|route| announced(&route));
    let told = inputs.routes.iter().filter(|(_, routes)| is_told(routes)).map(|(address, _)| *address).collect();
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    for (_, peer) in wish.announced() {
        *wanted.entry(peer.to_owned()).or_default() += 1;
    }
    (wish.told, wish.wanted) = (told, wanted);
    wish
}

/// The password of the session; a session without it would not be what was asked for.
fn password(inputs: &BgpInputs, peer: &Peer) -> Result<Option<String>, String> {
    match &peer.password {
        None => Ok(None),
        Some(Password::Plain(text)) => Ok(Some(text.clone())),
        Some(Password::Secret(name)) => match inputs.secrets.get(name) {
            Some(SecretValue::Password(text)) => Ok(Some(text.clone())),
            Some(SecretValue::Unusable(why)) => Err(format!("peer {}: {why}", peer.name)),
            None => Err(format!("peer {}: its Secret {name} was not read yet", peer.name)),
        },
    }
}

#[cfg(test)]
#[path = "wish_tests.rs"]
mod tests;
