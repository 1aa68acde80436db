//! A server that goes away, comes back, hangs, and forgets.

use std::{pin::pin, time::Duration};

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{ListParams, ObjectMeta, PostParams, VersionMatch, WatchEvent, WatchParams},
};
use tokio::time::timeout;

use crate::kubernetes::Kubernetes;

/// How long to wait for an answer that does not come.
const SILENCE: Duration = Duration::from_millis(500);

/// How long an answer may take that comes.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_server_that_was_away_has_what_it_had() {
    let mut kubernetes = Kubernetes::start().await;
    let (url, [server, etcd]) = (kubernetes.url(), processes(&kubernetes));
    let maps: Api<ConfigMap> = Api::default_namespaced(kubernetes.client());
    let before = create(&maps, "before").await;

    kubernetes.stop_server();
    assert_eq!(kubernetes.processes(), [etcd]);
    assert!(maps.get("before").await.is_err());

    kubernetes.start_server().await;
    assert_eq!(kubernetes.url(), url);
    let [again, same] = processes(&kubernetes);
    assert_eq!(etcd, same);
    assert_ne!(server, again);
    // the client of before, too: same address, same certificate
    assert_eq!(maps.get("before").await.unwrap().metadata.uid, before.uid);
}

#[tokio::test]
async fn a_server_that_hangs_answers_later() {
    let kubernetes = Kubernetes::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(kubernetes.client());
    create(&maps, "before").await;

    kubernetes.pause();
    let mut asked = pin!(maps.get("before"));
    assert!(timeout(SILENCE, &mut asked).await.is_err());
    kubernetes.resume();
    timeout(PATIENCE, asked).await.expect("an answer").unwrap();
}

#[tokio::test]
async fn a_server_that_forgot_refuses_to_go_on_from_the_past() {
    let mut kubernetes = Kubernetes::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(kubernetes.client());
    let first = create(&maps, "first").await.resource_version.unwrap();
    create(&maps, "second").await;
    match next(&maps, &first).await {
        WatchEvent::Added(map) => assert_eq!(map.metadata.name.as_deref(), Some("second")),
        event => panic!("{event:?}"),
    }
    let then = ListParams::default().at(&first).matching(VersionMatch::Exact);
    assert_eq!(maps.list(&then).await.unwrap().items.len(), 1);

    kubernetes.compact().await;
    // the server does not know, and etcd does not either
    let maps: Api<ConfigMap> = Api::default_namespaced(kubernetes.client());
    match next(&maps, &first).await {
        WatchEvent::Error(status) => assert_eq!((status.code, &*status.reason), (410, "Expired")),
        event => panic!("{event:?}"),
    }
    let error = maps.list(&then).await.unwrap_err();
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 410), "{error}");
}

async fn create(maps: &Api<ConfigMap>, name: &str) -> ObjectMeta {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let map = ConfigMap { metadata, ..ConfigMap::default() };
    maps.create(&PostParams::default(), &map).await.unwrap().metadata
}

/// The first that a watch from this version brings.
async fn next(maps: &Api<ConfigMap>, version: &str) -> WatchEvent<ConfigMap> {
    let mut events = pin!(maps.watch(&WatchParams::default(), version).await.unwrap());
    timeout(PATIENCE, events.next()).await.expect("an event").unwrap().unwrap()
}

fn processes(kubernetes: &Kubernetes) -> [u32; 2] {
    kubernetes.processes().try_into().unwrap()
}
