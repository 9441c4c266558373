//! Flags for BGP.

use std::{net::IpAddr, path::PathBuf, str::FromStr};

use ipnet::IpNet;

/// How BGP peers are told.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "BGP")]
pub struct BgpArgs {
    /// Directory of the sockets of FRR's daemons (bgpd.vty, bfdd.vty). Without it, the speaker announces nothing by BGP.
    #[arg(long, env = "ARPEGGIO_FRR_SOCKET_DIR", value_name = "DIR", default_value = "/run/frr")]
    pub frr_socket_dir: PathBuf,
    /// Announce by BGP despite the label node.kubernetes.io/exclude-from-external-load-balancers of the node.
    #[arg(long, env = "ARPEGGIO_IGNORE_EXCLUDE_LB", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = false, default_missing_value = "true")]
    pub ignore_exclude_lb: bool,
}

/// What is to be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An address, with all prefixes that it is in.
    Address(IpAddr),
    /// A prefix; truncated.
    Prefix(IpNet),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        let prefix: Result<IpNet, _> = text.parse();
        let rule = "is neither an address like 192.0.2.10 nor a prefix like 192.0.2.0/24";
        prefix.map(|prefix| Self::Prefix(prefix.trunc())).map_err(|_unread| format!("{text:?} {rule}"))
    }
}

impl Target {
    /// The address, or the first one of the prefix.
    pub fn address(self) -> IpAddr {
        match self {
            Self::Address(address) => address,
            Self::Prefix(prefix) => prefix.addr(),
        }
    }

    /// The prefix.
    pub fn prefix(self) -> Option<IpNet> {
        match self {
            Self::Address(_) => None,
            Self::Prefix(prefix) => Some(prefix),
        }
    }
}
