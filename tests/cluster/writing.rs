//! What an API server holds that the cluster in memory has not: fields of others, objects that can't be read, and
//! others who write at the same time.

use std::{sync::Arc, time::Duration};

use kube::api::{Patch as Body, PatchParams};
use kubeovn_bins::cluster::kube::{KubeCluster, Options};
use kubeovn_core::{
    contract::cluster::{Cluster, FINALIZER},
    index::objects::Kind,
};
use serde_json::json;

use crate::{
    api::User,
    backend::{Backend, finalizer, key, meta, pod, subnet, unique, write},
    suite::writes::status,
    watch::Watch,
};

pub(crate) async fn all(user: &User) {
    a_foreign_uid_is_a_conflict_but_not_in_a_status(user).await;
    fields_of_a_status_that_are_not_ours_stay(user).await;
    a_condition_says_since_when(user).await;
    finalizers_of_others_stay_whoever_is_faster(user).await;
    an_object_that_cannot_be_read_stops_nobody(user).await;
    a_slow_reader_loses_nothing(user).await;
}

/// The facts that our writes rely on, and why a status is not a merge patch.
async fn a_foreign_uid_is_a_conflict_but_not_in_a_status(user: &User) {
    let name = unique("facts");
    let foreign = json!({ "uid": "9b4ad2a3-0000-4000-8000-000000000000", "labels": { "a": "b" } });
    for (kind, object) in [(Kind::Subnet, subnet(&name, "10.0.0.0/24")), (Kind::Pod, pod(&name))] {
        user.apply(object).await;
        let patch = Body::Merge(json!({ "metadata": foreign }));
        let answer = user.api(kind).patch(&name, &PatchParams::default(), &patch).await;
        let Err(kube::Error::Api(status)) = answer else { panic!("{answer:?}") };
        assert_eq!(status.code, 422, "{status:?}");
        assert!(status.message.contains("metadata.uid"), "{status:?}");
    }
    let patch = Body::Merge(json!({ "metadata": foreign, "status": { "v4usingIPrange": "x" } }));
    let answer = user.api(Kind::Subnet).patch_status(&name, &PatchParams::default(), &patch).await;
    assert_eq!(answer.unwrap().data["status"]["v4usingIPrange"], "x", "the uid is not looked at");
}

async fn fields_of_a_status_that_are_not_ours_stay(user: &User) {
    let name = unique("others");
    let key = key(Kind::Subnet, &name);
    user.apply(subnet(&name, "10.0.0.0/24")).await;
    let theirs = json!({ "status": { "u2oInterconnectionIP": "10.0.0.7", "v4usingIPrange": "old" } });
    let api = user.api(Kind::Subnet);
    api.patch_status(&name, &PatchParams::default(), &Body::Merge(theirs)).await.unwrap();
    let uid = meta(user, &key).await.uid;
    status(user, &key, &uid, "10.0.0.2").await.unwrap();
    let raw = user.raw(&key).await;
    assert_eq!(raw["status"]["u2oInterconnectionIP"], "10.0.0.7");
    assert_eq!(raw["status"]["v4usingIPrange"], "10.0.0.2");
    assert_eq!(raw["status"]["v4availableIPs"], 0, "nought is written");
    assert_eq!(raw["spec"]["cidrBlock"], "10.0.0.0/24");
}

/// By what the watch has read, also after a restart of ours.
async fn a_condition_says_since_when(user: &User) {
    let name = unique("since");
    let key = key(Kind::Subnet, &name);
    user.apply(subnet(&name, "10.0.0.0/24")).await;
    let uid = meta(user, &key).await.uid;
    status(user, &key, &uid, "a").await.unwrap();
    let long_ago = "2020-01-01T00:00:00Z";
    let mut raw = user.raw(&key).await;
    assert!(raw["status"]["conditions"][0]["lastTransitionTime"].as_str().unwrap() > "2026");
    raw["status"]["conditions"][0]["lastTransitionTime"] = long_ago.into();
    let changed = json!({ "status": { "conditions": raw["status"]["conditions"] } });
    user.api(Kind::Subnet).patch_status(&name, &PatchParams::default(), &Body::Merge(changed)).await.unwrap();
    let fresh = User {
        cluster: Arc::new(KubeCluster::new(user.client.clone(), Options::default())),
        client: user.client.clone(),
    };
    let mut watch = Watch::new(&*fresh.cluster, &[Kind::Subnet], &name);
    watch.until("=Subnet").await;
    status(&fresh, &key, &uid, "b").await.unwrap();
    let raw = user.raw(&key).await;
    assert_eq!(raw["status"]["v4usingIPrange"], "b");
    assert_eq!(raw["status"]["conditions"][0]["lastTransitionTime"], long_ago);
}

async fn finalizers_of_others_stay_whoever_is_faster(user: &User) {
    let name = unique("race");
    let key = key(Kind::Subnet, &name);
    user.apply(subnet(&name, "10.0.0.0/24")).await;
    let uid = meta(user, &key).await.uid;
    let others = async {
        for number in 0..20 {
            let add =
                json!([{ "op": "add", "path": "/metadata/labels", "value": { "n": number.to_string() } }]);
            let request = kube::core::Request::new("/apis/kubeovn.io/v1/subnets");
            let mut request = request.patch(&name, &PatchParams::default(), &Body::Merge(&add)).unwrap();
            let json = "application/json-patch+json".parse().unwrap();
            request.headers_mut().insert("content-type", json);
            user.client.request_text(request).await.unwrap();
            if number == 10 {
                user.apply(crate::backend::with(subnet(&name, "10.0.0.0/24"), |meta| {
                    meta.finalizers = vec!["example.org/user".into()];
                }))
                .await;
            }
        }
    };
    let ours = async {
        let mut done = 0;
        for number in 0..20 {
            // Now and then others are faster too often: then it is asked again.
            done += usize::from(write(user, finalizer(&key, &uid, number % 2 == 0)).await.is_ok());
        }
        assert!(done >= 10, "{done} of 20");
    };
    tokio::join!(others, ours);
    write(user, finalizer(&key, &uid, true)).await.unwrap();
    assert_eq!(meta(user, &key).await.finalizers, ["example.org/user".into(), FINALIZER.into()]);
}

async fn an_object_that_cannot_be_read_stops_nobody(user: &User) {
    let own = unique("broken");
    let name = |name: &str| format!("{own}{name}");
    for part in ["a", "b", "c"] {
        user.apply(subnet(&name(part), "10.0.0.0/24")).await;
    }
    // The schema says integer, and no more.
    user.patch(&key(Kind::Subnet, &name("b")), json!({ "spec": { "mtu": -1 } })).await;
    let mut watch = Watch::new(&*user.cluster, &[Kind::Subnet], &own);
    let mut first = Vec::new();
    for _ in 0..4 {
        first.push(watch.next().await);
    }
    let cidrs: Vec<_> = first
        .iter()
        .filter_map(|event| match event {
            kubeovn_core::contract::cluster::Event::Applied(
                kubeovn_core::index::objects::Object::Subnet(subnet),
            ) => Some((subnet.meta.name.to_string(), subnet.spec.cidr_block.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(cidrs.len(), 3, "{first:?}");
    assert_eq!(cidrs[0], (name("a"), "10.0.0.0/24".to_owned()));
    assert!(cidrs[1].0 == name("b") && cidrs[1].1.contains("-1"), "{cidrs:?}");
    // What was told stays, while it is broken.
    user.patch(&key(Kind::Subnet, &name("a")), json!({ "spec": { "mtu": -7 } })).await;
    user.patch(&key(Kind::Subnet, &name("c")), json!({ "spec": { "mtu": 1400 } })).await;
    user.patch(&key(Kind::Subnet, &name("b")), json!({ "spec": { "mtu": 1300 } })).await;
    assert_eq!(watch.told(2).await, ["+c", "+b"]);
    user.delete(&key(Kind::Subnet, &name("a"))).await;
    assert_eq!(watch.told(1).await, ["-a"]);
}

async fn a_slow_reader_loses_nothing(user: &User) {
    const PODS: usize = 300;
    let own = unique("slow");
    let options = Options { buffer: 4, ..Options::default() };
    let cluster = KubeCluster::new(user.client.clone(), options);
    let mut watch = Watch::new(&cluster as &dyn Cluster, &[Kind::Pod], &own);
    watch.until("=Pod").await;
    for number in 0..PODS {
        user.apply(pod(&format!("{own}-{number}"))).await;
    }
    user.delete(&key(Kind::Pod, &format!("{own}-0"))).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut wanted: Vec<_> = (0..PODS).map(|number| format!("+-{number}")).collect();
    wanted.extend(["~-0".to_owned(), "--0".to_owned()]);
    let told = watch.until("--0").await;
    assert!(told == wanted, "{told:?}");
}
