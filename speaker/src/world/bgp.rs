//! What decides what this node tells BGP peers, as plain values: from the Kubernetes API or from the file of static mode.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::model::{Labels, NodeName, Peer, Route, Withheld};

/// All of it, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BgpInputs {
    /// This node.
    pub node: NodeName,
    /// Its labels, by which peers select it.
    pub labels: Labels,
    /// Why it announces nothing at present; its sessions stay.
    pub withheld: Option<Withheld>,
    /// The peers in force, with their BFD profiles, by name.
    pub peers: Arc<BTreeMap<String, Peer>>,
    /// What the Secrets hold that peers name, by name.
    pub secrets: Arc<BTreeMap<String, SecretValue>>,
    /// The routes of each address, of all nodes.
    pub routes: BTreeMap<IpAddr, Arc<[Route]>>,
    /// What is wrong with the objects that they come from, each in a sentence.
    pub faults: BTreeSet<String>,
}

/// What a Secret is good for.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretValue {
    /// The password.
    Password(String),
    /// There is none that can be used, and why.
    Unusable(String),
}

/// Passwords are not to get into logs.
impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(_) => f.write_str("Password(…)"),
            Self::Unusable(why) => f.debug_tuple("Unusable").field(why).finish(),
        }
    }
}
