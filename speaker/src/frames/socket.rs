//! Sending: one raw packet socket for all interfaces.
//!
//! One frame is one system call. sendmmsg(2) was left out on purpose: the pace of claims is 4,000 frames a second, where
//! it saves less than a thousandth of one processor, and it would need frames and addresses pinned in arrays of pointers.

#![expect(unsafe_code, reason = "socket2 has no safe constructor for AF_PACKET addresses")]

use std::{collections::BTreeMap, io};

use nix::errno::Errno;
use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

use super::Frame;

/// Why a frame did not leave.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No raw socket at all.
    #[error("cannot open a raw packet socket; run the agent with CAP_NET_RAW")]
    Open(#[source] io::Error),
    /// The queue of the interface or of the socket is full.
    #[error(
        "cannot send a frame on interface {ifindex}: its transmit queue is full; the next round of claims repeats it"
    )]
    Full {
        /// Index of the interface.
        ifindex: u32,
    },
    /// The interface is not there any more, or is administratively down.
    #[error("cannot send a frame on interface {ifindex}: it is gone or down; set it up (ip link set … up)")]
    Down {
        /// Index of the interface.
        ifindex: u32,
        /// ENXIO, ENODEV or ENETDOWN.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot send a frame of {length} bytes on interface {ifindex}; look at its MTU and driver (ip -s link)")]
    Refused {
        /// Index of the interface.
        ifindex: u32,
        /// Bytes of the frame, with its Ethernet header.
        length: usize,
        /// What the kernel says.
        source: io::Error,
    },
}

/// What became of frames; reports add up.
#[derive(Debug, Default)]
pub struct SendReport {
    /// Frames handed to an interface.
    pub sent: u64,
    /// Frames given up because a queue was full (ENOBUFS, EAGAIN).
    pub full: u64,
    /// Frames that could not be sent for another reason.
    pub failed: u64,
    /// The last failure of each interface, full queues included.
    pub errors: BTreeMap<u32, SendError>,
}

impl SendReport {
    /// Adds a later report to this one.
    pub fn merge(&mut self, later: Self) {
        self.sent += later.sent;
        self.full += later.full;
        self.failed += later.failed;
        self.errors.extend(later.errors);
    }
}

/// A raw packet socket that sends on every interface of its network namespace and receives nothing. Never blocks.
#[derive(Debug)]
pub struct FrameSocket {
    socket: Socket,
}

impl FrameSocket {
    /// Opens the socket in the network namespace of the calling thread.
    ///
    /// # Errors
    /// [`SendError::Open`], mostly for want of CAP_NET_RAW.
    pub fn open() -> Result<Self, SendError> {
        // Protocol 0: the kernel delivers nothing to it (packet(7)), so nothing has to be read and thrown away.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None).map_err(SendError::Open)?;
        socket.set_nonblocking(true).map_err(SendError::Open)?;
        Ok(Self { socket })
    }

    /// Sends one frame, which begins with its Ethernet header.
    ///
    /// # Errors
    /// Everything but [`SendError::Open`].
    pub fn send(&self, ifindex: u32, frame: &[u8]) -> Result<(), SendError> {
        // The EtherType tells queueing disciplines and other listeners what it is; older kernels do not look themselves.
        let protocol = match frame {
            [_, _, _, _, _, _, _, _, _, _, _, _, high, low, ..] => u16::from_be_bytes([*high, *low]),
            _ => 0,
        };
        match self.socket.send_to(frame, &link_address(ifindex, protocol)) {
            Ok(_) => Ok(()),
            Err(source) => Err(classify(ifindex, frame.len(), source)),
        }
    }

    /// Sends all of them, in order; a failure of one does not hold up the others.
    pub fn send_all(&self, frames: &[Frame]) -> SendReport {
        let mut report = SendReport::default();
        for frame in frames {
            match self.send(frame.ifindex(), frame.bytes()) {
                Ok(()) => report.sent += 1,
                Err(error) => {
                    if matches!(error, SendError::Full { .. }) {
                        report.full += 1;
                    } else {
                        report.failed += 1;
                    }
                    report.errors.insert(frame.ifindex(), error);
                }
            }
        }
        report
    }
}

fn classify(ifindex: u32, length: usize, source: io::Error) -> SendError {
    match source.raw_os_error().map(Errno::from_raw) {
        // ENOBUFS: the queueing discipline dropped it. EAGAIN: the socket holds as much as it may.
        Some(Errno::ENOBUFS | Errno::EAGAIN) => SendError::Full { ifindex },
        Some(Errno::ENXIO | Errno::ENODEV | Errno::ENETDOWN) => SendError::Down { ifindex, source },
        _ => SendError::Refused { ifindex, length, source },
    }
}

/// The address of an interface for AF_PACKET sockets; `protocol` is an EtherType in host order.
pub(crate) fn link_address(ifindex: u32, protocol: u16) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `view_as` demands a socket address type of the platform that fits into the storage. `sockaddr_ll` is Linux's
    // for AF_PACKET (packet(7)), every such type is at most as large and as aligned as `sockaddr_storage`, it is made of
    // integers only, so the zeroed bytes are a valid one.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = FAMILY;
    link.sll_protocol = protocol.to_be();
    // The kernel's indices are positive `int`s; the bits are the same.
    link.sll_ifindex = ifindex.cast_signed();
    // SAFETY: `new` demands that family and length belong to what the storage holds: it holds a `sockaddr_ll` with the
    // family AF_PACKET, both set above, and the length is that of a `sockaddr_ll`.
    unsafe { SockAddr::new(storage, LENGTH) }
}

#[expect(clippy::cast_possible_truncation, reason = "AF_PACKET is 17")]
const FAMILY: libc::sa_family_t = libc::AF_PACKET as libc::sa_family_t;
#[expect(clippy::cast_possible_truncation, reason = "the structure has 20 bytes")]
const LENGTH: libc::socklen_t = size_of::<libc::sockaddr_ll>() as libc::socklen_t;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_queues_are_told_from_missing_interfaces() {
        let from = |errno: Errno| classify(7, 42, io::Error::from_raw_os_error(errno as i32));
        assert!(matches!(from(Errno::ENOBUFS), SendError::Full { ifindex: 7 }));
        assert!(matches!(from(Errno::EAGAIN), SendError::Full { ifindex: 7 }));
        for gone in [Errno::ENXIO, Errno::ENODEV, Errno::ENETDOWN] {
            assert!(matches!(from(gone), SendError::Down { ifindex: 7, .. }));
        }
        assert!(matches!(from(Errno::EMSGSIZE), SendError::Refused { ifindex: 7, length: 42, .. }));
    }

    #[test]
    fn the_address_is_that_of_packet_sockets() {
        let address = link_address(3, 0x0806);
        assert_eq!(i32::from(address.family()), libc::AF_PACKET);
        assert_eq!(address.len(), 20);
    }

    #[test]
    fn reports_add_up_and_keep_the_last_error() {
        let mut sum =
            SendReport { sent: 2, full: 1, failed: 0, errors: BTreeMap::from([(1, SendError::Full { ifindex: 1 })]) };
        let gone = classify(1, 42, io::Error::from_raw_os_error(libc::ENXIO));
        sum.merge(SendReport { sent: 3, full: 0, failed: 4, errors: BTreeMap::from([(1, gone)]) });
        assert_eq!((sum.sent, sum.full, sum.failed), (5, 1, 4));
        assert!(sum.errors[&1].to_string().contains("gone or down"));
    }
}
