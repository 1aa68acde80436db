//! Carries writes out, many at a time.
//!
//! # Guarantees
//! * Those about one object are carried out one after the other in the order in which they were asked, and those to one
//!   object too. (So a pod's record comes before the pod's patch.)
//! * What is asked about an object takes the place of what was asked about it before and has not begun: the spine asks
//!   for all that an object lacks, compared with what it has seen.
//! * The status of an object is written at most once per [`Limits::status_every`], the last one wins; one that was not
//!   written lately goes out at once. While much else is on its way it waits longer, up to [`Limits::status_latest`]:
//!   pods start by what they are told, and nothing does by a subnet's numbers.
//! * Notes come after all else, and the oldest are dropped when too many wait.

mod queue;

use std::{collections::BTreeMap, future::poll_fn, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use kubeovn_core::{
    contract::cluster::{Cluster, ClusterError, Write},
    index::objects::{Kind, Name, ObjectKey},
    spine::Input,
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tracing::{debug, info, warn};

use queue::{Queue, Start};

/// How much at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Writes on their way.
    pub(super) in_flight: usize,
    /// Notes among them.
    pub(super) notes_in_flight: usize,
    /// Notes that wait.
    pub(super) notes: usize,
    /// Between two writes of one object's status.
    pub(super) status_every: Duration,
    /// The same while [`Limits::busy`].
    pub(super) status_latest: Duration,
    /// So many writes on their way are many.
    pub(super) busy: usize,
}

const LIMITS: Limits = Limits {
    in_flight: 64,
    notes_in_flight: 2,
    notes: 1_000,
    status_every: Duration::from_secs(1),
    status_latest: Duration::from_secs(5),
    busy: 8,
};

const MINUTE: Duration = Duration::from_mins(1);

/// Carries writes out in a task of its own, until it is dropped: what is on its way then may be done or not.
pub(super) struct Writer {
    asked: mpsc::UnboundedSender<Vec<(ObjectKey, Write)>>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Tells `failed` what is to be fed to the spine.
    pub(super) fn new(cluster: Arc<dyn Cluster>, failed: mpsc::UnboundedSender<Input>) -> Self {
        let (asked, todo) = mpsc::unbounded_channel();
        Writer { asked, task: tokio::spawn(carry_out(cluster, todo, failed, LIMITS)) }
    }

    /// Asks for writes, each with the object that it is about: all that is due about those objects.
    pub(super) fn ask(&self, writes: Vec<(ObjectKey, Write)>) {
        if !writes.is_empty() {
            // It listens until it is dropped.
            let _ = self.asked.send(writes);
        }
    }

    /// Waits until it has ended, which it does only by a panic in the cluster: that goes on here.
    pub(super) async fn ended(&mut self) {
        let ended = poll_fn(|context| self.task.poll_unpin(context)).await;
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry_out(
    cluster: Arc<dyn Cluster>,
    mut asked: mpsc::UnboundedReceiver<Vec<(ObjectKey, Write)>>,
    failed: mpsc::UnboundedSender<Input>,
    limits: Limits,
) {
    let mut queue = Queue::new(limits);
    let mut flying = FuturesUnordered::new();
    let mut log = Log::default();
    loop {
        while let Some(Start { ticket, write }) = queue.start(Instant::now()) {
            let cluster = &cluster;
            flying.push(async move { (ticket, cluster.write(write).await) });
        }
        let wake = queue.wake();
        let idle = async {
            match wake {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            writes = asked.recv() => match writes {
                Some(writes) => queue.ask(writes),
                None => return,
            },
            Some((ticket, outcome)) = flying.next() => {
                let about = queue.done(ticket);
                log.outcome(&outcome, about.is_none());
                if let (Err(error), Some(about)) = (outcome, about) {
                    let input = match error {
                        ClusterError::Refused { .. } => Input::WriteRefused(about),
                        _ => Input::WriteFailed(about),
                    };
                    // Who listens is gone only when this is about to end too.
                    let _ = failed.send(input);
                }
            }
            () = idle => {}
        }
        // Answers that come in a row must not keep what is asked waiting.
        while let Some(Some(writes)) = asked.recv().now_or_never() {
            queue.ask(writes);
        }
    }
}

/// Says what went wrong: of an outage only that it began and how it ended, of what is refused one object per kind and
/// minute.
#[derive(Default)]
struct Log {
    away: u64,
    refused: BTreeMap<Kind, Instant>,
}

impl Log {
    fn outcome(&mut self, outcome: &Result<Name, ClusterError>, note: bool) {
        match outcome {
            Ok(_) if self.away > 0 => {
                info!(failed = self.away, "the cluster takes writes again");
                self.away = 0;
            }
            Ok(_) => {}
            // Nothing depends on it, and where a namespace ends it is the rule.
            Err(error) if note => debug!(%error, "not told"),
            Err(error @ ClusterError::Unavailable { .. }) => {
                if self.away == 0 {
                    warn!(%error, "not written, tried again if it is still due");
                } else {
                    debug!(%error, "not written, tried again if it is still due");
                }
                self.away += 1;
            }
            Err(error @ ClusterError::Refused { key, .. }) => {
                let now = Instant::now();
                let said = self.refused.get(&key.kind).is_some_and(|at| *at + MINUTE > now);
                if said {
                    debug!(%error, "not written: the cluster refuses it");
                } else {
                    self.refused.insert(key.kind, now);
                    warn!(%error, "not written: the cluster refuses it. It is asked again in a minute, if it is still due");
                }
            }
            // Somebody else was faster: that is seen, and decides.
            Err(error) => debug!(%error, "not written"),
        }
    }
}

#[cfg(test)]
mod tests;
