//! What manifests would change, and that they do.

use std::fmt::Write as _;

use kube::api::{Patch, PatchParams};
use kubeovn_core::index::objects::Kind;
use serde_json::json;

use crate::{
    asked::{Ctl, manifest},
    rig::{Rig, until},
};

const NEW: &str = r"
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: tiny}
spec: {cidrBlock: 10.40.0.0/30}
---
apiVersion: v1
kind: Pod
metadata: {name: a, annotations: {ovn.kubernetes.io/logical_switch: tiny}}
spec: {nodeName: n1, containers: [{name: c, image: none}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, annotations: {ovn.kubernetes.io/logical_switch: tiny}}
spec: {nodeName: n1, containers: [{name: c, image: none}]}
---
apiVersion: v1
kind: Pod
metadata: {name: c, annotations: {ovn.kubernetes.io/ip_address: 10.16.0.77}}
spec: {nodeName: n1, containers: [{name: c, image: none}]}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_tells_what_applying_does() {
    let rig = Rig::start().await;
    let controller = rig.controller("only", &["--default-cidr=10.16.0.0/24"]);
    controller.works().await;
    rig.create(
        Kind::Subnet,
        json!({ "metadata": { "name": "db" }, "spec": { "cidrBlock": "10.30.0.0/24" } }),
    )
    .await;
    rig.pod("fixed", json!({ "ovn.kubernetes.io/ip_address": "10.16.0.77" })).await;
    rig.address("fixed").await;
    rig.heard_by(&controller).await;
    let before = (rig.revisions().await, rig.rows());
    let ctl = Ctl::of(&rig);
    let folder = rig.kubernetes.folder().join("manifests");
    std::fs::create_dir_all(&folder).unwrap();

    let file = manifest(&folder, "new.yaml", NEW);
    ctl.ask(&["plan", "-f", &file]).says(
        2,
        &[
            "pod/default/a 10.40.0.2",
            "Pod default/b IPAM-POOL-EXHAUSTED",
            "Pod default/c IPAM-ADDR-TAKEN: (AddressConflict) 10.16.0.77 (subnet ovn-default) is held by pod/default/fixed",
            "+ subnet/tiny  Logical_Switch tiny",
            "Subnet tiny Ready",
            "nothing was written",
        ],
    );
    let (code, planned) = ctl.json(&["plan", "-f", &folder.display().to_string()]);
    assert_eq!((code, &planned["drift"]), (2, &json!(0)), "{planned:#}");
    assert_eq!(planned["addresses"].as_array().unwrap().len(), 1, "{planned:#}");
    assert_eq!(planned["problems"].as_array().unwrap().len(), 2, "{planned:#}");

    // One that overlaps is refused, and what is there stays.
    let same =
        "{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: db}, spec: {cidrBlock: 10.30.0.0/24}}";
    ctl.ask(&["plan", "-f", &manifest(&folder, "same.yaml", same)]).says(0, &["nothing would change"]);
    let other = same.replace("10.30.0.0/24", "10.16.0.0/25");
    ctl.ask(&["plan", "-f", &manifest(&folder, "other.yaml", &other)])
        .says(2, &["Subnet db SUBNET-", "~ Subnet db Ready True (Programmed) -> False"]);
    let young = same.replace("{name: db}", "{name: aa}");
    ctl.ask(&["plan", "-f", &manifest(&folder, "young.yaml", &young)]).says(
        2,
        &[
            "! Subnet aa SUBNET-CIDR-OVERLAP",
            "of subnet db, which is older",
            "+ Subnet aa Ready False",
            "0 rows",
        ],
    );
    // More objects than a runtime hands out in one breath.
    let mut many = String::new();
    for n in 0..300 {
        let _ = write!(
            many,
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p{n}}}, spec: {{nodeName: n1}}}}\n"
        );
    }
    let (_, planned) = ctl.json(&["plan", "-f", &manifest(&folder, "many.yaml", &many)]);
    assert_eq!(planned["addresses"].as_array().unwrap().len(), 252, "as many as are free");
    let nodes = "{apiVersion: v1, kind: Node, metadata: {name: n1}}\n".to_owned() + &many;
    ctl.ask(&["nb", "diff", "--from", &manifest(&folder, "all.yaml", &nodes)]).says(2, &["p299.default"]);

    let bad = "apiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata: {name: x}\nspec:\n  cidrBlock: [1]\n";
    ctl.ask(&["plan", "-f", &manifest(&folder, "bad.yaml", bad)])
        .says(1, &["CTL-PLAN-MANIFEST", "bad.yaml:5: FILE-FIELD-INVALID"]);
    ctl.ask(&["plan", "-f", &manifest(&folder, "empty.yaml", "")]).says(1, &["CTL-PLAN-EMPTY"]);
    ctl.ask(&["plan", "-f", "/nowhere.yaml"]).says(1, &["CTL-MANIFESTS"]);
    assert_eq!((rig.revisions().await, rig.rows()), before, "something was written");

    // What was planned comes true.
    let pods = rig.api(Kind::Pod);
    for document in NEW.split("---") {
        let mut object: kube::api::DynamicObject = serde_saphyr::from_str(document).unwrap();
        let name = object.metadata.name.clone().unwrap();
        let kind = if object.types.as_ref().unwrap().kind == "Pod" { Kind::Pod } else { Kind::Subnet };
        object.metadata.managed_fields = None;
        rig.api(kind).patch(&name, &PatchParams::apply("test"), &Patch::Apply(object)).await.unwrap();
    }
    assert_eq!(rig.address("a").await, "10.40.0.2");
    for pod in ["b", "c"] {
        until("the refusal", async || rig.told(pod, "error").await).await;
    }
    assert!(pods.get_opt("c").await.unwrap().is_some());
    controller.works().await;
    ctl.ask(&["plan", "-f", &file]).says(0, &["nothing would change"]);
}
