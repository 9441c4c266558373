//! Raw sockets instead of the kernel program, for interfaces that can have nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::{
    abi::{Client, Event, Lease, Outcome, Sighting},
    program::with_causes,
};
use tokio::sync::mpsc::Receiver;

use crate::{
    dataplane::{Place, Roles},
    decide::Desired,
    frames::{Responder, ResponderApplied, ResponderLive},
    status::EntryFacts,
};

/// The responder, started when the first interface needs it: most nodes never do.
pub(super) struct UserSide {
    capacity: u32,
    roles: Roles,
    running: Option<(Responder, Receiver<Event>)>,
}

impl UserSide {
    /// With room for `capacity` entries, which say what the roles say.
    pub(super) const fn new(capacity: u32, roles: Roles) -> Self {
        Self { capacity, roles, running: None }
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
            let (mut responder, events) = Responder::start(self.capacity).map_err(|error| with_causes(&error))?;
            responder.follow_roles(self.roles.clone());
            self.running = Some((responder, events));
        }
        let Some((responder, _)) = &mut self.running else { return Ok(ResponderApplied::default()) };
        Ok(responder.follow(desired, served))
    }

    /// Ends the permission to answer.
    pub(super) fn withdraw(&self) {
        if let Some((responder, _)) = &self.running {
            responder.renew(Lease::NONE);
        }
    }

    /// How many entries there is room for.
    pub(super) const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Until when answering is allowed.
    pub(super) fn lease(&self) -> Lease {
        self.running.as_ref().map_or(Lease::NONE, |(responder, _)| responder.lease())
    }

    /// The tables, while there are any.
    pub(super) fn live(&self) -> Option<ResponderLive> {
        self.running.as_ref().map(|(responder, _)| responder.live())
    }

    /// The next event; `None` when the thread that answers ended by itself: the next round starts another. Cancel safe.
    pub(super) async fn event(&mut self) -> Option<Event> {
        // Nobody there to speak: the next round may start one.
        let Some((_, events)) = &mut self.running else { return std::future::pending().await };
        let event = events.recv().await;
        if event.is_none() {
            self.running = None;
        }
        event
    }

    /// Every entry with its counters.
    pub(super) fn entries(&self) -> BTreeMap<(u32, IpAddr), EntryFacts> {
        let entries = self.running.iter().flat_map(|(responder, _)| responder.entries());
        entries.map(|(place, (vip, stats))| (place, EntryFacts { vip, stats })).collect()
    }

    /// Where entries are in force.
    pub(super) fn installed(&self) -> impl Iterator<Item = Place> + '_ {
        self.running.iter().flat_map(|(responder, _)| responder.installed().keys()).copied()
    }

    /// Who else was seen with our addresses.
    pub(super) fn sightings(&self) -> BTreeMap<(u32, IpAddr), Sighting> {
        self.running.iter().flat_map(|(responder, _)| responder.sightings()).collect()
    }

    /// Who asked for which address.
    pub(super) fn clients(&self) -> BTreeMap<(Place, IpAddr), Client> {
        self.running.iter().flat_map(|(responder, _)| responder.clients()).collect()
    }

    /// How often a frame ended in which way.
    pub(super) fn outcomes(&self) -> BTreeMap<Outcome, u64> {
        self.running.iter().flat_map(|(responder, _)| responder.outcomes()).collect()
    }
}
