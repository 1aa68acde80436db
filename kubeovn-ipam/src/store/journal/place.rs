//! The directory of a journal, and the only two things done to the file's name: finding it, and replacing it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    disk::{Disk, LogFile},
    failure,
    format::{Header, header, lines, push_body},
    lock::Lock,
    scan::{Unusable, scan},
};
use crate::{Entry, store::StoreError};

#[derive(Debug)]
pub(super) struct Place {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// The journal.
    pub(super) path: PathBuf,
    /// The journal that a process is about to put in its place.
    next: PathBuf,
}

/// A journal as it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: Arc<dyn LogFile>,
    pub(super) entries: Vec<Entry>,
    pub(super) last: u64,
    pub(super) durable: u64,
    pub(super) snapshot: u64,
    pub(super) bytes: u64,
    pub(super) dropped: u64,
}

/// Why a journal was not replaced.
#[derive(Debug)]
pub(super) enum NotReplaced {
    /// The old one is as it was.
    Unchanged(StoreError),
    /// Nobody knows which one the name stands for.
    Unknown(StoreError),
}

impl NotReplaced {
    fn error(self) -> StoreError {
        match self {
            NotReplaced::Unchanged(error) | NotReplaced::Unknown(error) => error,
        }
    }
}

impl Place {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, StoreError> {
        disk.create_dir(dir).map_err(failure("create", dir))?;
        let [path, next] = ["ledger.journal", "ledger.journal.new"].map(|name| dir.join(name));
        Ok(Place { disk, dir: dir.to_owned(), path, next })
    }

    /// Opens the journal; makes an empty one where there is none.
    pub(super) fn find(&self, lock: &Lock) -> Result<Found, StoreError> {
        let file = match self.disk.open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.clear()?;
                let (file, bytes) = self.replace(lock, Header::default(), "").map_err(NotReplaced::error)?;
                let (entries, last, durable, snapshot, dropped) = (Vec::new(), 0, 0, 0, 0);
                return Ok(Found { file, entries, last, durable, snapshot, bytes, dropped });
            }
            Err(error) => return Err(failure("open", &self.path)(error)),
        };
        let read = file.read().map_err(failure("read", &self.path))?;
        let scan = scan(&read).map_err(|unusable| self.refuse(unusable))?;
        self.clear()?;
        let (len, sound) = (read.len() as u64, scan.sound as u64);
        let mut found = Found {
            file,
            entries: scan.entries,
            last: scan.last,
            durable: scan.durable,
            snapshot: scan.snapshot,
            bytes: len,
            dropped: len - sound,
        };
        if found.dropped > 0 || !lock.is_settled()? {
            self.rewrite(lock, &mut found)?;
        }
        Ok(found)
    }

    /// Writes what was found anew. Cutting the file would not do: until the cut is durable, lines behind it could come
    /// back and fit to those written in the meantime.
    fn rewrite(&self, lock: &Lock, found: &mut Found) -> Result<(), StoreError> {
        let mut bodies = String::new();
        found.entries.iter().for_each(|entry| push_body(entry, &mut bodies));
        let durable = found.last + found.entries.len() as u64;
        let header = Header { base: found.last, durable, snapshot: found.snapshot };
        (found.file, found.bytes) = self.replace(lock, header, &bodies).map_err(NotReplaced::error)?;
        (found.last, found.durable) = (durable, durable);
        Ok(())
    }

    /// Puts a new journal in place of the old one, durably.
    ///
    /// Another process may still have to sync the old file: it gave the lock away before. It may well be told that its
    /// entries are durable when nobody can open that file any more. They are: who holds the lock read them, if only from
    /// the page cache, so they are in what is written here, and that is synced before it gets the name. Whichever of
    /// both files has the name after a power cut, it has the entries.
    pub(super) fn replace(
        &self,
        lock: &Lock,
        head: Header,
        bodies: &str,
    ) -> Result<(Arc<dyn LogFile>, u64), NotReplaced> {
        // Should the process die before the new name is durable, the next one must not build on it.
        let was_settled = lock.is_settled().map_err(NotReplaced::Unchanged)?;
        lock.set_unsure().map_err(NotReplaced::Unchanged)?;
        let text = header(head) + &lines(bodies, head.base + 1, head.durable);
        let made = self.make(&text).inspect_err(|_| {
            // Nothing happened to the old one. If this fails too, the next process has a little more to do.
            let _ = self.disk.remove(&self.next);
            if was_settled {
                let _ = lock.set_settled();
            }
        });
        let file = made.map_err(NotReplaced::Unchanged)?;
        self.disk
            .rename(&self.next, &self.path)
            .map_err(failure("replace", &self.path))
            .and_then(|()| self.disk.sync_dir(&self.dir).map_err(failure("sync", &self.dir)))
            .map_err(NotReplaced::Unknown)?;
        let _ = lock.set_settled();
        Ok((file, text.len() as u64))
    }

    fn make(&self, text: &str) -> Result<Arc<dyn LogFile>, StoreError> {
        let file = self.disk.create(&self.next).map_err(failure("create", &self.next))?;
        file.append(text.as_bytes()).map_err(failure("write to", &self.next))?;
        file.sync().map_err(failure("sync", &self.next))?;
        Ok(file)
    }

    /// Removes what a process left that died while it replaced the journal.
    fn clear(&self) -> Result<(), StoreError> {
        match self.disk.remove(&self.next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failure("remove", &self.next)(error))
            }
            _ => Ok(()),
        }
    }

    fn refuse(&self, unusable: Unusable) -> StoreError {
        let path = self.path.clone();
        match unusable {
            Unusable::Version { version, known } => StoreError::Version { path, version, known },
            Unusable::Damaged { offset, damage } => {
                StoreError::Corrupt { path, offset: offset as u64, damage }
            }
        }
    }
}
