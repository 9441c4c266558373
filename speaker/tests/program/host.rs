//! The host build of the same decision, over maps in memory.

use std::collections::BTreeMap;

use arpeggio_common::{
    abi::{Disposition, Outcome, Peer, Stats},
    wire::Mac,
};
use arpeggio_speaker::dataplane::monotonic_ns;
use arpeggio_speaker_ebpf::{Frame, decide};

use crate::{
    case::{Case, Counts, EventSummary, IFINDEX, Observed, SightingSummary, Verdict, World},
    kernel::{CAPACITY, counts, lease_at},
    memory::Memory,
};

/// The maps as `world` says.
fn furnished(world: &World) -> Memory {
    // As in the kernel: a frame may hold a time, and whether that has come decides.
    let now_ns = monotonic_ns();
    let memory = Memory {
        vips4: world.vips4.iter().copied().collect(),
        vips6: world.vips6.iter().copied().collect(),
        lease: lease_at(world.lease, now_ns),
        keys: world.keys,
        peers: world.peers(now_ns).into_iter().collect::<BTreeMap<_, _>>().into(),
        now_ns,
        slots: CAPACITY,
        ..Memory::default()
    };
    if let Some(earlier) = world.earlier {
        memory.sightings.borrow_mut().insert(earlier.line(), earlier.sighting(now_ns));
    }
    if let Some(asked) = world.asked {
        let mut stats = Stats::default();
        stats.remember(asked.client, asked.mac.0, now_ns - asked.age_ns);
        memory.stats.borrow_mut().insert(asked.slot, stats);
    }
    memory
}

/// Decides about the frame of `case`.
pub(crate) fn run(case: &Case) -> Observed {
    let memory = furnished(&case.world);
    let mut frame = case.frame.clone();
    let outcome = Frame::over(&mut frame, |frame| decide(frame, &memory, IFINDEX));
    observed(&memory, outcome, frame)
}

fn observed(memory: &Memory, outcome: Outcome, frame: Vec<u8>) -> Observed {
    let stats: BTreeMap<_, _> = memory.stats.borrow().iter().map(|(slot, stats)| (*slot, counts(stats))).collect();
    Observed {
        verdict: match outcome.disposition() {
            Disposition::Pass => Verdict::Pass,
            Disposition::Drop => Verdict::Drop,
            Disposition::Transmit => Verdict::Transmit,
        },
        frame,
        outcomes: outcome.counter().map(|_| (outcome, 1)).into_iter().collect(),
        stats: stats.into_iter().filter(|(_, counts)| *counts != Counts::default()).collect(),
        sightings: memory
            .sightings
            .borrow()
            .iter()
            .map(|(key, sighting)| (*key, SightingSummary::from(sighting)))
            .collect(),
        peers: memory
            .peers
            .borrow()
            .iter()
            .filter(|(_, peer)| **peer != Peer::UNHEARD)
            .map(|(key, peer)| (*key, (Mac(peer.mac()), peer.count(), peer.answered_ns() != 0)))
            .collect(),
        clients: memory.clients.borrow().iter().map(|(key, client)| (*key, Mac(client.mac()))).collect(),
        events: memory.events.borrow().iter().map(EventSummary::from).collect(),
    }
}
