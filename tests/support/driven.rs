//! A controller whose database is listened to: what it sends, and what it is told.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use async_trait::async_trait;
use kubeovn_bins::run::{self, asking::Asking};
use kubeovn_core::{
    cluster::memory::MemoryCluster,
    contract::database::{Database, DbEvent},
    index::Settings,
    rows::{Outcome, Replica, Txn},
};
use kubeovn_ovn::{
    nb::NORTHBOUND,
    ovsdb::{
        client::{Authority, Client, FenceConfig, SoleWriter},
        connect::{ConnectConfig, Connector},
        txn::Identity,
    },
};
use uuid::Uuid;

/// How many events are kept to be shown when a test fails.
const SHOWN: usize = 60;

/// How a controller comes to its database.
pub(crate) struct Drive {
    pub(crate) config: ConnectConfig,
    pub(crate) authority: Arc<dyn Authority>,
    pub(crate) eager: bool,
    /// From what the UUIDs of its rows are computed.
    pub(crate) namespace: Uuid,
    /// The part of a pause that is added at random otherwise, in `0.0..=1.0`.
    pub(crate) jitter: f64,
    /// How gateways are asked whether they answer.
    pub(crate) asking: Option<Asking>,
}

/// What a controller sent and was told.
#[derive(Default)]
pub(crate) struct Journal {
    sent: AtomicUsize,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    last: VecDeque<(Instant, String)>,
    done: Vec<Instant>,
    resynced: Vec<Instant>,
    unknown: usize,
    refused: Vec<String>,
}

struct Driven {
    client: Client,
    journal: Arc<Journal>,
}

impl Drive {
    /// The only writer there is.
    pub(crate) fn new(config: ConnectConfig) -> Self {
        Self {
            config,
            authority: Arc::new(SoleWriter),
            eager: false,
            namespace: Uuid::nil(),
            jitter: 0.0,
            asking: None,
        }
    }
}

/// Runs until it is dropped.
pub(crate) async fn controller(drive: Drive, cluster: Arc<MemoryCluster>, journal: Arc<Journal>) {
    let Drive { config, authority, eager, namespace, jitter, asking } = drive;
    let connector = Connector::new(config, Box::new(move || jitter));
    let fence = FenceConfig { authority, nonce: Box::new(nonce), eager };
    let client = Client::new(&NORTHBOUND, connector, Identity::Given(namespace), Some(fence));
    let company = run::controller::Company { asking, ..run::controller::Company::default() };
    run::controller::run(Settings::default(), cluster, Box::new(Driven { client, journal }), company).await;
}

/// No two controllers of a test process have the same.
fn nonce() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

impl Journal {
    /// Transactions that the controller sent.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    /// When the first transaction after this moment was answered as done.
    pub(crate) fn done_after(&self, moment: Instant) -> Option<Instant> {
        self.heard().done.iter().copied().find(|done| *done > moment)
    }

    /// How many transactions were done.
    pub(crate) fn done(&self) -> usize {
        self.heard().done.len()
    }

    /// How many transactions are not answered.
    pub(crate) fn pending(&self) -> usize {
        let heard = self.heard();
        self.sent() - heard.done.len() - heard.unknown - heard.refused.len()
    }

    /// How often the database was read anew.
    pub(crate) fn resynced(&self) -> usize {
        self.heard().resynced.len()
    }

    /// How many transactions had an unknown outcome.
    pub(crate) fn unknown(&self) -> usize {
        self.heard().unknown
    }

    /// What the server refused: none of it is the servers' fault, so a fault that leads to one was misjudged.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.heard().refused.clone()
    }

    /// The last events, for a failure's text.
    pub(crate) fn shown(&self) -> String {
        let mut text = String::new();
        for (when, what) in &self.heard().last {
            writeln!(text, "{:8.3} s ago: {what}", when.elapsed().as_secs_f64()).unwrap();
        }
        text
    }

    fn note(&self, what: String) {
        let mut heard = self.heard();
        if heard.last.len() == SHOWN {
            heard.last.pop_front();
        }
        heard.last.push_back((Instant::now(), what));
    }

    fn hear(&self, event: &DbEvent) {
        let now = Instant::now();
        let mut heard = self.heard();
        match event {
            DbEvent::Changed(_) => return,
            DbEvent::Resynced => heard.resynced.push(now),
            DbEvent::Committed { outcome: Outcome::Done, .. } => heard.done.push(now),
            DbEvent::Committed { outcome: Outcome::Unknown, .. } => heard.unknown += 1,
            DbEvent::Committed { outcome, .. } => heard.refused.push(format!("{outcome:?}")),
            DbEvent::Lost { .. } => {}
        }
        drop(heard);
        self.note(format!("{event:?}"));
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }
}

#[async_trait]
impl Database for Driven {
    fn submit(&mut self, txn: Txn) {
        self.journal.sent.fetch_add(1, Ordering::SeqCst);
        self.journal.note(format!("submit {} with {} rows", txn.id, txn.ops.len()));
        self.client.submit(txn);
    }

    async fn next(&mut self) -> DbEvent {
        let event = self.client.next().await;
        self.journal.hear(&event);
        event
    }

    fn replica(&self) -> &dyn Replica {
        self.client.replica()
    }
}
