//! The directory of one lab: all that is needed to find it, and to end it without it.
//!
//! Whatever the lab makes outside this directory (processes, namespaces) is written down here *before* it is
//! made, so that [`down`](super::fabric::down) finds everything even when the lab was killed half-way.
//!
//! ```text
//! /run/kubeovn-lab/<name>/
//!   lab.process          the lab itself
//!   status.json          what `status` prints
//!   netns/<namespace>    one empty file per namespace
//!   processes/<node>.<daemon>   one record per daemon; the node of the databases is called `central`
//!   central/             databases, sockets and logs of Northbound, Southbound, northd
//!   n/<node>/            the same for each node
//! ```

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::fcntl::{Flock, FlockArg};

use super::error::LabError;

pub mod process;

/// Where all labs of this machine have their directories.
pub const ROOT: &str = "/run/kubeovn-lab";

/// As long as a lab's name may be, so that socket paths below its directory fit in the 107 bytes that they may have.
const NAME_MAX: usize = 20;

/// As much of a node's name as a path takes as it is.
const SLUG_MAX: usize = 30;

/// As long as a namespace's name may be: it is a file name.
const NETNS_MAX: usize = 200;

/// The name of a lab, from which the names of its namespaces and files are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabName(String);

impl LabName {
    /// The namespace that joins all nodes.
    pub fn underlay_netns(&self) -> String {
        format!("{self}.ul")
    }

    /// The namespace that is node `node`.
    pub fn node_netns(&self, node: &str) -> String {
        shorten(&format!("{self}.n.{node}"), NETNS_MAX)
    }

    /// The namespace of a pod. A Kubernetes namespace has no dot in it, so no two pods share one.
    pub fn pod_netns(&self, namespace: &str, pod: &str) -> String {
        shorten(&format!("{self}.p.{namespace}.{pod}"), NETNS_MAX)
    }
}

impl fmt::Display for LabName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LabName {
    type Err = LabError;

    fn from_str(name: &str) -> Result<Self, LabError> {
        let good = name.len() <= NAME_MAX
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if good {
            Ok(Self(name.to_owned()))
        } else {
            Err(LabError::Name { name: name.to_owned(), max: NAME_MAX })
        }
    }
}

/// The paths of one lab. Having a value says nothing about whether the lab exists.
#[derive(Debug, Clone)]
pub struct StateDir {
    name: LabName,
    dir: PathBuf,
}

/// The right to run the lab: held as long as its process lives, however that ends.
#[derive(Debug)]
pub struct Hold {
    _lock: Flock<File>,
}

impl StateDir {
    /// The directory of lab `name` below [`ROOT`].
    pub fn new(name: LabName) -> Self {
        let dir = Path::new(ROOT).join(&name.0);
        Self { name, dir }
    }

    /// The lab's name.
    pub fn name(&self) -> &LabName {
        &self.name
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Whether a lab of this name has left anything.
    pub fn exists(&self) -> bool {
        self.dir.exists()
    }

    /// The record of the lab's own process.
    pub fn lab_process(&self) -> PathBuf {
        self.dir.join("lab.process")
    }

    /// What `status` prints.
    pub fn status(&self) -> PathBuf {
        self.dir.join("status.json")
    }

    /// One empty file per namespace.
    pub fn netns(&self) -> PathBuf {
        self.dir.join("netns")
    }

    /// One record per daemon.
    pub fn processes(&self) -> PathBuf {
        self.dir.join("processes")
    }

    /// The record of one daemon of `place`, which is a node or `central`.
    pub fn process(&self, place: &str, daemon: &str) -> PathBuf {
        self.processes().join(format!("{}.{daemon}", shorten(place, NETNS_MAX)))
    }

    /// The directory of the databases that all nodes share.
    pub fn central(&self) -> PathBuf {
        self.dir.join("central")
    }

    /// The directory of node `node`.
    pub fn node(&self, node: &str) -> PathBuf {
        self.dir.join("n").join(shorten(node, SLUG_MAX))
    }

    /// Makes the directory (readable by root only) and takes the right to run the lab.
    ///
    /// # Errors
    /// [`LabError::Running`] when another process has it.
    pub fn hold(&self) -> Result<Hold, LabError> {
        loop {
            make_dir(&self.dir)?;
            let file = File::open(&self.dir).map_err(LabError::io("open", &self.dir))?;
            let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, _)| {
                LabError::Running { name: self.name.to_string(), state: self.dir.clone() }
            })?;
            // A lab that ended meanwhile has removed the directory we locked: then that lock means nothing.
            let locked = lock.metadata().map_err(LabError::io("stat", &self.dir))?;
            if fs::metadata(&self.dir).is_ok_and(|now| (now.dev(), now.ino()) == (locked.dev(), locked.ino()))
            {
                for dir in [self.netns(), self.processes(), self.central()] {
                    make_dir(&dir)?;
                }
                return Ok(Hold { _lock: lock });
            }
        }
    }

    /// Writes down that namespace `name` is about to be made.
    pub fn record_netns(&self, name: &str) -> Result<(), LabError> {
        let path = self.netns().join(name);
        File::create(&path).map_err(LabError::io("create", &path)).map(drop)
    }

    /// Forgets a namespace that is gone.
    pub fn forget_netns(&self, name: &str) -> Result<(), LabError> {
        remove_file(&self.netns().join(name))
    }

    /// The names of all namespaces written down, sorted.
    pub fn netns_names(&self) -> Vec<String> {
        file_names(&self.netns())
    }

    /// Removes the directory, and [`ROOT`] if this was the last lab.
    pub fn remove(&self) -> Result<(), LabError> {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(LabError::io("remove", &self.dir)(error))
            }
            _ => {
                // Fails while other labs live there, as it should.
                let _ = self.dir.parent().map(fs::remove_dir);
                Ok(())
            }
        }
    }
}

/// Makes `dir` and its parents, for root only.
pub(crate) fn make_dir(dir: &Path) -> Result<(), LabError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(LabError::io("create", dir))
}

/// Removes a file that may be gone already.
pub(crate) fn remove_file(path: &Path) -> Result<(), LabError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LabError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// The names in a directory, sorted; none if there is no such directory.
pub(crate) fn file_names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// `name` if it has at most `max` bytes, else its beginning and a hash of all of it.
fn shorten(name: &str, max: usize) -> String {
    if name.len() <= max {
        return name.to_owned();
    }
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let start: String = name.chars().take(max.saturating_sub(17)).collect();
    format!("{start}-{hash:016x}")
}

#[cfg(test)]
mod tests;
