//! A server, a cluster, a controller, and an eye on what the controller does.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use kubeovn_bins::run::controller;
use kubeovn_core::{
    annotations::nic,
    cluster::memory::MemoryCluster,
    contract::database::{Database, DbEvent},
    index::{
        Settings,
        objects::{Kind, Object},
    },
    rows::{Outcome, Replica, Txn},
};
use kubeovn_ovn::{
    nb::NORTHBOUND,
    ovsdb::{
        client::{Client, FenceConfig, SoleWriter},
        connect::{ConnectConfig, Connector},
        txn::Identity,
    },
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};
use uuid::Uuid;

use crate::{
    seen::{Rows, Seen, difference},
    server::{DATABASE, Directory, SCHEMA, Server, wait_for},
};

/// How long a controller is watched that should do nothing.
const IDLE: Duration = Duration::from_secs(2);

/// How long to wait for what should come at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// The runtime goes first and takes controller and eye along; then the server, then its directory.
pub(crate) struct Rig {
    runtime: Runtime,
    controller: Option<JoinHandle<()>>,
    pub(crate) cluster: Arc<MemoryCluster>,
    pub(crate) seen: Seen,
    /// Transactions that the controller sent.
    sent: Arc<AtomicUsize>,
    /// What the database refused.
    refused: Arc<Mutex<Vec<String>>>,
    pub(crate) server: Server,
    pub(crate) directory: Directory,
}

/// A mark in time, see [`Rig::now`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    sent: usize,
    updates: usize,
}

/// Counts what goes out.
struct Counted {
    client: Client,
    sent: Arc<AtomicUsize>,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Rig {
    /// A controller that has done all there is to do on these objects.
    pub(crate) fn settled(objects: impl IntoIterator<Item = Object>) -> Self {
        let mut rig = Self::stopped(objects);
        rig.start();
        rig.settle();
        rig
    }

    /// Everything but the controller.
    pub(crate) fn stopped(objects: impl IntoIterator<Item = Object>) -> Self {
        Self::stopped_on(Path::new(SCHEMA), objects)
    }

    /// The same on a database with the schema in this file.
    pub(crate) fn stopped_on(schema: &Path, objects: impl IntoIterator<Item = Object>) -> Self {
        let directory = Directory::new();
        let server = Server::with_schema(&directory, schema, &[]);
        // One thread for what runs by itself; the test has its own, on which it may wait.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let seen = Seen::watch(runtime.handle(), server.socket());
        let rig = Rig {
            runtime,
            controller: None,
            cluster: cluster_of(objects),
            seen,
            sent: Arc::default(),
            refused: Arc::default(),
            server,
            directory,
        };
        wait_for("the eye to open", || rig.seen.connected().then_some(()));
        rig
    }

    pub(crate) fn start(&mut self) {
        let config = ConnectConfig::new(self.server.endpoint().parse().unwrap(), DATABASE);
        let connector = Connector::new(config, Box::new(|| 0.0));
        let fence = FenceConfig { authority: Arc::new(SoleWriter), nonce: Box::new(nonce), eager: false };
        let client = Client::new(&NORTHBOUND, connector, Identity::Given(Uuid::nil()), Some(fence));
        let database = Box::new(Counted { client, sent: self.sent.clone(), refused: self.refused.clone() });
        let run = controller::run(Settings::default(), self.cluster.clone(), database);
        self.controller = Some(self.runtime.spawn(run));
    }

    pub(crate) fn stop(&mut self) {
        if let Some(controller) = self.controller.take() {
            controller.abort();
            let _ = self.runtime.block_on(controller);
        }
    }

    /// Another controller, on a cluster that may be another one, too.
    pub(crate) fn restart_on(&mut self, cluster: Arc<MemoryCluster>) {
        self.stop();
        self.cluster = cluster;
        self.start();
    }

    pub(crate) fn apply(&self, object: Object) {
        self.cluster.apply(object).unwrap();
    }

    pub(crate) fn rows(&self) -> Rows {
        self.seen.rows()
    }

    /// Waits until the rows are these.
    pub(crate) fn becomes(&self, what: &str, wanted: &Rows) {
        let mut left = String::new();
        let done = in_time(|| {
            left = difference(wanted, &self.rows());
            left.is_empty()
        });
        assert!(done, "{what}; from what is wanted to what there is:\n{left}");
    }

    /// Waits until every pod and node has been told its addresses and has its port, nothing is left of others, and
    /// the subnets have been counted.
    pub(crate) fn settle(&self) {
        let mut left = Vec::new();
        let done = in_time(|| {
            left = self.unsettled();
            left.is_empty()
        });
        assert!(done, "not settled: {left:#?}\n{:#?}", self.cluster.notes());
    }

    fn unsettled(&self) -> Vec<String> {
        let mut left = Vec::new();
        let ports = self.seen.ports();
        let mut wanted = BTreeSet::new();
        for object in Kind::ALL.iter().flat_map(|kind| self.cluster.objects(*kind)) {
            let meta = object.meta();
            if meta.deleting {
                left.push(format!("{} is still being deleted", object.key()));
            }
            let port = match &object {
                Object::Pod(_) => format!("{}.{}", meta.name, meta.namespace),
                Object::Node(_) => format!("node-{}", meta.name),
                _ => continue,
            };
            let told = meta.annotation(nic::ALLOCATED.ovn()) == Some("true");
            let ips = meta.annotation(nic::IP_ADDRESS.ovn()).unwrap_or_default();
            let there = ports
                .get(&port)
                .is_some_and(|text| ips.split(',').all(|ip| text.split(' ').any(|t| t == ip)));
            if !told || !there {
                left.push(format!("{}: told {told} {ips:?}, port {:?}", object.key(), ports.get(&port)));
            }
            wanted.insert(port);
        }
        let records: Vec<Object> = self.cluster.objects(Kind::Ip);
        let recorded: BTreeSet<String> = records.iter().map(|ip| ip.meta().name.to_string()).collect();
        let named: BTreeSet<String> = ports.into_keys().collect();
        for (what, names) in [("ports", named), ("records", recorded)] {
            left.extend(names.symmetric_difference(&wanted).map(|name| format!("{what}: {name}")));
        }
        for object in self.cluster.objects(Kind::Subnet) {
            let Object::Subnet(subnet) = object else { continue };
            let of_it = |ip: &&Object| matches!(ip, Object::Ip(ip) if ip.spec.subnet == subnet.meta.name);
            let used = records.iter().filter(of_it).count();
            if subnet.status.v4usingIPs.0 != used as u128 {
                left.push(format!(
                    "{}: {used} used, status says {}",
                    subnet.meta.name, subnet.status.v4usingIPs
                ));
            }
        }
        left
    }

    /// What pods and nodes were told.
    pub(crate) fn addresses(&self) -> BTreeMap<String, String> {
        let objects = [Kind::Pod, Kind::Node].into_iter().flat_map(|kind| self.cluster.objects(kind));
        let told = |object: &Object| {
            let told = |key| object.meta().annotation(key).unwrap_or_default().to_owned();
            told(nic::IP_ADDRESS.ovn()) + " " + &told(nic::MAC_ADDRESS.ovn())
        };
        objects.map(|object| (object.key().to_string(), told(&object))).collect()
    }

    /// What has happened so far.
    pub(crate) fn now(&self) -> Mark {
        Mark { sent: self.sent.load(Ordering::SeqCst), updates: self.seen.updates() }
    }

    /// Watches for a while: the controller sends nothing, and nothing changes in the database.
    pub(crate) fn stays_silent_since(&self, mark: Mark) {
        std::thread::sleep(IDLE);
        assert_eq!(self.now(), mark, "the controller wrote though nothing was due");
    }

    /// How many transactions were sent since.
    pub(crate) fn sent_since(&self, mark: Mark) -> usize {
        self.now().sent - mark.sent
    }

    /// What the database refused so far.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap().clone()
    }

    /// One transaction that deletes every row there is.
    pub(crate) fn empty(&self) {
        let tables = ["Logical_Switch", "Logical_Router", "NB_Global"];
        let mut transaction = vec![serde_json::json!(DATABASE)];
        transaction
            .extend(tables.map(|table| serde_json::json!({"op": "delete", "table": table, "where": []})));
        let transaction = serde_json::Value::from(transaction).to_string();
        tool("ovsdb-client", &["transact", &self.server.endpoint(), &transaction]);
    }

    /// Ends the server as a crash would; what it held is lost, and another one starts with nothing.
    pub(crate) fn lose_everything(&mut self) {
        self.server.kill();
        let database = self.directory.path("nb.db");
        std::fs::remove_file(&database).unwrap();
        tool("ovsdb-tool", &["create", database.to_str().unwrap(), SCHEMA]);
        self.server.run();
    }
}

/// Asks again and again until it is so; `false` when it is not so for too long.
fn in_time(mut so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// A cluster that holds these objects.
pub(crate) fn cluster_of(objects: impl IntoIterator<Item = Object>) -> Arc<MemoryCluster> {
    let cluster = MemoryCluster::new();
    for object in objects {
        cluster.apply(object).unwrap();
    }
    Arc::new(cluster)
}

/// The output of a program that must succeed.
pub(crate) fn tool(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let (text, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && !text.contains("\"error\""),
        "{program} {arguments:?}: {errors} {text}"
    );
    text
}

/// No two controllers of a test process have the same.
fn nonce() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

#[async_trait]
impl Database for Counted {
    fn submit(&mut self, txn: Txn) {
        self.sent.fetch_add(1, Ordering::SeqCst);
        self.client.submit(txn);
    }

    async fn next(&mut self) -> DbEvent {
        let event = self.client.next().await;
        if let DbEvent::Committed { outcome: Outcome::Rejected { text, .. }, .. } = &event {
            self.refused.lock().unwrap().push(text.clone());
        }
        event
    }

    fn replica(&self) -> &dyn Replica {
        self.client.replica()
    }
}
