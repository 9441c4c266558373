//! The packet decision.

#![expect(clippy::panic, reason = "a property that does not hold ends the run")]

use arpeggio_common::{
    abi::{
        Action, Disposition, Flags, Key4, Key6, Keys, NodeId, Outcome, Peer, PeerKey, Sighting, SightingKey,
        SightingKind, Sort, Stats, Vip,
    },
    wire::{Key, Mac},
};
use arpeggio_speaker_ebpf::{Frame, Tables as _, decide};

use crate::{
    memory::Memory,
    oracle::{self, Answer},
    request::{self, Request},
    tagged::Tagged,
};

/// Bytes of an input that say what is in the maps; the frame follows.
pub(crate) const HEAD: usize = 12;
const IFINDEX: u32 = 2;
const NOW_NS: u64 = 1_000_000_000_000;

/// Our node in every input.
pub(crate) const OUR_NODE: u64 = 0x0a0a_0a0a_0a0a_0a01;
/// The node that our agent knows in every input.
pub(crate) const PEER: u64 = 0x0b0b_0b0b_0b0b_0b02;
/// The keys of an input with keys: the first signs.
const SHARED: [[u8; 16]; 2] = [*b"sixteen letters.", *b"sixteen of these"];
/// The generation of our order.
const GENERATION: u64 = 7;

/// Our interface in every input.
pub(crate) const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// An address of ours in every input.
pub(crate) const VIP4: [u8; 4] = [192, 0, 2, 10];
/// An address of ours in every input.
pub(crate) const VIP6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];

/// Decides about the frame in `data` with maps as its head says. Whatever the bytes: nothing panics; only valid requests are
/// answered, and the answer is one that others can read; a tag counts only with a right proof; a frame that is not answered is
/// not changed.
///
/// # Panics
/// When a property does not hold.
pub fn packet(data: &[u8]) {
    let Some((head, frame)) = data.split_first_chunk::<HEAD>() else { return };
    let mut before = frame.to_vec();
    let memory = furnish(*head, frame);
    if head[3] & 1 != 0 {
        // Nobody guesses a proof: the search gets a right one.
        crate::tagged::sign(&mut before, &memory.keys);
    }
    let frame = &before[..];
    let mut after = before.clone();
    let outcome = Frame::over(&mut after, |frame| decide(frame, &memory, IFINDEX));
    match outcome.disposition() {
        Disposition::Transmit => {
            let (tag, request) = request::without_priority_tag(frame);
            let (kept, answer) = request::without_priority_tag(&after);
            assert_eq!(tag, kept, "the answer goes the way the question came");
            check_answer(outcome, &request, &answer, &memory);
        }
        Disposition::Drop => {
            assert_eq!(frame, after, "{outcome:?} changed the frame");
            let beyond = outcome == Outcome::SuppressedBeyond;
            assert_eq!(NOW_NS >= memory.lease.until_ns, beyond, "{outcome:?}, before or after the lease");
        }
        Disposition::Pass => assert_eq!(frame, after, "{outcome:?} changed the frame"),
    }
    if outcome == Outcome::Ordinary {
        let idle = |stats: &Stats| stats.requests + stats.suppressed + stats.heartbeats + stats.claims == 0;
        assert!(memory.stats.borrow().values().all(idle), "ordinary traffic was counted");
        let written = memory.clients.borrow().len() + memory.events.borrow().len();
        assert_eq!(written, 0, "ordinary traffic was remembered");
    }
    // What came out comes in again: nobody may answer an answer.
    if outcome.disposition() == Disposition::Transmit {
        let again = Frame::over(&mut after, |frame| decide(frame, &memory, IFINDEX));
        assert_ne!(again.disposition(), Disposition::Transmit, "an answer was answered");
    }
}

/// The maps as the head of an input says.
fn furnish(head: [u8; HEAD], frame: &[u8]) -> Memory {
    let [control, more, slot, past, shares @ ..] = head;
    let action = Action::from_code(control & 3).unwrap_or(Action::Answer);
    let flags = if control & 4 == 0 { Flags::NONE } else { Flags::EVACUATING };
    let vip = Vip::new(OURS.0, action, u32::from(slot), u64::from_le_bytes(shares));
    let vip = vip.with_flags(flags).with_generation(GENERATION);
    let mut memory = Memory { now_ns: NOW_NS, slots: 128, ..Memory::default() };
    memory.lease.node = NodeId::from_number(OUR_NODE);
    memory.lease.until_ns = match control >> 3 & 3 {
        0 => u64::MAX,
        1 => NOW_NS + 1,
        2 => NOW_NS,
        _ => 0,
    };
    memory.keys = match control >> 6 {
        0 => Keys::NONE,
        keys => Keys::new(&SHARED.map(Key::from_bytes)[..1 + usize::from(keys == 3)], keys == 2),
    };
    let heard = Peer::new([2, 0, 0, 0, 0, 3], NOW_NS - u64::from(past >> 1) * 1_000_000_000);
    let peers = [NodeId::from_number(PEER).map(|node| PeerKey::new(IFINDEX, node)), Some(PeerKey::anybody(IFINDEX))];
    memory.peers.borrow_mut().extend(peers.into_iter().flatten().map(|key| (key, heard)));
    memory.vips4.insert(Key4::new(IFINDEX, VIP4), vip);
    memory.vips6.insert(Key6::new(IFINDEX, VIP6), vip);
    // Whatever the frame speaks of is in the maps as well, so that the search need not guess addresses.
    if control & 0x20 != 0 {
        for at in [28, 38] {
            if let Some(address) = frame.get(at..).and_then(|rest| rest.first_chunk()) {
                memory.vips4.insert(Key4::new(IFINDEX, *address), vip);
            }
        }
        if let Some(address) = frame.get(62..).and_then(|rest| rest.first_chunk()) {
            memory.vips6.insert(Key6::new(IFINDEX, *address), vip);
        }
    }
    remember(&mut memory, more, u32::from(slot));
    memory
}

/// What happened before, as one byte says.
fn remember(memory: &mut Memory, more: u8, slot: u32) {
    if more & 1 != 0 {
        let age = u64::from(more >> 1) * 100_000_000;
        let seen = Sighting::new([2, 0, 0, 0, 0, 3], SightingKind::Claim, None, NOW_NS - age);
        let keys = [Key4::new(IFINDEX, VIP4).widen(), Key6::new(IFINDEX, VIP6)];
        for sort in [Sort::Speaker, Sort::Stranger] {
            memory.sightings.borrow_mut().extend(keys.map(|key| (SightingKey::new(key, sort), seen)));
        }
        let mut stats = Stats::default();
        stats.remember([0; 16], [2, 0, 0, 0, 0, 2], NOW_NS - age);
        if slot < memory.slots {
            memory.stats.borrow_mut().insert(slot, stats);
        }
    }
}

fn check_answer(outcome: Outcome, before: &[u8], after: &[u8], memory: &Memory) {
    let tagged = Tagged::read(before);
    let counts = tagged.is_some_and(|tagged| tagged.counts(memory, IFINDEX));
    // Whoever asks whether this node is there is answered for any address in the maps.
    let of_node =
        counts && outcome == Outcome::HeartbeatAnswered && tagged.is_some_and(|tagged| tagged.asks_for_life());
    let request = request::read(before, memory, IFINDEX, of_node);
    let Request { vip, asker } = request.unwrap_or_else(|error| panic!("{outcome:?}, but {error}: {before:02x?}"));
    let answer = oracle::read(after);
    let answer = answer.unwrap_or_else(|error| panic!("{outcome:?}, but {error}: {after:02x?}"));
    let ours = Mac(vip.mac());
    let sender = match answer {
        Answer::Arp { ethernet: (to, from), owner, asker: (receiver, _) } => {
            assert_eq!((to, receiver, from, owner.0), (asker, asker, ours, ours));
            assert!(memory.vip4(&Key4::new(IFINDEX, owner.1)).is_some());
            from
        }
        Answer::Neighbor {
            ethernet: (to, from),
            addresses: (source, destination),
            solicited,
            overrides,
            target,
            link,
        } => {
            let nameless = before[22..38] == [0; 16];
            assert_eq!((to, solicited), if nameless { (Mac::ALL_NODES, false) } else { (asker, true) });
            assert!(nameless || destination == before[22..38], "to {destination:02x?}");
            assert_eq!((source, overrides), (target, true));
            assert_eq!(link.unwrap_or(ours), ours);
            from
        }
    };
    assert_eq!(sender, ours);
    let written = oracle::write(&answer);
    match (outcome, tagged) {
        (Outcome::HeartbeatAnswered, Some(tagged)) if counts => {
            tagged.check_answer(after, (OUR_NODE, GENERATION), &memory.keys)
        }
        _ => {
            let (message, rest) = after.split_at(written.len());
            assert_eq!(message, &*written, "an answer that others write otherwise");
            // A tag that does not count is not sent back to whoever would know it again.
            let erased = if before[12..14] == [8, 6] && tagged.is_some() { 8 } else { 0 };
            assert_eq!(rest[..erased], [0; 8][..erased]);
            assert_eq!(rest[erased..], before[written.len() + erased..]);
        }
    }
    let replies = memory.stats.borrow().get(&vip.slot()).map(|stats| stats.replies);
    assert_eq!(replies, (vip.slot() < memory.slots).then_some(1), "an answer is counted once");
}
