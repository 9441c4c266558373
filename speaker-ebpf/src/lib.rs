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
pub use tables::Tables;

use arpeggio_common::{
    abi::Outcome,
    wire::{ETHERNET_HEADER, EtherType},
};

/// Decides about one frame that arrived on the interface `ifindex`. When the outcome's disposition is `Transmit`, the frame
/// has been rewritten into the answer.
///
/// Ordinary traffic leaves after one comparison of the EtherType and, for IPv6, of next header and type: no map is touched.
#[inline(always)]
pub fn decide(frame: &mut Frame, tables: &impl Tables, ifindex: u32) -> Outcome {
    let Some(header) = frame.head::<ETHERNET_HEADER>() else { return Outcome::Ordinary };
    match EtherType::of(header) {
        EtherType::IPV6 => neigh::ndp(frame, tables, ifindex),
        EtherType::ARP => neigh::arp(frame, tables, ifindex),
        _ => Outcome::Ordinary,
    }
}
