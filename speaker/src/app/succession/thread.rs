//! The loop of the succession: wait, take what was told and heard, look up what is asked, step, do what comes out of it.

mod hearing;

use std::{
    collections::BTreeSet,
    io,
    ops::ControlFlow,
    os::{fd::AsFd as _, unix::net::UnixStream},
    sync::mpsc::{Receiver, TryRecvError, sync_channel},
    time::Duration,
};

use arpeggio_common::{
    abi::{Action, Event, Lease as PermissionToAnswer},
    model::{Mode, NodeId},
};
use arpeggio_succession::{Effect, Input, Role, Succession};
use tokio::sync::mpsc::Sender;

use super::{
    Command, Parts, Situation, SuccessionEvent, corrections::Corrector, counters::FrameCounters, effects::Outlet,
    healing::Healing, lease::Lease, priority, showing::Showing, tables::SharedTables, wait::wait,
};
use crate::{
    clock::monotonic_ns,
    dataplane::{EventQueue, Place},
    frames::{FrameSocket, messages::Signer},
    status::PeerFacts,
};

/// Batches of jobs that wait for those who correct caches; one that finds no room goes with the next.
const BATCHES: usize = 64;
/// The agent is called ready after this at the latest, in nanoseconds.
const SETTLING_NS: u64 = 3_000_000_000;
/// How often is looked whether everything is settled, in nanoseconds.
const SETTLING_STEP_NS: u64 = 20_000_000;

/// What the thread owns.
pub(super) struct Driver {
    me: NodeId,
    succession: Succession,
    tables: SharedTables,
    events: Option<EventQueue>,
    counters: FrameCounters,
    outlet: Outlet,
    lease: Lease,
    adopted: BTreeSet<Place>,
    situation: Option<Box<Situation>>,
    /// Events of the raw sockets.
    heard: Vec<Event>,
    /// The other speakers as they were seen last.
    peers: Vec<PeerFacts>,
    /// Whether they were looked at in this turn, and could be read.
    looked: Option<bool>,
    settling: Settling,
    showing: Showing,
    woken: UnixStream,
    commands: Receiver<Command>,
    tell: Sender<SuccessionEvent>,
    /// Events that found no room.
    unsaid: u64,
}

/// Whether every address was asked for once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settling {
    Unordered,
    Until { latest_ns: u64, look_ns: u64 },
    Settled,
}

impl Driver {
    /// Of the calling thread's network namespace.
    ///
    /// # Errors
    /// No socket to ask the kernel, or no thread for corrections.
    pub(super) fn new(
        parts: Parts,
        [socket, second]: [FrameSocket; 2],
        woken: UnixStream,
        (commands, tell): (Receiver<Command>, Sender<SuccessionEvent>),
    ) -> io::Result<Self> {
        let Parts { node, kernel, healer, roles, adopted } = parts;
        let (kernel, for_corrections, events) =
            kernel.map_or((None, None, None), |(first, second, events)| (Some(first), Some(second), Some(events)));
        let tables = SharedTables::new(kernel, roles.clone());
        let (corrections, jobs) = sync_channel(BATCHES);
        Corrector::start(jobs, SharedTables::new(for_corrections, roles), second, Healing::new(healer))?;
        Ok(Self {
            me: node,
            succession: Succession::new(node),
            lease: Lease::found(tables.lease_until_ns()),
            tables,
            events,
            counters: FrameCounters::open()?,
            outlet: Outlet::new(Signer { node, key: None }, socket, corrections),
            adopted,
            situation: None,
            heard: Vec::new(),
            peers: Vec::new(),
            looked: None,
            settling: Settling::Unordered,
            showing: Showing::default(),
            woken,
            commands,
            tell,
            unsaid: 0,
        })
    }

    /// Until the agent ends it, or the kernel refuses to wait.
    pub(super) fn run(mut self) {
        tracing::debug!(priority = ?priority::raise(), "the succession begins");
        loop {
            // Before anything is read: an answer that comes while this thread is held up must not be overlooked.
            let now_ns = monotonic_ns();
            if self.take_commands(now_ns).is_break() {
                return;
            }
            let next_ns = self.situation.is_some().then(|| self.turn(now_ns)).flatten();
            self.showing.work(&self.succession, &self.tables, &self.outlet);
            let next_ns = if self.showing.is_due() { Some(now_ns) } else { next_ns };
            let longest = next_ns.map(|next_ns| Duration::from_nanos(next_ns.saturating_sub(monotonic_ns())));
            // Before the first situation nobody reads them: they would wake this thread without end.
            let events = self.events.as_ref().filter(|_| self.situation.is_some()).map(EventQueue::as_fd);
            if let Err(error) = wait(&self.woken, events, longest) {
                self.say(SuccessionEvent::Trouble(format!("the succession ended, the lease is not renewed: {error}")));
                return;
            }
        }
    }

    /// Tells the agent, without ever waiting for it; `false` when there is no room.
    fn say(&mut self, news: SuccessionEvent) -> bool {
        if self.unsaid > 0 && self.tell.try_send(SuccessionEvent::Lost(self.unsaid)).is_ok() {
            self.unsaid = 0;
        }
        let said = self.tell.try_send(news).is_ok();
        self.unsaid += u64::from(!said);
        said
    }

    fn take_commands(&mut self, now_ns: u64) -> ControlFlow<()> {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Follow(situation)) => self.follow(situation, now_ns),
                Ok(Command::Heard(event)) => self.heard.push(event),
                Ok(Command::Show(answer)) => self.showing.add(answer),
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return ControlFlow::Break(()),
                Err(TryRecvError::Empty) => return ControlFlow::Continue(()),
            }
        }
    }

    /// The world changed.
    fn follow(&mut self, situation: Box<Situation>, now_ns: u64) {
        if situation.signer.node != self.me {
            self.rename(situation.signer);
        }
        let refresh = self.situation.as_ref().and_then(|before| before.refresh);
        self.lease.follow(situation.lease);
        // Raw sockets that were started just now have none.
        self.lease.hasten();
        self.tables.follow(situation.user.clone());
        let moved = self.outlet.moved(&situation.speakers);
        self.know(&situation, now_ns);
        self.outlet.follow(&situation, refresh != situation.refresh, now_ns);
        self.adopt(now_ns);
        self.succession.input(Input::Orders(situation.orders.clone()), now_ns);
        if self.settling == Settling::Unordered {
            self.settling = Settling::Until { latest_ns: now_ns + SETTLING_NS, look_ns: now_ns };
        }
        self.situation = Some(situation);
        // After the step that follows: the machines say themselves what they give up.
        self.tidy(now_ns);
        self.correct_shared(&moved);
    }

    /// An interface has another MAC: an exclusive owner claims with it, those who share an address tell their own clients.
    fn correct_shared(&mut self, moved: &BTreeSet<u32>) {
        let Some(situation) = self.situation.as_ref().filter(|_| !moved.is_empty()) else { return };
        for (place, order) in &situation.orders.places {
            if order.mode == Mode::Shared
                && moved.contains(&place.0)
                && let Some(role) = self.tables.role(place).filter(|role| role.action == Action::Answer)
            {
                self.outlet.correct_clients(*place, role.buckets);
            }
        }
    }

    /// Who may speak, and how it is proven.
    fn know(&mut self, situation: &Situation, now_ns: u64) {
        let known = self.tables.know(&situation.candidates, now_ns);
        // Always: a map may have been made anew, and raw sockets that were started just now have none.
        let keyed = self.tables.set_keys(situation.keys);
        for error in [known, keyed].into_iter().filter_map(Result::err) {
            self.outlet.trouble(0, "known speakers", now_ns, || error);
        }
    }

    /// What an agent before this one left answering is ours, unless its lease ended meanwhile.
    fn adopt(&mut self, now_ns: u64) {
        for place in std::mem::take(&mut self.adopted) {
            if self.lease.lapsed(now_ns) {
                self.set(place, Role::SILENT, now_ns);
            } else {
                self.outlet.adopt(place);
                self.succession.input(Input::Adopt(place), now_ns);
            }
        }
    }

    /// This node has another name, or belongs to another cluster: it begins anew.
    fn rename(&mut self, me: Signer) {
        self.me = me.node;
        self.succession = Succession::new(me.node);
        self.outlet.rename(me);
        // Before the first situation nothing is its own but what it is to adopt.
        if self.situation.is_some() {
            self.silence(|_| false);
        }
    }

    /// Places that are in no order any more have no role either.
    fn tidy(&mut self, now_ns: u64) {
        let step = self.succession.step(now_ns);
        self.perform(step.effects, now_ns);
        if let Some(orders) = self.situation.as_ref().map(|situation| situation.orders.clone()) {
            self.silence(|place| orders.places.contains_key(place));
        }
    }

    fn silence(&mut self, keep: impl Fn(&Place) -> bool) {
        if let Err(error) = self.tables.retain(keep) {
            self.outlet.trouble(0, "entries", monotonic_ns(), || error);
        }
    }

    /// One turn; when the next one is due, monotonic nanoseconds.
    fn turn(&mut self, now_ns: u64) -> Option<u64> {
        if self.lease.lapsed(now_ns) {
            self.succession.input(Input::LeaseLapsed, now_ns);
        }
        self.looked = None;
        self.hear(now_ns);
        self.look_up(now_ns);
        let step = self.succession.step(now_ns);
        self.perform(step.effects, now_ns);
        // Only now: what was taken over meanwhile is silent already.
        if now_ns >= self.lease.due_ns() {
            self.renew(now_ns);
        }
        let claims_ns = self.outlet.work(now_ns);
        for trouble in self.outlet.troubles() {
            self.say(SuccessionEvent::Trouble(trouble));
        }
        let settling_ns = self.settle(now_ns);
        [step.next_ns, claims_ns, settling_ns, Some(self.lease.due_ns())].into_iter().flatten().min()
    }

    fn renew(&mut self, now_ns: u64) {
        let until_ns = self.lease.renew(now_ns);
        if let Err(error) = self.tables.renew(PermissionToAnswer { until_ns, node: Some(self.me) }) {
            self.outlet.trouble(0, "lease", now_ns, || format!("the lease cannot be renewed: {error}"));
        }
    }

    fn set(&mut self, place: Place, role: Role, now_ns: u64) {
        if let Err(error) = self.tables.set(place, role) {
            self.outlet.trouble(place.0, "entries", now_ns, || error);
        }
    }

    fn perform(&mut self, effects: Vec<Effect>, now_ns: u64) {
        let mut reports = Vec::new();
        for effect in effects {
            match effect {
                Effect::Set(place, role) => self.set(place, role, now_ns),
                Effect::Ask(place, to) => self.outlet.ask(place, to, now_ns),
                Effect::Witness(ifindex) => self.outlet.provoke(ifindex, now_ns),
                Effect::Claim(place) => self.outlet.claim(place, now_ns),
                Effect::Defend(place) => self.outlet.defend(place),
                Effect::Inform(place, mac) => self.outlet.inform(place, mac, now_ns),
                Effect::Quiet(place) => self.outlet.quiet(place),
                Effect::Correct(place, buckets) => self.outlet.correct_clients(place, buckets),
                Effect::Heal(place, mac) => self.outlet.heal(place, mac),
                Effect::Report(report) => reports.push(report),
            }
        }
        if !reports.is_empty() {
            self.say(SuccessionEvent::Changes(reports));
        }
    }

    /// Tells once that nothing of the first orders is left to be asked for.
    fn settle(&mut self, now_ns: u64) -> Option<u64> {
        let Settling::Until { latest_ns, look_ns } = self.settling else { return None };
        if now_ns < look_ns {
            return Some(look_ns);
        }
        if now_ns < latest_ns && self.succession.is_asking() {
            self.settling = Settling::Until { latest_ns, look_ns: now_ns + SETTLING_STEP_NS };
            return Some(now_ns + SETTLING_STEP_NS);
        }
        if self.say(SuccessionEvent::Settled) {
            self.settling = Settling::Settled;
        }
        None
    }
}
