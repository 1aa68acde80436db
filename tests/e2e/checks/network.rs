//! What pods have of the network.

use std::sync::Arc;

use serde_json::json;

use super::workloads::{SHARED, agents, gone, namespace, pod, pods, workload};
use crate::{cluster::Cluster, wait::until};

/// Each pod reaches each other one, on its own node and on others; and each node reaches all.
pub(super) async fn everybody_reaches_everybody(cluster: Arc<Cluster>) {
    agents(&cluster).await;
    all_reach_all(&cluster).await;
}

/// The same, of pods that are there.
pub(super) async fn all_reach_all(cluster: &Cluster) {
    let agents = pods(cluster, SHARED, "agent").await;
    let objects = cluster.kubectl.list(SHARED, "pods").await;
    let addresses: Vec<&str> = objects.iter().filter_map(|pod| pod["status"]["podIP"].as_str()).collect();
    assert_eq!((agents.len(), addresses.len()), (cluster.nodes.len(), cluster.nodes.len()));
    for address in &addresses {
        for (agent, node) in &agents {
            until(&format!("{address} to answer a pod on {node}"), async || {
                let ping = format!("ping -q -c 1 -W 1 {address}");
                cluster.kubectl.exec(SHARED, agent, &ping).await.map(drop)
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

/// A pod with its node's network has its node's address, and reaches pods.
pub(super) async fn host_network(cluster: Arc<Cluster>) {
    let name = "host";
    let mut spec = pod("exec sleep 1000000");
    spec["hostNetwork"] = true.into();
    cluster.kubectl.apply(vec![namespace(name), workload("DaemonSet", name, name, json!({}), spec)]).await;
    cluster.kubectl.rolled_out(name, "daemonset/host").await;
    agents(&cluster).await;
    let agent = &cluster.kubectl.list(SHARED, "pods").await[0];
    let address = agent["status"]["podIP"].as_str().unwrap().to_owned();
    for pod in cluster.kubectl.list(name, "pods").await {
        let node = cluster.nodes.iter().find(|node| pod["spec"]["nodeName"] == node.name()).unwrap();
        assert_eq!(pod["status"]["podIP"], node.machine().address().to_string());
        assert!(pod["metadata"]["annotations"]["ovn.kubernetes.io/ip_address"].is_null());
        let pod = pod["metadata"]["name"].as_str().unwrap();
        until(&format!("{address} to answer {pod}"), async || {
            let look = format!("ping -q -c 1 -W 1 {address} && ls /sys/class/net");
            let links = cluster.kubectl.exec(name, pod, &look).await?;
            if links.contains("br-phy") { Ok(()) } else { Err(links) }
        })
        .await;
    }
    gone(&cluster, name).await;
}

/// A namespace has a subnet of its own, with an address that a pod asks for; the default subnet reaches it unless it is
/// private.
pub(super) async fn subnets_of_namespaces(cluster: Arc<Cluster>) {
    let subnet = |name: &str, prefix: &str, private: bool| {
        json!({
            "apiVersion": "kubeovn.io/v1",
            "kind": "Subnet",
            "metadata": {"name": name},
            "spec": {"cidrBlock": prefix, "namespaces": [name], "private": private},
        })
    };
    let asks_for = |name: &str, address: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "asks",
                "namespace": name,
                "annotations": {"ovn.kubernetes.io/ip_address": address},
            },
            "spec": pod("exec sleep 1000000"),
        })
    };
    let given =
        [("open", "10.30.1.0/24", "10.30.1.77", false), ("closed", "10.30.2.0/24", "10.30.2.77", true)];
    let subnets = given.map(|(name, prefix, _, private)| subnet(name, prefix, private));
    cluster
        .kubectl
        .apply([subnets.to_vec(), given.map(|(name, ..)| namespace(name)).to_vec()].concat())
        .await;
    // a pod takes the subnet that its namespace has when it comes
    for (name, ..) in given {
        until(&format!("the subnet of {name}"), async || {
            let path = r"--output=jsonpath={.metadata.annotations.ovn\.kubernetes\.io/logical_switch}";
            let said = cluster.kubectl.run(&["get", "namespace", name, path]).await?;
            if said == name { Ok(()) } else { Err(said) }
        })
        .await;
    }
    cluster.kubectl.apply(given.map(|(name, _, address, _)| asks_for(name, address)).to_vec()).await;
    let agents = agents(&cluster).await;
    for (name, _, address, private) in given {
        let ready = ["wait", "pod/asks", "--for=condition=Ready", "--timeout=3m", "--namespace", name];
        cluster.kubectl.must(&ready).await;
        let pods = cluster.kubectl.list(name, "pods").await;
        assert_eq!(pods[0]["status"]["podIP"], address);
        for (agent, node) in &agents {
            let ping = format!("ping -q -c 1 -W 1 {address} > /dev/null && echo yes || echo no");
            let wanted = if private { "no" } else { "yes" };
            until(&format!("{wanted} to whether {address} answers a pod on {node}"), async || {
                let said = cluster.kubectl.exec(SHARED, agent, &ping).await?;
                if said == wanted { Ok(()) } else { Err(said) }
            })
            .await;
        }
    }
    cluster.kubectl.must(&["delete", "namespace", "open", "closed", "--timeout=3m"]).await;
    cluster.kubectl.must(&["delete", "subnet", "open", "closed", "--timeout=3m"]).await;
}

/// What the controller has told a pod, it has; and Kubernetes knows it.
pub(super) async fn pods_have_what_they_were_told(cluster: Arc<Cluster>) {
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
