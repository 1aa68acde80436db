//! What nothing acts on yet says so, once.

use std::collections::BTreeMap;

use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use kubeovn_core::index::objects::Kind;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::rig::{Rig, until};

const CODE: &str = "KIND-NOT-SUPPORTED";

fn api(rig: &Rig, group: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
    match kind {
        "NetworkPolicy" | "VpcEgressGateway" | "Event" => {
            Api::namespaced_with(rig.client.clone(), "default", &resource)
        }
        _ => Api::all_with(rig.client.clone(), &resource),
    }
}

struct Kinds {
    eips: Api<DynamicObject>,
    vips: Api<DynamicObject>,
    gateways: Api<DynamicObject>,
    policies: Api<DynamicObject>,
    events: Api<DynamicObject>,
}

impl Kinds {
    fn new(rig: &Rig) -> Self {
        let ours = |kind, plural| api(rig, "kubeovn.io", kind, plural);
        Kinds {
            eips: ours("OvnEip", "ovn-eips"),
            vips: ours("Vip", "vips"),
            gateways: ours("VpcEgressGateway", "vpc-egress-gateways"),
            policies: api(rig, "networking.k8s.io", "NetworkPolicy", "networkpolicies"),
            events: api(rig, "", "Event", "events"),
        }
    }

    /// Revisions of all that may be told something, and of what was told.
    async fn revisions(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for api in [&self.eips, &self.vips, &self.gateways, &self.policies, &self.events] {
            for object in api.list(&ListParams::default()).await.unwrap() {
                // Other events are counted up by whoever tells them again.
                let other = object.data.get("involvedObject").is_some() && object.data["reason"] != CODE;
                if !other {
                    let key = format!("{} {}", api.resource_url(), object.metadata.name.unwrap());
                    all.insert(key, object.metadata.resource_version.unwrap());
                }
            }
        }
        all
    }

    /// Waits for the event about an object, and answers its sentence.
    async fn event(&self, kind: &str, name: &str, reason: &str) -> String {
        until(&format!("{reason} about {name}"), async || {
            let events = self.events.list(&ListParams::default()).await.unwrap();
            let about = |event: &&DynamicObject| {
                let object = &event.data["involvedObject"];
                object["kind"] == kind && object["name"] == name && event.data["reason"] == reason
            };
            let event = events.iter().find(about)?;
            assert_eq!((&event.data["type"], &event.data["count"]), (&json!("Warning"), &json!(1)));
            Some(event.data["message"].as_str().unwrap().to_owned())
        })
        .await
    }
}

async fn create(api: &Api<DynamicObject>, group: &str, kind: &str, name: &str, spec: Value) {
    let object = json!({
        "apiVersion": format!("{group}/v1"), "kind": kind, "metadata": { "name": name }, "spec": spec,
    });
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
}

/// Waits until an object says that nothing acts on this generation of it, and answers all of its conditions.
async fn condition(api: &Api<DynamicObject>, name: &str, generation: Option<i64>) -> Vec<Value> {
    until(&format!("the condition of {name}"), async || {
        let object = api.get(name).await.unwrap();
        let conditions = object.data["status"]["conditions"].as_array()?.clone();
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready")?;
        assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("NotImplemented")));
        let message = ready["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{CODE}: ")) && message.contains(name), "{message}");
        assert!(message.contains("docs/compatibility.md"), "{message}");
        (ready["observedGeneration"].as_i64() == generation).then_some(conditions)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nothing_acts_on_says_so_once() {
    let rig = Rig::start().await;
    let kinds = Kinds::new(&rig);
    let ours = "kubeovn.io";
    create(&kinds.eips, ours, "OvnEip", "before", json!({ "externalSubnet": "outside" })).await;
    let init = json!({ "type": "Init", "status": "True", "reason": "Theirs", "message": "stays" });
    let status = Patch::Merge(json!({ "status": { "nat": "fip", "conditions": [init] } }));
    kinds.eips.patch_status("before", &PatchParams::default(), &status).await.unwrap();
    create(&kinds.vips, ours, "Vip", "shared", json!({ "subnet": "ovn-default" })).await;
    let everything = json!({ "podSelector": {}, "policyTypes": ["Ingress"] });
    create(&kinds.policies, "networking.k8s.io", "NetworkPolicy", "deny", everything.clone()).await;

    let mut first = rig.controller("first", &[]);
    first.works().await;
    let told = condition(&kinds.eips, "before", Some(1)).await;
    assert_eq!((told.len(), &told[0]), (2, &init), "what others say stays");
    let before = kinds.eips.get("before").await.unwrap();
    assert_eq!(before.data["status"]["nat"], "fip");
    condition(&kinds.vips, "shared", None).await;
    let sentence = kinds.event("NetworkPolicy", "deny", CODE).await;
    assert!(
        sentence.starts_with("NetworkPolicy default/deny: ") && sentence.contains("not enforced"),
        "{sentence}"
    );
    until("the line at the start", async || {
        let log = first.log();
        let line = log.lines().find(|line| line.contains("objects="))?;
        assert!(line.contains("objects=\"NetworkPolicy=1 OvnEip=1 Vip=1\""), "{line}");
        Some(())
    })
    .await;
    assert!(first.log().contains("kind=\"Service\" number=1"), "{}", first.log());

    // What comes while it works.
    create(&kinds.eips, ours, "OvnEip", "later", json!({ "externalSubnet": "outside" })).await;
    condition(&kinds.eips, "later", Some(1)).await;
    let spec = Patch::Merge(json!({ "spec": { "type": "nat" } }));
    kinds.eips.patch("later", &PatchParams::default(), &spec).await.unwrap();
    condition(&kinds.eips, "later", Some(2)).await;
    let spec = json!({ "externalSubnet": "outside", "selectors": [{ "podSelector": { "matchLabels": { "app": "web" } } }] });
    create(&kinds.gateways, ours, "VpcEgressGateway", "out", spec).await;
    condition(&kinds.gateways, "out", Some(1)).await;
    create(&kinds.policies, "networking.k8s.io", "NetworkPolicy", "again", everything).await;
    kinds.event("NetworkPolicy", "again", CODE).await;
    let shared = kinds.vips.get("shared").await.unwrap().metadata;
    assert_eq!(shared.generation, Some(2), "written once, though each write is a new generation of it");

    first.works().await;
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ends().await.code(), Some(0));
    let revisions = kinds.revisions().await;
    assert_eq!(revisions.len(), 8, "{revisions:?}");
    let second = rig.controller("second", &[]);
    second.works().await;
    // That line comes when all of them have been looked at.
    let counted = "objects=\"NetworkPolicy=2 OvnEip=2 Vip=1 VpcEgressGateway=1\"";
    until("the line at the start", async || second.log().contains(counted).then_some(())).await;
    assert_eq!(kinds.revisions().await, revisions, "a restart wrote");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slip_in_an_annotation_is_named_and_the_pod_is_served() {
    let rig = Rig::start().await;
    let kinds = Kinds::new(&rig);
    let controller = rig.controller("controller", &["--enable-np=false"]);
    controller.works().await;
    let all = json!({ "podSelector": {} });
    create(&kinds.policies, "networking.k8s.io", "NetworkPolicy", "unwanted", all).await;
    rig.pod("slip", json!({ "ovn.kubernetes.io/ip_adress": "10.16.0.77" })).await;
    rig.address("slip").await;
    let sentence = kinds.event("Pod", "slip", "ANNOTATION-UNKNOWN").await;
    let meant = "ovn.kubernetes.io/ip_adress (did you mean ovn.kubernetes.io/ip_address?)";
    assert!(sentence.contains(meant), "{sentence}");
    // Who does not want policies enforced is not told that they aren't.
    create(&kinds.eips, "kubeovn.io", "OvnEip", "eip", json!({ "externalSubnet": "outside" })).await;
    condition(&kinds.eips, "eip", Some(1)).await;
    let events = kinds.events.list(&ListParams::default()).await.unwrap();
    assert!(events.iter().all(|event| event.data["involvedObject"]["kind"] != "NetworkPolicy"));
    rig.delete(Kind::Pod, "slip").await;
}
