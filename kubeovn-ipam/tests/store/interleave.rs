//! Two at once, at moments that chance seldom finds: a disk that lets something happen in the middle of a call.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use kubeovn_ipam::store::{
    Journal, Options, Store, StoreError,
    disk::{Disk, LockFile, LogFile, StdDisk},
};

use crate::help::{TempDir, load, settled, uid};

/// The disk of the operating system, with interruptions.
#[derive(Debug, Default)]
struct Interrupted {
    /// Removes the next lock file as soon as it is open.
    remove_lock: AtomicBool,
    stage: Arc<Stage>,
}

/// How far a slow write is.
#[derive(Debug, Default)]
struct Stage {
    reached: Mutex<Reached>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Reached {
    slow: bool,
    writing: bool,
    replacing: bool,
}

impl Stage {
    fn set(&self, change: impl FnOnce(&mut Reached)) {
        change(&mut self.reached.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits until it is so, or for a while.
    fn wait(&self, at_most: Duration, is: impl Fn(&Reached) -> bool) -> bool {
        let reached = self.reached.lock().unwrap();
        !self.changed.wait_timeout_while(reached, at_most, |reached| !is(reached)).unwrap().1.timed_out()
    }
}

impl Disk for Interrupted {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        StdDisk.create_dir(dir)
    }

    fn open_lock(&self, path: &Path) -> io::Result<Box<dyn LockFile>> {
        let lock = StdDisk.open_lock(path)?;
        if self.remove_lock.swap(false, Ordering::Relaxed) {
            fs::remove_file(path)?;
        }
        Ok(lock)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        Ok(Arc::new(SlowFile(StdDisk.open(path)?, self.stage.clone())))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        self.stage.set(|reached| reached.replacing = true);
        StdDisk.create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        StdDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        StdDisk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        StdDisk.sync_dir(dir)
    }
}

#[derive(Debug)]
struct SlowFile(Arc<dyn LogFile>, Arc<Stage>);

impl LogFile for SlowFile {
    fn read(&self) -> io::Result<Vec<u8>> {
        self.0.read()
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        if self.1.reached.lock().unwrap().slow {
            self.1.set(|reached| reached.writing = true);
            // Long enough for a compaction that does not wait for us.
            let replaced = self.1.wait(Duration::from_millis(50), |reached| reached.replacing);
            assert!(!replaced, "the file is replaced while it is written to");
        }
        self.0.append(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

fn open_on(disk: &Arc<Interrupted>, dir: &TempDir) -> Result<Journal, StoreError> {
    let wait = Duration::from_secs(10);
    Journal::open_on(disk.clone(), dir.path(), Options { wait, ..Options::default() })
}

#[test]
fn a_snapshot_waits_for_a_write() {
    let (dir, disk) = (TempDir::new(), Arc::new(Interrupted::default()));
    drop(open_on(&disk, &dir).unwrap());
    let journal = open_on(&disk, &dir).unwrap();
    let ticket = journal.append(&settled("a")).unwrap();
    disk.stage.set(|reached| *reached = Reached { slow: true, ..Reached::default() });
    thread::scope(|scope| {
        scope.spawn(|| journal.sync(ticket).unwrap());
        scope.spawn(|| {
            assert!(disk.stage.wait(Duration::from_secs(10), |reached| reached.writing));
            journal.compact(&mut [settled("snapshot of a")].into_iter()).unwrap();
        });
    });
    journal.sync(journal.append(&settled("b")).unwrap()).unwrap();
    drop(journal);
    let found: Vec<String> = load(&open_on(&disk, &dir).unwrap()).iter().map(uid).collect();
    assert_eq!(found, ["snapshot of a", "b"]);
}

#[test]
fn the_lock_of_a_removed_file_is_none() {
    let (dir, disk) = (TempDir::new(), Arc::new(Interrupted::default()));
    disk.remove_lock.store(true, Ordering::Relaxed);
    let _journal = open_on(&disk, &dir).unwrap();
    let error =
        Journal::open(dir.path(), Options { wait: Duration::ZERO, ..Options::default() }).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
}
