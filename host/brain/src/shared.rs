//! A map that is copied by sharing what it holds, and counts how often it was opened for change, so that whoever copies it can tell that nothing has
//! changed without looking. Must not know: what it holds.

use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;

/// Reads like the map itself. A copy costs a count for each value; one that somebody else holds a copy of is copied when it is opened for change.
/// Every mutable access counts, whether or not it then changes anything: a change can never be missed.
#[derive(Clone)]
pub(crate) struct Shared<K, V> {
    values: BTreeMap<K, Arc<V>>,
    mark: u64,
}

impl<K: Ord, V: Clone> Shared<K, V> {
    /// Stays the same as long as the map does.
    pub(crate) fn mark(&self) -> u64 {
        self.mark
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key).map(Arc::as_ref)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.values.contains_key(key)
    }

    /// In order of the keys.
    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.shared().map(Arc::as_ref)
    }

    /// Those from this key on.
    pub(crate) fn values_from(&self, key: K) -> impl Iterator<Item = &V> {
        self.values.range(key..).map(|(_, value)| value.as_ref())
    }

    /// All of them, to be held on to.
    pub(crate) fn shared(&self) -> btree_map::Values<'_, K, Arc<V>> {
        self.values.values()
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.mark += 1;
        self.values.get_mut(key).map(Arc::make_mut)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.mark += 1;
        self.values.values_mut().map(Arc::make_mut)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.mark += 1;
        self.values.insert(key, Arc::new(value));
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.mark += 1;
        self.values.remove(key);
    }
}

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Shared { values: BTreeMap::new(), mark: 0 }
    }
}

impl<K: Ord, V> From<BTreeMap<K, V>> for Shared<K, V> {
    fn from(values: BTreeMap<K, V>) -> Self {
        Shared { values: values.into_iter().map(|(key, value)| (key, Arc::new(value))).collect(), mark: 0 }
    }
}

/// The mark means something in this life only: a snapshot holds the values alone.
impl<K: Serialize, V: Serialize> Serialize for Shared<K, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.values.iter().map(|(key, value)| (key, value.as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_leaves_the_mark_and_writing_moves_it() {
        let mut map: Shared<u8, u8> = BTreeMap::from([(1, 1)]).into();
        assert!(map.get(&1).is_some() && map.values().count() == 1 && map.mark() == 0);
        if let Some(value) = map.get_mut(&1) {
            *value = 2;
        }
        map.insert(2, 2);
        map.remove(&1);
        assert_eq!((map.mark(), map.values().count()), (3, 1));
        assert_eq!(map.clone().mark(), 3);
    }

    /// What a copy holds never changes under it, and what nobody opened stays the same piece of memory.
    #[test]
    fn a_copy_shares_what_is_not_changed() {
        let mut map: Shared<u8, u8> = BTreeMap::from([(1, 1), (2, 2)]).into();
        let copy = map.clone();
        if let Some(value) = map.get_mut(&1) {
            *value = 9;
        }
        assert_eq!((copy.get(&1), map.get(&1)), (Some(&1), Some(&9)));
        let same: Vec<bool> = map.shared().zip(copy.shared()).map(|(a, b)| Arc::ptr_eq(a, b)).collect();
        assert_eq!(same, [false, true]);
    }
}
