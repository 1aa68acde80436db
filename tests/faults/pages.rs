//! Every feature that has a page, on real servers: made, left alone, found again, and deleted in the wrong order.

use std::{collections::BTreeMap, fs, path::Path};

use kube::{api::GetParams, core::Request};
use kubeovn_core::index::objects::{Kind, Object, ObjectKey};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use crate::{
    controller::Controller,
    ground::{Ground, read},
    kill::{finds_nothing, rest},
    objects::namespace,
    real::Real,
    view::View,
    ways::{a_subnet_moves_when_it_is_empty, the_wrong_order_says_what_keeps_whom},
};

/// So long nothing may happen.
const IDLE: Duration = Duration::from_secs(2);

/// What a page has in it, by the page's name.
fn pages() -> BTreeMap<String, Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/features");
    let pages = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let page = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        let manifests = blocks.flat_map(|block| serde_saphyr::from_multiple::<Value>(block).unwrap());
        let ours = manifests.filter(|manifest| manifest["apiVersion"] != "lab.kubeovn.io/v1");
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), ours.collect())
    };
    let mut pages: BTreeMap<String, Vec<Value>> = pages.map(page).collect();
    // Members of a set that are not there keep their addresses: the page says so in words alone.
    pages.get_mut("static-ip").unwrap().push(json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "set", "namespace": "db" },
        "spec": {
            "replicas": 2, "serviceName": "none", "selector": { "matchLabels": { "app": "set" } },
            "template": {
                "metadata": { "labels": { "app": "set" } },
                "spec": { "containers": [{ "name": "c", "image": "none" }] },
            },
        },
    }));
    pages
}

fn kind(manifest: &Value) -> Kind {
    *Kind::ALL.iter().find(|kind| manifest["kind"] == kind.name()).unwrap_or_else(|| panic!("{manifest}"))
}

/// What an API server wants beside what a page has.
fn completed(mut manifest: Value) -> Value {
    let containers = json!([{ "name": "c", "image": "none" }]);
    if manifest["kind"] == "Pod" {
        manifest["spec"]["containers"] = containers;
    } else if manifest["kind"] == "StatefulSet" {
        manifest["spec"]["template"]["spec"]["containers"] = containers;
    }
    let kind = kind(&manifest);
    if kind.namespaced() && manifest["metadata"]["namespace"].is_null() {
        manifest["metadata"]["namespace"] = "default".into();
    }
    manifest
}

/// Makes all of a page, with the identities that the server gives instead of those on the page, and the namespaces that it takes for granted.
async fn make(ground: &Real, page: &[Value]) -> Vec<ObjectKey> {
    let page: Vec<Value> = page.iter().cloned().map(completed).collect();
    for manifest in &page {
        let there: Vec<String> = ground
            .objects(Kind::Namespace)
            .await
            .iter()
            .map(|object| object.meta().name.to_string())
            .collect();
        let name = manifest["metadata"]["namespace"].as_str().unwrap_or("default");
        let made = page.iter().any(|other| other["kind"] == "Namespace" && other["metadata"]["name"] == name);
        if !made && !there.iter().any(|known| known == name) {
            ground.apply(namespace(name)).await;
        }
    }
    let mut keys = Vec::new();
    let mut uids = BTreeMap::new();
    for mut manifest in page {
        for owner in manifest["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
            owner["uid"] = json!(uids[owner["uid"].as_str().unwrap()]);
        }
        let key = read(kind(&manifest), manifest.clone()).key();
        let given = manifest["metadata"]["uid"].as_str().map(str::to_owned);
        ground.create(kind(&manifest), manifest).await.unwrap();
        if let Some(given) = given {
            let made = ground.objects(key.kind).await.into_iter().find(|object| object.key() == key);
            uids.insert(given, made.unwrap().meta().uid.to_string());
        }
        keys.push(key);
    }
    keys
}

/// A member of the page's set comes and goes.
async fn member(ground: &Real, controller: &Controller) {
    let sets = ground.objects(Kind::StatefulSet).await;
    let ours = sets.iter().find(|set| *set.meta().name == *"set");
    let Some(Object::StatefulSet(set)) = ours else { return };
    let owner =
        json!([{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "set", "uid": set.meta.uid }]);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "set-1", "namespace": "db", "ownerReferences": owner },
        "spec": { "nodeName": "n1", "containers": [{ "name": "c", "image": "none" }] },
    });
    ground.create(Kind::Pod, pod).await.unwrap();
    rest(ground, controller).await;
    let key = ObjectKey { kind: Kind::Pod, namespace: "db".into(), name: "set-1".into() };
    ground.delete(&key).await;
    rest(ground, controller).await;
    assert!(View::of(ground).await.ports.0.contains_key("set-1.db"), "its address is kept");
}

/// Requests of anybody that write what a controller may write, as the server counts them.
async fn writes(ground: &Real) -> f64 {
    let request = Request::new("").get("metrics", &GetParams::default()).unwrap();
    let text = ground.client.request_text(request).await.unwrap();
    let verbs = ["POST", "PUT", "PATCH", "APPLY", "DELETE"].map(|verb| format!("verb=\"{verb}\""));
    let kinds = Kind::ALL.iter().map(|kind| kind.plural()).chain(["events"]);
    let kinds: Vec<String> = kinds.map(|kind| format!("resource=\"{kind}\"")).collect();
    let lines = text.lines().filter(|line| line.starts_with("apiserver_request_total{"));
    let lines =
        lines.filter(|line| [&verbs[..], &kinds].iter().all(|all| all.iter().any(|one| line.contains(one))));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_left_alone_found_again_and_deleted_in_any_order() {
    let ground = Real::start().await;
    let mut controller = Controller::start(&ground);
    rest(&ground, &controller).await;
    let pages = pages();
    assert!(pages.len() >= 12, "{:?}", pages.keys());
    for (name, page) in pages {
        println!("{name}");
        let before = View::of(&ground).await;
        let made = make(&ground, &page).await;
        rest(&ground, &controller).await;
        member(&ground, &controller).await;
        controller.kill().await;
        let count = writes(&ground).await;
        assert!(count > 0.0, "the server counts none at all");
        controller = finds_nothing(&ground).await;
        sleep(IDLE).await;
        assert_eq!(controller.fuse.effects(), [""; 0], "{name}: it wrote though nothing was due");
        assert!((writes(&ground).await - count).abs() < 0.5, "{name}: the server counted writes");

        let keepers = [Kind::StatefulSet, Kind::VirtualMachine, Kind::VirtualMachineInstance];
        let order = [Kind::Vpc, Kind::Subnet, Kind::IpPool].into_iter().chain(keepers);
        let order = order.chain([Kind::Ip, Kind::Node, Kind::Pod]);
        for kind in order {
            for key in made.iter().filter(|key| key.kind == kind) {
                ground.delete(key).await;
            }
        }
        rest(&ground, &controller).await;
        let after = View::of(&ground).await;
        assert!(after.plain_rows() == before.plain_rows(), "{name}: something is left: {:#?}", after.rows);
        let left: Vec<_> = after.objects.keys().filter(|key| key.kind == Kind::Ip).collect();
        assert!(left.is_empty(), "{name}: {left:?} is left");
    }
    controller.kill().await;
    let controller = crate::ways::nodes(&ground).await;
    the_wrong_order_says_what_keeps_whom(&ground, &controller).await;
    a_subnet_moves_when_it_is_empty(&ground, controller).await;
    assert_eq!(ground.doubles(), [""; 0]);
}
