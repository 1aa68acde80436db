//! What a journal may ask of the simulated disk.

use std::{fmt, io, path::Path, sync::Arc};

use kubeovn_ipam::store::disk::{Disk, LockFile, LogFile};

use super::{Change, Done, Handle, Sim, World, io_error};

impl Disk for Sim {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        self.whole(None, |_| {})
    }

    fn open_lock(&self, path: &Path) -> io::Result<Box<dyn LockFile>> {
        Ok(Box::new(self.handle(path, true, false)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        Ok(Arc::new(self.handle(path, false, false)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        Ok(Arc::new(self.handle(path, true, true)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole(None, |world| {
            let inode = world.names[from];
            world.change(Change::Rename(from.to_owned(), to.to_owned(), inode));
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if !self.has(path) {
            self.whole(None, |_| {})?;
            return Err(io::ErrorKind::NotFound.into());
        }
        self.whole(None, |world| world.change(Change::Unlink(path.to_owned())))
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let (mut world, done, result) = self.call(None);
        let World { durable, changes, chance, .. } = &mut *world;
        if done == Done::All {
            changes.drain(..).for_each(|change| change.apply(durable));
        } else if done == Done::Part {
            changes.retain(|change| {
                let stays = chance.once_in(2);
                if !stays {
                    change.apply(durable);
                }
                stays
            });
        }
        result
    }
}

impl LogFile for Handle {
    fn read(&self) -> io::Result<Vec<u8>> {
        let (world, _, result) = self.sim.call(Some(self.process));
        result.map(|()| world.inodes[self.inode].seen.clone())
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let (mut world, done, result) = self.sim.call(Some(self.process));
        let kept = match done {
            Done::All => bytes.len(),
            Done::Part => world.chance.below(bytes.len() + 1),
            Done::Nothing => 0,
        };
        let inode = &mut world.inodes[self.inode];
        inode.put(inode.seen.len(), &bytes[..kept]);
        result
    }

    fn sync(&self) -> io::Result<()> {
        let (mut world, done, result) = self.sim.call(Some(self.process));
        let (dead, mut told) = (world.dead, self.failures.lock().unwrap());
        let World { inodes, chance, .. } = &mut *world;
        let inode = &mut inodes[self.inode];
        if result.is_ok() && *told != inode.failures {
            *told = inode.failures;
            return Err(io_error("an earlier write failed"));
        }
        match (done, dead) {
            (Done::All, _) => inode.write_back_all(),
            (Done::Part, false) => {
                inode.write_back_some(chance, false);
                inode.failures += 1;
                *told = inode.failures;
            }
            // Where only the process died, the system goes on with it later.
            _ => {}
        }
        result
    }
}

impl LockFile for Handle {
    fn try_lock(&self) -> io::Result<bool> {
        let (mut world, done, result) = self.sim.call(Some(self.process));
        let locked = &mut world.inodes[self.inode].locked;
        let free = locked.is_none_or(|id| id == self.id);
        if free && done == Done::All {
            *locked = Some(self.id);
        }
        result.map(|()| free)
    }

    fn unlock(&self) -> io::Result<()> {
        let (mut world, done, result) = self.sim.call(Some(self.process));
        if done == Done::All {
            world.inodes[self.inode].locked = None;
        }
        result
    }

    fn is_current(&self) -> io::Result<bool> {
        let (world, _, result) = self.sim.call(Some(self.process));
        result.map(|()| world.names.get(&self.path) == Some(&self.inode))
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        LogFile::read(self)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.sim.whole(Some(self.process), |world| {
            world.inodes[self.inode].put(usize::try_from(offset).unwrap(), bytes);
        })
    }
}

impl Drop for Handle {
    /// A lock goes with the file that has it.
    fn drop(&mut self) {
        let mut world = self.sim.world();
        if world.inodes[self.inode].locked == Some(self.id) {
            world.inodes[self.inode].locked = None;
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sim")
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("path", &self.path).finish_non_exhaustive()
    }
}
