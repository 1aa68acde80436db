//! Names that many records share.

use std::sync::Arc;

use super::{FixedMap, Slab};

/// Names as small numbers, with the number of their users: names that nobody uses any more are forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    all: Slab<(Arc<str>, u32)>,
    ids: FixedMap<Arc<str>, u32>,
    /// The id that was asked for last: often it is the same again.
    last: u32,
}

impl Names {
    /// The id of a name, used once more.
    pub(crate) fn acquire(&mut self, name: &str) -> u32 {
        if let Some((_, users)) = self.all.get_mut(self.last).filter(|(last, _)| **last == *name) {
            *users += 1;
            return self.last;
        }
        self.last = self.ids.get(name).copied().unwrap_or_else(|| {
            let name: Arc<str> = name.into();
            let id = self.all.insert((name.clone(), 0));
            self.ids.insert(name, id);
            id
        });
        if let Some((_, users)) = self.all.get_mut(self.last) {
            *users += 1;
        }
        self.last
    }

    /// All names and how many use each, in no order that means something.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, u32)> {
        self.all.iter().map(|(_, (name, users))| (name, *users))
    }

    /// The name is used once less.
    pub(crate) fn release(&mut self, id: u32) {
        let Some((_, users)) = self.all.get_mut(id) else { return };
        *users -= 1;
        if *users == 0
            && let Some((name, _)) = self.all.remove(id)
        {
            self.ids.remove(&name);
        }
    }

    /// The same by the name, if anybody uses it.
    pub(crate) fn release_name(&mut self, name: &str) {
        if let Some(id) = self.ids.get(name) {
            self.release(*id);
        }
    }

    /// The name of an id.
    pub(crate) fn get(&self, id: u32) -> Option<&Arc<str>> {
        self.all.get(id).map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_forgotten_with_their_last_user() {
        let mut names = Names::default();
        let id = names.acquire("net1");
        let other = names.acquire("net2");
        assert_eq!(names.acquire("net1"), id);
        names.release(id);
        assert_eq!(names.get(id).map(|name| &**name), Some("net1"));
        names.release_name("net1");
        assert_eq!(names.get(id), None);
        names.release_name("net1");
        assert_eq!((names.acquire("net3"), names.acquire("net2")), (id, other));
        let all: std::collections::BTreeMap<&str, u32> = names.iter().map(|(name, n)| (&**name, n)).collect();
        assert_eq!(all, [("net2", 2), ("net3", 1)].into());
    }
}
