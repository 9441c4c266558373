//! Label selectors that are known to be well-formed.

use std::collections::{BTreeMap, BTreeSet};

/// The labels of an object.
pub type Labels = BTreeMap<String, String>;

/// What one key of the labels has to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Requirement {
    /// The label is there and has one of these values.
    In(String, BTreeSet<String>),
    /// The label is not there, or has none of these values.
    NotIn(String, BTreeSet<String>),
    /// The label is there.
    Exists(String),
    /// The label is not there.
    DoesNotExist(String),
}

impl Requirement {
    fn holds(&self, labels: &Labels) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Exists(key) => labels.contains_key(key),
            Self::DoesNotExist(key) => !labels.contains_key(key),
        }
    }
}

/// Requirements that all have to hold; none selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector(BTreeSet<Requirement>);

impl Selector {
    /// All of these have to hold.
    pub fn new(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        Self(requirements.into_iter().collect())
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels))
    }
}

/// Whether one of `selectors` selects these labels; an empty list selects everything, as everywhere in MetalLB's kinds.
pub fn any_or_empty(selectors: &[Selector], labels: &Labels) -> bool {
    selectors.is_empty() || selectors.iter().any(|selector| selector.matches(labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_label_that_is_not_there_is_in_no_list() {
        let values = BTreeSet::from(["a".to_owned()]);
        let inside = Selector::new([Requirement::In("zone".to_owned(), values.clone())]);
        let outside = Selector::new([Requirement::NotIn("zone".to_owned(), values)]);
        for (there, selected) in
            [(labels(&[("zone", "a")]), true), (labels(&[("zone", "b")]), false), (labels(&[]), false)]
        {
            assert_eq!(inside.matches(&there), selected, "{there:?}");
            assert_eq!(outside.matches(&there), !selected, "{there:?}");
        }
    }

    #[test]
    fn no_requirement_selects_everything_and_no_selector_too() {
        assert!(Selector::default().matches(&labels(&[])));
        assert!(any_or_empty(&[], &labels(&[])));
        let exists = Selector::new([Requirement::Exists("zone".to_owned())]);
        assert!(!any_or_empty(std::slice::from_ref(&exists), &labels(&[])));
        assert!(any_or_empty(&[exists, Selector::new([Requirement::DoesNotExist("zone".to_owned())])], &labels(&[])));
    }
}
