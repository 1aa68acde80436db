//! Every right in the manifests is used, and nothing is missing: the programs run as their service accounts, and the API
//! server writes down what they ask.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use k8s_openapi::{
    api::{authentication::v1::TokenRequest, core::v1::ServiceAccount},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
    discovery::{Scope, pinned_kind},
};
use kubeovn_bins::{
    cluster::kube::{self as cluster, KubeCluster, Options},
    controller::lacking::LACKING,
};
use kubeovn_core::{
    contract::cluster::{self as contract, Cluster, Event, NodeNetwork, Status, Write},
    index::objects::{Kind, ObjectKey},
};
use kubeovn_node::daemon::KINDS;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    audit::{Asked, Right, allowed},
    kubernetes::machines,
    manifests::{list, objects},
    rig::{Rig, until},
};

const PATIENCE: Duration = Duration::from_mins(2);

/// Rights for what does not happen here, each with the reason why it is given all the same.
const RESERVED: &[(&str, &str, &str, &str, &str)] = &[
    ("ovn", "get", "", "namespaces", LOOKED_AT),
    ("ovn", "get", "", "nodes", LOOKED_AT),
    ("ovn", "get", "", "pods", LOOKED_AT),
    ("ovn", "get", "kubeovn.io", "ips", LOOKED_AT),
    ("kube-ovn-cni", "get", "", "nodes", LOOKED_AT),
];

const LOOKED_AT: &str =
    "a write that does not go through is followed by a look whether it is another object of that name by now";

/// Nothing in Kubernetes lets one write be bound to objects of one's own, but the rest can be had by name.
#[test]
fn no_right_is_a_wildcard_and_none_is_to_more_rights() {
    let roles: Vec<Value> = objects().into_iter().filter(|object| object["rules"].is_array()).collect();
    assert_eq!(roles.len(), 3);
    for role in &roles {
        for rule in list(&role["rules"]) {
            assert!(!rule.to_string().contains('*'), "{rule}");
            assert_eq!(rule["nonResourceURLs"], Value::Null);
            assert_ne!(rule["apiGroups"], json!(["rbac.authorization.k8s.io"]));
            let text = rule["resources"].to_string();
            assert!(!text.contains("secrets") && !text.contains("exec") && !text.contains("token"), "{text}");
        }
    }
    assert_eq!(allowed("ovn-ovs"), BTreeSet::new());
}

/// What the server takes, it takes strictly: a field that it does not know is an error.
async fn apply(rig: &Rig) {
    for object in objects() {
        let (version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let (resource, can) =
            pinned_kind(&rig.client, &GroupVersionKind::gvk(group, version, kind)).await.unwrap();
        let api: Api<DynamicObject> = match can.scope {
            Scope::Cluster => Api::all_with(rig.client.clone(), &resource),
            Scope::Namespaced => Api::namespaced_with(rig.client.clone(), "kube-system", &resource),
        };
        let name = object["metadata"]["name"].as_str().unwrap();
        let asked = PatchParams::apply("kubectl").validation_strict();
        let taken = api.patch(name, &asked, &Patch::Apply(&object)).await;
        taken.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    }
}

/// A token of a service account, as its pods have it.
async fn token(rig: &Rig, account: &str) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(rig.client.clone(), "kube-system");
    let request = TokenRequest::default();
    let answer = accounts.create_token_request(account, &PostParams::default(), &request).await.unwrap();
    answer.status.unwrap().token
}

/// A kubeconfig with that token.
async fn kubeconfig(rig: &Rig, account: &str) -> PathBuf {
    let mut config: Value =
        serde_json::from_str(&fs::read_to_string(rig.kubernetes.kubeconfig()).unwrap()).unwrap();
    config["users"] = json!([{ "name": account, "user": { "token": token(rig, account).await } }]);
    config["contexts"] = json!([{ "name": account, "context": { "cluster": "test", "user": account } }]);
    config["current-context"] = json!(account);
    let path = rig.kubernetes.folder().join(format!("{account}.kubeconfig"));
    fs::write(&path, config.to_string()).unwrap();
    path
}

/// Waits until every right was used that is not reserved. Nothing is forbidden meanwhile.
async fn every_right_is_used(log: &Path, account: &str) {
    let reserved: BTreeSet<Right> = RESERVED
        .iter()
        .filter(|(of, ..)| *of == account)
        .map(|(_, verb, group, resource, why)| {
            assert!(!why.is_empty());
            Right::new(verb, group, resource)
        })
        .collect();
    let allowed = allowed(account);
    assert!(reserved.is_subset(&allowed), "reserved, and not given: {:?}", reserved.difference(&allowed));
    let began = Instant::now();
    loop {
        let asked = Asked::read(log, account);
        assert!(asked.forbidden.is_empty(), "forbidden, and asked for: {:?}", words(&asked.forbidden));
        let spent = asked.used.union(&reserved).cloned().collect();
        let superfluous: BTreeSet<Right> = allowed.difference(&spent).cloned().collect();
        if superfluous.is_empty() {
            assert!(asked.used.is_subset(&allowed), "asked for, and given by somebody else: {asked:?}");
            return;
        }
        assert!(began.elapsed() < PATIENCE, "allowed, and not asked for: {:?}", words(&superfluous));
        sleep(Duration::from_millis(200)).await;
    }
}

fn words(rights: &BTreeSet<Right>) -> Vec<String> {
    rights.iter().map(ToString::to_string).collect()
}

/// Kinds of others that a cluster may have.
fn foreign() -> Vec<CustomResourceDefinition> {
    let of_crds = LACKING.iter().filter(|kind| kind.resource.group == "policy.networking.k8s.io");
    let crd = |kind: &kubeovn_bins::controller::lacking::Lacking| {
        let resource = &kind.resource;
        let name = format!("{}.{}", resource.plural, resource.group);
        // The group of Kubernetes' own is protected by this.
        let approved = "https://github.com/kubernetes-sigs/network-policy-api";
        serde_json::from_value(json!({
            "metadata": { "name": name, "annotations": { "api-approved.kubernetes.io": approved } },
            "spec": {
                "group": resource.group,
                "scope": "Cluster",
                "names": { "kind": resource.kind, "plural": resource.plural, "singular": resource.kind.to_lowercase() },
                "versions": [{
                    "name": resource.version, "served": true, "storage": true,
                    "schema": { "openAPIV3Schema": {
                        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    } },
                }],
            },
        }))
        .unwrap()
    };
    of_crds.map(crd).chain(machines::crds()).collect()
}

/// An object of each kind of ours, by the kind.
fn samples() -> BTreeMap<String, Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../kubeovn-core/tests/data");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let read = |path: PathBuf| -> Value { serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap() };
    files.map(read).map(|sample| (sample["kind"].as_str().unwrap().to_owned(), sample)).collect()
}

/// Makes an object of each kind that nothing acts on.
async fn ask_in_vain(rig: &Rig) {
    let samples = samples();
    for kind in LACKING {
        let resource = &kind.resource;
        let spec = match resource.kind {
            "Service" => continue,
            "NetworkPolicy" => json!({ "podSelector": {} }),
            _ if resource.group == "kubeovn.io" => samples[resource.kind]["spec"].clone(),
            _ => json!({}),
        };
        let gvk = GroupVersionKind::gvk(resource.group, resource.version, resource.kind);
        let of = ApiResource::from_gvk_with_plural(&gvk, resource.plural);
        let namespaced = ["NetworkPolicy", "VpcEgressGateway"];
        let api: Api<DynamicObject> = if namespaced.contains(&resource.kind) {
            Api::namespaced_with(rig.client.clone(), "default", &of)
        } else {
            Api::all_with(rig.client.clone(), &of)
        };
        let object = json!({
            "apiVersion": of.api_version, "kind": of.kind, "metadata": { "name": "in-vain" }, "spec": spec,
        });
        let object = serde_json::from_value(object).unwrap();
        let made = api.create(&PostParams::default(), &object).await;
        made.unwrap_or_else(|error| panic!("{}: {error}", resource.kind));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_controller_has_every_right_that_it_needs_and_no_other() {
    let mut rig = Rig::start().await;
    rig.kubernetes.apply(foreign()).await;
    apply(&rig).await;
    let log = rig.kubernetes.audit().await;
    let access = format!("--kubeconfig={}", kubeconfig(&rig, "ovn").await.display());

    let mut first = rig.controller("first", &[&access]);
    first.works().await;
    // Looks at what comes from now on, too: the count of what there is comes after all lists.
    until("the kinds that nothing acts on to be looked at", async || {
        first.log().contains("kind=\"Service\"").then_some(())
    })
    .await;
    ask_in_vain(&rig).await;
    let spec = json!({ "subnet": "ovn-default", "ips": ["10.16.0.50..10.16.0.59"] });
    // As Kube-OVN left it.
    let meta = json!({ "name": "web", "finalizers": [contract::FINALIZER] });
    rig.create(Kind::IpPool, json!({ "metadata": meta, "spec": spec })).await;
    rig.pod("web", json!({ "ovn.kubernetes.io/ip_pool": "web" })).await;
    rig.pod("slip", json!({ "ovn.kubernetes.io/ip_adress": "10.16.0.77" })).await;
    rig.pod("short", json!({})).await;
    for pod in ["web", "slip", "short"] {
        rig.address(pod).await;
    }
    // A record that somebody edits is written again; that of a pod that is gone goes.
    let edit = Patch::Merge(json!({ "spec": { "v4IpAddress": "10.16.0.99" } }));
    rig.api(Kind::Ip).patch("web.default", &PatchParams::default(), &edit).await.unwrap();
    rig.delete(Kind::Pod, "short").await;
    until("the record to go", async || {
        rig.api(Kind::Ip).get_opt("short.default").await.unwrap().is_none().then_some(())
    })
    .await;
    rig.delete(Kind::IpPool, "web").await;
    until("the pool to go", async || {
        rig.api(Kind::IpPool).get_opt("web").await.unwrap().is_none().then_some(())
    })
    .await;
    first.works().await;
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ends().await.code(), Some(0));

    // The next one says again what is wrong with a pod, which counts the event up.
    let second = rig.controller("second", &[&access]);
    second.works().await;
    every_right_is_used(&log, "ovn").await;
    for log in [first.log(), second.log()] {
        assert!(!log.contains("answered 403") && !log.contains("forbidden"), "{log}");
    }
}

/// What the daemon asks of the API server, it asks by the library, as here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_has_every_right_that_it_needs_and_no_other() {
    let mut rig = Rig::start().await;
    apply(&rig).await;
    let log = rig.kubernetes.audit().await;
    let config = |token: String| {
        let mut config = rig.kubernetes.config("");
        config.auth_info.token = Some(token.into());
        cluster::client(config).unwrap()
    };
    let options = Options { node: "n1".to_owned(), ..Options::default() };
    let objects = KubeCluster::new(config(token(&rig, "kube-ovn-cni").await), options);
    let mut events = objects.watch(KINDS);
    let mut uid = None;
    let all = async {
        let mut listed = 0;
        while listed < KINDS.len() {
            match events.next().await.unwrap() {
                Event::Listed { .. } => listed += 1,
                Event::Applied(object) if object.kind() == Kind::Node => {
                    uid = Some(object.meta().uid.clone());
                }
                _ => {}
            }
        }
    };
    timeout(PATIENCE, all).await.unwrap();
    let (key, uid) = (ObjectKey::cluster(Kind::Node, "n1"), uid.unwrap());
    let mut patch = contract::Patch::new(key.clone(), uid.clone());
    patch.annotations.insert("ovn.kubernetes.io/chassis".into(), Some("c".into()));
    objects.write(Write::Patch(patch)).await.unwrap();
    let network =
        NodeNetwork { unavailable: false, reason: "Reachable".into(), message: "it answers".into() };
    objects.write(Write::Status { key, uid, status: Status::Node(network) }).await.unwrap();
    every_right_is_used(&log, "kube-ovn-cni").await;

    // What is forbidden is seen as such.
    let stranger = KubeCluster::new(config(token(&rig, "ovn-ovs").await), Options::default());
    let _watch = stranger.watch(&[Kind::Pod]);
    until("a refusal", async || {
        Asked::read(&log, "ovn-ovs").forbidden.contains(&Right::new("list", "", "pods")).then_some(())
    })
    .await;
}
