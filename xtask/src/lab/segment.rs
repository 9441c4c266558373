//! One Ethernet segment: a bridge in a namespace of its own, nodes and a client, each joined to it by a veth pair.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use super::{Lab, Namespace};

/// Last byte of the client's addresses and MAC.
const CLIENT: u8 = 200;

/// A machine on the segment: a namespace with `lo` and `eth0`.
pub struct Node {
    /// `node-a`, `node-b`, … or `client`.
    pub name: String,
    /// Where it lives.
    pub namespace: Namespace,
    /// Its address on the segment, /24.
    pub ipv4: Ipv4Addr,
    /// Its address on the segment, /64.
    pub ipv6: Ipv6Addr,
    /// MAC of `eth0`, lower case.
    pub mac: String,
    /// The bridge's end of the veth pair, in the namespace of the bridge.
    pub port: String,
}

/// A bridge with nodes and a client.
pub struct Segment {
    /// `node-a` first.
    pub nodes: Vec<Node>,
    /// Who asks.
    pub client: Node,
    /// Namespace of the bridge `br0`.
    pub switch: Namespace,
    /// Scratch directory and bpffs; last, so that everything else is gone before them.
    pub lab: Lab,
}

impl Segment {
    /// Builds a segment 192.0.2.0/24, 2001:db8::/64 with this many nodes: the first has 192.0.2.1, 2001:db8::1 and the
    /// MAC 02:00:00:00:00:01. The client has 192.0.2.200, 2001:db8::c8.
    ///
    /// # Errors
    /// If this is not root or a command fails.
    pub fn new(nodes: u8) -> Result<Self> {
        let lab = Lab::new()?;
        let switch = Namespace::new(format!("{}-switch", lab.tag()))?;
        // A switch has nothing to say: frames of its own would be heard even by a node that is made deaf.
        switch.sysctl("net.ipv6.conf.default.disable_ipv6", "1")?;
        switch.ip("link add br0 type bridge")?;
        switch.ip("link set br0 up")?;
        let nodes = (1..=nodes).map(|number| node(&lab, &switch, number)).collect::<Result<_>>()?;
        let client = node(&lab, &switch, CLIENT)?;
        Ok(Self { nodes, client, switch, lab })
    }

    /// The node of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.nodes.iter().find(|node| node.name == name).ok_or_else(|| anyhow::anyhow!("the segment has no {name}"))
    }

    /// Builds a second segment, 203.0.113.0/24, 2001:db8:1::/64, with `eth1` of every node and of the client: the last parts of their
    /// addresses are those of the first segment, and so are MACs but for the fifth byte.
    ///
    /// # Errors
    /// If a command fails.
    pub fn second(&self) -> Result<()> {
        self.switch.ip("link add br1 type bridge")?;
        self.switch.ip("link set br1 up")?;
        for node in self.nodes.iter().chain([&self.client]) {
            let [.., number] = node.ipv4.octets();
            let (port, mac) = (format!("{}-eth1", node.port), format!("02:00:00:00:01:{number:02x}"));
            plug(&self.switch, &node.namespace, &Cable { interface: "eth1", mac: &mac, port: &port })?;
            self.switch.ip(&format!("link set {port} master br1"))?;
            node.namespace.ip(&format!("addr add 203.0.113.{number}/24 dev eth1"))?;
            node.namespace.ip(&format!("addr add 2001:db8:1::{number:x}/64 dev eth1 nodad"))?;
        }
        Ok(())
    }

    /// Plugs a further interface of a node into the segment.
    ///
    /// # Errors
    /// If a command fails.
    pub fn plug(&self, node: &Node, interface: &str, mac: &str) -> Result<()> {
        plug(&self.switch, &node.namespace, &Cable { interface, mac, port: &format!("{}-{interface}", node.port) })
    }
}

impl Node {
    /// Makes the node hold an address as a service would find it (on `lo`), so that a ping is answered; the node's own
    /// kernel then does not answer ARP for it.
    ///
    /// # Errors
    /// If a command fails.
    pub fn hold(&self, address: IpAddr) -> Result<()> {
        self.namespace.sysctl("net.ipv4.conf.all.arp_ignore", "1")?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        self.namespace.ip(&format!("addr add {address}/{bits} dev lo")).map(drop)
    }

    /// Forgets all neighbours, so that the next packet asks again.
    ///
    /// # Errors
    /// If `ip` fails.
    pub fn forget_neighbours(&self) -> Result<()> {
        self.namespace.ip("neigh flush all").map(drop)
    }
}

/// A veth pair to be: the end inside a node and the end at the bridge.
struct Cable<'a> {
    interface: &'a str,
    mac: &'a str,
    port: &'a str,
}

fn node(lab: &Lab, switch: &Namespace, number: u8) -> Result<Node> {
    let name =
        if number == CLIENT { "client".to_owned() } else { format!("node-{}", char::from(b'a' + (number - 1) % 26)) };
    let namespace = Namespace::new(format!("{}-{name}", lab.tag()))?;
    let node = Node {
        ipv4: Ipv4Addr::new(192, 0, 2, number),
        ipv6: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number)),
        mac: format!("02:00:00:00:00:{number:02x}"),
        port: format!("port{number}"),
        name,
        namespace,
    };
    plug(switch, &node.namespace, &Cable { interface: "eth0", mac: &node.mac, port: &node.port })?;
    node.namespace.ip(&format!("addr add {}/24 dev eth0", node.ipv4))?;
    node.namespace.ip(&format!("addr add {}/64 dev eth0 nodad", node.ipv6))?;
    Ok(node)
}

fn plug(switch: &Namespace, inside: &Namespace, cable: &Cable<'_>) -> Result<()> {
    let Cable { interface, mac, port } = cable;
    inside.ip(&format!("link add {interface} address {mac} type veth peer name {port} netns {}", switch.name()))?;
    // Nobody else has these addresses: waiting a second for duplicate detection would only slow every test.
    inside.sysctl(&format!("net.ipv6.conf.{interface}.accept_dad"), "0")?;
    switch.accept_xdp_tx(port)?;
    switch.ip(&format!("link set {port} master br0 up"))?;
    inside.ip(&format!("link set {interface} up")).map(drop)
}
