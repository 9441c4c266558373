//! A node's identity in 64 bits: what frames, map entries and orders carry instead of the text.

use core::num::NonZeroU64;

/// The hash of a cluster's identity and a node's name. Never 0, which frames and maps read as "unknown": an `Option` of it has 8 bytes as well.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(NonZeroU64);

impl NodeId {
    /// The id with this number, as it stands in a frame or a map; `None` for 0.
    #[inline(always)]
    pub const fn from_number(number: u64) -> Option<Self> {
        // No `map`: it is not const.
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number for a frame or a map.
    #[inline(always)]
    pub const fn number(self) -> u64 {
        self.0.get()
    }

    /// How the node ranks for a share of something (rendezvous hashing): the highest has it. Every node computes the same, on
    /// every version of compiler and library.
    pub const fn rank(self, share: u64) -> u64 {
        avalanche(self.number() ^ avalanche(share.wrapping_add(0x9e37_79b9_7f4a_7c15)))
    }
}

/// Every bit of the input changes half of the bits of the result (the finalizer of `MurmurHash3`).
pub(crate) const fn avalanche(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(feature = "std")]
mod named {
    use core::{fmt, iter, num::NonZeroU64};

    use super::NodeId;
    use crate::model::{NodeName, stable_hash};

    impl NodeId {
        /// A node of a cluster: two clusters on one segment may have nodes of the same name. Without a cluster (the empty text)
        /// it is the name's alone. Two of a thousand nodes are alike once in 3 × 10¹³ clusters.
        pub fn of(cluster: &str, name: &NodeName) -> Self {
            // No name and no identity of a cluster contains a zero, so no two pairs are the same bytes.
            let cluster = cluster.bytes().chain(iter::once(0)).take(if cluster.is_empty() { 0 } else { usize::MAX });
            let hash = stable_hash(cluster.chain(name.as_str().bytes()));
            Self(NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN))
        }
    }

    impl From<&NodeName> for NodeId {
        /// By its name alone: for a ranking within one cluster.
        fn from(name: &NodeName) -> Self {
            Self::of("", name)
        }
    }

    impl fmt::Display for NodeId {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{:016x}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NodeName;

    fn id(name: &str) -> NodeId {
        NodeId::from(&NodeName::try_from(name).unwrap())
    }

    #[test]
    fn ids_are_the_same_on_every_machine() {
        // Frames carry them between nodes of different versions: these numbers must never change.
        assert_eq!(id("node-a").to_string(), "48e86629c152a3f3");
        assert_eq!(NodeId::from_number(id("node-a").number()), Some(id("node-a")));
        assert_eq!(NodeId::from_number(0), None);
    }

    #[test]
    fn nodes_of_two_clusters_are_two_nodes() {
        let name = NodeName::try_from("node-a").unwrap();
        let of = |cluster| NodeId::of(cluster, &name);
        assert_eq!(of(""), id("node-a"), "without a cluster the name is all there is");
        assert_ne!(of("east"), of("west"));
        assert_ne!(of("east"), of(""));
        assert_ne!(NodeId::of("a", &NodeName::try_from("b").unwrap()), id("ab"));
        // Computed apart from this code, as above: FNV-1a over "east", a zero and the name.
        assert_eq!(of("east").to_string(), "4deccfa35d2f375f");
    }

    #[test]
    fn nobody_is_zero_in_a_map() {
        assert_eq!(size_of::<Option<NodeId>>(), 8);
        assert_eq!(NodeId::from_number(7).map_or(0, NodeId::number), 7);
    }

    #[test]
    fn shares_spread_over_nodes_with_similar_names() {
        let nodes: Vec<_> = (0..3).map(|n| id(&format!("node-{n}"))).collect();
        let mut won = [0u32; 3];
        for share in 0..3_000 {
            let best = (0..3).max_by_key(|n| nodes[*n].rank(share)).unwrap();
            won[best] += 1;
        }
        assert!(won.iter().all(|won| (900..=1_100).contains(won)), "{won:?}");
    }
}
