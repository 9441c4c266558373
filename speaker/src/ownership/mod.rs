//! Pure: which addresses are ours. In this version the first candidate owns for as long as it is listed first; whoever
//! watches owners and takes over puts another answer behind the same question.

use arpeggio_common::{
    abi::{ALL_BUCKETS, BUCKETS},
    model::{Announcement, Mode, NodeName, stable_hash},
};

/// The shares of an address's clients that this node answers, as the bit mask of the kernel's entries: all ones for the
/// exclusive owner, 0 for everybody else. In Shared mode every share goes to the candidate that ranks highest for it
/// (rendezvous hashing), so that a node more or less moves no share between two others.
pub fn buckets(announcement: &Announcement, node: &NodeName) -> u64 {
    let candidates = announcement.candidates();
    match announcement.mode() {
        Mode::Exclusive if candidates.first() == Some(node) => ALL_BUCKETS,
        Mode::Exclusive => 0,
        Mode::Shared => (0..BUCKETS)
            .filter(|bucket| {
                let first = candidates.iter().max_by_key(|candidate| (rank(candidate, *bucket), candidate.as_str()));
                first == Some(node)
            })
            .fold(0, |mask, bucket| mask | 1 << bucket),
    }
}

/// How high a candidate ranks for a share: every node computes the same.
fn rank(node: &NodeName, bucket: u32) -> u64 {
    stable_hash(node.as_str().bytes().chain(bucket.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn node(index: usize) -> NodeName {
        NodeName::try_from(format!("node-{index}").as_str()).unwrap()
    }

    fn announcement(nodes: impl IntoIterator<Item = usize>, mode: Mode) -> Announcement {
        let candidates = nodes.into_iter().map(node).collect();
        Announcement::new("192.0.2.1".parse().unwrap(), candidates, BTreeSet::new(), mode).unwrap()
    }

    #[test]
    fn the_first_candidate_owns_alone() {
        let order = announcement([2, 0, 1], Mode::Exclusive);
        assert_eq!([0, 1, 2, 3].map(|n| buckets(&order, &node(n))), [0, 0, ALL_BUCKETS, 0]);
        assert_eq!(buckets(&announcement([], Mode::Exclusive), &node(0)), 0);
    }

    proptest! {
        #[test]
        fn shares_are_complete_and_disjoint(count in 1usize..12) {
            let shared = announcement(0..count, Mode::Shared);
            let masks: Vec<_> = (0..count).map(|n| buckets(&shared, &node(n))).collect();
            prop_assert_eq!(masks.iter().fold(0, |all, mask| all | mask), ALL_BUCKETS);
            prop_assert_eq!(masks.iter().map(|mask| mask.count_ones()).sum::<u32>(), BUCKETS);
        }

        #[test]
        fn a_lost_node_moves_only_its_own_shares(count in 2usize..12, lost in 0usize..12) {
            let lost = lost % count;
            let (before, after) = (announcement(0..count, Mode::Shared), announcement((0..count).filter(|n| *n != lost), Mode::Shared));
            for n in (0..count).filter(|n| *n != lost) {
                let (had, has) = (buckets(&before, &node(n)), buckets(&after, &node(n)));
                prop_assert_eq!(had & has, had, "node {} lost a share it had", n);
            }
        }
    }

    #[test]
    fn shares_are_those_of_every_version() {
        let shared = announcement(0..3, Mode::Shared);
        assert_eq!(
            [0, 1, 2].map(|n| buckets(&shared, &node(n))),
            [0x6080_61aa_b084_b891, 0x9b7e_8c44_0853_4260, 0x0401_1211_4728_050e]
        );
    }

    #[test]
    fn three_nodes_share_roughly_alike() {
        let shared = announcement(0..3, Mode::Shared);
        for n in 0..3 {
            assert!((12..=32).contains(&buckets(&shared, &node(n)).count_ones()));
        }
    }
}
