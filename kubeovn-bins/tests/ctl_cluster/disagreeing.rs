//! A cluster where things went wrong.

use kube::api::{Patch, PatchParams};
use kubeovn_core::index::objects::Kind;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    asked::Ctl,
    rig::{Rig, until},
};

async fn patch(rig: &Rig, kind: Kind, name: &str, patch: Value) {
    rig.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_named_with_both_sides() {
    let rig = Rig::start().await;
    let mut controller = rig.controller("only", &["--default-cidr=10.16.0.0/24"]);
    controller.works().await;
    rig.create(
        Kind::Subnet,
        json!({ "metadata": { "name": "tiny" }, "spec": { "cidrBlock": "10.40.0.0/30" } }),
    )
    .await;
    for pod in ["port", "told", "record", "gone", "well"] {
        rig.pod(pod, json!({})).await;
        rig.address(pod).await;
    }
    let tiny = json!({ "ovn.kubernetes.io/logical_switch": "tiny" });
    rig.pod("first", tiny.clone()).await;
    let taken = rig.address("first").await;
    rig.pod("late", tiny).await;
    until("the refusal", async || rig.told("late", "error").await).await;
    controller.works().await;
    let ctl = Ctl::of(&rig);

    // One pod waits: that is not well, but nothing contradicts anything.
    let status = ctl.ask(&["status"]);
    status.says(2, &["IPAM-POOL-EXHAUSTED", "1 object: Pod default/late", "1 thing to look at"]);
    assert!(status.out.lines().all(|line| line.chars().count() <= 100), "{}", status.out);
    ctl.ask(&["ipam", "check"]).says(0, &["all agree"]);
    ctl.ask(&["nb", "diff", "--from", "cluster"]).says(0, &["nothing would change"]);
    ctl.ask(&["ipam", "explain", "default/late"]).says(
        0,
        &[
            "pod/default/late has no address",
            "IPAM-POOL-EXHAUSTED",
            "tiny: 1 used, 0 free",
            "default: 1 holder",
        ],
    );
    ctl.ask(&["ipam", "explain", &taken]).says(0, &["is held by pod/default/first"]);

    controller.signal(Signal::SIGTERM);
    assert_eq!(controller.ends().await.code(), Some(0));
    let well = rig.address("well").await;
    rig.northbound.nbctl(&["lsp-set-addresses", "port.default", "00:00:00:00:00:07 10.16.0.200"]);
    patch(
        &rig,
        Kind::Pod,
        "told",
        json!({ "metadata": { "annotations": {
        "ovn.kubernetes.io/ip_address": well } } }),
    )
    .await;
    patch(&rig, Kind::Ip, "record.default", json!({ "spec": { "ipAddress": "10.16.0.201" } })).await;
    rig.northbound.nbctl(&["lsp-del", "gone.default"]);
    rig.pod("new", json!({})).await;
    let before = (rig.revisions().await, rig.rows());

    let (code, report) = ctl.json(&["ipam", "check"]);
    let found: Vec<(String, String)> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["code"].as_str().unwrap().to_owned(), f["owner"].as_str().unwrap().to_owned()))
        .collect();
    let expected = [
        ("IPAM-CHECK-ANNOTATIONS", "pod/default/told"),
        ("IPAM-CHECK-PORT", "pod/default/gone"),
        ("IPAM-CHECK-PORT", "pod/default/port"),
        ("IPAM-CHECK-RECORD", "pod/default/record"),
        ("IPAM-CHECK-UNSERVED", "pod/default/new"),
    ];
    let all = format!("{report:#}");
    assert_eq!(code, 2);
    assert_eq!(found, expected.map(|(code, owner)| (code.to_owned(), owner.to_owned())), "{all}");
    ctl.ask(&["ipam", "check"]).says(
        2,
        &[
            "IP record.default: 10.16.0.201",
            "pod/default/well holds that address. The controller sets it right",
        ],
    );
    ctl.ask(&["ipam", "explain", "10.16.0.201"]).says(0, &["claimed", "pod/default/record"]);
    ctl.ask(&["nb", "diff", "--from", "cluster"])
        .says(2, &["+ Logical_Switch_Port gone.default", "rows to add"]);
    ctl.ask(&["nb", "verify", "--from", "cluster"]).says(2, &["NB-ROW-MISSING", "pod/default/gone"]);
    ctl.ask(&["nb", "owner", "well.default", "--from", "cluster"])
        .says(0, &["pod/default/well", "wanted as it is"]);
    let status = ctl.ask(&["status"]);
    status
        .says(2, &["CTL-NO-CONTROLLER", "none: the lease is free", "CTL-ROWS-BEHIND", "CTL-OBJECTS-BEHIND"]);
    assert!(status.out.lines().all(|line| line.chars().count() <= 100), "{}", status.out);
    let (_, json) = ctl.json(&["status"]);
    let findings = json["findings"].as_array().unwrap();
    let behind = findings.iter().find(|finding| finding["code"] == "CTL-OBJECTS-BEHIND").unwrap();
    for object in ["Pod default/told", "Pod default/new", "IP record.default"] {
        assert!(behind["objects"].as_array().unwrap().contains(&json!(object)), "{object}: {json:#}");
    }
    assert_eq!((rig.revisions().await, rig.rows()), before, "something was written");
}
