//! The interfaces of this network namespace.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::wire::Mac;
use ipnet::IpNet;

/// What sort of device it is, as far as attaching a program depends on it. The names are those of `ip link show type`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkKind {
    /// A network card, physical or virtual, with a driver of its own.
    Physical,
    /// One end of a pair.
    Veth,
    /// Anything else: `vlan`, `bridge`, `bond`, `macvlan`, `dummy`, …
    Other(String),
}

/// One interface, as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Index of the interface; never reused while the interface lives.
    pub index: u32,
    /// Its present name.
    pub name: String,
    /// Its Ethernet address; `None` for devices that have none.
    pub mac: Option<Mac>,
    /// What sort of device.
    pub kind: LinkKind,
    /// IFF_UP: the administrator wants it to work.
    pub up: bool,
    /// IFLA_CARRIER: something is at the other end.
    pub carrier: bool,
    /// IFF_BROADCAST.
    pub broadcast: bool,
    /// IFF_NOARP.
    pub noarp: bool,
    /// IFF_LOOPBACK.
    pub loopback: bool,
    /// It has a master: a port of a bridge, a member of a bond.
    pub enslaved: bool,
    /// Index of the device that this is a VLAN of: its tagged frames come in there. `None` for every other kind, and where
    /// that device is in another network namespace.
    pub vlan_of: Option<u32>,
    /// MTU in bytes.
    pub mtu: u32,
    /// Id of the XDP program that is attached to it, whoever attached it.
    pub xdp_program: Option<u32>,
    /// Its addresses with prefix length, tentative ones left out.
    pub addresses: BTreeSet<IpNet>,
    /// Those of them that end by themselves: a DHCP server or a router gave them for a time.
    pub leased: BTreeSet<IpNet>,
}

impl Link {
    /// The first link-local IPv6 address: where our own solicitations come from.
    pub fn link_local(&self) -> Option<IpAddr> {
        self.addresses
            .iter()
            .map(IpNet::addr)
            .find(|address| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()))
    }
}

/// All interfaces, by index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links(pub BTreeMap<u32, Link>);

impl Links {
    /// The devices that VLAN devices sit on directly, by index. VLAN devices that were moved into another network namespace
    /// are not seen from here.
    pub fn below_vlans(&self) -> BTreeSet<u32> {
        self.0.values().filter_map(|link| link.vlan_of).collect()
    }

    /// The VLAN devices that sit directly on the device with this index.
    pub fn vlans_of(&self, index: u32) -> impl Iterator<Item = &Link> {
        self.0.values().filter(move |link| link.vlan_of == Some(index))
    }
}
