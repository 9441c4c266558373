//! The default gateways of the interfaces: machines that answer whenever they are asked.
//!
//! Every route is looked at: asking the kernel for the way to some far address finds one gateway of several, and none where that
//! address is routed or blocked on its own. With a full table of the internet that takes seconds, so a thread of its own
//! looks.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
};

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia},
};
use netlink_sys::protocols::NETLINK_ROUTE;
use tokio::task::JoinSet;

use crate::netlink::Netlink;

/// The gateways of interfaces, by index.
pub(super) type Found = BTreeMap<u32, BTreeSet<IpAddr>>;

/// The gateways as they were found last.
pub(super) struct Gateways {
    found: Found,
    looking: JoinSet<io::Result<Found>>,
    /// Something changed since the look that is under way began.
    again: bool,
}

impl Gateways {
    /// Looks for the first time, and waits for it.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub(super) fn find() -> io::Result<Self> {
        Ok(Self { found: gateways()?, looking: JoinSet::new(), again: false })
    }

    /// By interface index.
    pub(super) const fn found(&self) -> &Found {
        &self.found
    }

    /// Looks again, in the background. [`Self::changed`] tells what came of it.
    pub(super) fn look(&mut self) {
        if self.looking.is_empty() {
            self.looking.spawn_blocking(gateways);
        } else {
            self.again = true;
        }
    }

    /// Ends when others were found, or when they cannot be looked for, with the reason. Cancel safe.
    pub(super) async fn changed(&mut self) -> Result<(), String> {
        loop {
            let found = match self.looking.join_next().await {
                Some(Ok(found)) => found.map_err(|error| error.to_string()),
                Some(Err(error)) => Err(error.to_string()),
                None => std::future::pending().await,
            };
            if std::mem::take(&mut self.again) {
                self.look();
            }
            let found = found.map_err(|error| format!("default gateways cannot be looked for: {error}"))?;
            if found != self.found {
                self.found = found;
                return Ok(());
            }
        }
    }
}

/// The gateways of all default routes, whatever their table and metric, in the network namespace of the calling thread.
fn gateways() -> io::Result<Found> {
    let mut netlink = Netlink::open(NETLINK_ROUTE)?;
    let mut found = Found::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        netlink.each(RouteNetlinkMessage::GetRoute(message), NLM_F_DUMP, |answer| {
            if let RouteNetlinkMessage::NewRoute(route) = answer {
                note(&route, &mut found);
            }
        })?;
    }
    Ok(found)
}

/// Notes the gateways of a default route.
fn note(route: &RouteMessage, found: &mut Found) {
    if route.header.destination_prefix_length != 0 || route.header.kind != RouteType::Unicast {
        return;
    }
    let mut oif = None;
    for attribute in &route.attributes {
        if let RouteAttribute::Oif(index) = attribute {
            oif = Some(*index);
        } else if let RouteAttribute::MultiPath(hops) = attribute {
            for hop in hops {
                let gateways = hop.attributes.iter().filter_map(gateway);
                found.entry(hop.interface_index).or_default().extend(gateways);
            }
        }
    }
    if let Some(index) = oif {
        found.entry(index).or_default().extend(route.attributes.iter().filter_map(gateway));
    }
}

const fn gateway(attribute: &RouteAttribute) -> Option<IpAddr> {
    if let RouteAttribute::Gateway(RouteAddress::Inet(v4)) = attribute {
        Some(IpAddr::V4(*v4))
    } else if let RouteAttribute::Gateway(RouteAddress::Inet6(v6)) | RouteAttribute::Via(RouteVia::Inet6(v6)) =
        attribute
    {
        Some(IpAddr::V6(*v6))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use nix::sched::{CloneFlags, unshare};

    use super::*;

    fn ip(arguments: &str) {
        let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// In a network namespace that ends with its thread.
    #[test]
    fn every_interface_has_its_own_gateways() {
        let test = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("network tests need CAP_SYS_ADMIN");
            for (name, net) in [("one", 1), ("two", 2), ("none", 3)] {
                ip(&format!("link add {name} type bridge"));
                ip(&format!("addr add 10.0.{net}.5/24 dev {name}"));
                ip(&format!("link set {name} up"));
            }
            ip("route add default via 10.0.1.1 dev one");
            ip("route add default via 10.0.2.1 dev two metric 500");
            ip("route add default table 77 nexthop via 10.0.1.2 dev one nexthop via 10.0.2.2 dev two");
            // A route to a far address, of documentation at that, is no default one.
            ip("route add 198.51.100.0/24 via 10.0.3.1 dev none");
            ip("route add blackhole 2001:db8:ffff::/48");
            ip("-6 route add default via fe80::1 dev one");
            let index = |name: &str| nix::net::if_::if_nametoindex(name).unwrap();
            let found = gateways().unwrap();
            let expected =
                |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<BTreeSet<IpAddr>>();
            assert_eq!(found[&index("one")], expected(&["10.0.1.1", "10.0.1.2", "fe80::1"]));
            assert_eq!(found[&index("two")], expected(&["10.0.2.1", "10.0.2.2"]));
            assert_eq!(found.get(&index("none")), None);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut known = Gateways::find().unwrap();
                assert_eq!(*known.found(), found);
                ip("route del default via 10.0.2.1 dev two");
                known.look();
                known.look();
                known.changed().await.unwrap();
                assert_eq!(known.found()[&index("two")], expected(&["10.0.2.2"]));
            });
        });
        test.join().unwrap();
    }
}
