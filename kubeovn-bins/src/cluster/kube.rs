//! The cluster that an API server of Kubernetes keeps.
//!
//! ```text
//!   list, watch ──> follow.rs, one task per kind ──> seen.rs ──> bounded channel ──> the watcher
//!   write ──> gate.rs ──> write.rs ──> one request          (wire.rs reads objects, body.rs and note.rs write them)
//!   kinds that nothing acts on ──> slim.rs, hardly more than metadata
//! ```
//!
//! Why not the watcher of kube's runtime: with it one object that can't be read fails the page it is in, and so its whole
//! kind, for ever; a version that the server answers with an HTTP 410, or that is from after a restored backup, is asked
//! for again and again; a list that nobody answers is waited for without end; and a silent watch is noticed only after
//! the time that a watch may last. Objects are read straight into slim records, a page at a time.
//!
//! # Guarantees
//! Beside those of [`Cluster`]:
//! * Nothing ends because the API server is away, for however long. It is asked again with growing pauses, and what
//!   vanished meanwhile is told as deleted, with the identity that it had, once a whole list has been read. A list is
//!   always read from a quorum, never from a server's memory, so that one is enough to know.
//! * `Listed` is told once per watch and kind, after a whole list.
//! * An [optional](Kind::is_optional) kind that the server does not have, or does not let us read, is told as `Absent`, and
//!   asked for again like one that failed, at least every [`Options::longest_pause`]: it begins by itself when it is there.
//!   What was told of a kind that has gone stays.
//! * A watcher that doesn't read makes the server wait, and at last makes it end the watch: no more than
//!   [`Options::buffer`] events are kept.
//! * An object that can't be read stays as it was told before. A subnet that was never told before is told with a prefix
//!   that nobody can read, so that it is refused and what it has stays; another kind is left out. The others of the kind
//!   go on.

mod backoff;
mod board;
mod body;
mod call;
mod follow;
mod gate;
mod note;
mod seen;
mod slim;
mod stamps;
mod wire;
mod write;

use std::{path::Path, sync::Arc, task::Poll, time::Duration};

use async_trait::async_trait;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use kubeovn_core::{
    contract::cluster::{Cluster, ClusterError, Event, Write},
    index::objects::{Kind, Name},
};
use tokio::{sync::mpsc, task::JoinSet};

pub use self::board::{KindStatus, State};
pub use self::slim::Resource;
pub(crate) use self::{
    backoff::{Backoff, random},
    call::Failure,
    note::Pace,
    slim::{Change, Ended, Slim, now},
};
use self::{board::Board, call::Calls, follow::Follower, gate::Gate, note::Notes, stamps::Stamps};

/// How an API server is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Who we are, in events and as the manager of fields.
    pub component: String,
    /// How long an answer may take.
    pub answer: Duration,
    /// Objects in one page of a list.
    pub page: u32,
    /// How long a watch lasts at least before it is begun anew; at most twice as long, so that not all end together.
    pub watch: Duration,
    /// How long a watch may be silent. Servers tell every minute how far they are, also where nothing happens.
    pub silence: Duration,
    /// The first pause after something failed; each further one is twice as long, less a random part.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// Events that a watcher may be behind.
    pub buffer: usize,
    /// Events for people per second, after a burst of ten times as many.
    pub notes: u32,
    /// Only the pods of this node are watched; empty: all.
    pub node: String,
}

impl Options {
    /// Which objects of a kind are watched, as a field selector.
    fn fields(&self, kind: Kind) -> Option<String> {
        (kind == Kind::Pod && !self.node.is_empty()).then(|| format!("spec.nodeName={}", self.node))
    }
}

/// The access to an API server: by a file, by the pod's service account, or as `kubectl` finds it.
///
/// # Errors
/// With a sentence, when there is none.
pub async fn access(kubeconfig: Option<&Path>) -> Result<Config, String> {
    let Some(path) = kubeconfig else {
        return Config::infer().await.map_err(|error| error.to_string());
    };
    let file = Kubeconfig::read_from(path).map_err(|error| error.to_string())?;
    let options = KubeConfigOptions::default();
    Config::from_custom_kubeconfig(file, &options).await.map_err(|error| error.to_string())
}

impl Default for Options {
    fn default() -> Self {
        Options {
            component: "kube-ovn-controller".to_owned(),
            answer: Duration::from_secs(30),
            page: 500,
            watch: Duration::from_mins(5),
            silence: Duration::from_secs(90),
            pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            buffer: 1024,
            notes: 10,
            node: String::new(),
        }
    }
}

/// A client as this cluster wants it, from a configuration: it leaves repeating to us, since the one that kube does by
/// itself waits for a quarter of an hour and more.
///
/// # Errors
/// When credentials or certificates of the configuration can't be used.
pub fn client(mut config: kube::Config) -> Result<Client, kube::Error> {
    config.default_retry = false;
    Client::try_from(config)
}

/// The cluster of an API server.
pub struct KubeCluster {
    calls: Arc<Calls>,
    gate: Gate,
    notes: Notes,
    board: Arc<Board>,
    stamps: Arc<Stamps>,
    options: Options,
}

impl KubeCluster {
    /// The cluster that this client reaches. Nothing is asked before the first watch or write.
    pub fn new(client: Client, options: Options) -> Self {
        KubeCluster {
            calls: Arc::new(Calls::new(client, options.answer)),
            gate: Gate::new(options.pause, options.longest_pause),
            notes: Notes::new(&options),
            board: Arc::default(),
            stamps: Arc::default(),
            options,
        }
    }

    /// How the watches stand, by kind. Where a kind is watched more than once, the one that began last.
    pub fn status(&self) -> Vec<KindStatus> {
        self.board.status()
    }
}

#[async_trait]
impl Cluster for KubeCluster {
    /// Must be called within a runtime of tokio: each kind is followed by a task, until the stream is dropped. A panic of one goes on
    /// where the stream is polled: without its kind nobody should go on.
    fn watch(&self, kinds: &[Kind]) -> BoxStream<'static, Event> {
        let (out, events) = mpsc::channel(self.options.buffer.max(1));
        let mut tasks = JoinSet::new();
        for (at, &kind) in kinds.iter().enumerate() {
            if kinds.iter().take(at).any(|before| *before == kind) {
                continue;
            }
            let (calls, board, stamps) = (self.calls.clone(), self.board.clone(), self.stamps.clone());
            let follower = Follower::new(kind, calls, board, stamps, out.clone(), self.options.clone());
            tasks.spawn(follower.run());
        }
        told_by(tasks, events)
    }

    /// May wait for as long as [`Options::longest_pause`] and [`Options::answer`] together; a note longer, see
    /// [`Options::notes`].
    ///
    /// # Cancellation
    /// What was sent may be done all the same.
    async fn write(&self, write: Write) -> Result<Name, ClusterError> {
        self.carry_out(write).await
    }
}

/// What these tasks tell. They live as long as the stream does.
fn told_by(mut tasks: JoinSet<()>, mut events: mpsc::Receiver<Event>) -> BoxStream<'static, Event> {
    stream::poll_fn(move |context| {
        while let Poll::Ready(Some(ended)) = tasks.poll_join_next(context) {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
        events.poll_recv(context)
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_follower_that_panics_is_missed() {
        let (out, events) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        let other = out.clone();
        tasks.spawn(async move { other.closed().await });
        tasks.spawn(async move {
            out.send(Event::Listed(Kind::Pod)).await.unwrap();
            panic!("a pod that nobody had thought of");
        });
        let mut told = told_by(tasks, events);
        let reads = tokio::spawn(async move { while told.next().await.is_some() {} });
        let ended =
            tokio::time::timeout(Duration::from_secs(5), reads).await.expect("it goes on without pods");
        assert!(ended.unwrap_err().is_panic());
    }
}
