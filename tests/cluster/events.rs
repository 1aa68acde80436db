//! Events for people.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};
use kubeovn_bins::cluster::kube::{KubeCluster, Options};
use kubeovn_core::{
    contract::cluster::{Cluster, Note, Write},
    index::objects::{Kind, ObjectKey},
};

use crate::{
    api::User,
    backend::{Backend, key, meta, pod, subnet, unique},
};

pub(crate) async fn all(user: &User) {
    for (kind, object) in [(Kind::Pod, pod("noted")), (Kind::Subnet, subnet("noted", "10.0.0.0/24"))] {
        user.apply(object).await;
        what_is_said_again_is_counted(user, key(kind, "noted")).await;
    }
    a_flood_is_slowed_down(user).await;
}

async fn what_is_said_again_is_counted(user: &User, key: ObjectKey) {
    let uid = meta(user, &key).await.uid;
    let note = |message: &str| {
        let (key, uid) = (key.clone(), uid.clone());
        Write::Note(Note { key, uid, warning: true, reason: "IPAM-NO-POOL".into(), message: message.into() })
    };
    for message in ["first", "second", "first"] {
        user.cluster.write(note(message)).await.unwrap();
    }
    // Another start of ours goes on counting.
    let again = KubeCluster::new(user.client.clone(), Options::default());
    again.write(note("first")).await.unwrap();
    again.write(note("first")).await.unwrap();

    let api: Api<Event> = Api::default_namespaced(user.client.clone());
    let about = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    let mut events = api.list(&about).await.unwrap().items;
    events.sort_by(|a, b| a.message.cmp(&b.message));
    let told: Vec<_> = events.iter().map(|event| (event.message.as_deref().unwrap(), event.count)).collect();
    assert_eq!(told, [("first", Some(4)), ("second", Some(1))]);
    let event = &events[0];
    assert_eq!((event.type_.as_deref(), event.reason.as_deref()), (Some("Warning"), Some("IPAM-NO-POOL")));
    assert_eq!(event.source.as_ref().unwrap().component.as_deref(), Some("kube-ovn-controller"));
    assert_eq!(event.involved_object.kind.as_deref(), Some(key.kind.name()));
    assert!(event.last_timestamp >= event.first_timestamp);
}

async fn a_flood_is_slowed_down(user: &User) {
    let name = unique("flood");
    user.apply(pod(&name)).await;
    let key = key(Kind::Pod, &name);
    let uid = meta(user, &key).await.uid;
    let options = Options { notes: 5, ..Options::default() };
    let cluster = Arc::new(KubeCluster::new(user.client.clone(), options));
    let began = std::time::Instant::now();
    for _ in 0..60 {
        let note = Note {
            key: key.clone(),
            uid: uid.clone(),
            warning: false,
            reason: "Same".into(),
            message: "the same".into(),
        };
        cluster.write(Write::Note(note)).await.unwrap();
    }
    // 50 at once, 5 in each further second.
    assert!(began.elapsed().as_millis() >= 1_900, "{:?}", began.elapsed());
    let api: Api<Event> = Api::default_namespaced(user.client.clone());
    let about = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    let events = api.list(&about).await.unwrap().items;
    assert_eq!((events.len(), events[0].count), (1, Some(60)));
}
