//! The indices of a node's machines: times, heartbeats, audits; and what the heartbeats find.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
    ops::Bound,
    sync::Arc,
};

use arpeggio_common::{model::NodeId, wire::Mac};

use super::{
    super::{
        Effect, Origin, Place, Standing, To, exclusive, shared,
        watch::{Finding, Watch},
    },
    Event, Machine, Succession,
};

/// Standbys before this one beat at the full rate.
const FULL_RATE: usize = 2;
/// What is asked for in one go by who leaves …
const SAID: usize = 8;
/// … of everybody and so many candidates in turn …
const ASKED: usize = 2;
/// … and how long it waits between two goes at least.
const SAY_NS: u64 = 50_000_000;
/// Where nobody came for so long, fewer are asked for more rarely.
const LONG_NS: u64 = 4_000_000_000;
const SAID_LATER: usize = 3;
const SAY_LATER_NS: u64 = 500_000_000;

impl Succession {
    /// Brings the indices in line with what a machine wants now.
    pub(super) fn sync(&mut self, place: Place) {
        let Some(entry) = self.entries.get_mut(&place) else { return };
        let due_ns = entry.machine.due_ns();
        if due_ns != entry.due_ns {
            if let Some(before) = entry.due_ns {
                self.due.remove(&(before, place));
            }
            entry.due_ns = due_ns;
            self.due.extend(due_ns.map(|due_ns| (due_ns, place)));
        }
        let candidates = Arc::clone(&entry.order.candidates);
        let (listens, probes, tests, audits) = match &entry.machine {
            Machine::Exclusive(machine) => {
                let owns = machine.standing() == Standing::Owner;
                (machine.wants_hearing(), machine.wants_sighting(), machine.tested().is_some(), owns)
            }
            // Who was parted from us since it began has never heard of us, nor we of it.
            Machine::Shared(machine) => {
                let beside = machine.standing() == Standing::Sharing && !self.peers.beside(place.0).is_empty();
                (false, false, false, beside || machine.misses_some(&candidates))
            }
        };
        set(&mut self.listening, place, listens);
        set(&mut self.probing, place, probes);
        set(&mut self.testing, place, tests);
        let rivals = candidates.iter().filter(|node| **node != self.me).count();
        let audit = self.audits.entry(place.0).or_default();
        audit.set_pace(self.orders.pace);
        // Another port of this node may answer beside this one, until it is known that both are on one segment.
        if audits && (rivals > 0 || !self.peers.beside(place.0).is_empty()) {
            audit.add(place, self.now_ns);
        } else {
            audit.remove(place);
        }
        let leaves = entry.machine.standing() == Standing::Leaving;
        self.set_leaving(place, leaves);
        let wanted = self.wanted(place);
        self.watch(place, &wanted);
    }

    pub(super) fn set_leaving(&mut self, place: Place, leaves: bool) {
        if leaves {
            if self.leaving.entry(place.0).or_default().insert(place) {
                self.leaving_ns.insert(place.0, self.now_ns);
            }
        } else if let Some(places) = self.leaving.get_mut(&place.0) {
            places.remove(&place);
            if places.is_empty() {
                self.leaving.remove(&place.0);
            }
        }
    }

    /// Who leaves answers no heartbeats; where nobody else talks, standbys would hear nothing at all, and take nothing from
    /// an owner that they cannot tell from their own deafness. So it asks everybody for something, once an interval.
    pub(super) fn say_while_leaving(&mut self) {
        for (ifindex, places) in &self.leaving {
            let (interval_ns, most) = self.says(*ifindex);
            let (said_ns, said) = self.said.entry(*ifindex).or_default();
            if self.now_ns < *said_ns + interval_ns {
                continue;
            }
            let after = said.last().copied().map_or(Bound::Unbounded, Bound::Excluded);
            let next = places.range((after, Bound::Unbounded)).chain(places).take(places.len().min(most)).copied();
            let mut before = said.last().copied();
            *said = next.collect();
            *said_ns = self.now_ns;
            for place in said.iter() {
                // Others are asked in the next round of all: else those of an address might always be the same.
                self.said_rounds =
                    self.said_rounds.wrapping_add(usize::from(before.is_some_and(|before| *place <= before)));
                before = Some(*place);
                self.effects.push(Effect::Ask(*place, To::All));
                // Probes do not arrive everywhere.
                let Some(entry) = self.entries.get(place) else { continue };
                let macs =
                    self.peers.some(*ifindex, &entry.order.candidates, (self.said_rounds.wrapping_mul(ASKED), ASKED));
                self.effects.extend(macs.into_iter().map(|mac| Effect::Ask(*place, To::One(mac))));
            }
        }
    }

    /// What it asks for: whoever answers has it, and was not heard when it claimed.
    pub(super) fn said(&self) -> impl Iterator<Item = Place> + '_ {
        let said = self.leaving.iter().filter_map(|(ifindex, places)| Some((places, &self.said.get(ifindex)?.1)));
        said.flat_map(|(places, said)| said.iter().copied().filter(|place| places.contains(place)))
    }

    /// When it does so next.
    pub(super) fn leaving_due_ns(&self) -> Option<u64> {
        let next_ns = |ifindex: &u32| self.said.get(ifindex).map_or(0, |(said_ns, _)| *said_ns) + self.says(*ifindex).0;
        self.leaving.keys().map(next_ns).min()
    }

    /// How often it does, and for how many.
    fn says(&self, ifindex: u32) -> (u64, usize) {
        let since_ns = self.leaving_ns.get(&ifindex).copied().unwrap_or_default();
        let interval_ns = self.orders.pace.interval_ns();
        if self.now_ns.saturating_sub(since_ns) < LONG_NS {
            (interval_ns.max(SAY_NS), SAID)
        } else {
            (interval_ns.max(SAY_LATER_NS), SAID_LATER)
        }
    }

    /// Who has to be watched for an address, and whether slowly.
    fn wanted(&self, place: Place) -> BTreeMap<Mac, (NodeId, bool)> {
        let Some(entry) = self.entries.get(&place) else { return BTreeMap::new() };
        let candidates = &entry.order.candidates;
        match &entry.machine {
            Machine::Exclusive(machine) => {
                let Some(Origin { mac, node: Some(node) }) = machine.watched() else { return BTreeMap::new() };
                let slow = exclusive::turn(candidates, self.me, Some(node)) >= FULL_RATE;
                BTreeMap::from([(mac, (node, slow))])
            }
            Machine::Shared(machine) if machine.watches() => {
                let others = candidates.iter().filter(|node| **node != self.me);
                others
                    .filter_map(|node| {
                        let peer = self.peers.get((place.0, *node)).filter(|peer| peer.heard_ns > 0)?;
                        let watch = self.watches.get(&(place.0, peer.mac));
                        // Who is heard again is about to answer: then its shares are let go of at once.
                        let slow = watch.is_some_and(|watch| !watch.is_alive() && !watch.may_return(peer.heard_ns));
                        Some((peer.mac, (*node, slow)))
                    })
                    .collect()
            }
            Machine::Shared(_) => BTreeMap::new(),
        }
    }

    fn watch(&mut self, place: Place, wanted: &BTreeMap<Mac, (NodeId, bool)>) {
        let Some(entry) = self.entries.get_mut(&place) else { return };
        let shares = matches!(&entry.machine, Machine::Shared(machine) if machine.watches());
        let stands_by =
            matches!(&entry.machine, Machine::Exclusive(machine) if machine.standing() == Standing::Standby);
        set(&mut self.shared, place, shares);
        if !entry.watched.iter().eq(wanted.keys()) {
            let before = std::mem::replace(&mut entry.watched, wanted.keys().copied().collect());
            for mac in before.into_iter().filter(|mac| !wanted.contains_key(mac)) {
                self.part(place, mac);
            }
        }
        for (mac, (node, slow)) in wanted {
            // An owner was just seen; a member has to answer first.
            let watch = self.watches.entry((place.0, *mac));
            let watch = watch.or_insert_with(|| Watch::new(Some(*node), self.now_ns, !shares));
            if stands_by {
                // It claimed, or seemed to answer, after all: without an answer it falls silent anew.
                watch.tell_again();
            }
            if watch.join(place, *slow, self.now_ns) && shares && watch.is_alive() {
                self.step_machine(place, Event::Shared(shared::Event::Alive(*node)));
            }
        }
    }

    pub(super) fn part(&mut self, place: Place, mac: Mac) {
        let key = (place.0, mac);
        if self.watches.get_mut(&key).is_some_and(|watch| watch.part(place)) {
            self.watches.remove(&key);
            self.floods.retain(|way| *way != key);
        }
    }

    /// A node answered a question of ours that was sent then.
    pub(super) fn lives(&mut self, key: (u32, Mac), place: Option<Place>, at_ns: u64) {
        let Some(watch) = self.watches.get_mut(&key) else { return };
        if !watch.answered(place, at_ns) {
            return;
        }
        let Some(node) = watch.node() else { return };
        for place in watch.members().collect::<Vec<_>>() {
            self.tell(place, exclusive::Event::Alive, shared::Event::Alive(node));
        }
    }

    /// Sends the heartbeats that are due and draws the conclusions.
    pub(super) fn beat(&mut self) {
        let (pace, now_ns) = (self.orders.pace, self.now_ns);
        let mut found = Vec::new();
        for ((ifindex, mac), watch) in &mut self.watches {
            if watch.due_ns(pace) > now_ns {
                continue;
            }
            let hearing = self.hearing.get(ifindex).copied().unwrap_or_default();
            found.extend(watch.step(pace, &hearing, now_ns).into_iter().map(|finding| ((*ifindex, *mac), finding)));
        }
        for (key, finding) in found {
            match finding {
                Finding::Ask { place, doubtful } => {
                    self.effects.push(Effect::Ask(place, To::One(key.1)));
                    if doubtful {
                        self.doubt(place);
                    } else if !self.shared.contains(&place) && self.floods.beat(key, now_ns) {
                        self.effects.push(Effect::Ask(place, To::All));
                    }
                }
                Finding::Silent(last_ns) | Finding::Deserted(last_ns) => {
                    let heard = matches!(finding, Finding::Silent(_));
                    let Some(watch) = self.watches.get(&key) else { continue };
                    let (node, places) = (watch.node(), watch.members().collect::<Vec<_>>());
                    // Members cannot tell the silence of all from that of one, unless there is no third.
                    for place in places {
                        let is_pair = self.entries.get(&place).is_some_and(|entry| entry.order.candidates.len() == 2);
                        if !heard && !is_pair && self.shared.contains(&place) {
                            continue;
                        }
                        let silent = node.map_or(shared::Event::Ordered, shared::Event::Silent);
                        self.tell(place, exclusive::Event::Silent { last_ns, heard }, silent);
                    }
                }
                Finding::Lost(place, last_ns) => {
                    if !self.shared.contains(&place) {
                        self.step_machine(place, Event::Exclusive(exclusive::Event::Silent { last_ns, heard: true }));
                    }
                }
            }
        }
    }
}

/// The interfaces of some places.
pub(super) fn interfaces_of<'a>(places: impl Iterator<Item = &'a Place>) -> BTreeSet<u32> {
    places.map(|(ifindex, _)| *ifindex).collect()
}

/// The interfaces of some places, each once, however many places there are.
pub(super) fn interfaces(places: &BTreeSet<Place>) -> impl Iterator<Item = u32> + '_ {
    let next = |ifindex: &u32| {
        let last = (*ifindex, IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)));
        places.range((Bound::Excluded(last), Bound::Unbounded)).next().map(|(ifindex, _)| *ifindex)
    };
    std::iter::successors(places.first().map(|(ifindex, _)| *ifindex), next)
}

fn set(places: &mut BTreeSet<Place>, place: Place, present: bool) {
    if present {
        places.insert(place);
    } else {
        places.remove(&place);
    }
}
