//! The place where a controller is killed: between it and all that it acts on.
//!
//! Its ledger is memory and dies with it, so that a cut right after a grant is the same as one before the next effect
//! goes out.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures_util::{future::pending, stream::BoxStream};
use kubeovn_core::{
    contract::{
        cluster::{Cluster, ClusterError, Event, Write},
        database::{Database, DbEvent},
    },
    index::objects::{Kind, Name},
    rows::{Replica, Txn},
};
use tokio::sync::watch;

/// How the controller dies at an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The effect never goes out.
    Before,
    /// It is carried out, and its answer never comes.
    After,
}

pub(crate) const CUTS: [Cut; 2] = [Cut::Before, Cut::After];

/// Counts effects, and ends them all at one of them. One for each life of a controller.
#[derive(Debug)]
pub(crate) struct Fuse {
    /// Effects so far.
    count: AtomicUsize,
    armed: Mutex<Option<(usize, Cut)>>,
    /// Nothing goes out any more.
    dead: AtomicUsize,
    blown: watch::Sender<bool>,
    /// What went out, for a failure's text.
    effects: Mutex<Vec<String>>,
}

/// What becomes of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Through,
    Never,
    Unanswered,
}

impl Fuse {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Fuse {
            count: AtomicUsize::new(0),
            armed: Mutex::new(None),
            dead: AtomicUsize::new(0),
            blown: watch::Sender::new(false),
            effects: Mutex::default(),
        })
    }

    /// Cuts at the `nth` effect from now on; the first is 1.
    pub(crate) fn arm(&self, nth: usize, cut: Cut) {
        self.effects.lock().unwrap().clear();
        *self.armed.lock().unwrap() = Some((self.count() + nth, cut));
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub(crate) fn effects(&self) -> Vec<String> {
        self.effects.lock().unwrap().clone()
    }

    pub(crate) fn is_blown(&self) -> bool {
        *self.blown.borrow()
    }

    fn effect(&self, what: String) -> Fate {
        if self.dead.load(Ordering::SeqCst) > 0 {
            return Fate::Never;
        }
        self.effects.lock().unwrap().push(what);
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        match *self.armed.lock().unwrap() {
            Some((nth, cut)) if nth == number => {
                self.dead.store(1, Ordering::SeqCst);
                match cut {
                    Cut::Before => {
                        self.blow();
                        Fate::Never
                    }
                    Cut::After => Fate::Unanswered,
                }
            }
            _ => Fate::Through,
        }
    }

    fn blow(&self) {
        self.blown.send_replace(true);
    }
}

/// A cluster whose writes are effects. Notes are not: nothing depends on them.
pub(crate) struct CutCluster {
    pub(crate) inner: Arc<dyn Cluster>,
    pub(crate) fuse: Arc<Fuse>,
}

#[async_trait]
impl Cluster for CutCluster {
    fn watch(&self, kinds: &[Kind]) -> BoxStream<'static, Event> {
        self.inner.watch(kinds)
    }

    async fn write(&self, write: Write) -> Result<Name, ClusterError> {
        if matches!(write, Write::Note(_)) {
            return self.inner.write(write).await;
        }
        match self.fuse.effect(short(&write)) {
            Fate::Through => self.inner.write(write).await,
            Fate::Never => pending().await,
            Fate::Unanswered => {
                let _ = self.inner.write(write).await;
                self.fuse.blow();
                pending().await
            }
        }
    }
}

fn short(write: &Write) -> String {
    let verb = match write {
        Write::Create(_) => "create",
        Write::Patch(patch) if patch.finalizer.is_some() => "finalizer of",
        Write::Patch(_) => "patch",
        Write::Status { .. } => "status of",
        Write::Delete { .. } => "delete",
        Write::Note(_) => "note on",
    };
    format!("{verb} {}", write.key())
}

/// A database whose transactions are effects.
pub(crate) struct CutDatabase {
    pub(crate) inner: Box<dyn Database>,
    pub(crate) fuse: Arc<Fuse>,
    /// The transaction that is carried out without an answer.
    pub(crate) unanswered: Option<u64>,
}

#[async_trait]
impl Database for CutDatabase {
    fn submit(&mut self, txn: Txn) {
        let rows: Vec<String> = txn.ops.iter().map(|op| op.row.to_string()).collect();
        match self.fuse.effect(format!("transaction on {}", rows.join(" "))) {
            Fate::Through => self.inner.submit(txn),
            Fate::Never => {}
            Fate::Unanswered => {
                self.unanswered = Some(txn.id);
                self.inner.submit(txn);
            }
        }
    }

    async fn next(&mut self) -> DbEvent {
        loop {
            let event = self.inner.next().await;
            match (self.unanswered, &event) {
                (None, _) => return event,
                (Some(unanswered), DbEvent::Committed { id, .. }) if *id == unanswered => self.fuse.blow(),
                (Some(_), _) => {}
            }
        }
    }

    fn replica(&self) -> &dyn Replica {
        self.inner.replica()
    }
}
