//! Processes as they are written down: found again later, and never mistaken for a stranger.
//!
//! A pid alone is no identity, since the kernel gives it to somebody else later. With the time the process
//! started and the boot that this time counts from it is. The command line would be of no use: a process that was
//! started a moment ago has none yet.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::lab::error::LabError;

/// How often to look whether a process has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A process that was seen alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pid: i32,
    /// In clock ticks after the machine started.
    started: u64,
    /// Which start of the machine that was.
    boot: String,
}

impl Process {
    /// The process that has this pid now; none if there is none or it has ended and only waits to be reaped.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, spaces and parentheses too: count from behind it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        if matches!(state, "Z" | "X") {
            return None;
        }
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        Some(Self { pid, started, boot })
    }

    /// This very process.
    pub fn me() -> Option<Self> {
        Self::of(Pid::this().as_raw())
    }

    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Sends a signal, if it still runs.
    pub fn signal(&self, signal: Signal) -> Result<(), Errno> {
        match if self.is_alive() { kill(Pid::from_raw(self.pid), signal) } else { Ok(()) } {
            Err(Errno::ESRCH) => Ok(()),
            result => result,
        }
    }

    /// Writes it down.
    pub fn record(&self, path: &Path) -> Result<(), LabError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        fs::write(path, text).map_err(LabError::io("write", path))
    }

    /// Reads it back; none if there is no record or a torn one.
    pub fn recorded(path: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    }
}

/// Ends processes: asks, waits up to `patience`, then kills. Returns those that run even so.
pub fn end(processes: Vec<Process>, patience: Duration) -> Vec<Process> {
    let mut left = processes;
    for (signal, patience) in [(Signal::SIGTERM, patience), (Signal::SIGKILL, Duration::from_secs(5))] {
        for process in &left {
            let _ = process.signal(signal);
        }
        left = wait_gone(left, patience);
    }
    left
}

/// Waits until they have all ended, at most `patience`. Returns those that have not.
pub fn wait_gone(processes: Vec<Process>, patience: Duration) -> Vec<Process> {
    let deadline = Instant::now() + patience;
    let mut left = processes;
    loop {
        left.retain(Process::is_alive);
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The processes whose network namespace is the one mounted at `netns`.
pub fn living_in(netns: &Path) -> Vec<Process> {
    use std::os::unix::fs::MetadataExt;
    let inode = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let Some(wanted) = inode(netns) else { return Vec::new() };
    // Never ourselves, whatever the file turns out to be.
    if inode(Path::new("/proc/self/ns/net")) == Some(wanted) {
        return Vec::new();
    }
    super::file_names(Path::new("/proc"))
        .iter()
        .filter_map(|name| name.parse::<i32>().ok())
        .filter(|pid| inode(Path::new(&format!("/proc/{pid}/ns/net"))) == Some(wanted))
        .filter_map(Process::of)
        .collect()
}
