//! Virtual machines of KubeVirt keep their addresses. Nothing of KubeVirt runs here: the tests are it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use kubeovn_core::index::objects::Kind;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use crate::{
    kubernetes::machines::crds,
    rig::{Controller, Rig, until},
};

const MACHINE: &str = "db";
const PORT: &str = "db.default";

/// What KubeVirt makes when a machine starts: the instance, if it is not there, and its pod.
async fn launch(rig: &Rig, pod: &str, node: &str, annotations: Value) {
    if rig.api(Kind::VirtualMachineInstance).get_opt(MACHINE).await.unwrap().is_none() {
        rig.create(Kind::VirtualMachineInstance, json!({ "metadata": { "name": MACHINE } })).await;
    }
    let instance = rig.api(Kind::VirtualMachineInstance).get(MACHINE).await.unwrap();
    let owner = json!([{
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": MACHINE,
        "uid": instance.metadata.uid, "controller": true,
    }]);
    let metadata = json!({ "name": pod, "annotations": annotations, "ownerReferences": owner });
    let spec = json!({ "nodeName": node, "containers": [{ "name": "compute", "image": "none" }] });
    rig.create(Kind::Pod, json!({ "metadata": metadata, "spec": spec })).await;
}

/// The same when it stops.
async fn stop(rig: &Rig, controller: &Controller, pods: &[&str]) {
    for pod in pods {
        rig.delete(Kind::Pod, pod).await;
    }
    rig.delete(Kind::VirtualMachineInstance, MACHINE).await;
    rig.heard_by(controller).await;
}

/// Waits until the controller follows KubeVirt's kinds, or knows that they are not there.
async fn follows(controller: &Controller, is_there: bool) {
    for kind in ["VirtualMachine", "VirtualMachineInstance"] {
        until(&format!("{kind} to be followed: {is_there}"), async || {
            let up = controller.metric(&format!("kubeovn_watch_up{{kind=\"{kind}\"}}"));
            (up == is_there.then(|| "1.0".to_owned())).then_some(())
        })
        .await;
    }
}

fn option(rig: &Rig, key: &str) -> String {
    let text =
        rig.northbound.nbctl(&["--if-exists", "get", "Logical_Switch_Port", PORT, &format!("options:{key}")]);
    text.trim().trim_matches('"').to_owned()
}

async fn ends(mut controller: Controller) {
    controller.signal(Signal::SIGTERM);
    controller.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_keeps_its_address_for_as_long_as_it_exists() {
    let rig = Rig::start().await;
    rig.create(Kind::Node, json!({ "metadata": { "name": "n2" } })).await;
    let first = rig.controller("first", &[]);
    first.works().await;
    follows(&first, false).await;

    // KubeVirt comes when the controller has been there for long.
    rig.kubernetes.apply_machines().await;
    follows(&first, true).await;
    rig.create(Kind::VirtualMachine, json!({ "metadata": { "name": MACHINE } })).await;
    launch(&rig, "launcher-a", "n1", json!({})).await;
    let address = rig.address("launcher-a").await;
    assert_eq!(rig.told("launcher-a", "virtualmachine").await.as_deref(), Some(MACHINE));
    assert_eq!(rig.ports(), [PORT]);
    let record = rig.api(Kind::Ip).get(PORT).await.unwrap();
    assert_eq!(
        (&record.data["spec"]["podName"], &record.data["spec"]["podType"]),
        (&json!(MACHINE), &json!("VirtualMachine"))
    );

    stop(&rig, &first, &["launcher-a"]).await;
    assert_eq!(rig.ports(), [PORT], "its port stays");
    rig.pod("other", json!({})).await;
    assert_ne!(rig.address("other").await, address);
    rig.pod("greedy", json!({ "ovn.kubernetes.io/ip_address": address })).await;
    let refused = until("a refusal", async || rig.told("greedy", "error").await).await;
    assert!(refused.contains("db"), "{refused}");
    rig.delete(Kind::Pod, "greedy").await;
    launch(&rig, "launcher-b", "n2", json!({})).await;
    assert_eq!(rig.address("launcher-b").await, address);

    // It moves back while it runs.
    launch(&rig, "launcher-c", "n1", json!({ "kubevirt.io/migrationJobName": "move" })).await;
    assert_eq!(rig.address("launcher-c").await, address);
    assert_eq!(
        (option(&rig, "requested-chassis"), option(&rig, "activation-strategy")),
        ("n2,n1".into(), "rarp".into())
    );
    rig.delete(Kind::Pod, "launcher-b").await;
    rig.heard_by(&first).await;
    assert_eq!(
        (option(&rig, "requested-chassis"), option(&rig, "activation-strategy")),
        ("n1".into(), String::new())
    );
    assert_eq!(rig.told("launcher-c", "ip_address").await.as_deref(), Some(&*address));

    for stopped in [false, true] {
        if stopped {
            let between = rig.controller("between", &[]);
            between.works().await;
            stop(&rig, &between, &["launcher-c"]).await;
            ends(between).await;
        } else {
            // The first one is still there.
            first.works().await;
            first.signal(Signal::SIGTERM);
            until("the first to end", async || first.get("/livez").is_none().then_some(())).await;
        }
        let before = (rig.revisions().await, rig.rows());
        let next = rig.controller("next", &[]);
        next.works().await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!((rig.revisions().await, rig.rows()), before, "a restart wrote; stopped: {stopped}");
        ends(next).await;
    }

    let last = rig.controller("last", &[]);
    last.works().await;
    follows(&last, true).await;
    rig.delete(Kind::VirtualMachine, MACHINE).await;
    until("the record to go", async || {
        rig.api(Kind::Ip).get_opt(PORT).await.unwrap().is_none().then_some(())
    })
    .await;
    rig.pod("heir", json!({ "ovn.kubernetes.io/ip_address": address })).await;
    assert_eq!(rig.address("heir").await, address);
    assert_eq!(rig.ports(), ["heir.default", "other.default"]);
}

/// That nothing can be read of machines is no news of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_machines_that_cannot_be_read_nothing_is_released() {
    let rig = Rig::start().await;
    rig.kubernetes.apply_machines().await;
    rig.create(Kind::VirtualMachine, json!({ "metadata": { "name": MACHINE } })).await;
    let first = rig.controller("first", &[]);
    first.works().await;
    launch(&rig, "launcher-a", "n1", json!({})).await;
    rig.address("launcher-a").await;
    stop(&rig, &first, &["launcher-a"]).await;
    ends(first).await;

    // KubeVirt goes while nobody looks.
    let kinds: Api<CustomResourceDefinition> = Api::all(rig.client.clone());
    for crd in crds() {
        kinds.delete(crd.metadata.name.as_deref().unwrap(), &DeleteParams::default()).await.unwrap();
    }
    until("the kinds to go", async || {
        let left = kinds.list(&ListParams::default()).await.unwrap();
        left.items.iter().all(|crd| crd.spec.group != "kubevirt.io").then_some(())
    })
    .await;
    let blind = rig.controller("blind", &[]);
    blind.works().await;
    follows(&blind, false).await;
    assert_eq!(rig.ports(), [PORT], "it is ready, and has released nothing");
    assert!(rig.api(Kind::Ip).get_opt(PORT).await.unwrap().is_some());

    // It comes back, and the machine is not there.
    rig.kubernetes.apply_machines().await;
    follows(&blind, true).await;
    until("the port to go", async || rig.ports().is_empty().then_some(())).await;
    until("the record to go", async || {
        rig.api(Kind::Ip).get_opt(PORT).await.unwrap().is_none().then_some(())
    })
    .await;
}
