//! Pure: which groups to leave and which to join.

use std::collections::{BTreeMap, BTreeSet};

use super::Membership;

/// The difference between what is joined and what should be. Leaving goes first: it frees places.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) leaves: Vec<Membership>,
    pub(super) joins: Vec<Membership>,
}

/// `joined`: the memberships there are, each with the place it takes.
pub(super) fn plan<T>(desired: &BTreeSet<Membership>, joined: &BTreeMap<Membership, T>) -> Plan {
    Plan {
        leaves: joined.keys().filter(|membership| !desired.contains(*membership)).copied().collect(),
        joins: desired.iter().filter(|membership| !joined.contains_key(*membership)).copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn memberships() -> impl Strategy<Value = BTreeSet<Membership>> {
        prop::collection::btree_set((1u32..4, (0u128..20).prop_map(|low| (0xff02 << 112 | low).into())), 0..40)
    }

    proptest! {
        #[test]
        fn what_is_planned_makes_the_desired_set_and_then_nothing_is_left_to_do(desired in memberships(), before in memberships()) {
            let mut joined: BTreeMap<Membership, ()> = before.into_iter().map(|membership| (membership, ())).collect();
            let Plan { leaves, joins } = plan(&desired, &joined);
            for membership in leaves {
                prop_assert!(joined.remove(&membership).is_some());
            }
            for membership in joins {
                prop_assert!(joined.insert(membership, ()).is_none());
            }
            prop_assert!(joined.keys().eq(desired.iter()));
            prop_assert_eq!(plan(&desired, &joined), Plan { leaves: vec![], joins: vec![] });
        }
    }
}
