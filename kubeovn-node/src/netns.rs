//! Network namespaces: open, create, remove, and run code inside one.
//!
//! `setns(2)` changes one *thread*, and an async runtime moves tasks between threads, so code that must run in
//! another namespace gets a thread of its own that ends with it. Nothing ever has to be switched back, and no
//! path through an error or a panic can leave a runtime thread in the wrong namespace.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

/// Where named namespaces live; `ip netns` looks here.
const NAMED: &str = "/run/netns";
/// The calling thread's namespace (not the main thread's, which `/proc/self` would give).
const CURRENT: &str = "/proc/thread-self/ns/net";

/// An operation on a network namespace that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetNsError {
    /// A system call on the namespace or on the file that names it failed.
    #[error("cannot {op} network namespace {}: {source}", path.display())]
    Io {
        /// What was tried: `open`, `create`, `enter`, …
        op: &'static str,
        /// The file that names the namespace.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// A name for a namespace that is empty, `.`/`..`, or contains a slash.
    #[error("{name:?} cannot name a network namespace: it must be a plain file name")]
    BadName {
        /// The refused name.
        name: String,
    },
}

impl NetNsError {
    /// True when there is no such namespace (any more): for a teardown that is success.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// A handle that keeps a network namespace alive.
///
/// Clones share one file descriptor. The handle stays valid after the name is deleted.
#[derive(Clone, Debug)]
pub struct NetNs {
    path: PathBuf,
    file: Arc<File>,
}

impl NetNs {
    /// Opens the namespace that a file names, e.g. `/run/netns/web` or `/proc/42/ns/net`.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, NetNsError> {
        let path = path.into();
        let file = File::open(&path).map_err(|source| failed("open", &path, source))?;
        Ok(Self { path, file: Arc::new(file) })
    }

    /// Opens the namespace of the calling thread.
    pub fn current() -> Result<Self, NetNsError> {
        Self::open(CURRENT)
    }

    /// Opens a namespace made by [`NetNs::create_named`] or `ip netns add`.
    pub fn named(name: &str) -> Result<Self, NetNsError> {
        Self::open(named_path(name)?)
    }

    /// Creates an empty namespace under `/run/netns`, as `ip netns add` does, with its loopback still down.
    ///
    /// # Errors
    /// An existing name is an error ([`io::ErrorKind::AlreadyExists`]); after any other error the name is gone.
    pub fn create_named(name: &str) -> Result<Self, NetNsError> {
        let path = named_path(name)?;
        share_named_dir()?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| failed("create", &path, source))?;
        let bound = thread::scope(|scope| scope.spawn(|| bind_new(&path)).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let made =
            bound.map_err(|errno| failed("create", &path, errno.into())).and_then(|()| Self::open(&path));
        if made.is_err() {
            // The first error tells more than one from cleaning up after it.
            let _ = Self::delete_named(name);
        }
        made
    }

    /// Removes a named namespace; a name that does not exist is fine.
    ///
    /// The namespace itself lives on while a process or a handle uses it.
    pub fn delete_named(name: &str) -> Result<(), NetNsError> {
        let path = named_path(name)?;
        match umount2(&path, MntFlags::MNT_DETACH) {
            // EINVAL: a plain file, left by a creation that was cut short.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(errno) => return Err(failed("unmount", &path, errno.into())),
        }
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path, source)),
            _ => Ok(()),
        }
    }

    /// The file this namespace was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `f` on a new thread inside the namespace and waits for it.
    ///
    /// A `std::process::Command` spawned by `f` starts in the namespace too. The caller's thread blocks, so from
    /// async code keep `f` to system calls that do not wait, or call this from `spawn_blocking`. A panic in `f` is
    /// passed on to the caller.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T, NetNsError> {
        let entered = thread::scope(|scope| {
            let enter = || setns(&*self.file, CloneFlags::CLONE_NEWNET).map(|()| f());
            scope.spawn(enter).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        entered.map_err(|errno| failed("enter", &self.path, errno.into()))
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn failed(op: &'static str, path: &Path, source: io::Error) -> NetNsError {
    NetNsError::Io { op, path: path.to_owned(), source }
}

fn named_path(name: &str) -> Result<PathBuf, NetNsError> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(NetNsError::BadName { name: name.to_owned() });
    }
    Ok(Path::new(NAMED).join(name))
}

/// Makes `/run/netns` a shared mount, so that names made here are seen in the mount namespaces of others.
fn share_named_dir() -> Result<(), NetNsError> {
    let dir = Path::new(NAMED);
    fs::create_dir_all(dir).map_err(|source| failed("prepare", dir, source))?;
    // Two first users at once would bind twice, and the second mount would hide the names made under the first.
    // `ip netns` takes the same lock.
    let lock = File::open(dir).and_then(|file| file.lock().map(|()| file));
    let _held = lock.map_err(|source| failed("lock", dir, source))?;
    let share = || mount(None::<&str>, dir, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    let shared = match share() {
        // Not a mount point yet: bind the directory on itself, then share that.
        Err(Errno::EINVAL) => {
            mount(Some(dir), dir, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
                .and_then(|()| share())
        }
        done => done,
    };
    shared.map_err(|errno| failed("share", dir, errno.into()))
}

/// Moves the calling thread into a new namespace and pins that namespace to `path`.
fn bind_new(path: &Path) -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    mount(Some(CURRENT), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_the_directory() {
        for name in ["", ".", "..", "a/b", "/etc/passwd"] {
            assert!(matches!(NetNs::named(name), Err(NetNsError::BadName { .. })), "{name:?}");
            assert!(matches!(NetNs::create_named(name), Err(NetNsError::BadName { .. })), "{name:?}");
            assert!(matches!(NetNs::delete_named(name), Err(NetNsError::BadName { .. })), "{name:?}");
        }
    }

    #[test]
    fn a_missing_file_is_told_apart() {
        let error = NetNs::open("/nonexistent/ns").expect_err("no such file");
        assert!(error.is_not_found(), "{error}");
        assert_eq!(
            error.to_string(),
            "cannot open network namespace /nonexistent/ns: No such file or directory (os error 2)"
        );
    }
}
