//! Asks everybody on some interfaces for an address, as a client would, and hears who answers. It claims nothing and changes
//! nobody's cache.
//!
//! The program lets answers to clients through to sockets. Answers to questions between speakers it keeps to itself, for its
//! map of sightings: both are asked, so that a node without an address of its own learns something, and so that speakers
//! say who they are. Speakers that are known are asked by unicast as well: some switches do not flood questions.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::wire::{ARP_FRAME, Arp, ArpOperation, Mac, ND_FRAME, Neighbor, NeighborKind};
use arpeggio_succession::To;

use super::{
    Capture, CaptureError, Frame, FrameSocket, Heard, SendError,
    messages::{Saying, Speaker, question, sign_of_life},
};
use crate::{clock::monotonic_ns, dataplane::Place};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// Who asks.
    pub speaker: Speaker,
    /// The clients' question too, not only that between speakers. Its answers name no node.
    pub as_client: bool,
    /// The speakers that are known there: each is asked alone as well.
    pub others: BTreeSet<Mac>,
    /// Machines that answer for themselves, so that something comes in at all.
    pub witnesses: BTreeSet<IpAddr>,
}

/// What came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Who answered the clients' question.
    pub macs: BTreeSet<Mac>,
    /// Whether any answer came in, to whatever question.
    pub heard: bool,
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
    pub fn finish(self) -> BTreeMap<u32, Result<Answers, EnquiryError>> {
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
        let frames = questions(address, ifindex, asking);
        if frames.is_empty() {
            return Err(EnquiryError::Speechless(ifindex));
        }
        Ok(Self { mac: asking.speaker.mac, frames, capture: Capture::open(ifindex, heard)? })
    }

    fn answers(mut self, address: IpAddr) -> Answers {
        let mut answers = Answers::default();
        let mut buffer = [0; LONGEST];
        for _ in 0..MOST {
            let Ok(Some(arrival)) = self.capture.receive(&mut buffer) else { break };
            let frame = buffer.get_mut(..arrival.length).unwrap_or_default();
            answers.heard = true;
            answers.macs.extend(answerer(frame, address, self.mac));
        }
        answers
    }
}

/// Pure: everything that is asked on one interface. None of it is sent from the address itself: that would be a claim.
fn questions(address: IpAddr, ifindex: u32, asking: &Asking) -> Vec<Frame> {
    let Asking { speaker, as_client, others, witnesses } = asking;
    let mut frames = Vec::new();
    let everybody_and_each = std::iter::once(To::All).chain(others.iter().map(|mac| To::One(*mac)));
    let saying = Saying { generation: 0, now_ns: monotonic_ns() };
    frames.extend(everybody_and_each.filter_map(|to| question(speaker, (ifindex, address), to, saying)));
    let is_claim = match address {
        IpAddr::V4(v4) => speaker.ipv4.iter().flatten().any(|net| net.addr() == v4),
        IpAddr::V6(v6) => speaker.link_local == Some(v6),
    };
    if *as_client && !is_claim {
        frames.extend(sign_of_life(speaker, ifindex, address));
        frames.extend(others.iter().filter_map(|to| client_question(speaker, (ifindex, address), *to)));
    }
    frames.extend(witnesses.iter().filter_map(|witness| sign_of_life(speaker, ifindex, *witness)));
    frames
}

/// Asks one machine alone, as a client that looks whether its entry is still true (RFC 1122 section 2.3.2.1).
fn client_question(speaker: &Speaker, (ifindex, address): Place, to: Mac) -> Option<Frame> {
    match address {
        IpAddr::V4(v4) => {
            let sender = speaker.asks_from(v4)?.octets();
            Some(Frame::new(ifindex, Arp::request(to, speaker.mac, sender, v4.octets())))
        }
        IpAddr::V6(v6) => {
            let mut frame = Neighbor::solicitation(speaker.mac, speaker.link_local?.octets(), v6.octets());
            *frame.first_chunk_mut()? = to.0;
            Some(Frame::new(ifindex, frame))
        }
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
    use crate::frames::messages::{SUBNETS, Signer};

    const ME: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const V4: [u8; 4] = [192, 0, 2, 10];
    const V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];

    #[test]
    fn nothing_is_asked_from_the_address_itself() {
        let signer = Signer { node: arpeggio_common::model::NodeId::from_number(7).unwrap(), key: None };
        let with = |nets: &[&str]| {
            let mut ipv4 = [None; SUBNETS];
            for (place, net) in ipv4.iter_mut().zip(nets) {
                *place = Some(net.parse().unwrap());
            }
            Speaker { signer, mac: ME, ipv4, link_local: None }
        };
        let speaker = with(&["192.0.2.10/24"]);
        let asking = |speaker| Asking { speaker, as_client: true, others: [OTHER].into(), witnesses: [].into() };
        let claims = |frame: &Frame| frame.bytes()[28..32] == V4;
        let frames = questions(V4.into(), 7, &asking(speaker));
        assert!(frames.len() == 2 && !frames.iter().any(claims), "{frames:?}");
        let elsewhere = with(&["192.0.2.1/24"]);
        let frames = questions(V4.into(), 7, &asking(elsewhere));
        let to: Vec<_> = frames.iter().map(|frame| &frame.bytes()[..6]).collect();
        assert_eq!(to, [&[0xff; 6], &OTHER.0, &[0xff; 6], &OTHER.0], "speakers ask, then a client does");
        assert!(!frames.iter().any(claims));
    }

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
