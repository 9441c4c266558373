//! Which objects of one kind are known, and in which state: tells news from echoes.
//!
//! The state of an object comes on three ways that overtake each other: through the watch, through a list after the watch was
//! lost, and in the answer to our own write. Versions are compared as numbers, which every API server with etcd behind it
//! gives (and which Kubernetes promises); one that is no number counts as newer than everything.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::project::{Id, Version};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    uid: String,
    /// `None`: not a number.
    version: Option<u64>,
}

/// The objects of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    known: BTreeMap<Id, Known>,
    /// Objects that we deleted and that the watch may still tell of, by uid.
    deleted: BTreeSet<String>,
    /// While a list comes in: what was in it so far.
    listing: Option<BTreeSet<Id>>,
}

impl Ledger {
    /// A list begins.
    pub(super) fn begin(&mut self) {
        self.listing = Some(BTreeSet::new());
    }

    /// The list is complete: what was known and is not in it is gone. Returns that.
    pub(super) fn complete(&mut self) -> Vec<Id> {
        let Some(seen) = self.listing.take() else { return Vec::new() };
        self.deleted.clear();
        let gone: Vec<Id> = self.known.keys().filter(|id| !seen.contains(id)).cloned().collect();
        for id in &gone {
            self.known.remove(id);
        }
        gone
    }

    /// Whether this state is newer than what is known; if so it is what is known from now on.
    pub(super) fn admit(&mut self, id: &Id, version: &Version) -> bool {
        if self.deleted.contains(&version.uid) {
            return false;
        }
        if let Some(seen) = &mut self.listing {
            seen.insert(id.clone());
        }
        let number = version.resource_version.parse::<u64>().ok();
        if let Some(known) = self.known.get_mut(id) {
            if let (Some(new), Some(old)) = (number, known.version)
                && new <= old
            {
                return false;
            }
            known.version = number;
            if known.uid != version.uid {
                known.uid.clone_from(&version.uid);
            }
        } else {
            self.known.insert(id.clone(), Known { uid: version.uid.clone(), version: number });
        }
        true
    }

    /// The watch says that an object is gone. Whether it was known: another one of that name may have come since.
    pub(super) fn remove(&mut self, id: &Id, version: &Version) -> bool {
        if self.deleted.remove(&version.uid) {
            return false;
        }
        let is_it = self.known.get(id).is_some_and(|known| known.uid == version.uid);
        if is_it {
            self.known.remove(id);
        }
        is_it
    }

    /// We deleted the object and the API server agreed: what the watch still tells of it is old. Whether it was known.
    pub(super) fn deleted(&mut self, id: &Id) -> bool {
        let Some(known) = self.known.remove(id) else { return false };
        self.deleted.insert(known.uid);
        true
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

    #[test]
    fn an_older_state_is_no_news() {
        let mut ledger = Ledger::default();
        assert!(ledger.admit(&id("a"), &version("u", "9")));
        assert!(!ledger.admit(&id("a"), &version("u", "9")), "an echo");
        assert!(!ledger.admit(&id("a"), &version("u", "8")), "overtaken by the answer to a write");
        assert!(ledger.admit(&id("a"), &version("u", "10")), "numbers, not texts");
        assert!(ledger.admit(&id("a"), &version("u", "x")), "not a number: believed");
        assert!(ledger.admit(&id("a"), &version("u", "1")));
    }

    #[test]
    fn what_is_not_in_a_list_is_gone() {
        let mut ledger = Ledger::default();
        for name in ["a", "b", "c"] {
            ledger.admit(&id(name), &version(name, "1"));
        }
        assert_eq!(ledger.complete(), [], "nothing was listed");
        ledger.begin();
        ledger.admit(&id("a"), &version("a", "1"));
        ledger.begin();
        ledger.admit(&id("b"), &version("b", "1"));
        ledger.admit(&id("d"), &version("d", "2"));
        assert_eq!(ledger.complete(), [id("a"), id("c")], "a list that broke off counts for nothing");
        assert!(ledger.admit(&id("a"), &version("a2", "3")));
    }

    #[test]
    fn what_we_deleted_does_not_come_back_by_old_news() {
        let mut ledger = Ledger::default();
        ledger.admit(&id("a"), &version("u1", "5"));
        assert!(ledger.deleted(&id("a")));
        assert!(!ledger.deleted(&id("a")));
        assert!(!ledger.admit(&id("a"), &version("u1", "6")), "an update that was on its way");
        assert!(ledger.admit(&id("a"), &version("u2", "8")), "a new object of that name");
        assert!(!ledger.remove(&id("a"), &version("u1", "7")), "the end of the old one");
        assert!(ledger.remove(&id("a"), &version("u2", "9")));
        assert!(ledger.admit(&id("a"), &version("u1", "10")), "its end was told: nothing more to forget");
    }

    #[test]
    fn the_end_of_another_object_of_that_name_is_not_its_end() {
        let mut ledger = Ledger::default();
        ledger.admit(&id("a"), &version("u2", "5"));
        assert!(!ledger.remove(&id("a"), &version("u1", "4")));
        assert!(ledger.remove(&id("a"), &version("u2", "6")));
        assert!(!ledger.remove(&id("a"), &version("u2", "6")));
    }
}
