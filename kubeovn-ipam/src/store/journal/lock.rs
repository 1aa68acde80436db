//! One process at a time. The lock file also says who has the lock, and whether the journal may be believed.
//!
//! ```text
//!       4242 settled
//!       4242 unsure
//! ```
//!
//! *Unsure* is what somebody began and nobody finished: a write or sync that failed, so that pages in memory pass for
//! durable that are not (the kernel tells of a failed write once and drops the page, <https://lwn.net/Articles/752063>);
//! or a rename that a process did not live to make durable. The next one then writes the whole journal anew. That this
//! note itself is never synced does not matter: what is read after a power cut is what is on the disk.

use std::{
    io,
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, Instant},
};

use super::{
    disk::{Disk, LockFile},
    failure,
};
use crate::store::StoreError;

/// Width of the process id in front; the rest belongs to whoever is sure of it.
const PID: usize = 10;
const SETTLED: &[u8] = b" settled\n";
const UNSURE: &[u8] = b" unsure \n";

#[derive(Debug)]
pub(super) struct Lock {
    file: Box<dyn LockFile>,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock, or gives up after a while.
    pub(super) fn acquire(disk: &dyn Disk, path: PathBuf, wait: Duration) -> Result<Self, StoreError> {
        let (began, mut pause) = (Instant::now(), Duration::from_millis(1));
        loop {
            let file = disk.open_lock(&path).map_err(failure("open", &path))?;
            let locked = file.try_lock().map_err(failure("lock", &path))?;
            // Where somebody removed the file, another may hold its successor.
            if locked && file.is_current().map_err(failure("look at", &path))? {
                let lock = Lock { file, path };
                lock.write(0, format!("{:>PID$}", process::id()).as_bytes())?;
                return Ok(lock);
            }
            let waited = began.elapsed();
            if waited >= wait {
                let holder = file.read().ok().and_then(|note| holder(&note));
                return Err(StoreError::Busy { path, waited, holder });
            }
            thread::sleep(pause.min(wait.saturating_sub(waited)));
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Is what the journal seems to say on the disk, but for what may be synced yet?
    pub(super) fn is_settled(&self) -> Result<bool, StoreError> {
        let note = self.file.read().map_err(failure("read", &self.path))?;
        Ok(note.get(PID..) == Some(SETTLED))
    }

    /// Notes that the journal must be written anew. Needs no lock: also who gave it away may find out.
    pub(super) fn set_unsure(&self) -> Result<(), StoreError> {
        self.write(PID, UNSURE)
    }

    /// Notes that it was written anew.
    pub(super) fn set_settled(&self) -> Result<(), StoreError> {
        self.write(PID, SETTLED)
    }

    /// Lets others have it. Notes can still be made.
    pub(super) fn release(&self) -> Result<(), StoreError> {
        self.file.unlock().map_err(failure("unlock", &self.path))
    }

    /// Takes it again if nobody has it.
    pub(super) fn try_again(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write(offset as u64, bytes).map_err(failure("write to", &self.path))
    }
}

fn holder(note: &[u8]) -> Option<u32> {
    str::from_utf8(note.get(..PID)?).ok()?.trim().parse().ok()
}
