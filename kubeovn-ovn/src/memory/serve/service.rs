//! What is known of the clients of the sockets, and what was done last.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::{BuildHasher, Hasher, RandomState},
};

use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    about::about, blocked::Blocked, locks::Locks, monitor::Monitor, outbox::Outbox, reply::notification,
};
use crate::memory::{Server, commit::Written, hub::Hub, store::Place};

/// How many transactions a client may have missed to be told only these.
const HISTORY: usize = 100;

/// The state of all clients of sockets. Empty while there is no socket.
#[derive(Debug, Default)]
pub(in crate::memory) struct Service {
    /// `_Server`; there from when the first socket is.
    pub(super) about: Option<Server>,
    /// Which process this is: what is named by it cannot be taken for something of another one.
    pub(super) process: Uuid,
    pub(super) sessions: BTreeMap<u64, Session>,
    pub(super) locks: Locks,
    pub(super) blocked: Vec<Blocked>,
    pub(super) history: History,
    /// How many changes had been made when what is blocked was tried last.
    pub(super) retried: u64,
    /// Told when there is another deadline.
    pub(super) deadlines: watch::Sender<()>,
    entered: u64,
}

/// A client.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) outbox: Outbox,
    pub(super) monitors: Vec<Monitor>,
    pub(super) max_held: usize,
}

/// The last transactions, and how the states between them are called.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The state before all of `past`.
    base: Uuid,
    /// What was written, and the state after it.
    past: VecDeque<(Uuid, Vec<Written>)>,
    count: u64,
}

impl Hub {
    /// Makes ready for sockets.
    pub(super) fn open_service(&mut self) {
        if self.service.about.is_some() {
            return;
        }
        let random = || RandomState::new().build_hasher().finish();
        // random as it is, it looks like what random UUIDs look like
        let process = uuid::Builder::from_random_bytes(
            (u128::from(random()) << 64 | u128::from(random())).to_be_bytes(),
        );
        self.service.process = process.into_uuid();
        self.service.history.base = self.service.state();
        self.service.about = Some(about(&self.server, self.service.process));
    }

    /// Forgets a client.
    pub(super) fn leave(&mut self, session: u64) {
        self.service.sessions.remove(&session);
        self.service.blocked.retain(|blocked| blocked.session != session);
        for (lock, next) in self.service.locks.leave(session) {
            self.service.notify(next, "locked", &lock);
        }
    }
}

impl Service {
    /// A new client.
    pub(super) fn enter(&mut self, outbox: Outbox, max_held: usize) -> u64 {
        self.entered += 1;
        self.sessions.insert(self.entered, Session { outbox, monitors: Vec::new(), max_held });
        self.entered
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn deadlines(&self) -> watch::Receiver<()> {
        self.deadlines.subscribe()
    }

    /// Tells all monitors what a transaction wrote.
    pub(in crate::memory) fn tell(&mut self, server: &Server, written: Vec<Written>) {
        if self.about.is_none() {
            return;
        }
        self.history.count += 1;
        let state = self.state();
        for session in self.sessions.values() {
            for monitor in session.monitors.iter().filter(|monitor| !monitor.about) {
                if let Some(frame) = monitor.notify(&monitor.changes(server, &written), state) {
                    session.outbox.send(frame);
                }
            }
        }
        self.history.push(state, written);
    }

    /// Tells a client of a lock.
    pub(super) fn notify(&self, session: u64, method: &str, lock: &str) {
        if let Some(session) = self.sessions.get(&session) {
            session.outbox.send(notification(method, &[Value::from(lock)]));
        }
    }

    /// The name of the state that the newest transaction made.
    pub(super) fn state(&self) -> Uuid {
        Uuid::new_v5(&self.process, &self.history.count.to_be_bytes())
    }
}

impl History {
    /// How many transactions changed something.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn push(&mut self, state: Uuid, written: Vec<Written>) {
        self.past.push_back((state, written));
        if self.past.len() > HISTORY
            && let Some((state, _)) = self.past.pop_front()
        {
            self.base = state;
        }
    }

    /// All that was written since a state, one entry a row; `None` if that is not known any more, or never was.
    pub(super) fn since(&self, state: Uuid) -> Option<Vec<Written>> {
        let skip =
            if state == self.base { 0 } else { self.past.iter().position(|(made, _)| *made == state)? + 1 };
        let mut rows: BTreeMap<Place, Written> = BTreeMap::new();
        for written in self.past.iter().skip(skip).flat_map(|(_, written)| written) {
            rows.entry(written.place)
                .and_modify(|row| row.new.clone_from(&written.new))
                .or_insert_with(|| written.clone());
        }
        Some(rows.into_values().collect())
    }
}
