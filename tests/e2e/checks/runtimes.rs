//! What runs containers ends and begins again under pods that talk.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    flows::Flows,
    network::all_reach_all,
    ping::Ping,
    workloads::{SHARED, agents, gone, namespace, pod, workload},
};
use crate::{cluster::Cluster, kept::Kept, node::Node, wait::until};

/// So long packets may stay without an answer, in the best of so many runs: the machine does other things, too.
const GAP: Duration = Duration::from_millis(50);
const RUNS: usize = 3;

/// containerd and kubelet are killed on all nodes, then asked to end. Pods stay and talk on, their nodes' flows are the
/// same, and new pods come.
pub(super) async fn runtimes_are_killed(cluster: Arc<Cluster>) {
    agents(&cluster).await;
    let (containers, before) = (containers(&cluster).await, Flows::at_rest(&cluster).await);
    quietly(&cluster, "containerd and kubelet are killed", async || {
        for node in &cluster.nodes {
            [node.containerd(), node.kubelet()].into_iter().for_each(Kept::kill);
        }
        for node in &cluster.nodes {
            [node.containerd(), node.kubelet()].into_iter().for_each(Kept::revive);
        }
        are_back(&cluster).await;
    })
    .await;
    quietly(&cluster, "containerd and kubelet are asked to end", async || {
        join_all(
            cluster.nodes.iter().flat_map(|node| [node.containerd(), node.kubelet()]).map(Kept::restart),
        )
        .await;
        are_back(&cluster).await;
    })
    .await;
    before.are_still(&cluster).await;
    new_pods_come(&cluster, "after-runtimes").await;
    assert_eq!(self::containers(&cluster).await, containers, "pods that nothing happened to");
}

/// Something happens, without which packets between two nodes would get through.
pub(super) async fn quietly(cluster: &Arc<Cluster>, what: &str, happens: impl AsyncFn()) {
    let mut least = Duration::MAX;
    for _ in 0..RUNS {
        let ping = Ping::start(cluster, 0, 1).await;
        happens().await;
        least = least.min(ping.longest_gap().await);
        println!("e2e:   {what}: no answers for {least:?} at most");
        if least <= GAP {
            return;
        }
    }
    panic!("{what}: no answers for {least:?}");
}

/// Waits until containerd and kubelet of all nodes answer.
async fn are_back(cluster: &Cluster) {
    for node in &cluster.nodes {
        node.has_containerd().await;
        until(&format!("kubelet on {}", node.name()), async || {
            let well = ["wget", "-q", "-O", "-", "http://127.0.0.1:10248/healthz"];
            node.machine().run("busybox", &well).await.map(drop)
        })
        .await;
    }
}

/// One on each node, which everybody reaches; and they go.
pub(super) async fn new_pods_come(cluster: &Cluster, name: &str) {
    let set = workload("DaemonSet", name, name, json!({}), pod("exec sleep 1000000"));
    cluster.kubectl.apply(vec![namespace(name), set]).await;
    cluster.kubectl.rolled_out(name, &format!("daemonset/{name}")).await;
    all_reach_all(cluster).await;
    gone(cluster, name).await;
    until("new pods to go", async || ports(cluster, 1).await).await;
}

/// Names of the agents' containers, and how often they were started again.
async fn containers(cluster: &Cluster) -> Vec<(Value, Value)> {
    let pods = cluster.kubectl.list(SHARED, "pods").await;
    let status = |pod: &Value| pod["status"]["containerStatuses"][0].clone();
    pods.iter()
        .map(status)
        .map(|status| (status["containerID"].clone(), status["restartCount"].clone()))
        .collect()
}

/// Whether each node has so many ports of pods, with their links.
async fn ports(cluster: &Cluster, wanted: usize) -> Result<(), String> {
    for node in &cluster.nodes {
        for (program, args) in [("ovs-vsctl", &["list-ports", "br-int"][..]), ("ls", &["/sys/class/net"])] {
            let found = node.machine().run(program, args).await?;
            if found.lines().filter(|name| name.ends_with("_h")).count() != wanted {
                return Err(format!("{}: {found}", node.name()));
            }
        }
    }
    Ok(())
}

/// containerd is killed while pods wait for their addresses: they come up, and of the sandboxes that nobody knows any more
/// nothing is left.
pub(super) async fn containerd_is_killed_while_pods_are_added(cluster: Arc<Cluster>) {
    let name = "in-flight";
    agents(&cluster).await;
    cluster.controller.kill();
    let set = workload("DaemonSet", name, name, json!({}), pod("exec sleep 1000000"));
    cluster.kubectl.apply(vec![namespace(name), set]).await;
    let plugins = async |wanted: usize| {
        // all nodes' processes are seen from each
        let found =
            cluster.nodes[0].machine().run("busybox", &["pidof", "kube-ovn"]).await.unwrap_or_default();
        if found.split_whitespace().count() == wanted { Ok(()) } else { Err(format!("plugins: {found:?}")) }
    };
    until("ADDs that wait", async || plugins(cluster.nodes.len()).await).await;
    cluster.nodes.iter().for_each(|node| node.containerd().kill());
    cluster.nodes.iter().for_each(|node| node.containerd().revive());
    join_all(cluster.nodes.iter().map(Node::has_containerd)).await;
    cluster.controller.revive();
    cluster.kubectl.rolled_out(name, "daemonset/in-flight").await;
    until("nothing but agents and these", async || ports(&cluster, 2).await).await;
    all_reach_all(&cluster).await;
    reached(&cluster, name).await;
    gone(&cluster, name).await;
    until("nothing but agents", async || ports(&cluster, 1).await).await;
    until("no ADD to wait", async || plugins(0).await).await;
}

/// Every agent reaches every pod of a namespace.
pub(super) async fn reached(cluster: &Cluster, name: &str) {
    for pod in cluster.kubectl.list(name, "pods").await {
        let address = pod["status"]["podIP"].as_str().unwrap().to_owned();
        for (agent, node) in agents(cluster).await {
            until(&format!("{address} to answer a pod on {node}"), async || {
                let ping = format!("ping -q -c 1 -W 1 {address}");
                cluster.kubectl.exec(SHARED, &agent, &ping).await.map(drop)
            })
            .await;
        }
    }
}
