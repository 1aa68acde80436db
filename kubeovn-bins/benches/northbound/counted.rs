//! A cluster and a database that count what the controller asks of them.
#![allow(dead_code, reason = "no bench needs all of it")]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use kubeovn_core::{
    annotations::nic,
    cluster::memory::MemoryCluster,
    contract::{
        cluster::{Cluster, ClusterError, Event, Write},
        database::{Database, DbEvent},
    },
    index::objects::{Kind, Name, Object},
    rows::{Act, Outcome, Replica, Txn},
};
use kubeovn_ovn::{
    nb::{LOGICAL_SWITCH_PORT, NORTHBOUND},
    ovsdb::{
        client::{Client, FenceConfig, SoleWriter},
        connect::{ConnectConfig, Connector},
        txn::Identity,
    },
};
use uuid::Uuid;

/// A cluster in memory.
pub(crate) struct CountedCluster {
    cluster: MemoryCluster,
    told: AtomicUsize,
}

impl CountedCluster {
    pub(crate) fn new(objects: Vec<Object>) -> Self {
        let counted = CountedCluster { cluster: MemoryCluster::new(), told: AtomicUsize::new(0) };
        objects.into_iter().for_each(|object| counted.apply(object));
        counted
    }

    pub(crate) fn apply(&self, object: Object) {
        self.cluster.apply(object).unwrap();
    }

    /// How many pods were told what they were given.
    pub(crate) fn told(&self) -> usize {
        self.told.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Cluster for CountedCluster {
    fn watch(&self, kinds: &[Kind]) -> BoxStream<'static, Event> {
        self.cluster.watch(kinds)
    }

    async fn write(&self, write: Write) -> Result<Name, ClusterError> {
        let tells = matches!(&write, Write::Patch(patch) if patch.key.kind == Kind::Pod
            && patch.annotations.contains_key(nic::ALLOCATED.ovn()));
        let answer = self.cluster.write(write).await;
        self.told.fetch_add(usize::from(tells && answer.is_ok()), Ordering::SeqCst);
        answer
    }
}

/// What went to the database.
#[derive(Default)]
pub(crate) struct Counts {
    transactions: AtomicUsize,
    ports: AtomicUsize,
    awaited: AtomicU64,
}

impl Counts {
    /// How many transactions were sent.
    pub(crate) fn transactions(&self) -> usize {
        self.transactions.load(Ordering::SeqCst)
    }

    /// How long a transaction was on its way, all together: encoding, server, its updates read back.
    pub(crate) fn awaited(&self) -> Duration {
        Duration::from_micros(self.awaited.load(Ordering::SeqCst))
    }

    /// How many new switch ports were answered to be committed.
    pub(crate) fn committed_ports(&self) -> usize {
        self.ports.load(Ordering::SeqCst)
    }
}

/// The real client.
pub(crate) struct CountedDatabase {
    client: Client,
    counts: Arc<Counts>,
    /// New ports in transactions on their way, and since when they are.
    coming: HashMap<u64, (usize, Instant)>,
}

impl CountedDatabase {
    pub(crate) fn connecting(endpoint: &str, counts: Arc<Counts>) -> Self {
        static NONCE: AtomicU64 = AtomicU64::new(0);
        let connector = Connector::new(
            ConnectConfig::new(endpoint.parse().unwrap(), NORTHBOUND.database),
            Box::new(|| 0.0),
        );
        let nonce = Box::new(|| NONCE.fetch_add(1, Ordering::Relaxed));
        let fence = FenceConfig { authority: Arc::new(SoleWriter), nonce, eager: false };
        let client = Client::new(&NORTHBOUND, connector, Identity::Given(Uuid::nil()), Some(fence));
        CountedDatabase { client, counts, coming: HashMap::new() }
    }
}

#[async_trait]
impl Database for CountedDatabase {
    fn submit(&mut self, txn: Txn) {
        let new = |op: &&kubeovn_core::rows::Op| {
            op.row.table == LOGICAL_SWITCH_PORT && matches!(op.act, Act::Insert(..))
        };
        self.coming.insert(txn.id, (txn.ops.iter().filter(new).count(), Instant::now()));
        self.counts.transactions.fetch_add(1, Ordering::SeqCst);
        self.client.submit(txn);
    }

    async fn next(&mut self) -> DbEvent {
        let event = self.client.next().await;
        if let DbEvent::Committed { id, outcome } = &event {
            assert_eq!(*outcome, Outcome::Done);
            let (ports, since) = self.coming.remove(id).unwrap();
            let micros = u64::try_from(since.elapsed().as_micros()).unwrap();
            self.counts.awaited.fetch_add(micros, Ordering::SeqCst);
            self.counts.ports.fetch_add(ports, Ordering::SeqCst);
        }
        event
    }

    fn replica(&self) -> &dyn Replica {
        self.client.replica()
    }
}
