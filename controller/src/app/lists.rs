//! Which kinds are known whole: what may be decided, and whether this replica is ready, depends on that.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::project::Kind;

/// The lists of all watches.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    /// The demand that the last whole list of each kind came after.
    complete: BTreeMap<Kind, u64>,
    /// Kinds whose watch failed since its last whole list.
    failing: BTreeSet<Kind>,
}

impl Lists {
    /// A list is complete; `demand`: the number of the demand that it came after.
    pub(super) fn complete(&mut self, kind: Kind, demand: u64) {
        self.complete.insert(kind, demand);
        self.failing.remove(&kind);
    }

    /// A watch does not work at present.
    pub(super) fn failed(&mut self, kind: Kind) {
        self.failing.insert(kind);
    }

    /// Whether all of these kinds were listed once.
    pub(super) fn know(&self, mut kinds: impl Iterator<Item = Kind>) -> bool {
        kinds.all(|kind| self.complete.contains_key(&kind))
    }

    /// Which of these kinds were listed once; `None` while one of them may yet be, and nothing says that it cannot.
    pub(super) fn listed(&self, kinds: impl Iterator<Item = Kind>) -> Option<BTreeSet<Kind>> {
        let (known, others): (BTreeSet<_>, BTreeSet<_>) = kinds.partition(|kind| self.complete.contains_key(kind));
        others.is_subset(&self.failing).then_some(known)
    }

    /// Whether everything is known that can be: each kind was listed, or no Service needs it and it cannot be listed. Its
    /// definition may be missing, or its list need a webhook of our own, which nobody reaches before we are ready.
    pub(super) fn suffice(&self, demand: u64) -> bool {
        let is_known = |kind: &Kind| {
            let wanted = if kind.is_written() { demand } else { 0 };
            let is_listed = self.complete.get(kind).is_some_and(|list| *list >= wanted);
            is_listed || (kind.is_optional() && self.failing.contains(kind))
        };
        Kind::ALL.iter().all(is_known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_but(missing: Kind, demand: u64) -> Lists {
        let mut lists = Lists::default();
        Kind::ALL.into_iter().filter(|kind| *kind != missing).for_each(|kind| lists.complete(kind, demand));
        lists
    }

    #[test]
    fn what_only_bgp_and_reports_need_is_done_without_once_it_fails() {
        for missing in Kind::ALL {
            for (known, demand) in [(false, 0), (true, 1)] {
                let mut lists = all_but(missing, demand);
                if known {
                    // Listed at the start, and to be listed anew for a term.
                    lists.complete(missing, 0);
                }
                let is_enough = known && !missing.is_written();
                assert_eq!(lists.suffice(demand), is_enough, "{missing:?}: it may come any moment");
                lists.failed(missing);
                assert_eq!(lists.suffice(demand), is_enough || missing.is_optional(), "{missing:?}");
                assert_eq!(lists.know([missing].into_iter()), known, "webhooks do not do without");
                lists.complete(missing, demand);
                assert!(lists.suffice(demand) && lists.know([missing].into_iter()));
            }
        }
        let two = || [Kind::Peer, Kind::Pool].into_iter();
        let mut lists = all_but(Kind::Peer, 0);
        assert_eq!(lists.listed(two()), None, "it may come any moment");
        lists.failed(Kind::Peer);
        assert_eq!(lists.listed(two()), Some([Kind::Pool].into()), "its definition is missing");
        lists.complete(Kind::Peer, 0);
        assert_eq!(lists.listed(two()), Some(two().collect()));
        assert!(Kind::Peer.is_optional() && !Kind::Pool.is_optional() && !Kind::L2Advertisement.is_optional());
    }
}
