//! The networks of the cluster.
//!
//! ```text
//!   segment (bridge)  192.0.2.0/24, 2001:db8::/64        client .200, ::c8: default gateway of the nodes
//!      │eth0   │eth0   │eth0                             node-a .1, ::1, …; the addresses of services come from here
//!    node-a  node-b  node-c   …
//!      │veth-mgmt      │                                 node-a .1, ::1, …
//!   management        198.51.100.0/24, 2001:db8:100::/64 control plane .100, ::100: the API server, port 6443
//! ```
//!
//! The client can be joined to the management network ([`super::Options::client_manages`]), and a second segment can be beside the first, with
//! `eth1` of every node and of the client ([`Segment::second`]).
//!
//! Two networks, so that a test can cut one and keep the other. The name of the management interface is one that MetalLB's
//! exclude file excludes: nothing is announced there.

use std::net::Ipv4Addr;

use anyhow::Result;

use super::families::API_SERVER_V6;
use crate::lab::{Namespace, Node, Segment};

/// Where the API server is reached, from the control plane and from every node.
pub const API_SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 100);
/// Its port.
pub const API_PORT: u16 = 6443;
/// Port of the webhooks of a controller.
pub(super) const WEBHOOK_PORT: u16 = 9443;
/// The replicas of a controller are at this number and their own in the management network.
pub(super) const CONTROLLERS: u8 = 110;
/// The client is at this number in the management network.
const CLIENT: u8 = 200;
/// A node's interface in the management network.
pub const MANAGEMENT: &str = "veth-mgmt";

/// Makes the namespace of the control plane with the management network as a bridge, and joins every node to it.
pub(super) fn control_plane(segment: &Segment) -> Result<Namespace> {
    let control = Namespace::new(format!("{}-control", segment.lab.tag()))?;
    control.ip("link add mgmt0 type bridge")?;
    control.sysctl("net.ipv6.conf.mgmt0.accept_dad", "0")?;
    control.ip("link set mgmt0 up")?;
    control.ip(&format!("addr add {API_SERVER}/24 dev mgmt0"))?;
    control.ip(&format!("addr add {API_SERVER_V6}/64 dev mgmt0 nodad"))?;
    for (number, node) in (1_u8..).zip(&segment.nodes) {
        join(&control, &node.namespace, &port(number), number)?;
        route(segment, node)?;
        pods(segment, &control, node, number)?;
    }
    Ok(control)
}

/// Joins the client to the management network: it reaches the API server as a user's machine does.
pub(super) fn join_client(segment: &Segment, control: &Namespace) -> Result<()> {
    join(control, &segment.client.namespace, &port(CLIENT), CLIENT)
}

/// Joins a namespace to the management network; `number` is the last part of its addresses there.
pub(super) fn join(control: &Namespace, inside: &Namespace, port: &str, number: u8) -> Result<()> {
    inside.ip(&format!("link add {MANAGEMENT} type veth peer name {port} netns {}", control.name()))?;
    inside.sysctl(&format!("net.ipv6.conf.{MANAGEMENT}.accept_dad"), "0")?;
    control.ip(&format!("link set {port} master mgmt0 up"))?;
    inside.ip(&format!("link set {MANAGEMENT} up"))?;
    inside.ip(&format!("addr add 198.51.100.{number}/24 dev {MANAGEMENT}"))?;
    inside.ip(&format!("addr add 2001:db8:100::{number:x}/64 dev {MANAGEMENT} nodad")).map(drop)
}

/// The name of a node's port on the bridge of the management network; nodes count from 1.
pub(super) fn port(number: u8) -> String {
    format!("port{number}")
}

/// Takes a port out of the management network, or puts it back.
pub(super) fn cut(control: &Namespace, port: &str, cut: bool) -> Result<()> {
    let master = if cut { "nomaster" } else { "master mgmt0" };
    control.ip(&format!("link set {port} {master}")).map(drop)
}

/// A node forwards, and what it has no route for goes to the client. Without a route to the cluster addresses nothing would
/// ever come to kube-proxy's rules.
fn route(segment: &Segment, node: &Node) -> Result<()> {
    node.namespace.sysctl("net.ipv4.ip_forward", "1")?;
    node.namespace.sysctl("net.ipv6.conf.all.forwarding", "1")?;
    node.namespace.ip(&format!("route add default via {}", segment.client.ipv4))?;
    node.namespace.ip(&format!("-6 route add default via {}", segment.client.ipv6)).map(drop)
}

/// Everybody knows where the pods of the node are, and the control plane where the node itself is.
fn pods(segment: &Segment, control: &Namespace, node: &Node, number: u8) -> Result<()> {
    let (v4, v6) = pod_ranges(number);
    control.ip(&format!("route add {v4} via 198.51.100.{number}"))?;
    control.ip(&format!("-6 route add {v6} via 2001:db8:100::{number:x}"))?;
    // The API server asks kubelets at the addresses that their nodes have on the segment.
    control.ip(&format!("route add {} via 198.51.100.{number}", node.ipv4))?;
    control.ip(&format!("-6 route add {} via 2001:db8:100::{number:x}", node.ipv6))?;
    for other in segment.nodes.iter().filter(|other| other.name != node.name) {
        other.namespace.ip(&format!("route add {v4} via {}", node.ipv4))?;
        other.namespace.ip(&format!("-6 route add {v6} via {}", node.ipv6))?;
    }
    Ok(())
}

/// The pod ranges of the n-th node, from 1.
pub(super) fn pod_ranges(number: u8) -> (String, String) {
    (format!("10.244.{number}.0/24"), format!("fd00:244:0:{number:x}::/64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_a_node_are_within_the_range_of_all() {
        assert_eq!(pod_ranges(1), ("10.244.1.0/24".to_owned(), "fd00:244:0:1::/64".to_owned()));
        assert_eq!(pod_ranges(26).1, "fd00:244:0:1a::/64");
    }
}
