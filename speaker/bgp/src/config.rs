//! FRR's configuration as far as the speaker has to do with it: one shape for what is wanted and for what is there, in
//! which two ways to write the same are equal.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use ipnet::IpNet;

/// The VRF of a router; `None`: the main one.
pub type Vrf = Option<String>;

/// A daemon of FRR by whose socket something is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Daemon {
    /// Next hops.
    Zebra,
    /// Failure detection.
    Bfdd,
    /// Sessions and routes, and all route-maps that concern them.
    Bgpd,
}

impl Daemon {
    /// Its name, and that of its socket before the `.vty`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zebra => "zebra",
            Self::Bfdd => "bfdd",
            Self::Bgpd => "bgpd",
        }
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What zebra, bgpd and bfdd are configured to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Seconds after which changed route-maps have their effect; `None`: FRR's 5.
    pub delay_timer: Option<u32>,
    /// By VRF.
    pub routers: BTreeMap<Vrf, Router>,
    /// Entries of route-maps by name and sequence number.
    pub maps: BTreeMap<String, BTreeMap<u16, Entry>>,
    /// BFD profiles by name.
    pub profiles: BTreeMap<String, Profile>,
}

/// A BGP router.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Router {
    /// Its number.
    pub asn: u32,
    /// What holds for all its sessions.
    pub settings: BTreeMap<Setting, String>,
    /// By address or interface.
    pub neighbors: BTreeMap<String, Neighbor>,
    /// What it announces, with the name of the route-map.
    pub networks: BTreeMap<IpNet, Option<String>>,
    /// It holds lines that the speaker never writes.
    pub foreign: bool,
}

impl Router {
    /// Whether the speaker made it.
    pub fn is_ours(&self) -> bool {
        self.settings.contains_key(&Setting::Mark)
    }

    /// Whether neighbours carry IPv4 unless it is switched off for them.
    pub fn ipv4_by_itself(&self) -> bool {
        !self.settings.contains_key(&Setting::NoDefaultIpv4)
    }
}

/// A line that holds for a whole router. The order is that of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// `bgp router-id`
    RouterId,
    /// `no bgp default ipv4-unicast`: neighbours carry what they are told to.
    NoDefaultIpv4,
    /// An empty peer group of our name: FRR has no description of routers. It would carry IPv4 if it were made before.
    Mark,
    /// `no bgp network import-check`: no route in the kernel is needed for a network.
    NoImportCheck,
    /// `coalesce-time`: FRR waits for a second otherwise.
    Coalesce,
    /// `bgp graceful-restart preserve-fw-state`: peers may go on forwarding while bgpd restarts.
    PreserveForwarding,
}

impl Setting {
    /// The line that takes it back.
    pub fn negation(self) -> &'static str {
        match self {
            Self::Mark => "no neighbor arpeggio peer-group",
            Self::RouterId => "no bgp router-id",
            Self::NoDefaultIpv4 => "bgp default ipv4-unicast",
            Self::NoImportCheck => "bgp network import-check",
            Self::Coalesce => "no coalesce-time",
            Self::PreserveForwarding => "no bgp graceful-restart preserve-fw-state",
        }
    }

    /// Which one a line of a router is.
    pub fn of(line: &str) -> Option<Self> {
        match line {
            "neighbor arpeggio peer-group" => Some(Self::Mark),
            "no bgp default ipv4-unicast" => Some(Self::NoDefaultIpv4),
            "no bgp network import-check" => Some(Self::NoImportCheck),
            "bgp graceful-restart preserve-fw-state" => Some(Self::PreserveForwarding),
            _ if line.starts_with("bgp router-id ") => Some(Self::RouterId),
            _ if line.starts_with("coalesce-time ") => Some(Self::Coalesce),
            _ => None,
        }
    }
}

/// A neighbour of a router.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Neighbor {
    /// What is configured: the words after `neighbor KEY`.
    pub attributes: BTreeMap<Attribute, String>,
    /// By family.
    pub families: BTreeMap<Family, Carried>,
    /// It holds lines that the speaker never writes.
    pub foreign: bool,
}

/// Passwords are not to get into logs.
impl fmt::Debug for Neighbor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |(attribute, text): (&Attribute, &String)| {
            let secret = *attribute == Attribute::Password;
            (*attribute, if secret { "password …".to_owned() } else { text.clone() })
        };
        let attributes: BTreeMap<_, _> = self.attributes.iter().map(hidden).collect();
        f.debug_struct("Neighbor")
            .field("attributes", &attributes)
            .field("families", &self.families)
            .field("foreign", &self.foreign)
            .finish()
    }
}

/// What is configured for a neighbour. The order is that of writing: first what resets the session when it comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// `remote-as`, `interface remote-as`
    RemoteAs,
    /// Holds the mark of ours.
    Description,
    /// `local-as`
    LocalAs,
    /// `port`
    Port,
    /// `password`
    Password,
    /// `ebgp-multihop`
    Multihop,
    /// `disable-connected-check`
    NoConnectedCheck,
    /// `update-source`
    Source,
    /// `graceful-restart`
    GracefulRestart,
    /// `timers`
    Timers,
    /// `timers connect`
    Connect,
    /// `shutdown message`
    Shutdown,
    /// `bfd`
    Bfd,
    /// `bfd profile`
    BfdProfile,
}

impl Attribute {
    /// What takes it back: the words after `no neighbor KEY`. Nothing but the removal of the neighbour takes back its number.
    pub fn negation(self) -> Option<&'static str> {
        match self {
            Self::RemoteAs => None,
            Self::Description => Some("description"),
            Self::LocalAs => Some("local-as"),
            Self::Port => Some("port"),
            Self::Password => Some("password"),
            Self::Multihop => Some("ebgp-multihop"),
            Self::NoConnectedCheck => Some("disable-connected-check"),
            Self::Source => Some("update-source"),
            Self::GracefulRestart => Some("graceful-restart"),
            Self::Timers => Some("timers"),
            Self::Connect => Some("timers connect"),
            Self::Shutdown => Some("shutdown"),
            Self::Bfd => Some("bfd"),
            Self::BfdProfile => Some("bfd profile"),
        }
    }

    /// Which one the words after `neighbor KEY` are, and how they are written here.
    pub fn of(words: &[&str]) -> Option<(Self, String)> {
        let attribute = match words {
            ["remote-as", _] | ["interface", "remote-as", _] | ["interface", "v6only", "remote-as", _] => {
                Self::RemoteAs
            }
            ["description", ..] => Self::Description,
            ["local-as", ..] => Self::LocalAs,
            // FRR 8 writes what FRR 10 does not.
            ["ebgp-multihop"] | ["ebgp-multihop", "255"] => return Some((Self::Multihop, "ebgp-multihop".to_owned())),
            ["ebgp-multihop", _] => Self::Multihop,
            ["port", _] => Self::Port,
            ["password", _] => Self::Password,
            ["disable-connected-check"] => Self::NoConnectedCheck,
            ["update-source", _] => Self::Source,
            ["graceful-restart"] => Self::GracefulRestart,
            ["timers", "connect", _] => Self::Connect,
            ["timers", _, _] => Self::Timers,
            ["shutdown", ..] => Self::Shutdown,
            ["bfd", "profile", _] => Self::BfdProfile,
            ["bfd"] | ["bfd", _, _, _] => return Some((Self::Bfd, "bfd".to_owned())),
            _ => return None,
        };
        Some((attribute, words.join(" ")))
    }
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4 unicast.
    V4,
    /// IPv6 unicast.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of a prefix.
    pub fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    /// The line that begins its part of a router.
    pub fn header(self) -> &'static str {
        match self {
            Self::V4 => "address-family ipv4 unicast",
            Self::V6 => "address-family ipv6 unicast",
        }
    }
}

/// What a neighbour carries of a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Whether it carries it at all.
    pub active: bool,
    /// The route-map for what comes in.
    pub map_in: Option<String>,
    /// The route-map for what goes out.
    pub map_out: Option<String>,
}

/// An entry of a route-map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Whether it lets through.
    pub permit: bool,
    /// Its lines; their order has no meaning.
    pub lines: BTreeSet<String>,
}

/// What differs from FRR's defaults.
pub type Profile = BTreeMap<Knob, u32>;

/// A property of a BFD profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knob {
    /// Milliseconds.
    Receive,
    /// Milliseconds.
    Transmit,
    /// A factor.
    Multiplier,
    /// Milliseconds.
    EchoReceive,
    /// Milliseconds.
    EchoTransmit,
    /// The least TTL of packets that came over several hops.
    MinimumTtl,
    /// 1: the other side begins.
    Passive,
    /// 1: echo packets are sent. After the intervals, so that none is sent with others.
    Echo,
}

impl Knob {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Receive,
        Self::Transmit,
        Self::Multiplier,
        Self::EchoReceive,
        Self::EchoTransmit,
        Self::MinimumTtl,
        Self::Passive,
        Self::Echo,
    ];

    /// What FRR has by itself, and does not show.
    pub fn default(self) -> u32 {
        match self {
            Self::Receive | Self::Transmit => 300,
            Self::Multiplier => 3,
            Self::EchoReceive | Self::EchoTransmit => 50,
            Self::MinimumTtl => 254,
            Self::Passive | Self::Echo => 0,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Receive => "receive-interval",
            Self::Transmit => "transmit-interval",
            Self::Multiplier => "detect-multiplier",
            Self::EchoReceive => "echo receive-interval",
            Self::EchoTransmit => "echo transmit-interval",
            Self::MinimumTtl => "minimum-ttl",
            Self::Passive => "passive-mode",
            Self::Echo => "echo-mode",
        }
    }

    /// The line that gives it this value. FRR 8 cannot take back intervals: their default is written.
    pub fn line(self, value: u32) -> String {
        match (self, value) {
            (Self::Passive | Self::Echo, 0) => format!("no {}", self.words()),
            (Self::Passive | Self::Echo, _) => self.words().to_owned(),
            _ => format!("{} {value}", self.words()),
        }
    }

    /// Which one a line of a profile is, and its value.
    pub fn of(line: &str) -> Option<(Self, u32)> {
        Self::ALL.into_iter().find_map(|knob| match line.strip_prefix(knob.words())? {
            "" => Some((knob, 1)),
            number => Some((knob, number.strip_prefix(' ')?.parse().ok()?)),
        })
    }
}
