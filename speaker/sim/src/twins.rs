//! What must hold of a node that has two ports on one segment: one of them answers, the other one takes over when that one has lost its
//! carrier or hears nothing, nobody takes them for two nodes or for strangers, and standbys keep to the one that answers.

use std::collections::BTreeMap;

use arpeggio_common::wire::Mac;
use arpeggio_succession::{Happened, Report};

use crate::{
    frame::Address,
    judge::Judge,
    node::{self, Deeds},
    sight::{Sight, Violation},
    wire::{Station, members, only},
};

const MS: u64 = 1_000_000;
/// A port that receives nothing is doubted for three seconds, then misses three frames of the other port, one a second; both are looked
/// at once a second.
const DEAF_NS: u64 = 8_000 * MS;

/// What is known of nodes with two ports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Twins {
    /// Since when a port that hears nothing answers for another one that hears.
    deaf_ns: BTreeMap<Station, u64>,
    /// Whom each port follows, by address.
    follows: BTreeMap<(Station, Address), Mac>,
}

impl Judge {
    /// What a node with two ports, or a standby of one, must not do.
    pub(crate) fn about_ports(&mut self, sight: &Sight<'_>, number: usize, deeds: &Deeds) -> Option<Violation> {
        let node = &sight.nodes[number];
        if let Some((port, frame)) = deeds.frames.iter().find(|(port, _)| node.stands_by(*port)) {
            let text = format!("port {port} of node {number} stands by and sends {:?}", frame.says);
            return Some(sight.wrong(text));
        }
        let own = |report: &&Report| report.other.is_some_and(|other| node.macs.contains(&other.mac));
        if let Some(report) = deeds.reports.iter().find(own) {
            let text = format!("node {number} takes itself for another: {:?} {:?}", report.happened, report.other);
            return Some(sight.wrong(text));
        }
        deeds.reports.iter().find_map(|report| self.flips(sight, number, report))
    }

    /// Nobody goes from one port of a node to the other one while the first one answers, once that is settled.
    fn flips(&mut self, sight: &Sight<'_>, number: usize, report: &Report) -> Option<Violation> {
        let (port, address) = node::spot(report.place);
        let here = sight.station(number, port)?;
        let (Happened::Follows | Happened::Lost, Some(owner)) = (report.happened, report.other) else {
            return None;
        };
        let before = self.twins.follows.insert((here, address), owner.mac)?;
        let mine = sight.nodes.iter().find(|node| node.macs.contains(&before) && node.macs.contains(&owner.mac));
        if before == owner.mac || mine.is_none() {
            return None;
        }
        self.measured.flips += 1;
        let former = (0..sight.ports.len()).find(|station| crate::world::mac(*station) == before)?;
        let near = sight.reached(here).is_some_and(|segment| segment & only(former) != 0);
        let answers = sight.shares(former, address) != 0;
        let settled = self.storms == 0 && !self.unheard && sight.now_ns > self.healed_ns + self.bounds.healed_ns;
        (near && answers && settled).then(|| {
            sight.wrong(format!("node {number} leaves port {former}, which answers for {address}, for {:?}", owner.mac))
        })
    }

    /// Ports that hear nothing and answer for others that hear; when to look again.
    pub(crate) fn deaf(&mut self, sight: &Sight<'_>) -> Result<Option<u64>, Violation> {
        if sight.deaf == 0 && self.twins.deaf_ns.is_empty() {
            return Ok(None);
        }
        let mut found = BTreeMap::new();
        for station in members(sight.deaf & sight.carriers) {
            let Some((node, port)) = sight.port(station) else { continue };
            let Some((number, _)) = sight.ports.get(station) else { continue };
            // Where a client asks all the time, whoever hears anything hears that.
            let hears = |other: Station| {
                let (answered, by) = (sight.ports[other].1, node.agent.as_ref());
                let waits = by.is_some_and(|agent| agent.ports.answers_for(answered) == Some(port));
                waits && !sight.silent && sight.deaf & only(other) == 0 && sight.reached(other).is_some()
            };
            if node.is_able() && sight.ports_of(*number).any(hears) {
                let since_ns = self.twins.deaf_ns.get(&station).copied().unwrap_or(sight.now_ns);
                found.insert(station, since_ns.max(self.woken_ns));
            }
        }
        let over = self.twins.deaf_ns.iter().filter(|(station, _)| !found.contains_key(*station));
        for (_, since_ns) in over {
            self.measured.deaf_ns = self.measured.deaf_ns.max(sight.now_ns - since_ns);
        }
        self.twins.deaf_ns = found;
        if self.storms > 0 {
            return Ok(None);
        }
        let overdue = self.twins.deaf_ns.iter().find(|(_, since_ns)| sight.now_ns > **since_ns + DEAF_NS);
        match overdue {
            Some((station, _)) => {
                Err(sight
                    .wrong(format!("port {station} hears nothing and answers for another one of its node that does")))
            }
            None => Ok(self.twins.deaf_ns.values().map(|since_ns| since_ns + DEAF_NS + 1).min()),
        }
    }
}
