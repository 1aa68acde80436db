//! What switches packets: the flows of the integration bridges, compared over something that should not change them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{cluster::Cluster, wait::until};

/// So many looks in a row see the same, where nothing is about to change.
const LOOKS: usize = 20;

/// What is told of a difference, per node and direction.
const TOLD: usize = 10;

/// The flows of every node, without counters.
#[derive(PartialEq)]
pub(super) struct Flows(BTreeMap<String, BTreeSet<String>>);

impl Flows {
    /// Those of a cluster at rest: OVN has the ports of all pods and of no others, the nodes have done what it says, and
    /// nothing has changed for some time.
    pub(super) async fn at_rest(cluster: &Cluster) -> Self {
        until("OVN to have the pods that there are", async || {
            let (pods, ports) = (pods(cluster).await, ports(cluster).await?);
            if pods == ports { Ok(()) } else { Err(format!("pods {pods:?}, ports {ports:?}")) }
        })
        .await;
        // What was removed by force the node comes to later.
        until("the nodes to have the ports of their pods", async || {
            let pods = cluster.kubectl.list_all("pods").await;
            for node in &cluster.nodes {
                let here = |pod: &&Value| {
                    pod["spec"]["nodeName"] == node.name() && pod["spec"]["hostNetwork"] != true
                };
                let names = node.machine().run("ovs-vsctl", &["list-ports", "br-int"]).await?;
                let ports = names.lines().filter(|name| name.ends_with("_h")).count();
                let wanted = pods.iter().filter(here).count();
                if ports != wanted {
                    return Err(format!("{ports} on {}, for {wanted} pods", node.name()));
                }
            }
            Ok(())
        })
        .await;
        until("the nodes to do what OVN says", async || {
            cluster.nbctl(&["--timeout=10", "--wait=hv", "sync"]).await.map(drop)
        })
        .await;
        let (mut last, mut same) = (Self::dump(cluster).await, 0);
        until("flows to stay as they are", async || {
            let now = Self::dump(cluster).await;
            let changed = last.difference(&now);
            same = if changed.is_empty() { same + 1 } else { 0 };
            last = now;
            if same >= LOOKS { Ok(()) } else { Err(changed) }
        })
        .await;
        last
    }

    /// Panics where those of now are others.
    pub(super) async fn are_still(&self, cluster: &Cluster) {
        let changed = self.difference(&Self::at_rest(cluster).await);
        assert!(changed.is_empty(), "the flows are not what they were:\n{changed}");
    }

    async fn dump(cluster: &Cluster) -> Self {
        let mut all = BTreeMap::new();
        for node in &cluster.nodes {
            let dump = ["--no-stats", "dump-flows", "br-int"];
            // A bridge whose switch was killed is asked again.
            let flows = until("a dump of flows", async || {
                let text = node.machine().run("ovs-ofctl", &dump).await?;
                let flows: BTreeSet<String> = text.lines().map(str::to_owned).collect();
                if flows.len() > 100 { Ok(flows) } else { Err(text) }
            });
            all.insert(node.name().to_owned(), flows.await);
        }
        Self(all)
    }

    /// What went and what came, for people; empty when they are the same.
    fn difference(&self, now: &Self) -> String {
        let mut told = Vec::new();
        for (node, was) in &self.0 {
            let is = &now.0[node];
            for (word, some) in [("gone", was - is), ("new", is - was)] {
                told.extend(some.iter().take(TOLD).map(|flow| format!("{node}, {word}: {flow}")));
                if some.len() > TOLD {
                    told.push(format!("{node}, {word}: {} more", some.len() - TOLD));
                }
            }
        }
        told.join("\n")
    }
}

/// Pods that have a network of their own, as OVN calls their ports.
async fn pods(cluster: &Cluster) -> BTreeSet<String> {
    let pods = cluster.kubectl.list_all("pods").await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    pods.iter()
        .filter(|pod| pod["spec"]["hostNetwork"] != true)
        .map(|pod| format!("{}.{}", text(&pod["metadata"]["name"]), text(&pod["metadata"]["namespace"])))
        .collect()
}

/// The ports of pods that OVN has.
async fn ports(cluster: &Cluster) -> Result<BTreeSet<String>, String> {
    let names = cluster.nbctl(&["--bare", "--columns=name", "list", "Logical_Switch_Port"]).await?;
    Ok(names.lines().filter(|name| name.contains('.')).map(str::to_owned).collect())
}
