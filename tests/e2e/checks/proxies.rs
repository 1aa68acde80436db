//! kube-proxy, which writes rules beside ours, ends and begins again.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{
    flows::Flows, outside::pods_leave_as_their_nodes, runtimes::quietly, workloads::agents,
    workloads::service_leads,
};
use crate::{cluster::Cluster, kept::Kept, node::Node, wait::until};

/// kube-proxy is killed on all nodes, then asked to end. Pods talk on, are seen outside as before, and Services that come
/// afterwards lead to their pods: neither takes a rule of the other's away.
pub(super) async fn proxies_are_killed(cluster: Arc<Cluster>) {
    agents(&cluster).await;
    let before = Flows::at_rest(&cluster).await;
    quietly(&cluster, "kube-proxy is killed", async || {
        cluster.nodes.iter().map(Node::proxy).for_each(Kept::kill);
        cluster.nodes.iter().map(Node::proxy).for_each(Kept::revive);
        are_back(&cluster).await;
    })
    .await;
    quietly(&cluster, "kube-proxy is asked to end", async || {
        join_all(cluster.nodes.iter().map(|node| node.proxy().restart())).await;
        are_back(&cluster).await;
    })
    .await;
    before.are_still(&cluster).await;
    service_leads(&cluster, "after-proxies").await;
    pods_leave_as_their_nodes(cluster).await;
}

/// Waits until every kube-proxy has written its rules.
async fn are_back(cluster: &Cluster) {
    for node in &cluster.nodes {
        until(&format!("kube-proxy on {}", node.name()), async || {
            let well = ["wget", "-q", "-O", "-", "http://127.0.0.1:10256/healthz"];
            node.machine().run("busybox", &well).await.map(drop)
        })
        .await;
    }
}
