//! The configuration file of static mode: announcements, interface policies and times.
//!
//! ```yaml
//! node: node-a                 # optional; --node-name beats it, the host name stands in for it
//! cluster: east                # optional: nodes of two clusters may have the same names; the same on all nodes of this one
//! generation: 12               # optional: the newer of two files has the greater number; see the module `generation`
//! announcements:               # required; [] if nothing is to be announced
//!   - address: 192.0.2.10
//!     pool: home               # optional, shown in the status
//!     l2:                      # absent, which needs a pool: nothing to do at layer 2
//!       candidates: [node-a, node-b]   # required; [] if no node may have it
//!       interfaces: [eth0]     # optional; none named: all eligible ones
//!       mode: Exclusive        # or Shared
//! interfaces:                  # optional: how the program is attached
//!   - name: eth0
//!     attach: native           # auto, native, tcx, generic, user
//! gratuitous:
//!   refresh: 60s               # optional: announce owned addresses again and again
//! lease:                       # optional
//!   renew: 1s
//!   duration: 10s
//! succession:                  # optional: how another node takes over
//!   failover: default          # fastest (10 ms × 3), fast (20 ms × 3), default (50 ms × 3), calm (200 ms × 4), quiet (1 s × 3)
//!   heartbeat: 50ms            # optional: instead of the preset's
//!   misses: 3                  # optional: instead of the preset's
//!   witnesses: [192.0.2.2]     # optional, beside the default gateways: who answers when this node doubts its hearing
//!   evacuate: false            # optional: other nodes are to take over all that this one owns
//!   key_file: /etc/arpeggio/keys.yaml   # optional: by which keys nodes know each other's frames, see the module `key`
//!   proxy_arp: announce        # optional; respect: leave addresses alone that a device answers for which answers for all
//! bgp:                         # optional: what FRR on this node tells BGP peers; fields as in MetalLB's specifications
//!   peers:
//!     - {name: tor, myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.1, bfdProfile: fast}
//!   bfdProfiles: [{name: fast, receiveInterval: 50, transmitInterval: 50}]
//!   communities: [{name: rack, value: "64512:7"}]
//!   advertisements:            # of the announcements above, all or those of some pools; also of those without l2
//!     - {name: all, ipAddressPools: [home], communities: [rack]}
//! ```

mod bgp;
mod lease;
mod print;
mod raw;
mod succession;
mod validate;

use std::{collections::BTreeMap, net::IpAddr, num::NonZeroU64, path::Path, sync::Arc, time::Duration};

use arpeggio_common::model::{Announcement, InterfaceName, NodeId, NodeName};
use arpeggio_succession::{Pace, generation};

use self::validate::Content;
pub use self::{
    bgp::Bgp,
    lease::{LeaseFault, LeaseTimes},
    succession::{Preset, ProxyArp, SuccessionConfig},
};
use super::{
    problem::{FileError, Problem},
    yaml,
};
use crate::AttachPolicy;

/// What the command line and the machine say, for what the file leaves open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// The node name given on the command line. It beats the file, so that one file can serve many nodes.
    pub node_flag: Option<NodeName>,
    /// The host name, if it can be a node name; used when neither flag nor file names the node.
    pub host_name: Option<NodeName>,
    /// The lease, field by field, where the file does not give it.
    pub lease: LeaseTimes,
    /// How fast the succession is, field by field, where the file does not say it.
    pub pace: Pace,
}

/// A configuration that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which node this is.
    pub node: NodeName,
    /// Which cluster it belongs to; empty: nobody says, and a node is known by its name alone. In Kubernetes it is the UID of
    /// the namespace kube-system.
    pub cluster: Arc<str>,
    /// Which of two files is the newer one, as the file says it: every announcement of it has the number. `None`: it does not
    /// say.
    pub generation: Option<NonZeroU64>,
    /// What is announced at layer 2, by address; the key is the announcement's own address. Shared with the
    /// configuration before it: ten thousand of them change one by one.
    pub announcements: BTreeMap<IpAddr, Arc<Announcement>>,
    /// The pool an address was taken from, where the file says so; told in the status, decides nothing.
    pub pools: BTreeMap<IpAddr, Arc<str>>,
    /// How the program is attached; interfaces that are not named here have [`AttachPolicy::Auto`].
    pub policies: BTreeMap<InterfaceName, AttachPolicy>,
    /// Time between two unasked announcements of every owned address; `None`: only on changes.
    pub refresh: Option<Duration>,
    /// The lease of the kernel program.
    pub lease: LeaseTimes,
    /// How another node takes over.
    pub succession: SuccessionConfig,
    /// BGP, of a file; in Kubernetes it comes another way.
    pub bgp: Arc<Bgp>,
}

impl Config {
    /// Reads the text of a configuration file. `file` only serves the messages.
    ///
    /// # Errors
    /// All values that break a rule; or the first place that is not YAML, has an unknown field or a value of the wrong shape.
    pub fn parse(text: &str, file: &Path, defaults: &Defaults) -> Result<Self, FileError> {
        let refuse = |problems| FileError { file: file.to_owned(), problems };
        match yaml::parse(text) {
            Ok(Some(raw)) => validate::validate(raw, Content::Announcements, defaults).map_err(refuse),
            // Editors truncate before they write: an empty file must not withdraw every address.
            Ok(None) => {
                let text = "the file holds no configuration; write \"announcements: []\" if nothing is to be announced";
                Err(refuse(vec![Problem::new(0, "", text)]))
            }
            Err(problem) => Err(refuse(vec![problem])),
        }
    }

    /// The same, of a file that was changed last at this second: the generation of its announcements where it gives none.
    #[must_use]
    pub fn of_file(mut self, changed_s: u64) -> Self {
        for announcement in self.announcements.values_mut() {
            let of_order = || {
                let candidates = announcement.candidates().iter().map(|name| NodeId::of(&self.cluster, name));
                generation::of_file(changed_s, candidates, announcement.mode())
            };
            let generation = self.generation.map_or_else(of_order, |number| generation::of_number(number.get()));
            *announcement = Arc::new(Announcement::clone(announcement).with_generation(generation));
        }
        self
    }

    /// This node as frames and maps name it.
    pub fn id(&self) -> NodeId {
        self.id_of(&self.node)
    }

    /// A node of this cluster as frames and maps name it.
    pub fn id_of(&self, name: &NodeName) -> NodeId {
        NodeId::of(&self.cluster, name)
    }

    /// The newest generation among the orders; 0: unknown.
    pub fn newest_order(&self) -> u64 {
        self.announcements.values().map(|announcement| announcement.generation()).max().unwrap_or_default()
    }

    /// Reads the text of a settings file: the same, without announcements, which come from the Kubernetes API. A file without
    /// content says nothing, and `defaults` hold.
    ///
    /// # Errors
    /// As [`Self::parse`]; and announcements.
    pub fn settings(text: &str, file: &Path, defaults: &Defaults) -> Result<Self, FileError> {
        let refuse = |problems| FileError { file: file.to_owned(), problems };
        let raw: raw::RawConfig = yaml::parse(text).map_err(|problem| refuse(vec![problem]))?.unwrap_or_default();
        if raw.bgp.is_some() {
            let text = "peers and advertisements come from the Kubernetes API; take the section out, or start with --config for static mode";
            return Err(refuse(vec![Problem::new(0, "bgp", text)]));
        }
        let config = validate::validate(raw, Content::Settings, defaults).map_err(refuse)?;
        if config.announcements.is_empty() && config.pools.is_empty() && config.generation.is_none() {
            return Ok(config);
        }
        if config.generation.is_some() {
            let text = "the generation of an order comes from the Kubernetes API; take the number out";
            return Err(refuse(vec![Problem::new(0, "generation", text)]));
        }
        let text = "what is announced comes from the Kubernetes API; take the list out, or start with --config for static mode";
        Err(refuse(vec![Problem::new(0, "announcements", text)]))
    }

    /// What the command line and the machine say alone, without a file.
    ///
    /// # Errors
    /// Nobody names this node.
    pub fn of_defaults(defaults: &Defaults) -> Result<Self, FileError> {
        Self::settings("", Path::new("command line"), defaults)
    }
}

#[cfg(test)]
mod tests;
