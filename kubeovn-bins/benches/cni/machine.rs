//! One machine in namespaces: OVS, OVN, the daemon, and pods that the controller has given their addresses.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kubeovn_bins::lab::fabric::{self, Fabric, NodeHandle};
use kubeovn_bins::lab::state::StateDir;
use kubeovn_core::annotations::{nic, node as key};
use kubeovn_core::cluster::memory::MemoryCluster;
use kubeovn_core::index::objects::{
    Kind, Meta, Node, Object, ObjectKey, Pod as PodObject, Subnet, SubnetSpec,
};
use kubeovn_node::daemon::{Daemon, DaemonConfig, Firewall, Obstacles, TunnelSource};
use kubeovn_node::netns::NetNs;
use kubeovn_node::ovs;
use kubeovn_node::tunnel::TunnelWish;
use kubeovn_ovn::ovsdb::client::Client;
use kubeovn_ovn::ovsdb::connect::{ConnectConfig, Connector, Endpoint, Endpoints};
use kubeovn_ovn::ovsdb::txn::Identity;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::plugin::{self, Call};
use crate::record::Record;

const NODE: &str = "n1";
const PATIENCE: Duration = Duration::from_mins(1);

/// All of it; gone with this value, also on panic.
pub(crate) struct Machine {
    pub(crate) node: NodeHandle,
    pub(crate) record: Arc<Record>,
    socket: PathBuf,
    cluster: Arc<MemoryCluster>,
    daemon: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    fabric: Option<Fabric>,
    // Goes after all that lives in it.
    sweep: Sweep,
}

/// A pod's sandbox, with a logical port in OVN.
pub(crate) struct Pod {
    pub(crate) namespace: &'static str,
    pub(crate) name: String,
    pub(crate) container: String,
    pub(crate) netns: NetNs,
    netns_name: String,
    number: usize,
}

impl Machine {
    /// A node that is ready, and logical ports for so many pods.
    pub(crate) async fn start(pods: usize) -> Self {
        let state = StateDir::new(format!("cnibench{}", std::process::id()).parse().unwrap());
        let sweep = Sweep(state.clone());
        let (events, mut told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(event) = told.recv().await {
                eprintln!("{event:?}");
            }
        });
        let fabric = Fabric::start(state.clone(), events).await.unwrap();
        let node = fabric.node_up(NODE).await.unwrap();
        network(&fabric, pods).await;
        let cluster = Arc::new(MemoryCluster::new());
        objects(&node).into_iter().for_each(|object| drop(cluster.apply(object).unwrap()));
        let socket = node.dir.join("cni.sock");
        let config = DaemonConfig {
            netns: node.netns.clone(),
            socket: socket.clone(),
            tunnel: TunnelSource::Wish(TunnelWish {
                own: vec![node.underlay.into()],
                ..TunnelWish::default()
            }),
            firewall: Some(Firewall::Nftables),
            services: vec!["10.96.0.0/12".parse().unwrap()],
            ..DaemonConfig::new(NODE).unwrap()
        };
        let endpoint = Endpoints::from(Endpoint::Unix(node.ovsdb.clone()));
        let connector = Connector::new(ConnectConfig::new(endpoint, ovs::SCHEMA.database), Box::new(|| 0.0));
        let switch = Client::new(&ovs::SCHEMA, connector, Identity::Given(Uuid::nil()), None);
        let record = Arc::new(Record::default());
        let daemon = Daemon::new(config, Box::new(switch), cluster.clone()).unwrap().observed(record.clone());
        let mut obstacles = daemon.obstacles();
        let (stop, stopped) = oneshot::channel();
        let daemon = tokio::spawn(async { daemon.run(async { drop(stopped.await) }).await.unwrap() });
        let ready = tokio::time::timeout(PATIENCE, obstacles.wait_for(Obstacles::is_empty));
        assert!(ready.await.is_ok(), "the node does not get ready: {:?}", obstacles.borrow());
        let (fabric, daemon) = (Some(fabric), Some((stop, daemon)));
        Machine { node, record, socket, cluster, daemon, fabric, sweep }
    }

    pub(crate) async fn stop(mut self) {
        let (stop, daemon) = self.daemon.take().unwrap();
        drop(stop);
        daemon.await.unwrap();
        self.fabric.take().unwrap().stop().await.unwrap();
    }

    /// A sandbox; the cluster knows nothing of it yet.
    pub(crate) async fn pod(&self, number: usize) -> Pod {
        let name = format!("web-{number}");
        let (netns_name, netns) = self.namespace(&name).await;
        let container = format!("{number:04}{}", Uuid::from_u128(rand()).simple());
        Pod { namespace: "default", name, container, netns, netns_name, number }
    }

    /// The controller gives it its address.
    pub(crate) fn give(&self, pod: &Pod) {
        let (third, fourth) = (pod.number / 200, pod.number % 200 + 10);
        let annotations = [
            (nic::ALLOCATED.ovn(), "true".to_owned()),
            (nic::ROUTED.ovn(), "true".to_owned()),
            (nic::IP_ADDRESS.ovn(), format!("10.16.{third}.{fourth}")),
            (nic::MAC_ADDRESS.ovn(), mac(pod.number)),
            (nic::CIDR.ovn(), "10.16.0.0/16".to_owned()),
            (nic::GATEWAY.ovn(), "10.16.0.1".to_owned()),
            (nic::LOGICAL_SWITCH.ovn(), "ovn-default".to_owned()),
        ];
        let annotations = annotations.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let meta = Meta { namespace: pod.namespace.into(), annotations, ..Meta::named(&pod.name) };
        let object = PodObject { meta, node: Some(NODE.into()), ..PodObject::default() };
        self.cluster.apply(Object::Pod(object)).unwrap();
    }

    /// ADD; how long the plugin's process ran.
    pub(crate) async fn add(&self, pod: &Pod) -> Duration {
        Call::new("ADD", pod, &self.socket).alone().await
    }

    /// ADDs that start at the same moment.
    pub(crate) async fn add_all(&self, pods: &[Pod]) -> Vec<Duration> {
        plugin::at_once(pods.iter().map(|pod| Call::new("ADD", pod, &self.socket)).collect()).await
    }

    /// DEL; how long the plugin's process ran. The sandbox is gone then, and the pod.
    pub(crate) async fn del(&self, pod: &Pod) -> Duration {
        let took = Call::new("DEL", pod, &self.socket).alone().await;
        self.no_namespace(&pod.netns_name).await;
        let key =
            ObjectKey { kind: Kind::Pod, namespace: pod.namespace.into(), name: pod.name.as_str().into() };
        self.cluster.delete(&key).unwrap();
        took
    }

    /// A namespace that goes with the machine.
    pub(crate) async fn namespace(&self, name: &str) -> (String, NetNs) {
        let name = self.sweep.0.name().pod_netns("default", name);
        self.sweep.0.record_netns(&name).unwrap();
        let make = {
            let name = name.clone();
            move || NetNs::create_named(&name).unwrap()
        };
        (name, tokio::task::spawn_blocking(make).await.unwrap())
    }

    pub(crate) async fn no_namespace(&self, name: &str) {
        let name = name.to_owned();
        tokio::task::spawn_blocking(move || NetNs::delete_named(&name).unwrap()).await.unwrap();
    }
}

/// Removes what is left.
struct Sweep(StateDir);

impl Drop for Sweep {
    fn drop(&mut self) {
        let _ = fabric::sweep(&self.0);
    }
}

fn mac(number: usize) -> String {
    format!("0a:58:0a:10:{:02x}:{:02x}", number / 200, number % 200 + 10)
}

/// As much of a random number as names need.
fn rand() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_nanos() << 32
}

/// The logical network as the controller makes it, as far as a node has to do with it.
async fn network(fabric: &Fabric, pods: usize) {
    let mut line = "lr-add ovn-cluster".to_owned();
    for (switch, router, net) in
        [("join", "0a:58:64:40:00:01", "100.64.0.1/16"), ("ovn-default", "0a:58:0a:10:00:01", "10.16.0.1/16")]
    {
        let _ = write!(
            line,
            " -- ls-add {switch} -- lrp-add ovn-cluster r-{switch} {router} {net} -- lsp-add {switch} {switch}-r -- \
             lsp-set-type {switch}-r router -- lsp-set-addresses {switch}-r router -- lsp-set-options {switch}-r \
             router-port=r-{switch}"
        );
    }
    line += " -- lsp-add join node-n1 -- lsp-set-addresses node-n1 0a:58:64:40:00:02~100.64.0.2";
    for number in 0..pods {
        let (port, mac) = (format!("web-{number}.default"), mac(number));
        let ip = format!("10.16.{}.{}", number / 200, number % 200 + 10);
        let _ = write!(line, " -- lsp-add ovn-default {port} -- lsp-set-addresses {port} {mac}~{ip}");
    }
    let words = line.split_whitespace().map(|word| word.replace('~', " "));
    let database = format!("--db=unix:{}", fabric.northbound().display());
    let mut command = Command::new("ovn-nbctl");
    command.args([&database, "--timeout=60", "--wait=hv"]).args(words);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "ovn-nbctl: {}", String::from_utf8_lossy(&output.stderr));
}

/// The node, and the built-in subnets.
fn objects(node: &NodeHandle) -> Vec<Object> {
    let told = [
        (key::ALLOCATED, "true"),
        (key::IP_ADDRESS, "100.64.0.2"),
        (key::MAC_ADDRESS, "0a:58:64:40:00:02"),
        (key::CIDR, "100.64.0.0/16"),
        (key::GATEWAY, "100.64.0.1"),
    ];
    let annotations = told.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    let internal = node.underlay.to_string().parse().unwrap();
    let meta = Meta { annotations, ..Meta::named(NODE) };
    let subnet = |name: &str, cidr: &str, nat_outgoing| {
        let spec = SubnetSpec { cidr_block: cidr.into(), nat_outgoing, ..SubnetSpec::default() };
        Object::Subnet(Subnet { meta: Meta::named(name), spec, ..Subnet::default() })
    };
    vec![
        Object::Node(Node { meta, internal, ..Node::default() }),
        subnet("join", "100.64.0.0/16", false),
        subnet("ovn-default", "10.16.0.0/16", true),
    ]
}
