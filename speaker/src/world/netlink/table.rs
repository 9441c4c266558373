//! Pure: what one rtnetlink message changes in the table of interfaces.
//!
//! The kernel sends whole descriptions of an interface (`rtnl_fill_ifinfo`), with three exceptions that look alike: a
//! bridge describes its ports with RTM_NEWLINK and RTM_DELLINK of family AF_BRIDGE, where the latter means that the port
//! left the bridge, not that the interface is gone; wireless events are RTM_NEWLINK with hardly more than a name.

use std::net::IpAddr;

use arpeggio_common::wire::Mac;
use ipnet::IpNet;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressMessage},
    link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp},
};

use crate::world::{Link, LinkKind, Links};

/// Applies one message. Messages about anything but interfaces and addresses change nothing, neither do addresses of
/// interfaces that are not known: the kernel tells of an interface before it tells of its addresses.
#[expect(clippy::wildcard_enum_match_arm, reason = "some sixty kinds of messages, four of which we asked for")]
pub(super) fn apply(links: &mut Links, message: &RouteNetlinkMessage) {
    match message {
        RouteNetlinkMessage::NewLink(message) if of_the_device(message) => new_link(links, message),
        RouteNetlinkMessage::DelLink(message) if of_the_device(message) => {
            links.0.remove(&message.header.index);
        }
        RouteNetlinkMessage::NewAddress(message) => address(links, message, usable(flags_of(message))),
        RouteNetlinkMessage::DelAddress(message) => address(links, message, false),
        _ => {}
    }
}

/// Not of one of its protocols, like its role in a bridge.
fn of_the_device(message: &LinkMessage) -> bool {
    message.header.interface_family == AddressFamily::Unspec
}

fn new_link(links: &mut Links, message: &LinkMessage) {
    let known = links.0.get(&message.header.index);
    // Every whole description has an MTU. In it, what is not mentioned is not there (a master, a program).
    let whole = message.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::Mtu(_)));
    let link = match (whole, known) {
        (true, known) => {
            let (addresses, leased) =
                known.map(|link| (link.addresses.clone(), link.leased.clone())).unwrap_or_default();
            Some(Link { addresses, leased, ..bare(message) })
        }
        (false, known) => known.cloned(),
    };
    let Some(mut link) = link else { return };
    flags(&mut link, message.header.flags);
    for attribute in &message.attributes {
        describe(&mut link, attribute, message.header.link_layer_type);
    }
    if whole {
        link.vlan_of = vlan_of(message);
    }
    if !link.name.is_empty() {
        links.0.insert(link.index, link);
    }
}

fn bare(message: &LinkMessage) -> Link {
    Link {
        index: message.header.index,
        name: String::new(),
        mac: None,
        kind: LinkKind::Physical,
        up: false,
        carrier: false,
        broadcast: false,
        noarp: false,
        loopback: false,
        enslaved: false,
        vlan_of: None,
        mtu: 0,
        xdp_program: None,
        addresses: [].into(),
        leased: [].into(),
    }
}

fn flags(link: &mut Link, flags: LinkFlags) {
    link.up = flags.contains(LinkFlags::Up);
    link.broadcast = flags.contains(LinkFlags::Broadcast);
    link.noarp = flags.contains(LinkFlags::Noarp);
    link.loopback = flags.contains(LinkFlags::Loopback);
    // Overruled by IFLA_CARRIER, which a message need not have.
    link.carrier = flags.contains(LinkFlags::LowerUp);
}

#[expect(clippy::wildcard_enum_match_arm, reason = "some seventy attributes, of which these matter")]
fn describe(link: &mut Link, attribute: &LinkAttribute, layer: LinkLayerType) {
    match attribute {
        LinkAttribute::IfName(name) => link.name.clone_from(name),
        LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
        LinkAttribute::Carrier(carrier) => link.carrier = *carrier != 0,
        LinkAttribute::Controller(master) => link.enslaved = *master != 0,
        LinkAttribute::Address(bytes) => link.mac = mac(bytes, layer),
        LinkAttribute::LinkInfo(info) => link.kind = kind(info),
        LinkAttribute::Xdp(xdp) => link.xdp_program = xdp_program(xdp),
        _ => {}
    }
}

/// Tunnels put IP addresses there, InfiniBand twenty bytes, the loopback device zeroes.
fn mac(bytes: &[u8], layer: LinkLayerType) -> Option<Mac> {
    let mac = Mac(bytes.try_into().ok()?);
    (layer == LinkLayerType::Ether && mac != Mac::ZERO).then_some(mac)
}

fn kind(info: &[LinkInfo]) -> LinkKind {
    let kind = info.iter().find_map(|info| if let LinkInfo::Kind(kind) = info { Some(kind) } else { None });
    match kind {
        None => LinkKind::Physical,
        Some(kind) if *kind == InfoKind::Veth => LinkKind::Veth,
        Some(kind) => LinkKind::Other(kind.to_string()),
    }
}

/// The device below a VLAN device (802.1Q and 802.1ad alike). Other kinds name a device in IFLA_LINK, too: a veth its peer.
/// With a namespace beside it the number counts there, and may be that of another device here.
fn vlan_of(message: &LinkMessage) -> Option<u32> {
    let (mut is_vlan, mut elsewhere, mut below) = (false, false, None);
    for attribute in &message.attributes {
        if let LinkAttribute::LinkInfo(info) = attribute {
            is_vlan = info.contains(&LinkInfo::Kind(InfoKind::Vlan));
        } else if let LinkAttribute::Link(index) = attribute {
            below = Some(*index);
        } else if let LinkAttribute::LinkNetNsId(_) = attribute {
            elsewhere = true;
        }
    }
    below.filter(|_| is_vlan && !elsewhere)
}

/// One program is told as such; when several are attached (driver, socket buffer, hardware) the kernel names each, and the
/// one that sees a frame first is the one that counts.
fn xdp_program(xdp: &[LinkXdp]) -> Option<u32> {
    let id = |wanted: fn(&LinkXdp) -> Option<u32>| xdp.iter().find_map(wanted).filter(|&id| id != 0);
    id(|xdp| if let LinkXdp::ProgId(id) = xdp { Some(*id) } else { None })
        .or_else(|| id(|xdp| if let LinkXdp::HwProgId(id) = xdp { Some(*id) } else { None }))
        .or_else(|| id(|xdp| if let LinkXdp::DrvProgId(id) = xdp { Some(*id) } else { None }))
        .or_else(|| id(|xdp| if let LinkXdp::SkbProgId(id) = xdp { Some(*id) } else { None }))
}

/// Whether frames may be sent from it: duplicate address detection is over and found nobody (RFC 4862 section 5.4).
fn usable(flags: AddressFlags) -> bool {
    !flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed)
}

fn flags_of(message: &AddressMessage) -> AddressFlags {
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        if let AddressAttribute::Flags(all) = attribute {
            flags = *all;
        }
    }
    flags
}

fn address(links: &mut Links, message: &AddressMessage, present: bool) {
    let Some(link) = links.0.get_mut(&message.header.index) else { return };
    let Some(own) = own_address(message) else { return };
    let Ok(net) = IpNet::new(own, message.header.prefix_len) else { return };
    for (set, holds) in [
        (&mut link.addresses, present),
        (&mut link.leased, present && !flags_of(message).contains(AddressFlags::Permanent)),
    ] {
        if holds {
            set.insert(net);
        } else {
            set.remove(&net);
        }
    }
}

/// IFA_LOCAL is ours and IFA_ADDRESS the peer's; without a peer IPv6 has IFA_ADDRESS alone.
fn own_address(message: &AddressMessage) -> Option<IpAddr> {
    let mut own = None;
    for attribute in &message.attributes {
        if let AddressAttribute::Local(address) = attribute {
            return Some(*address);
        }
        if let AddressAttribute::Address(address) = attribute {
            own = Some(*address);
        }
    }
    own
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
