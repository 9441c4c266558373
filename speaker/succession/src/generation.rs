//! Generations of orders: of two orders for an address, the one with the greater number is the newer one. Nodes learn of a
//! change at different times, so every frame of theirs carries the number of the order that they follow.
//!
//! | From | Bits 63–54 | 53–52 | 51–20 | 19–0 |
//! |---|---|---|---|---|
//! | an object of the API | second of its creation, and `metadata.generation` in the low 24 bits | | | |
//! | a file with a `generation:` | 0 | 1 | that number | |
//! | another file | 0 | 0 | second of its last change | hash of the order |
//!
//! An object that is deleted and made anew counts from 1 again, and has to be newer than the one before it. Objects are newer
//! than files, and files that count newer than those that do not. Copies of a file are written at different seconds: with the
//! same order in them none is newer.

use std::cmp::Ordering;

use arpeggio_common::model::{Mode, NodeId, stable_hash};

/// The low bits that count the changes of one object; the bits above are the seconds of its creation.
pub const COUNT_BITS: u32 = 24;
/// More changes than this are not told apart.
pub const MOST_CHANGES: u64 = (1 << COUNT_BITS) - 1;
/// Set where a file says its number itself. Objects made since 2004 are above.
const COUNTED: u64 = 1 << 52;
/// The greatest number that a file may give.
pub const MOST_COUNTED: u64 = COUNTED - 1;
/// The low bits that tell whether two files say the same.
const HASH_BITS: u32 = 20;
const HASH: u64 = (1 << HASH_BITS) - 1;
const MOST_SECONDS: u64 = u32::MAX as u64;

/// Where a generation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Nobody said.
    Unknown,
    /// From an object that was made at this second; its `metadata.generation`.
    Object(u64, u64),
    /// From a file that says this number.
    Counted(u64),
    /// From a file that was changed last at this second.
    Changed(u64),
}

/// Of an object that was made at that second and has this `metadata.generation`. 0 where either is not known.
pub fn of_object(created_s: u64, generation: u64) -> u64 {
    if created_s == 0 || generation == 0 {
        return 0;
    }
    created_s.saturating_mul(1 << COUNT_BITS) | generation.min(MOST_CHANGES)
}

/// Of a file that says this number.
pub fn of_number(number: u64) -> u64 {
    COUNTED | number.min(MOST_COUNTED)
}

/// Of an order in a file that was changed last at that second.
pub fn of_file(changed_s: u64, candidates: impl Iterator<Item = NodeId>, mode: Mode) -> u64 {
    let mode = match mode {
        Mode::Exclusive => 0,
        Mode::Shared => 1,
    };
    let bytes = std::iter::once(mode).chain(candidates.flat_map(|node| node.number().to_be_bytes()));
    (changed_s.min(MOST_SECONDS) << HASH_BITS) | (stable_hash(bytes) & HASH)
}

/// What a generation was made of.
pub const fn basis(generation: u64) -> Basis {
    match generation {
        0 => Basis::Unknown,
        changed if changed < COUNTED => Basis::Changed(changed >> HASH_BITS),
        counted if counted < 2 * COUNTED => Basis::Counted(counted & MOST_COUNTED),
        object => Basis::Object(object >> COUNT_BITS, object & MOST_CHANGES),
    }
}

/// How one order's age stands to another's; `None` where either is unknown.
pub fn compare(one: u64, other: u64) -> Option<Ordering> {
    match (basis(one), basis(other)) {
        (Basis::Unknown, _) | (_, Basis::Unknown) => None,
        (Basis::Changed(_), Basis::Changed(_)) if one & HASH == other & HASH => Some(Ordering::Equal),
        _ => Some(one.cmp(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED_S: u64 = 1_796_000_000;

    fn of_nodes(changed_s: u64, nodes: &[u64], mode: Mode) -> u64 {
        of_file(changed_s, nodes.iter().map(|number| NodeId::from_number(*number).unwrap()), mode)
    }

    #[test]
    fn an_object_that_is_made_anew_is_newer_than_the_one_before_it() {
        assert!(of_object(CREATED_S, 2) > of_object(CREATED_S, 1));
        assert!(of_object(CREATED_S + 1, 1) > of_object(CREATED_S, 9_000));
        assert!(of_object(CREATED_S + 1, 1) > of_object(CREATED_S, u64::MAX), "more changes than there are bits");
        assert_eq!((of_object(0, 7), of_object(CREATED_S, 0)), (0, 0));
        assert!(of_object(u64::MAX, 1) >= of_object(CREATED_S, 1));
    }

    #[test]
    fn copies_of_a_file_are_of_one_age_and_other_orders_as_old_as_their_files() {
        let first = of_nodes(CREATED_S, &[7, 8], Mode::Exclusive);
        assert_eq!(compare(first, of_nodes(CREATED_S + 60, &[7, 8], Mode::Exclusive)), Some(Ordering::Equal));
        let others = [(vec![8, 7], Mode::Exclusive), (vec![7, 8], Mode::Shared), (vec![7], Mode::Exclusive)];
        for (nodes, mode) in others {
            assert_eq!(compare(first, of_nodes(CREATED_S + 60, &nodes, mode)), Some(Ordering::Less), "{nodes:?}");
            assert_eq!(compare(first, of_nodes(CREATED_S - 60, &nodes, mode)), Some(Ordering::Greater), "{nodes:?}");
        }
    }

    #[test]
    fn files_that_count_are_newer_than_those_that_do_not_and_objects_newer_than_files() {
        let rising = [
            of_nodes(1, &[7], Mode::Shared),
            of_nodes(u64::MAX, &[7], Mode::Exclusive),
            of_number(1),
            of_number(2),
            of_number(u64::MAX),
            of_object(1 << 30, 1),
            of_object(CREATED_S, 1),
        ];
        for (index, one) in rising.iter().enumerate() {
            for (position, other) in rising.iter().enumerate() {
                assert_eq!(compare(*one, *other), Some(index.cmp(&position)), "{index} {position}");
            }
            assert_eq!((compare(*one, 0), compare(0, *one)), (None, None));
        }
    }

    #[test]
    fn what_it_was_made_of_can_be_told() {
        assert_eq!(basis(of_object(CREATED_S, 7)), Basis::Object(CREATED_S, 7));
        assert_eq!(basis(of_number(12)), Basis::Counted(12));
        assert_eq!(basis(of_nodes(CREATED_S, &[7, 8, 9], Mode::Exclusive)), Basis::Changed(CREATED_S));
        assert_eq!(basis(0), Basis::Unknown);
    }
}
