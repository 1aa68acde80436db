//! What a cluster asks for in vain, and what the controller says itself.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{Api, api::PostParams};
use kubeovn_core::index::objects::Kind;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::{asked::Ctl, rig::Rig};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for_in_vain_is_listed_and_no_illness() {
    let rig = Rig::start().await;
    let controller = rig.controller("only", &["--default-cidr=10.16.0.0/24"]);
    controller.works().await;
    let policies: Api<NetworkPolicy> = Api::namespaced(rig.client.clone(), "default");
    for name in ["deny", "allow"] {
        let policy = json!({ "metadata": { "name": name }, "spec": { "podSelector": {} } });
        policies.create(&PostParams::default(), &serde_json::from_value(policy).unwrap()).await.unwrap();
    }
    let spec = json!({ "cidrBlock": "10.30.0.0/24", "vips": ["10.30.0.9"] });
    rig.create(Kind::Subnet, json!({ "metadata": { "name": "db" }, "spec": spec })).await;
    rig.pod("marked", json!({ "ovn.kubernetes.io/ingress_rate": "3" })).await;
    rig.address("marked").await;
    rig.heard_by(&controller).await;
    let ctl = Ctl::of(&rig);

    let status = ctl.ask(&["status"]);
    status.says(
        0,
        &[
            "asked for, and not done by this version\n",
            "  NetworkPolicy: 2 objects; it is not enforced: pods send and receive what it forbids\n",
            "  vips of Subnet: 1 object: Subnet db\n",
            "  ovn.kubernetes.io/ingress_rate of Pod: 1 object: Pod default/marked\n",
            // The identity of this one is no pod's.
            "not asked: pods \"kube-ovn-controller\" not found. See --controller",
            "\nhealthy\n",
        ],
    );
    assert!(!status.out.contains("OvnEip") && !status.out.contains("FIELD-NOT-SUPPORTED"), "{}", status.out);
    assert!(status.out.lines().all(|line| line.chars().count() <= 100), "{}", status.out);
    let (code, json) = ctl.json(&["status"]);
    let kinds = json["notDone"]["kinds"].as_array().unwrap();
    let policy = kinds.iter().find(|kind| kind["kind"] == "NetworkPolicy").unwrap();
    assert_eq!(
        (code, &policy["objects"], &policy["apiVersion"]),
        (0, &json!(2), &json!("networking.k8s.io/v1"))
    );
    let field = json!({ "kind": "Subnet", "field": "vips", "objects": ["Subnet db"] });
    assert!(json["notDone"]["fields"].as_array().unwrap().contains(&field), "{json:#}");
    assert_eq!(json["probes"]["asked"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_controller_is_asked_how_it_stands() {
    let rig = Rig::start().await;
    let mut controller = rig.controller("only", &[]);
    controller.works().await;
    let ctl = Ctl::of(&rig);
    let url = format!("http://{}", controller.address());
    ctl.ask(&["status", "--controller", &url]).says(0, &[": ready, idle, Northbound up, transactions: "]);
    let (code, json) = ctl.json(&["status", "--controller", &url]);
    assert_eq!(
        (code, &json["probes"]["ready"], &json["probes"]["metrics"]["idle"]),
        (0, &json!(true), &json!(true))
    );

    controller.signal(Signal::SIGTERM);
    controller.ends().await;
    ctl.ask(&["status", "--controller", &url]).says(2, &["CTL-CONTROLLER-SILENT", "CTL-NO-CONTROLLER"]);
}
