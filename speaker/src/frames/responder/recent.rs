//! Pure: a map with a bound that gives up what was not touched for longest, as the kernel's LRU maps do.

use std::collections::{BTreeMap, BTreeSet};

/// At most `capacity` entries.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    capacity: usize,
    entries: BTreeMap<K, (u64, V)>,
    by_time: BTreeSet<(u64, K)>,
}

impl<K: Copy + Ord, V: Copy> Recent<K, V> {
    /// Room for at least one entry.
    pub(super) fn new(capacity: u32) -> Self {
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX).max(1);
        Self { capacity, entries: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    /// Sets an entry, touched at `now_ns`, and returns what it was before.
    pub(super) fn insert(&mut self, key: K, value: V, now_ns: u64) -> Option<V> {
        let before = self.entries.insert(key, (now_ns, value));
        if let Some((at_ns, _)) = before {
            self.by_time.remove(&(at_ns, key));
        }
        self.by_time.insert((now_ns, key));
        if self.entries.len() > self.capacity
            && let Some((_, oldest)) = self.by_time.pop_first()
        {
            self.entries.remove(&oldest);
        }
        before.map(|(_, value)| value)
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.entries.get(key).map(|(_, value)| *value)
    }

    /// All entries in the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, V)> {
        self.entries.iter().map(|(key, (_, value))| (*key, *value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_the_oldest_goes_first() {
        let mut recent = Recent::new(3);
        for (now, key) in [(10, 'a'), (20, 'b'), (30, 'c')] {
            assert_eq!(recent.insert(key, now, now), None);
        }
        assert_eq!(recent.insert('a', 40, 40), Some(10), "touched again");
        assert_eq!(recent.insert('d', 50, 50), None);
        assert_eq!(recent.iter().collect::<Vec<_>>(), [('a', 40), ('c', 30), ('d', 50)]);
        assert_eq!((recent.get(&'a'), recent.get(&'b')), (Some(40), None));
        assert_eq!(recent.by_time.len(), 3);
    }
}
