//! Pods that nobody starts, and pods whose kubelets are played by the test.

use std::{
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::kubernetes::Kubernetes;

const PATIENCE: Duration = Duration::from_mins(1);
const OURS: &str = "app.kubernetes.io/managed-by=kubeovn-ctl-test";

/// A cluster of two nodes without kubelets.
struct Cluster {
    kubernetes: Kubernetes,
    client: Client,
}

impl Cluster {
    async fn start() -> Self {
        let kubernetes = Kubernetes::start().await;
        let client = kubernetes.client();
        let nodes: Api<Node> = Api::all(client.clone());
        for (name, address) in [("n1", "172.18.0.2"), ("n2", "172.18.0.3")] {
            let node = json!({ "metadata": { "name": name } });
            nodes.create(&PostParams::default(), &serde_json::from_value(node).unwrap()).await.unwrap();
            let info = json!({
                "machineID": format!("machine of {name}"), "systemUUID": "", "bootID": "", "kernelVersion": "",
                "osImage": "", "containerRuntimeVersion": "", "kubeletVersion": "", "kubeProxyVersion": "",
                "operatingSystem": "", "architecture": "",
            });
            let status = json!({ "status": { "nodeInfo": info, "addresses": [{ "type": "InternalIP", "address": address }] } });
            nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
        }
        Cluster { kubernetes, client }
    }

    fn ctl(&self, words: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeovn-ctl"));
        command.args(words).arg("--kubeconfig").arg(self.kubernetes.kubeconfig()).env_remove("KUBECONFIG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Namespaces of tests that stay.
    async fn namespaces(&self) -> Vec<String> {
        let all: Api<Namespace> = Api::all(self.client.clone());
        let list = all.list(&ListParams::default().labels(OURS)).await.unwrap();
        let stay = list.items.into_iter().filter(|namespace| namespace.metadata.deletion_timestamp.is_none());
        stay.filter_map(|namespace| namespace.metadata.name).collect()
    }

    async fn pods(&self) -> Vec<Pod> {
        let all: Api<Pod> = Api::all(self.client.clone());
        all.list(&ListParams::default().labels(OURS)).await.unwrap().items
    }

    /// Nothing is left of any test.
    async fn is_clean(&self) {
        assert_eq!(self.namespaces().await, [""; 0]);
        assert_eq!(self.pods().await.len(), 0);
        let services: Api<Service> = Api::all(self.client.clone());
        assert_eq!(services.list(&ListParams::default().labels(OURS)).await.unwrap().items.len(), 0);
    }

    async fn namespace(&self, name: &str, until: &str) {
        let (label, value) = OURS.split_once('=').unwrap();
        let meta = json!({ "name": name, "labels": { label: value }, "annotations": { "kubeovn-ctl-test/until": until } });
        let namespace = serde_json::from_value(json!({ "metadata": meta })).unwrap();
        let all: Api<Namespace> = Api::all(self.client.clone());
        all.create(&PostParams::default(), &namespace).await.unwrap();
    }

    async fn status(&self, pod: &Pod, status: Value) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), pod.metadata.namespace.as_deref().unwrap());
        let patch = Patch::Merge(json!({ "status": status }));
        pods.patch_status(pod.metadata.name.as_deref().unwrap(), &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
}

/// Waits for it in a thread of its own: the test goes on meanwhile.
async fn end(child: Child) -> (i32, String) {
    let output: Output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A file's path that is removed with the value.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_kubelet_works_it_is_said_and_nothing_is_left() {
    let cluster = Cluster::start().await;
    cluster.namespace("kubeovn-test-old", "2020-01-01T00:00:00Z").await;
    cluster.namespace("kubeovn-test-other", "2999-01-01T00:00:00Z").await;
    let (code, said) = end(cluster.ctl(&["test", "--start-within", "2"])).await;
    assert_eq!(code, 2, "{said}");
    for text in [
        "removing kubeovn-test-old, which an earlier run left",
        "from n1, n2 to pod on n1 (its address): no kubelet started the pod on n1 within 2 s",
        "from n1, n2 to pod on n2 (its address): no kubelet started the pod on n2 within 2 s",
        "0 of 4 probes reached",
    ] {
        assert!(said.contains(text), "{text:?} is not in {said}");
    }
    eprintln!("{said}");
    assert_eq!(cluster.namespaces().await, ["kubeovn-test-other"], "that of a run that goes on stays");
    cluster.namespace("kubeovn-test-late", "2020-01-01T00:00:00Z").await;
    let all: Api<Namespace> = Api::all(cluster.client.clone());
    all.delete("kubeovn-test-other", &DeleteParams::default()).await.unwrap();

    let child = cluster.ctl(&["test", "--start-within", "300"]);
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    until("the pods", async || cluster.pods().await.len() == 2).await;
    kill(pid, Signal::SIGINT).unwrap();
    let (code, said) = end(child).await;
    assert_eq!((code, said.contains("CTL-TEST-ENDED")), (1, true), "{said}");
    cluster.is_clean().await;

    let (code, said) = end(cluster.ctl(&["test", "--node", "n9"])).await;
    assert_eq!(
        (code, said.contains("CTL-TEST-NO-NODES: none of 2 nodes can be tested; not there: n9")),
        (1, true),
        "{said}"
    );
    cluster.is_clean().await;

    let (code, said) = end(cluster.ctl(&["check", "--node-name", "n9", "-o", "json"])).await;
    assert!(code == 0 || code == 2, "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    let find = |code: &str| {
        let findings = report["findings"].as_array().unwrap();
        findings
            .iter()
            .find(|finding| finding["code"] == code)
            .unwrap_or_else(|| panic!("{code}: {report:#}"))
            .clone()
    };
    assert_eq!(find("CHECK-NODE-UNKNOWN")["severity"], "warn");
    assert_eq!(
        (&find("CHECK-CLOCK")["severity"], &find("CHECK-MACHINE-TWICE")["severity"]),
        (&json!("ok"), &json!("ok"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_pods_report_is_what_is_told() {
    let cluster = Cluster::start().await;
    let junit = File(std::env::temp_dir().join(format!("kubeovn-test-{}.xml", std::process::id())));
    let path = junit.0.display().to_string();
    let child = cluster.ctl(&["test", "--image", "tools:1", "--external", "192.0.2.1", "--junit", &path]);
    until("the servers", async || cluster.pods().await.len() == 2).await;
    for (pod, ip) in cluster.pods().await.iter().zip(["10.16.0.2", "10.16.0.3"]) {
        let running = json!([{ "name": "main", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": { "running": {} } }]);
        let status = json!({ "phase": "Running", "podIP": ip, "podIPs": [{ "ip": ip }], "containerStatuses": running });
        cluster.status(pod, status).await;
    }
    until("the probers", async || cluster.pods().await.len() == 4).await;
    let pods = cluster.pods().await;
    let probers = pods.iter().filter(|pod| pod.metadata.labels.as_ref().unwrap()["role"] == "prober");
    for prober in probers {
        let spec = prober.spec.as_ref().unwrap();
        let script = &spec.containers[0].command.as_ref().unwrap()[2];
        assert_eq!(spec.containers[0].image.as_deref(), Some("tools:1"));
        // To both pods, both nodes, the Service, and what is outside.
        assert_eq!(script.matches("\ntry ").count(), 6, "{script}");
        for target in
            ["http://10.16.0.2:8080/", "http://10.16.0.3:8080/", "172.18.0.2", "172.18.0.3", "192.0.2.1"]
        {
            assert!(script.contains(target), "{target}: {script}");
        }
        let outside = if spec.node_name.as_deref() == Some("n1") { "+30 1" } else { "-no answer within 3 s" };
        let report = format!("+0 1\n+10 1\n+0 1\n+0 1\n+20 2\n{outside}\n");
        let ended = json!({ "terminated": { "exitCode": 0, "message": report } });
        let ended = json!([{ "name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": ended }]);
        cluster.status(prober, json!({ "phase": "Succeeded", "containerStatuses": ended })).await;
    }
    let (code, said) = end(child).await;
    assert_eq!(code, 2, "{said}");
    for text in [
        "n1                      ok <10 ms  ok 10 ms",
        "n1               ok 20 ms, attempt 2  ok 30 ms",
        "n2               ok 20 ms, attempt 2  FAILED",
        "from n2 to outside 192.0.2.1 (ping 192.0.2.1): no answer within 3 s",
        "DNS was not tested: there is no Service kube-system/kube-dns",
        "11 of 12 probes reached",
    ] {
        assert!(said.contains(text), "{text:?} is not in {said}");
    }
    eprintln!("{said}");
    let xml = std::fs::read_to_string(&junit.0).unwrap();
    assert!(xml.contains("tests=\"12\" failures=\"1\""), "{xml}");
    cluster.is_clean().await;
}
