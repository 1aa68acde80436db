//! Names that many records share.

use std::sync::Arc;

use super::{FixedMap, Slab};

/// Names as small numbers, counted, so that names that nobody uses any more are forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    all: Slab<(Arc<str>, u32)>,
    ids: FixedMap<Arc<str>, u32>,
    /// The id that was asked for last: often it is the same again.
    last: u32,
}

impl Names {
    /// The id of a name, used once more.
    pub(crate) fn acquire(&mut self, name: &Arc<str>) -> u32 {
        let is_last = self.get(self.last).is_some_and(|last| Arc::ptr_eq(last, name) || last == name);
        if let Some(id) = if is_last { Some(self.last) } else { self.ids.get(name).copied() } {
            self.last = id;
            if let Some((_, users)) = self.all.get_mut(id) {
                *users += 1;
            }
            return id;
        }
        let id = self.all.insert((name.clone(), 1));
        self.ids.insert(name.clone(), id);
        id
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
        let (mut names, net1): (Names, Arc<str>) = (Names::default(), "net1".into());
        let id = names.acquire(&net1);
        assert_eq!((names.acquire(&net1), names.get(id)), (id, Some(&net1)));
        names.release(id);
        assert_eq!(names.get(id), Some(&net1));
        names.release(id);
        assert_eq!(names.get(id), None);
        assert_eq!(names.acquire(&"net2".into()), id);
    }
}
