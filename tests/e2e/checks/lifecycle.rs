//! What comes and goes: pods by the dozen, and our programs under them.

use std::sync::Arc;

use serde_json::json;

use super::workloads::{SHARED, agents, gone, namespace, pod, pods, workload};
use crate::{cluster::Cluster, cni::Cni, wait::until};

/// Of pods that are gone nothing is on their nodes: no port, no link, no namespace.
pub(super) async fn nothing_is_left_of_pods(cluster: Arc<Cluster>) {
    agents(&cluster).await;
    let name = "crowd";
    let crowd = workload("Deployment", name, name, json!({"replicas": 15}), pod("exec sleep 1000000"));
    cluster.kubectl.apply(vec![namespace(name), crowd]).await;
    cluster.kubectl.rolled_out(name, "deployment/crowd").await;
    let most = traces(&cluster).await;
    assert!(most.iter().sum::<usize>() > 15, "{most:?}");
    cluster.kubectl.must(&["delete", "namespace", name, "--timeout=3m"]).await;
    // also of what other checks made: only agents stay
    let kinds = if cluster.cni == Cni::KubeOvn { 3 } else { 2 };
    until("everything but agents to go", async || {
        let now = traces(&cluster).await;
        if now.iter().all(|traces| *traces == kinds) {
            Ok(())
        } else {
            Err(format!("{now:?}, not {kinds} each"))
        }
    })
    .await;
}

/// How many ports, links and namespaces of pods there are on each node.
async fn traces(cluster: &Cluster) -> Vec<usize> {
    let mut found = Vec::new();
    for node in &cluster.nodes {
        let run = async |program: &str, args: &[&str]| node.machine().run(program, args).await.unwrap();
        let ports = run("ovs-vsctl", &["list-ports", "br-int"]).await;
        let links = run("ls", &["/sys/class/net"]).await;
        let namespaces = run("ls", &["/run/netns"]).await;
        let is_of_pod =
            |name: &&str| name.ends_with("_h") || name.starts_with("veth") || name.starts_with("cni-");
        found.push(
            [ports, links, namespaces].iter().flat_map(|names| names.lines()).filter(is_of_pod).count(),
        );
    }
    found
}

/// A node daemon that is killed takes nothing from pods, and pods that come meanwhile wait for the next one.
pub(super) async fn daemons_are_killed(cluster: Arc<Cluster>) {
    let name = "patient";
    agents(&cluster).await;
    cluster.nodes.iter().for_each(|node| node.daemon().kill());
    super::network::all_reach_all(&cluster).await;
    let set = workload("Deployment", name, name, json!({"replicas": 3}), pod("exec sleep 1000000"));
    cluster.kubectl.apply(vec![namespace(name), set]).await;
    until("events that tell why they do not start", async || {
        let events = cluster.kubectl.run(&["get", "events", "--namespace", name]).await?;
        if events.contains("FailedCreatePodSandBox") { Ok(()) } else { Err(events) }
    })
    .await;
    cluster.nodes.iter().for_each(|node| node.daemon().revive());
    cluster.kubectl.rolled_out(name, "deployment/patient").await;
    gone(&cluster, name).await;
}

/// Our controller that is killed takes nothing from pods, and what came meanwhile it finds when it comes back.
pub(super) async fn controller_is_killed(cluster: Arc<Cluster>) {
    let name = "later";
    agents(&cluster).await;
    cluster.controller.kill();
    super::network::all_reach_all(&cluster).await;
    let set = workload("Deployment", name, name, json!({"replicas": 3}), pod("exec sleep 1000000"));
    cluster.kubectl.apply(vec![namespace(name), set]).await;
    let on_nodes = async || {
        let pods = pods(&cluster, name, name).await;
        let placed = pods.iter().filter(|(_, node)| !node.is_empty()).count();
        if placed == 3 { Ok(()) } else { Err(format!("{pods:?}")) }
    };
    until("a node for each of them", on_nodes).await;
    cluster.controller.revive();
    cluster.kubectl.rolled_out(name, "deployment/later").await;
    super::network::all_reach_all(&cluster).await;
    gone(&cluster, name).await;
}

/// What switches packets is killed, and begun anew by those who watch over it: pods are reached as before.
pub(super) async fn switches_are_killed(cluster: Arc<Cluster>) {
    agents(&cluster).await;
    for node in &cluster.nodes {
        for program in ["ovs-vswitchd", "ovn-controller"] {
            let process = cluster.fabric.process(&format!("{}/{program}", node.name())).await;
            process.unwrap().signal(nix::sys::signal::Signal::SIGKILL).unwrap();
        }
    }
    super::network::all_reach_all(&cluster).await;
    cluster.kubectl.rolled_out(SHARED, "daemonset/agent").await;
}
