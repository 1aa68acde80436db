//! String maps of rows. Most rows of a table have the same keys in a column: the list of them is held once.

use std::sync::Arc;

/// A string map, sorted by key.
#[derive(Clone, Debug)]
pub(super) struct Pairs {
    keys: Keys,
    values: Box<[Arc<str>]>,
}

type Keys = Arc<[Arc<str>]>;

/// Lists of keys that rows have. Whoever makes up keys of his own does not make this grow without end.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists(Vec<Keys>);

/// How many lists are remembered.
const MOST: usize = 32;

impl Lists {
    /// The map of these pairs, which are sorted by key.
    pub(super) fn pairs(&mut self, pairs: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) -> Pairs {
        let (keys, values): (Vec<Arc<str>>, Vec<Arc<str>>) = pairs.into_iter().unzip();
        Pairs { keys: self.keys(keys), values: values.into() }
    }

    fn keys(&mut self, keys: Vec<Arc<str>>) -> Keys {
        if let Some(known) = self.0.iter().find(|known| ***known == *keys) {
            return known.clone();
        }
        let new: Keys = keys.into();
        if self.0.len() < MOST {
            self.0.push(new.clone());
        }
        new
    }
}

impl Pairs {
    /// The value under a key.
    pub(super) fn get(&self, key: &str) -> Option<&Arc<str>> {
        let at = self.keys.binary_search_by(|held| (**held).cmp(key)).ok()?;
        self.values.get(at)
    }

    /// Keys and values, by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.keys.iter().zip(&self.values)
    }

    /// The values, by key.
    pub(super) fn values(&self) -> &[Arc<str>] {
        &self.values
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Is there none?
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl Default for Pairs {
    fn default() -> Self {
        Pairs { keys: Arc::new([]), values: Box::default() }
    }
}

impl PartialEq for Pairs {
    fn eq(&self, other: &Self) -> bool {
        (Arc::ptr_eq(&self.keys, &other.keys) || self.keys == other.keys) && self.values == other.values
    }
}

impl Eq for Pairs {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_of_keys_are_one_and_others_do_not_pile_up() {
        let mut lists = Lists::default();
        let mut map = |keys: &[&str]| lists.pairs(keys.iter().map(|key| (Arc::from(*key), Arc::from("v"))));
        let (a, b, other) = (map(&["k", "l"]), map(&["k", "l"]), map(&["k"]));
        assert!(Arc::ptr_eq(&a.keys, &b.keys) && a == b && a != other);
        assert_eq!((a.get("l").map(|v| &**v), other.get("l")), (Some("v"), None));
        (0..1_000).for_each(|n| drop(map(&[&n.to_string()])));
        assert_eq!(lists.0.len(), MOST);
    }
}
