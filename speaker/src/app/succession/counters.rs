//! How many frames an interface has received: the sign that it hears anything.

use std::io;

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkMessage},
};
use netlink_sys::protocols::NETLINK_ROUTE;

use crate::netlink::Netlink;

/// A socket to ask the kernel for counters of interfaces.
pub(super) struct FrameCounters(Netlink);

impl FrameCounters {
    /// In the network namespace of the calling thread.
    ///
    /// # Errors
    /// There is no such socket.
    pub(super) fn open() -> io::Result<Self> {
        Netlink::open(NETLINK_ROUTE).map(Self)
    }

    /// Frames received since the interface exists; `None` when it is gone.
    pub(super) fn received(&mut self, ifindex: u32) -> Option<u64> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex;
        let answers = self.0.ask(RouteNetlinkMessage::GetLink(message), 0).ok()?;
        answers.iter().find_map(|answer| {
            if let RouteNetlinkMessage::NewLink(link) = answer {
                link.attributes.iter().find_map(received)
            } else {
                None
            }
        })
    }
}

const fn received(attribute: &LinkAttribute) -> Option<u64> {
    if let LinkAttribute::Stats64(stats) = attribute { Some(stats.rx_packets) } else { None }
}
