//! ARP: requests are answered or suppressed, everything that speaks for an address is a sighting.

use arpeggio_common::{
    abi::{Key4, Outcome, SightingKind, bucket},
    wire::{ARP_FRAME, Arp, ArpOperation, ArpTag, Mac, Purpose, Tag},
};

use super::{
    Asker, Place, Speaker, after_lease, heartbeat, request,
    sighting::{answer, ourselves, sighting},
    speaker::answering,
    used,
};
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
        ArpOperation::Request => {
            let sender = arp.sender();
            let mut asker = Asker { mac: arp.sender_mac().0, ..Asker::default() };
            let outcome = asked(frame, tables, ifindex, &mut asker);
            if asker.is_fresh && sender != [0; 4] {
                // Once a second for a client that asks again and again.
                used_by(tables, Key4::new(ifindex, sender), &asker);
            }
            return outcome;
        }
        ArpOperation::Reply if arp.destination() == Mac::BROADCAST => SightingKind::Claim,
        // To whoever has no address: to a speaker that asks without one, or to a client that looks for users of the address.
        ArpOperation::Reply if arp.target() == [0; 4] => SightingKind::Heartbeat,
        ArpOperation::Reply => SightingKind::Reply,
    };
    spoken_for(frame, tables, ifindex, kind)
}

/// Somebody asks for the target address.
#[inline(never)]
fn asked(frame: &mut Frame, tables: &impl Tables, ifindex: u32, asker: &mut Asker) -> Outcome {
    let Some(bytes) = frame.head::<ARP_FRAME>() else { return Outcome::Truncated };
    let arp = Arp(bytes);
    let (sender, to) = (arp.sender(), arp.destination());
    let key = Key4::new(ifindex, arp.target());
    let mut place = Place::NOWHERE;
    if !place.find4(tables, key) {
        asker.is_fresh = true;
        return Outcome::ForeignTarget;
    }
    let to_us_alone = to.0 == place.vip.mac();
    if !to_us_alone && to != Mac::BROADCAST {
        return Outcome::OtherMac;
    }
    let mut speaker = Speaker::untagged(Mac(asker.mac));
    speaker.name(tag(frame));
    asker.is_speaker = speaker.node.is_some();
    speaker.believe(tables, &place, Purpose::Question);
    if place.is_leaseless() {
        return after_lease(tables, &place, &speaker);
    }
    speaker.hear(tables, ifindex, None);
    if speaker.is_ourselves {
        // And answered like anybody, so that a machine of the same name learns who has the address.
        ourselves(tables, ifindex, &speaker);
    }
    // RFC 5227 probes are broadcast; one that is sent to us alone is a standby's heartbeat.
    let is_pulse = speaker.node.is_some() || (to_us_alone && sender == [0; 4]);
    let pulse = if is_pulse { heartbeat(tables, &place.vip, &speaker) } else { None };
    let outcome = match pulse {
        Some(outcome) => outcome,
        None => {
            asker.address = Key4::new(0, sender).widen().address();
            asker.bucket = bucket([0, 0, 0, u32::from_be_bytes(sender)]);
            request(tables, &place, asker)
        }
    };
    if matches!(outcome, Outcome::Answered | Outcome::HeartbeatAnswered) {
        let Some(bytes) = frame.head::<ARP_FRAME>() else { return Outcome::Truncated };
        Arp(bytes).answer(Mac(place.vip.mac()));
        if asker.is_speaker {
            sign(frame, tables, &place, &speaker);
        }
    }
    outcome
}

/// Puts our own tag where the asker's stands, or none where the asker is not known: it would know its own again.
#[inline(never)]
fn sign(frame: &mut Frame, tables: &impl Tables, place: &Place, speaker: &Speaker) {
    if let (Some(asker), Some(us)) = (speaker.node, place.lease.node) {
        let tag = answering(tables, place, (us, asker), speaker.nonce);
        if let Some(trailer) = frame.part(ARP_FRAME) {
            ArpTag(trailer).write(tag);
        }
    } else if let Some(trailer) = frame.part(ARP_FRAME) {
        ArpTag(trailer).erase();
    }
}

/// Somebody says that it has the sender address.
#[inline(never)]
fn spoken_for(frame: &mut Frame, tables: &impl Tables, ifindex: u32, kind: SightingKind) -> Outcome {
    let Some(bytes) = frame.head::<ARP_FRAME>() else { return Outcome::Truncated };
    let arp = Arp(bytes);
    let (to, mac) = (arp.destination(), arp.sender_mac());
    let mut place = Place::NOWHERE;
    if !place.find4(tables, Key4::new(ifindex, arp.sender())) {
        return Outcome::ForeignTarget;
    }
    let mut speaker = Speaker::untagged(mac);
    speaker.name(tag(frame));
    let to_us_alone = to.0 == place.vip.mac();
    // Seen in promiscuous mode: the answer to another speaker proves nothing to us. What carries no tag is somebody speaking for
    // the address all the same.
    if to != Mac::BROADCAST && !to_us_alone && speaker.node.is_some() {
        return Outcome::OtherMac;
    }
    let answers = to_us_alone && kind != SightingKind::Claim && speaker.answers();
    let purpose = if answers { Purpose::Answer } else { Purpose::Claim };
    speaker.believe(tables, &place, purpose);
    if answers && speaker.node.is_some() {
        return if place.is_leaseless() { Outcome::LeaseOver } else { answer(tables, &place, &speaker) };
    }
    speaker.hear(tables, ifindex, None);
    if speaker.is_ourselves {
        ourselves(tables, ifindex, &speaker);
    }
    let kind = match kind {
        // A correction, or a claim to one speaker where broadcasts do not come through.
        SightingKind::Reply | SightingKind::Heartbeat if speaker.node.is_some() => SightingKind::Claim,
        SightingKind::Claim | SightingKind::Reply | SightingKind::Heartbeat | SightingKind::Use => kind,
    };
    let outcome = sighting(tables, &place, &speaker, kind);
    match kind {
        _ if place.is_leaseless() => Outcome::LeaseOver,
        // Only what is addressed to us, and to nobody's address, may be taken away from the kernel.
        SightingKind::Heartbeat if to_us_alone && outcome != Outcome::OwnEcho => Outcome::HeartbeatHeard,
        SightingKind::Claim | SightingKind::Reply | SightingKind::Heartbeat | SightingKind::Use => outcome,
    }
}

/// Whether the sender of an ordinary request uses an address of ours.
#[inline(never)]
fn used_by(tables: &impl Tables, key: Key4, asker: &Asker) {
    let mut place = Place::NOWHERE;
    if place.find4(tables, key) {
        used(tables, &place, asker);
    }
}

/// The tag behind the message. A client's frame ends before one could: it pays one comparison.
#[inline(always)]
fn tag(frame: &mut Frame) -> Option<Tag> {
    frame.part(ARP_FRAME).and_then(|trailer| ArpTag(trailer).read())
}
