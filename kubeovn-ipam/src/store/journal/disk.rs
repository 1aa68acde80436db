//! All that a journal asks of a disk. Tests put one in its place that loses power.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Names and files.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Makes a directory and those above it, durably.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Opens a lock file, which is created if it is not there.
    fn open_lock(&self, path: &Path) -> io::Result<Box<dyn LockFile>>;

    /// Opens a file that is there.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>>;

    /// Opens a file and empties it, or creates it.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>>;

    /// Gives a file another name, in place of what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes durable which names a directory has.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file that only grows.
pub trait LogFile: Send + Sync + fmt::Debug {
    /// All of it.
    fn read(&self) -> io::Result<Vec<u8>>;

    /// Puts bytes behind the last. Where it fails, some of them may be there.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// Makes all durable that was appended before, whoever did it.
    fn sync(&self) -> io::Result<()>;
}

/// A small file that one process at a time locks. The lock goes with the value and with the process.
pub trait LockFile: Send + Sync + fmt::Debug {
    /// Takes the lock, or says that another has it.
    fn try_lock(&self) -> io::Result<bool>;

    /// Gives the lock back.
    fn unlock(&self) -> io::Result<()>;

    /// Is it still the file that its path names?
    fn is_current(&self) -> io::Result<bool>;

    /// What it says. Needs no lock.
    fn read(&self) -> io::Result<Vec<u8>>;

    /// Overwrites a part of what it says, in one go. Needs no lock, and is not made durable.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
}

/// The disk of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct StdDisk;

impl Disk for StdDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let missing: Vec<&Path> =
            dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
        fs::create_dir_all(dir)?;
        // A name is durable once the directory is synced that it stands in.
        missing.into_iter().filter_map(Path::parent).try_for_each(|parent| self.sync_dir(parent))
    }

    fn open_lock(&self, path: &Path) -> io::Result<Box<dyn LockFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Box::new(StdLock { file, path: path.to_owned() }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        Ok(Arc::new(StdLog(OpenOptions::new().read(true).append(true).open(path)?)))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        file.set_len(0)?;
        Ok(Arc::new(StdLog(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        File::open(dir)?.sync_all()
    }
}

#[derive(Debug)]
struct StdLog(File);

impl LogFile for StdLog {
    fn read(&self) -> io::Result<Vec<u8>> {
        let (mut file, mut bytes) = (&self.0, Vec::new());
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        // The size counts as data here (fdatasync(2)), the time of the last change does not.
        self.0.sync_data()
    }
}

#[derive(Debug)]
struct StdLock {
    file: File,
    path: PathBuf,
}

impl LockFile for StdLock {
    fn try_lock(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }

    fn is_current(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(theirs) => Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; 64];
        let read = self.file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }
}
