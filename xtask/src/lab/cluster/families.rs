//! The address families of a cluster, and which comes first.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::network::{API_PORT, API_SERVER, pod_ranges};
use crate::lab::Node;

/// Where the API server is reached by IPv6.
pub(super) const API_SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0x100);
/// Cluster addresses of services.
const SERVICE_RANGES: [&str; 2] = ["10.96.0.0/16", "fd00:96::/112"];
/// Addresses of pods; each node has a /24 and a /64 of them.
const POD_RANGES: [&str; 2] = ["10.244.0.0/16", "fd00:244::/48"];

/// The families that services, pods and nodes have addresses of. The segment itself has both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Families {
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// Both, IPv4 first: a Service that does not say otherwise has an IPv4 address.
    #[default]
    Dual,
    /// Both, IPv6 first.
    DualIpv6,
}

impl Families {
    /// Of two values, one for each family, those that the cluster has, the first family first.
    pub(super) fn of<T>(self, [v4, v6]: [T; 2]) -> Vec<T> {
        match self {
            Self::Ipv4 => vec![v4],
            Self::Ipv6 => vec![v6],
            Self::Dual => vec![v4, v6],
            Self::DualIpv6 => vec![v6, v4],
        }
    }

    /// Its name as a flag.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Dual => "dual",
            Self::DualIpv6 => "dual-ipv6",
        }
    }

    /// Where the API server is reached, from the control plane and from every node. Its address has to be of the first family, and its
    /// certificate names that address.
    pub(super) fn api_server(self) -> IpAddr {
        match self {
            Self::Ipv4 | Self::Dual => API_SERVER.into(),
            Self::Ipv6 | Self::DualIpv6 => API_SERVER_V6.into(),
        }
    }

    /// The URL of the API server there.
    pub(super) fn api_url(self) -> String {
        format!("https://{}", SocketAddr::from((self.api_server(), API_PORT)))
    }

    /// Ranges of cluster addresses of services, as the API server takes them.
    pub(super) fn service_ranges(self) -> String {
        self.of(SERVICE_RANGES).join(",")
    }

    /// Ranges of addresses of pods, as programs of Kubernetes take them.
    pub(super) fn pod_ranges(self) -> String {
        self.of(POD_RANGES).join(",")
    }

    /// The pod ranges of the n-th node, from 1.
    pub(super) fn pods_of(self, number: u8) -> Vec<String> {
        self.of(pod_ranges(number).into())
    }

    /// The addresses of a node on the segment.
    pub(super) fn addresses(self, node: &Node) -> Vec<IpAddr> {
        self.of([IpAddr::V4(node.ipv4), IpAddr::V6(node.ipv6)])
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn names_are_the_values_of_the_flag() {
        for families in Families::value_variants() {
            assert_eq!(families.to_possible_value().unwrap().get_name(), families.name());
        }
    }

    #[test]
    fn the_first_family_comes_first_everywhere() {
        assert_eq!(Families::Ipv6.service_ranges(), "fd00:96::/112");
        assert_eq!(Families::Dual.service_ranges(), "10.96.0.0/16,fd00:96::/112");
        assert_eq!(Families::DualIpv6.pod_ranges(), "fd00:244::/48,10.244.0.0/16");
        assert_eq!(Families::Ipv4.pods_of(1), ["10.244.1.0/24"]);
        assert_eq!(Families::Dual.api_url(), "https://198.51.100.100:6443");
        assert_eq!(Families::Ipv6.api_url(), "https://[2001:db8:100::100]:6443");
    }
}
