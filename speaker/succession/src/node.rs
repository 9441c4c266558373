//! All machines of a node: told facts, it steps those that they concern and says what to do.

mod hear;
mod index;
mod orders;
mod proxies;
mod survey;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use arpeggio_common::{abi::ALL_BUCKETS, model::NodeId, wire::Mac};

use super::{
    Doubt, Effect, Input, Order, Orders, Place, Question, Standing, Step, To, View,
    audit::Audit,
    budget::Budget,
    exclusive::{self, Context},
    floods::Floods,
    hearing::Hearing,
    peers::Peers,
    shared,
    watch::Watch,
};

/// What could not be read is asked for again after this long, in nanoseconds.
const AGAIN_NS: u64 = 5_000_000;

#[derive(Clone, Debug)]
enum Machine {
    Exclusive(exclusive::Machine),
    Shared(shared::Machine),
}

impl Machine {
    fn due_ns(&self) -> Option<u64> {
        match self {
            Self::Exclusive(machine) => machine.due_ns(),
            Self::Shared(machine) => machine.due_ns(),
        }
    }

    const fn standing(&self) -> Standing {
        match self {
            Self::Exclusive(machine) => machine.standing(),
            Self::Shared(machine) => machine.standing(),
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    machine: Machine,
    order: Order,
    /// The candidates of the order before: whoever was one may be about to hand over.
    former: Option<Arc<[NodeId]>>,
    /// When its machine wants to be stepped: its line in the index of times.
    due_ns: Option<u64>,
    /// Whose heartbeats it takes part in.
    watched: BTreeSet<Mac>,
    /// The newest claim and the newest other sighting that were told.
    told_ns: [u64; 2],
    /// The newest answer to a question of ours, and whose it was.
    answer: (u64, Option<Mac>),
}

/// What happens to one address, whichever machine it has.
#[derive(Clone, Copy, Debug)]
enum Event {
    Exclusive(exclusive::Event),
    Shared(shared::Event),
}

/// All machines of a node.
#[derive(Clone, Debug)]
pub struct Succession {
    me: NodeId,
    orders: Arc<Orders>,
    entries: BTreeMap<Place, Entry>,
    adopted: BTreeSet<Place>,
    due: BTreeSet<(u64, Place)>,
    watches: BTreeMap<(u32, Mac), Watch>,
    floods: Floods,
    audits: BTreeMap<u32, Audit>,
    hearing: BTreeMap<u32, Hearing>,
    /// Addresses whose machine wants frames counted, and those that wait for answers to probes.
    listening: BTreeSet<Place>,
    probing: BTreeSet<Place>,
    /// Addresses whose rival was asked whether it hears.
    testing: BTreeSet<Place>,
    /// Where the shared addresses are.
    shared: BTreeSet<Place>,
    /// Where this node waits for successors, and when it said there that it is about, and of what.
    leaving: BTreeMap<u32, BTreeSet<Place>>,
    said: BTreeMap<u32, (u64, Vec<Place>)>,
    /// When it began to wait for the last of them.
    leaving_ns: BTreeMap<u32, u64>,
    /// The other nodes.
    peers: Peers,
    /// The interfaces that have addresses, when their nodes are looked at next, and whether that is now.
    interfaces: BTreeSet<u32>,
    look_ns: u64,
    looks: bool,
    /// Where it is not known whether this node hears, and for which address.
    doubts: BTreeMap<u32, Place>,
    /// When others were asked whether they are alive, and how many were.
    alive_ns: BTreeMap<u32, u64>,
    /// The same of the interfaces on which this node owns something.
    surveys: BTreeMap<u32, survey::Survey>,
    asked_alive: usize,
    /// Times that everything that waits for successors was asked for.
    said_rounds: usize,
    budgets: BTreeMap<u32, Budget>,
    /// When it was told that another machine has this node's name.
    twins_ns: BTreeMap<u32, u64>,
    /// Something could not be read.
    unread: bool,
    effects: Vec<Effect>,
    now_ns: u64,
}

impl Succession {
    /// The machines of the node `me`, without any orders yet.
    pub fn new(me: NodeId) -> Self {
        Self {
            me,
            orders: Arc::default(),
            entries: BTreeMap::new(),
            adopted: BTreeSet::new(),
            due: BTreeSet::new(),
            watches: BTreeMap::new(),
            floods: Floods::default(),
            audits: BTreeMap::new(),
            hearing: BTreeMap::new(),
            listening: BTreeSet::new(),
            probing: BTreeSet::new(),
            testing: BTreeSet::new(),
            shared: BTreeSet::new(),
            leaving: BTreeMap::new(),
            said: BTreeMap::new(),
            leaving_ns: BTreeMap::new(),
            peers: Peers::default(),
            interfaces: BTreeSet::new(),
            look_ns: 0,
            looks: false,
            doubts: BTreeMap::new(),
            alive_ns: BTreeMap::new(),
            surveys: BTreeMap::new(),
            asked_alive: 0,
            said_rounds: 0,
            budgets: BTreeMap::new(),
            twins_ns: BTreeMap::new(),
            unread: false,
            effects: Vec::new(),
            now_ns: 0,
        }
    }

    /// What has to be read, and told with [`Self::input`], before the next [`Self::step`]. Few, however many addresses there
    /// are: what was asked lately.
    pub fn questions(&self) -> Vec<Question> {
        let mut questions = Vec::new();
        for ((ifindex, _), watch) in &self.watches {
            questions.extend(watch.asked().filter(|place| !self.shared.contains(place)).map(Question::Sighting));
            questions.extend(watch.wants_hearing().then_some(Question::Received(*ifindex)));
        }
        questions.extend(self.audits.values().flat_map(Audit::asked).map(Question::Sighting));
        questions.extend(self.looked_at().map(Question::Peers));
        questions.extend(self.testing.iter().copied().map(Question::Sighting));
        questions.extend(self.probing.iter().copied().map(Question::Sighting));
        questions.extend(self.said().map(Question::Sighting));
        questions.extend(index::interfaces(&self.listening).map(Question::Received));
        questions.extend(index::interfaces(&self.shared).map(Question::Peers));
        questions.sort_unstable();
        questions.dedup();
        questions
    }

    /// Tells a fact. What follows from it is done in the next [`Self::step`].
    pub fn input(&mut self, input: Input, now_ns: u64) {
        self.now_ns = now_ns;
        match input {
            Input::Orders(orders) => self.follow(orders),
            Input::Adopt(place) => drop(self.adopted.insert(place)),
            Input::Observation(place, seen) => self.seen(place, seen),
            // An answer to what was not asked yet is none. (Times of questions are rounded up.)
            Input::Answered(place, answer) if answer.asked_ns <= To::All.asked_ns(now_ns) => {
                self.answered(place, answer)
            }
            Input::Answered(..) => {}
            Input::Peer { ifindex, node, mac, at_ns, answered_ns } => {
                let times = (at_ns, answered_ns);
                let news = node != self.me && !self.peers.is_known((ifindex, node), mac, times);
                if news && answered_ns <= To::All.asked_ns(now_ns) {
                    self.met((ifindex, node), mac, times);
                    self.lives((ifindex, mac), None, answered_ns);
                }
            }
            Input::Unread(_) => self.unread = true,
            Input::Received(ifindex, frames) => self.hearing.entry(ifindex).or_default().read(frames, now_ns),
            Input::LeaseLapsed => {
                // What was to be asked was asked by a node that owned something; the machines ask again what they need.
                self.effects.retain(|effect| !matches!(effect, Effect::Ask(..)));
                for place in self.entries.keys().copied().collect::<Vec<_>>() {
                    self.tell(place, exclusive::Event::LeaseLapsed, shared::Event::LeaseLapsed);
                }
            }
        }
    }

    /// Looks at the time; collects everything that has to be done since the last step.
    pub fn step(&mut self, now_ns: u64) -> Step {
        self.now_ns = now_ns;
        if std::mem::take(&mut self.unread) {
            // Whoever seems silent may have answered.
            return Step { effects: std::mem::take(&mut self.effects), next_ns: Some(now_ns + AGAIN_NS) };
        }
        while let Some((due_ns, place)) = self.due.first().copied()
            && due_ns <= now_ns
        {
            self.due.pop_first();
            if let Some(entry) = self.entries.get_mut(&place) {
                entry.due_ns = None;
            }
            self.tell(place, exclusive::Event::Timer, shared::Event::Timer);
        }
        self.beat();
        self.say_while_leaving();
        self.audit();
        self.survey();
        self.ask_for_life();
        self.look_around();
        let mut witnesses = BTreeSet::new();
        let mut effects = std::mem::take(&mut self.effects);
        effects.retain(|effect| if let Effect::Witness(ifindex) = effect { witnesses.insert(*ifindex) } else { true });
        Step { effects, next_ns: self.next_ns() }
    }

    fn next_ns(&self) -> Option<u64> {
        let pace = self.orders.pace;
        let watches = self.watches.values().map(|watch| watch.due_ns(pace));
        let audits = self.audits.values().filter_map(Audit::due_ns);
        let look = (!self.interfaces.is_empty()).then_some(self.look_ns);
        watches
            .chain(audits)
            .chain(look)
            .chain(self.leaving_due_ns())
            .chain(self.due.first().map(|(due_ns, _)| *due_ns))
            .min()
    }

    /// How one address stands.
    pub fn view(&self, place: Place) -> Option<View> {
        let entry = self.entries.get(&place)?;
        let (standing, rank) = (entry.machine.standing(), exclusive::rank(&entry.order.candidates, self.me));
        Some(match &entry.machine {
            Machine::Exclusive(machine) => {
                let owner = machine.owner();
                let watch = owner.and_then(|owner| self.watches.get(&(place.0, owner.mac)));
                let heartbeat_ns = watch.and_then(|watch| watch.answered_ns(place));
                let owns = matches!(standing, Standing::Owner | Standing::Leaving);
                let buckets = if owns { ALL_BUCKETS } else { 0 };
                let doubt = watch.and_then(|watch| watch.doubt_ns(self.orders.pace)).map(|since_ns| Doubt { since_ns });
                let unflooded = owner.is_some_and(|owner| self.floods.are_lost((place.0, owner.mac)));
                let unanswered = if owns { self.unanswered_ns(place.0) } else { None };
                let since_ns = machine.since_ns();
                View { standing, rank, owner, since_ns, heartbeat_ns, buckets, doubt, unflooded, unanswered }
            }
            Machine::Shared(machine) => View {
                standing,
                rank,
                owner: None,
                since_ns: machine.since_ns(),
                heartbeat_ns: None,
                buckets: machine.buckets(),
                doubt: None,
                unflooded: false,
                unanswered: None,
            },
        })
    }

    /// How the addresses behind this one stand, in order.
    pub fn views_from(&self, from: Bound<Place>) -> impl Iterator<Item = (Place, View)> + '_ {
        let places = self.entries.range((from, Bound::Unbounded)).map(|(place, _)| *place);
        places.filter_map(|place| Some((place, self.view(place)?)))
    }

    /// Whether it is still asked of an address who has it.
    pub fn is_asking(&self) -> bool {
        self.entries.values().any(|entry| entry.machine.standing() == Standing::Asking)
    }

    fn tell(&mut self, place: Place, exclusive: exclusive::Event, shared: shared::Event) {
        let event = match self.entries.get(&place).map(|entry| &entry.machine) {
            Some(Machine::Exclusive(_)) => Event::Exclusive(exclusive),
            Some(Machine::Shared(_)) => Event::Shared(shared),
            None => return,
        };
        self.step_machine(place, event);
    }

    fn step_machine(&mut self, place: Place, event: Event) {
        let Some(entry) = self.entries.get_mut(&place) else { return };
        let owner = if let Machine::Exclusive(machine) = &entry.machine { machine.watched() } else { None };
        let watch = owner.and_then(|owner| self.watches.get(&(place.0, owner.mac)));
        let budget = self.budgets.entry(place.0).or_default();
        let context = Context {
            place,
            me: self.me,
            candidates: &entry.order.candidates,
            generation: entry.order.generation,
            usable: self.orders.is_usable(place),
            evacuate: self.orders.evacuate,
            pace: self.orders.pace,
            hearing: self.hearing.get(&place.0).copied().unwrap_or_default(),
            peers: &self.peers,
            owner_ns: watch.map(Watch::last_ns),
            may_react: budget.allows(self.now_ns),
            authenticated: self.orders.authenticated,
            now_ns: self.now_ns,
        };
        let reacts = matches!(event, Event::Exclusive(exclusive::Event::Observation(_)));
        let effects = match (&mut entry.machine, event) {
            (Machine::Exclusive(machine), Event::Exclusive(event)) => {
                let (next, effects) = machine.clone().step(event, &context);
                *machine = next;
                effects
            }
            (Machine::Shared(machine), Event::Shared(event)) => {
                let (next, effects) = machine.clone().step(event, &context);
                *machine = next;
                effects
            }
            (Machine::Exclusive(_), Event::Shared(_)) | (Machine::Shared(_), Event::Exclusive(_)) => Vec::new(),
        };
        if reacts {
            let one = |effect: &&Effect| matches!(effect, Effect::Ask(_, To::One(_)) | Effect::Defend(_));
            budget.pay(effects.iter().filter(one).count(), self.now_ns);
        }
        if effects.iter().any(|effect| matches!(effect, Effect::Witness(_))) {
            self.doubts.insert(place.0, place);
        }
        self.effects.extend(effects);
        self.sync(place);
    }
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
