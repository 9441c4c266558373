//! Generations of orders: of two orders for an address, the one with the greater number is the newer one. Nodes learn of a
//! change at different times, so every frame of theirs carries the number of the order that they follow.
//!
//! Of an object of the API it is made of the time of its creation and of `metadata.generation`: an Announcement that is deleted
//! and made anew counts from 1 again, and has to be newer than the one before it. A file has a number of its own, or the time
//! of its last change in seconds; both are far below those of objects.

use jiff::Timestamp;

/// The low bits that count the changes of one object; the bits above are the seconds of its creation.
const COUNT_BITS: u32 = 24;
/// More changes than this are not told apart.
const MOST: u64 = (1 << COUNT_BITS) - 1;

/// Of an object that was made at that second and has this `metadata.generation`. 0 where either is not known.
pub(super) fn of_object(created_s: u64, generation: u64) -> u64 {
    if created_s == 0 || generation == 0 {
        return 0;
    }
    created_s.saturating_mul(1 << COUNT_BITS) | generation.min(MOST)
}

/// For people.
pub fn describe_generation(generation: u64) -> String {
    let (created_s, count) = (generation >> COUNT_BITS, generation & MOST);
    let created = i64::try_from(created_s).ok().and_then(|second| Timestamp::from_second(second).ok());
    match created {
        // Seconds since 1970 have 31 bits: those of a file leave a few hundred above the count.
        Some(created) if generation >> 40 != 0 => format!("{count} of the object made {created}"),
        _ => generation.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED_S: u64 = 1_796_000_000;

    #[test]
    fn an_object_that_is_made_anew_is_newer_than_the_one_before_it() {
        assert!(of_object(CREATED_S, 2) > of_object(CREATED_S, 1));
        assert!(of_object(CREATED_S + 1, 1) > of_object(CREATED_S, 9_000));
        assert!(of_object(CREATED_S + 1, 1) > of_object(CREATED_S, u64::MAX), "more changes than there are bits");
        assert_eq!((of_object(0, 7), of_object(CREATED_S, 0)), (0, 0));
        assert!(of_object(u64::MAX, 1) >= of_object(CREATED_S, 1));
    }

    #[test]
    fn people_are_told_the_number_that_kubectl_shows() {
        assert_eq!(describe_generation(of_object(CREATED_S, 7)), "7 of the object made 2026-11-30T00:53:20Z");
        for of_file in [0, 7, CREATED_S] {
            assert_eq!(describe_generation(of_file), of_file.to_string());
        }
    }
}
