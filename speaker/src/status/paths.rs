//! What does not come through between this node and the others: some networks drop frames of speakers, and let all else pass.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use arpeggio_succession::View;

use super::{Names, text::span};
use crate::dataplane::Place;

/// A way between speakers that does not work as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathFault {
    /// This node answers heartbeats, but not what everybody is asked.
    Unflooded(String),
    /// No other node answered anything for so many milliseconds.
    Unanswered(u64),
}

/// The faults of the ways from one interface, as the succession found them.
pub fn path_faults(views: &BTreeMap<Place, View>, names: &Names, now_ns: u64, index: u32) -> Vec<PathFault> {
    let here = || views.iter().filter(|((ifindex, _), _)| *ifindex == index).map(|(_, view)| view);
    let unflooded = here().filter(|view| view.unflooded).filter_map(|view| view.owner);
    let named = unflooded.map(|owner| owner.node.map_or_else(|| owner.mac.to_string(), |node| names.of(node)));
    let unflooded: BTreeSet<_> = named.collect();
    let unanswered = here().filter_map(|view| view.unanswered).max();
    let unanswered = unanswered.map(|since_ns| PathFault::Unanswered(now_ns.saturating_sub(since_ns) / 1_000_000));
    unflooded.into_iter().map(PathFault::Unflooded).chain(unanswered).collect()
}

impl PathFault {
    /// In words that stay the same while it lasts.
    pub fn lasting(&self) -> String {
        match self {
            Self::Unflooded(_) => self.to_string(),
            Self::Unanswered(_) => unanswered(""),
        }
    }
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unflooded(node) => write!(
                f,
                "{node} answers heartbeats, but not questions to all nodes: the network between does not flood them; clients may \
                 learn of a takeover only when their caches expire"
            ),
            Self::Unanswered(ms) => f.write_str(&unanswered(&format!(" for {}", span(*ms)))),
        }
    }
}

fn unanswered(since: &str) -> String {
    format!("no other node answers this node{since}: the others are down, or frames of this node are lost")
}

#[cfg(test)]
mod tests {
    use arpeggio_common::wire::Mac;

    use super::*;
    use arpeggio_succession::{Origin, Standing};

    fn view(standing: Standing) -> View {
        View {
            standing,
            rank: None,
            owner: Some(Origin { mac: Mac([2, 0, 0, 0, 0, 9]), node: None }),
            since_ns: 0,
            heartbeat_ns: None,
            buckets: 0,
            doubt: None,
            unflooded: false,
            unanswered: None,
        }
    }

    #[test]
    fn each_fault_of_an_interface_is_told_once() {
        let place = |index, last| (index, [192, 0, 2, last].into());
        let unflooded = View { unflooded: true, ..view(Standing::Standby) };
        let unanswered = View { unanswered: Some(5_000_000_000), ..view(Standing::Owner) };
        let views = [(place(2, 1), unflooded), (place(2, 2), unflooded), (place(2, 3), unanswered)];
        let views = BTreeMap::from_iter(views.into_iter().chain([(place(3, 1), view(Standing::Owner))]));
        let faults = path_faults(&views, &Names::default(), 50_000_000_000, 2);
        let expected = [PathFault::Unflooded("02:00:00:00:00:09".to_owned()), PathFault::Unanswered(45_000)];
        assert_eq!(faults, expected);
        assert!(faults[1].to_string().contains("for 45"), "{}", faults[1]);
        assert!(!faults[1].lasting().contains("for "), "written to the API: it must not change by itself");
        assert_eq!(path_faults(&views, &Names::default(), 50_000_000_000, 3), []);
    }
}
