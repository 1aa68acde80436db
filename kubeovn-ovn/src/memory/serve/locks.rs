//! Locks (RFC 7047, sections 4.1.8 to 4.1.11): by name, for whoever asked first, or took it by force.

use std::collections::{BTreeMap, VecDeque};

/// Who waits for which lock. The first has it.
#[derive(Debug, Default)]
pub(super) struct Locks(BTreeMap<String, VecDeque<u64>>);

impl Locks {
    /// Whether the session has the lock.
    pub(super) fn owns(&self, session: u64, name: &str) -> bool {
        self.0.get(name).and_then(VecDeque::front) == Some(&session)
    }

    /// Whether the session has asked for the lock.
    pub(super) fn waits(&self, session: u64, name: &str) -> bool {
        self.0.get(name).is_some_and(|queue| queue.contains(&session))
    }

    /// How many locks the session has asked for.
    pub(super) fn count(&self, session: u64) -> usize {
        self.0.values().filter(|queue| queue.contains(&session)).count()
    }

    /// Lines up.
    pub(super) fn lock(&mut self, session: u64, name: &str) {
        self.0.entry(name.to_owned()).or_default().push_back(session);
    }

    /// Takes the lock, and answers from whom. That one comes next.
    pub(super) fn steal(&mut self, session: u64, name: &str) -> Option<u64> {
        let queue = self.0.entry(name.to_owned()).or_default();
        let victim = queue.front().copied();
        queue.push_front(session);
        victim
    }

    /// Leaves the line, and answers who has the lock thereby.
    pub(super) fn unlock(&mut self, session: u64, name: &str) -> Option<u64> {
        let queue = self.0.get_mut(name)?;
        let owned = queue.front() == Some(&session);
        queue.retain(|waiting| *waiting != session);
        let next = queue.front().copied();
        if next.is_none() {
            self.0.remove(name);
        }
        next.filter(|_| owned)
    }

    /// Leaves all lines, and answers who has which lock thereby.
    pub(super) fn leave(&mut self, session: u64) -> Vec<(String, u64)> {
        let names: Vec<String> = self.0.keys().cloned().collect();
        names.into_iter().filter_map(|name| self.unlock(session, &name).map(|next| (name, next))).collect()
    }
}
