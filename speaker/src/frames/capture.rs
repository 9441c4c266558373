//! Receiving: a raw packet socket on one interface that wakes nobody for ordinary traffic.
//!
//! It is bound to one EtherType, so frames of other protocols never reach it, nor do frames that this host sends; a classic
//! BPF program picks the messages. Frames with a VLAN tag are left alone, as the kernel program does, whether or not a VLAN
//! device takes them.

use std::{
    io::{self, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use nix::{
    cmsg_space,
    errno::Errno,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt},
        time::TimeSpec,
    },
};
use socket2::{Domain, Socket, Type};

use super::{filter::Heard, socket::link_address};
use crate::clock;

/// Bytes of frames that wait to be read: 16 MiB, some twenty thousand minimal frames, a second of a flood.
const RECEIVE_BUFFER: usize = 16 << 20;

/// Receiving is not possible.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot {operation} the raw packet socket of interface {ifindex}; it needs CAP_NET_RAW and an interface that exists"
)]
pub struct CaptureError {
    operation: &'static str,
    ifindex: u32,
    source: io::Error,
}

/// One received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its length; what is beyond the end of the buffer is cut off.
    pub length: usize,
    /// When the kernel received it, monotonic nanoseconds.
    pub at_ns: u64,
}

/// A raw packet socket that hears some messages on one interface. Never blocks.
#[derive(Debug)]
pub struct Capture {
    socket: Socket,
    control: Vec<u8>,
    wall_ahead_ns: u64,
    dropped: u32,
}

impl Capture {
    /// Listens in the network namespace of the calling thread.
    ///
    /// # Errors
    /// Without CAP_NET_RAW, or when the interface does not exist.
    pub fn open(ifindex: u32, heard: Heard) -> Result<Self, CaptureError> {
        let failed = |operation| move |source| CaptureError { operation, ifindex, source };
        // Protocol 0 until the filter is in place: not one frame gets past it.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None).map_err(failed("open"))?;
        socket.set_nonblocking(true).map_err(failed("open"))?;
        socket.attach_filter(&heard.program(ifindex)).map_err(failed("set the filter of"))?;
        let options = setsockopt(&socket, sockopt::ReceiveTimestampns, &true)
            .and_then(|()| setsockopt(&socket, sockopt::RxqOvfl, &1));
        options.map_err(|errno| failed("set the options of")(errno.into()))?;
        // Beyond the system's limit with CAP_NET_ADMIN, else up to it.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            socket.set_recv_buffer_size(RECEIVE_BUFFER).map_err(failed("size"))?;
        }
        socket.bind(&link_address(ifindex, heard.ether_type())).map_err(failed("bind"))?;
        Ok(Self { socket, control: cmsg_space!(TimeSpec, u32), wall_ahead_ns: clock::wall_ahead_ns(), dropped: 0 })
    }

    /// To be called before a batch of [`Self::receive`]: follows the wall clock, in which the kernel stamps frames.
    pub fn begin(&mut self) {
        self.wall_ahead_ns = clock::wall_ahead_ns();
    }

    /// Reads one frame into the buffer; `None` when there is none.
    ///
    /// # Errors
    /// Whatever the kernel says, mostly ENETDOWN once after the interface went down or away.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<Arrival>> {
        let mut parts = [IoSliceMut::new(buffer)];
        let descriptor = self.socket.as_raw_fd();
        let message = match recvmsg::<()>(descriptor, &mut parts, Some(&mut self.control), MsgFlags::MSG_DONTWAIT) {
            Ok(message) => message,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let mut arrival = Arrival { length: message.bytes, at_ns: 0 };
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmTimestampns(at) = control {
                let wall_ns = at.tv_sec().cast_unsigned() * 1_000_000_000 + at.tv_nsec().cast_unsigned();
                arrival.at_ns = wall_ns.saturating_sub(self.wall_ahead_ns);
            } else if let ControlMessageOwned::RxqOvfl(dropped) = control {
                self.dropped = dropped;
            }
        }
        Ok(Some(arrival))
    }

    /// Frames that were lost because nobody read, since the socket was opened; wraps around.
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }
}

impl AsFd for Capture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Capture {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}
