//! The rtnetlink socket: subscribed first, then asked for everything there is.

use std::{io, time::Duration};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR};
use netlink_packet_core::{NetlinkBuffer, NetlinkHeader, NetlinkMessage};
use netlink_packet_route::{RouteNetlinkMessage, address::AddressMessage, link::LinkMessage};
use netlink_sys::{AsyncSocket as _, AsyncSocketExt as _, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
use nix::sys::socket::{setsockopt, sockopt::RcvBuf, sockopt::RcvBufForce};

use super::{
    decode::{decode, messages},
    table::apply,
};
use crate::world::Links;

/// Multicast groups; none is above 31, where a bit mask would end.
const GROUPS: libc::c_int = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
/// Bytes of unread events the kernel keeps for us: about a thousand, as when a bridge with its ports is torn down.
const UNREAD: usize = 4 << 20;
/// Bytes of one datagram; the kernel's dumps come in 32 KiB at most.
const DATAGRAM: usize = 64 << 10;
/// How long the kernel may take to tell everything.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a dump is repeated because something changed meanwhile.
const ATTEMPTS: u32 = 5;

/// The kernel cannot be asked about interfaces.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket, or no subscription.
    #[error(
        "cannot subscribe to changes of interfaces (rtnetlink); in a container, allow sockets of family AF_NETLINK"
    )]
    Open(#[source] io::Error),
    /// A request could not be sent.
    #[error("cannot ask the kernel for its interfaces (rtnetlink)")]
    Ask(#[source] io::Error),
    /// The kernel refused a request.
    #[error("the kernel refuses to list its interfaces (rtnetlink)")]
    Refused(#[source] io::Error),
    /// The socket broke.
    #[error("cannot read changes of interfaces (rtnetlink)")]
    Read(#[source] io::Error),
    /// The end of a list never came.
    #[error("the kernel did not finish the list of its interfaces within {PATIENCE:?}; is the machine out of memory?")]
    Unfinished,
}

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Events {
    /// Changes, applied already.
    Applied,
    /// The kernel dropped some (ENOBUFS); the table is not to be trusted.
    Lost,
}

/// A subscribed socket in the network namespace of the thread that opened it.
pub(super) struct Monitor {
    socket: TokioSocket,
    datagram: Vec<u8>,
    /// Our own port: marks answers to us among events.
    port: u32,
    sequence: u32,
}

impl Monitor {
    pub(super) fn open() -> Result<Self, NetlinkError> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE).map_err(NetlinkError::Open)?;
        let inner = socket.socket_mut();
        // Beyond the system's limit with CAP_NET_ADMIN, up to it without; too small a buffer only costs repeated dumps.
        if setsockopt(inner, RcvBufForce, &UNREAD).is_err()
            && let Err(error) = setsockopt(inner, RcvBuf, &UNREAD)
        {
            tracing::warn!(%error, "cannot enlarge the receive buffer of the rtnetlink socket");
        }
        let mut address = SocketAddr::new(0, GROUPS.unsigned_abs());
        inner.bind(&address).map_err(NetlinkError::Open)?;
        inner.get_address(&mut address).map_err(NetlinkError::Open)?;
        Ok(Self { socket, datagram: Vec::with_capacity(DATAGRAM), port: address.port_number(), sequence: 0 })
    }

    /// Waits for changes and applies them. Nothing is lost when the future is dropped: it is done at once after its only
    /// wait.
    pub(super) async fn follow(&mut self, links: &mut Links) -> Result<Events, NetlinkError> {
        if !self.read().await? {
            return Ok(Events::Lost);
        }
        for message in messages(&self.datagram) {
            take(links, &message);
        }
        Ok(Events::Applied)
    }

    /// Everything there is, and whether it is known to be one consistent state. A part of a list and an event that wait in
    /// the queue side by side may be in either order, so an event during the dump is a reason to ask again.
    pub(super) async fn dump(&mut self) -> Result<(Links, bool), NetlinkError> {
        let mut links = Links::default();
        for _attempt in 0..ATTEMPTS {
            links = Links::default();
            let link = RouteNetlinkMessage::GetLink(LinkMessage::default());
            let address = RouteNetlinkMessage::GetAddress(AddressMessage::default());
            let clean = self.list(link, &mut links).await?;
            // No shortcut: the events of the second list would be missed.
            if self.list(address, &mut links).await? && clean {
                return Ok((links, true));
            }
        }
        Ok((links, false))
    }

    /// One list; true when nothing happened meanwhile.
    async fn list(&mut self, request: RouteNetlinkMessage, links: &mut Links) -> Result<bool, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, request.into());
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        let kernel = SocketAddr::new(0, 0);
        self.socket.send_to(&bytes, &kernel).await.map_err(NetlinkError::Ask)?;
        let answers = self.answers(links);
        tokio::time::timeout(PATIENCE, answers).await.map_err(|_elapsed| NetlinkError::Unfinished)?
    }

    async fn answers(&mut self, links: &mut Links) -> Result<bool, NetlinkError> {
        let mut clean = true;
        loop {
            if !self.read().await? {
                clean = false;
                continue;
            }
            for message in messages(&self.datagram) {
                if message.port_number() != self.port || message.sequence_number() != self.sequence {
                    clean = false;
                    take(links, &message);
                    continue;
                }
                clean &= message.flags() & NLM_F_DUMP_INTR == 0;
                match message.message_type() {
                    // Both start with an error number; a list that went wrong half-way ends with DONE and a number.
                    NLMSG_DONE | NLMSG_ERROR => return refusal(message.payload()).map_or(Ok(clean), Err),
                    _ => take(links, &message),
                }
            }
        }
    }

    /// Reads one datagram of the kernel; false when the kernel says that it dropped some.
    async fn read(&mut self) -> Result<bool, NetlinkError> {
        loop {
            self.datagram.clear();
            match self.socket.recv_from(&mut self.datagram).await {
                Ok(sender) if sender.port_number() == 0 => return Ok(true),
                // Not the kernel: any process with CAP_NET_ADMIN may send us things.
                Ok(_sender) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return Ok(false),
                Err(error) => return Err(NetlinkError::Read(error)),
            }
        }
    }
}

/// Applies a message if it is about interfaces or addresses.
fn take(links: &mut Links, message: &NetlinkBuffer<&[u8]>) {
    match decode(message.message_type(), message.payload()) {
        Ok(Some(message)) => apply(links, &message),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(%error, kind = message.message_type(), "cannot read an rtnetlink message, it is ignored")
        }
    }
}

fn refusal(payload: &[u8]) -> Option<NetlinkError> {
    let number = payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    (number != 0).then(|| NetlinkError::Refused(io::Error::from_raw_os_error(number.saturating_abs())))
}

#[cfg(test)]
impl Monitor {
    /// The smallest receive buffer the kernel grants, so that a test can overflow it.
    pub(super) fn shrink(&self) {
        setsockopt(self.socket.socket_ref(), RcvBuf, &1).unwrap();
    }
}
