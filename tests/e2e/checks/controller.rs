//! Our controller among Kubernetes' own programs.

use std::sync::Arc;

use serde_json::json;

use super::workloads::{gone, namespace, pod, workload};
use crate::{cluster::Cluster, wait::until};

/// Pods that Kubernetes has made and put on nodes have an address of the default subnet, and a port in the Northbound.
pub(super) async fn gives_addresses(cluster: Arc<Cluster>) {
    let name = "given";
    let set = workload("Deployment", name, name, json!({"replicas": 4}), pod("exec sleep 1000000"));
    cluster.kubectl.apply(vec![namespace(name), set]).await;
    cluster.kubectl.rolled_out(name, "deployment/given").await;
    until("addresses of all pods", async || {
        for pod in cluster.kubectl.list(name, "pods").await {
            let told = &pod["metadata"]["annotations"];
            let address = told["ovn.kubernetes.io/ip_address"].as_str().unwrap_or_default();
            if !address.starts_with("10.16.") || told["ovn.kubernetes.io/allocated"] != "true" {
                return Err(told.to_string());
            }
        }
        Ok(())
    })
    .await;
    assert_eq!(ports(&cluster, name).await.len(), 4);
    gone(&cluster, name).await;
    until("their ports to go", async || {
        let left = ports(&cluster, name).await;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}

/// Names of the switch ports of a namespace's pods.
async fn ports(cluster: &Cluster, namespace: &str) -> Vec<String> {
    let names = cluster.nbctl(&["--bare", "--columns=name", "list", "Logical_Switch_Port"]).await.unwrap();
    names.lines().filter(|name| name.ends_with(&format!(".{namespace}"))).map(str::to_owned).collect()
}
