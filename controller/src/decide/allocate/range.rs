//! One range of a pool: which of its addresses are in use, and the lowest that is not or that can be shared.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use arpeggio_common::model::AddressRange;

use super::{
    intervals::Intervals,
    terms::{Backend, Share, Terms},
};
use crate::cluster::{Family, Port};

/// Usable addresses of a block of 256 where those that end in .0 and .255 are left out.
const USABLE: u128 = 254;
/// Sets of ports for which a group remembers how far it was searched. More are rare, and only slower.
const REMEMBERED: usize = 64;

/// How addresses are numbered. Numbers of usable addresses follow each other without a gap, whatever is left out between
/// them: so runs of used ones join, and nothing is ever skipped one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbering {
    /// Every address.
    All,
    /// IPv4 without those that end in .0 and .255.
    NotBuggy,
}

impl Numbering {
    /// The number of an address; `None` if it is left out.
    fn number(self, bits: u128) -> Option<u128> {
        match (self, bits & 0xff) {
            (Self::All, _) => Some(bits),
            (Self::NotBuggy, 0 | 0xff) => None,
            (Self::NotBuggy, last) => Some((bits >> 8) * USABLE + last - 1),
        }
    }

    fn bits(self, number: u128) -> u128 {
        match self {
            Self::All => number,
            Self::NotBuggy => ((number / USABLE) << 8) + number % USABLE + 1,
        }
    }

    /// The numbers of what is usable from `first` to `last`.
    fn span(self, first: u128, last: u128) -> Option<(u128, u128)> {
        // Next to one that is left out there are at most two before another is usable: .255 and .0.
        let low = (0..3).find_map(|step| self.number(first.checked_add(step)?))?;
        let high = (0..3).find_map(|step| self.number(last.checked_sub(step)?))?;
        (low <= high).then_some((low, high))
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Addresses of one range that are shared under one key and backend.
#[derive(Clone, Debug, Default)]
struct Group {
    /// By number.
    members: BTreeSet<u128>,
    /// For a set of ports: no member below this number has them free. Keeps the search short when very many Services with
    /// one key want the same port.
    searched: BTreeMap<BTreeSet<Port>, u128>,
}

impl Group {
    /// The lowest member below `limit` for which `fits` holds.
    fn lowest(&mut self, ports: &BTreeSet<Port>, limit: u128, mut fits: impl FnMut(u128) -> bool) -> Option<u128> {
        let from = self.searched.get(ports).copied().unwrap_or_default();
        let found = self.members.range(from.min(limit)..limit).copied().find(|member| fits(*member));
        if self.searched.len() >= REMEMBERED {
            self.searched.clear();
        }
        self.searched.insert(ports.clone(), found.unwrap_or_else(|| limit.max(from)));
        found
    }

    /// What was found out about the members from `number` on may no longer hold.
    fn forget(&mut self, number: u128) {
        self.searched.values_mut().for_each(|searched| *searched = number.min(*searched));
    }
}

/// A range with what is in use of it.
#[derive(Clone, Debug)]
pub(super) struct Range {
    family: Family,
    numbering: Numbering,
    /// `None`: nothing of it is usable.
    span: Option<(u128, u128)>,
    /// What is not free: in use, or held.
    used: Intervals,
    /// How many are in use, held ones aside.
    count: u128,
    /// Addresses by number that are somebody's own, and whether one is in use all the same.
    held: BTreeMap<u128, bool>,
    groups: BTreeMap<Arc<Share>, Group>,
}

impl Range {
    /// A range of which nothing is in use.
    pub(super) fn new(range: &AddressRange, avoid_buggy: bool) -> Self {
        let family = Family::of(range.first());
        let numbering = if avoid_buggy && family == Family::V4 { Numbering::NotBuggy } else { Numbering::All };
        let span = numbering.span(bits(range.first()), bits(range.last()));
        Self {
            family,
            numbering,
            span,
            used: Intervals::default(),
            count: 0,
            held: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    /// The family of its addresses.
    pub(super) const fn family(&self) -> Family {
        self.family
    }

    /// How many addresses can be given away; all of `::/0` are one too many to be counted, which nobody will notice.
    pub(super) fn total(&self) -> u128 {
        let all = self.span.map_or(0, |(low, high)| (high - low).saturating_add(1));
        all - self.held.len() as u128
    }

    /// How many are never given away because they are somebody's own.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// How many of these are in use.
    pub(super) const fn used(&self) -> u128 {
        self.count
    }

    /// The number of an address of the family that is usable.
    fn number(&self, address: IpAddr) -> Option<u128> {
        let (low, high) = self.span?;
        self.numbering.number(bits(address)).filter(|number| (low..=high).contains(number))
    }

    /// Whether an address of it may be given away at all.
    pub(super) fn usable(&self, address: IpAddr) -> bool {
        self.number(address).is_some()
    }

    /// Says that an address that was free is in use, and under which terms others may join.
    pub(super) fn occupy(&mut self, address: IpAddr, share: Option<&Arc<Share>>) {
        let Some(number) = self.number(address) else { return };
        match self.held.get_mut(&number) {
            Some(in_use) => *in_use = true,
            None => self.count += u128::from(self.used.insert(number)),
        }
        if let Some(share) = share {
            let group = self.groups.entry(Arc::clone(share)).or_default();
            group.members.insert(number);
            group.forget(number);
        }
    }

    /// Says that one of several Services let go of an address: its ports are free there.
    pub(super) fn loosen(&mut self, address: IpAddr, share: Option<&Arc<Share>>) {
        let Some(number) = self.number(address) else { return };
        if let Some(group) = share.and_then(|share| self.groups.get_mut(share)) {
            group.forget(number);
        }
    }

    /// Says that an address is free again.
    pub(super) fn vacate(&mut self, address: IpAddr, share: Option<&Arc<Share>>) {
        let Some(number) = self.number(address) else { return };
        match self.held.get_mut(&number) {
            Some(in_use) => *in_use = false,
            None => self.count -= u128::from(self.used.remove(number)),
        }
        let Some(share) = share else { return };
        if let Some(group) = self.groups.get_mut(share) {
            group.members.remove(&number);
            if group.members.is_empty() {
                self.groups.remove(share);
            }
        }
    }

    /// The lowest address that is shared on exactly these terms.
    pub(super) fn shared(&self, share: &Arc<Share>) -> Option<IpAddr> {
        let number = self.groups.get(share)?.members.first()?;
        Some(address(self.family, self.numbering, *number))
    }

    /// An address that is shared under a key, with whatever backend.
    pub(super) fn shared_under(&self, key: &str) -> Option<IpAddr> {
        let first = Arc::new(Share { key: key.to_owned(), backend: Backend::Anywhere });
        let (share, group) = self.groups.range(first..).next()?;
        let number = group.members.first().filter(|_| share.key == key)?;
        Some(address(self.family, self.numbering, *number))
    }

    /// Says that an address is somebody's own from now on.
    pub(super) fn hold(&mut self, address: IpAddr) {
        let Some(number) = self.number(address).filter(|number| !self.held.contains_key(number)) else { return };
        let in_use = !self.used.insert(number);
        self.count -= u128::from(in_use);
        self.held.insert(number, in_use);
    }

    /// Says that an address is nobody's own any more.
    pub(super) fn release(&mut self, address: IpAddr) {
        let Some(number) = self.number(address) else { return };
        match self.held.remove(&number) {
            Some(true) => self.count += 1,
            Some(false) => _ = self.used.remove(number),
            None => {}
        }
    }

    /// The lowest address that is free, or shared under the same key and backend and, as `ports_free` says, without the
    /// ports of `terms` on it (MetalLB behaviour 1 and 27: the lowest wins, whichever it is).
    pub(super) fn lowest(&mut self, terms: &Terms, mut ports_free: impl FnMut(IpAddr) -> bool) -> Option<IpAddr> {
        let (low, high) = self.span?;
        let (family, numbering) = (self.family, self.numbering);
        let free = self.used.lowest_gap(low, high);
        let group = terms.share.as_ref().and_then(|share| self.groups.get_mut(share));
        let shared = group.and_then(|group| {
            let limit = free.unwrap_or_else(|| high.saturating_add(1));
            group.lowest(&terms.ports, limit, |number| ports_free(address(family, numbering, number)))
        });
        shared.or(free).map(|number| address(family, numbering, number))
    }
}

/// The address with a number. Numbers come from addresses of the family: those of IPv4 fit.
fn address(family: Family, numbering: Numbering, number: u128) -> IpAddr {
    let bits = numbering.bits(number);
    match family {
        Family::V4 => Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)).into(),
        Family::V6 => Ipv6Addr::from_bits(bits).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Protocol;

    fn range(first: &str, last: &str, avoid_buggy: bool) -> Range {
        let (first, last) = (first.parse().unwrap(), last.parse().unwrap());
        Range::new(&AddressRange::new(first, last).unwrap(), avoid_buggy)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn take(range: &mut Range) -> Option<IpAddr> {
        let address = range.lowest(&Terms::default(), |_| false)?;
        range.occupy(address, None);
        Some(address)
    }

    fn shared(port: u16) -> Terms {
        let share = Share { key: "key".to_owned(), backend: Backend::Anywhere };
        let port = Port { protocol: Protocol::Tcp, number: port };
        Terms { ports: BTreeSet::from([port]), share: Some(Arc::new(share)) }
    }

    #[test]
    fn what_is_left_out_ends_no_run() {
        let mut range = range("10.0.0.0", "10.0.255.255", true);
        assert_eq!(range.total(), 256 * 254);
        for block in 0..256 {
            for last in 1..255 {
                assert_eq!(take(&mut range), Some(ip(&format!("10.0.{block}.{last}"))));
            }
        }
        assert_eq!((take(&mut range), range.used(), range.used.runs()), (None, range.total(), 1));
        range.vacate(ip("10.0.7.254"), None);
        assert_eq!(take(&mut range), Some(ip("10.0.7.254")));
    }

    #[test]
    fn ranges_may_have_nothing_that_is_usable() {
        for (first, last, total) in [
            ("10.0.0.255", "10.0.1.0", 0),
            ("10.0.0.0", "10.0.0.0", 0),
            ("0.0.0.0", "0.0.0.1", 1),
            ("255.255.255.254", "255.255.255.255", 1),
            ("10.0.0.255", "10.0.1.1", 1),
            ("10.0.0.250", "10.0.1.5", 10),
        ] {
            let mut range = range(first, last, true);
            assert_eq!(range.total(), total, "{first} to {last}");
            let taken: Vec<IpAddr> = std::iter::from_fn(|| take(&mut range)).collect();
            assert_eq!(taken.len() as u128, total, "{first} to {last}: {taken:?}");
        }
    }

    #[test]
    fn ipv6_has_no_addresses_to_avoid() {
        let mut range = range("2001:db8::", "2001:db8::ff", true);
        assert_eq!((range.total(), take(&mut range)), (256, Some(ip("2001:db8::"))));
    }

    #[test]
    fn what_is_held_is_neither_free_nor_counted_whoever_has_it() {
        let mut range = range("10.0.0.1", "10.0.0.4", false);
        let counts = |range: &Range| (range.total(), range.used(), range.held());
        range.hold(ip("10.0.0.1"));
        range.hold(ip("10.0.0.1"));
        range.hold(ip("10.0.9.1"));
        assert_eq!((counts(&range), take(&mut range)), ((3, 0, 1), Some(ip("10.0.0.2"))));
        range.hold(ip("10.0.0.2"));
        assert_eq!(counts(&range), (2, 0, 2), "in use, and counted no more");
        range.vacate(ip("10.0.0.2"), None);
        assert_eq!((counts(&range), take(&mut range)), ((2, 0, 2), Some(ip("10.0.0.3"))));
        range.release(ip("10.0.0.2"));
        range.occupy(ip("10.0.0.1"), None);
        assert_eq!(counts(&range), (3, 1, 1));
        range.release(ip("10.0.0.1"));
        assert_eq!((counts(&range), take(&mut range)), ((4, 2, 0), Some(ip("10.0.0.2"))));
    }

    #[test]
    fn memory_is_for_what_is_used_and_not_for_what_there_is() {
        for (first, last) in [("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ("0.0.0.0", "255.255.255.255")] {
            let mut range = range(first, last, false);
            let taken: Vec<IpAddr> = (0..1000).map_while(|_| take(&mut range)).collect();
            assert_eq!((taken.len(), range.used.runs(), range.used()), (1000, 1, 1000));
            assert!(taken.is_sorted());
        }
    }

    #[test]
    fn the_lowest_wins_be_it_free_or_shared() {
        let mut range = range("10.0.0.1", "10.0.0.9", false);
        range.occupy(ip("10.0.0.1"), None);
        range.occupy(ip("10.0.0.2"), shared(80).share.as_ref());
        assert_eq!(range.lowest(&shared(443), |_| true), Some(ip("10.0.0.2")));
        assert_eq!(range.lowest(&shared(80), |_| false), Some(ip("10.0.0.3")));
        assert_eq!(range.lowest(&Terms::default(), |_| true), Some(ip("10.0.0.3")));
        range.vacate(ip("10.0.0.1"), None);
        assert_eq!(range.lowest(&shared(443), |_| true), Some(ip("10.0.0.1")));
    }

    #[test]
    fn a_search_that_found_nothing_is_not_repeated_until_something_changes() {
        let mut range = range("10.0.0.0", "10.0.255.255", false);
        let terms = shared(80);
        let mut asked = 0;
        for _ in 0..1000 {
            let address = range.lowest(&terms, |_| {
                asked += 1;
                false
            });
            range.occupy(address.unwrap(), terms.share.as_ref());
        }
        assert!(asked <= 1000, "each address is looked at once: {asked}");
        range.loosen(ip("10.0.0.7"), terms.share.as_ref());
        assert_eq!(range.lowest(&terms, |address| address == ip("10.0.0.7")), Some(ip("10.0.0.7")));
    }
}
