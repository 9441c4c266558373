//! The default gateways of the interfaces: machines that answer whenever they are asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAddress, RouteAttribute, RouteMessage},
};
use netlink_sys::protocols::NETLINK_ROUTE;

use crate::netlink::Netlink;

/// Somewhere far away (RFC 5737 and RFC 3849: for documentation): the way there leads over the default gateway. Asking for one
/// way takes the kernel the same time however many routes there are.
const FAR: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1))];

/// The gateways of these interfaces, by index; none where there is none.
///
/// # Errors
/// There is no socket to ask the kernel.
pub(super) fn gateways(interfaces: impl IntoIterator<Item = u32>) -> io::Result<BTreeMap<u32, BTreeSet<IpAddr>>> {
    let mut netlink = Netlink::open(NETLINK_ROUTE)?;
    let mut of = |ifindex| FAR.into_iter().filter_map(|far| gateway(&mut netlink, ifindex, far)).collect();
    Ok(interfaces.into_iter().map(|ifindex| (ifindex, of(ifindex))).collect())
}

fn gateway(netlink: &mut Netlink, ifindex: u32, far: IpAddr) -> Option<IpAddr> {
    let mut message = RouteMessage::default();
    let (family, length, address) = match far {
        IpAddr::V4(v4) => (AddressFamily::Inet, 32, RouteAddress::Inet(v4)),
        IpAddr::V6(v6) => (AddressFamily::Inet6, 128, RouteAddress::Inet6(v6)),
    };
    message.header.address_family = family;
    message.header.destination_prefix_length = length;
    message.attributes = vec![RouteAttribute::Destination(address), RouteAttribute::Oif(ifindex)];
    // An error is that there is no such way.
    let answers = netlink.ask(RouteNetlinkMessage::GetRoute(message), 0).ok()?;
    let attributes = answers.into_iter().filter_map(|answer| {
        if let RouteNetlinkMessage::NewRoute(route) = answer { Some(route.attributes) } else { None }
    });
    attributes.flatten().find_map(|attribute| {
        let RouteAttribute::Gateway(gateway) = attribute else { return None };
        if let RouteAddress::Inet(v4) = gateway {
            Some(v4.into())
        } else if let RouteAddress::Inet6(v6) = gateway {
            Some(v6.into())
        } else {
            None
        }
    })
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
            ip("-6 route add default via fe80::1 dev one");
            let index = |name: &str| nix::net::if_::if_nametoindex(name).unwrap();
            let found = gateways(["one", "two", "none"].map(index)).unwrap();
            let expected =
                |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<BTreeSet<IpAddr>>();
            assert_eq!(found[&index("one")], expected(&["10.0.1.1", "fe80::1"]));
            assert_eq!(found[&index("two")], expected(&["10.0.2.1"]));
            assert_eq!(found[&index("none")], expected(&[]));
        });
        test.join().unwrap();
    }
}
