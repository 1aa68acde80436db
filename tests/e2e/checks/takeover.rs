//! A node that Kube-OVN's own daemon ran until now: what it left is taken over, and pods that talk notice nothing.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{
    flows::Flows,
    restarts::{MAY_BE_LOST, PINGS, RUNS, lost_while},
    workloads::{SHARED, agents, namespace, pod},
};
use crate::{cluster::Cluster, cni, node::Node, wait::until};

/// The columns by which a row is seen to be the same one, and to say the same.
const COLUMNS: &str = "--columns=_uuid,name,ofport,external_ids";

/// What Kube-OVN's daemon leaves in Open vSwitch, in the firewall and of links; and what comes of it when ours begins.
pub(super) async fn a_node_of_kube_ovn_is_taken_over(cluster: Arc<Cluster>) {
    let agents = agents(&cluster).await;
    // That of a pod that talks, with a pod that goes later. Where our rules have the names of Kube-OVN's nothing of them goes.
    let name =
        agents.iter().take(2).map(|(_, node)| node).find(|node| cni::firewall(node) == "nftables").unwrap();
    let node = cluster.nodes.iter().find(|node| node.name() == *name).unwrap();
    let mut spec = pod("exec sleep 1000000");
    spec["nodeName"] = node.name().into();
    let goes = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "goes", "namespace": "adopted"}, "spec": spec});
    cluster.kubectl.apply(vec![namespace("adopted")]).await;
    until("the account that pods have by default", async || {
        cluster.kubectl.run(&["get", "serviceaccount", "default", "--namespace", "adopted"]).await
    })
    .await;
    cluster.kubectl.apply(vec![goes]).await;
    let ready = ["wait", "pod/goes", "--for=condition=Ready", "--timeout=3m", "--namespace", "adopted"];
    cluster.kubectl.must(&ready).await;

    let mut least = usize::MAX;
    for _ in 0..RUNS {
        let before = (Flows::at_rest(&cluster).await, rows(node).await);
        node.daemon().kill();
        becomes_kube_ovns(node).await;
        let left = rows(node).await;
        let same = |rows: &BTreeMap<String, Row>| -> Vec<(String, String)> {
            rows.iter().map(|(name, row)| (name.clone(), row.row.clone())).collect()
        };
        assert_eq!(same(&left), same(&before.1), "what stands for Kube-OVN's rows is what was there");
        assert!(left.values().all(|row| !row.ids.iter().any(|id| id.starts_with("owner="))), "{left:?}");
        let lost = lost_while(&cluster, async || {
            node.daemon().revive();
            is_ready(node).await;
            firewall_is_ours_alone(node).await;
        });
        least = least.min(lost.await);
        let after = rows(node).await;
        assert_eq!(same(&after), same(&left), "a row was deleted or made anew");
        for (name, row) in &left {
            assert!(
                row.ids.iter().all(|id| after[name].ids.contains(id)),
                "{name}: {row:?}, then {:?}",
                after[name]
            );
        }
        before.0.are_still(&cluster).await;
        if least <= MAY_BE_LOST {
            break;
        }
    }
    assert!(least <= MAY_BE_LOST, "{least} of {PINGS} packets were lost");
    goes_again(&cluster, node).await;
    super::network::all_reach_all(&cluster).await;
}

/// What the interfaces of the integration bridge say, by name: those of pods, and the node's own.
async fn rows(node: &Node) -> BTreeMap<String, Row> {
    let list = ["--format=json", COLUMNS, "list", "Interface"];
    let text = node.machine().run("ovs-vsctl", &list).await.unwrap();
    let table: Value = serde_json::from_str(&text).unwrap();
    let row = |row: &Value| {
        let [uuid, name, port, ids] = [0, 1, 2, 3].map(|column| &row[column]);
        let pair = |pair: &Value| format!("{}={}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        let ids = ids[1].as_array().unwrap().iter().map(pair);
        // ovn-controller's own, with the time at which it looked
        let ids = ids.filter(|id| !id.starts_with("ovn-installed")).collect();
        (name.as_str().unwrap().to_owned(), Row { row: format!("{uuid} {port}"), ids })
    };
    let rows = table["data"].as_array().unwrap().iter().map(row);
    rows.filter(|(name, _)| name.ends_with("_h") || name == "ovn0").collect()
}

/// A row of Open vSwitch.
#[derive(Debug)]
struct Row {
    /// Which it is, and its port.
    row: String,
    /// `key=value`.
    ids: Vec<String>,
}

/// Makes a node's rows and rules those of Kube-OVN's daemon: the same ports and links, which have its names already, with its
/// keys alone; and its chains and sets instead of our table.
async fn becomes_kube_ovns(node: &Node) {
    const OF_PODS: [&str; 6] = ["iface-id", "vendor", "pod_name", "pod_namespace", "pod_netns", "ip"];
    const OF_NODE: [&str; 2] = ["iface-id", "ip"];
    let run = async |program: &str, args: &[&str]| node.machine().run(program, args).await.unwrap();
    for (name, row) in rows(node).await {
        let its = if name == "ovn0" { &OF_NODE[..] } else { &OF_PODS[..] };
        let keys: Vec<&str> = row.ids.iter().map(|id| id.split('=').next().unwrap()).collect();
        assert!(its.iter().all(|key| keys.contains(key)), "{name}: {row:?}");
        // The others one by one, so that nothing of these is gone in between.
        for key in keys.iter().filter(|key| !its.contains(key)) {
            run("ovs-vsctl", &["remove", "Interface", &name, "external_ids", key]).await;
        }
        run("ovs-vsctl", &["clear", "Port", &name, "external_ids"]).await;
    }
    let script = its_rules(&node.machine().address().to_string());
    run("sh", &["-ec", &script]).await;
    let tables = run("nft", &["list", "tables"]).await;
    for table in tables.lines().filter(|table| table.ends_with(" kube-ovn")) {
        let words: Vec<&str> = table.split(' ').collect();
        run("nft", &[&["delete"][..], &words].concat()).await;
    }
}

/// Its sets and chains for the default subnet, as it writes them on a node of this address.
fn its_rules(address: &str) -> String {
    let mut script = String::new();
    let mut add = |line: &str| {
        script += line;
        script.push('\n');
    };
    for (set, members) in [
        ("subnets", "10.16.0.0/16 100.64.0.0/16"),
        ("subnets-nat", "10.16.0.0/16"),
        ("subnets-distributed-gw", "10.16.0.0/16"),
        ("subnets-nat-policy", ""),
        ("other-node", ""),
        ("services", "10.96.0.0/12"),
    ] {
        add(&format!("ipset -exist create ovn40{set} hash:net"));
        for member in members.split_whitespace() {
            add(&format!("ipset -exist add ovn40{set} {member}"));
        }
    }
    let (ours, others) = ("-m set --match-set ovn40subnets", "-m set ! --match-set ovn40subnets");
    for chain in ["PREROUTING", "POSTROUTING"] {
        let jump =
            format!("{chain} -m comment --comment 'kube-ovn {} rules' -j OVN-{chain}", chain.to_lowercase());
        add(&format!("iptables -w -t nat -N OVN-{chain}"));
        add(&format!("iptables -w -t nat -I {jump}"));
    }
    add("iptables -w -t nat -N OVN-MASQUERADE");
    for rule in [
        format!(
            "OVN-PREROUTING -i ovn0 {ours} src -m set --match-set ovn40services dst -j MARK --set-xmark 0x4000/0x4000"
        ),
        format!(
            "OVN-POSTROUTING -m set --match-set ovn40services src {ours} dst -m mark --mark 0x4000/0x4000 -j SNAT --to-source {address}"
        ),
        "OVN-POSTROUTING -m mark --mark 0x4000/0x4000 -j OVN-MASQUERADE".to_owned(),
        format!("OVN-POSTROUTING {ours} src {ours} dst -j OVN-MASQUERADE"),
        format!("OVN-POSTROUTING -m set --match-set ovn40subnets-nat src {others} dst -j OVN-MASQUERADE"),
        "OVN-MASQUERADE -j MARK --set-xmark 0x0/0xffffffff".to_owned(),
        "OVN-MASQUERADE -j MASQUERADE".to_owned(),
    ] {
        add(&format!("iptables -w -t nat -A {rule}"));
    }
    for chain in ["INPUT", "FORWARD"] {
        for way in ["src", "dst"] {
            add(&format!("iptables -w -I {chain} {ours} {way} -j ACCEPT"));
        }
    }
    script
}

async fn is_ready(node: &Node) {
    until(&format!("the daemon of {} to be ready", node.name()), async || {
        let ready = ["wget", "-q", "-O", "-", "http://127.0.0.1:10665/readyz"];
        node.machine().run("busybox", &ready).await.map(drop)
    })
    .await;
}

/// Kube-OVN's chains and sets are gone, and ours are there.
async fn firewall_is_ours_alone(node: &Node) {
    until(&format!("the rules of {} to be ours alone", node.name()), async || {
        let run = async |program: &str, args: &[&str]| node.machine().run(program, args).await;
        let (chains, sets) = (run("iptables-save", &[]).await?, run("ipset", &["list", "-name"]).await?);
        let tables = run("nft", &["list", "tables"]).await?;
        let left = chains.contains("OVN-") || chains.contains("ovn40") || sets.contains("ovn40");
        let ours = tables.lines().any(|table| table.ends_with(" kube-ovn"));
        if ours && !left { Ok(()) } else { Err(format!("{chains}\n{sets}\n{tables}")) }
    })
    .await;
}

/// A pod that Kube-OVN plugged is unplugged when it goes.
async fn goes_again(cluster: &Cluster, node: &Node) {
    let plugged = async || {
        let find = ["--bare", "--columns=name", "find", "Interface", "external_ids:pod_namespace=adopted"];
        node.machine().run("ovs-vsctl", &find).await
    };
    let link = plugged().await.unwrap();
    assert!(link.ends_with("_h"), "{link:?}");
    cluster.kubectl.must(&["delete", "namespace", "adopted", "--timeout=3m"]).await;
    until("port and link of the pod to go", async || {
        let links = node.machine().run("ls", &["/sys/class/net"]).await?;
        let port = plugged().await?;
        if port.is_empty() && !links.contains(&link) { Ok(()) } else { Err(format!("{port} {links}")) }
    })
    .await;
    let agents = cluster.kubectl.list(SHARED, "pods").await;
    assert_eq!(agents.len(), cluster.nodes.len());
}
