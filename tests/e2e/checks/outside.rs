//! How pods leave the cluster.

use std::{process::Stdio, sync::Arc};

use serde_json::json;
use tokio::process::{Child, Command};

use super::workloads::{SHARED, agents};
use crate::{central::WIRE_ADDRESS, cluster::Cluster, cni, node::Node, wait::until};

/// Where the host outside listens, which tells everybody who calls by which address he is seen.
const PORT: u16 = 7_777;

/// Called from a pod; whoever is cut off finds that out soon.
fn ask() -> String {
    format!("socat -u -T 2 TCP4:{WIRE_ADDRESS}:{PORT},connect-timeout=2 - || echo nobody")
}

/// A host that is no node: it tells callers their address.
fn mirror() -> Child {
    let mut command = Command::new("socat");
    command
        .arg(format!("TCP4-LISTEN:{PORT},fork,reuseaddr"))
        .arg("SYSTEM:echo $SOCAT_PEERADDR")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command.spawn().unwrap()
}

/// What a pod is seen as; `nobody` when it does not get out.
async fn seen_as(cluster: &Cluster, pod: &str, wanted: &str) {
    until(&format!("{pod} to be seen as {wanted}"), async || {
        let said = cluster.kubectl.exec(SHARED, pod, &ask()).await?;
        if said == wanted { Ok(()) } else { Err(said) }
    })
    .await;
}

/// Each node's rules are where its daemon was told to keep them, and nowhere else.
async fn keeps_its_rules(node: &Node) {
    let run = async |program: &str, args: &[&str]| node.machine().run(program, args).await.unwrap();
    let (chains, tables) = (run("iptables-save", &[]).await, run("nft", &["list", "tables"]).await);
    let found =
        (chains.contains("OVN-POSTROUTING"), tables.lines().any(|table| table.ends_with(" kube-ovn")));
    let wanted = match cni::firewall(node.name()) {
        "iptables" => (true, false),
        _ => (false, true),
    };
    assert_eq!(found, wanted, "{}:\n{chains}\n{tables}", node.name());
}

async fn nat(cluster: &Cluster, on: bool) {
    let patch = json!({"spec": {"natOutgoing": on}}).to_string();
    cluster.kubectl.must(&["patch", "subnet", "ovn-default", "--type=merge", "--patch", &patch]).await;
}

/// Pods are seen as their nodes as long as their subnet says so, and nobody outside reaches them.
pub(super) async fn pods_leave_as_their_nodes(cluster: Arc<Cluster>) {
    let agents = agents(&cluster).await;
    let _outside = mirror();
    let address =
        |name: &str| cluster.nodes.iter().find(|node| node.name() == name).unwrap().machine().address();
    for (pod, node) in &agents {
        seen_as(&cluster, pod, &address(node).to_string()).await;
    }
    for node in &cluster.nodes {
        keeps_its_rules(node).await;
    }
    // The host outside knows no way to pods, and answers only what it is asked.
    nat(&cluster, false).await;
    for (pod, _) in &agents {
        seen_as(&cluster, pod, "nobody").await;
    }
    nat(&cluster, true).await;
    for (pod, node) in &agents {
        seen_as(&cluster, pod, &address(node).to_string()).await;
    }
}

/// A node says that its network works, and by which name OVN knows it; its daemon says the same.
pub(super) async fn nodes_say_that_they_are_well(cluster: Arc<Cluster>) {
    for node in &cluster.nodes {
        until(&format!("{} to say that its network works", node.name()), async || {
            let path = "--output=jsonpath={.status.conditions[?(@.type=='NetworkUnavailable')].status} \
                        {.metadata.annotations.ovn\\.kubernetes\\.io/chassis}";
            let said = cluster.kubectl.run(&["get", "node", node.name(), path]).await?;
            let ready = ["wget", "-q", "-O", "-", "http://127.0.0.1:10665/readyz"];
            let well = node.machine().run("busybox", &ready).await?;
            let as_it_should = said == format!("False {}", node.name()) && well == "ok";
            if as_it_should { Ok(()) } else { Err(format!("{said:?}, {well:?}")) }
        })
        .await;
    }
}
