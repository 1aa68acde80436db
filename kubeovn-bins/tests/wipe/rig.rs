//! Two nodes, many pods of which two are plugged and ask each other, a controller, and an eye on either database.

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ipnet::IpNet;
use kubeovn_bins::{
    lab::{
        fabric::{self, Fabric},
        state::StateDir,
    },
    run::controller,
};
use kubeovn_core::{
    annotations::nic,
    cluster::memory::MemoryCluster,
    index::{
        Settings,
        objects::{Kind, Object, ObjectKey},
    },
};
use kubeovn_node::{
    netlink::{Netlink, Route, Veth},
    netns::NetNs,
    offload::disable_offloads,
};
use kubeovn_ovn::{
    nb::NORTHBOUND,
    northd::Northd,
    ovsdb::{
        client::{Client, FenceConfig, SoleWriter},
        connect::{ConnectConfig, Connector},
        txn::Identity,
    },
};
use nix::sys::signal::Signal;
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};
use uuid::Uuid;

use crate::{
    bindings::Bindings,
    ping::Ping,
    seen::{Moment, Rows, Seen, difference},
    server::{DATABASE, SCHEMA, output, text},
    size::{self, Size},
};

/// In how long a Northbound must be as it should be, whatever happened to it and however many ports it has.
const IN_TIME: Duration = Duration::from_mins(1);

/// Answers after which traffic counts as flowing again.
const FLOWING: usize = 50;

/// Dropped in this order: what runs, then the fabric under it, then what the fabric left.
pub(crate) struct Rig {
    pub(crate) pings: Vec<Ping>,
    controller: Controller,
    pub(crate) cluster: Arc<MemoryCluster>,
    pub(crate) seen: Seen,
    pub(crate) bindings: Bindings,
    pub(crate) size: Size,
    pub(crate) fabric: Fabric,
    _lab: Lab,
}

/// A lab of this test's own, removed whatever happens.
struct Lab(StateDir);

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fabric::sweep(&self.0);
    }
}

/// A controller that ends with its value.
struct Controller(JoinHandle<()>);

impl Drop for Controller {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How long Northbound had no port, how long its server was away before, and how long packets did not get through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    pub(crate) away: Duration,
    pub(crate) empty: Duration,
    pub(crate) gap: Duration,
}

impl Rig {
    /// Everything is as it should be, and both pods hear each other.
    pub(crate) async fn settled(pods: usize) -> Self {
        let size = Size { pods, nodes: 2, subnets: 50.min(pods / 10) };
        let lab = Lab(StateDir::new(format!("wipe{}", std::process::id() % 1_000_000).parse().unwrap()));
        let (tell, _events) = mpsc::unbounded_channel();
        let fabric = Fabric::start(lab.0.clone(), tell).await.unwrap();
        let (one, two) = tokio::join!(fabric.node_up("node-0"), fabric.node_up("node-1"));
        drop((one.unwrap(), two.unwrap()));
        fabric.warm().await;
        let cluster = Arc::new(MemoryCluster::new());
        for object in size.objects() {
            cluster.apply(object).unwrap();
        }
        let seen = Seen::watch(&Handle::current(), &fabric.northbound());
        let controller = Controller::on(&fabric, &cluster);
        let bindings = Bindings::default();
        let mut rig = Rig { pings: Vec::new(), controller, cluster, seen, bindings, size, fabric, _lab: lab };
        rig.settle().await;
        rig.plug_two().await;
        rig.carried_over().await;
        rig.flows_since(Instant::now()).await;
        rig.watch_bindings().await;
        rig
    }

    /// Ends all of it in order.
    pub(crate) async fn stop(self) {
        let Rig { pings, controller, fabric, _lab, .. } = self;
        drop((pings, controller));
        fabric.stop().await.unwrap();
    }

    /// Opens a new eye on the bindings of the two pods.
    pub(crate) async fn watch_bindings(&mut self) {
        let ports: Vec<String> = (0..2).map(|pod| self.port(pod)).collect();
        self.bindings = Bindings::watch(&self.fabric.southbound(), &ports);
        becomes("the eye on Southbound to open", || self.bindings.there() == Some(2)).await;
    }

    async fn plug_two(&mut self) {
        let mut places = Vec::new();
        for pod in 0..2 {
            places.push(self.plug(pod).await);
        }
        self.pings = vec![Ping::start(&places[0].0, places[1].1), Ping::start(&places[1].0, places[0].1)];
    }

    /// A link into br-int, with what the pod was told. The namespace is removed with the lab.
    async fn plug(&self, pod: usize) -> (NetNs, Ipv4Addr) {
        let told = self.cluster.get(&self.key(pod)).unwrap();
        let told = |key: &str| told.meta().annotation(key).unwrap().to_owned();
        let node = self.fabric.node(&format!("node-{pod}")).await.unwrap();
        let state = self.fabric.state();
        let name = state.name().pod_netns("wipe", &pod.to_string());
        state.record_netns(&name).unwrap();
        let netns = NetNs::create_named(&name).unwrap();
        let host = format!("wipe{pod}");
        let links = Netlink::new(&netns).unwrap();
        links.add_veth(Veth { name: "eth0", peer: &host, peer_ns: &node.netns, mtu: 1400 }).await.unwrap();
        let mac: kubeovn_core::addr::Mac = told(nic::MAC_ADDRESS.ovn()).parse().unwrap();
        links.set_mac("eth0", mac.bytes()).await.unwrap();
        links.set_up("eth0").await.unwrap();
        disable_offloads(&netns, "eth0").unwrap();
        let ip: Ipv4Addr = told(nic::IP_ADDRESS.ovn()).parse().unwrap();
        let cidr: IpNet = told(nic::CIDR.ovn()).parse().unwrap();
        links.replace_addresses("eth0", &[IpNet::new(ip.into(), cidr.prefix_len()).unwrap()]).await.unwrap();
        let via = Some(told(nic::GATEWAY.ovn()).parse().unwrap());
        let dst = "0.0.0.0/0".parse().unwrap();
        links.replace_route(&Route { dst, via, dev: "eth0".to_owned(), src: None, mtu: None }).await.unwrap();
        Netlink::new(&node.netns).unwrap().set_up(&host).await.unwrap();
        let database = format!("--db=unix:{}", node.ovsdb.display());
        let id = format!("external_ids:iface-id={}", self.port(pod));
        let add = ["--timeout=30", "add-port", "br-int", &host, "--", "set", "Interface", &host, &id];
        output("ovs-vsctl", &[&[&*database], &add[..]].concat());
        (netns, ip)
    }

    /// The key of a pod of [`Size::objects`].
    fn key(&self, pod: usize) -> ObjectKey {
        let namespace = size::namespace(pod % self.size.subnets).as_str().into();
        ObjectKey { kind: Kind::Pod, namespace, name: format!("web-7d4b9c-{pod:05}").into() }
    }

    fn port(&self, pod: usize) -> String {
        let ObjectKey { namespace, name, .. } = self.key(pod);
        format!("{name}.{namespace}")
    }

    /// Waits until every pod was told its addresses and has its port, and nobody else has one.
    pub(crate) async fn settle(&self) {
        becomes("every pod to have its port", || {
            let told = |pod: &Object| pod.meta().annotation(nic::ALLOCATED.ovn()) == Some("true");
            self.has_all_ports() && self.cluster.objects(Kind::Pod).iter().all(told)
        })
        .await;
    }

    fn has_all_ports(&self) -> bool {
        self.seen.connected() && self.seen.moments(Instant::now()).last().unwrap().ports == Some(self.ports())
    }

    /// Ports of pods and nodes.
    fn ports(&self) -> usize {
        self.size.pods + self.size.nodes
    }

    /// The rows, without what northd writes into them.
    pub(crate) fn rows(&self) -> Rows {
        let mut rows = self.seen.rows();
        rows.values_mut().for_each(|seat| drop(seat.columns.remove("up")));
        rows
    }

    /// Waits until the rows are these.
    pub(crate) async fn becomes(&self, what: &str, wanted: &Rows) {
        becomes(what, || self.has_all_ports()).await;
        let deadline = Instant::now() + IN_TIME;
        loop {
            let left = difference(wanted, &self.rows());
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "{what}; from what is wanted to what there is:\n{left}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until both nodes have done all that follows from Northbound.
    pub(crate) async fn carried_over(&self) {
        let database = format!("--db=unix:{}", self.fabric.northbound().display());
        let sync = move || output("ovn-nbctl", &[database.as_str(), "--wait=hv", "--timeout=120", "sync"]);
        tokio::task::spawn_blocking(sync).await.unwrap();
    }

    /// Waits until both pods have heard each other often enough.
    pub(crate) async fn flows_since(&self, from: Instant) {
        becomes("packets to flow", || self.pings.iter().all(|ping| ping.answers_since(from) >= FLOWING))
            .await;
    }

    /// What happened since, once all is well again.
    pub(crate) async fn outage(&self, since: Instant, wanted: &Rows) -> Outage {
        let harmed = |moment: &Moment| moment.at > since && moment.ports != Some(self.ports());
        becomes("the eye to see it", || self.seen.moments(since).iter().any(harmed)).await;
        self.becomes("the network to come back", wanted).await;
        self.carried_over().await;
        self.flows_since(Instant::now()).await;
        let gap = self.pings.iter().map(|ping| ping.gap_since(since)).max().unwrap();
        let (mut away, mut empty) = (Duration::ZERO, Duration::ZERO);
        let moments = self.seen.moments(since);
        for pair in moments.windows(2) {
            let took = pair[1].at - pair[0].at;
            match pair[0].ports {
                None => away += took,
                Some(ports) if ports < self.ports() => empty += took,
                Some(_) => {}
            }
        }
        Outage { away, empty, gap }
    }

    /// One transaction that deletes every row of every table.
    pub(crate) fn delete_all_rows(&self) {
        let schema: serde_json::Value = serde_json::from_str(&fs::read_to_string(SCHEMA).unwrap()).unwrap();
        let tables = schema["tables"].as_object().unwrap().keys();
        let delete = |table| serde_json::json!({"op": "delete", "table": table, "where": []});
        let transaction: Vec<_> =
            [serde_json::json!(DATABASE)].into_iter().chain(tables.map(delete)).collect();
        let endpoint = format!("unix:{}", self.fabric.northbound().display());
        let transaction = serde_json::Value::from(transaction).to_string();
        let answer = output("ovsdb-client", &["transact", &endpoint, &transaction]);
        assert!(!answer.contains("error"), "{answer}");
    }

    /// A file beside Northbound's.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.fabric.state().central().join(name)
    }

    /// Puts another file in the place of Northbound's and ends the server as a crash would; the next one has that.
    pub(crate) async fn replace_file(&self, new: &str) {
        // The server that runs keeps the file that it has open, which is no more when it ends.
        fs::rename(self.beside(new), self.beside("nb.db")).unwrap();
        let server = self.fabric.process("central/northbound").await.unwrap();
        server.signal(Signal::SIGKILL).unwrap();
    }

    pub(crate) fn make_empty_file(&self, name: &str) {
        output("ovsdb-tool", &["create", text(&self.beside(name)), SCHEMA]);
    }

    pub(crate) fn nbctl(&self, line: &str) -> String {
        let database = format!("--db=unix:{}", self.fabric.northbound().display());
        let words: Vec<&str> = [&*database, "--timeout=30"].into_iter().chain(line.split(' ')).collect();
        output("ovn-nbctl", &words)
    }

    /// Another controller in the place of this one.
    pub(crate) async fn restart(&mut self) {
        self.controller.0.abort();
        let _ = (&mut self.controller.0).await;
        self.controller = Controller::on(&self.fabric, &self.cluster);
    }

    pub(crate) fn northd(&self) -> Northd {
        Northd::new(self.fabric.northd())
    }

    /// Deletes so many pods, never the two, and makes as many others with the very addresses.
    pub(crate) fn exchange(&self, count: usize) {
        for pod in 2..2 + count {
            let ip = self
                .cluster
                .get(&self.key(pod))
                .unwrap()
                .meta()
                .annotation(nic::IP_ADDRESS.ovn())
                .unwrap()
                .to_owned();
            self.cluster.delete(&self.key(pod)).unwrap();
            let Object::Pod(mut heir) =
                size::pod(&size::namespace(pod % self.size.subnets), &format!("heir-{pod}"), 0)
            else {
                panic!("not a pod")
            };
            heir.meta.annotations = [(nic::IP_ADDRESS.ovn().into(), ip.as_str().into())].into();
            self.cluster.apply(Object::Pod(heir)).unwrap();
        }
    }

    /// What pods were told.
    pub(crate) fn told(&self) -> BTreeMap<String, String> {
        let told = |pod: &Object| pod.meta().annotation(nic::IP_ADDRESS.ovn()).unwrap_or_default().to_owned();
        self.cluster.objects(Kind::Pod).iter().map(|pod| (pod.key().to_string(), told(pod))).collect()
    }
}

impl Controller {
    /// A controller that may pause the fabric's northd.
    fn on(fabric: &Fabric, cluster: &Arc<MemoryCluster>) -> Self {
        let endpoint = format!("unix:{}", fabric.northbound().display());
        let connector =
            Connector::new(ConnectConfig::new(endpoint.parse().unwrap(), DATABASE), Box::new(|| 0.0));
        let fence = FenceConfig { authority: Arc::new(SoleWriter), nonce: Box::new(nonce), eager: false };
        let client = Client::new(&NORTHBOUND, connector, Identity::Given(Uuid::nil()), Some(fence));
        let company =
            controller::Company { northd: Some(Northd::new(fabric.northd())), ..Default::default() };
        Controller(tokio::spawn(controller::run(
            Settings::default(),
            cluster.clone(),
            Box::new(client),
            company,
        )))
    }
}

/// No two controllers of this test have the same.
fn nonce() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// Asks again and again until it is so.
async fn becomes(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + IN_TIME;
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
