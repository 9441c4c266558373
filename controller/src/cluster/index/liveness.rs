//! Which agents live, from their leases.
//!
//! A lease is over when it was not renewed for its duration, on our monotonic clock from when we saw it renewed; the times in
//! it are never compared with our clock. Time counts only as far as the watch of leases proves that it works: every event of
//! it is such a proof, and the controller's own lease, renewed every few seconds, comes through the same watch. So neither an
//! API server that is away nor a pause of this process makes anybody look dead.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use arpeggio_common::model::NodeName;

use crate::cluster::project::LeaseFacts;

#[derive(Clone, Debug)]
struct LeaseRecord {
    renewed: Option<String>,
    holder: Option<String>,
    /// On the clock of [`Liveness::elapsed`].
    until: Duration,
    live: bool,
}

/// The leases of all agents.
#[derive(Clone, Debug)]
pub(super) struct Liveness {
    /// Longest time between two events of the watch that counts whole.
    gap: Duration,
    last: Option<Instant>,
    /// Time that the watch is known to have worked.
    elapsed: Duration,
    leases: BTreeMap<NodeName, LeaseRecord>,
}

impl Liveness {
    /// `gap`: how far apart events of a working watch are at most, a little more than the controller's renewals.
    pub(super) const fn new(gap: Duration) -> Self {
        Self { gap, last: None, elapsed: Duration::ZERO, leases: BTreeMap::new() }
    }

    /// The watch told something, whatever it was. Returns those whose lease has run out with that.
    pub(super) fn heard(&mut self, now: Instant) -> Vec<NodeName> {
        let since = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.last = Some(now);
        self.elapsed += since.min(self.gap);
        let elapsed = self.elapsed;
        let over = self.leases.iter_mut().filter(|(_, lease)| lease.live && lease.until <= elapsed);
        over.map(|(node, lease)| {
            lease.live = false;
            node.clone()
        })
        .collect()
    }

    /// A lease as it is now. Whether its agent lives and did not before, or the other way round.
    pub(super) fn observe(&mut self, node: &NodeName, facts: &LeaseFacts) -> bool {
        let was_live = self.is_live(node);
        let known = self.leases.get(node);
        let is_news = known.is_none_or(|known| known.renewed != facts.renewed || known.holder != facts.holder);
        if is_news {
            let (renewed, holder) = (facts.renewed.clone(), facts.holder.clone());
            let live = holder.is_some() && !facts.duration.is_zero();
            let until = self.elapsed + facts.duration;
            self.leases.insert(node.clone(), LeaseRecord { renewed, holder, until, live });
        }
        was_live != self.is_live(node)
    }

    /// The lease is gone. Whether its agent lived.
    pub(super) fn forget(&mut self, node: &NodeName) -> bool {
        self.leases.remove(node).is_some_and(|lease| lease.live)
    }

    pub(super) fn is_live(&self, node: &NodeName) -> bool {
        self.leases.get(node).is_some_and(|lease| lease.live)
    }

    /// Every node that has a lease.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodeName> {
        self.leases.keys()
    }
}

#[cfg(test)]
mod tests {
    use arpeggio_common::model::LeasePace;

    use super::*;

    const GAP: Duration = Duration::from_secs(3);

    fn node(name: &str) -> NodeName {
        NodeName::try_from(name).unwrap()
    }

    fn facts(renewed: &str) -> LeaseFacts {
        LeaseFacts {
            speaker: None,
            holder: Some("x".to_owned()),
            renewed: Some(renewed.to_owned()),
            duration: Duration::from_secs(10),
        }
    }

    /// Seconds since the test began.
    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the beginning")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_lease_that_is_not_renewed_is_over_after_its_duration() {
        let (start, mut leases) = (start(), Liveness::new(GAP));
        leases.heard(start);
        assert!(leases.observe(&node("a"), &facts("1")));
        assert!(leases.observe(&node("b"), &facts("1")));
        for second in (2..10).step_by(2) {
            assert_eq!(leases.heard(at(start, second)), []);
            assert!(!leases.observe(&node("b"), &facts(&second.to_string())));
            assert!(!leases.observe(&node("a"), &facts("1")), "told again, not renewed");
        }
        assert_eq!(leases.heard(at(start, 10)), [node("a")]);
        assert!(!leases.is_live(&node("a")) && leases.is_live(&node("b")));
        assert_eq!(leases.heard(at(start, 11)), [], "once");
        assert!(leases.observe(&node("a"), &facts("2")), "renewed: it lives again");
    }

    #[test]
    fn leases_of_a_small_and_a_large_clusters_pace_are_each_believed() {
        let (start, mut leases) = (start(), Liveness::new(GAP));
        let slow = LeasePace::default().for_nodes(1_000);
        let long = |renewed: &str| LeaseFacts { duration: slow.duration, ..facts(renewed) };
        leases.heard(start);
        leases.observe(&node("fast"), &facts("0"));
        leases.observe(&node("slow"), &long("0"));
        // One renews every 2 s, the other every 19 s. Then both die.
        for second in 1..=60_u64 {
            assert_eq!(leases.heard(at(start, second)), [], "{second}");
            if second % 2 == 0 {
                leases.observe(&node("fast"), &facts(&second.to_string()));
            }
            if second % slow.renew.as_secs() == 0 {
                leases.observe(&node("slow"), &long(&second.to_string()));
            }
        }
        let died: Vec<(u64, NodeName)> = (61..200)
            .flat_map(|second| leases.heard(at(start, second)).into_iter().map(move |node| (second, node)))
            .collect();
        assert_eq!(died, [(70, node("fast")), (57 + slow.duration.as_secs(), node("slow"))]);
    }

    #[test]
    fn a_silent_watch_is_no_proof_that_anybody_is_dead() {
        let (start, mut leases) = (start(), Liveness::new(GAP));
        leases.heard(start);
        leases.observe(&node("a"), &facts("1"));
        // An hour without an API server, or asleep: the first event is somebody else's.
        assert_eq!(leases.heard(at(start, 3600)), []);
        assert!(!leases.observe(&node("a"), &facts("2")));
        for second in 3601..3610 {
            assert_eq!(leases.heard(at(start, second)), []);
        }
        assert_eq!(leases.heard(at(start, 3610)), [node("a")]);
    }

    #[test]
    fn a_lease_that_is_given_back_or_gone_is_over_at_once() {
        let (start, mut leases) = (start(), Liveness::new(GAP));
        leases.heard(start);
        leases.observe(&node("a"), &facts("1"));
        assert!(leases.observe(&node("a"), &LeaseFacts { holder: None, ..facts("2") }));
        assert!(!leases.forget(&node("a")), "it was dead");
        leases.observe(&node("b"), &facts("1"));
        assert!(leases.forget(&node("b")));
        assert_eq!(leases.nodes().count(), 0);
    }
}
