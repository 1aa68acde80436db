//! A cluster from YAML files: the fabric without Kubernetes.
//!
//! ```text
//!   files ──> documents ──> objects ──> MemoryCluster ──> watchers
//!                 └──> probes, and what is wrong with the rest ──> Findings
//! ```
//!
//! A file, or all files of a folder that end in `.yaml`, `.yml` or `.json`, are read as manifests: several
//! documents per file, lists too. They are looked at again and again, and edits, new files and removed ones take
//! effect while it runs. Nothing is ever written back to them; what is written to objects stays in memory.
//!
//! # Guarantees
//! * What the cluster holds depends on what stands in the files now, not on the order of edits, as far as the
//!   files can be read.
//! * What cannot be read holds what it gave before: a whole file that is no YAML, an object with a field that
//!   cannot be. Where there is no before, because the program has just started, nobody is told that all objects
//!   have been listed until every file can be read, so that nothing is taken for gone that is only unreadable.
//! * A change is taken up when two looks in a row see the same, so that a file that is just being written, or
//!   replaced, is not read half.
//! * Of two objects with one name the first by file name and place stays; the other comes up when it goes.

mod decode;
mod document;
mod files;
mod merge;
mod names;
pub mod rejected;
mod schema;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kubeovn_core::cluster::memory::MemoryCluster;
use kubeovn_core::contract::cluster::ClusterError;
use kubeovn_core::index::objects::{Object, ObjectKey};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use self::files::Files;
pub use self::merge::Findings;
pub use self::rejected::{Rejected, Severity};

/// How long between two looks; a change takes effect after two.
pub const LOOK: Duration = Duration::from_millis(150);

/// A cluster that is what the files of a folder say.
#[derive(Debug)]
pub struct FolderCluster {
    cluster: Arc<MemoryCluster>,
    findings: watch::Sender<Arc<Findings>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    files: Files,
    /// What the cluster was last given.
    given: BTreeMap<ObjectKey, Object>,
    /// Of these, what it could not take, because an object of that name is still being deleted.
    waiting: BTreeSet<ObjectKey>,
}

/// Why a folder cannot be opened.
#[derive(Debug, Error)]
#[error("{} cannot be read: {source}. Name a YAML file, or a folder of them", path.display())]
pub struct OpenError {
    /// The path that was given.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FolderCluster {
    /// Reads a file or folder for the first time.
    ///
    /// # Errors
    /// When the path itself cannot be read. What is wrong inside the files is told by [`findings`](Self::findings).
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let files = Files::open(path).map_err(|source| OpenError { path: path.to_owned(), source })?;
        let folder = Self {
            cluster: Arc::new(MemoryCluster::filling()),
            findings: watch::Sender::new(Arc::default()),
            state: Mutex::new(State { files, given: BTreeMap::new(), waiting: BTreeSet::new() }),
        };
        folder.with_state(|state| folder.take_up(state));
        Ok(folder)
    }

    /// The cluster, to watch and to write to. It is shared: it stays what it is when the folder is dropped.
    pub fn cluster(&self) -> &Arc<MemoryCluster> {
        &self.cluster
    }

    /// Probes and problems of the files as they are, and every change of them.
    pub fn findings(&self) -> watch::Receiver<Arc<Findings>> {
        self.findings.subscribe()
    }

    /// A file, or a document of one, of which it cannot even be told what it is about: what stands in it looks as if it
    /// were gone.
    pub fn unreadable(&self) -> Option<Rejected> {
        let findings = self.findings.borrow();
        let unreadable = |found: &&Rejected| found.severity == Severity::Error && found.kind.is_empty();
        findings.rejected.iter().find(unreadable).cloned()
    }

    /// Looks at the files once. Blocks for as long as reading what changed takes. Answers whether something was
    /// taken up.
    pub fn look(&self) -> bool {
        self.with_state(|state| {
            let changed = state.files.look();
            if changed {
                self.take_up(state);
            }
            for key in std::mem::take(&mut state.waiting) {
                if let Some(object) = state.given.get(&key) {
                    self.give(object.clone(), &mut state.waiting);
                }
            }
            changed
        })
    }

    /// Looks at the files every [`LOOK`], for ever.
    ///
    /// # Cancellation
    /// Safe: a look that has begun is finished, and nothing is lost.
    pub async fn follow(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let folder = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || folder.look()).await {
                tracing::error!(%error, "looking at the manifests failed");
            }
        }
    }

    fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the cluster what the files say now.
    fn take_up(&self, state: &mut State) {
        let (objects, findings) = merge::merge(&state.files);
        // what refers to others goes first and comes last
        let gone: Vec<_> =
            state.given.keys().rev().filter(|key| !objects.contains_key(key)).cloned().collect();
        for key in gone {
            state.given.remove(&key);
            state.waiting.remove(&key);
            // one that is gone already was deleted by somebody else
            let _ = self.cluster.delete(&key);
        }
        for (key, object) in objects {
            if state.given.get(&key) != Some(&object) {
                self.give(object.clone(), &mut state.waiting);
                state.given.insert(key, object);
            }
        }
        if !state.files.unknown() {
            self.cluster.filled();
        }
        self.tell(findings);
    }

    fn give(&self, object: Object, waiting: &mut BTreeSet<ObjectKey>) {
        let key = object.key();
        let again = object.clone();
        let outcome = self.cluster.apply(object).or_else(|error| match error {
            // the manifest has a uid, and it is that of another object now
            ClusterError::NotFound { .. } => {
                self.cluster.delete(&key)?;
                self.cluster.apply(again)
            }
            other => Err(other),
        });
        if outcome.is_err() {
            waiting.insert(key);
        }
    }

    fn tell(&self, findings: Findings) {
        let before = Arc::clone(&self.findings.borrow());
        for rejected in findings.rejected.iter().filter(|rejected| !before.rejected.contains(rejected)) {
            tracing::warn!(error.code = rejected.code, "{rejected}");
        }
        if *before != findings {
            self.findings.send_replace(Arc::new(findings));
        }
    }
}

#[cfg(test)]
mod tests;
