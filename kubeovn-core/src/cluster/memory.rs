//! A cluster in memory: what an API server does to objects, without one.
//!
//! It is the ground of the simulator, of tests and of the fabric that runs from a folder of manifests. Objects
//! come in as a user would bring them ([`MemoryCluster::apply`], [`MemoryCluster::delete`]) and as our own
//! writes ([`Cluster::write`]); both are told to every watcher in one order.
//!
//! What it does as Kubernetes does:
//! * A write that changes nothing makes no new revision and is not told.
//! * `generation` rises when the spec changes and when deletion is asked for, not with metadata or status.
//! * An object with finalizers is only marked as deleting and goes with its last one. Until then it takes no
//!   new finalizers, and no object of its name can be made.
//! * The status of a Vpc or Subnet is written by us alone; a manifest's is ignored.
//!
//! It reads no clock and draws no random number: the same calls give the same objects, identities included.

mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::mpsc;

use crate::contract::cluster::{Cluster, ClusterError, Event, Note, Write};
use crate::index::objects::{Kind, Name, Object, ObjectKey};
use state::State;

/// How many different notes are kept; older ones are forgotten.
pub const NOTES: usize = 1000;

/// A note, and how often it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The note.
    pub note: Note,
    /// How often, counted since it was last forgotten.
    pub times: u64,
}

/// A cluster in memory. Share it by reference or `Arc`.
#[derive(Debug)]
pub struct MemoryCluster {
    state: Mutex<State>,
}

impl Default for MemoryCluster {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryCluster {
    /// An empty cluster. A watcher is told at once that it has seen all there is.
    pub fn new() -> Self {
        Self { state: Mutex::new(State::new(true)) }
    }

    /// A cluster that is still being filled: no watcher is told `Listed` before [`filled`](Self::filled) is
    /// called, so that nobody takes what has not come yet for gone.
    pub fn filling() -> Self {
        Self { state: Mutex::new(State::new(false)) }
    }

    /// A cluster without these kinds, as far as a cluster [may be](Kind::is_optional), until they are
    /// [installed](Self::install).
    #[must_use]
    pub fn without(self, kinds: &[Kind]) -> Self {
        self.lock().uninstall(kinds);
        self
    }

    /// A kind is there from now on: every watcher is told that it has seen all there is of it.
    pub fn install(&self, kind: Kind) {
        self.lock().install(kind);
    }

    /// Tells every watcher that it has seen all there is. Only the first call does something.
    pub fn filled(&self) {
        self.lock().complete();
    }

    /// Brings an object as a user does with a manifest: makes it, or makes the existing one like it.
    ///
    /// Labels, annotations and finalizers that the last manifest had and this one has not are removed; those
    /// that came by other writes stay. Without a uid a new object gets one that follows from its key, so that
    /// it is the same in each run; without a creation time, its place in the order of creation.
    ///
    /// # Errors
    /// [`ClusterError::Unavailable`] while an object of this name is being deleted: try again when it is gone.
    /// [`ClusterError::NotFound`] when the manifest names another uid than the object has.
    pub fn apply(&self, object: Object) -> Result<Name, ClusterError> {
        self.lock().apply(object)
    }

    /// Takes an object in as it stands elsewhere, with its identity, revision, generation and status: to try out on a copy
    /// what would become of another cluster. Revisions given here go on behind the highest one taken in.
    pub fn load(&self, object: Object) {
        self.lock().load(object);
    }

    /// Asks for the deletion of an object as a user does.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`] when there is none.
    pub fn delete(&self, key: &ObjectKey) -> Result<Name, ClusterError> {
        self.lock().delete(key, "")
    }

    /// An object as it is now.
    pub fn get(&self, key: &ObjectKey) -> Option<Object> {
        self.lock().get(key).cloned()
    }

    /// All objects of a kind, by namespace and name.
    pub fn objects(&self, kind: Kind) -> Vec<Object> {
        self.lock().of(kind).cloned().collect()
    }

    /// What was told to people, in the order in which it was first told; at most [`NOTES`].
    pub fn notes(&self) -> Vec<Told> {
        self.lock().notes()
    }

    /// No operation stops in the middle, so what a panicking thread left behind is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Cluster for MemoryCluster {
    /// Objects come kind by kind in the order asked for, each by namespace and name. A watcher that does not
    /// read keeps its events in memory; one that is dropped is forgotten.
    fn watch(&self, kinds: &[Kind]) -> BoxStream<'static, Event> {
        let (events, mut told) = mpsc::unbounded_channel();
        self.lock().watch(kinds, events);
        stream::poll_fn(move |context| told.poll_recv(context)).boxed()
    }

    async fn write(&self, write: Write) -> Result<Name, ClusterError> {
        let mut state = self.lock();
        match write {
            Write::Create(object) => state.create(object),
            Write::Patch(patch) => state.patch(patch),
            Write::Status { key, uid, status } => state.status(&key, &uid, status),
            Write::Delete { key, uid } => state.delete(&key, &uid),
            Write::Note(note) => {
                state.note(note);
                Ok(Name::default())
            }
        }
    }
}

#[cfg(test)]
mod tests;
