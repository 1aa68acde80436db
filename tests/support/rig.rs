//! A server, a cluster, a controller, and an eye on what the controller does.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use kubeovn_bins::run::asking::Asking;
use kubeovn_core::{cluster::memory::MemoryCluster, index::objects::Object};
use kubeovn_ovn::ovsdb::connect::ConnectConfig;
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

use crate::{
    driven::{self, Drive, Journal},
    seen::{Rows, Seen, difference},
    server::{DATABASE, Directory, SCHEMA, Server, wait_for},
    settled::{addresses, cluster_of, in_time, tool, unsettled},
};

/// How long a controller is watched that should do nothing.
const IDLE: Duration = Duration::from_secs(2);

/// How long to wait for what should come at once, be it a thousand pods on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_mins(2);

/// The runtime goes first and takes controller and eye along; then the server, then its directory.
pub(crate) struct Rig {
    runtime: Runtime,
    controller: Option<JoinHandle<()>>,
    pub(crate) cluster: Arc<MemoryCluster>,
    pub(crate) seen: Seen,
    /// What the controller sent and heard.
    journal: Arc<Journal>,
    /// How controllers that are started from now on ask gateways whether they answer.
    pub(crate) asking: Option<Asking>,
    pub(crate) server: Server,
    pub(crate) directory: Directory,
}

/// A mark in time, see [`Rig::now`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    sent: usize,
    updates: usize,
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
        Self::on(directory, server, cluster_of(objects))
    }

    /// Everything but the controller, on a server that runs.
    pub(crate) fn on(directory: Directory, server: Server, cluster: Arc<MemoryCluster>) -> Self {
        // One thread for what runs by itself; the test has its own, on which it may wait.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let seen = Seen::watch(runtime.handle(), server.socket());
        let rig = Rig {
            runtime,
            controller: None,
            cluster,
            seen,
            journal: Arc::default(),
            asking: None,
            server,
            directory,
        };
        wait_for("the eye to open", || rig.seen.connected().then_some(()));
        rig
    }

    pub(crate) fn start(&mut self) {
        let config = ConnectConfig::new(self.server.endpoint().parse().unwrap(), DATABASE);
        let drive = Drive { asking: self.asking.clone(), ..Drive::new(config) };
        let run = driven::controller(drive, self.cluster.clone(), self.journal.clone());
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
        let done = in_time(PATIENCE, || {
            left = difference(wanted, &self.rows());
            left.is_empty()
        });
        assert!(done, "{what}; from what is wanted to what there is:\n{left}");
    }

    /// Waits until nothing is left to do, see [`unsettled`].
    pub(crate) fn settle(&self) {
        let mut left = Vec::new();
        let done = in_time(PATIENCE, || {
            left = unsettled(&self.cluster, &self.seen);
            left.is_empty()
        });
        assert!(done, "not settled: {left:#?}\n{:#?}", self.cluster.notes());
    }

    /// What pods and nodes were told.
    pub(crate) fn addresses(&self) -> BTreeMap<String, String> {
        addresses(&self.cluster)
    }

    /// What has happened so far.
    pub(crate) fn now(&self) -> Mark {
        Mark { sent: self.journal.sent(), updates: self.seen.updates() }
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
        self.journal.refused()
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
