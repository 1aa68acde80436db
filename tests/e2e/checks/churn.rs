//! Pods come and go by the dozen, and nothing of them stays.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::workloads::{agents, gone, namespace, pod, workload};
use crate::{cluster::Cluster, node::Node, settings, wait::until};

/// So long nothing has changed when all has been told.
const QUIET: Duration = Duration::from_secs(6);

/// What there is of pods. Compared before and after.
#[derive(Debug, PartialEq, Eq)]
struct Census {
    /// Of each node: ports, links, network namespaces, elements in sets of our firewall, plugins that run.
    nodes: Vec<[usize; 5]>,
    /// IP objects.
    records: usize,
    /// Ports in the Northbound.
    logical: usize,
    /// Addresses that the default subnet counts as used.
    used: String,
}

impl Census {
    async fn take(cluster: &Cluster) -> Result<Self, String> {
        let mut nodes = Vec::new();
        for node in &cluster.nodes {
            nodes.push(of_node(node).await?);
        }
        let records = cluster.kubectl.run(&["get", "ips", "--output=name"]).await?.lines().count();
        let path = "--output=jsonpath={.status.v4usingIPs} {.status.v4availableIPs}";
        let used = cluster.kubectl.run(&["get", "subnet", "ovn-default", path]).await?;
        let names = cluster.nbctl(&["--bare", "--columns=name", "list", "Logical_Switch_Port"]).await?;
        let logical = names.lines().filter(|line| !line.is_empty()).count();
        Ok(Self { nodes, records, logical, used })
    }
}

async fn of_node(node: &Node) -> Result<[usize; 5], String> {
    let machine = node.machine();
    let ports = machine.run("ovs-vsctl", &["list-ports", "br-int"]).await?;
    let links = machine.run("ls", &["/sys/class/net"]).await?;
    let namespaces = machine.run("ls", &["/run/netns"]).await?;
    let elements = elements(node).await?;
    let plugins = machine.run("busybox", &["pidof", "kube-ovn"]).await.unwrap_or_default();
    let of_pods = |names: &str| names.lines().filter(|name| name.ends_with("_h")).count();
    let sandboxes = namespaces.lines().filter(|name| name.starts_with("cni-")).count();
    Ok([of_pods(&ports), of_pods(&links), sandboxes, elements, plugins.split_whitespace().count()])
}

/// Elements in sets of our firewall, whichever of the two keeps it.
async fn elements(node: &Node) -> Result<usize, String> {
    let machine = node.machine();
    let sets = machine.run("ipset", &["save"]).await?;
    let mut elements = sets.lines().filter(|line| line.starts_with("add ")).count();
    if let Ok(table) = machine.run("nft", &["-j", "list", "table", "ip", "kube-ovn"]).await {
        let table: Value = serde_json::from_str(&table).map_err(|error| error.to_string())?;
        let objects = table["nftables"].as_array().cloned().unwrap_or_default();
        elements += objects.iter().filter_map(|o| o["set"]["elem"].as_array()).map(Vec::len).sum::<usize>();
    }
    if elements == 0 { Err(format!("no set of our firewall on {}", node.name())) } else { Ok(elements) }
}

/// Rounds of sixty pods, on all nodes together, that come and go in parallel on all nodes: each gets its network, and of all of them nothing is
/// left.
pub(super) async fn sixty_pods_come_and_go(cluster: Arc<Cluster>) {
    let (name, pods) = ("churn", settings::pods());
    agents(&cluster).await;
    let mut idle = pod("exec sleep 1000000");
    // A container takes more of a small machine than its network does.
    idle["automountServiceAccountToken"] = false.into();
    idle["enableServiceLinks"] = false.into();
    let crowd = workload("Deployment", name, name, json!({"replicas": 0}), idle);
    cluster.kubectl.apply(vec![namespace(name), crowd]).await;
    let before = settled(&cluster).await;
    let scale = async |to: usize| {
        let to = format!("--replicas={to}");
        cluster.kubectl.must(&["scale", "deployment/churn", "--namespace", name, &to]).await;
    };
    for round in 1..=settings::rounds() {
        let began = Instant::now();
        scale(pods).await;
        cluster.kubectl.rolled_out(name, "deployment/churn").await;
        let came = began.elapsed();
        let most = Census::take(&cluster).await.unwrap();
        let ports: usize = most.nodes.iter().map(|[ports, ..]| ports).sum();
        assert!(ports >= pods && most.records >= before.records + pods, "{most:?}");
        scale(0).await;
        until("everything to be as before", async || {
            let now = Census::take(&cluster).await?;
            if now == before { Ok(()) } else { Err(format!("{now:?}, not {before:?}")) }
        })
        .await;
        let (came, gone) = (came.as_secs_f64(), began.elapsed().as_secs_f64());
        println!("e2e:   round {round}: {pods} pods came in {came:.1} s, were gone after {gone:.1} s");
    }
    gone(&cluster, name).await;
}

/// What there is once other checks' pods are gone, and have been for a while: a subnet is told its numbers a little later.
async fn settled(cluster: &Cluster) -> Census {
    let mut last: Option<(Census, Instant)> = None;
    until("other checks' pods to go", async || {
        let now = Census::take(cluster).await?;
        let agents = cluster.nodes.len();
        // An agent on each node, and the node's own record; ports of nodes and routers are in the Northbound, too.
        let alone = now.nodes.iter().all(|[ports, links, sandboxes, _, plugins]| {
            (*ports, *links, *sandboxes, *plugins) == (1, 1, 1, 0)
        });
        let since =
            last.take().filter(|(before, _)| *before == now).map_or_else(Instant::now, |(_, since)| since);
        if alone && now.records == 2 * agents && since.elapsed() > QUIET {
            return Ok(now);
        }
        let said = format!("{now:?}");
        last = Some((now, since));
        Err(said)
    })
    .await
}
