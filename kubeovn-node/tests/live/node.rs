//! A node with a running daemon: its namespace, its switch, its socket, and the cluster it hears of.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, fs};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use kubeovn_core::cni::{AttachmentId, Environment, Printed};
use kubeovn_core::contract::cluster::{Cluster, ClusterError, Event, Write};
use kubeovn_core::index::objects::{
    Kind, Meta, Name, Node as NodeObject, Object, ObjectKey, Pod, Subnet, SubnetSpec,
};
use kubeovn_node::cni::plugin;
use kubeovn_node::cni::timing::{Observer, Stages};
use kubeovn_node::daemon::{Daemon, DaemonConfig, DaemonError, Firewall, Obstacles, Passed, TunnelSource};
use kubeovn_node::netns::NetNs;
use kubeovn_node::tunnel::TunnelWish;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::guard::TestNs;
use crate::vswitch::{Conduct, Control, Rows, Vswitch};

/// The annotations of a pod that has its addresses.
pub(crate) const GIVEN: &[(&str, &str)] = &[
    ("ovn.kubernetes.io/allocated", "true"),
    ("ovn.kubernetes.io/ip_address", "10.16.0.9,fd16::9"),
    ("ovn.kubernetes.io/mac_address", "0a:58:0a:10:00:09"),
    ("ovn.kubernetes.io/cidr", "10.16.0.0/16,fd16::/112"),
    ("ovn.kubernetes.io/gateway", "10.16.0.1,fd16::1"),
    ("ovn.kubernetes.io/logical_switch", "ovn-default"),
];

/// The same, but for these.
pub(crate) fn with(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let kept = GIVEN.iter().filter(|(key, _)| changes.iter().all(|(other, _)| other != key));
    kept.chain(changes).copied().collect()
}

/// The annotations of a node that has its address.
pub(crate) const NODE_GIVEN: &[(&str, &str)] = &[
    ("ovn.kubernetes.io/allocated", "true"),
    ("ovn.kubernetes.io/ip_address", "100.64.0.2"),
    ("ovn.kubernetes.io/mac_address", "0a:58:64:40:00:02"),
    ("ovn.kubernetes.io/cidr", "100.64.0.0/16"),
    ("ovn.kubernetes.io/gateway", "100.64.0.1"),
];

/// A cluster that tells what the test tells, and takes every write.
struct Feed(Mutex<Option<mpsc::UnboundedReceiver<Event>>>);

#[async_trait]
impl Cluster for Feed {
    fn watch(&self, _kinds: &[Kind]) -> BoxStream<'static, Event> {
        let received = self.0.lock().expect("no panic").take().expect("one watcher");
        let next = |mut received: mpsc::UnboundedReceiver<Event>| async {
            received.recv().await.map(|event| (event, received))
        };
        stream::unfold(received, next).boxed()
    }

    async fn write(&self, _write: Write) -> Result<Name, ClusterError> {
        Ok(Name::default())
    }
}

/// What the daemon tells of the time that it takes.
#[derive(Debug, Default)]
pub(crate) struct Told {
    begun: Mutex<Vec<AttachmentId>>,
    added: Mutex<Vec<(AttachmentId, Stages)>>,
}

impl Told {
    /// Of the last ADD.
    pub(crate) fn last(&self) -> (AttachmentId, Stages) {
        self.added.lock().expect("no panic").last().expect("an ADD").clone()
    }

    /// Whether an ADD of this sandbox has come to the daemon and has not ended.
    pub(crate) fn works_on(&self, container: &str) -> bool {
        let is_of = |id: &AttachmentId| *id.container_id == *container;
        let ended = self.added.lock().expect("no panic").iter().filter(|(id, _)| is_of(id)).count();
        let begun = self.begun.lock().expect("no panic").iter().filter(|id| is_of(id)).count();
        begun > ended
    }
}

impl Observer for Told {
    fn answered(&self, _path: &'static str, _status: u16, _took: Duration) {}

    fn begun(&self, id: &AttachmentId) {
        self.begun.lock().expect("no panic").push(id.clone());
    }

    fn added(&self, id: &AttachmentId, stages: &Stages) {
        self.added.lock().expect("no panic").push((id.clone(), stages.clone()));
    }
}

/// A node and its daemon.
pub(crate) struct Node {
    pub(crate) ns: Arc<TestNs>,
    pub(crate) switch: Control,
    pub(crate) told: Arc<Told>,
    pub(crate) obstacles: watch::Receiver<Obstacles>,
    pub(crate) passed: Passed,
    dir: PathBuf,
    events: mpsc::UnboundedSender<Event>,
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<Result<(), DaemonError>>,
}

impl Node {
    /// A node with an empty bridge whose daemon has read an empty cluster.
    pub(crate) fn start() -> Self {
        Self::patient(Duration::from_secs(10))
    }

    /// The same, but its ADDs give up after `wait`.
    pub(crate) fn patient(wait: Duration) -> Self {
        Self::with(Arc::new(TestNs::new("node")), Rows::with_bridge(), wait, Conduct::Works)
    }

    /// A node on which Kube-OVN has left rows.
    pub(crate) fn upgraded(ns: TestNs, rows: Rows) -> Self {
        Self::upgraded_on(Conduct::Works, ns, rows)
    }

    /// The same, on a switch that behaves so.
    pub(crate) fn upgraded_on(conduct: Conduct, ns: TestNs, rows: Rows) -> Self {
        Self::with(Arc::new(ns), rows, Duration::from_secs(10), conduct)
    }

    /// A node that keeps the gateway on its host.
    pub(crate) fn with_gateway(ns: TestNs, firewall: Firewall) -> Self {
        Self::with_subnets(Arc::new(ns), Some(firewall), Vec::new())
    }

    /// A node, perhaps one that keeps the gateway on its host, whose cluster has these subnets from the beginning.
    pub(crate) fn with_subnets(ns: Arc<TestNs>, firewall: Option<Firewall>, subnets: Vec<Subnet>) -> Self {
        let tunnel = TunnelSource::Given { mtu: 1400 };
        Self::begin(
            ns,
            Rows::with_bridge(),
            Duration::from_secs(10),
            Conduct::Works,
            (firewall, subnets, tunnel),
        )
    }

    /// A node that sees to its tunnels.
    pub(crate) fn with_tunnels(ns: TestNs) -> Self {
        let tunnel = TunnelSource::Wish(TunnelWish::default());
        let patience = Duration::from_secs(10);
        Self::begin(Arc::new(ns), Rows::with_bridge(), patience, Conduct::Works, (None, Vec::new(), tunnel))
    }

    /// Stops the daemon.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        self.ended().await.expect("no part of it has ended");
    }

    fn with(ns: Arc<TestNs>, rows: Rows, wait: Duration, conduct: Conduct) -> Self {
        let tunnel = TunnelSource::Given { mtu: 1400 };
        Self::begin(ns, rows, wait, conduct, (None, Vec::new(), tunnel))
    }

    fn begin(
        ns: Arc<TestNs>,
        rows: Rows,
        wait: Duration,
        conduct: Conduct,
        (firewall, subnets, tunnel): (Option<Firewall>, Vec<Subnet>, TunnelSource),
    ) -> Self {
        let dir = env::temp_dir().join(&ns.name);
        fs::create_dir_all(&dir).expect("a directory");
        let (db, switch) = Vswitch::open(rows, conduct);
        let (events, received) = mpsc::unbounded_channel();
        let config = DaemonConfig {
            netns: ns.ns.clone(),
            socket: dir.join("daemon.sock"),
            wait,
            tunnel,
            firewall,
            ..DaemonConfig::new("n1").expect("own namespace")
        };
        let feed = Arc::new(Feed(Mutex::new(Some(received))));
        let told = Arc::new(Told::default());
        let daemon = Daemon::new(config, Box::new(db), feed).expect("start").observed(told.clone());
        let (obstacles, passed) = (daemon.obstacles(), daemon.passed());
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(daemon.run(async { drop(stopped.await) }));
        let node = Self { ns, switch, told, obstacles, passed, dir, events, stop: Some(stop), done };
        node.subnet("ovn-default", "10.16.0.0/16,fd16::/112", 1400);
        subnets.into_iter().for_each(|subnet| node.tell(Event::Applied(Object::Subnet(subnet))));
        for kind in [Kind::Node, Kind::Subnet, Kind::Pod] {
            node.tell(Event::Listed(kind));
        }
        node
    }

    /// Stops the daemon and starts another on the same rows.
    pub(crate) async fn restart(self) -> Self {
        self.restart_on(Conduct::Works).await
    }

    /// The same, on a switch that behaves so.
    pub(crate) async fn restart_on(self, conduct: Conduct) -> Self {
        let rows = self.switch.rows();
        self.restart_with(conduct, rows).await
    }

    /// The same, where others changed the rows meanwhile.
    pub(crate) async fn restart_with(mut self, conduct: Conduct, rows: Rows) -> Self {
        drop(self.stop.take());
        self.ended().await.expect("no part of it has ended");
        let ns = self.ns.clone();
        // Before the successor is there, since it takes the socket's directory along.
        drop(self);
        Self::with(ns, rows, Duration::from_secs(10), conduct)
    }

    /// How the daemon ends.
    pub(crate) async fn ended(&mut self) -> Result<(), DaemonError> {
        (&mut self.done).await.expect("the daemon ends")
    }

    pub(crate) fn tell(&self, event: Event) {
        self.events.send(event).expect("the daemon listens");
    }

    pub(crate) fn subnet(&self, name: &str, cidr: &str, mtu: u32) {
        let spec = SubnetSpec { cidr_block: cidr.into(), mtu, ..SubnetSpec::default() };
        self.tell(Event::Applied(Object::Subnet(Subnet {
            meta: Meta::named(name),
            spec,
            ..Subnet::default()
        })));
    }

    /// A pod whose uid is its name.
    pub(crate) fn pod(&self, name: &str, annotations: &[(&str, &str)]) {
        self.pod_with_uid(name, name, annotations);
    }

    pub(crate) fn pod_with_uid(&self, name: &str, uid: &str, annotations: &[(&str, &str)]) {
        let meta = Meta { namespace: "default".into(), uid: uid.into(), ..meta(name, annotations) };
        self.tell(Event::Applied(Object::Pod(Pod { meta, node: Some("n1".into()), ..Pod::default() })));
    }

    pub(crate) fn node(&self, annotations: &[(&str, &str)], internal: &str) {
        let internal = internal.parse().expect("addresses");
        self.tell(Event::Applied(Object::Node(NodeObject {
            meta: meta("n1", annotations),
            internal,
            ..NodeObject::default()
        })));
    }

    pub(crate) fn no_subnet(&self, name: &str) {
        self.tell(Event::Deleted { key: ObjectKey::cluster(Kind::Subnet, name), uid: "".into() });
    }

    /// Where the daemon listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("daemon.sock")
    }

    /// Runs the plugin for a sandbox; what it printed.
    pub(crate) async fn call(
        &self,
        verb: &str,
        pod: &str,
        container: &str,
        netns: Option<&NetNs>,
    ) -> Printed {
        self.call_for(verb, pod, container, "eth0", netns).await
    }

    /// The same for an interface of any name.
    pub(crate) async fn call_for(
        &self,
        verb: &str,
        pod: &str,
        container: &str,
        if_name: &str,
        netns: Option<&NetNs>,
    ) -> Printed {
        let file = netns.map(|ns| ns.path().display().to_string()).unwrap_or_default();
        self.call_at(verb, pod, container, if_name, file).await
    }

    async fn call_at(&self, verb: &str, pod: &str, container: &str, if_name: &str, netns: String) -> Printed {
        let env = Environment {
            command: verb.into(),
            container_id: container.into(),
            net_ns: netns,
            if_name: if_name.into(),
            args: format!("K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod};K8S_POD_UID={pod}"),
        };
        let mut conf = json!({"cniVersion": "1.1.0", "name": "net", "type": "kube-ovn"});
        conf["server_socket"] = json!(self.socket());
        conf["prevResult"] = json!({});
        conf["cni.dev/valid-attachments"] = json!([]);
        let input = conf.to_string();
        spawn_blocking(move || plugin::run(&env, input.as_bytes())).await.expect("join")
    }

    /// ADD, which must succeed; the result.
    pub(crate) async fn add(&self, pod: &str, container: &str, netns: &NetNs) -> Value {
        let printed = self.call("ADD", pod, container, Some(netns)).await;
        assert!(printed.success, "{printed:?}");
        printed.output.expect("a result")
    }

    /// A verb that must succeed without a word.
    pub(crate) async fn fine(&self, verb: &str, pod: &str, container: &str, netns: Option<&NetNs>) {
        assert_eq!(self.call(verb, pod, container, netns).await, Printed { output: None, success: true });
    }

    /// ADD with a file that names no namespace; what the user reads.
    pub(crate) async fn add_at(&self, pod: &str, container: &str, netns: &str) -> String {
        let printed = self.call_at("ADD", pod, container, "eth0", netns.to_owned()).await;
        assert!(!printed.success, "{printed:?}");
        printed.output.expect("an error")["details"].as_str().expect("a text").to_owned()
    }

    /// A verb that must fail; what the user reads.
    pub(crate) async fn refused(&self, verb: &str, pod: &str, container: &str, netns: &NetNs) -> String {
        let printed = self.call(verb, pod, container, Some(netns)).await;
        assert!(!printed.success, "{printed:?}");
        printed.output.expect("an error")["details"].as_str().expect("a text").to_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.done.abort();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn meta(name: &str, annotations: &[(&str, &str)]) -> Meta {
    let annotations = annotations.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    Meta { annotations, ..Meta::named(name) }
}

/// Waits for a condition, and fails the test when it does not come.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let poll = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), poll).await.is_ok(), "{what} did not come");
}
