//! Ten thousand pods.

use std::time::Instant;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use kubeovn_bins::cluster::kube::{KubeCluster, Options, client};
use kubeovn_core::index::objects::Kind;
use serde_json::{Value, json};

use crate::{api::ApiServer, watch::Watch};

const PODS: usize = 10_000;

/// As large as a pod of a small service is once a kubelet has written to it.
fn pod(number: usize) -> Value {
    let env: Vec<_> =
        (0..12).map(|n| json!({ "name": format!("VARIABLE_{n}"), "value": "x".repeat(40) })).collect();
    json!({
        "metadata": {
            "name": format!("web-{number}"),
            "labels": { "app": "web", "team": "shop", "pod-template-hash": "6d4cf56db6" },
            "annotations": { "example.org/note": "y".repeat(200) },
        },
        "spec": { "containers": [{ "name": "web", "image": "web:1.2.3", "env": env }] },
    })
}

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn ten_thousand_pods_are_listed() {
    let server = ApiServer::start().await;
    let api: Api<Pod> = Api::default_namespaced(server.client.clone());
    let began = Instant::now();
    let made = stream::iter(0..PODS).map(|number| {
        let (api, pod) = (&api, serde_json::from_value(pod(number)).unwrap());
        async move { api.create(&PostParams::default(), &pod).await.unwrap() }
    });
    made.buffer_unordered(32).for_each(|_| std::future::ready(())).await;
    println!("{PODS} pods made in {:?}", began.elapsed());

    let cluster = KubeCluster::new(client(server.kubernetes.config("admin")).unwrap(), Options::default());
    let (before, began) = (resident(), Instant::now());
    let mut watch = Watch::new(&cluster, &[Kind::Pod], "web-");
    let (mut pods, mut most) = (Vec::with_capacity(PODS), before);
    loop {
        match watch.next().await {
            kubeovn_core::contract::cluster::Event::Applied(object) => pods.push(object),
            kubeovn_core::contract::cluster::Event::Listed(_) => break,
            other => panic!("{other:?}"),
        }
        if pods.len() % 500 == 0 {
            most = most.max(resident());
        }
    }
    let took = began.elapsed();
    assert_eq!(pods.len(), PODS);
    println!(
        "{PODS} pods listed in {took:?}: {} KiB at most, {} KiB with all of them held",
        most.saturating_sub(before),
        resident().saturating_sub(before)
    );
    // What the whole list is as text, for comparison.
    let text = kube::core::Request::new("/api/v1/pods").list(&ListParams::default()).unwrap();
    let text = server.client.request_text(text).await.unwrap();
    println!("the list has {} KiB of JSON", text.len() / 1024);
}
