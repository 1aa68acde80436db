//! Requests that wait for their reply.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use super::CloseReason;
use crate::ovsdb::wire::ServerError;

/// What is to be done with the reply to a request.
#[derive(Debug)]
pub(super) enum Expected {
    /// Hand it to the caller, as text.
    Call { answer: oneshot::Sender<Result<String, ServerError>> },
    /// Put it among the events as results of a transaction.
    Transact { id: u64 },
    /// Put it among the events as a dump.
    Monitor { monitor: Arc<str>, since: bool },
    /// It is the answer to our probe.
    Probe,
}

/// The requests on the wire, by id.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<Requests>);

#[derive(Debug, Default)]
struct Requests {
    waiting: BTreeMap<u64, Waiting>,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    expected: Expected,
    due: Instant,
    timeout: Duration,
}

/// Removes a request when its caller stops waiting.
pub(super) struct Forget<'a> {
    pub(super) pending: &'a Pending,
    pub(super) id: u64,
}

impl Pending {
    /// Registers a request before it is sent. On a closed connection it is dropped, which tells a waiting caller.
    pub(super) fn expect(&self, id: u64, expected: Expected, timeout: Duration) {
        let due = Instant::now() + timeout;
        let mut requests = self.lock();
        if !requests.closed {
            requests.waiting.insert(id, Waiting { expected, due, timeout });
        }
    }

    pub(super) fn take(&self, id: u64) -> Option<Expected> {
        self.lock().waiting.remove(&id).map(|waiting| waiting.expected)
    }

    /// Forgets all requests, these and later ones; waiting callers learn that the connection is closed.
    pub(super) fn close(&self) {
        *self.lock() = Requests { closed: true, ..Requests::default() };
    }

    /// The reason to close, if a request that has no caller to time it is overdue.
    pub(super) fn overdue(&self, now: Instant) -> Option<CloseReason> {
        let is_timed_here = |waiting: &Waiting| {
            matches!(waiting.expected, Expected::Transact { .. } | Expected::Monitor { .. })
        };
        self.lock()
            .waiting
            .iter()
            .find(|(_, waiting)| is_timed_here(waiting) && waiting.due <= now)
            .map(|(id, waiting)| CloseReason::Overdue { id: *id, seconds: waiting.timeout.as_secs() })
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        // no code that can panic runs under the lock; if it did, the map would still be whole
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.pending.take(self.id);
    }
}
