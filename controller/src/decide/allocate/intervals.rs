//! A set of numbers as its maximal runs: small however large the runs are, and its lowest gap is found at once.

use std::collections::BTreeMap;

/// Numbers, kept as runs from first to last that never touch each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Intervals(BTreeMap<u128, u128>);

impl Intervals {
    /// The run that holds `at`.
    fn run(&self, at: u128) -> Option<(u128, u128)> {
        let (first, last) = self.0.range(..=at).next_back()?;
        (at <= *last).then_some((*first, *last))
    }

    /// Whether `at` is in the set.
    #[cfg(test)]
    pub(super) fn contains(&self, at: u128) -> bool {
        self.run(at).is_some()
    }

    /// Puts `at` into the set; tells whether it was not there.
    pub(super) fn insert(&mut self, at: u128) -> bool {
        let before = self.0.range(..=at).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| at <= last) {
            return false;
        }
        let first = match before {
            // The run below ends next to it.
            Some((first, last)) if last + 1 == at => first,
            _ => at,
        };
        let last = at.checked_add(1).and_then(|next| self.0.remove(&next)).unwrap_or(at);
        self.0.insert(first, last);
        true
    }

    /// Takes `at` out of the set; tells whether it was there.
    pub(super) fn remove(&mut self, at: u128) -> bool {
        let Some((first, last)) = self.run(at) else { return false };
        if first == at {
            self.0.remove(&first);
        } else {
            self.0.insert(first, at - 1);
        }
        if at < last {
            self.0.insert(at + 1, last);
        }
        true
    }

    /// The lowest number from `low` to `high`, both included, that is not in the set. Logarithmic in the number of runs:
    /// what follows a run is never in the set.
    pub(super) fn lowest_gap(&self, low: u128, high: u128) -> Option<u128> {
        let gap = match self.run(low) {
            Some((_, last)) => last.checked_add(1)?,
            None => low,
        };
        (gap <= high).then_some(gap)
    }

    /// How many runs there are: what memory is spent on.
    #[cfg(test)]
    pub(super) fn runs(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_the_numbers_are_numbers_like_others() {
        let mut set = Intervals::default();
        assert!(set.insert(u128::MAX) && set.insert(u128::MAX - 1) && set.insert(0));
        assert!(!set.insert(0));
        assert_eq!(set.lowest_gap(u128::MAX - 1, u128::MAX), None);
        assert_eq!(set.lowest_gap(0, u128::MAX), Some(1));
        assert_eq!(set.runs(), 2);
        assert!(set.remove(u128::MAX) && set.remove(0) && !set.remove(0));
        assert_eq!(set.runs(), 1);
    }

    proptest! {
        #[test]
        fn it_is_the_set_that_a_set_would_be(steps in prop::collection::vec((any::<bool>(), 0_u128..40), 0..200)) {
            let mut set = Intervals::default();
            let mut model = BTreeSet::new();
            for (add, at) in steps {
                if add {
                    prop_assert_eq!(set.insert(at), model.insert(at));
                } else {
                    prop_assert_eq!(set.remove(at), model.remove(&at));
                }
                for low in 0..40 {
                    prop_assert_eq!(set.contains(low), model.contains(&low));
                    let gap = (low..=39).find(|number| !model.contains(number));
                    prop_assert_eq!(set.lowest_gap(low, 39), gap);
                }
                let runs = model.iter().filter(|number| **number == 0 || !model.contains(&(**number - 1))).count();
                prop_assert_eq!(set.runs(), runs);
            }
        }
    }
}
