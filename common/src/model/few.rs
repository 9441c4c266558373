//! Ordered sets and maps of a few elements, as one sorted slice: a B-tree has room for eleven from the first element on, which for
//! thousands of objects with one element each is most of their memory.
//!
//! Looking up costs the logarithm, changing costs a copy: for what is made once and read often.

use core::{borrow::Borrow, fmt, ops::Deref};

/// An ordered set.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Few<T>(Box<[T]>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Ord> Few<T> {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the element is in it.
    pub fn contains<Q: Ord + ?Sized>(&self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.binary_search_by(|one| one.borrow().cmp(element)).is_ok()
    }

    /// Puts an element in. Whether it was not in it.
    pub fn insert(&mut self, element: T) -> bool {
        let Err(place) = self.0.binary_search(&element) else { return false };
        let mut all = core::mem::take(&mut self.0).into_vec();
        all.reserve_exact(1);
        all.insert(place, element);
        self.0 = all.into_boxed_slice();
        true
    }

    /// Takes an element out. Whether it was in it.
    pub fn remove<Q: Ord + ?Sized>(&mut self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        let Ok(place) = self.0.binary_search_by(|one| one.borrow().cmp(element)) else { return false };
        let mut all = core::mem::take(&mut self.0).into_vec();
        all.remove(place);
        self.0 = all.into_boxed_slice();
        true
    }
}

impl<T: Ord> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut all: Vec<T> = elements.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        Self(all.into_boxed_slice())
    }
}

impl<T: Ord> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        let before = core::mem::take(&mut self.0).into_vec();
        *self = before.into_iter().chain(elements).collect();
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for Few<T> {
    fn from(elements: [T; N]) -> Self {
        elements.into_iter().collect()
    }
}

impl<T: Ord> From<std::collections::BTreeSet<T>> for Few<T> {
    fn from(elements: std::collections::BTreeSet<T>) -> Self {
        // In order and without repetitions already.
        Self(elements.into_iter().collect())
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_vec().into_iter()
    }
}

/// An ordered map.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FewMap<K, V>(Box<[(K, V)]>);

impl<K, V> Default for FewMap<K, V> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for FewMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K, V> FewMap<K, V> {
    /// Keys and values, in the order of the keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator + Clone {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Keys in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator + Clone {
        self.0.iter().map(|(key, _)| key)
    }

    /// Values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// Values to be changed, in the order of their keys.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> + ExactSizeIterator {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Ord, V> FewMap<K, V> {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(one, _)| one.borrow().cmp(key))
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// Whether the key is in it.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// Sets the value of a key. Returns the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(place) => self.0.get_mut(place).map(|(_, before)| core::mem::replace(before, value)),
            Err(place) => {
                let mut all = core::mem::take(&mut self.0).into_vec();
                all.reserve_exact(1);
                all.insert(place, (key, value));
                self.0 = all.into_boxed_slice();
                None
            }
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for FewMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(elements: I) -> Self {
        let mut all: Vec<(K, V)> = elements.into_iter().collect();
        // Of several with one key the last counts, as in a B-tree.
        all.reverse();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all.dedup_by(|(one, _), (other, _)| one == other);
        Self(all.into_boxed_slice())
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for FewMap<K, V> {
    fn from(elements: [(K, V); N]) -> Self {
        elements.into_iter().collect()
    }
}

impl<K: Ord, V> From<std::collections::BTreeMap<K, V>> for FewMap<K, V> {
    fn from(elements: std::collections::BTreeMap<K, V>) -> Self {
        // In order and without repetitions already.
        Self(elements.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_is_what_a_b_tree_is(elements in proptest::collection::vec(0..20_u8, 0..30), more in 0..20_u8) {
            let mut few: Few<u8> = elements.iter().copied().collect();
            let mut tree: BTreeSet<u8> = elements.iter().copied().collect();
            prop_assert!(few.iter().eq(tree.iter()));
            prop_assert_eq!(few.contains(&more), tree.contains(&more));
            prop_assert_eq!(few.insert(more), tree.insert(more));
            prop_assert!(few.iter().eq(tree.iter()));
            prop_assert_eq!(few.first(), tree.first());
            few.extend([7, 3]);
            tree.extend([7, 3]);
            prop_assert!(few.iter().eq(tree.iter()));
            prop_assert_eq!(few.remove(&more), tree.remove(&more));
            prop_assert_eq!(few.remove(&more), tree.remove(&more));
            prop_assert!(few.into_iter().eq(tree));
        }

        #[test]
        fn a_map_is_what_a_b_tree_is(elements in proptest::collection::vec((0..20_u8, 0..9_u8), 0..30), key in 0..20_u8) {
            let mut few: FewMap<u8, u8> = elements.iter().copied().collect();
            let mut tree: BTreeMap<u8, u8> = elements.iter().copied().collect();
            prop_assert!(few.iter().eq(tree.iter()));
            prop_assert_eq!(few.get(&key), tree.get(&key));
            prop_assert_eq!(few.insert(key, 99), tree.insert(key, 99));
            prop_assert_eq!(few.contains_key(&key), tree.contains_key(&key));
            prop_assert!(few.keys().eq(tree.keys()) && few.values().eq(tree.values()));
            prop_assert_eq!(few.len(), tree.len());
            prop_assert_eq!(few, FewMap::from(tree));
        }
    }

    #[test]
    fn one_element_takes_no_more_than_itself() {
        let few = Few::from(["a".to_owned()]);
        assert_eq!((few.len(), size_of_val(&*few), size_of::<Few<String>>()), (1, size_of::<String>(), 16));
    }
}
