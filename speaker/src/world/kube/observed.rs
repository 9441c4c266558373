//! What the API server shows of an Announcement's status: as much as a writer has to compare with.

use std::sync::Arc;

use arpeggio_common::api::{
    announcement::{AnnouncementSpec, AnnouncementStatus, OwnedInterface},
    names::ANNOUNCED,
};
use jiff::Timestamp;

use super::common::Common;

/// A status. Names and texts that many have in common are kept once; see [`Common`].
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
    /// In that version nobody is a candidate: what the controller says about it stands, whoever has not let go yet.
    pub nobody: bool,
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

impl Observed {
    /// Of a status, the specification and the version of its object.
    pub(super) fn new(
        status: AnnouncementStatus,
        spec: &AnnouncementSpec,
        version: Option<&str>,
        common: &mut Common,
    ) -> Self {
        let AnnouncementStatus { owner, interfaces, since, conditions, .. } = status;
        let announced = conditions.into_iter().find(|condition| condition.type_ == ANNOUNCED);
        Self {
            owner: owner.filter(|owner| !owner.is_empty()).map(|owner| common.text(&owner)),
            interfaces: (!interfaces.is_empty()).then(|| common.list(interfaces)),
            since: since.map(|time| time.0),
            announced: announced.map(|condition| Announced {
                holds: condition.status == "True",
                reason: common.text(&condition.reason),
                message: common.text(&condition.message),
                since: condition.last_transition_time.0,
            }),
            version: version.map(Into::into),
            nobody: spec.l2.as_ref().is_none_or(|l2| l2.candidates.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use arpeggio_common::api::announcement::L2;

    use super::*;

    #[test]
    fn common_parts_are_kept_once() {
        let status = || AnnouncementStatus {
            owner: Some("node-a".into()),
            interfaces: vec![OwnedInterface { name: "eth0".into(), mac: "02:00:00:00:00:01".into() }],
            ..AnnouncementStatus::default()
        };
        let mut common = Common::default();
        let mut spec = AnnouncementSpec { l2: Some(L2::default()), ..AnnouncementSpec::default() };
        spec.l2.as_mut().unwrap().candidates.push("node-a".into());
        let [a, b] = [1, 2].map(|_| Observed::new(status(), &spec, Some("7"), &mut common));
        assert!(Arc::ptr_eq(a.owner.as_ref().unwrap(), b.owner.as_ref().unwrap()));
        assert!(Arc::ptr_eq(a.interfaces.as_ref().unwrap(), b.interfaces.as_ref().unwrap()));
        assert_eq!(Observed::new(AnnouncementStatus::default(), &spec, None, &mut common), Observed::default());
        for l2 in [None, Some(L2::default())] {
            let spec = AnnouncementSpec { l2, ..AnnouncementSpec::default() };
            assert!(Observed::new(status(), &spec, None, &mut common).nobody);
        }
    }
}
