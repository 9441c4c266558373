//! What a node owns, and what it would keep because nobody else may take it.

use std::net::IpAddr;

use arpeggio_common::model::NodeName;
use arpeggio_controller::cluster::{ObservedAnnouncement, Snapshot};
use serde::Serialize;

use crate::output::{Finding, Severity, Style};

/// Addresses of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Owned {
    /// Another candidate lives.
    pub movable: Vec<IpAddr>,
    /// No other candidate lives: the node goes on answering.
    pub alone: Vec<IpAddr>,
}

impl Owned {
    /// What the node owns now.
    pub fn by(snapshot: &Snapshot, node: &NodeName) -> Self {
        let mut owned = Self::default();
        for (address, announcement) in snapshot.announcements.iter() {
            if announcement.owner.as_ref() == Some(node) {
                let list =
                    if has_successor(snapshot, announcement, node) { &mut owned.movable } else { &mut owned.alone };
                list.push(*address);
            }
        }
        owned
    }
}

fn has_successor(snapshot: &Snapshot, announcement: &ObservedAnnouncement, node: &NodeName) -> bool {
    let candidates = announcement.content.iter().filter_map(|content| content.candidates.as_ref()).flatten();
    let lives = |one: &NodeName| snapshot.speakers.get(one).is_some_and(|speaker| speaker.live);
    candidates.into_iter().any(|one| one != node && lives(one))
}

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evacuation {
    /// The node.
    pub node: String,
    /// The evacuation was ended, not begun.
    pub undo: bool,
    /// What it owned before.
    pub before: Owned,
    /// What it owns after the wait; `None`: nobody waited.
    pub after: Option<Owned>,
}

impl Evacuation {
    /// What to say about it.
    pub fn finding(&self) -> Finding {
        let Self { node, undo, before, after } = self;
        let subject = format!("node {node}");
        let count = before.movable.len() + before.alone.len();
        if *undo {
            let finding = Finding::problem(subject, "may own addresses again; none moves back by itself", "");
            return Finding { severity: Severity::Ok, ..finding };
        }
        let Some(after) = after else {
            let (message, next) = (format!("is evacuated; it owned {count} addresses"), "kubectl arpeggio status");
            return Finding { severity: Severity::Ok, ..Finding::problem(subject, message, next) };
        };
        let list = |all: &[IpAddr]| all.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if !after.movable.is_empty() {
            let message = format!("still owns {} addresses: {}", after.movable.len(), list(&after.movable));
            return Finding::problem(subject, message, "kubectl arpeggio status");
        }
        if !after.alone.is_empty() {
            let message =
                format!("keeps {} addresses that no other node may take: {}", after.alone.len(), list(&after.alone));
            let next = after.alone.first().map(|address| format!("kubectl arpeggio explain {address}"));
            return Finding::problem(subject, message, next.unwrap_or_default());
        }
        let message = format!("owns nothing any more; {count} addresses moved");
        let next = format!("kubectl drain {node}; afterwards: kubectl arpeggio evacuate {node} --undo");
        Finding { severity: Severity::Ok, ..Finding::problem(subject, message, next) }
    }

    /// Whether the node owns nothing, or nobody waited for that.
    pub fn is_well(&self) -> bool {
        self.finding().severity != Severity::Problem
    }
}

/// The report as text for people.
pub fn render(evacuation: &Evacuation, style: Style) -> String {
    style.findings(&[evacuation.finding()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, kill};

    fn owned(objects: &crate::objects::Objects) -> Owned {
        Owned::by(&objects.index().take().0, &"node-a".try_into().unwrap())
    }

    fn evacuation(after: Option<Owned>) -> Evacuation {
        Evacuation { node: "node-a".to_owned(), undo: false, before: owned(&fixture::cluster()), after }
    }

    #[test]
    fn what_has_no_other_live_candidate_stays() {
        let mut objects = fixture::cluster();
        let address: IpAddr = "192.0.2.100".parse().unwrap();
        assert_eq!(owned(&objects), Owned { movable: vec![address], alone: vec![] });
        kill(&mut objects, "node-b");
        kill(&mut objects, "node-c");
        let alone = owned(&objects);
        assert_eq!(alone, Owned { movable: vec![], alone: vec![address] });
        let stuck = evacuation(Some(alone));
        assert!(!stuck.is_well());
        assert_eq!(stuck.finding().next, "kubectl arpeggio explain 192.0.2.100");
    }

    #[test]
    fn the_report_says_what_happened() {
        let done = evacuation(Some(Owned::default()));
        assert!(done.is_well() && render(&done, Style::default()).contains("1 addresses moved"));
        let slow = evacuation(Some(owned(&fixture::cluster())));
        assert!(!slow.is_well() && render(&slow, Style::default()).contains("still owns 1"));
        assert!(evacuation(None).is_well());
        assert!(Evacuation { undo: true, ..evacuation(None) }.is_well());
    }
}
