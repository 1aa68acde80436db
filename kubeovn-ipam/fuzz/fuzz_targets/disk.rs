//! A disk in memory, for one process that never dies.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kubeovn_ipam::store::disk::{Disk, LockFile, LogFile};

type File = Arc<Bytes>;

#[derive(Debug, Default)]
pub(crate) struct Bytes(Mutex<Vec<u8>>);

#[derive(Debug, Default)]
pub(crate) struct InMemory(Mutex<BTreeMap<PathBuf, File>>);

#[derive(Debug)]
struct Opened(File);

impl Bytes {
    fn get(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InMemory {
    /// The content of a file.
    pub(crate) fn content(&self, path: &Path) -> Option<Vec<u8>> {
        self.names().get(path).map(|file| file.get().clone())
    }

    /// Puts a file there.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        self.names().insert(path.to_owned(), Arc::new(Bytes(Mutex::new(bytes.to_vec()))));
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<PathBuf, File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for InMemory {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn open_lock(&self, path: &Path) -> io::Result<Box<dyn LockFile>> {
        Ok(Box::new(Opened(self.names().entry(path.to_owned()).or_default().clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let file = self.names().get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Opened(file)))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        self.put(path, b"");
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let file = self.names().remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.names().insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.names().remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl LogFile for Opened {
    fn read(&self) -> io::Result<Vec<u8>> {
        Ok(self.0.get().clone())
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.get().extend(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl LockFile for Opened {
    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }

    fn is_current(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        Ok(self.0.get().clone())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (mut file, start) = (self.0.get(), usize::try_from(offset).unwrap());
        let end = file.len().max(start + bytes.len());
        file.resize(end, 0);
        file[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}
