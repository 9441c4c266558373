//! How often a speaker renews its lease, by the number of nodes: the API server has to bear all of them together.
//!
//! Up to 50 nodes a speaker renews every 2 seconds. Each further node makes that 18 ms more: 2.9 s for 100 nodes, 19.1 s for 1,000. All together
//! then never write more than 56 leases a second, whatever their number. The duration of the lease is five renewals at first, and three where
//! they are slow. It is written into the lease: the controller believes the lease, and leases of both paces can stand side by side.

use core::time::Duration;

/// Nodes that renew at the pace that is set.
pub const FAST_NODES: usize = 50;
/// What each further node adds to the time between two renewals.
pub const EACH_NODE: Duration = Duration::from_millis(18);
/// How many renewals a lease outlives at least.
const RENEWALS: u32 = 3;

/// The times of a speaker's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeasePace {
    /// Between two renewals.
    pub renew: Duration,
    /// From a renewal until the speaker counts as dead; whole seconds, as a lease can say it.
    pub duration: Duration,
}

impl Default for LeasePace {
    fn default() -> Self {
        Self { renew: Duration::from_secs(2), duration: Duration::from_secs(10) }
    }
}

impl LeasePace {
    /// The times for a cluster with so many speakers, from those for a small one.
    #[must_use]
    pub fn for_nodes(self, nodes: usize) -> Self {
        let further = u32::try_from(nodes.saturating_sub(FAST_NODES)).unwrap_or(u32::MAX);
        let renew = self.renew.saturating_add(EACH_NODE.saturating_mul(further));
        let least = renew.saturating_mul(RENEWALS);
        let whole = Duration::from_secs(least.as_secs() + u64::from(least.subsec_nanos() > 0));
        // What was set for a small cluster may be less than three renewals; who set that meant it.
        let duration = if further == 0 { self.duration } else { self.duration.max(whole) };
        Self { renew, duration }
    }

    /// Leases that so many speakers write in a second, all together.
    #[must_use]
    pub fn writes(self, nodes: usize) -> f64 {
        let nodes_together = u32::try_from(nodes).map_or(f64::INFINITY, f64::from);
        nodes_together / self.for_nodes(nodes).renew.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_as_documented() {
        let pace = |nodes| {
            let LeasePace { renew, duration } = LeasePace::default().for_nodes(nodes);
            (renew.as_millis(), duration.as_secs())
        };
        for nodes in [0, 1, 3, 50] {
            assert_eq!(pace(nodes), (2_000, 10));
        }
        assert_eq!([pace(51), pace(100), pace(200)], [(2_018, 10), (2_900, 10), (4_700, 15)]);
        assert_eq!([pace(1_000), pace(5_000)], [(19_100, 58), (91_100, 274)]);
    }

    #[test]
    fn all_together_write_at_most_sixty_leases_a_second() {
        for nodes in 1..=20_000 {
            let writes = LeasePace::default().writes(nodes);
            assert!(writes <= 56.0, "{nodes} nodes write {writes} leases a second");
        }
        assert!((52.0..53.0).contains(&LeasePace::default().writes(1_000)));
    }

    #[test]
    fn a_larger_cluster_is_never_faster_and_every_lease_outlives_three_renewals() {
        let mut before = LeasePace::default();
        for nodes in 1..=20_000 {
            let now = LeasePace::default().for_nodes(nodes);
            assert!(now.renew >= before.renew && now.duration >= before.duration);
            assert!(now.duration >= now.renew * 3 && now.duration.subsec_nanos() == 0, "{nodes}: {now:?}");
            before = now;
        }
        // A tenth later than due, as speakers renew, and two that are lost.
        let LeasePace { renew, duration } = LeasePace::default().for_nodes(1_000);
        assert!(renew * 11 / 10 * 2 < duration);
    }

    #[test]
    fn what_was_set_is_kept_in_a_small_cluster() {
        let set = LeasePace { renew: Duration::from_millis(500), duration: Duration::from_secs(1) };
        assert_eq!(set.for_nodes(50), set);
        let large = set.for_nodes(1_000);
        assert_eq!((large.renew, large.duration), (Duration::from_millis(17_600), Duration::from_secs(53)));
        assert!(set.for_nodes(usize::MAX).renew > large.renew, "no overflow");
    }
}
