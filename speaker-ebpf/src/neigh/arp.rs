//! ARP: requests are answered or suppressed, everything that speaks for an address is a sighting.

use arpeggio_common::{
    abi::{Key4, NodeId, Outcome, SightingKind, bucket},
    wire::{ARP_FRAME, Arp, ArpOperation, ArpTag, Mac},
};

use super::{Asker, Speaker, heartbeat, request, sighting};
use crate::{Frame, Tables};

/// Decides about a frame whose EtherType is ARP.
#[inline(always)]
pub fn decide(frame: &mut Frame, tables: &impl Tables, ifindex: u32) -> Outcome {
    let Some(bytes) = frame.head::<ARP_FRAME>() else { return Outcome::Truncated };
    let arp = Arp(bytes);
    if !arp.is_ethernet_ipv4() {
        return Outcome::ForeignHardware;
    }
    let Some(operation) = arp.operation() else { return Outcome::ForeignOperation };
    if arp.sender_mac().is_group() {
        return Outcome::BadSender;
    }
    let kind = match operation {
        // A gratuitous request asks nobody: it claims (RFC 5227 section 3).
        ArpOperation::Request if arp.sender() == arp.target() => SightingKind::Claim,
        ArpOperation::Request => return asked(frame, tables, ifindex),
        ArpOperation::Reply if arp.destination() == Mac::BROADCAST => SightingKind::Claim,
        ArpOperation::Reply if arp.target() == [0; 4] => SightingKind::Heartbeat,
        ArpOperation::Reply => SightingKind::Reply,
    };
    spoken_for(frame, tables, ifindex, kind)
}

/// Somebody asks for the target address.
#[inline(always)]
fn asked(frame: &mut Frame, tables: &impl Tables, ifindex: u32) -> Outcome {
    let Some(bytes) = frame.head::<ARP_FRAME>() else { return Outcome::Truncated };
    let arp = Arp(bytes);
    let key = Key4::new(ifindex, arp.target());
    let Some(vip) = tables.vip4(&key) else { return Outcome::ForeignTarget };
    let now_ns = tables.coarse_now_ns();
    let lease = tables.lease();
    if lease.is_over(now_ns) {
        return Outcome::LeaseOver;
    }
    let to_us_alone = arp.destination().0 == vip.mac();
    if !to_us_alone && arp.destination() != Mac::BROADCAST {
        return Outcome::OtherMac;
    }
    let (sender, mac) = (arp.sender(), arp.sender_mac());
    // Clients have an address: only who has none is asked for a tag.
    let node = if sender == [0; 4] { tag(frame) } else { None };
    Speaker::new(&vip, &lease, mac, node).hear(tables, ifindex, false);
    // RFC 5227 probes are broadcast; one that is sent to us alone is a standby's heartbeat.
    let is_pulse = node.is_some() || (to_us_alone && sender == [0; 4]);
    let pulse = if is_pulse { heartbeat(tables, &vip) } else { None };
    let outcome = match pulse {
        Some(outcome) => outcome,
        None => {
            let asker = Asker {
                address: Key4::new(0, sender).widen().address(),
                mac,
                bucket: bucket([0, 0, 0, u32::from_be_bytes(sender)]),
                is_speaker: node.is_some(),
            };
            request(tables, &vip, key.widen(), &asker, now_ns)
        }
    };
    if matches!(outcome, Outcome::Answered | Outcome::HeartbeatAnswered) {
        let Some(bytes) = frame.head::<ARP_FRAME>() else { return Outcome::Truncated };
        Arp(bytes).answer(Mac(vip.mac()));
        if node.is_some()
            && let Some(trailer) = frame.part(ARP_FRAME)
        {
            ArpTag(trailer).set_node(lease.node);
        }
    }
    outcome
}

/// Somebody says that it has the sender address.
#[inline(always)]
fn spoken_for(frame: &mut Frame, tables: &impl Tables, ifindex: u32, kind: SightingKind) -> Outcome {
    let Some(bytes) = frame.head::<ARP_FRAME>() else { return Outcome::Truncated };
    let arp = Arp(bytes);
    let key = Key4::new(ifindex, arp.sender());
    let Some(vip) = tables.vip4(&key) else { return Outcome::ForeignTarget };
    let lease = tables.lease();
    if lease.is_over(tables.coarse_now_ns()) {
        return Outcome::LeaseOver;
    }
    // A reply to another station, seen in promiscuous mode, is still somebody speaking for the address, but not to us: only
    // what is addressed to us may be taken away from the kernel.
    if arp.destination() != Mac::BROADCAST && arp.destination().0 != vip.mac() {
        return Outcome::OtherMac;
    }
    let mac = arp.sender_mac();
    let speaker = Speaker::new(&vip, &lease, mac, tag(frame));
    speaker.hear(tables, ifindex, kind == SightingKind::Heartbeat);
    sighting(tables, &vip, key.widen(), &speaker, kind)
}

/// The node that the tag behind the message names.
#[inline(always)]
fn tag(frame: &mut Frame) -> Option<NodeId> {
    frame.part(ARP_FRAME).and_then(|trailer| ArpTag(trailer).node())
}
