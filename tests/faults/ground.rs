//! What controllers stand on: a cluster and a Northbound that outlive them.

use std::sync::Arc;

use async_trait::async_trait;
use kubeovn_core::{
    cluster::memory::MemoryCluster,
    contract::{
        cluster::Cluster,
        database::{Database, DbEvent},
    },
    index::objects::{Kind, Object, ObjectKey},
    rows::{Replica, Txn},
};
use kubeovn_ovn::{
    memory::{Memory, Server},
    nb::NORTHBOUND,
};
use serde_json::Value;
use tokio::time::{Duration, sleep};

use crate::{
    seen::{Raw, replay},
    view::{Ports, doubles},
};

/// A cluster with its users, and a Northbound.
#[async_trait]
pub(crate) trait Ground: Send + Sync {
    /// For a controller that starts.
    fn cluster(&self) -> Arc<dyn Cluster>;

    /// For a controller that starts.
    fn database(&self) -> Box<dyn Database>;

    /// A user brings an object. A new one has an identity that none before it had.
    async fn apply(&self, object: Object);

    /// A user writes another VPC into a subnet; what the server says that refuses it.
    async fn set_vpc(&self, subnet: &str, vpc: &str) -> Result<(), String>;

    /// A user deletes an object, at once as far as nothing holds it.
    async fn delete(&self, key: &ObjectKey);

    async fn objects(&self, kind: Kind) -> Vec<Object>;

    fn rows(&self) -> Raw;

    /// Addresses that were in two ports at once, ever.
    fn doubles(&self) -> Vec<String>;

    /// What objects were told in events: code and sentence.
    async fn notes(&self) -> Vec<(ObjectKey, String)>;

    /// Time for something to happen.
    async fn moment(&self);
}

/// An object as an API server tells it.
pub(crate) fn read(kind: Kind, value: Value) -> Object {
    match kind {
        Kind::Vpc => Object::Vpc(serde_json::from_value(value).unwrap()),
        Kind::Subnet => Object::Subnet(serde_json::from_value(value).unwrap()),
        Kind::IpPool => Object::IpPool(serde_json::from_value(value).unwrap()),
        Kind::Ip => Object::Ip(serde_json::from_value(value).unwrap()),
        Kind::Pod => Object::Pod(serde_json::from_value(value).unwrap()),
        Kind::StatefulSet => Object::StatefulSet(serde_json::from_value(value).unwrap()),
        Kind::VirtualMachine => Object::VirtualMachine(serde_json::from_value(value).unwrap()),
        Kind::VirtualMachineInstance => {
            Object::VirtualMachineInstance(serde_json::from_value(value).unwrap())
        }
        Kind::Namespace => Object::Namespace(serde_json::from_value(value).unwrap()),
        Kind::Node => Object::Node(serde_json::from_value(value).unwrap()),
    }
}

/// All in memory; its clock runs only when nobody has anything to do.
pub(crate) struct InMemory {
    pub(crate) cluster: Arc<MemoryCluster>,
    eye: Memory,
    born: std::sync::atomic::AtomicUsize,
}

impl InMemory {
    pub(crate) fn new() -> Self {
        let eye = Memory::new(&NORTHBOUND, Server::of(&NORTHBOUND));
        InMemory { cluster: Arc::new(MemoryCluster::new()), eye, born: 0.into() }
    }
}

#[async_trait]
impl Ground for InMemory {
    fn cluster(&self) -> Arc<dyn Cluster> {
        self.cluster.clone()
    }

    fn database(&self) -> Box<dyn Database> {
        Box::new(Watched(self.eye.another()))
    }

    async fn apply(&self, mut object: Object) {
        if self.cluster.get(&object.key()).is_none() {
            let number = self.born.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            object.meta_mut().uid = format!("uid-{number}").into();
        }
        self.cluster.apply(object).unwrap();
    }

    async fn set_vpc(&self, subnet: &str, vpc: &str) -> Result<(), String> {
        let key = ObjectKey::cluster(Kind::Subnet, subnet);
        let Some(Object::Subnet(mut subnet)) = self.cluster.get(&key) else { panic!("no {key}") };
        vpc.clone_into(&mut subnet.spec.vpc);
        self.cluster.apply(Object::Subnet(subnet)).map(drop).map_err(|error| error.to_string())
    }

    async fn delete(&self, key: &ObjectKey) {
        self.cluster.delete(key).unwrap();
    }

    async fn objects(&self, kind: Kind) -> Vec<Object> {
        self.cluster.objects(kind)
    }

    fn rows(&self) -> Raw {
        let mut rows = Raw::new();
        replay(&mut rows, self.eye.inspect(Server::dump));
        rows
    }

    fn doubles(&self) -> Vec<String> {
        // Each transaction is looked at when it is made.
        Vec::new()
    }

    async fn notes(&self) -> Vec<(ObjectKey, String)> {
        let notes = self.cluster.notes().into_iter().map(|told| told.note);
        notes.map(|note| (note.key, format!("{}: {}", note.reason, note.message))).collect()
    }

    async fn moment(&self) {
        sleep(Duration::from_millis(50)).await;
    }
}

/// No address is in two ports after any transaction.
struct Watched(Memory);

#[async_trait]
impl Database for Watched {
    fn submit(&mut self, txn: Txn) {
        self.0.submit(txn);
        let mut rows = Raw::new();
        replay(&mut rows, self.0.inspect(Server::dump));
        assert_eq!(doubles(&Ports::of(&rows)), [""; 0]);
    }

    async fn next(&mut self) -> DbEvent {
        self.0.next().await
    }

    fn replica(&self) -> &dyn Replica {
        self.0.replica()
    }
}
