//! Asks everybody on some interfaces for an address, as a client would, and hears who answers.
//!
//! The program lets answers to clients through to sockets. Answers to questions between speakers it keeps to itself, for its
//! map of sightings: both are asked, so that a node without an address of its own learns something, and so that speakers
//! say who they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::wire::{ARP_FRAME, Arp, ArpOperation, Mac, ND_FRAME, Neighbor, NeighborKind};

use super::{
    Capture, CaptureError, Frame, FrameSocket, Heard, SendError,
    messages::{Speaker, question, sign_of_life},
};

/// Longer than every answer of which all is read.
const LONGEST: usize = 128;
/// Frames of one interface that are looked at: answers to other questions of this node pass by as well.
const MOST: usize = 4096;

/// Nobody could be asked.
#[derive(Debug, thiserror::Error)]
pub enum EnquiryError {
    /// Nothing can be heard.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// Nothing can be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// No address to ask from.
    #[error("interface {0} has no IPv6 link-local address to ask from")]
    Speechless(u32),
}

/// How an interface is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// Who asks.
    pub speaker: Speaker,
    /// The clients' question too, not only that between speakers. Its answers name no node.
    pub as_client: bool,
}

/// Questions that were put, and sockets that hear the answers.
pub struct Enquiry {
    address: IpAddr,
    socket: FrameSocket,
    ears: BTreeMap<u32, Result<Ear, EnquiryError>>,
}

/// One interface.
struct Ear {
    mac: Mac,
    frames: Vec<Frame>,
    capture: Capture,
}

impl Enquiry {
    /// Opens the sockets; nobody is asked yet.
    ///
    /// # Errors
    /// Without CAP_NET_RAW. What concerns one interface alone is told by [`Self::finish`].
    pub fn open(address: IpAddr, interfaces: &BTreeMap<u32, Asking>) -> Result<Self, EnquiryError> {
        let ears = interfaces.iter().map(|(index, asking)| (*index, Ear::open(address, *index, asking))).collect();
        Ok(Self { address, socket: FrameSocket::open()?, ears })
    }

    /// Asks everybody, on every interface.
    pub fn ask(&mut self) {
        for ear in self.ears.values_mut() {
            let sent = ear.as_ref().map_or(Ok(()), |ear| {
                ear.frames.iter().try_for_each(|frame| self.socket.send(frame.ifindex(), frame.bytes()))
            });
            if let Err(error) = sent {
                *ear = Err(error.into());
            }
        }
    }

    /// Who answered so far, by interface index, in answers to the clients' question.
    pub fn finish(self) -> BTreeMap<u32, Result<BTreeSet<Mac>, EnquiryError>> {
        let address = self.address;
        self.ears.into_iter().map(|(index, ear)| (index, ear.map(|ear| ear.answers(address)))).collect()
    }
}

impl Ear {
    fn open(address: IpAddr, ifindex: u32, asking: &Asking) -> Result<Self, EnquiryError> {
        let heard = match address {
            IpAddr::V4(_) => Heard::ArpReplies,
            IpAddr::V6(_) => Heard::Advertisements,
        };
        let speaker = &asking.speaker;
        let mut frames = Vec::new();
        frames.extend(question(speaker, (ifindex, address), None));
        frames.extend(sign_of_life(speaker, ifindex, address).filter(|_| asking.as_client));
        if frames.is_empty() {
            return Err(EnquiryError::Speechless(ifindex));
        }
        Ok(Self { mac: speaker.mac, frames, capture: Capture::open(ifindex, heard)? })
    }

    fn answers(mut self, address: IpAddr) -> BTreeSet<Mac> {
        let mut answers = BTreeSet::new();
        let mut buffer = [0; LONGEST];
        for _ in 0..MOST {
            let Ok(Some(arrival)) = self.capture.receive(&mut buffer) else { break };
            let frame = buffer.get_mut(..arrival.length).unwrap_or_default();
            answers.extend(answerer(frame, address, self.mac));
        }
        answers
    }
}

/// Who says in this frame to `me` that it has the address.
fn answerer(frame: &mut [u8], address: IpAddr, me: Mac) -> Option<Mac> {
    match address {
        IpAddr::V4(v4) => {
            let arp = Arp(frame.first_chunk_mut::<ARP_FRAME>()?);
            let answers = arp.is_ethernet_ipv4() && arp.operation() == Some(ArpOperation::Reply);
            (answers && arp.sender() == v4.octets() && arp.destination() == me).then(|| arp.sender_mac())
        }
        IpAddr::V6(v6) => {
            let kind = Neighbor::kind(frame.first_chunk()?);
            let neighbor = Neighbor(frame.first_chunk_mut::<ND_FRAME>()?);
            let answers = kind == Some(NeighborKind::Advertisement) && neighbor.is_solicited();
            let to_me = neighbor.ethernet_destination() == me;
            (answers && neighbor.target() == v6.octets() && to_me).then(|| neighbor.ethernet_source())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const V4: [u8; 4] = [192, 0, 2, 10];
    const V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];

    #[test]
    fn only_answers_to_us_count() {
        let mut answer = Arp::request(Mac::BROADCAST, ME, [192, 0, 2, 1], V4);
        assert_eq!(answerer(&mut answer, V4.into(), ME), None, "a question answers nothing");
        Arp(&mut answer).answer(OTHER);
        assert_eq!(answerer(&mut answer, V4.into(), ME), Some(OTHER));
        assert_eq!(answerer(&mut answer, [192, 0, 2, 11].into(), ME), None);
        assert_eq!(answerer(&mut answer, V4.into(), OTHER), None);
        assert_eq!(answerer(&mut answer[..ARP_FRAME - 1], V4.into(), ME), None);
    }

    #[test]
    fn advertisements_count_when_they_answer() {
        let mut frame = Neighbor::solicitation(ME, [0xfe; 16], V6);
        assert_eq!(answerer(&mut frame, V6.into(), ME), None);
        let Some((head, options)) = frame.split_first_chunk_mut() else { panic!("too short") };
        Neighbor(head).answer(OTHER, options.as_chunks_mut().0);
        assert_eq!(answerer(&mut frame, V6.into(), ME), Some(OTHER));
        assert_eq!(answerer(&mut frame, [0x20; 16].into(), ME), None);
        assert_eq!(answerer(&mut [], V6.into(), ME), None);
    }
}
