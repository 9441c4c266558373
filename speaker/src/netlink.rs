//! One question and its answers over netlink, blocking: for checks, and for threads of their own.

use std::{io, time::Duration};

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable, NlasIterator, ParseableParametrized,
};
use netlink_packet_generic::{
    GenlFamily, GenlHeader, GenlMessage,
    ctrl::{GenlCtrl, GenlCtrlCmd, nlas::GenlCtrlAttrs},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use nix::sys::{
    socket::{setsockopt, sockopt::ReceiveTimeout},
    time::{TimeVal, TimeValLike},
};

/// The kernel answers at once; this only keeps the caller from hanging for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// The kernel makes the parts of a dump as large as the largest buffer it was ever offered, at most this. The offloads of one
/// device do not fit into the 4096 bytes it would otherwise use.
const DATAGRAM: usize = 32_768;

/// A netlink socket in the network namespace it was opened in.
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// `protocol`: `NETLINK_ROUTE` or `NETLINK_GENERIC`.
    ///
    /// # Errors
    /// Out of descriptors, or the kernel lacks the protocol.
    pub(crate) fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let timeout = i64::try_from(PATIENCE.as_secs()).unwrap_or(5);
        setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(timeout))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends one request with `flags` besides `NLM_F_REQUEST`; hands back every message of the answer.
    ///
    /// # Errors
    /// The error of the kernel, or a message that cannot be read.
    pub(crate) fn ask<M>(&mut self, message: M, flags: u16) -> io::Result<Vec<M>>
    where
        M: NetlinkSerializable + NetlinkDeserializable + Into<NetlinkPayload<M>>,
    {
        let mut answers = Vec::new();
        self.each(message, flags, |answer| answers.push(answer))?;
        Ok(answers)
    }

    /// The same, one message at a time: a dump may be larger than what there is memory for.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(crate) fn each<M>(&mut self, message: M, flags: u16, mut take: impl FnMut(M)) -> io::Result<()>
    where
        M: NetlinkSerializable + NetlinkDeserializable + Into<NetlinkPayload<M>>,
    {
        self.sequence += 1;
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        request.header.sequence_number = self.sequence;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        loop {
            let datagram = self.receive()?;
            if self.read(&datagram, flags & NLM_F_DUMP != 0, &mut take)? {
                return Ok(());
            }
        }
    }

    fn receive(&self) -> io::Result<Vec<u8>> {
        let mut datagram = Vec::with_capacity(DATAGRAM);
        let length = self.socket.recv(&mut datagram, libc::MSG_TRUNC)?;
        if length > datagram.len() { Err(io::Error::from_raw_os_error(libc::EMSGSIZE)) } else { Ok(datagram) }
    }

    /// Reads one datagram; whether it ends the answer. That a dump goes on is not told by NLM_F_MULTI: the `netdev` family
    /// forgets that flag.
    fn read<M: NetlinkDeserializable>(
        &self,
        datagram: &[u8],
        is_dump: bool,
        take: &mut impl FnMut(M),
    ) -> io::Result<bool> {
        let mut rest = datagram;
        while !rest.is_empty() {
            let message = NetlinkMessage::<M>::deserialize(rest).map_err(invalid)?;
            let length = usize::try_from(message.header.length).map_err(invalid)?.next_multiple_of(4);
            rest = rest.get(length.max(4)..).unwrap_or_default();
            if message.header.sequence_number != self.sequence {
                continue;
            }
            match message.payload {
                NetlinkPayload::InnerMessage(answer) => {
                    take(answer);
                    if !is_dump {
                        return Ok(true);
                    }
                }
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                // How a dump that cannot go on ends.
                NetlinkPayload::Done(done) if done.code < 0 => return Err(io::Error::from_raw_os_error(-done.code)),
                NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(true),
                NetlinkPayload::Overrun(_) => return Err(io::Error::from_raw_os_error(libc::ENOBUFS)),
                NetlinkPayload::Noop | _ => {}
            }
        }
        Ok(false)
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// A message of a generic netlink family that the libraries have no types for: its attributes as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    command: u8,
    attributes: Vec<u8>,
}

impl GenlFamily for Raw {
    /// Not used: the family is resolved by whoever sends it.
    fn family_name() -> &'static str {
        ""
    }

    fn command(&self) -> u8 {
        self.command
    }

    fn version(&self) -> u8 {
        1
    }
}

impl Emitable for Raw {
    fn buffer_len(&self) -> usize {
        self.attributes.len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.attributes);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Raw {
    fn parse_with_param(buffer: &[u8], header: GenlHeader) -> Result<Self, DecodeError> {
        Ok(Self { command: header.cmd, attributes: buffer.to_vec() })
    }
}

/// Asks a generic netlink family about all devices: the attributes of each answer. `None` when the kernel has no such family
/// or command.
///
/// # Errors
/// Any other error of the kernel.
pub(crate) fn dump(family: &str, command: u8, attributes: &[DefaultNla]) -> io::Result<Option<Vec<Vec<u8>>>> {
    let mut netlink = Netlink::open(NETLINK_GENERIC)?;
    let Some(id) = resolve(&mut netlink, family)? else { return Ok(None) };
    let mut bytes = vec![0; attributes.buffer_len()];
    attributes.emit(&mut bytes);
    let mut message = GenlMessage::from_payload(Raw { command, attributes: bytes });
    message.set_resolved_family_id(id);
    match netlink.ask(message, NLM_F_DUMP) {
        Ok(answers) => Ok(Some(answers.into_iter().map(|answer| answer.payload.attributes).collect())),
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The number of a generic netlink family; `None` when the kernel has none of that name.
fn resolve(netlink: &mut Netlink, family: &str) -> io::Result<Option<u16>> {
    let nlas = vec![GenlCtrlAttrs::FamilyName(family.to_owned())];
    let answers = match netlink.ask(GenlMessage::from_payload(GenlCtrl { cmd: GenlCtrlCmd::GetFamily, nlas }), 0) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
        answers => answers?,
    };
    let attributes = answers.iter().flat_map(|answer| &answer.payload.nlas);
    Ok(attributes
        .filter_map(|attribute| if let GenlCtrlAttrs::FamilyId(id) = attribute { Some(*id) } else { None })
        .next())
}

/// The values of the attributes of this kind, in their order. What is cut off is left out.
pub(crate) fn values(attributes: &[u8], kind: u16) -> impl Iterator<Item = &[u8]> {
    NlasIterator::new(attributes).flatten().filter(move |nla| nla.kind() == kind).filter_map(|nla| {
        let range = 4..usize::from(nla.length());
        nla.into_inner().get(range)
    })
}

/// The value of the first attribute of this kind.
pub(crate) fn value(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    values(attributes, kind).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_that_does_not_exist_is_no_error() {
        assert_eq!(dump("arpeggio-none", 1, &[]).unwrap(), None);
    }

    #[test]
    fn a_command_that_does_not_exist_is_no_error() {
        // `nlctrl` is always there and cannot dump its command 200.
        assert_eq!(dump("nlctrl", 200, &[]).unwrap(), None);
    }

    #[test]
    fn attributes_are_found_and_cut_ones_are_left_out() {
        let bytes = [5, 0, 1, 0, 7, 0, 0, 0, 8, 0, 2, 0, 1, 2, 3, 4, 8, 0, 2, 0, 9];
        assert_eq!(value(&bytes, 1), Some(&[7][..]));
        assert_eq!(values(&bytes, 2).collect::<Vec<_>>(), [&[1, 2, 3, 4][..]]);
        assert_eq!(value(&bytes, 3), None);
    }
}
