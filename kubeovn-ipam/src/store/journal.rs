//! A store in a file that several processes may use in turn.
//!
//! ```text
//!  dir/ledger.lock         who has it
//!  dir/ledger.journal      header, then an entry per line
//!  dir/ledger.journal.new  while the journal is replaced
//!
//!  append ──> pending ──write──> page cache ──fdatasync──> disk
//!             (bodies)      └ one thread for all that wait ┘
//! ```
//!
//! Every line has a number and says up to which one all were known to be durable when it was written. So what a power
//! cut took can be told from what nobody may lose, see [`Journal::dropped`].

mod body;
mod commit;
#[doc(hidden)]
pub mod disk;
mod format;
mod lock;
mod place;
mod scan;
mod text;

use std::{
    fmt, io,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use commit::{Hold, State};
use disk::{Disk, StdDisk};
use format::Header;
use lock::Lock;
use place::{Found, NotReplaced, Place};

use super::{Store, StoreError, Ticket, outgrown};
use crate::Entry;

/// How to open a [`Journal`].
#[derive(Clone, Debug)]
pub struct Options {
    /// How long to wait for another process to let it go.
    pub wait: Duration,
    /// A smaller file is never wasteful, in bytes.
    pub small: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { wait: Duration::from_secs(5), small: 64 * 1024 }
    }
}

/// A file of entries in a directory of its own, on a local disk.
///
/// # Guarantees
/// Those of [`Store`], through the death of the process, of the system, and power cuts, as far as the disk keeps what it
/// said it has. One process at a time appends: the others wait in [`Journal::open`]. That hangs on the lock file, so
/// nobody may remove it while the journal is in use.
///
/// What was durable and can't be read later is [`StoreError::Corrupt`], with one exception: the entries of the very last
/// write, if nothing was written behind them. They look like a write that a crash cut short, and so does all that
/// somebody cut off the end of the file. Dropping a journal writes a mark behind them, and so does [`Store::sync`] after
/// [`Journal::unlock`], unless another process has the journal at that moment.
///
/// # Errors
/// After a failed write or sync it refuses everything but to say that an entry was durable before. A disk that is full
/// is such a failure; opening the journal then needs room for a copy of it.
pub struct Journal {
    place: Place,
    lock: Lock,
    small: u64,
    dropped: u64,
    state: Mutex<State>,
    /// Something was written, synced, or failed.
    changed: Condvar,
    /// As much is pending as can be expected.
    gathered: Condvar,
}

impl Journal {
    /// Opens the journal in a directory, which is made if it is not there.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(StdDisk), dir, options)
    }

    /// Opens a journal on another disk than that of the operating system.
    #[doc(hidden)]
    pub fn open_on(disk: Arc<dyn Disk>, dir: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        let place = Place::new(disk.clone(), dir.as_ref())?;
        let lock = Lock::acquire(&*disk, dir.as_ref().join("ledger.lock"), options.wait)?;
        let Found { file, entries, last, durable, snapshot, bytes, dropped } = place.find(&lock)?;
        let state = State {
            file,
            last,
            written: last,
            durable,
            marked: durable,
            entries: entries.len() as u64,
            snapshot,
            bytes,
            loaded: entries,
            pending: String::new(),
            hold: Hold::Ours,
            writing: false,
            syncing: false,
            failed: None,
            took: Duration::ZERO,
            waiting: 0,
            expected: 0,
        };
        let (state, changed, gathered) = (Mutex::new(state), Condvar::new(), Condvar::new());
        Ok(Journal { place, lock, small: options.small, dropped, state, changed, gathered })
    }

    /// How many bytes of an unfinished write were cut off when the journal was opened: the end of the file as a crash
    /// left it. Nobody was told that anything in there was durable.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Writes all entries into the file and lets other processes have it. From then on nothing can be appended here, but
    /// [`Store::sync`] still works.
    ///
    /// Other processes may build on entries that are not durable yet. Theirs come behind them in the same file, so they
    /// are not durable before ours are, and one commit of the file system serves all that wait at that time.
    pub fn unlock(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        self.check(&state)?;
        if state.hold != Hold::Ours {
            return Ok(());
        }
        // From here on nobody appends, and so nothing is pending after the write.
        state.hold = Hold::Leaving;
        state = self.write(state)?;
        self.lock.release().map_err(|error| self.fail(&mut state, error))?;
        state.hold = Hold::Released;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs while the state is half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// May something be written?
    fn check(&self, state: &State) -> Result<(), StoreError> {
        match &state.failed {
            Some(cause) => {
                let (path, cause) = (self.place.path.clone(), Box::new(cause.clone()));
                Err(StoreError::Failed { path, cause })
            }
            None => Ok(()),
        }
    }

    /// May something be appended?
    fn check_open(&self, state: &State) -> Result<(), StoreError> {
        self.check(state)?;
        match state.hold {
            Hold::Ours => Ok(()),
            _ => Err(StoreError::Unlocked { path: self.lock.path().to_owned() }),
        }
    }
}

impl Store for Journal {
    /// Calls `each` for what [`Journal::open`] read. The second time there is nothing.
    fn load(&self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreError> {
        let loaded = std::mem::take(&mut self.state().loaded);
        loaded.into_iter().for_each(each);
        Ok(())
    }

    fn append(&self, entry: &Entry) -> Result<Ticket, StoreError> {
        let mut body = String::new();
        format::push_body(entry, &mut body);
        let mut state = self.state();
        self.check_open(&state)?;
        state.pending.push_str(&body);
        state.entries += 1;
        state.last += 1;
        if state.last == state.expected {
            self.gathered.notify_one();
        }
        Ok(Ticket(state.last))
    }

    /// The first one that waits writes and syncs for all: while it does, the next ones gather.
    fn sync(&self, ticket: Ticket) -> Result<(), StoreError> {
        let mut state = self.state();
        state.waiting += 1;
        let result = self.reach(state, ticket);
        self.state().waiting -= 1;
        result
    }

    fn tip(&self) -> Ticket {
        Ticket(self.state().last)
    }

    fn is_wasteful(&self) -> bool {
        let state = self.state();
        state.bytes > self.small && outgrown(state.entries, state.snapshot)
    }

    fn compact(&self, snapshot: &mut dyn Iterator<Item = Entry>) -> Result<(), StoreError> {
        let before = self.state().last;
        let (mut bodies, mut count) = (String::new(), 0);
        for entry in snapshot {
            format::push_body(&entry, &mut bodies);
            count += 1;
        }
        let mut state = self.state();
        while state.writing || state.syncing {
            state = self.wait(state);
        }
        self.check_open(&state)?;
        if state.last != before {
            return Err(StoreError::Outpaced { appended: state.last - before });
        }
        let head = Header { base: before, durable: before + count, snapshot: count };
        match self.place.replace(&self.lock, head, &bodies) {
            Ok((file, bytes)) => (state.file, state.bytes) = (file, bytes),
            Err(NotReplaced::Unchanged(error)) => return Err(error),
            Err(NotReplaced::Unknown(error)) => return Err(self.fail(&mut state, error)),
        }
        // What was pending is in the snapshot.
        state.pending.clear();
        state.last = head.durable;
        (state.written, state.durable, state.marked) = (state.last, state.last, state.last);
        (state.entries, state.snapshot) = (count, count);
        // Those whose entries were waiting for a sync.
        self.changed.notify_all();
        Ok(())
    }
}

impl Drop for Journal {
    /// Writes what is pending, and what is durable, so that its loss would be noticed. Syncs nothing.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.hold != Hold::Ours || state.failed.is_some() {
            return;
        }
        let mut text = format::lines(&state.pending, state.written + 1, state.durable);
        if text.is_empty() && state.marked < state.durable {
            text = format::mark(state.durable);
        }
        if !text.is_empty() {
            let _ = state.file.append(text.as_bytes());
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("path", &self.place.path).finish_non_exhaustive()
    }
}

/// What the operating system refused, for `map_err`.
fn failure(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { doing, path: path.to_owned(), source: Arc::new(source) }
}
