//! Requests that wait for their reply: how many there may be, until when, and what is to be done with it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot},
    time::Instant,
};

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
#[derive(Debug)]
pub(super) struct Pending {
    requests: Mutex<Requests>,
    /// A permit per request that may be on the wire; closed with the connection.
    room: Arc<Semaphore>,
    /// A request became the one that is due first.
    earlier: Notify,
}

/// The place of a request among those on the wire. Comes back when the request is answered or forgotten.
pub(super) type Room = OwnedSemaphorePermit;

/// Why there is no room.
pub(super) enum NoRoom {
    Full,
    Closed,
}

#[derive(Debug, Default)]
struct Requests {
    waiting: BTreeMap<u64, Waiting>,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    method: &'static str,
    expected: Expected,
    due: Instant,
    timeout: Duration,
    _room: Option<Room>,
}

/// Removes a request when its caller stops waiting.
pub(super) struct Forget<'a> {
    pub(super) pending: &'a Pending,
    pub(super) id: u64,
}

impl Pending {
    pub(super) fn new(limit: usize) -> Self {
        let room = Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS)));
        Self { requests: Mutex::default(), room, earlier: Notify::new() }
    }

    /// A place for a request, if there is one now.
    pub(super) fn room(&self) -> Result<Room, NoRoom> {
        self.room.clone().try_acquire_owned().map_err(|error| match error {
            TryAcquireError::NoPermits => NoRoom::Full,
            TryAcquireError::Closed => NoRoom::Closed,
        })
    }

    /// A place for a request as soon as there is one; `None` on a closed connection.
    pub(super) async fn wait_for_room(&self) -> Option<Room> {
        self.room.clone().acquire_owned().await.ok()
    }

    pub(super) fn has_room(&self) -> bool {
        self.room.available_permits() > 0
    }

    /// How many requests wait, our probe left out.
    pub(super) fn len(&self) -> usize {
        let requests = self.lock();
        requests.waiting.values().filter(|waiting| !matches!(waiting.expected, Expected::Probe)).count()
    }

    /// Registers a request before it is sent. On a closed connection it is dropped, which tells a waiting caller.
    pub(super) fn expect(
        &self,
        id: u64,
        method: &'static str,
        expected: Expected,
        timeout: Duration,
        room: Option<Room>,
    ) {
        let due = Instant::now() + timeout;
        let waiting = Waiting { method, expected, due, timeout, _room: room };
        let mut requests = self.lock();
        if requests.closed {
            return;
        }
        let is_first = waiting.is_timed_here() && requests.first_due().is_none_or(|first| due < first);
        requests.waiting.insert(id, waiting);
        if is_first {
            self.earlier.notify_one();
        }
    }

    pub(super) fn take(&self, id: u64) -> Option<Expected> {
        self.lock().waiting.remove(&id).map(|waiting| waiting.expected)
    }

    /// Forgets all requests, these and later ones; waiting callers learn that the connection is closed.
    pub(super) fn close(&self) {
        self.room.close();
        *self.lock() = Requests { closed: true, ..Requests::default() };
    }

    /// When the first of the requests that have no caller to time them is due.
    pub(super) fn first_due(&self) -> Option<Instant> {
        self.lock().first_due()
    }

    /// Ready when [`Pending::first_due`] became earlier since this was last ready.
    pub(super) async fn earlier(&self) {
        self.earlier.notified().await;
    }

    /// The reason to close, if such a request is overdue at `now`, be it by this many further times its allowance.
    pub(super) fn overdue(&self, now: Instant, further: u32) -> Option<CloseReason> {
        let requests = self.lock();
        let (id, waiting) = requests
            .waiting
            .iter()
            .find(|(_, waiting)| waiting.is_timed_here() && waiting.due + waiting.timeout * further <= now)?;
        Some(CloseReason::Overdue { id: *id, method: waiting.method, seconds: waiting.timeout.as_secs() })
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        // no code that can panic runs under the lock; if it did, the map would still be whole
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests {
    fn first_due(&self) -> Option<Instant> {
        self.waiting.values().filter(|waiting| waiting.is_timed_here()).map(|waiting| waiting.due).min()
    }
}

impl Waiting {
    /// Calls are timed by who made them, probes by the silence that follows.
    fn is_timed_here(&self) -> bool {
        matches!(self.expected, Expected::Transact { .. } | Expected::Monitor { .. })
    }
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.pending.take(self.id);
    }
}
