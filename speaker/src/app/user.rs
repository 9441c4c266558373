//! Raw sockets instead of the kernel program, for interfaces that can have nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::abi::{Event, Lease, Outcome, Sighting, Vip};
use tokio::sync::mpsc::Receiver;

use crate::{
    causes::with_causes,
    decide::Desired,
    frames::{Responder, ResponderApplied},
    status::EntryFacts,
};

/// The responder, started when the first interface needs it: most nodes never do.
#[derive(Default)]
pub(super) struct UserSide {
    capacity: u32,
    lease: Lease,
    running: Option<(Responder, Receiver<Event>)>,
}

impl UserSide {
    /// With room for `capacity` entries.
    pub(super) const fn new(capacity: u32) -> Self {
        Self { capacity, lease: Lease::NONE, running: None }
    }

    /// Serves exactly these interfaces.
    ///
    /// # Errors
    /// The responder cannot be started; the reason in a sentence.
    pub(super) fn follow(&mut self, desired: &Desired, served: &BTreeSet<u32>) -> Result<ResponderApplied, String> {
        if self.running.as_ref().is_some_and(|(responder, _)| !responder.is_running()) {
            self.running = None;
        }
        if self.running.is_none() {
            if served.is_empty() {
                return Ok(ResponderApplied::default());
            }
            let started = Responder::start(self.capacity).map_err(|error| with_causes(&error))?;
            started.0.renew(self.lease);
            self.running = Some(started);
        }
        let Some((responder, _)) = &mut self.running else { return Ok(ResponderApplied::default()) };
        Ok(responder.follow(desired, served))
    }

    /// Allows answering.
    pub(super) fn renew(&mut self, lease: Lease) {
        self.lease = lease;
        if let Some((responder, _)) = &self.running {
            responder.renew(lease);
        }
    }

    /// Until when answering is allowed.
    pub(super) const fn lease(&self) -> Lease {
        self.lease
    }

    /// The next event. Cancel safe.
    pub(super) async fn event(&mut self) -> Event {
        if let Some((_, events)) = &mut self.running
            && let Some(event) = events.recv().await
        {
            return event;
        }
        // Nobody there to speak: the next round may start one.
        std::future::pending().await
    }

    /// Every entry with its counters.
    pub(super) fn entries(&self) -> BTreeMap<(u32, IpAddr), EntryFacts> {
        let entries = self.running.iter().flat_map(|(responder, _)| responder.entries());
        entries.map(|(place, (vip, stats))| (place, EntryFacts { vip, stats })).collect()
    }

    /// Every entry.
    pub(super) fn installed(&self) -> impl Iterator<Item = ((u32, IpAddr), Vip)> + '_ {
        self.running.iter().flat_map(|(responder, _)| responder.installed()).map(|(place, vip)| (*place, *vip))
    }

    /// Who else was seen with our addresses.
    pub(super) fn sightings(&self) -> BTreeMap<(u32, IpAddr), Sighting> {
        self.running.iter().flat_map(|(responder, _)| responder.sightings()).collect()
    }

    /// How often a frame ended in which way.
    pub(super) fn outcomes(&self) -> BTreeMap<Outcome, u64> {
        self.running.iter().flat_map(|(responder, _)| responder.outcomes()).collect()
    }
}
