//! What must hold at every step, and since when it does not.

use std::collections::BTreeMap;

use arpeggio_common::{
    abi::{ALL_BUCKETS, Action},
    model::Mode,
    wire::Mac,
};
use arpeggio_succession::{Role, Standing};

use crate::{
    bounds::{Bounds, HANDOVER_NS, STRANGER_NS},
    frame::{Address, Frame, Says},
    measured::Measured,
    node::{self, Deeds},
    sight::{Sight, Violation, is_wanted},
    twins::Twins,
    wire::{Station, Stations, members, only},
};

const SECOND_NS: u64 = 1_000_000_000;
/// Claims of an address in a second where nothing happens: two audits of its own, two of another owner that does not hear or is not heard,
/// and one more at the edge are each followed by three rounds of both forms, and clients are called back once.
const CLAIMS: u64 = 32;
/// Audits by unicast in a second, and the question of an owner whether a node is alive.
const AUDITS: u64 = 4;
/// No attack lasts longer.
const ATTACK_NS: u64 = 5 * SECOND_NS;

/// What is said again and again: the sender, the receiver, and what is claimed, if it is.
type Said = (Station, Option<Mac>, Option<Address>);

/// What may be wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ill {
    /// Clients, or some of them, are not answered.
    Nobody,
    /// Some are answered twice.
    Two,
}

/// Remembers what was wrong since when, and what may excuse it.
pub(crate) struct Judge {
    pub(crate) bounds: Bounds,
    pub(crate) mode: Mode,
    /// Nobody hears what some nodes ask: these cannot know who has an address.
    pub(crate) unheard: bool,
    /// The shares that are answered, by address and port.
    pub(crate) answered: Vec<Vec<u64>>,
    ills: BTreeMap<(Address, Stations, Ill), u64>,
    /// When something was broken or mended last.
    pub(crate) fault_ns: u64,
    /// When something was mended that may have made two owners.
    pub(crate) healed_ns: u64,
    /// When an agent began or went on to run.
    pub(crate) woken_ns: u64,
    /// When an attack began or ended.
    pub(crate) attacked_ns: u64,
    /// Faults in force that may excuse everything as long as they last.
    pub(crate) storms: u32,
    /// When a change of the answerer was caused last, by address.
    caused_ns: Vec<u64>,
    /// Strangers in force, by address, and when the last one went.
    strangers: Vec<(u32, Option<u64>)>,
    /// Whether all that answer an address twice are to leave, and when it was so last.
    left: Vec<(bool, u64)>,
    /// Questions, and claims of an address, in the current second: when it began, how many, by sender and receiver.
    asked: BTreeMap<Said, (u64, u64)>,
    /// What is known of nodes with two ports.
    pub(crate) twins: Twins,
    /// What was measured.
    pub(crate) measured: Measured,
}

impl Judge {
    /// Nothing has happened yet.
    pub(crate) fn new(bounds: Bounds, mode: Mode, (ports, addresses): (usize, usize)) -> Self {
        Self {
            bounds,
            mode,
            unheard: false,
            answered: vec![vec![0; ports]; addresses],
            ills: BTreeMap::new(),
            fault_ns: 0,
            healed_ns: 0,
            woken_ns: 0,
            attacked_ns: 0,
            storms: 0,
            caused_ns: vec![0; addresses],
            strangers: vec![(0, None); addresses],
            left: vec![(false, 0); addresses],
            asked: BTreeMap::new(),
            twins: Twins::default(),
            measured: Measured::default(),
        }
    }

    /// Something was broken or mended.
    pub(crate) fn fault(&mut self, now_ns: u64) {
        self.fault_ns = now_ns;
    }

    /// An attack begins or ends. It excuses nothing but questions.
    pub(crate) fn attacked(&mut self, now_ns: u64) {
        self.attacked_ns = now_ns;
    }

    /// An agent runs again that may find two owners.
    pub(crate) fn woken(&mut self, now_ns: u64) {
        self.woken_ns = now_ns;
        self.fault_ns = now_ns;
        self.healed_ns = now_ns;
    }

    /// Somebody may have come or gone: those who share divide anew.
    pub(crate) fn moved(&mut self, now_ns: u64) {
        self.fault_ns = now_ns;
        if self.mode == Mode::Shared {
            self.caused_ns.fill(now_ns);
        }
    }

    /// Something was mended that may have made two owners, or will make others of those there are.
    pub(crate) fn healed(&mut self, now_ns: u64) {
        self.fault_ns = now_ns;
        self.healed_ns = now_ns;
        self.caused_ns.fill(now_ns);
    }

    /// An agent that was away since then runs again: what has happened meanwhile reaches it only now.
    pub(crate) fn learns(&mut self, since_ns: u64, now_ns: u64) {
        for caused_ns in self.caused_ns.iter_mut().filter(|caused_ns| **caused_ns >= since_ns) {
            *caused_ns = now_ns;
        }
    }

    /// Something that excuses everything begins or ends.
    pub(crate) fn storm(&mut self, begins: bool, now_ns: u64) {
        self.storms = if begins { self.storms + 1 } else { self.storms.saturating_sub(1) };
        self.healed(now_ns);
    }

    /// The address may get another answerer because of this.
    pub(crate) fn caused(&mut self, address: Address, now_ns: u64) {
        self.fault_ns = now_ns;
        self.caused_ns[address] = now_ns;
    }

    /// What these ports answer may get another answerer because of this.
    pub(crate) fn caused_by(&mut self, ports: Stations, now_ns: u64) {
        self.fault_ns = now_ns;
        for address in 0..self.answered.len() {
            if members(ports).any(|port| self.answered[address].get(port).is_some_and(|shares| *shares != 0)) {
                self.caused_ns[address] = now_ns;
            }
        }
    }

    /// A stranger takes the address, or goes.
    pub(crate) fn stranger(&mut self, address: Address, begins: bool, now_ns: u64) {
        let (count, gone_ns) = &mut self.strangers[address];
        *count = if begins { *count + 1 } else { count.saturating_sub(1) };
        *gone_ns = Some(now_ns);
        self.caused(address, now_ns);
    }

    /// An agent did something: every change of what is answered has a reason, and nobody says too much.
    pub(crate) fn acted(&mut self, sight: &Sight<'_>, number: usize, deeds: &Deeds) -> Option<Violation> {
        let answers = |role: Role| if role.action == Action::Answer { role.buckets } else { 0 };
        for (spot, before, after) in &deeds.changes {
            let changed = before.map(answers) != Some(answers(*after));
            let told = deeds.reports.iter().any(|report| node::spot(report.place) == *spot);
            if changed && !told {
                return Some(sight.wrong(format!("node {number} changed {spot:?} to {after:?} without a report")));
            }
        }
        let node = &sight.nodes[number];
        // A port that has just lost its carrier answers nothing, its agent may not know it yet, and what it sends goes nowhere.
        let owns = |station: Station| self.answered.iter().any(|shares| shares[station] != 0);
        let is_there = |station: Station| sight.carriers & !sight.unbound & only(station) != 0;
        let idle = !deeds.frames.is_empty() && !is_wanted(node) && !sight.ports_of(number).any(owns);
        let said = deeds.frames.iter().find(|(port, _)| sight.station(number, *port).is_some_and(is_there));
        if let Some(said) = said.filter(|_| idle) {
            return Some(sight.wrong(format!("node {number} has nothing to do and sends {said:?}")));
        }
        let double = self.about_ports(sight, number, deeds);
        double.or_else(|| {
            deeds.frames.iter().find_map(|(port, frame)| self.asks(sight, sight.station(number, *port)?, frame))
        })
    }

    /// Heartbeats and probes by the second.
    fn asks(&mut self, sight: &Sight<'_>, station: Station, frame: &Frame) -> Option<Violation> {
        if !matches!(frame.says, Says::Ask(..) | Says::Claim(..))
            || (frame.to.is_some() && !matches!(frame.says, Says::Ask(..)))
        {
            return None;
        }
        let address = if let Says::Claim(address, _) = frame.says { Some(address) } else { None };
        let (begun_ns, count) = self.asked.entry((station, frame.to, address)).or_default();
        if sight.now_ns - *begun_ns >= SECOND_NS {
            (*begun_ns, *count) = (sight.now_ns, 0);
        }
        *count += 1;
        let (begun_ns, count) = (*begun_ns, *count);
        let settled = self.storms == 0
            && begun_ns > self.fault_ns.max(self.attacked_ns + ATTACK_NS) + self.bounds.nobody_ns + 2 * SECOND_NS;
        if !settled {
            return None;
        }
        let (most, measured) = match frame.to {
            // Nothing happens: nobody has to say again what is his.
            None if address.is_some() => (CLAIMS, &mut self.measured.claims),
            // Who was not heard for a while is asked once for all that this node owns.
            Some(_) => {
                // Each claim of an owner that does not hear is asked about.
                let claimed = if self.unheard { CLAIMS * self.answered.len() as u64 } else { 0 };
                let owned = self.answered.iter().filter(|shares| shares[station] != 0).count() as u64;
                (self.bounds.heartbeats + AUDITS + owned + claimed, &mut self.measured.heartbeats)
            }
            // Audits of an owner; strangers are asked for again and again; and each owner that is new is asked once with everybody.
            None => (10 + self.answered.first().map_or(0, Vec::len) as u64, &mut self.measured.probes),
        };
        *measured = count.max(*measured);
        (count > most).then(|| {
            sight.wrong(format!(
                "node {station} said {:?} to {:?} {count} times within a second; {most} are the most",
                frame.says, frame.to
            ))
        })
    }

    /// Looks at who answers now. Tells what is wrong for too long, or when to look again.
    pub(crate) fn look(&mut self, sight: &Sight<'_>) -> Result<Option<u64>, Violation> {
        for address in 0..self.answered.len() {
            let now: Vec<u64> = (0..sight.ports.len()).map(|station| sight.shares(station, address)).collect();
            if now != self.answered[address] {
                self.changed(sight, address, &now)?;
                self.answered[address] = now;
            }
        }
        self.ail(sight);
        let deaf_ns = self.deaf(sight)?;
        let overdue_ns = self.overdue(sight)?;
        Ok(deaf_ns.into_iter().chain(overdue_ns).min())
    }

    /// Sticky: an address changes hands for a cause only.
    fn changed(&mut self, sight: &Sight<'_>, address: Address, now: &[u64]) -> Result<(), Violation> {
        let before = &self.answered[address];
        // A node that no client reaches and that reaches none may believe what it likes, and what nobody has is free. Who has
        // it in another segment is nobody here: every segment with somebody who asks shall have an answerer of its own.
        let of_all = |shares: &[u64], segment| members(segment).fold(0, |all, one| all | shares.get(one).unwrap_or(&0));
        let gains = |one: Station, segment| now[one] & !before[one] & of_all(before, segment) != 0;
        let loses = |one: Station, segment| before[one] & !now[one] & !of_all(now, segment) != 0;
        let moves = |one: &Station| sight.reached(*one).is_some_and(|at| gains(*one, at) || loses(*one, at));
        let Some(mover) = (0..now.len()).find(moves) else { return Ok(()) };
        self.measured.changes += 1;
        let patience_ns = self.bounds.nobody_ns + self.bounds.healed_ns + self.bounds.retry_ns;
        if self.storms > 0
            || self.unheard
            || self.is_strange(address, sight.now_ns)
            || sight.now_ns <= self.caused_ns[address] + patience_ns
        {
            return Ok(());
        }
        let ms = (sight.now_ns - self.caused_ns[address]) / 1_000_000;
        Err(sight
            .wrong(format!("node {mover} took or lost address {address} {ms} ms after the last cause for a change")))
    }

    fn is_strange(&self, address: Address, now_ns: u64) -> bool {
        let (count, gone_ns) = self.strangers[address];
        count > 0 || gone_ns.is_some_and(|gone_ns| now_ns <= gone_ns + STRANGER_NS)
    }

    /// What is wrong now, and since when.
    fn ail(&mut self, sight: &Sight<'_>) {
        let mut found = BTreeMap::new();
        for segment in sight.segments {
            for (address, shares) in self.answered.iter().enumerate() {
                let mut note = |ill| {
                    let key = (address, *segment, ill);
                    found.insert(key, self.ill_since(key).unwrap_or(sight.now_ns));
                };
                let (all, twice) = sight.union(*segment, shares);
                if all != ALL_BUCKETS && sight.could_answer(*segment, address) && !self.is_kept_free(sight, address) {
                    note(Ill::Nobody);
                }
                if twice != 0 {
                    note(Ill::Two);
                }
            }
        }
        for (address, (leaving, left_ns)) in self.left.iter_mut().enumerate() {
            let all_leave = |segment: &Stations| {
                found.contains_key(&(address, *segment, Ill::Two)) && sight.all_leave(*segment, address)
            };
            let before = std::mem::replace(leaving, sight.segments.iter().any(all_leave));
            if before || *leaving {
                *left_ns = sight.now_ns;
            }
        }
        for ((_, _, ill), since_ns) in self.ills.iter().filter(|(key, _)| !found.contains_key(key)) {
            let took_ns = sight.now_ns - since_ns;
            match ill {
                Ill::Nobody => self.measured.nobody_ns = self.measured.nobody_ns.max(took_ns),
                Ill::Two => self.measured.two_ns = self.measured.two_ns.max(took_ns),
            }
            if *ill == Ill::Two && self.is_clean(*since_ns) {
                self.measured.two_clean_ns = self.measured.two_clean_ns.max(took_ns);
            }
        }
        self.ills = found;
    }

    /// Whether an address that no speaker here remembers is answered by an attacker: it is left to him, as to any machine that has it.
    fn is_kept_free(&self, sight: &Sight<'_>, address: Address) -> bool {
        let attacked = sight.now_ns < self.attacked_ns + ATTACK_NS + STRANGER_NS;
        let is_left = |(node, port): &(usize, usize)| {
            sight.nodes.get(*node).and_then(|node| node.standing((*port, address))) == Some(Standing::InUse)
        };
        attacked && sight.ports.iter().any(is_left)
    }

    /// Since when it is so in this segment, and was before others left it.
    fn ill_since(&self, (address, segment, ill): (Address, Stations, Ill)) -> Option<u64> {
        let of_address = self.ills.range((address, 0, Ill::Nobody)..(address + 1, 0, Ill::Nobody));
        let same = of_address.filter(|((_, wider, other), _)| *other == ill && wider & segment == segment);
        same.map(|(_, since_ns)| *since_ns).min()
    }

    /// Whether nothing had healed shortly before.
    fn is_clean(&self, since_ns: u64) -> bool {
        self.mode == Mode::Exclusive && self.storms == 0 && since_ns > self.healed_ns + self.bounds.healed_ns
    }

    fn overdue(&self, sight: &Sight<'_>) -> Result<Option<u64>, Violation> {
        let now_ns = sight.now_ns;
        let mut next_ns: Option<u64> = None;
        for ((address, segment, ill), since_ns) in &self.ills {
            // A stranger's answers hide those of a second owner, and an address that is in use is left alone for a while.
            if self.storms > 0 || self.is_strange(*address, now_ns) {
                continue;
            }
            // Who cannot ask whether there is another owner is one beside it.
            if self.unheard && *ill == Ill::Two {
                continue;
            }
            // Who leaves answers no questions: of two that do, neither finds the other, and both go on until somebody can have it.
            let both_leave = self.mode == Mode::Exclusive && sight.all_leave(*segment, *address);
            if both_leave && *ill == Ill::Two && !sight.could_answer(*segment, *address) {
                continue;
            }
            let gone_ns = self.strangers[*address].1.map_or(0, |gone_ns| gone_ns + STRANGER_NS);
            let until_ns = match ill {
                Ill::Nobody => self.fault_ns.max(*since_ns).max(gone_ns) + self.bounds.nobody_ns,
                Ill::Two if both_leave => {
                    self.fault_ns.max(*since_ns) + self.bounds.nobody_ns + self.bounds.healed_ns + HANDOVER_NS
                }
                Ill::Two if self.is_clean(*since_ns) => since_ns + self.bounds.two_ns,
                Ill::Two if self.mode == Mode::Shared => self.fault_ns.max(*since_ns) + self.bounds.nobody_ns,
                // Who leaves answers no questions, so no other owner finds it: it goes by itself, or when a successor has come.
                Ill::Two if sight.leaves(*segment, *address) => {
                    self.left[*address].1.max(*since_ns) + self.bounds.healed_ns + HANDOVER_NS
                }
                Ill::Two => self.healed_ns.max(*since_ns).max(gone_ns) + self.bounds.healed_ns,
            };
            if now_ns > until_ns {
                let ms = (now_ns - since_ns) / 1_000_000;
                let nodes: Vec<_> = members(*segment).collect();
                let shares = &self.answered[*address];
                let text = format!("{ill:?} answers for address {address} among {nodes:?} for {ms} ms: {shares:x?}");
                return Err(sight.wrong(text));
            }
            next_ns = Some(next_ns.map_or(until_ns + 1, |at_ns| at_ns.min(until_ns + 1)));
        }
        Ok(next_ns)
    }
}

#[cfg(test)]
mod tests {
    use arpeggio_succession::Pace;

    use super::*;

    const MS: u64 = 1_000_000;

    fn judge() -> Judge {
        Judge::new(Bounds::new(Pace::DEFAULT, (3, 2), MS, MS), Mode::Exclusive, (3, 2))
    }

    #[test]
    fn who_leaves_a_segment_does_not_begin_its_ills_anew() {
        let mut judge = judge();
        judge.ills =
            BTreeMap::from([((0, 0b111, Ill::Two), 5), ((0, 0b110, Ill::Nobody), 3), ((1, 0b111, Ill::Two), 4)]);
        assert_eq!(judge.ill_since((0, 0b111, Ill::Two)), Some(5));
        assert_eq!(judge.ill_since((0, 0b011, Ill::Two)), Some(5), "the same two, without the third");
        assert_eq!(judge.ill_since((0, 0b1111, Ill::Two)), None, "who joins may make it another one");
        assert_eq!(judge.ill_since((0, 0b111, Ill::Nobody)), None);
    }

    #[test]
    fn what_was_caused_while_an_agent_was_away_reaches_it_when_it_is_back() {
        let mut judge = judge();
        judge.caused_ns = vec![10 * MS, 20 * MS];
        judge.learns(15 * MS, 90 * MS);
        assert_eq!(judge.caused_ns, [10 * MS, 90 * MS], "the other cause was known to it");
    }
}
