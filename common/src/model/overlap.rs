//! Which ranges claim addresses that another one has: thousands of ranges in one sweep.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::AddressRange;

/// A range and whose it is. Of two that overlap the one with the higher rank is at fault; ranges of one rank do not disturb each
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The addresses.
    pub range: AddressRange,
    /// Place in the queue: the first to come has 0.
    pub rank: usize,
}

/// For each claim that overlaps one of a lower rank: its index and that of one such. In the order of indices; which of several
/// is named depends on the claims alone. Takes n log n steps, however many pairs overlap.
pub fn overlaps(claims: &[Claim]) -> Vec<(usize, usize)> {
    let mut edges: Vec<(IpAddr, Edge, usize, usize)> = Vec::with_capacity(claims.len() * 2);
    for (index, Claim { range, rank }) in claims.iter().enumerate() {
        edges.push((range.first(), Edge::Start, *rank, index));
        edges.push((range.last(), Edge::End, *rank, index));
    }
    // IPv4 sorts before IPv6, so the families never meet. A range that ends where another starts overlaps it: starts come first.
    edges.sort_unstable();

    // Of two ranges that overlap, one starts while the other is open. Who starts asks for the lowest rank that is open; those
    // already open and higher in rank are at fault because of who starts, and once found need not be looked at again.
    let mut open: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut innocent = open.clone();
    let mut found = Vec::new();
    for (_, edge, rank, index) in edges {
        match edge {
            Edge::Start => {
                while let Some(&guilty) = innocent.last().filter(|(other, _)| *other > rank) {
                    innocent.remove(&guilty);
                    found.push((guilty.1, index));
                }
                match open.first() {
                    Some(&(lowest, other)) if lowest < rank => found.push((index, other)),
                    _ => {
                        innocent.insert((rank, index));
                    }
                }
                open.insert((rank, index));
            }
            Edge::End => {
                open.remove(&(rank, index));
                innocent.remove(&(rank, index));
            }
        }
    }
    found.sort_unstable();
    found
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    Start,
    End,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claim((first, length, rank, v6): (u8, u8, usize, bool)) -> Claim {
        let address = |number: u16| {
            if v6 { IpAddr::V6(u128::from(number).into()) } else { IpAddr::V4(u32::from(number).into()) }
        };
        let range = AddressRange::new(address(first.into()), address(u16::from(first) + u16::from(length))).unwrap();
        Claim { range, rank }
    }

    proptest! {
        #[test]
        fn who_is_found_is_who_overlaps(
            drawn in prop::collection::vec((any::<u8>(), 0u8..40, 0usize..8, any::<bool>()), 0..40),
        ) {
            let claims: Vec<Claim> = drawn.into_iter().map(claim).collect();
            let found = overlaps(&claims);
            let guilty: BTreeSet<usize> = found.iter().map(|(index, _)| *index).collect();
            prop_assert_eq!(guilty.len(), found.len(), "each once");
            for (index, other) in &found {
                prop_assert!(claims[*other].rank < claims[*index].rank);
                prop_assert!(claims[*other].range.overlaps(&claims[*index].range));
            }
            for (index, claim) in claims.iter().enumerate() {
                let overlapped = claims.iter().any(|other| other.rank < claim.rank && other.range.overlaps(&claim.range));
                prop_assert_eq!(guilty.contains(&index), overlapped, "{:?}", claim);
            }
        }
    }

    #[test]
    fn a_hundred_thousand_that_all_overlap_are_found_in_one_sweep() {
        // Every pair overlaps: five thousand million of them. Looking at each would take minutes.
        let claims: Vec<Claim> = (0..100_000)
            .map(|rank| Claim {
                range: AddressRange::new(IpAddr::V4(rank.into()), IpAddr::V4(u32::MAX.into())).unwrap(),
                rank: rank as usize,
            })
            .collect();
        assert_eq!(overlaps(&claims).len(), claims.len() - 1);
    }
}
