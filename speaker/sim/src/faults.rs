//! What each fault does to the world, and what it excuses.

use arpeggio_common::model::Mode;
use arpeggio_succession::Order;

use crate::{
    kernel::Kernel,
    scenario::{Attack, Fault, Trouble},
    wire::{Station, Stations, members, only},
    world::{Event, World},
};

const MS: u64 = 1_000_000;

impl World {
    /// A fault begins.
    pub(crate) fn begin(&mut self, number: usize) {
        let Trouble { at_ns, end_ns, fault } = self.scenario.troubles[number].clone();
        self.trace.note(self.now_ns, || format!("begins: {fault:?}"));
        let length_ns = end_ns - at_ns;
        self.after(length_ns, Event::End(number));
        self.happened(&fault);
        match fault {
            Fault::Pause(station) => {
                self.away_ns[station].get_or_insert(self.now_ns);
                self.nodes[station].paused += 1;
                self.expect_lease_end(station);
            }
            Fault::Crash(station) => {
                self.away_ns[station].get_or_insert(self.now_ns);
                // The next process is not a stopped one.
                self.nodes[station].agent = None;
                self.nodes[station].paused = 0;
                self.expect_lease_end(station);
            }
            Fault::Reboot(station) => {
                self.away_ns[station].get_or_insert(self.now_ns);
                self.judge.caused_by(self.scenario.ports_of(station), self.now_ns);
                self.nodes[station].power_off();
                self.dirty = true;
            }
            Fault::Pull(station) => self.pulls(station, true),
            Fault::Deaf(station) => {
                self.judge.caused_by(only(station), self.now_ns);
                self.cut(&[(self.all(), only(station))], true);
            }
            Fault::Mute(station) => {
                self.judge.caused_by(only(station), self.now_ns);
                self.cut(&[(only(station), self.all())], true);
            }
            Fault::Unbound(station) => {
                self.judge.caused_by(only(station), self.now_ns);
                self.switch.unbind(station, true);
                self.dirty = true;
            }
            Fault::Limit(station, most, shut_ns) => {
                self.switch.limit(station, (most, shut_ns), true);
                if shut_ns.is_none() {
                    self.judge.storm(true, self.now_ns);
                }
            }
            Fault::Cut(from, to, both) => {
                self.judge.healed(self.now_ns);
                self.cut(&[(from, to), (to, from)][..1 + usize::from(both)], true);
            }
            Fault::Lose(per_mille) => {
                self.judge.storm(true, self.now_ns);
                self.wire.lose(per_mille, true);
            }
            Fault::Slow(most_ns) => {
                self.judge.storm(true, self.now_ns);
                self.wire.slow(most_ns, true);
            }
            Fault::Order(changes) => {
                // Of an exclusive address no two orders are excused, where a node can prove to whom that does not know it that it is one.
                if self.needs_one_order() {
                    self.judge.storm(true, self.now_ns);
                }
                changes.iter().for_each(|(address, _)| self.judge.caused(*address, self.now_ns));
                for station in 0..self.nodes.len() {
                    let later_ns = self.rng.u64(0..length_ns);
                    self.after(later_ns, Event::Obey(station, number));
                }
            }
            Fault::Evacuate(station) => {
                self.judge.caused_by(self.scenario.ports_of(station), self.now_ns);
                self.evacuate(station, true);
            }
            Fault::Stranger(address, _) => {
                *self.strangers.entry(address).or_default() += 1;
                self.judge.stranger(address, true, self.now_ns);
                self.after(0, Event::Stranger(number));
            }
            // Nothing that it does excuses anything.
            Fault::Attack(attack, _) => {
                self.attacker.attacks += 1;
                self.attacker.answering += u32::from(attack == Attack::Forge);
                self.judge.attacked(self.now_ns);
                self.after(0, Event::Attack(number));
            }
            Fault::Unread(station) => {
                self.judge.fault(self.now_ns);
                self.nodes[station].unreadable += 1;
            }
        }
    }

    /// A fault ends.
    pub(crate) fn end(&mut self, number: usize) {
        let fault = self.scenario.troubles[number].fault.clone();
        self.trace.note(self.now_ns, || format!("ends: {fault:?}"));
        self.happened(&fault);
        match fault {
            Fault::Pause(station) => {
                let node = &mut self.nodes[station];
                node.paused = node.paused.saturating_sub(1);
                self.resume(station);
            }
            Fault::Crash(station) => self.start(station),
            Fault::Reboot(station) => self.power_on(station),
            Fault::Pull(station) => self.pulls(station, false),
            Fault::Unbound(station) => {
                self.switch.unbind(station, false);
                self.judge.healed(self.now_ns);
                self.dirty = true;
            }
            Fault::Limit(station, most, shut_ns) => {
                self.switch.limit(station, (most, shut_ns), false);
                if shut_ns.is_none() {
                    self.judge.storm(false, self.now_ns);
                }
            }
            Fault::Deaf(station) => {
                self.judge.healed(self.now_ns);
                self.cut(&[(self.all(), only(station))], false);
            }
            Fault::Mute(station) => {
                self.judge.healed(self.now_ns);
                self.cut(&[(only(station), self.all())], false);
            }
            Fault::Cut(from, to, both) => {
                self.judge.healed(self.now_ns);
                self.cut(&[(from, to), (to, from)][..1 + usize::from(both)], false);
            }
            Fault::Lose(per_mille) => {
                self.judge.storm(false, self.now_ns);
                self.wire.lose(per_mille, false);
            }
            Fault::Slow(most_ns) => {
                self.judge.storm(false, self.now_ns);
                self.wire.slow(most_ns, false);
            }
            Fault::Order(changes) => {
                if self.needs_one_order() {
                    self.judge.storm(false, self.now_ns);
                }
                changes.iter().for_each(|(address, _)| self.judge.caused(*address, self.now_ns));
            }
            Fault::Evacuate(station) => {
                self.judge.caused_by(self.scenario.ports_of(station), self.now_ns);
                // An order that put it first meanwhile is not forgotten.
                (0..self.scenario.orders.len()).for_each(|address| self.judge.caused(address, self.now_ns));
                if self.is_half_deaf(station) {
                    self.judge.healed(self.now_ns);
                }
                self.evacuate(station, false);
            }
            Fault::Stranger(address, _) => {
                if let Some(count) = self.strangers.get_mut(&address) {
                    *count -= 1;
                }
                self.strangers.retain(|_, count| *count > 0);
                self.judge.stranger(address, false, self.now_ns);
            }
            Fault::Attack(attack, _) => {
                self.attacker.attacks -= 1;
                self.attacker.answering -= u32::from(attack == Attack::Forge);
                self.judge.attacked(self.now_ns);
            }
            Fault::Unread(station) => {
                self.nodes[station].unreadable -= 1;
                self.wakes(station);
            }
        }
    }

    /// Agents may sleep and die as long as the lease lasts: nothing follows from that.
    fn happened(&mut self, fault: &Fault) {
        if matches!(fault, Fault::Pause(_) | Fault::Crash(_)) {
            self.judge.fault(self.now_ns);
        } else {
            self.judge.moved(self.now_ns);
        }
    }

    /// Who shares counts on the others to know the same, and without a key a node that an order does not name is a stranger to whoever
    /// follows that order.
    fn needs_one_order(&self) -> bool {
        self.scenario.mode == Mode::Shared || !self.scenario.key
    }

    /// Cuts pairs of sets, or ends that.
    fn cut(&mut self, pairs: &[(Stations, Stations)], begins: bool) {
        for pair in pairs {
            self.wire.cut(*pair, begins);
        }
        self.rewired();
    }

    /// Everybody on the wire.
    fn all(&self) -> Stations {
        only(self.scenario.stations()) - 1
    }

    /// The machine is switched on, and its agent starts.
    pub(crate) fn power_on(&mut self, station: usize) {
        self.nodes[station].powered = true;
        self.start(station);
    }

    fn start(&mut self, station: usize) {
        let node = &mut self.nodes[station];
        if !node.powered || node.agent.is_some() {
            return;
        }
        node.paused = 0;
        let carriers = members(self.scenario.ports_of(station)).map(|port| self.wire.has_carrier(port));
        node.told.carriers = carriers.collect();
        let lapsed = self.now_ns >= node.lease_until_ns();
        node.start(self.now_ns);
        self.trace.note(self.now_ns, || format!("{station}: agent starts"));
        self.wakes(station);
        if lapsed || self.joins(station) {
            self.judge.moved(self.now_ns);
        }
        let claimed = self.nodes[station].has_events();
        if std::mem::take(&mut self.deaf_to[station]) || claimed || self.is_half_deaf(station) {
            self.judge.healed(self.now_ns);
        }
        self.dirty = true;
        self.wake_at(station, self.now_ns);
    }

    fn resume(&mut self, station: usize) {
        if self.nodes[station].is_awake() {
            self.wakes(station);
            if self.joins(station) {
                self.judge.moved(self.now_ns);
            }
            if self.nodes[station].has_events() {
                // Somebody claimed something meanwhile.
                self.judge.healed(self.now_ns);
            }
            if std::mem::take(&mut self.deaf_to[station]) {
                self.judge.healed(self.now_ns);
                self.obey(station);
            }
            self.wake_at(station, self.now_ns);
        }
    }

    /// Its agent runs again.
    fn wakes(&mut self, station: usize) {
        self.judge.woken(self.now_ns);
        if let Some(since_ns) = self.away_ns[station].take() {
            self.judge.learns(since_ns, self.now_ns);
        }
    }

    /// It answers nothing yet: what it takes, it takes because it runs.
    fn joins(&self, node: usize) -> bool {
        let silent =
            |kernel: &Kernel| (0..kernel.entries.len()).all(|address| kernel.answers(address, self.now_ns) == 0);
        self.nodes[node].kernels.iter().all(silent)
    }

    /// Nobody renews the lease now: when it ends, others may take over.
    fn expect_lease_end(&mut self, station: usize) {
        let until_ns = self.nodes[station].lease_until_ns();
        self.after(until_ns.saturating_sub(self.now_ns), Event::LeaseEnd(station));
    }

    pub(crate) fn lease_end(&mut self, station: usize) {
        if self.now_ns >= self.nodes[station].lease_until_ns() {
            self.trace.note(self.now_ns, || format!("{station}: lease over"));
            self.judge.caused_by(self.scenario.ports_of(station), self.now_ns);
            self.dirty = true;
        }
    }

    /// The kernel tells the agent a little later.
    pub(crate) fn carrier_changes(&mut self, station: Station) {
        let later_ns = self.rng.u64(MS / 10..10 * MS);
        self.after(later_ns, Event::Carrier(station));
    }

    pub(crate) fn carrier(&mut self, station: Station) {
        let carrier = self.wire.has_carrier(station);
        let Some((node, port)) = self.scenario.port(station) else { return };
        let told = &mut self.nodes[node].told.carriers[port];
        if *told != carrier {
            *told = carrier;
            self.judge.moved(self.now_ns);
            self.obey(node);
        }
    }

    fn evacuate(&mut self, station: usize, evacuate: bool) {
        self.nodes[station].told.evacuate = evacuate;
        self.obey(station);
    }

    /// The new orders have come to this node.
    pub(crate) fn reorder(&mut self, station: usize, number: usize) {
        let Fault::Order(changes) = &self.scenario.troubles[number].fault else { return };
        let node = &mut self.nodes[station];
        for (address, order) in changes {
            // The newest order of an address wins, whichever way it came.
            if node.told.numbers[*address].is_none_or(|newest| newest < number) {
                node.told.numbers[*address] = Some(number);
                let order = order.clone().map(|order| Order { generation: number as u64 + 2, ..order });
                node.told.orders[*address] = order;
            }
        }
        self.judge.fault(self.now_ns);
        changes.iter().for_each(|(address, _)| self.judge.caused(*address, self.now_ns));
        self.obey(station);
    }

    pub(crate) fn obey(&mut self, station: usize) {
        let node = &mut self.nodes[station];
        if node.is_awake() {
            node.obey(self.now_ns);
            self.trace.note(self.now_ns, || format!("{station}: new orders"));
            self.dirty = true;
            self.wake_at(station, self.now_ns);
        } else {
            self.deaf_to[station] = true;
        }
    }
}
