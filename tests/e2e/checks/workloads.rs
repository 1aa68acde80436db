//! What Kubernetes makes of workloads, and kubectl of pods.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use crate::{cluster::Cluster, image, node::Node, wait::until};

/// The namespace of what stays there for all checks.
pub(super) const SHARED: &str = "shared";

/// The spec of a pod that runs a shell command.
pub(super) fn pod(command: &str) -> Value {
    json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "image": image::TOOLS, "command": ["sh", "-c", command]}],
    })
}

/// A workload of pods with this label and spec.
pub(super) fn workload(kind: &str, namespace: &str, name: &str, spec: Value, pod: Value) -> Value {
    let mut workload = json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    });
    for (field, value) in spec.as_object().unwrap() {
        workload["spec"][field] = value.clone();
    }
    workload
}

pub(super) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// The names of the pods of a workload, and their nodes.
pub(super) async fn pods(cluster: &Cluster, namespace: &str, app: &str) -> Vec<(String, String)> {
    let all = cluster.kubectl.list(namespace, "pods").await;
    let of_app = all.iter().filter(|pod| pod["metadata"]["labels"]["app"] == app);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    of_app.map(|pod| (text(&pod["metadata"]["name"]), text(&pod["spec"]["nodeName"]))).collect()
}

/// A pod on each node from which to send things: its name, and its node's. They are made when the first check asks, and
/// stay.
pub(super) async fn agents(cluster: &Cluster) -> Vec<(String, String)> {
    let agent = workload("DaemonSet", SHARED, "agent", json!({}), pod("echo began; exec sleep 1000000"));
    cluster.kubectl.apply(vec![namespace(SHARED), agent]).await;
    cluster.kubectl.rolled_out(SHARED, "daemonset/agent").await;
    let agents = pods(cluster, SHARED, "agent").await;
    let on: BTreeSet<&str> = agents.iter().map(|(_, node)| &**node).collect();
    assert_eq!(on, cluster.nodes.iter().map(Node::name).collect());
    assert_eq!(agents.len(), cluster.nodes.len());
    agents
}

/// One pod on each node, no more.
pub(super) async fn daemonset_on_every_node(cluster: Arc<Cluster>) {
    agents(&cluster).await;
}

/// Every kubelet is reached.
pub(super) async fn exec_and_logs(cluster: Arc<Cluster>) {
    for (pod, _) in agents(&cluster).await {
        // it may not have come so far
        until(&format!("what {pod} prints"), async || {
            let said = cluster.kubectl.exec(SHARED, &pod, "hostname; cat /proc/1/comm").await?;
            let logged = cluster.kubectl.run(&["logs", "--namespace", SHARED, &pod]).await?;
            let as_it_should = said == format!("{pod}\nsleep") && logged == "began";
            if as_it_should { Ok(()) } else { Err(format!("{said:?}, {logged:?}")) }
        })
        .await;
    }
}

/// A Service leads to all pods of a Deployment, from a pod on any node.
pub(super) async fn deployment_behind_a_service(cluster: Arc<Cluster>) {
    service_leads(&cluster, "web").await;
}

/// The same, with both of them of this name and in a namespace of it.
pub(super) async fn service_leads(cluster: &Cluster, name: &str) {
    let mut serve = pod("mkdir /tmp/www; hostname > /tmp/www/index.html; exec httpd -f -p 80 -h /tmp/www");
    // kubelets reach pods of their nodes
    serve["containers"][0]["readinessProbe"] = json!({"httpGet": {"port": 80}, "periodSeconds": 1});
    let web = workload("Deployment", name, name, json!({"replicas": 3}), serve);
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 8080, "targetPort": 80}]},
    });
    cluster.kubectl.apply(vec![namespace(name), web, service]).await;
    cluster.kubectl.rolled_out(name, &format!("deployment/{name}")).await;
    let address = ["get", "service", name, "--namespace", name, "--output=jsonpath={.spec.clusterIP}"];
    let address = cluster.kubectl.must(&address).await;
    let all: BTreeSet<String> = pods(cluster, name, name).await.into_iter().map(|(pod, _)| pod).collect();
    assert_eq!(all.len(), 3);
    for (agent, node) in agents(cluster).await {
        let mut seen = BTreeSet::new();
        until(&format!("all of {all:?} to answer at {address}, asked on {node}"), async || {
            let ask = format!("for i in 1 2 3 4 5 6; do timeout 3 wget -q -O- http://{address}:8080/; done");
            seen.extend(cluster.kubectl.exec(SHARED, &agent, &ask).await?.lines().map(str::to_owned));
            if seen == all { Ok(()) } else { Err(format!("{seen:?}")) }
        })
        .await;
    }
    gone(cluster, name).await;
}

/// The second comes after the first, and one that is deleted comes back under its name.
pub(super) async fn statefulset_in_order(cluster: Arc<Cluster>) {
    let name = "db";
    let set = workload("StatefulSet", name, name, json!({"replicas": 2}), pod("exec sleep 1000000"));
    cluster.kubectl.apply(vec![namespace(name), set]).await;
    cluster.kubectl.rolled_out(name, "statefulset/db").await;
    let ids = async || {
        let pods = cluster.kubectl.list(name, "pods").await;
        let id = |pod: &Value| (pod["metadata"]["name"].to_string(), pod["metadata"]["uid"].to_string());
        pods.iter().map(id).collect::<Vec<_>>()
    };
    let before = ids().await;
    assert_eq!(before.len(), 2);
    cluster.kubectl.must(&["delete", "pod", "db-0", "--namespace", name]).await;
    // Until it is counted as gone the set is as it was.
    let after = until("another db-0", async || {
        let now = ids().await;
        if now.len() == 2 && now[0].1 != before[0].1 { Ok(now) } else { Err(format!("{now:?}")) }
    })
    .await;
    cluster.kubectl.rolled_out(name, "statefulset/db").await;
    assert_eq!((&before[0].0, &before[1]), (&after[0].0, &after[1]), "of the same name");
    gone(&cluster, name).await;
}

/// By the address of the Service that is there by itself, with the certificate and the token that every pod has.
pub(super) async fn pods_reach_the_api_server(cluster: Arc<Cluster>) {
    for (agent, node) in agents(&cluster).await {
        // it answers nobody who has hung up
        let ask = "cd /var/run/secrets/kubernetes.io/serviceaccount; (printf 'GET /api/v1/namespaces HTTP/1.0\\r\\n\
            Authorization: Bearer %s\\r\\n\\r\\n' \"$(cat token)\"; sleep 1) | timeout 5 socat -t 1 - \
            OPENSSL:$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT,cafile=ca.crt";
        until(&format!("the API server, asked on {node}"), async || {
            let said = cluster.kubectl.exec(SHARED, &agent, ask).await?;
            // whom it knows, but may not do this
            if said.contains("403") && said.contains("system:serviceaccount:shared:default") {
                Ok(())
            } else {
                Err(said)
            }
        })
        .await;
    }
}

/// Deletes a namespace, which takes its time.
pub(super) async fn gone(cluster: &Cluster, namespace: &str) {
    cluster.kubectl.must(&["delete", "namespace", namespace, "--wait=false"]).await;
}
