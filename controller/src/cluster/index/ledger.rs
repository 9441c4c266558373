//! Which objects of one kind are known, and in which state: tells news from echoes.
//!
//! The state of an object comes on three ways that overtake each other: through the watch, through a list after the watch was
//! lost, and in the answer to our own write. Versions are compared as numbers, which every API server with etcd behind it
//! gives (and which Kubernetes promises); one that is no number counts as newer than everything.
//!
//! A list is the truth whatever was known before it began: versions go back, and what was gone is there again, when etcd is
//! restored from a backup. Only what was learnt while the list was on its way may be newer than the list.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::cluster::project::{Id, Version};

/// Objects that are remembered as gone: more than there can be answers on their way.
const REMEMBERED: usize = 10_000;

/// How the state of an object became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Through the watch, or a list.
    Watch,
    /// In the answer to our own write.
    Answer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    uid: String,
    /// `None`: not a number.
    version: Option<u64>,
    /// During which list, or after it.
    since: u64,
}

/// The objects of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    known: BTreeMap<Id, Known>,
    gone: Gone,
    /// Lists that began so far.
    lists: u64,
    /// While a list comes in: what was in it so far.
    listing: Option<BTreeSet<Id>>,
}

impl Ledger {
    /// A list begins.
    pub(super) fn begin(&mut self) {
        self.lists += 1;
        self.listing = Some(BTreeSet::new());
    }

    /// The list is complete: what was known and is not in it is gone. Returns that.
    pub(super) fn complete(&mut self) -> Vec<Id> {
        let Some(seen) = self.listing.take() else { return Vec::new() };
        let gone: Vec<Id> = self.known.keys().filter(|id| !seen.contains(id)).cloned().collect();
        for id in &gone {
            self.forget(id);
        }
        gone
    }

    /// Whether this state is newer than what is known; if so it is what is known from now on.
    pub(super) fn admit(&mut self, id: &Id, version: &Version, way: Way) -> bool {
        let listed = self.listing.is_some() && way == Way::Watch;
        // Uids never come again, but out of a backup.
        if self.gone.since(&version.uid).is_some_and(|since| !listed || since == self.lists) {
            return false;
        }
        // What we made while the list was on its way may be newer than the list. What was there before would be in it.
        if let Some(seen) = self.listing.as_mut().filter(|_| way == Way::Watch || !self.known.contains_key(id)) {
            seen.insert(id.clone());
        }
        let number = version.resource_version.parse::<u64>().ok();
        let since = self.lists;
        if let Some(known) = self.known.get_mut(id) {
            let is_overruled = listed && known.since < since;
            if let (Some(new), Some(old)) = (number, known.version)
                && new <= old
                && !(is_overruled && new < old)
            {
                return false;
            }
            (known.version, known.since) = (number, since);
            if known.uid != version.uid {
                known.uid.clone_from(&version.uid);
            }
        } else {
            self.known.insert(id.clone(), Known { uid: version.uid.clone(), version: number, since });
        }
        self.gone.forget(&version.uid);
        true
    }

    /// The watch says that an object is gone. Whether it was known: another one of that name may have come since.
    pub(super) fn remove(&mut self, id: &Id, version: &Version) -> bool {
        let is_it = self.known.get(id).is_some_and(|known| known.uid == version.uid);
        if is_it {
            self.forget(id);
        } else {
            // It may have come and gone before the answer to the write that made it.
            self.gone.remember(&version.uid, self.lists);
        }
        is_it
    }

    /// We deleted this version of the object and the API server agreed: what the watch still tells of it is old. Whether it was
    /// known; another one of that name may have come since.
    pub(super) fn deleted(&mut self, id: &Id, version: &str) -> bool {
        let deleted = version.parse::<u64>().ok();
        self.known.get(id).is_some_and(|known| known.version == deleted) && self.forget(id)
    }

    fn forget(&mut self, id: &Id) -> bool {
        let Some(known) = self.known.remove(id) else { return false };
        self.gone.remember(&known.uid, self.lists);
        true
    }
}

/// Objects that are gone, by uid: answers to our writes may still bring them, and so may the watch after we deleted them.
#[derive(Clone, Debug, Default)]
struct Gone {
    /// During or after which list each was found to be gone.
    since: BTreeMap<String, u64>,
    order: VecDeque<String>,
}

impl Gone {
    fn since(&self, uid: &str) -> Option<u64> {
        self.since.get(uid).copied()
    }

    fn remember(&mut self, uid: &str, list: u64) {
        if uid.is_empty() || self.since.insert(uid.to_owned(), list).is_some() {
            return;
        }
        self.order.push_back(uid.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.since.remove(&oldest);
        }
    }

    fn forget(&mut self, uid: &str) {
        if self.since.remove(uid).is_some() {
            self.order.retain(|other| other != uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> Id {
        Id { namespace: String::new(), name: name.to_owned() }
    }

    fn version(uid: &str, number: &str) -> Version {
        Version { uid: uid.to_owned(), resource_version: number.to_owned() }
    }

    impl Ledger {
        fn told(&mut self, name: &str, uid: &str, number: &str) -> bool {
            self.admit(&id(name), &version(uid, number), Way::Watch)
        }

        fn answered(&mut self, name: &str, uid: &str, number: &str) -> bool {
            self.admit(&id(name), &version(uid, number), Way::Answer)
        }
    }

    #[test]
    fn an_older_state_is_no_news() {
        let mut ledger = Ledger::default();
        assert!(ledger.told("a", "u", "9"));
        assert!(!ledger.told("a", "u", "9"), "an echo");
        assert!(!ledger.told("a", "u", "8"), "overtaken by the answer to a write");
        assert!(ledger.told("a", "u", "10"), "numbers, not texts");
        assert!(ledger.told("a", "u", "x"), "not a number: believed");
        assert!(ledger.told("a", "u", "1"));
    }

    #[test]
    fn what_is_not_in_a_list_is_gone() {
        let mut ledger = Ledger::default();
        for name in ["a", "b", "c"] {
            ledger.told(name, name, "1");
        }
        assert_eq!(ledger.complete(), [], "nothing was listed");
        ledger.begin();
        ledger.told("a", "a", "1");
        ledger.begin();
        ledger.told("b", "b", "1");
        ledger.told("d", "d", "2");
        assert_eq!(ledger.complete(), [id("a"), id("c")], "a list that broke off counts for nothing");
        assert!(ledger.told("a", "a2", "3"));
    }

    #[test]
    fn what_we_deleted_does_not_come_back_by_old_news() {
        let mut ledger = Ledger::default();
        ledger.told("a", "u1", "5");
        assert!(!ledger.deleted(&id("a"), "4"), "that was another one of the name");
        assert!(ledger.deleted(&id("a"), "5"));
        assert!(!ledger.deleted(&id("a"), "5"));
        assert!(!ledger.told("a", "u1", "6"), "an update that was on its way");
        assert!(ledger.told("a", "u2", "8"), "a new object of that name");
        assert!(!ledger.remove(&id("a"), &version("u1", "7")), "the end of the old one");
        assert!(ledger.remove(&id("a"), &version("u2", "9")));
        assert!(!ledger.told("a", "u1", "10"), "it is gone");
    }

    #[test]
    fn the_end_of_another_object_of_that_name_is_not_its_end() {
        let mut ledger = Ledger::default();
        ledger.told("a", "u2", "5");
        assert!(!ledger.remove(&id("a"), &version("u1", "4")));
        assert!(ledger.remove(&id("a"), &version("u2", "6")));
        assert!(!ledger.remove(&id("a"), &version("u2", "6")));
    }

    #[test]
    fn the_answer_to_a_write_that_comes_after_the_end_brings_nothing_back() {
        let mut ledger = Ledger::default();
        ledger.told("a", "u1", "5");
        assert!(ledger.remove(&id("a"), &version("u1", "7")));
        assert!(!ledger.answered("a", "u1", "6"), "the watch was faster");
        // Made by us, seen and deleted by others before the answer; the watch may tell of the end alone.
        assert!(!ledger.remove(&id("b"), &version("u2", "9")));
        assert!(!ledger.answered("b", "u2", "8"));
        // Not in a list: gone, and the answer comes after that.
        ledger.told("c", "u3", "10");
        ledger.begin();
        assert_eq!(ledger.complete(), [id("c")]);
        assert!(!ledger.answered("c", "u3", "11"));
        ledger.begin();
        assert!(!ledger.answered("c", "u3", "11"), "nor during the next");
        assert!(ledger.complete().is_empty());
        assert!(ledger.answered("c", "u4", "12"), "another of that name");
    }

    #[test]
    fn an_answer_during_a_list_is_not_in_that_list() {
        let mut ledger = Ledger::default();
        ledger.told("a", "u1", "5");
        ledger.begin();
        assert!(ledger.answered("a", "u1", "6"));
        assert_eq!(ledger.complete(), [id("a")], "it was deleted since");
        ledger.begin();
        assert!(ledger.answered("n", "new", "7"));
        assert!(ledger.complete().is_empty(), "made while the list was on its way");
        ledger.told("b", "u2", "20");
        ledger.begin();
        ledger.told("n", "new", "7");
        assert!(ledger.answered("b", "u2", "22"));
        assert!(!ledger.told("b", "u2", "21"), "the list began before that was known");
        assert!(ledger.complete().is_empty());
    }

    #[test]
    fn after_a_restore_the_list_replaces_newer_versions_and_what_was_gone() {
        let mut ledger = Ledger::default();
        for (name, number) in [("a", "100"), ("b", "101"), ("c", "102")] {
            ledger.told(name, name, number);
        }
        assert!(ledger.deleted(&id("b"), "101"));
        assert!(ledger.remove(&id("c"), &version("c", "104")));
        // etcd is put back to version 60, when all three were there.
        ledger.begin();
        for (name, number) in [("a", "50"), ("b", "51"), ("c", "52")] {
            assert!(ledger.told(name, name, number), "{name}");
        }
        assert!(ledger.complete().is_empty());
        assert!(!ledger.told("a", "a", "49") && ledger.told("a", "a", "61"), "from there on as ever");
        assert!(ledger.answered("b", "b", "62") && ledger.remove(&id("c"), &version("c", "63")));
    }

    #[test]
    fn what_we_deleted_during_a_list_does_not_come_back_by_that_list() {
        let mut ledger = Ledger::default();
        ledger.told("a", "u1", "5");
        ledger.begin();
        assert!(ledger.deleted(&id("a"), "5"));
        assert!(!ledger.told("a", "u1", "5"));
        assert!(ledger.complete().is_empty() && ledger.known.is_empty());
    }

    #[test]
    fn what_is_gone_is_remembered_within_bounds() {
        let mut ledger = Ledger::default();
        for number in 0..REMEMBERED + 10 {
            let name = number.to_string();
            ledger.told(&name, &name, "1");
            ledger.deleted(&id(&name), "1");
        }
        assert_eq!((ledger.gone.since.len(), ledger.gone.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!ledger.answered("x", &(REMEMBERED + 9).to_string(), "2"));
    }
}
