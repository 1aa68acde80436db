//! Sets and maps of a few elements, as sorted vectors of the exact size.
//!
//! A tree takes a node with room for eleven elements also for one; there are several of these per pod.

use std::{borrow::Borrow, fmt, ops::Deref};

/// A small set. A single element needs no memory of its own: most sets have one.
#[derive(Clone)]
pub struct SortedSet<T>(Elems<T>);

#[derive(Clone)]
enum Elems<T> {
    One(T),
    Many(Vec<T>),
}

impl<T: Ord> SortedSet<T> {
    /// Is the element there?
    pub fn contains(&self, elem: &T) -> bool {
        self.binary_search(elem).is_ok()
    }

    /// The element that equals this one.
    pub fn get(&self, elem: &T) -> Option<&T> {
        self.binary_search(elem).ok().and_then(|at| self.0.all().get(at))
    }

    /// Adds an element; `false` when it is there already.
    pub fn insert(&mut self, elem: T) -> bool {
        let Err(at) = self.binary_search(&elem) else { return false };
        match &mut self.0 {
            Elems::Many(all) if !all.is_empty() => {
                all.reserve_exact(1);
                all.insert(at, elem);
            }
            Elems::Many(_) => self.0 = Elems::One(elem),
            Elems::One(_) => {
                let mut all = Vec::with_capacity(2);
                if let Elems::One(first) = std::mem::replace(&mut self.0, Elems::Many(Vec::new())) {
                    all.push(first);
                }
                all.insert(at, elem);
                self.0 = Elems::Many(all);
            }
        }
        true
    }

    /// Removes an element; `false` when it is not there.
    pub fn remove(&mut self, elem: &T) -> bool {
        let Ok(at) = self.binary_search(elem) else { return false };
        match &mut self.0 {
            Elems::Many(all) => _ = all.remove(at),
            Elems::One(_) => self.0 = Elems::Many(Vec::new()),
        }
        true
    }
}

impl<T> Elems<T> {
    fn all(&self) -> &[T] {
        match self {
            Elems::One(elem) => std::slice::from_ref(elem),
            Elems::Many(all) => all,
        }
    }
}

impl<T> Default for SortedSet<T> {
    fn default() -> Self {
        SortedSet(Elems::Many(Vec::new()))
    }
}

impl<T> Deref for SortedSet<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.all()
    }
}

impl<T: PartialEq> PartialEq for SortedSet<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for SortedSet<T> {}

impl<T: Ord> FromIterator<T> for SortedSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elems: I) -> Self {
        let mut elems = elems.into_iter();
        let Some(first) = elems.next() else { return Self::default() };
        let Some(second) = elems.next() else { return SortedSet(Elems::One(first)) };
        let mut elems: Vec<T> = [first, second].into_iter().chain(elems).collect();
        elems.sort_unstable();
        elems.dedup();
        elems.shrink_to_fit();
        SortedSet(Elems::Many(elems))
    }
}

impl<'a, T> IntoIterator for &'a SortedSet<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: fmt::Debug> fmt::Debug for SortedSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

/// A small map.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SortedMap<K, V>(Vec<(K, V)>);

impl<K, V> SortedMap<K, V> {
    /// An empty map.
    pub const fn new() -> Self {
        SortedMap(Vec::new())
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// The value under a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// The value under a key, to change.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// Is there a value under the key?
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Puts a value under a key; answers the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => self.0.get_mut(at).map(|(_, held)| std::mem::replace(held, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Removes a key; answers its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        Some(self.0.remove(at).1)
    }

    /// The value under a key, put there first if there is none.
    pub fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let at = self.find(&key).unwrap_or_else(|at| {
            self.0.insert(at, (key, V::default()));
            at
        });
        // It is there now: found, or just inserted.
        #[allow(clippy::indexing_slicing, reason = "the place was found or filled above")]
        &mut self.0[at].1
    }

    /// Keeps only those that are wanted.
    pub fn retain(&mut self, mut wanted: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| wanted(key, value));
    }

    /// The first key and its value.
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.0.first().map(|(key, value)| (key, value))
    }

    /// Keys and values, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values, by key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator {
        self.0.iter().map(|(_, value)| value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(held, _)| held.borrow().cmp(key))
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        SortedMap(Vec::new())
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    /// Of several values under one key the last one stays.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut pairs: Vec<(K, V)> = pairs.into_iter().collect();
        pairs.reverse();
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        pairs.dedup_by(|(a, _), (b, _)| a == b);
        pairs.shrink_to_fit();
        SortedMap(pairs)
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SortedMap<K, V> {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        pairs.into_iter().for_each(|(key, value)| _ = self.insert(key, value));
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a SortedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(key, value)| (key, value))).finish()
    }
}

#[cfg(feature = "serde")]
impl<K: serde::Serialize, V: serde::Serialize> serde::Serialize for SortedMap<K, V> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

#[cfg(feature = "serde")]
impl<'de, K: Ord + serde::Deserialize<'de>, V: serde::Deserialize<'de>> serde::Deserialize<'de>
    for SortedMap<K, V>
{
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<K, V>(std::marker::PhantomData<(K, V)>);
        impl<'de, K: Ord + serde::Deserialize<'de>, V: serde::Deserialize<'de>> serde::de::Visitor<'de>
            for Pairs<K, V>
        {
            type Value = SortedMap<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs.into_iter().collect())
            }
        }
        deserializer.deserialize_map(Pairs(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sets_answer_as_trees_do(ops in prop::collection::vec((0u8..12, any::<bool>()), 0..60)) {
            let (mut sorted, mut tree) = (SortedSet::default(), BTreeSet::new());
            for (n, comes) in ops {
                if comes {
                    prop_assert_eq!(sorted.insert(n), tree.insert(n));
                } else {
                    prop_assert_eq!(sorted.remove(&n), tree.remove(&n));
                }
                prop_assert!(sorted.iter().eq(&tree));
                prop_assert_eq!(sorted.contains(&n), comes);
                prop_assert_eq!(sorted.get(&n), tree.get(&n));
                prop_assert_eq!(&sorted, &tree.iter().copied().collect::<SortedSet<u8>>());
            }
        }

        #[test]
        fn maps_answer_as_trees_do(ops in prop::collection::vec((0u8..12, prop::option::of(0u8..9)), 0..60)) {
            let all: SortedMap<u8, u8> = ops.iter().filter_map(|(k, v)| Some((*k, (*v)?))).collect();
            let last: BTreeMap<u8, u8> = ops.iter().filter_map(|(k, v)| Some((*k, (*v)?))).collect();
            prop_assert!(all.iter().eq(&last));
            let (mut sorted, mut tree) = (SortedMap::default(), BTreeMap::new());
            for (key, value) in ops {
                if let Some(value) = value {
                    prop_assert_eq!(sorted.insert(key, value), tree.insert(key, value));
                } else {
                    prop_assert_eq!(sorted.remove(&key), tree.remove(&key));
                }
                prop_assert!(sorted.iter().eq(&tree));
                prop_assert_eq!(sorted.get(&key), value.as_ref());
            }
        }
    }
}
