//! What pods have of the network.

use std::sync::Arc;

use super::workloads::{SHARED, agents};
use crate::{cluster::Cluster, cni::Cni, wait::until};

/// Each pod reaches each other one, on its own node and on others; and each node reaches all.
pub(super) async fn everybody_reaches_everybody(cluster: Arc<Cluster>) {
    let agents = agents(&cluster).await;
    let pods = cluster.kubectl.list(SHARED, "pods").await;
    let addresses: Vec<&str> = pods.iter().map(|pod| pod["status"]["podIP"].as_str().unwrap()).collect();
    assert_eq!(addresses.len(), agents.len());
    for address in &addresses {
        for (agent, node) in &agents {
            until(&format!("{address} to answer a pod on {node}"), async || {
                cluster.kubectl.exec(SHARED, agent, &format!("ping -q -c 1 -W 1 {address}")).await.map(drop)
            })
            .await;
        }
        for node in &cluster.nodes {
            until(&format!("{address} to answer {}", node.name()), async || {
                let ping = ["ping", "-q", "-c", "1", "-W", "1", address];
                node.machine().run("busybox", &ping).await.map(drop)
            })
            .await;
        }
    }
}

/// What the controller has told a pod, it has; and Kubernetes knows it.
pub(super) async fn pods_have_what_they_were_told(cluster: Arc<Cluster>) {
    if cluster.cni != Cni::KubeOvn {
        return;
    }
    for (agent, _) in agents(&cluster).await {
        let pods = cluster.kubectl.list(SHARED, "pods").await;
        let pod = pods.iter().find(|pod| pod["metadata"]["name"] == *agent).unwrap();
        let told = |key: &str| {
            pod["metadata"]["annotations"][format!("ovn.kubernetes.io/{key}")].as_str().unwrap().to_owned()
        };
        let look =
            "ip -o -4 address show eth0; cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu; ip route";
        let said = cluster.kubectl.exec(SHARED, &agent, look).await.unwrap();
        let words: Vec<&str> = said.split_whitespace().collect();
        assert!(words.contains(&&*format!("{}/16", told("ip_address"))), "{said}");
        assert!(words.contains(&&*told("mac_address")), "{said}");
        assert!(words.contains(&"1400"), "{said}");
        assert!(said.contains(&format!("default via {}", told("gateway"))), "{said}");
        assert_eq!(pod["status"]["podIP"], told("ip_address"));
    }
}
