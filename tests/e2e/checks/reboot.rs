//! The power of a node is cut, and it boots: what was on its disks is there, all else is not.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    network::all_reach_all,
    ping::Ping,
    runtimes::{new_pods_come, reached},
    workloads::{SHARED, agents, gone, namespace, pod, workload},
};
use crate::{cluster::Cluster, node::Node, wait::until};

/// How many pods live on the node, beside its agent.
const RESIDENTS: usize = 6;

/// How long packets between two other nodes may stay without an answer meanwhile.
const GAP: Duration = Duration::from_secs(2);

/// Its pods are the same objects and have the addresses that they had, stale ports are gone, everybody reaches them, and no
/// address is live twice.
pub(super) async fn a_node_is_rebooted(cluster: Arc<Cluster>) {
    let name = "residents";
    agents(&cluster).await;
    let node = &cluster.nodes[cluster.nodes.len() - 1];
    let mut resident = pod("exec sleep 1000000");
    resident["nodeName"] = node.name().into();
    let set = workload("Deployment", name, name, json!({"replicas": RESIDENTS}), resident);
    cluster.kubectl.apply(vec![namespace(name), set]).await;
    cluster.kubectl.rolled_out(name, "deployment/residents").await;
    let (before, ports, boot) = (lives(&cluster).await, ports(node).await, boot(&cluster, node).await);
    assert_eq!(ports.len(), RESIDENTS + 1, "{ports:?}");
    // With less than three nodes there are no two others.
    let ping = if cluster.nodes.len() > 2 { Some(Ping::start(&cluster, 0, 1).await) } else { None };
    let cut = Instant::now();
    node.cut_power(&cluster.fabric).await;
    let off = cut.elapsed();
    node.boot(&cluster.fabric).await;
    let booted = cut.elapsed();
    until("kubelet to have told that the node was booted", async || {
        let now = self::boot(&cluster, node).await;
        if now == boot { Err(now) } else { Ok(()) }
    })
    .await;
    until("its pods to be started again", async || {
        let now = lives(&cluster).await;
        let again = |(name, life): (&String, &Life)| {
            let there = life.node != node.name() || (life.starts > before[name].starts && life.ready);
            (!there).then(|| format!("{name}: {life:?}"))
        };
        let not_yet: Vec<String> = now.iter().filter_map(again).collect();
        if not_yet.is_empty() { Ok(()) } else { Err(not_yet.join(", ")) }
    })
    .await;
    println!(
        "e2e:   power cut in {:.1} s, booted after {:.1} s, pods ready after {:.1} s",
        off.as_secs_f64(),
        booted.as_secs_f64(),
        cut.elapsed().as_secs_f64()
    );
    for (name, life) in &lives(&cluster).await {
        let was = &before[name];
        assert_eq!((&life.uid, &life.address), (&was.uid, &was.address), "{name} is another one");
    }
    until("only ports of this boot", async || {
        let now = self::ports(node).await;
        let stale: Vec<&String> = now.keys().filter(|link| ports.contains_key(*link)).collect();
        let links = node.machine().run("ls", &["/sys/class/net"]).await?;
        let links: BTreeSet<&str> = links.lines().filter(|link| link.ends_with("_h")).collect();
        let as_it_should = stale.is_empty() && now.keys().map(String::as_str).eq(links.iter().copied());
        if as_it_should && now.len() == ports.len() {
            Ok(())
        } else {
            Err(format!("{now:?}, links {links:?}"))
        }
    })
    .await;
    all_reach_all(&cluster).await;
    reached(&cluster, name).await;
    live_once(&cluster).await;
    if let Some(ping) = ping {
        let gap = ping.longest_gap().await;
        println!("e2e:   between two other nodes no answers for {gap:?} at most");
        assert!(gap <= GAP, "no answers between two other nodes for {gap:?}");
    }
    gone(&cluster, name).await;
    until("the residents' ports to go", async || {
        let left = self::ports(node).await;
        if left.len() == 1 { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    new_pods_come(&cluster, "after-reboot").await;
}

/// A pod in the eyes of the API server.
#[derive(Debug, PartialEq)]
struct Life {
    uid: String,
    node: String,
    address: String,
    starts: u64,
    ready: bool,
}

/// All pods, of agents and residents.
async fn lives(cluster: &Cluster) -> BTreeMap<String, Life> {
    let mut all = cluster.kubectl.list(SHARED, "pods").await;
    all.extend(cluster.kubectl.list("residents", "pods").await);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let life = |pod: &Value| {
        let container = &pod["status"]["containerStatuses"][0];
        let life = Life {
            uid: text(&pod["metadata"]["uid"]),
            node: text(&pod["spec"]["nodeName"]),
            address: text(&pod["status"]["podIP"]),
            starts: container["restartCount"].as_u64().unwrap_or_default(),
            ready: container["ready"] == true,
        };
        (text(&pod["metadata"]["name"]), life)
    };
    all.iter().map(life).collect()
}

/// Which boot of its node kubelet has told of.
async fn boot(cluster: &Cluster, node: &Node) -> String {
    let path = "--output=jsonpath={.status.nodeInfo.bootID}";
    cluster.kubectl.must(&["get", "node", node.name(), path]).await
}

/// The ports of pods on a node, by their links, with what OVN knows them by.
async fn ports(node: &Node) -> BTreeMap<String, String> {
    let list = ["--format=json", "--columns=name,external_ids", "list", "Interface"];
    let text = node.machine().run("ovs-vsctl", &list).await.unwrap();
    let table: Value = serde_json::from_str(&text).unwrap();
    let mut found = BTreeMap::new();
    for row in table["data"].as_array().unwrap() {
        let link = row[0].as_str().unwrap();
        if link.ends_with("_h") {
            let pairs = row[1][1].as_array().unwrap();
            let id = pairs.iter().find(|pair| pair[0] == "iface-id").map(|pair| pair[1].to_string());
            found.insert(link.to_owned(), id.unwrap_or_default());
        }
    }
    found
}

/// No logical port is on two nodes or twice on one, and no address is in two ports of OVN.
async fn live_once(cluster: &Cluster) {
    let mut places = BTreeMap::<String, Vec<String>>::new();
    for node in &cluster.nodes {
        for (link, id) in ports(node).await {
            places.entry(id).or_default().push(format!("{link} on {}", node.name()));
        }
    }
    let twice: Vec<_> = places.iter().filter(|(_, places)| places.len() != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let text =
        cluster.nbctl(&["--bare", "--columns=addresses", "list", "Logical_Switch_Port"]).await.unwrap();
    let addresses: Vec<&str> = text.split_whitespace().filter(|word| word.contains('.')).collect();
    let once: BTreeSet<&str> = addresses.iter().copied().collect();
    assert!(once.len() == addresses.len() && !once.is_empty(), "{addresses:?}");
}
