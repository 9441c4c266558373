//! All machines of a node: told facts, it steps those that they concern and says what to do.

mod index;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arpeggio_common::{
    abi::{ALL_BUCKETS, SightingKind},
    model::{Mode, NodeId},
    wire::Mac,
};

use super::{
    Answer, Effect, Input, Order, Orders, Place, Question, Seen, Standing, Step, View,
    audit::Audit,
    exclusive::{self, Context},
    hearing::Hearing,
    shared,
    watch::Watch,
};

/// A node that was not heard for so long is not taken for a member before it is heard again, in nanoseconds.
const PEER_FRESH_NS: u64 = 5_000_000_000;

#[derive(Clone, Debug)]
enum Machine {
    Exclusive(exclusive::Machine),
    Shared(shared::Machine),
}

impl Machine {
    const fn due_ns(&self) -> Option<u64> {
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
    /// When its machine wants to be stepped: its line in the index of times.
    due_ns: Option<u64>,
    /// Whose heartbeats it takes part in.
    watched: BTreeSet<Mac>,
    /// The newest claim, the newest other sighting, and the newest answer to a question of ours that were told.
    told_ns: [u64; 3],
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
    audits: BTreeMap<u32, Audit>,
    hearing: BTreeMap<u32, Hearing>,
    /// Addresses whose machine wants frames counted, and those that wait for answers to probes.
    listening: BTreeSet<Place>,
    probing: BTreeSet<Place>,
    /// Addresses whose rival was asked whether it hears.
    testing: BTreeSet<Place>,
    /// Where the shared addresses are.
    shared: BTreeSet<Place>,
    /// Where this node waits for successors, and when it said there that it is about.
    leaving: BTreeMap<u32, BTreeSet<Place>>,
    said_ns: BTreeMap<u32, u64>,
    /// The other nodes: where they are and when they were heard last.
    peers: BTreeMap<(u32, NodeId), (Mac, u64)>,
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
            audits: BTreeMap::new(),
            hearing: BTreeMap::new(),
            listening: BTreeSet::new(),
            probing: BTreeSet::new(),
            testing: BTreeSet::new(),
            shared: BTreeSet::new(),
            leaving: BTreeMap::new(),
            said_ns: BTreeMap::new(),
            peers: BTreeMap::new(),
            effects: Vec::new(),
            now_ns: 0,
        }
    }

    /// What has to be read, and told with [`Self::input`], before the next [`Self::step`]. Few, however many addresses there
    /// are: what was asked lately.
    pub fn questions(&self) -> Vec<Question> {
        let mut questions = BTreeSet::new();
        for ((ifindex, _), watch) in &self.watches {
            questions.extend(watch.asked().filter(|place| !self.shared.contains(place)).map(Question::Sighting));
            if watch.wants_hearing() {
                questions.insert(Question::Received(*ifindex));
            }
        }
        questions.extend(self.audits.values().flat_map(Audit::asked).map(Question::Sighting));
        let audited = self.audits.iter().filter(|(_, audit)| audit.wants_peers());
        questions.extend(audited.map(|(ifindex, _)| Question::Peers(*ifindex)));
        questions.extend(self.probing.iter().copied().map(Question::Sighting));
        questions.extend(self.said().map(Question::Sighting));
        questions.extend(index::interfaces(&self.listening).map(Question::Received));
        questions.extend(index::interfaces(&self.shared).map(Question::Peers));
        questions.extend(index::interfaces(&self.testing).map(Question::Peers));
        questions.into_iter().collect()
    }

    /// Tells a fact. What follows from it is done in the next [`Self::step`].
    pub fn input(&mut self, input: Input, now_ns: u64) {
        self.now_ns = now_ns;
        match input {
            Input::Orders(orders) => self.follow(orders),
            Input::Adopt(place) => drop(self.adopted.insert(place)),
            Input::Seen(place, seen) => self.seen(place, seen),
            // An answer to what was not asked yet is none.
            Input::Answered(place, answer) if answer.asked_ns <= now_ns => self.answered(place, answer),
            Input::Answered(..) => {}
            Input::Peer { ifindex, node, mac, at_ns, answered_ns } => {
                if node != self.me && now_ns.saturating_sub(at_ns) < PEER_FRESH_NS {
                    self.meet((ifindex, node), mac, at_ns);
                }
                self.lives((ifindex, mac), None, answered_ns);
                self.passed((ifindex, mac), answered_ns);
            }
            Input::Unread(_) => {}
            Input::Received(ifindex, frames) => self.hearing.entry(ifindex).or_default().read(frames, now_ns),
            Input::LeaseLapsed => {
                for place in self.entries.keys().copied().collect::<Vec<_>>() {
                    self.tell(place, exclusive::Event::LeaseLapsed, shared::Event::LeaseLapsed);
                }
            }
        }
    }

    /// Looks at the time; collects everything that has to be done since the last step.
    pub fn step(&mut self, now_ns: u64) -> Step {
        self.now_ns = now_ns;
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
        for audit in self.audits.values_mut() {
            let asked = audit.step(now_ns);
            self.effects.extend(asked.into_iter().map(|(place, to)| Effect::Ask(place, to)));
        }
        let mut witnesses = BTreeSet::new();
        let mut effects = std::mem::take(&mut self.effects);
        effects.retain(|effect| if let Effect::Witness(ifindex) = effect { witnesses.insert(*ifindex) } else { true });
        Step { effects, next_ns: self.next_ns() }
    }

    fn next_ns(&self) -> Option<u64> {
        let pace = self.orders.pace;
        let watches = self.watches.values().map(|watch| watch.due_ns(pace));
        let audits = self.audits.values().filter_map(Audit::due_ns);
        watches.chain(audits).chain(self.leaving_due_ns()).chain(self.due.first().map(|(due_ns, _)| *due_ns)).min()
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
                View { standing, rank, owner, since_ns: machine.since_ns(), heartbeat_ns, buckets, doubt: None }
            }
            Machine::Shared(machine) => View {
                standing,
                rank,
                owner: None,
                since_ns: machine.since_ns(),
                heartbeat_ns: None,
                buckets: machine.buckets(),
                doubt: None,
            },
        })
    }

    /// How every address stands.
    pub fn views(&self) -> BTreeMap<Place, View> {
        self.entries.keys().filter_map(|place| Some((*place, self.view(*place)?))).collect()
    }

    /// Whether it is still asked of an address who has it.
    pub fn is_asking(&self) -> bool {
        self.entries.values().any(|entry| entry.machine.standing() == Standing::Asking)
    }

    fn follow(&mut self, orders: Arc<Orders>) {
        let before = std::mem::replace(&mut self.orders, orders);
        let orders = Arc::clone(&self.orders);
        let stays =
            |place: &Place, entry: &Entry| orders.places.get(place).is_some_and(|order| order.mode == entry.order.mode);
        let gone: Vec<_> =
            self.entries.iter().filter(|(place, entry)| !stays(place, entry)).map(|(place, _)| *place).collect();
        for place in gone {
            self.forget(place);
        }
        let fresh = self.begin(&orders);
        for (place, order) in &orders.places {
            let known = fresh.binary_search(place).is_err();
            let Some(entry) = self.entries.get_mut(place) else { continue };
            let rank_before = exclusive::rank(&entry.order.candidates, self.me);
            let first = exclusive::rank(&order.candidates, self.me) == Some(0);
            let promoted = known && first && rank_before != Some(0);
            let same = known
                && entry.order == *order
                && before.evacuate == orders.evacuate
                && before.usable.get(&place.0) == orders.usable.get(&place.0);
            if !same {
                entry.order = order.clone();
                self.tell(*place, exclusive::Event::Ordered { promoted }, shared::Event::Ordered);
                self.sync(*place);
            }
        }
        self.adopted.clear();
    }

    /// Machines for the addresses that have none; returns where, in order.
    fn begin(&mut self, orders: &Orders) -> Vec<Place> {
        let now_ns = self.now_ns;
        let entry = |order: &Order| {
            let machine = match order.mode {
                Mode::Exclusive => Machine::Exclusive(exclusive::Machine::new(now_ns)),
                Mode::Shared => Machine::Shared(shared::Machine::new(now_ns)),
            };
            Entry { machine, order: order.clone(), due_ns: None, watched: BTreeSet::new(), told_ns: [0; 3] }
        };
        let fresh = orders.places.iter().filter(|(place, _)| !self.entries.contains_key(place));
        let mut fresh: BTreeMap<_, _> = fresh.map(|(place, order)| (*place, entry(order))).collect();
        let places: Vec<_> = fresh.keys().copied().collect();
        // At once where there are many: what is put into a map in order, one by one, leaves its nodes half empty.
        if fresh.len() > self.entries.len() {
            self.entries.append(&mut fresh);
        } else {
            self.entries.extend(fresh);
        }
        for place in &places {
            if self.adopted.contains(place) {
                self.tell(*place, exclusive::Event::Adopted, shared::Event::Adopted);
            }
        }
        places
    }

    fn forget(&mut self, place: Place) {
        let Some(entry) = self.entries.remove(&place) else { return };
        if let Some(due_ns) = entry.due_ns {
            self.due.remove(&(due_ns, place));
        }
        for mac in entry.watched {
            self.part(place, mac);
        }
        self.set_leaving(place, false);
        self.listening.remove(&place);
        self.probing.remove(&place);
        self.testing.remove(&place);
        self.shared.remove(&place);
        if let Some(audit) = self.audits.get_mut(&place.0) {
            audit.remove(place);
        }
        self.effects.push(Effect::Quiet(place));
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
        let context = Context {
            place,
            me: self.me,
            candidates: &entry.order.candidates,
            usable: self.orders.usable.get(&place.0).copied().unwrap_or_default(),
            evacuate: self.orders.evacuate,
            pace: self.orders.pace,
            hearing: self.hearing.get(&place.0).copied().unwrap_or_default(),
            now_ns: self.now_ns,
        };
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
        self.effects.extend(effects);
        self.sync(place);
    }

    fn seen(&mut self, place: Place, seen: Seen) {
        // A claim is a sign of life as well: who steps forward has the whole patience once more to answer.
        if seen.kind != SightingKind::Claim || seen.voice.node.is_some() {
            self.lives((place.0, seen.voice.mac), Some(place), seen.at_ns);
        }
        let Some(entry) = self.entries.get_mut(&place) else { return };
        let told_ns = &mut entry.told_ns[usize::from(seen.kind == SightingKind::Claim)];
        if seen.at_ns <= *told_ns {
            return;
        }
        *told_ns = seen.at_ns;
        let Machine::Exclusive(machine) = &entry.machine else { return };
        let audit = self.audits.get(&place.0).filter(|audit| audit.owns(place));
        let contested = audit.is_some() && seen.at_ns > machine.since_ns();
        self.step_machine(place, Event::Exclusive(exclusive::Event::Seen(seen)));
        if let Some(node) = seen.voice.node
            && contested
            && node != self.me
        {
            self.rush(place.0, node, seen.voice.mac);
        }
    }

    /// Somebody answered a question of ours for an address.
    fn answered(&mut self, place: Place, answer: Answer) {
        let Answer { voice, asked_ns, .. } = answer;
        self.lives((place.0, voice.mac), Some(place), asked_ns);
        let Some(entry) = self.entries.get_mut(&place) else { return };
        let [.., told_ns] = &mut entry.told_ns;
        if asked_ns <= *told_ns {
            return;
        }
        *told_ns = asked_ns;
        let Machine::Exclusive(machine) = &entry.machine else { return };
        let audit = self.audits.get(&place.0).filter(|audit| audit.owns(place));
        if audit.is_some_and(|audit| asked_ns < audit.asked_ns(place).unwrap_or(u64::MAX)) {
            // To a question of before this node owned it.
            return;
        }
        let contested = audit.is_some() && asked_ns > machine.since_ns();
        self.step_machine(place, Event::Exclusive(exclusive::Event::Answered(answer)));
        if let Some(node) = voice.node
            && contested
            && node != self.me
        {
            self.rush(place.0, node, voice.mac);
        }
    }

    /// A second owner was found: it may own more of what this node owns.
    fn rush(&mut self, ifindex: u32, rival: NodeId, mac: Mac) {
        let Some(audit) = self.audits.get_mut(&ifindex) else { return };
        if !audit.may_rush(mac, self.now_ns) {
            return;
        }
        let entries = &self.entries;
        let may = |place: &Place| entries.get(place).is_some_and(|entry| entry.order.candidates.contains(&rival));
        let places = audit.owned().filter(may).collect();
        audit.rush(mac, places, self.now_ns);
    }
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
