//! A value that counts how often it was opened for change, so that whoever copies it can tell that nothing has changed without looking.
//! Must not know: what it holds.

use serde::{Serialize, Serializer};
use std::ops::{Deref, DerefMut};

/// Reads like the value itself. Every mutable access counts, whether or not it then changes anything: a change can never be missed.
#[derive(Clone, Default)]
pub(crate) struct Marked<T> {
    value: T,
    mark: u64,
}

impl<T> Marked<T> {
    /// Stays the same as long as the value does.
    pub(crate) fn mark(&self) -> u64 {
        self.mark
    }
}

impl<T> Deref for Marked<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Marked<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.mark += 1;
        &mut self.value
    }
}

impl<T> From<T> for Marked<T> {
    fn from(value: T) -> Self {
        Marked { value, mark: 0 }
    }
}

/// The mark means something in this life only: a snapshot holds the value alone.
impl<T: Serialize> Serialize for Marked<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn reading_leaves_the_mark_and_writing_moves_it() {
        let mut map: Marked<BTreeMap<u8, u8>> = BTreeMap::from([(1, 1)]).into();
        assert!(map.get(&1).is_some() && map.values().count() == 1 && map.mark() == 0);
        if let Some(value) = map.get_mut(&1) {
            *value = 2;
        }
        map.insert(2, 2);
        map.remove(&1);
        assert_eq!((map.mark(), map.len()), (3, 1));
        assert_eq!(map.clone().mark(), 3);
    }
}
