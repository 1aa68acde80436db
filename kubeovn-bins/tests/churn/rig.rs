//! A node with everything, but for an API server and a kubelet.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kubeovn_bins::{
    lab::{
        fabric::{self, Fabric, NodeHandle},
        manifest::PodName,
        pods::Runtime,
        state::StateDir,
    },
    run::controller,
};
use kubeovn_core::{
    cluster::memory::MemoryCluster,
    index::{
        Settings,
        objects::{Kind, Meta, Node, Object, ObjectKey, Pod},
    },
    rows::Schema,
};
use kubeovn_node::{
    daemon::{Daemon, DaemonConfig, Firewall, TunnelSource},
    ovs,
};
use kubeovn_ovn::{
    nb::NORTHBOUND,
    ovsdb::{
        client::{Client, FenceConfig, SoleWriter},
        connect::{ConnectConfig, Connector, Endpoint, Endpoints},
        txn::Identity,
    },
};
use tokio::{sync::mpsc, task::JoinHandle};
use uuid::Uuid;

/// The node's name.
pub(crate) const NODE: &str = "n1";

/// The plugin.
pub(crate) const PLUGIN: &str = env!("CARGO_BIN_EXE_kubeovn-cni");

/// How long to wait for what should come soon.
const PATIENCE: Duration = Duration::from_mins(1);

/// Dropped in this order: what runs, then the fabric under it, then what the fabric left.
pub(crate) struct Rig {
    daemon: Task,
    controller: Task,
    pub(crate) cluster: Arc<MemoryCluster>,
    pub(crate) runtime: Runtime,
    pub(crate) node: NodeHandle,
    fabric: Fabric,
    _lab: Lab,
}

/// A lab of this test's own, removed whatever happens.
struct Lab(StateDir);

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fabric::sweep(&self.0);
    }
}

/// Something that runs as long as its value is there.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Rig {
    /// A node that has its own port, with no pod.
    pub(crate) async fn start() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name =
            format!("churn{}x{}", std::process::id() % 1_000_000, COUNT.fetch_add(1, Ordering::Relaxed));
        let lab = Lab(StateDir::new(name.parse().unwrap()));
        let (tell, _events) = mpsc::unbounded_channel();
        let fabric = Fabric::start(lab.0.clone(), tell).await.unwrap();
        let node = fabric.node_up(NODE).await.unwrap();
        let cluster = Arc::new(MemoryCluster::new());
        cluster
            .apply(Object::Node(Node {
                meta: Meta::named(NODE),
                internal: node.underlay.to_string().parse().unwrap(),
                ..Node::default()
            }))
            .unwrap();
        let runtime = Runtime::new(lab.0.clone(), PLUGIN.into());
        let controller = control(&fabric, &cluster);
        let daemon = daemon(&node, &cluster);
        let rig = Self { daemon, controller, cluster, runtime, node, fabric, _lab: lab };
        rig.becomes("the node's port and its firewall", |rig| {
            let ovn0 = rig.vsctl(&["--bare", "--columns=external_ids", "find", "Interface", "name=ovn0"]);
            let list = || Command::new("nft").args(["list", "table", "ip", "kube-ovn"]).output();
            let table = rig.node.netns.run(list).unwrap().unwrap();
            ovn0.contains("ovn-installed") && table.status.success()
        })
        .await;
        rig
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) {
        let Self { daemon, controller, runtime, fabric, _lab, .. } = self;
        drop((daemon, controller, runtime));
        fabric.stop().await.unwrap();
    }

    /// Nobody gives pods addresses until another one is started.
    pub(crate) fn stop_controller(&mut self) {
        self.controller = Task(tokio::spawn(async {}));
    }

    pub(crate) fn start_controller(&mut self) {
        self.controller = control(&self.fabric, &self.cluster);
    }

    /// Where the daemon listens.
    pub(crate) fn socket(&self) -> PathBuf {
        socket(&self.node)
    }

    /// Makes a pod on the node.
    pub(crate) fn bind(&self, pod: &PodName) {
        let meta =
            Meta { namespace: (*pod.namespace).into(), uid: uid(pod).into(), ..Meta::named(&pod.name) };
        self.cluster.apply(Object::Pod(Pod { meta, node: Some(NODE.into()), ..Pod::default() })).unwrap();
    }

    /// Deletes it.
    pub(crate) fn delete(&self, pod: &PodName) {
        let (namespace, name) = ((*pod.namespace).into(), (*pod.name).into());
        self.cluster.delete(&ObjectKey { kind: Kind::Pod, namespace, name }).unwrap();
    }

    /// ADD.
    pub(crate) async fn add(&self, pod: &PodName) {
        let plugged = self.runtime.plug(pod, &uid(pod), &self.node, &self.socket()).await;
        plugged.unwrap_or_else(|error| panic!("{}: {error}", pod.name));
    }

    /// DEL.
    pub(crate) async fn del(&self, pod: &PodName) {
        self.runtime.unplug(pod).await.unwrap_or_else(|error| panic!("{}: {error}", pod.name));
    }

    pub(crate) fn vsctl(&self, words: &[&str]) -> String {
        let database = format!("--db=unix:{}", self.node.ovsdb.display());
        run("ovs-vsctl", &[&[&*database, "--timeout=10"], words].concat())
    }

    /// What there is of pods, by what it is.
    pub(crate) fn census(&self) -> Census {
        let inside = |program: &str, words: &[&str]| {
            let output = self.node.netns.run(|| Command::new(program).args(words).output()).unwrap().unwrap();
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let table = inside("nft", &["-j", "list", "table", "ip", "kube-ovn"]);
        let table: serde_json::Value = serde_json::from_str(&table).unwrap();
        let objects = table["nftables"].as_array().unwrap();
        let links = inside("ip", &["-o", "link"]);
        let northbound = format!("--db=unix:{}", self.fabric.northbound().display());
        let logical =
            run("ovn-nbctl", &[&northbound, "--bare", "--columns=name", "list", "Logical_Switch_Port"]);
        let own = format!("{}.", self.fabric.state().name());
        let namespaces = fs::read_dir("/run/netns").unwrap().flatten();
        Census {
            namespaces: namespaces
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(&own))
                .count(),
            links: links.lines().count(),
            ports: self.vsctl(&["list-ports", "br-int"]).lines().count(),
            interfaces: self
                .vsctl(&["--bare", "--columns=name", "list", "Interface"])
                .split_whitespace()
                .count(),
            logical: logical.split_whitespace().count(),
            elements: objects
                .iter()
                .filter_map(|object| object["set"]["elem"].as_array())
                .map(Vec::len)
                .sum(),
            records: self.cluster.objects(Kind::Ip).len(),
        }
    }

    /// Asks again and again until it is so.
    pub(crate) async fn becomes(&self, what: &str, mut so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !so(self) {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until there is what there was.
    pub(crate) async fn is_as_before(&self, before: &Census) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.census();
            if now == *before {
                return;
            }
            assert!(Instant::now() < deadline, "left behind: {now:?}, not {before:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// What there is, by what it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) namespaces: usize,
    pub(crate) links: usize,
    pub(crate) ports: usize,
    pub(crate) interfaces: usize,
    pub(crate) logical: usize,
    pub(crate) elements: usize,
    pub(crate) records: usize,
}

/// A pod's name.
pub(crate) fn name(name: String) -> PodName {
    PodName { namespace: "default".to_owned(), name }
}

pub(crate) fn uid(pod: &PodName) -> String {
    format!("uid-{}", pod.name)
}

/// Where the daemon of a node listens.
fn socket(node: &NodeHandle) -> PathBuf {
    node.dir.join("cni.sock")
}

/// Runs a program that must succeed.
pub(crate) fn run(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().unwrap();
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A client of the database on a unix socket.
pub(crate) fn client(schema: &'static Schema, socket: PathBuf, fence: Option<FenceConfig>) -> Client {
    let config = ConnectConfig::new(Endpoints::from(Endpoint::Unix(socket)), schema.database);
    let connector = Connector::new(config, Box::new(|| 0.0));
    Client::new(schema, connector, Identity::Given(Uuid::nil()), fence)
}

fn control(fabric: &Fabric, cluster: &Arc<MemoryCluster>) -> Task {
    let fence = FenceConfig { authority: Arc::new(SoleWriter), nonce: Box::new(nonce), eager: false };
    let client = client(&NORTHBOUND, fabric.northbound(), Some(fence));
    let company = controller::Company::default();
    Task(tokio::spawn(controller::run(Settings::default(), cluster.clone(), Box::new(client), company)))
}

/// No two controllers of this test have the same.
fn nonce() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

fn daemon(node: &NodeHandle, cluster: &Arc<MemoryCluster>) -> Task {
    let config = DaemonConfig {
        netns: node.netns.clone(),
        socket: socket(node),
        tunnel: TunnelSource::Given { mtu: 1400 },
        firewall: Some(Firewall::Nftables),
        ..DaemonConfig::new(NODE).unwrap()
    };
    let switch = Box::new(client(&ovs::SCHEMA, node.ovsdb.clone(), None));
    let daemon = Daemon::new(config, switch, cluster.clone()).unwrap();
    Task(tokio::spawn(async { daemon.run(std::future::pending()).await.unwrap() }))
}
