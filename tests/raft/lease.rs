//! Two controllers, of which one does not know yet that it is no longer the one that may write.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc::{self, Sender},
};

use async_trait::async_trait;
use kubeovn_ovn::ovsdb::client::Authority;
use tokio::runtime::{Builder, Runtime};

use crate::{
    driven::{self, Drive, Journal},
    log,
    raft::Raft,
    server::wait_for,
};

/// Who holds it, by term.
#[derive(Clone, Default)]
struct Lease(Arc<AtomicU64>);

/// What one controller knows of the lease: its own term, while it lasts.
struct Held {
    lease: Lease,
    term: u64,
}

/// A controller on a thread of its own, which can be stopped.
struct Writer {
    runtime: Option<Runtime>,
    journal: Arc<Journal>,
}

#[async_trait]
impl Authority for Held {
    async fn term(&self) -> Option<u64> {
        (self.lease.0.load(Ordering::SeqCst) == self.term).then_some(self.term)
    }
}

impl Writer {
    /// Takes the lease and begins to write.
    fn take(raft: &Raft, lease: &Lease, term: u64) -> Self {
        lease.0.store(term, Ordering::SeqCst);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let journal = Arc::<Journal>::default();
        let authority = Arc::new(Held { lease: lease.clone(), term });
        let drive =
            Drive { authority, eager: true, namespace: log::namespace(term), ..Drive::new(raft.config()) };
        runtime.spawn(driven::controller(drive, raft.cluster.clone(), journal.clone()));
        Self { runtime: Some(runtime), journal }
    }

    /// Stops its thread until something is sent.
    fn pause(&self) -> Sender<()> {
        let (resume, resumed) = mpsc::channel();
        let (stands, standing) = mpsc::channel();
        self.runtime.as_ref().unwrap().spawn(async move {
            stands.send(()).unwrap();
            let _ = resumed.recv();
        });
        standing.recv().unwrap();
        resume
    }

    fn writes(&self, more: usize) {
        let goal = self.journal.done() + more;
        wait_for("writes", || (self.journal.done() >= goal).then_some(()));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[test]
fn who_lost_the_lease_writes_nothing_after_the_next_one_began() {
    let mut raft = Raft::stopped("lease", None);
    let lease = Lease::default();
    let mut writer = Writer::take(&raft, &lease, 1);
    raft.settle();
    raft.move_crowd();
    for term in 2..=9 {
        writer.writes(5);
        // one is stopped and knows nothing, the next one works on while it loses the lease
        let paused = (term % 2 == 0).then(|| writer.pause());
        let next = Writer::take(&raft, &lease, term);
        next.writes(3);
        let unknown = writer.journal.unknown();
        let stopped = paused.is_some();
        drop(paused);
        if stopped {
            wait_for("the deposed one to be refused", || (writer.journal.unknown() > unknown).then_some(()));
        }
        next.writes(3);
        writer = next;
    }
    raft.rest();
    drop(writer);
    let told = log::read(&raft.directory.path("n1.db"));
    assert_eq!(told.terms, (1..=9).collect::<Vec<u64>>());
    assert!(told.inserted > 1000, "the log is not read as it should: {told:?}");
    assert_eq!(told.strange, [""; 0], "ports of a controller that had lost the lease");
    raft.verify();
}
