//! What the API server shows of an Announcement's status: as much as a writer has to compare with.

use std::sync::Arc;

use arpeggio_common::api::announcement::{AnnouncementStatus, OwnedInterface};
use jiff::Timestamp;

/// The condition that says whether an address is answered for.
pub const ANNOUNCED: &str = "Announced";

/// A status. Names and texts that many have in common are kept once; see [`Texts`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The node that says that it answers.
    pub owner: Option<Arc<str>>,
    /// Where.
    pub interfaces: Option<Arc<[OwnedInterface]>>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The condition [`ANNOUNCED`].
    pub announced: Option<Announced>,
    /// Version of the object.
    pub version: Option<Box<str>>,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Its status.
    pub holds: bool,
    /// One word.
    pub reason: Arc<str>,
    /// A sentence.
    pub message: Arc<str>,
    /// When the status last changed.
    pub since: Timestamp,
}

/// Texts and lists of interfaces that ten thousand statuses have in common.
#[derive(Debug, Default)]
pub(super) struct Texts {
    texts: std::collections::BTreeSet<Arc<str>>,
    lists: Vec<Arc<[OwnedInterface]>>,
}

/// More than this are not shared: every MAC of a large cluster, or texts that differ for every address.
const SHARED: usize = 1024;

impl Texts {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        if self.texts.len() < SHARED {
            self.texts.insert(Arc::clone(&new));
        }
        new
    }

    fn list(&mut self, list: Vec<OwnedInterface>) -> Arc<[OwnedInterface]> {
        if let Some(known) = self.lists.iter().find(|known| ***known == *list) {
            return Arc::clone(known);
        }
        let new: Arc<[OwnedInterface]> = list.into();
        if self.lists.len() < SHARED {
            self.lists.push(Arc::clone(&new));
        }
        new
    }
}

impl Observed {
    /// Of a status and the version of its object.
    pub(super) fn new(status: AnnouncementStatus, version: Option<&str>, texts: &mut Texts) -> Self {
        let AnnouncementStatus { owner, interfaces, since, conditions, .. } = status;
        let announced = conditions.into_iter().find(|condition| condition.type_ == ANNOUNCED);
        Self {
            owner: owner.filter(|owner| !owner.is_empty()).map(|owner| texts.text(&owner)),
            interfaces: (!interfaces.is_empty()).then(|| texts.list(interfaces)),
            since: since.map(|time| time.0),
            announced: announced.map(|condition| Announced {
                holds: condition.status == "True",
                reason: texts.text(&condition.reason),
                message: texts.text(&condition.message),
                since: condition.last_transition_time.0,
            }),
            version: version.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_parts_are_kept_once() {
        let status = || AnnouncementStatus {
            owner: Some("node-a".into()),
            interfaces: vec![OwnedInterface { name: "eth0".into(), mac: "02:00:00:00:00:01".into() }],
            ..AnnouncementStatus::default()
        };
        let mut texts = Texts::default();
        let [a, b] = [1, 2].map(|_| Observed::new(status(), Some("7"), &mut texts));
        assert!(Arc::ptr_eq(a.owner.as_ref().unwrap(), b.owner.as_ref().unwrap()));
        assert!(Arc::ptr_eq(a.interfaces.as_ref().unwrap(), b.interfaces.as_ref().unwrap()));
        assert_eq!(Observed::new(AnnouncementStatus::default(), None, &mut texts), Observed::default());
    }
}
