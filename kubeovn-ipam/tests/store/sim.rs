//! A disk that loses power, and a system on which calls fail and processes die.
//!
//! A file has what programs see and what a power cut leaves. Of what was not synced, any 512-byte blocks may have
//! reached the disk, in any order; a file that grew may have any length in between, filled with zeros. Names made,
//! changed or removed since the last sync of the directory may be as before or after, each for itself. A sync that
//! fails has written some blocks and forgotten the others: programs go on seeing them, no later sync writes them, and
//! of those that have the file open each is told once. All as Linux does it, or worse.

mod calls;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kubeovn_ipam::store::disk::Disk;

use crate::help::Chance;

const BLOCK: usize = 512;

/// What goes wrong, and at which call from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call fails.
    Error,
    /// The process dies in it: it was done, not done, or done in part.
    Death,
}

#[derive(Clone)]
pub(crate) struct Sim(Arc<Mutex<World>>);

struct World {
    inodes: Vec<Inode>,
    /// Names as programs see them and as they are on the disk; and the changes in between.
    names: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    changes: Vec<Change>,
    fault: Option<(usize, Fault)>,
    calls: usize,
    /// The process that runs, and whether it died.
    process: usize,
    dead: bool,
    handles: usize,
    chance: Chance,
}

#[derive(Default)]
struct Inode {
    seen: Vec<u8>,
    disk: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// How many syncs failed.
    failures: usize,
    locked: Option<usize>,
}

#[derive(Clone)]
enum Change {
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

struct Handle {
    sim: Sim,
    inode: usize,
    path: PathBuf,
    id: usize,
    process: usize,
    failures: Mutex<usize>,
}

/// How much of a call is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    All,
    Part,
    Nothing,
}

fn io_error(text: &str) -> io::Error {
    io::Error::other(text.to_owned())
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Self {
        Sim(Arc::new(Mutex::new(World {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable: BTreeMap::new(),
            changes: Vec::new(),
            fault: None,
            calls: 0,
            process: 0,
            dead: false,
            handles: 0,
            chance: Chance(seed),
        })))
    }

    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// Lets the `n`-th call from now go wrong.
    pub(crate) fn plan(&self, n: usize, fault: Fault) {
        let mut world = self.world();
        world.fault = Some((world.calls + n, fault));
    }

    /// Is there no plan any more that something goes wrong? There is none from here on.
    pub(crate) fn fault_is_over(&self) -> bool {
        self.world().fault.take().is_none()
    }

    /// Is everything refused since the process died?
    pub(crate) fn is_dead(&self) -> bool {
        self.world().dead
    }

    /// Puts a durable file there.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let mut world = self.world();
        let (seen, disk) = (bytes.to_vec(), bytes.to_vec());
        world.inodes.push(Inode { seen, disk, ..Inode::default() });
        let inode = world.inodes.len() - 1;
        world.names.insert(path.to_owned(), inode);
        world.durable.insert(path.to_owned(), inode);
    }

    /// All processes die; the system goes on.
    pub(crate) fn kill(&self) {
        let mut world = self.world();
        (world.process, world.dead, world.fault) = (world.process + 1, false, None);
        world.inodes.iter_mut().for_each(|inode| inode.locked = None);
    }

    /// The power goes, and comes back.
    pub(crate) fn power_cut(&self) {
        self.kill();
        let mut world = self.world();
        let World { inodes, names, durable, changes, chance, .. } = &mut *world;
        for inode in inodes {
            inode.write_back_some(chance, true);
            inode.seen = inode.disk.clone();
        }
        for change in std::mem::take(changes) {
            if chance.once_in(2) {
                change.apply(durable);
            }
        }
        *names = durable.clone();
    }

    /// The content of a file.
    pub(crate) fn content(&self, path: &Path) -> Vec<u8> {
        let world = self.world();
        world.names.get(path).map_or_else(Vec::new, |inode| world.inodes[*inode].seen.clone())
    }

    pub(crate) fn has(&self, path: &Path) -> bool {
        self.world().names.contains_key(path)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call: says how much of it to do, and what to answer then.
    fn call(&self, process: Option<usize>) -> (MutexGuard<'_, World>, Done, io::Result<()>) {
        let mut world = self.world();
        if world.dead || process.is_some_and(|process| process != world.process) {
            return (world, Done::Nothing, Err(io_error("this process is dead")));
        }
        world.calls += 1;
        match world.fault {
            Some((at, fault)) if at == world.calls => {
                world.fault = None;
                world.dead = fault == Fault::Death;
                let done = match (fault, world.chance.below(3)) {
                    (_, 0) => Done::Nothing,
                    (Fault::Death, 1) => Done::All,
                    _ => Done::Part,
                };
                (world, done, Err(io_error("injected failure")))
            }
            _ => (world, Done::All, Ok(())),
        }
    }

    /// A call that is done or not, with nothing in between.
    fn whole(&self, process: Option<usize>, act: impl FnOnce(&mut World)) -> io::Result<()> {
        let (mut world, done, result) = self.call(process);
        if done == Done::All {
            act(&mut world);
        }
        result
    }

    fn handle(&self, path: &Path, create: bool, empty: bool) -> io::Result<Handle> {
        let (mut world, done, result) = self.call(None);
        let known = world.names.get(path).copied();
        if result.is_ok() && known.is_none() && !create {
            return Err(io::ErrorKind::NotFound.into());
        }
        if done == Done::All && known.is_none() && create {
            world.inodes.push(Inode::default());
            let inode = world.inodes.len() - 1;
            world.change(Change::Link(path.to_owned(), inode));
        }
        if done == Done::All && empty {
            // As a new file: nobody has the old one open.
            let inode = world.names[path];
            world.inodes[inode].seen.clear();
        }
        result?;
        world.handles += 1;
        let inode = world.names[path];
        Ok(Handle {
            sim: self.clone(),
            inode,
            path: path.to_owned(),
            id: world.handles,
            process: world.process,
            failures: Mutex::new(world.inodes[inode].failures),
        })
    }
}

impl World {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Change::Link(path, inode) => drop(names.insert(path.clone(), *inode)),
            Change::Unlink(path) => drop(names.remove(path)),
            Change::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

impl Inode {
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.seen.len() < end {
            self.seen.resize(end, 0);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        if !bytes.is_empty() {
            self.dirty.extend(offset / BLOCK..=(end - 1) / BLOCK);
        }
    }

    fn write_back(&mut self, block: usize) {
        let (start, end) = (block * BLOCK, self.seen.len().min((block + 1) * BLOCK));
        if start < end {
            if self.disk.len() < end {
                self.disk.resize(end, 0);
            }
            self.disk[start..end].copy_from_slice(&self.seen[start..end]);
        }
        self.dirty.remove(&block);
    }

    fn write_back_all(&mut self) {
        for block in self.dirty.clone() {
            self.write_back(block);
        }
        self.disk.resize(self.seen.len(), 0);
    }

    /// Writes some of the blocks and forgets about the others.
    fn write_back_some(&mut self, chance: &mut Chance, any_length: bool) {
        let before = self.disk.len();
        let share = 1 + chance.below(4);
        for block in std::mem::take(&mut self.dirty) {
            if !chance.once_in(share) {
                self.write_back(block);
            }
        }
        if any_length && self.disk.len() <= self.seen.len() {
            // A new length without the blocks, or blocks without the new length.
            let (low, high) = (before.min(self.seen.len()), self.seen.len());
            match chance.below(3) {
                0 => self.disk.resize(high, 0),
                1 => self.disk.resize(low + chance.below(high - low + 1), 0),
                _ => {}
            }
        }
    }
}
