//! Ours as pods: what users see of them, what they may do, what happens when they end, and how they go.

use std::{collections::BTreeSet, fs, sync::Arc};

use serde_json::{Value, json};

use super::{
    network::all_reach_all,
    restarts::{MAY_BE_LOST, PINGS, RUNS, lost_while},
    runtimes::quietly,
    workloads::{agents, gone, namespace, pod, service_leads, workload},
};
use crate::{
    central::ACCOUNTS,
    cluster::Cluster,
    deployed::{NAMESPACE, WORKLOADS, folder},
    image,
    install::commands,
    wait::until,
};

/// What the page says how to look whether it is well, says that it is.
pub(super) async fn what_was_deployed_is_well(cluster: Arc<Cluster>) {
    let nodes = cluster.nodes.len();
    let pods = cluster.kubectl.list(NAMESPACE, "pods").await;
    let ours: Vec<&Value> =
        pods.iter().filter(|pod| pod["metadata"]["labels"]["component"] == "network").collect();
    let ready = |pod: &Value| {
        let conditions = pod["status"]["conditions"].as_array().unwrap();
        conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    assert!(ours.iter().all(|pod| ready(pod)), "{ours:?}");
    assert_eq!(ours.len(), 2 + 2 * nodes);
    let script = commands("Is it well?", "kubectl -n kube-system get pods", &[("<any>", image::TOOLS)]);
    let said = cluster.kubectl.script(&folder(), &script).await.unwrap();
    for pod in ours {
        assert!(said.contains(pod["metadata"]["name"].as_str().unwrap()), "{said}");
    }
    for subnet in ["ovn-default", "join"] {
        assert!(said.lines().any(|line| line.starts_with(subnet)), "{said}");
    }
    until("hello to have an address", async || {
        let said = cluster.kubectl.run(&["get", "pod", "hello", "--output=jsonpath={.status.podIP}"]).await?;
        if said.starts_with("10.16.") { Ok(()) } else { Err(said) }
    })
    .await;
    cluster.kubectl.must(&["delete", "pod", "hello", "--now", "--wait=false"]).await;
    // and what to ask when something is not
    let script = commands("Is it well?", "kubectl get --raw", &[]);
    let said = cluster.kubectl.script(&folder(), &script).await.unwrap();
    for word in ["ok", "kubeovn_node", "switch ", "Bridge br-int"] {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    for node in &cluster.nodes {
        until(&format!("{} to say that its network works", node.name()), async || {
            let path = "--output=jsonpath={.status.conditions[?(@.type=='NetworkUnavailable')].status}";
            let said = cluster.kubectl.run(&["get", "node", node.name(), path]).await?;
            if said == "False" { Ok(()) } else { Err(said) }
        })
        .await;
    }
}

/// Capabilities that ours may have, by the kernel's numbers.
const CAPABILITIES: [(&str, u32); 3] = [("NET_ADMIN", 12), ("NET_RAW", 13), ("SYS_ADMIN", 21)];

/// What runs in containers has the capabilities of the manifests and no other, can't get any, and is filtered.
pub(super) async fn ours_may_what_the_manifests_say(cluster: Arc<Cluster>) {
    for workload in WORKLOADS {
        let text = cluster.kubectl.must(&["get", workload, "--namespace", NAMESPACE, "--output=json"]).await;
        let object: Value = serde_json::from_str(&text).unwrap();
        let context = &object["spec"]["template"]["spec"]["containers"][0]["securityContext"];
        let added = context["capabilities"]["add"].as_array().cloned().unwrap_or_default();
        let bit = |name: &Value| CAPABILITIES.iter().find(|(known, _)| name == known).unwrap().1;
        let mask = added.iter().fold(0_u64, |mask, name| mask | 1 << bit(name));
        // nobody else's user has any
        let root = context["runAsUser"] == 0;
        let words = ["grep", "-E", "^(CapEff|CapBnd|NoNewPrivs|Seccomp):", "/proc/1/status"];
        let exec = ["exec", "--namespace", NAMESPACE, workload, "--"];
        let said = cluster.kubectl.must(&[&exec[..], &words[..]].concat()).await;
        let wanted = [
            format!("CapEff:\t{:016x}", if root { mask } else { 0 }),
            format!("CapBnd:\t{mask:016x}"),
            "NoNewPrivs:\t1".to_owned(),
            "Seccomp:\t2".to_owned(),
        ];
        let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("Defaulted")).collect();
        assert_eq!(lines, wanted, "{workload}");
    }
}

/// Pods of these apps that end are replaced, and pods that talk over them notice nothing; new ones are given a network
/// as before.
pub(super) async fn ours_that_are_deleted_come_back(cluster: Arc<Cluster>) {
    agents(&cluster).await;
    let apps = ["kube-ovn-controller", "kube-ovn-cni"];
    let before = uids(&cluster, &apps).await;
    let mut least = usize::MAX;
    for _ in 0..RUNS {
        let lost = lost_while(&cluster, async || {
            let those = format!("app in ({})", apps.join(","));
            let delete = ["delete", "pods", "--namespace", NAMESPACE, "--selector", &those, "--wait=false"];
            cluster.kubectl.must(&delete).await;
        });
        least = least.min(lost.await);
        all_are_ready(&cluster).await;
        if least <= MAY_BE_LOST {
            break;
        }
    }
    assert!(least <= MAY_BE_LOST, "{least} of {PINGS} packets were lost");
    are_others(&cluster, &apps, &before).await;
    let name = "after";
    let set = workload("Deployment", name, name, json!({"replicas": 4}), pod("exec sleep 1000000"));
    cluster.kubectl.apply(vec![namespace(name), set]).await;
    cluster.kubectl.rolled_out(name, "deployment/after").await;
    all_reach_all(&cluster).await;
    gone(&cluster, name).await;
}

/// So do OVN's databases with northd, without which packets go on as they went; and the switches, which take a while here
/// to carry packets again, since nothing of a datapath in user space outlives its program. Who was there is reached as
/// before, and who comes gets a network.
pub(super) async fn ovn_and_switches_that_are_deleted_come_back(cluster: Arc<Cluster>) {
    agents(&cluster).await;
    let replaced = async |app: &str| {
        let before = uids(&cluster, &[app]).await;
        let those = format!("app={app}");
        let delete = ["delete", "pods", "--namespace", NAMESPACE, "--selector", &those, "--wait=false"];
        cluster.kubectl.must(&delete).await;
        are_others(&cluster, &[app], &before).await;
    };
    quietly(&cluster, "OVN's databases and northd are deleted", async || replaced("ovn-central").await).await;
    replaced("ovs").await;
    all_reach_all(&cluster).await;
    service_leads(&cluster, "after-switches").await;
}

/// Everything is begun anew, as for another version, in the order that the page says: who was there is reached as before.
pub(super) async fn ours_are_rolled_out_anew(cluster: Arc<Cluster>) {
    agents(&cluster).await;
    let apps = ["ovn-central", "ovs", "kube-ovn-controller", "kube-ovn-cni"];
    let before = uids(&cluster, &apps).await;
    for workload in [WORKLOADS[2], WORKLOADS[1], WORKLOADS[3], WORKLOADS[0]] {
        cluster.kubectl.must(&["rollout", "restart", "--namespace", NAMESPACE, workload]).await;
        let status = ["rollout", "status", "--namespace", NAMESPACE, workload, "--timeout=5m"];
        cluster.kubectl.must(&status).await;
    }
    all_are_ready(&cluster).await;
    assert!(before.is_disjoint(&uids(&cluster, &apps).await), "they are others");
    all_reach_all(&cluster).await;
}

/// What pods of ours asked of the API server, they asked as their own service accounts, and nothing was refused to them.
pub(super) async fn ours_are_who_they_are_and_nothing_is_refused(cluster: Arc<Cluster>) {
    agents(&cluster).await;
    let log = fs::read_to_string(cluster.kubernetes.audit_log()).unwrap();
    // the last line may be one that is being written
    let events: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of = |account: &str| {
        let user = format!("system:serviceaccount:{NAMESPACE}:{account}");
        events.iter().filter(move |event| event["user"]["username"] == user)
    };
    for account in ACCOUNTS {
        let refused: Vec<&Value> =
            of(account).filter(|event| event["responseStatus"]["code"] == 403).collect();
        assert!(refused.is_empty(), "refused to {account}: {refused:?}");
        let asked: BTreeSet<&str> = of(account).filter_map(|event| event["sourceIPs"][0].as_str()).collect();
        // by pods on these nodes
        let wanted = match account {
            "ovn" => 1,
            "kube-ovn-cni" => cluster.nodes.len(),
            _ => 0,
        };
        assert_eq!(asked.len(), wanted, "{account} asked from {asked:?}");
    }
    let wrote = |account: &str, verb: &str, resource: &str| {
        of(account).any(|event| {
            event["verb"] == verb
                && event["objectRef"]["resource"] == resource
                && event["responseStatus"]["code"].as_u64().is_some_and(|code| code < 300)
        })
    };
    assert!(wrote("ovn", "patch", "pods"), "the controller tells pods their addresses");
    assert!(wrote("kube-ovn-cni", "patch", "nodes"), "daemons tell that their nodes' network works");
}

/// Waits until each pod of these apps is another one, and all are ready: a workload counts who is about to end as ready.
async fn are_others(cluster: &Cluster, apps: &[&str], before: &BTreeSet<String>) {
    until(&format!("others than the pods of {apps:?}"), async || {
        let now = uids(cluster, apps).await;
        let others = now.len() == before.len() && now.is_disjoint(before);
        if others { Ok(()) } else { Err(format!("{now:?}, before {before:?}")) }
    })
    .await;
    all_are_ready(cluster).await;
}

async fn all_are_ready(cluster: &Cluster) {
    for workload in WORKLOADS {
        cluster.kubectl.rolled_out(NAMESPACE, workload).await;
    }
}

/// Of the pods of these apps.
async fn uids(cluster: &Cluster, apps: &[&str]) -> BTreeSet<String> {
    let pods = cluster.kubectl.list(NAMESPACE, "pods").await;
    let of_them = pods.iter().filter(|pod| apps.iter().any(|app| pod["metadata"]["labels"]["app"] == *app));
    of_them.map(|pod| pod["metadata"]["uid"].to_string()).collect()
}
