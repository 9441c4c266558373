//! Pure: from the bytes of the kernel to the messages [`super::table`] understands.
//!
//! Attributes are decoded one by one and only those that matter: a newer kernel may say things about some exotic device
//! that the library cannot read, and that must not cost us the interface, still less all interfaces behind it in a dump.

use netlink_packet_core::{DecodeError, NetlinkBuffer, NlasIterator, Parseable, ParseableParametrized};
use netlink_packet_route::{
    RouteNetlinkMessage,
    address::AddressMessage,
    link::{InfoKind, LinkAttribute, LinkHeader, LinkInfo, LinkMessage},
};

/// What follows the header of a message about an interface (`struct ifinfomsg`), in bytes.
const LINK_HEADER: usize = 16;
/// Messages start at multiples of this many bytes (NLMSG_ALIGNTO).
const ALIGNMENT: usize = 4;

const WANTED: [u16; 8] = [
    libc::IFLA_IFNAME,
    libc::IFLA_MTU,
    libc::IFLA_CARRIER,
    libc::IFLA_MASTER,
    libc::IFLA_ADDRESS,
    libc::IFLA_XDP,
    libc::IFLA_LINK,
    libc::IFLA_LINK_NETNSID,
];
const INFO_KIND: u16 = libc::IFLA_INFO_KIND;

/// The messages of one datagram; ends at the first that is cut off.
pub(super) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = NetlinkBuffer<&[u8]>> {
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(datagram).ok()?;
        let length = usize::try_from(message.length()).ok()?.next_multiple_of(ALIGNMENT);
        datagram = datagram.get(length..).unwrap_or_default();
        Some(message)
    })
}

/// A message about an interface or an address; `None` for any other.
///
/// # Errors
/// When its fixed part cannot be read.
pub(super) fn decode(kind: u16, payload: &[u8]) -> Result<Option<RouteNetlinkMessage>, DecodeError> {
    Ok(match kind {
        libc::RTM_NEWLINK => Some(RouteNetlinkMessage::NewLink(link(payload)?)),
        libc::RTM_DELLINK => Some(RouteNetlinkMessage::DelLink(link(payload)?)),
        libc::RTM_NEWADDR => Some(RouteNetlinkMessage::NewAddress(AddressMessage::parse(payload)?)),
        libc::RTM_DELADDR => Some(RouteNetlinkMessage::DelAddress(AddressMessage::parse(payload)?)),
        _ => None,
    })
}

fn link(payload: &[u8]) -> Result<LinkMessage, DecodeError> {
    let mut message = LinkMessage::default();
    message.header = LinkHeader::parse(payload)?;
    let family = message.header.interface_family;
    let attributes = payload.get(LINK_HEADER..).unwrap_or_default();
    for attribute in NlasIterator::new(attributes).map_while(Result::ok) {
        let decoded = match attribute.kind() {
            libc::IFLA_LINKINFO => {
                info_kind(attribute.value()).map(|kind| LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]))
            }
            kind if WANTED.contains(&kind) => LinkAttribute::parse_with_param(&attribute, family).ok(),
            _ => None,
        };
        message.attributes.extend(decoded);
    }
    Ok(message)
}

fn info_kind(info: &[u8]) -> Option<InfoKind> {
    let mut parts = NlasIterator::new(info).map_while(Result::ok);
    parts.find(|part| part.kind() == INFO_KIND).and_then(|part| InfoKind::parse(&part).ok())
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{NetlinkHeader, NetlinkMessage};
    use netlink_packet_route::link::LinkXdp;
    use proptest::prelude::*;

    use super::*;

    fn bytes(message: RouteNetlinkMessage) -> Vec<u8> {
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), message.into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes
    }

    fn eth0() -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = 3;
        message.attributes = vec![
            LinkAttribute::IfName("eth0".to_owned()),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
            LinkAttribute::Carrier(1),
            LinkAttribute::Mtu(1500),
            LinkAttribute::Controller(9),
            LinkAttribute::Link(2),
            LinkAttribute::LinkNetNsId(1),
            LinkAttribute::Xdp(vec![LinkXdp::ProgId(77)]),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth)]),
        ];
        message
    }

    fn decode_all(datagram: &[u8]) -> Vec<RouteNetlinkMessage> {
        messages(datagram).filter_map(|message| decode(message.message_type(), message.payload()).unwrap()).collect()
    }

    #[test]
    fn several_messages_in_one_datagram_are_read() {
        let new = RouteNetlinkMessage::NewLink(eth0());
        let gone = RouteNetlinkMessage::DelLink(eth0());
        let datagram = [bytes(new.clone()), bytes(gone.clone())].concat();
        assert_eq!(decode_all(&datagram), [new.clone(), gone]);
        assert_eq!(decode_all(&datagram[..datagram.len() - 1]), [new], "what is cut off is not guessed");
    }

    #[test]
    fn attributes_that_cannot_be_read_do_not_cost_the_interface() {
        let mut strange = eth0();
        // An MTU of one byte, and the information of a kind of device whose data makes no sense.
        let data = netlink_packet_core::DefaultNla::new(libc::IFLA_MTU, vec![1]);
        strange.attributes.insert(0, LinkAttribute::Other(data));
        let kind_and_rubbish = [9, 0, 1, 0, b'v', b'l', b'a', b'n', 0, 0, 0, 0, 5, 0, 2, 0, 0xff, 0, 0, 0].to_vec();
        let data = netlink_packet_core::DefaultNla::new(libc::IFLA_LINKINFO, kind_and_rubbish);
        strange.attributes.push(LinkAttribute::Other(data));
        let mut expected = eth0();
        expected.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan)]));
        assert_eq!(decode_all(&bytes(RouteNetlinkMessage::NewLink(strange))), [RouteNetlinkMessage::NewLink(expected)]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(datagram in proptest::collection::vec(any::<u8>(), 0..256), kind in 16_u16..24) {
            for message in messages(&datagram) {
                let _ = decode(message.message_type(), message.payload());
            }
            let _ = decode(kind, &datagram);
        }

        #[test]
        fn no_damaged_message_panics(at in 0_usize..100, byte: u8) {
            let mut datagram = bytes(RouteNetlinkMessage::NewLink(eth0()));
            let length = datagram.len();
            datagram[at % length] = byte;
            let _ = decode_all_tolerant(&datagram);
        }
    }

    fn decode_all_tolerant(datagram: &[u8]) -> usize {
        messages(datagram).filter(|message| decode(message.message_type(), message.payload()).is_ok()).count()
    }
}
