//! Further networks of pods: the real Multus asks our plugin for a second interface, and another one, macvlan, which has its
//! addresses from ours.

use std::{path::PathBuf, process::Command, sync::Arc};

use kubeovn_bins::lab::state::StateDir;
use serde_json::{Value, json};

use super::workloads::{namespace, pod};
use crate::{central, cluster::Cluster, cni, node::ADMIN_CONFIG, wait::until};

/// What Multus is told by, and where the others' configuration is that it takes for the cluster's own network.
const MULTUS: &str = "/etc/cni/net.d/00-multus.conf";
const FIRST: &str = "/etc/cni/net.d/01-kube-ovn.conflist";
/// The namespace of all this.
const PLACE: &str = "further";
/// A wire between all nodes that OVN knows nothing of, and each node's end of it.
const WIRE: &str = "lan";
const NIC: &str = "lan0";
/// An address that a pod asks for.
const WISH: &str = "10.40.0.77";

/// Two pods on two nodes have an interface in a second subnet and one on a wire of the nodes', reach each other by both, and
/// leave nothing behind.
pub(super) async fn pods_have_further_interfaces(cluster: Arc<Cluster>) {
    let program = multus();
    wire(&cluster).await;
    for node in &cluster.nodes {
        node.machine().install(&program, "/opt/cni/bin/multus");
        // containerd overlooks one that comes from another folder
        node.machine().write(&format!("{MULTUS}.new"), &configuration().to_string());
        std::fs::rename(node.machine().path(&format!("{MULTUS}.new")), node.machine().path(MULTUS)).unwrap();
    }
    let kubectl = &cluster.kubectl;
    kubectl.apply(vec![definition(), namespace(PLACE)]).await;
    let crd = "customresourcedefinition/network-attachment-definitions.k8s.cni.cncf.io";
    kubectl.must(&["wait", crd, "--for=condition=Established", "--timeout=3m"]).await;
    let ours = json!({"type": "kube-ovn", "server_socket": cni::SOCKET, "provider": "lan.further.ovn"});
    let theirs = json!({
        "type": "macvlan", "master": NIC, "mode": "bridge",
        "ipam": {"type": "kube-ovn", "server_socket": cni::SOCKET, "provider": "phys.further"},
    });
    kubectl.apply(vec![network("lan", ours), network("phys", theirs)]).await;
    kubectl
        .apply(vec![
            subnet("further-lan", "10.40.0.0/24", "lan.further.ovn"),
            subnet("further-phys", "10.41.0.0/24", "phys.further"),
        ])
        .await;
    let ready =
        ["wait", "subnet/further-lan", "subnet/further-phys", "--for=condition=Ready", "--timeout=3m"];
    kubectl.must(&ready).await;

    let (first, last) = (cluster.nodes.first().unwrap().name(), cluster.nodes.last().unwrap().name());
    let asks = json!([{"name": "lan", "ips": [WISH]}, {"name": "phys", "namespace": PLACE}]).to_string();
    kubectl.apply(vec![on("a", first, &asks), on("b", last, "further/lan, phys")]).await;
    let ready = ["wait", "pod/a", "pod/b", "--for=condition=Ready", "--timeout=3m", "--namespace", PLACE];
    kubectl.must(&ready).await;
    let pods = kubectl.list(PLACE, "pods").await;
    let [a, b] = &pods[..] else { panic!("{pods:?}") };
    assert_eq!(told(a, "lan.further.ovn", "ip_address"), WISH);
    assert_eq!(told(a, "lan.further.ovn", "logical_switch"), "further-lan");
    assert!(a["metadata"]["annotations"]["phys.further.kubernetes.io/mac_address"].is_null());
    for (pod, other) in [(a, b), (b, a)] {
        has_both(&cluster, pod).await;
        let name = pod["metadata"]["name"].as_str().unwrap();
        for (interface, network) in [("net1", "lan.further.ovn"), ("net2", "phys.further")] {
            let address = told(other, network, "ip_address");
            until(&format!("{address} to answer {name} by {interface}"), async || {
                let ping = format!("ping -q -c 1 -W 1 -I {interface} {address}");
                kubectl.exec(PLACE, name, &ping).await.map(drop)
            })
            .await;
        }
    }
    leave_nothing(&cluster).await;
}

/// A pod's interfaces have what it was told of each, and its default route is by the first.
async fn has_both(cluster: &Cluster, pod: &Value) {
    let name = pod["metadata"]["name"].as_str().unwrap();
    let look = "ip -o -4 address; ip route; cat /sys/class/net/net1/address";
    let said = cluster.kubectl.exec(PLACE, name, look).await.unwrap();
    for (interface, network) in [("eth0", "ovn"), ("net1", "lan.further.ovn"), ("net2", "phys.further")] {
        let address = told(pod, network, "ip_address");
        let line = said.lines().find(|line| line.contains(&format!(" {interface} ")));
        assert!(
            line.is_some_and(|line| line.contains(&format!(" {address}/"))),
            "{interface} {address}: {said}"
        );
        let record = if network == "ovn" { String::new() } else { format!(".{network}") };
        let record = cluster
            .kubectl
            .must(&["get", "ip", &format!("{name}.{PLACE}{record}"), "--output=jsonpath={.spec.ipAddress}"])
            .await;
        assert_eq!(record, address);
    }
    assert!(said.contains(&told(pod, "lan.further.ovn", "mac_address")), "{said}");
    let defaults: Vec<_> = said.lines().filter(|line| line.starts_with("default")).collect();
    assert_eq!(defaults.len(), 1, "{said}");
    assert!(defaults[0].contains("eth0"), "{said}");
}

/// The pods go, and with them their ports, addresses and records. Then Multus goes.
async fn leave_nothing(cluster: &Cluster) {
    let kubectl = &cluster.kubectl;
    let ports = async || {
        let find = ["--bare", "--columns=name", "find", "Logical_Switch_Port", "external_ids:ls=further-lan"];
        cluster.nbctl(&find).await.unwrap()
    };
    assert!(ports().await.contains("a.further.lan.further.ovn"));
    kubectl.must(&["delete", "pod", "a", "b", "--namespace", PLACE, "--timeout=3m"]).await;
    until("everything of further interfaces to go", async || {
        let records = kubectl.run(&["get", "ips", "--output=name"]).await?;
        let ports = ports().await;
        let used = "--output=jsonpath={.items[*].status.v4usingIPs}";
        let used = kubectl.run(&["get", "subnets", "further-lan", "further-phys", used]).await?;
        let mut left = String::new();
        for node in &cluster.nodes {
            let plugged = node.machine().run("ovs-vsctl", &["list-ports", "br-int"]).await?;
            left += &plugged.lines().filter(|port| port.ends_with("_net1_h")).collect::<String>();
        }
        let of_pods = ports.contains("further.ovn") || records.contains(".further.");
        if of_pods || used != "0 0" || !left.is_empty() {
            return Err(format!("{records}\n{ports}\n{used}\n{left}"));
        }
        Ok(())
    })
    .await;
    for node in &cluster.nodes {
        std::fs::remove_file(node.machine().path(MULTUS)).unwrap();
    }
    kubectl.must(&["delete", "namespace", PLACE, "--timeout=3m"]).await;
    kubectl.must(&["delete", "subnet", "further-lan", "further-phys", "--timeout=3m"]).await;
    central::run(&format!("ip link delete {WIRE}")).await;
}

/// What an annotation of one of its networks tells a pod.
fn told(pod: &Value, network: &str, key: &str) -> String {
    let told = &pod["metadata"]["annotations"][format!("{network}.kubernetes.io/{key}")];
    told.as_str().unwrap_or_else(|| panic!("{network} {key}: {}", pod["metadata"])).to_owned()
}

fn multus() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/multus/build");
    let output = Command::new(script).arg("--path").output().unwrap();
    assert!(
        output.status.success(),
        "{}: make e2e builds it",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// A bridge beside the nodes, and a wire from each of them to it.
async fn wire(cluster: &Cluster) {
    let state = StateDir::new("e2e".parse().unwrap());
    central::run(&format!("ip link add {WIRE} type bridge")).await;
    central::run(&format!("ip link set {WIRE} up")).await;
    for node in &cluster.nodes {
        let (end, netns) = (format!("{WIRE}-{}", node.name()), state.name().node_netns(node.name()));
        central::run(&format!("ip link add {end} type veth peer name {NIC} netns {netns}")).await;
        central::run(&format!("ip link set {end} master {WIRE} up")).await;
        node.machine().run("ip", &["link", "set", NIC, "up"]).await.unwrap();
    }
}

fn configuration() -> Value {
    json!({
        "cniVersion": "0.3.1",
        "name": "multus",
        "type": "multus",
        "kubeconfig": ADMIN_CONFIG,
        "logFile": "/var/log/multus.log",
        "logLevel": "verbose",
        "capabilities": {"portMappings": true},
        "clusterNetwork": FIRST,
    })
}

/// The kind by which Multus learns of networks.
fn definition() -> Value {
    let schema = json!({
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"config": {"type": "string"}}}},
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "network-attachment-definitions.k8s.cni.cncf.io"},
        "spec": {
            "group": "k8s.cni.cncf.io",
            "scope": "Namespaced",
            "names": {
                "kind": "NetworkAttachmentDefinition",
                "plural": "network-attachment-definitions",
                "singular": "network-attachment-definition",
                "shortNames": ["net-attach-def"],
            },
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

fn network(name: &str, mut plugin: Value) -> Value {
    plugin["cniVersion"] = "0.3.1".into();
    json!({
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": PLACE},
        "spec": {"config": plugin.to_string()},
    })
}

fn subnet(name: &str, prefix: &str, provider: &str) -> Value {
    json!({
        "apiVersion": "kubeovn.io/v1",
        "kind": "Subnet",
        "metadata": {"name": name},
        "spec": {"cidrBlock": prefix, "provider": provider},
    })
}

fn on(name: &str, node: &str, networks: &str) -> Value {
    let mut spec = pod("exec sleep 1000000");
    spec["nodeName"] = node.into();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": PLACE,
            "annotations": {"k8s.v1.cni.cncf.io/networks": networks},
        },
        "spec": spec,
    })
}
