//! The packet decision of Arpeggio: which frames are answered, dropped or passed, and what is remembered of them.
//!
//! One function, [`decide`], over one door to the packet bytes ([`Frame`]) and one to the maps ([`Tables`]). The XDP and tc
//! entries in `main.rs` call it in the kernel; the user-space responder, the tests and the fuzz target call the same code.

#![no_std]
#![warn(missing_docs)]

mod frame;
mod neigh;
mod tables;

pub use frame::Frame;
pub use neigh::{arp, ndp};
pub use tables::Tables;

use arpeggio_common::{
    abi::Outcome,
    wire::{ETHERNET_HEADER, EtherType, Neighbor, NeighborKind},
};

/// What a frame is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// ARP: [`arp`] decides.
    Arp,
    /// Neighbour discovery: [`ndp`] decides.
    Discovery(NeighborKind),
    /// It has a VLAN tag: [`Frame::without_priority_tag`] shows what is behind one that names no VLAN.
    Tagged,
    /// Ordinary traffic. It leaves after one comparison of the EtherType and, for IPv6, of next header and type: no map is
    /// touched.
    Other,
}

impl Subject {
    /// Looks at the headers of a frame.
    #[inline(always)]
    pub fn of(frame: &mut Frame) -> Self {
        let Some(header) = frame.head::<ETHERNET_HEADER>() else { return Self::Other };
        match EtherType::of(header) {
            EtherType::IPV6 => {
                // A frame too short for an ICMPv6 type is somebody else's traffic.
                frame.head().and_then(|head| Neighbor::kind(head)).map_or(Self::Other, Self::Discovery)
            }
            EtherType::ARP => Self::Arp,
            EtherType::VLAN => Self::Tagged,
            _ => Self::Other,
        }
    }
}

/// Decides about one frame that arrived on the interface `ifindex`. When the outcome's disposition is `Transmit`, the frame
/// has been rewritten into the answer.
#[inline(always)]
pub fn decide(frame: &mut Frame, tables: &impl Tables, ifindex: u32) -> Outcome {
    let untagged = |frame: &mut Frame| match Subject::of(frame) {
        Subject::Arp => Some(arp(frame, tables, ifindex)),
        Subject::Discovery(kind) => Some(ndp(frame, kind, tables, ifindex)),
        Subject::Tagged => None,
        Subject::Other => Some(Outcome::Ordinary),
    };
    let tagged = |frame: &mut Frame| frame.without_priority_tag(|mut inner| untagged(&mut inner)).flatten();
    // A second tag is somebody else's business, whatever it says.
    untagged(frame).or_else(|| tagged(frame)).unwrap_or(Outcome::Ordinary)
}
