//! ARP: requests are answered or suppressed, everything that speaks for an address is a sighting.

use arpeggio_common::{
    abi::{Key4, Outcome, SightingKind, bucket},
    wire::{ARP_FRAME, Arp, ArpOperation, Mac},
};

use super::{Asker, heartbeat, request, sighting};
use crate::{Frame, Tables};

/// Decides about a frame whose EtherType is ARP.
#[inline(always)]
pub fn decide(frame: &mut Frame, tables: &impl Tables, ifindex: u32) -> Outcome {
    let Some(bytes) = frame.head::<ARP_FRAME>() else { return Outcome::Truncated };
    let mut arp = Arp(bytes);
    if !arp.is_ethernet_ipv4() {
        return Outcome::ForeignHardware;
    }
    let Some(operation) = arp.operation() else { return Outcome::ForeignOperation };
    if arp.sender_mac().is_group() {
        return Outcome::BadSender;
    }
    match operation {
        // A gratuitous request asks nobody: it claims (RFC 5227 section 3).
        ArpOperation::Request if arp.sender() == arp.target() => spoken_for(&arp, tables, ifindex, SightingKind::Claim),
        ArpOperation::Request => asked(&mut arp, tables, ifindex),
        ArpOperation::Reply => {
            let kind = if arp.target() == [0; 4] && arp.destination() != Mac::BROADCAST {
                SightingKind::Heartbeat
            } else if arp.destination() == Mac::BROADCAST {
                SightingKind::Claim
            } else {
                SightingKind::Reply
            };
            spoken_for(&arp, tables, ifindex, kind)
        }
    }
}

/// Somebody asks for the target address.
#[inline(always)]
fn asked(arp: &mut Arp<'_>, tables: &impl Tables, ifindex: u32) -> Outcome {
    let key = Key4::new(ifindex, arp.target());
    let Some(vip) = tables.vip4(&key) else { return Outcome::ForeignTarget };
    let now_ns = tables.coarse_now_ns();
    if now_ns >= tables.lease_until_ns() {
        return Outcome::LeaseOver;
    }
    let to_us_alone = arp.destination().0 == vip.mac();
    if !to_us_alone && arp.destination() != Mac::BROADCAST {
        return Outcome::OtherMac;
    }
    let sender = arp.sender();
    // RFC 5227 probes are broadcast; one that is sent to us alone is a standby's heartbeat.
    let pulse = if to_us_alone && sender == [0; 4] { heartbeat(tables, &vip) } else { None };
    let outcome = match pulse {
        Some(outcome) => outcome,
        None => {
            let asker = Asker {
                address: Key4::new(0, sender).widen().address(),
                mac: arp.sender_mac(),
                bucket: bucket([0, 0, 0, u32::from_be_bytes(sender)]),
            };
            request(tables, &vip, key.widen(), &asker, now_ns)
        }
    };
    if matches!(outcome, Outcome::Answered | Outcome::HeartbeatAnswered) {
        arp.answer(Mac(vip.mac()));
    }
    outcome
}

/// Somebody says that it has the sender address.
#[inline(always)]
fn spoken_for(arp: &Arp<'_>, tables: &impl Tables, ifindex: u32, kind: SightingKind) -> Outcome {
    let key = Key4::new(ifindex, arp.sender());
    let Some(vip) = tables.vip4(&key) else { return Outcome::ForeignTarget };
    if tables.coarse_now_ns() >= tables.lease_until_ns() {
        return Outcome::LeaseOver;
    }
    // A reply to another station, seen in promiscuous mode, is still somebody speaking for the address, but not to us: only
    // what is addressed to us may be taken away from the kernel.
    if arp.destination() != Mac::BROADCAST && arp.destination().0 != vip.mac() {
        return Outcome::OtherMac;
    }
    sighting(tables, &vip, key.widen(), arp.sender_mac(), kind)
}
