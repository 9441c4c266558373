//! One address and who may speak for it: the shape of `Announcement.spec` after validation.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use super::{InterfaceName, NodeName};

/// Whether one node answers everybody or the candidates share the clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Mode {
    /// One node answers everybody.
    #[default]
    Exclusive,
    /// The clients are divided over the live candidates.
    Shared,
}

/// Why an announcement cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnnouncementError {
    /// Nobody can own such an address.
    #[error("address {0} is {1}; announce a unicast address of the segment")]
    Address(IpAddr, &'static str),
    /// The order of succession names a node twice.
    #[error("candidate {0} of address {1} is listed twice; name each node once, the preferred owner first")]
    Twice(NodeName, IpAddr),
}

/// An address, the nodes that may own it in order of preference, and the interfaces it is announced on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    address: IpAddr,
    /// Shared by all that have the same: ten thousand addresses have a handful of orders.
    candidates: Arc<[NodeName]>,
    interfaces: BTreeSet<InterfaceName>,
    mode: Mode,
    generation: u64,
}

impl Announcement {
    /// `candidates`: the first is the preferred owner. `interfaces`: empty means all eligible ones. IPv4-mapped IPv6
    /// addresses become IPv4. The generation is unknown.
    ///
    /// # Errors
    /// When the address is not a unicast one, or a candidate is named twice.
    pub fn new(
        address: IpAddr,
        candidates: impl Into<Arc<[NodeName]>>,
        interfaces: BTreeSet<InterfaceName>,
        mode: Mode,
    ) -> Result<Self, AnnouncementError> {
        let address = address.to_canonical();
        let wrong = match address {
            _ if address.is_unspecified() => Some("the unspecified address"),
            _ if address.is_loopback() => Some("a loopback address"),
            _ if address.is_multicast() => Some("a multicast address"),
            IpAddr::V4(v4) if v4.is_broadcast() => Some("the broadcast address"),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        };
        if let Some(wrong) = wrong {
            return Err(AnnouncementError::Address(address, wrong));
        }
        let candidates = candidates.into();
        let mut seen = BTreeSet::new();
        if let Some(twice) = candidates.iter().find(|candidate| !seen.insert(*candidate)) {
            return Err(AnnouncementError::Twice(twice.clone(), address));
        }
        Ok(Self { address, candidates, interfaces, mode, generation: 0 })
    }

    /// The same, of this generation: of two orders for an address the one with the greater number is the newer one. 0: unknown.
    #[must_use]
    pub fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// The address; never IPv4-mapped.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The order of succession.
    pub fn candidates(&self) -> &[NodeName] {
        &self.candidates
    }

    /// Whether it is announced on the interface of this name.
    pub fn covers(&self, interface: &str) -> bool {
        self.interfaces.is_empty() || self.interfaces.iter().any(|name| name.as_str() == interface)
    }

    /// The interfaces that are named; empty means all.
    pub const fn interfaces(&self) -> &BTreeSet<InterfaceName> {
        &self.interfaces
    }

    /// Which of two orders for the address is the newer one; 0: unknown.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// One owner or shared.
    pub const fn mode(&self) -> Mode {
        self.mode
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::try_from(name).unwrap()
    }

    #[test]
    fn only_unicast_addresses_are_announced() {
        for bad in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "127.0.0.1", "::", "::1", "ff02::1", "::ffff:224.0.0.1"]
        {
            let error = Announcement::new(bad.parse().unwrap(), vec![], BTreeSet::new(), Mode::Exclusive).unwrap_err();
            assert!(error.to_string().contains("unicast"), "{error}");
        }
        let mapped =
            Announcement::new("::ffff:192.0.2.1".parse().unwrap(), vec![], BTreeSet::new(), Mode::Exclusive).unwrap();
        assert_eq!(mapped.address(), "192.0.2.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_candidate_named_twice_is_refused_by_name() {
        let candidates = vec![node("a"), node("b"), node("a")];
        let error =
            Announcement::new("192.0.2.1".parse().unwrap(), candidates, BTreeSet::new(), Mode::Exclusive).unwrap_err();
        assert_eq!(error, AnnouncementError::Twice(node("a"), "192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn no_interface_means_all() {
        let address = "2001:db8::1".parse().unwrap();
        let all = Announcement::new(address, vec![], BTreeSet::new(), Mode::Exclusive).unwrap();
        assert!(all.covers("eth0") && all.covers("eth1"));
        let only = BTreeSet::from([InterfaceName::try_from("eth1").unwrap()]);
        let one = Announcement::new(address, vec![], only, Mode::Shared).unwrap();
        assert!(!one.covers("eth0") && one.covers("eth1"));
    }
}
