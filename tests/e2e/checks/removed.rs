//! Ours goes.

use std::{fs, sync::Arc};

use serde_json::{Value, json};

use super::workloads::{SHARED, namespace, pod, workload};
use crate::{cluster::Cluster, deployed::folder, install::commands, wait::until};

/// Kinds of which an installation has objects, besides its own kinds.
const KINDS: &str = "clusterroles,clusterrolebindings,priorityclasses,namespaces,validatingwebhookconfigurations,\
    deployments,daemonsets,controllerrevisions,pods,services,endpointslices,serviceaccounts,roles,rolebindings,\
    leases,configmaps,secrets";

/// Links that a node has by itself.
const OF_NODES: [&str; 3] = ["eth0", "eth1", "lo"];

/// Links that a switch leaves for the next one.
const OF_SWITCHES: [&str; 4] = ["br-int", "br-phy", "ovn0", "ovs-netdev"];

/// What runs, of those who are in our pods.
const PROGRAMS: [&str; 5] = ["kube-ovn", "ovn-", "ovs", "start-", "install-"];

/// After the commands of the page, neither the cluster nor nodes have anything of it, but for what their kernels are
/// rid of by a new start.
pub(super) async fn ours_go_and_leave_nothing(cluster: Arc<Cluster>) {
    let kubectl = &cluster.kubectl;
    nothing_of_other_checks_is_left(&cluster).await;
    let name = "own";
    let own = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "kubeovn.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let spec = json!({"vpc": "apart", "cidrBlock": "10.40.0.0/24", "namespaces": [name]});
    let apart = own("Vpc", "apart", json!({"namespaces": [name]}));
    kubectl.apply(vec![namespace(name), apart, own("Subnet", name, spec)]).await;
    until("the subnet", async || {
        let path = r"--output=jsonpath={.metadata.annotations.ovn\.kubernetes\.io/logical_switch}";
        let said = kubectl.run(&["get", "namespace", name, path]).await?;
        if said == name { Ok(()) } else { Err(said) }
    })
    .await;
    let mut spec = pod("exec sleep 1000000");
    // with 0 the API server forgets pods before their nodes do
    spec["terminationGracePeriodSeconds"] = 1.into();
    kubectl.apply(vec![workload("DaemonSet", name, name, json!({}), spec)]).await;
    kubectl.rolled_out(name, "daemonset/own").await;

    let all = format!("--all --namespace={name}");
    let put_in =
        [("..", &*all), ("<all but ovn-default and join>", name), ("<all but ovn-cluster>", "apart")];
    let script = commands("Away with it", "kubectl delete", &put_in);
    kubectl.script(&folder(), &script).await.unwrap_or_else(|why| panic!("{why}"));
    until("all objects to go", async || {
        let all =
            kubectl.run(&["get", KINDS, "--all-namespaces", "--output=name", "--ignore-not-found"]).await?;
        let of_ours: Vec<&str> = all.lines().filter(|name| is_of_ours(name)).collect();
        if of_ours.is_empty() { Ok(()) } else { Err(format!("{of_ours:?}")) }
    })
    .await;
    let kinds = kubectl.must(&["get", "customresourcedefinitions", "--output=name"]).await;
    assert!(!kinds.contains("kubeovn.io"), "{kinds}");
    until("all processes to end", async || {
        let left = processes();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;

    let script = commands("Away with it", "rm -rf", &[("reboot", "true")]);
    for node in &cluster.nodes {
        let run = async |line: &str| node.machine().run("sh", &["-c", line]).await.unwrap();
        run(&script).await;
        let files = run("find /etc /opt /var/lib -xdev -iname '*ovn*' -o -name '*openvswitch*'").await;
        let left: Vec<&str> = files.lines().filter(|path| !is_of_the_machine(path)).collect();
        assert!(left.is_empty(), "on {}: {left:?}", node.name());
        let links = run("ls /sys/class/net").await;
        let left: Vec<&str> = links.split_whitespace().filter(|link| !OF_NODES.contains(link)).collect();
        assert!(left.iter().all(|link| OF_SWITCHES.contains(link)), "on {}: {left:?}", node.name());
        let tables = run("nft list tables").await;
        let left: Vec<&str> = tables.lines().filter(|table| is_of_ours(table)).collect();
        assert_eq!(left, ["table ip kube-ovn"], "on {}", node.name());
    }
}

/// No namespace of a pod is on any node.
async fn nothing_of_other_checks_is_left(cluster: &Cluster) {
    cluster.kubectl.must(&["delete", "namespace", SHARED, "--ignore-not-found", "--wait=false"]).await;
    until("pods of other checks to go", async || {
        for node in &cluster.nodes {
            let left = node.machine().run("ls", &["/run/netns"]).await?;
            if !left.is_empty() {
                return Err(format!("{left} on {}", node.name()));
            }
        }
        Ok(())
    })
    .await;
}

fn is_of_ours(object: &str) -> bool {
    ["ovn", "ovs"].iter().any(|part| object.contains(part))
}

/// Debian's packages, and the door to where the machine's own things are.
fn is_of_the_machine(path: &str) -> bool {
    fs::exists(path).unwrap()
}

/// Those of pods: nothing else here has such names.
fn processes() -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        PROGRAMS.iter().any(|part| name.starts_with(part)).then(|| name.trim().to_owned())
    });
    all.collect()
}
