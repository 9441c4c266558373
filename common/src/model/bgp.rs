//! BGP peers, what is announced to them, and how failures are found, after validation.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use super::{Community, InterfaceName, Labels, Pool, Selector, any_or_empty};

/// The port of BGP.
pub const BGP_PORT: u16 = 179;

/// Which numbers of an autonomous system a peer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemoteAs {
    /// This one.
    Number(u32),
    /// The same as ours.
    Internal,
    /// Any other than ours.
    External,
}

/// Where a peer is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remote {
    /// At this address.
    Address(IpAddr),
    /// Behind this interface (unnumbered).
    Interface(InterfaceName),
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Interface(interface) => write!(f, "interface {interface}"),
        }
    }
}

/// Where the password of a session is from.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// It stands in the object.
    Plain(String),
    /// In the Secret of this name, in the namespace of the configuration.
    Secret(String),
}

/// Passwords are not to get into logs.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("Plain(…)"),
            Self::Secret(name) => f.debug_tuple("Secret").field(name).finish(),
        }
    }
}

/// Both in whole seconds; 0 in both: no supervision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// The session ends after this much silence.
    pub hold: u16,
    /// A sign of life this often; at most `hold`.
    pub keepalive: u16,
}

/// A BGP peer that keeps every rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Name of the object.
    pub name: String,
    /// Our number, not 0.
    pub my_asn: u32,
    /// The peer's.
    pub remote_as: RemoteAs,
    /// What we call ourselves instead of `my_asn`; never equal to that.
    pub local_asn: Option<u32>,
    /// Where it is.
    pub remote: Remote,
    /// Its TCP port.
    pub port: u16,
    /// From where we connect.
    pub source: Option<IpAddr>,
    /// The VRF of the session; `None`: the main one.
    pub vrf: Option<InterfaceName>,
    /// `None`: as the router daemon has them.
    pub timers: Option<Timers>,
    /// Seconds between attempts to connect, from 1; `None`: as the router daemon has it.
    pub connect: Option<u16>,
    /// Our identifier.
    pub router_id: Option<Ipv4Addr>,
    /// The nodes with a session; empty: all.
    pub node_selectors: Vec<Selector>,
    /// Of the session.
    pub password: Option<Password>,
    /// Name of the profile.
    pub bfd_profile: Option<String>,
    /// That profile. In a whole configuration it is there whenever it is named.
    pub bfd: Option<BfdProfile>,
    /// Whether the peer keeps routes while we restart.
    pub graceful_restart: bool,
    /// Whether it may be several hops away (eBGP).
    pub multi_hop: bool,
    /// Whether the session carries both families.
    pub both_families: bool,
}

impl Peer {
    /// One of which no more is said: the main VRF, the port of BGP, one hop, one family, and the rest as the router daemon has it.
    #[must_use]
    pub fn new(name: &str, my_asn: u32, remote_as: RemoteAs, remote: Remote) -> Self {
        Self {
            name: name.to_owned(),
            my_asn,
            remote_as,
            local_asn: None,
            remote,
            port: BGP_PORT,
            source: None,
            vrf: None,
            timers: None,
            connect: None,
            router_id: None,
            node_selectors: Vec::new(),
            password: None,
            bfd_profile: None,
            bfd: None,
            graceful_restart: false,
            multi_hop: false,
            both_families: false,
        }
    }

    /// Whether nodes with these labels have a session.
    pub fn covers_node(&self, labels: &Labels) -> bool {
        any_or_empty(&self.node_selectors, labels)
    }
}

/// Addresses announced to BGP peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BgpAdvertisement {
    /// Name of the object.
    pub name: String,
    /// Pools by name; together with `pool_selectors`, empty: all pools.
    pub pools: BTreeSet<String>,
    /// Pools by label.
    pub pool_selectors: Vec<Selector>,
    /// Services by label; empty: all.
    pub service_selectors: Vec<Selector>,
    /// The nodes that announce; empty: all.
    pub node_selectors: Vec<Selector>,
    /// Names of peers; empty: all.
    pub peers: BTreeSet<String>,
    /// Prefix length for IPv4, 1 to 32.
    pub aggregation_v4: u8,
    /// Prefix length for IPv6, 0 to 128.
    pub aggregation_v6: u8,
    /// 0: not set.
    pub local_pref: u32,
    /// Communities of the routes. In a whole configuration those of `aliases` too.
    pub communities: BTreeSet<Community>,
    /// Names of communities.
    pub aliases: BTreeSet<String>,
}

impl BgpAdvertisement {
    /// Whether it announces addresses of this pool.
    pub fn covers_pool(&self, pool: &Pool) -> bool {
        pool.is_selected(&self.pools, &self.pool_selectors)
    }

    /// Whether it is for Services with these labels.
    pub fn covers_service(&self, labels: &Labels) -> bool {
        any_or_empty(&self.service_selectors, labels)
    }

    /// Whether nodes with these labels announce.
    pub fn covers_node(&self, labels: &Labels) -> bool {
        any_or_empty(&self.node_selectors, labels)
    }

    /// Whether it is for the peer of this name.
    pub fn covers_peer(&self, name: &str) -> bool {
        self.peers.is_empty() || self.peers.contains(name)
    }

    /// Whether some peer may get routes of both.
    pub fn shares_peers(&self, other: &Self) -> bool {
        self.peers.is_empty() || other.peers.is_empty() || !self.peers.is_disjoint(&other.peers)
    }
}

/// How failures are found by BFD (RFC 5880). `None` everywhere: as the router daemon has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BfdProfile {
    /// Name of the object.
    pub name: String,
    /// Milliseconds, 10 to 60000.
    pub receive_interval: Option<u16>,
    /// Milliseconds, 10 to 60000.
    pub transmit_interval: Option<u16>,
    /// 2 to 255.
    pub detect_multiplier: Option<u8>,
    /// Milliseconds, 10 to 60000.
    pub echo_interval: Option<u16>,
    /// Whether echo packets are sent.
    pub echo: bool,
    /// Whether the other side begins.
    pub passive: bool,
    /// 1 to 254.
    pub minimum_ttl: Option<u8>,
}
