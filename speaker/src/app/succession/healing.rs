//! For a minute after an address has moved away, whoever still sends traffic for it here is told where it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
};

use arpeggio_common::{
    abi::{Action, Stray},
    program::with_causes,
    wire::Mac,
};

use super::tables::SharedTables;
use crate::{
    dataplane::{Healer, Place, StrayPlace, stray_source},
    frames::{
        Frame, FrameSocket,
        messages::{StaleClient, correction},
    },
};

/// How long an address that moved is looked after, in nanoseconds.
const HEALING_NS: u64 = 60_000_000_000;
/// Nobody is told about the same address more often, in nanoseconds.
const AGAIN_NS: u64 = 1_000_000_000;
/// Senders told in one go; the others with the next.
const AT_ONCE: usize = 200;
/// Every machine of the segment: what is sent there, to one MAC, is for the machine that has that MAC, also when it is a
/// router that passes on what others sent.
const ALL_NODES: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));

/// Where an address is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moved {
    /// MAC of our interface.
    from: Mac,
    owner: Mac,
    until_ns: u64,
}

/// Everything that moved away lately.
pub(super) struct Healing {
    healer: Option<Healer>,
    moved: BTreeMap<Place, Moved>,
    told_ns: BTreeMap<StrayPlace, u64>,
}

impl Healing {
    /// Without a healer nobody is found.
    pub(super) const fn new(healer: Option<Healer>) -> Self {
        Self { healer, moved: BTreeMap::new(), told_ns: BTreeMap::new() }
    }

    /// The address moved to `owner`; we are `from`.
    pub(super) fn begin(&mut self, place: Place, from: Mac, owner: Mac, now_ns: u64) {
        let Some(healer) = &mut self.healer else { return };
        match healer.open(place.0) {
            Ok(()) => _ = self.moved.insert(place, Moved { from, owner, until_ns: now_ns + HEALING_NS }),
            Err(error) => {
                tracing::warn!("senders with the MAC of an old owner are not corrected: {}", with_causes(&error))
            }
        }
    }

    /// Whether somebody may be found.
    pub(super) fn active(&self) -> bool {
        !self.moved.is_empty()
    }

    /// Tells those who were found since the last call.
    pub(super) fn work(&mut self, tables: &SharedTables, socket: &FrameSocket, now_ns: u64) {
        // What came back is ours to answer.
        let is_ours = |place: &Place| tables.role(place).is_some_and(|role| role.action == Action::Answer);
        self.moved.retain(|place, moved| now_ns < moved.until_ns && !is_ours(place));
        self.told_ns.retain(|_, told_ns| now_ns.saturating_sub(*told_ns) < AGAIN_NS);
        let Some(healer) = &mut self.healer else { return };
        match healer.strays() {
            Ok(strays) => {
                // Speakers hear the claims; to them this would look like a claim of a stranger.
                let speakers: BTreeSet<Mac> = tables.peers().unwrap_or_default().iter().map(|peer| peer.mac).collect();
                for (stray, frame) in errands(&strays, &self.moved, |stray| {
                    self.told_ns.contains_key(stray) || speakers.contains(&stray.1)
                }) {
                    self.told_ns.insert(stray, now_ns);
                    // Whoever is not told now goes on, and is found again.
                    let _ = socket.send(frame.ifindex(), frame.bytes());
                    if let Err(error) = healer.forget([&stray]) {
                        tracing::debug!("a sender is corrected twice: {}", with_causes(&error));
                    }
                }
            }
            Err(error) => tracing::warn!("senders with the MAC of an old owner are not found: {}", with_causes(&error)),
        }
        let idle: Vec<u32> =
            healer.watched().filter(|ifindex| !self.moved.keys().any(|(of, _)| of == ifindex)).collect();
        idle.into_iter().for_each(|ifindex| healer.close(ifindex));
    }
}

/// Pure: whom to tell, and with which frame.
fn errands(
    strays: &[(StrayPlace, Stray)],
    moved: &BTreeMap<Place, Moved>,
    spared: impl Fn(&StrayPlace) -> bool,
) -> Vec<(StrayPlace, Frame)> {
    let errand = |(stray, facts): &(StrayPlace, Stray)| {
        let (place, mac) = *stray;
        let Moved { from, owner, .. } = *moved.get(&place).filter(|_| !spared(stray))?;
        let address = if place.1.is_ipv4() { stray_source(facts) } else { ALL_NODES };
        Some((*stray, correction(place, from, owner, StaleClient { mac, address })?))
    };
    strays.iter().filter_map(errand).take(AT_ONCE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OWNER: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const SENDER: Mac = Mac([2, 0, 0, 0, 0, 3]);

    fn stray(place: Place, mac: Mac, source: IpAddr) -> (StrayPlace, Stray) {
        let source = match source {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        ((place, mac), Stray::new(source.octets(), 5))
    }

    #[test]
    fn whoever_sends_to_the_old_owner_is_told_the_new_one() {
        let (v4, v6): (Place, Place) = ((7, [192, 0, 2, 10].into()), (7, "2001:db8::10".parse().unwrap()));
        let now = Moved { from: OURS, owner: OWNER, until_ns: 9 };
        let moved = BTreeMap::from([(v4, now), (v6, now)]);
        let strays = [
            stray(v4, SENDER, [198, 51, 100, 7].into()),
            stray(v6, SENDER, "2001:db8:9::7".parse().unwrap()),
            stray(v4, OWNER, [198, 51, 100, 7].into()),
            stray((8, v4.1), SENDER, [198, 51, 100, 7].into()),
        ];
        let found = errands(&strays, &moved, |stray| stray.1 == OWNER);
        assert_eq!(found.iter().map(|(stray, _)| *stray).collect::<Vec<_>>(), [(v4, SENDER), (v6, SENDER)]);
        let [arp, discovery] = [0, 1].map(|nth| found[nth].1.bytes());
        for frame in [arp, discovery] {
            assert_eq!((&frame[..6], &frame[6..12]), (&SENDER.0[..], &OURS.0[..]), "we say it, to the sender alone");
        }
        assert_eq!(arp[22..28], OWNER.0, "and name the owner");
        assert_eq!(discovery[38..54], "ff02::1".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(discovery[80..86], OWNER.0);
    }
}
