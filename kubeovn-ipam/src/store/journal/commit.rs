//! Group commit: one thread writes and syncs for all that wait.

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Journal, disk::LogFile, failure, format};
use crate::{
    Entry,
    store::{StoreError, Ticket},
};

/// What threads share.
pub(super) struct State {
    /// Another one after a compaction.
    pub(super) file: Arc<dyn LogFile>,
    /// What was read, until it is asked for.
    pub(super) loaded: Vec<Entry>,
    /// Bodies of lines not written yet.
    pub(super) pending: String,
    /// Number of the last entry: of all, of those in the file, and of those known to be durable.
    pub(super) last: u64,
    pub(super) written: u64,
    pub(super) durable: u64,
    /// What the file says is durable.
    pub(super) marked: u64,
    /// How many there are with what is pending, and how many of them were the snapshot.
    pub(super) entries: u64,
    pub(super) snapshot: u64,
    /// Size of the file.
    pub(super) bytes: u64,
    pub(super) hold: Hold,
    /// Is a thread at it, without the mutex? Both may be, for a file can be synced while it grows.
    pub(super) writing: bool,
    pub(super) syncing: bool,
    pub(super) failed: Option<StoreError>,
    /// How long the last sync took.
    pub(super) took: Duration,
    /// How many threads wait for a sync or were woken by one a moment ago.
    pub(super) waiting: u64,
    /// Number of the last entry when each of them has appended another.
    pub(super) expected: u64,
}

/// Whose is the file?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Ours,
    /// What is pending is being written; nothing new is taken.
    Leaving,
    /// Another process may have it.
    Released,
}

impl Journal {
    /// Notes a failure after which nobody knows what is on the disk.
    pub(super) fn fail(&self, state: &mut State, error: StoreError) -> StoreError {
        // Whether this works or not, there is no more that could be done.
        let _ = self.lock.set_unsure();
        state.failed.get_or_insert_with(|| error.clone());
        error
    }

    /// Writes what is pending. Meanwhile entries may be appended.
    pub(super) fn write<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> Result<MutexGuard<'a, State>, StoreError> {
        while state.writing {
            state = self.wait(state);
        }
        self.check(&state)?;
        if state.pending.is_empty() {
            return Ok(state);
        }
        let bodies = std::mem::take(&mut state.pending);
        let (file, first, last, durable) = (state.file.clone(), state.written + 1, state.last, state.durable);
        state.writing = true;
        drop(state);
        let lines = format::lines(&bodies, first, durable);
        let result = file.append(lines.as_bytes());
        let mut state = self.state();
        state.writing = false;
        self.changed.notify_all();
        result.map_err(|error| self.fail(&mut state, failure("write to", &self.place.path)(error)))?;
        (state.written, state.marked) = (last, durable);
        state.bytes += lines.len() as u64;
        Ok(state)
    }

    /// Writes what is pending and makes it durable. Nobody else may be at it.
    fn lead<'a>(&'a self, mut state: MutexGuard<'a, State>) -> Result<MutexGuard<'a, State>, StoreError> {
        state.syncing = true;
        state = self.gather(state);
        let began = Instant::now();
        let written = self.write(state).map(|state| {
            let (file, last) = (state.file.clone(), state.written);
            drop(state);
            (file.sync(), last)
        });
        let mut state = self.state();
        state.syncing = false;
        self.changed.notify_all();
        let (result, last) = written?;
        result.map_err(|error| self.fail(&mut state, failure("sync", &self.place.path)(error)))?;
        state.took = began.elapsed();
        state.expected = last + state.waiting;
        state.durable = state.durable.max(last);
        if state.hold == Hold::Released {
            self.mark_in_passing(&mut state);
        }
        Ok(state)
    }

    /// Waits a moment until those whom the last sync woke up have appended their next entries. Else they would come too
    /// late by a little, and half of all threads would sit out each sync.
    fn gather<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let patience = (state.took / 4).min(Duration::from_millis(1));
        let few = |state: &mut State| state.last < state.expected;
        self.gathered.wait_timeout_while(state, patience, few).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits until an entry is durable, or makes it so.
    pub(super) fn reach<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        ticket: Ticket,
    ) -> Result<(), StoreError> {
        while state.durable < ticket.0 {
            self.check(&state)?;
            if ticket.0 > state.last {
                return Err(StoreError::UnknownTicket { ticket: ticket.0, last: state.last });
            }
            state = if state.writing || state.syncing { self.wait(state) } else { self.lead(state)? };
        }
        Ok(())
    }

    /// Notes in the file what is durable, if no other process has it at the moment. If another has replaced the file
    /// since, the mark goes to the old one, where it does no harm. A mark that is written in part is cut off as any
    /// other unfinished line.
    fn mark_in_passing(&self, state: &mut State) {
        if state.marked < state.durable && self.lock.try_again().unwrap_or(false) {
            state.marked = state.durable;
            let _ = state.file.append(format::mark(state.durable).as_bytes());
            let _ = self.lock.release();
        }
    }
}
