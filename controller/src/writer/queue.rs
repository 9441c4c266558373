//! What waits to be written, and what is being written: one write per object at a time, the latest wins, classes in order.
//!
//! A plan that arrives while a write of the same object is on its way was made without its result: the object is planned again
//! when that result is known. The same goes for a refused write. Both come out as objects to plan again.
//!
//! What is no longer wanted is not sent. What is on its way nevertheless may still arrive: a status that shows an address waits for
//! a write that may show it too and is not wanted any more, and is planned again after that.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::{
    backoff::Backoff,
    plan::{Class, ConfiguredStatus, Matter, Object, Write},
};

/// Events that may wait; beyond that the oldest go. When 10,000 Services get their addresses each has two or three to tell.
const MAX_EVENTS: usize = 40_000;
/// Events that are sent at the same time: the rest of the connections is for what clients wait for.
const EVENTS_AT_ONCE: usize = 2;
/// After the API server said no to what we want.
const REFUSED: Backoff = Backoff { first: Duration::from_secs(2), most: Duration::from_secs(300) };
/// After somebody else had changed the object: the news of that is on its way.
const CONFLICT: Backoff = Backoff { first: Duration::from_millis(40), most: Duration::from_secs(5) };

/// How a write went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done.
    Done,
    /// The object is not what it was when this was planned.
    Conflict,
    /// The API server does not answer, or is not able to: the same again later.
    Failed,
    /// The API server does not want this: the same again much later.
    Refused,
}

#[derive(Clone, Debug)]
enum State {
    /// To be sent, at this place in the order.
    Ready(u64, Write),
    /// Being sent, and what became of it meanwhile.
    Running(Write, Meanwhile),
    /// To be sent again.
    Waiting(Instant, Write),
    /// To be planned again; what was refused.
    Resting(Instant, Write),
    /// To be planned again when what is being sent is done.
    Deferred(Write),
}

/// What became of a write while it is being sent.
#[derive(Clone, Debug)]
enum Meanwhile {
    /// It is what is wanted.
    Wanted,
    /// Something else is.
    Replaced(Box<Write>),
    /// Nothing had to be written.
    Unwanted,
}

impl Meanwhile {
    fn next(self) -> Option<Write> {
        match self {
            Self::Replaced(write) => Some(*write),
            Self::Wanted | Self::Unwanted => None,
        }
    }
}

#[derive(Clone, Debug)]
struct Slot {
    state: State,
    failures: u32,
}

/// Writes that wait, the latest for each object.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    slots: BTreeMap<Object, Slot>,
    ready: BTreeMap<(Class, u64), Object>,
    timers: BTreeMap<(Instant, Object), ()>,
    /// Objects of which a write is being sent.
    running: BTreeSet<Object>,
    /// Objects whose write waits for one that is being sent.
    deferred: BTreeSet<Object>,
    /// To be planned again now.
    again: Vec<Write>,
    events: VecDeque<Write>,
    next: u64,
    running_events: usize,
    dropped_events: u64,
}

impl Queue {
    /// A write that was planned.
    pub fn submit(&mut self, write: Write) {
        let Some(object) = write.object() else {
            self.submit_event(write);
            return;
        };
        let failures = match self.slots.get_mut(&object) {
            None => 0,
            Some(slot) => match &mut slot.state {
                State::Running(sent, meanwhile) => {
                    let same = same_content(sent, &write);
                    *meanwhile = if same { Meanwhile::Wanted } else { Meanwhile::Replaced(Box::new(write)) };
                    return;
                }
                State::Deferred(_) => {
                    self.deferred.remove(&object);
                    slot.failures
                }
                State::Ready(place, waiting) => {
                    let place = *place;
                    if waiting.class() != write.class() {
                        self.ready.remove(&(waiting.class(), place));
                        self.ready.insert((write.class(), place), object);
                    }
                    *waiting = write;
                    return;
                }
                // The same again is what it waits for.
                State::Waiting(_, refused) | State::Resting(_, refused) if *refused == write => return,
                State::Waiting(at, _) | State::Resting(at, _) => {
                    let timer = (*at, object.clone());
                    self.timers.remove(&timer);
                    slot.failures
                }
            },
        };
        self.make_ready(object, write, failures);
    }

    /// Everything that is not planned is as it should be: what waits to be written of it is not wanted any more. `is_settled`: of
    /// which objects that is known.
    pub fn settle(&mut self, is_settled: impl Fn(&Object) -> bool) {
        let settled: Vec<Object> = self.slots.keys().filter(|object| is_settled(object)).cloned().collect();
        for object in settled {
            let Some(slot) = self.slots.get_mut(&object) else { continue };
            match &mut slot.state {
                State::Running(_, meanwhile) => {
                    *meanwhile = Meanwhile::Unwanted;
                    continue;
                }
                State::Ready(place, write) => _ = self.ready.remove(&(write.class(), *place)),
                State::Waiting(at, _) | State::Resting(at, _) => _ = self.timers.remove(&(*at, object.clone())),
                State::Deferred(_) => _ = self.deferred.remove(&object),
            }
            self.slots.remove(&object);
        }
    }

    /// The next write to send, if there is one.
    pub fn take(&mut self) -> Option<Write> {
        while let Some((_, object)) = self.ready.pop_first() {
            let Some(Slot { state: State::Ready(_, write), .. }) = self.slots.get(&object) else { continue };
            let write = write.clone();
            let has_to_wait = self.has_to_wait(&write, &object);
            let Some(slot) = self.slots.get_mut(&object) else { continue };
            if has_to_wait {
                slot.state = State::Deferred(write);
                self.deferred.insert(object);
                continue;
            }
            slot.state = State::Running(write.clone(), Meanwhile::Wanted);
            self.running.insert(object);
            return Some(write);
        }
        if self.running_events >= EVENTS_AT_ONCE {
            return None;
        }
        let event = self.events.pop_front()?;
        self.running_events += 1;
        Some(event)
    }

    /// How a write that was taken went. `random`: from 0 to 1. Whether its object is to be planned again at once.
    pub fn done(&mut self, write: &Write, verdict: Verdict, now: Instant, random: f64) -> bool {
        let Some(object) = write.object() else {
            self.running_events = self.running_events.saturating_sub(1);
            return false;
        };
        self.running.remove(&object);
        for deferred in std::mem::take(&mut self.deferred) {
            if let Some(Slot { state: State::Deferred(write), .. }) = self.slots.remove(&deferred) {
                self.again.push(write);
            }
        }
        let Some(Slot { state: State::Running(sent, meanwhile), failures }) = self.slots.remove(&object) else {
            return false;
        };
        if matches!(meanwhile, Meanwhile::Unwanted) && verdict != Verdict::Done {
            // It is as it should be; if it is not, because the write arrived after all, the watch tells.
            return false;
        }
        let next = meanwhile.next();
        let failures = failures + 1;
        let versioned = names_version(&sent) || next.as_ref().is_some_and(names_version);
        let sent = if versioned { sent } else { next.clone().unwrap_or(sent) };
        let state = match verdict {
            Verdict::Done if versioned => return next.is_some(),
            Verdict::Done => {
                if let Some(next) = next {
                    self.make_ready(object, next, 0);
                }
                return false;
            }
            _ if versioned && next.is_some() && failures == 1 => return true,
            Verdict::Conflict => State::Resting(now + CONFLICT.delay(failures, random), sent),
            Verdict::Failed => State::Waiting(now + Backoff::API.delay(failures, random), sent),
            Verdict::Refused => State::Waiting(now + REFUSED.delay(failures, random), sent),
        };
        if let State::Waiting(at, _) | State::Resting(at, _) = &state {
            self.timers.insert((*at, object.clone()), ());
        }
        self.slots.insert(object, Slot { state, failures });
        false
    }

    /// Lets go what has waited long enough. Returns writes whose objects are to be planned again.
    pub fn wake(&mut self, now: Instant) -> Vec<Write> {
        let mut again = std::mem::take(&mut self.again);
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((_, object), ()) = entry.remove_entry();
            match self.slots.remove(&object) {
                Some(Slot { state: State::Waiting(_, write), failures }) => self.make_ready(object, write, failures),
                Some(Slot { state: State::Resting(_, write), .. }) => again.push(write),
                Some(other) => {
                    self.slots.insert(object, other);
                }
                None => {}
            }
        }
        again
    }

    /// When [`Self::wake`] has something to do.
    pub fn next_wake(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|((at, _), ())| *at)
    }

    /// Forgets everything that was not sent yet: this process does not lead any more.
    pub fn clear(&mut self) {
        self.slots.retain(|_, slot| matches!(slot.state, State::Running(..)));
        self.ready.clear();
        self.timers.clear();
        self.deferred.clear();
        self.again.clear();
        self.events.clear();
    }

    /// How many writes wait in a class.
    pub fn waiting(&self, class: Class) -> usize {
        if class == Class::Events {
            return self.events.len();
        }
        let of_class = |slot: &&Slot| match &slot.state {
            State::Ready(_, write) | State::Waiting(_, write) | State::Resting(_, write) | State::Deferred(write) => {
                write.class() == class
            }
            State::Running(..) => false,
        };
        self.slots.values().filter(of_class).count()
    }

    /// Events that were not told because too many waited.
    pub const fn dropped_events(&self) -> u64 {
        self.dropped_events
    }

    /// Whether a write that is being sent may show an address of this status although it is not wanted any more.
    fn has_to_wait(&self, write: &Write, object: &Object) -> bool {
        let Write::ServiceStatus(status) = write else { return false };
        let mut others = self.running.iter().filter(|other| *other != object).filter_map(|other| self.slots.get(other));
        others.any(|slot| {
            let State::Running(Write::ServiceStatus(sent), meanwhile) = &slot.state else { return false };
            let is_wanted = |address: &IpAddr| match meanwhile {
                Meanwhile::Wanted => true,
                Meanwhile::Replaced(next) => {
                    matches!(&**next, Write::ServiceStatus(next) if next.ingress.contains(address))
                }
                Meanwhile::Unwanted => false,
            };
            sent.ingress.iter().any(|address| status.ingress.contains(address) && !is_wanted(address))
        })
    }

    fn submit_event(&mut self, event: Write) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.dropped_events += 1;
        }
        self.events.push_back(event);
    }

    fn make_ready(&mut self, object: Object, write: Write, failures: u32) {
        let place = self.next;
        self.next += 1;
        self.ready.insert((write.class(), place), object.clone());
        self.slots.insert(object, Slot { state: State::Ready(place, write), failures });
    }
}

/// Whether it was planned from a version that is past once something else was written. Counters alone are written whatever is
/// there.
const fn names_version(write: &Write) -> bool {
    !matches!(write, Write::Configured(ConfiguredStatus { accepted: None, .. }))
}

/// Whether both make the object the same, whatever version they were planned from.
fn same_content(one: &Write, other: &Write) -> bool {
    one == other || bare(one) == bare(other)
}

/// The write without the version that it was planned from.
pub(super) fn bare(write: &Write) -> Write {
    let mut bare = write.clone();
    match &mut bare {
        Write::ServiceStatus(status) => {
            status.resource_version.clear();
            status.matter = Matter::Words;
            status.rival = None;
        }
        Write::Announcement { resource_version, .. }
        | Write::L2Status { resource_version, .. }
        | Write::State { resource_version, .. } => {
            *resource_version = None;
        }
        Write::Silence { since, resource_version, .. } => {
            *since = None;
            resource_version.clear();
        }
        Write::DeleteAnnouncement { resource_version, .. }
        | Write::DeleteL2Status { resource_version, .. }
        | Write::DeleteBgpStatus { resource_version, .. }
        | Write::DeleteState { resource_version, .. } => {
            resource_version.clear();
        }
        Write::Configured(status) => {
            if let Some(change) = &mut status.accepted {
                change.resource_version.clear();
            }
        }
        Write::Event { .. } => {}
    }
    bare
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
