//! The contract of a cluster. Each of these has objects of its own, so that one cluster does for all.

pub(crate) mod writes;

use kubeovn_core::{
    contract::cluster::Event,
    index::objects::{Kind, Object},
};

use crate::{
    backend::{Backend, finalizer, ip, key, machine, meta, pod, subnet, unique, vpc, with, write},
    watch::Watch,
};

/// All of it.
pub(crate) async fn all(on: &dyn Backend) {
    a_watcher_sees_what_exists_then_every_change_in_order(on).await;
    a_dropped_watcher_is_none(on).await;
    an_object_with_finalizers_goes_with_the_last_one(on).await;
    a_successor_is_told_after_the_end_of_the_one_before(on).await;
    generation_rises_with_the_spec_alone(on).await;
    kinds_of_somebody_else_are_followed_too(on).await;
    writes::the_same_again_is_no_change(on).await;
    writes::a_patch_changes_what_it_names_and_nothing_else(on).await;
    writes::another_uid_is_another_object(on).await;
    writes::what_is_not_there_is_not_written(on).await;
    writes::an_ip_is_created_and_patched_whole(on).await;
    writes::what_we_make_is_as_we_said(on).await;
    writes::a_status_is_written_and_read(on).await;
    writes::what_cannot_be_is_refused(on).await;
}

async fn a_watcher_sees_what_exists_then_every_change_in_order(on: &dyn Backend) {
    let own = unique("order");
    let name = |name: &str| format!("{own}{name}");
    on.apply(vpc(&name("a"))).await;
    on.apply(vpc(&name("b"))).await;
    on.apply(pod(&name("p"))).await;
    let mut all = Watch::new(&*on.cluster(), &[Kind::Pod, Kind::Vpc, Kind::Vpc, Kind::Subnet], &own);
    // Kinds need not be in order among each other.
    let mut first = all.told(6).await;
    let listed_after = |first: &[String], kind: &str, object: &str| {
        let at = |what: &str| {
            first.iter().position(|event| event == what).unwrap_or_else(|| panic!("{what}: {first:?}"))
        };
        assert!(at(object) < at(kind), "{first:?}");
    };
    listed_after(&first, "=Pod", "+p");
    listed_after(&first, "=Vpc", "+a");
    listed_after(&first, "=Vpc", "+b");
    first.sort();
    assert_eq!(first, ["+a", "+b", "+p", "=Pod", "=Subnet", "=Vpc"]);

    let mut vpcs = Watch::new(&*on.cluster(), &[Kind::Vpc], &own);
    assert_eq!(vpcs.until("=Vpc").await.len(), 3);
    on.apply(with(vpc(&name("a")), |meta| meta.labels = [("x".into(), "1".into())].into())).await;
    on.delete(&key(Kind::Vpc, &name("a"))).await;
    on.apply(vpc(&name("c"))).await;
    on.apply(pod(&name("q"))).await;
    on.delete(&key(Kind::Vpc, &name("b"))).await;
    on.apply(vpc(&name("end"))).await;
    assert_eq!(vpcs.until("+end").await, ["+a", "-a", "+c", "-b", "+end"]);
    let rest = all.told(6).await;
    let rest: Vec<_> = rest.iter().filter(|event| *event != "+q").collect();
    assert_eq!(rest, ["+a", "-a", "+c", "-b", "+end"]);
}

async fn kinds_of_somebody_else_are_followed_too(on: &dyn Backend) {
    let own = unique("machine");
    let kinds = [Kind::VirtualMachine, Kind::VirtualMachineInstance];
    let mut watch = Watch::new(&*on.cluster(), &kinds, &own);
    let mut first = watch.told(2).await;
    first.sort();
    assert_eq!(first, ["=VirtualMachine", "=VirtualMachineInstance"]);
    on.apply(machine(&own)).await;
    on.delete(&key(Kind::VirtualMachine, &own)).await;
    assert_eq!(watch.told(2).await, ["+", "-"]);
}

async fn a_dropped_watcher_is_none(on: &dyn Backend) {
    let own = unique("dropped");
    let watch = Watch::new(&*on.cluster(), &[Kind::Vpc], &own);
    drop(watch);
    on.apply(vpc(&own)).await;
    let mut watch = Watch::new(&*on.cluster(), &[Kind::Vpc], &own);
    assert_eq!(watch.told(2).await, ["+", "=Vpc"]);
}

async fn an_object_with_finalizers_goes_with_the_last_one(on: &dyn Backend) {
    let own = unique("finalizers");
    let key = key(Kind::Vpc, &own);
    on.apply(with(vpc(&own), |meta| meta.finalizers = vec!["example.org/user".into()])).await;
    let uid = meta(on, &key).await.uid;
    write(on, finalizer(&key, &uid, true)).await.unwrap();
    assert_eq!(meta(on, &key).await.finalizers.len(), 2);
    let mut watch = Watch::new(&*on.cluster(), &[Kind::Vpc], &own);
    assert_eq!(watch.told(2).await, ["+", "=Vpc"]);
    on.delete(&key).await;
    assert_eq!(watch.told(1).await, ["~"]);
    write(on, finalizer(&key, &uid, false)).await.unwrap();
    assert_eq!(watch.told(1).await, ["~"]);
    assert_eq!(meta(on, &key).await.finalizers, ["example.org/user".into()], "the user's stays");

    // With ours alone it goes when we let it.
    let other = unique("finalizer");
    let key = crate::backend::key(Kind::Vpc, &other);
    let mut watch = Watch::new(&*on.cluster(), &[Kind::Vpc], &other);
    watch.until("=Vpc").await;
    on.apply(vpc(&other)).await;
    let uid = meta(on, &key).await.uid;
    write(on, finalizer(&key, &uid, true)).await.unwrap();
    on.delete(&key).await;
    write(on, finalizer(&key, &uid, false)).await.unwrap();
    assert_eq!(watch.told(3).await, ["+", "+", "~"]);
    assert_eq!(watch.next().await, Event::Deleted { key: key.clone(), uid });
    assert_eq!(on.get(&key).await, None);
}

async fn a_successor_is_told_after_the_end_of_the_one_before(on: &dyn Backend) {
    let own = unique("successor");
    let key = key(Kind::Ip, &own);
    let mut watch = Watch::new(&*on.cluster(), &[Kind::Ip], &own);
    watch.until("=IP").await;
    let named = |uid: &'static str| with(ip(&own), |meta| meta.uid = uid.into());
    on.apply(named("first")).await;
    let first = meta(on, &key).await.uid;
    on.delete(&key).await;
    on.apply(named("second")).await;
    let second = meta(on, &key).await.uid;
    assert_ne!(first, second);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.push(match watch.next().await {
            Event::Applied(Object::Ip(ip)) => (true, ip.meta.uid),
            Event::Deleted { uid, .. } => (false, uid),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, [(true, first.clone()), (false, first), (true, second)]);
}

async fn generation_rises_with_the_spec_alone(on: &dyn Backend) {
    let own = unique("generation");
    let key = key(Kind::Subnet, &own);
    on.apply(subnet(&own, "10.0.0.0/24")).await;
    assert_eq!(meta(on, &key).await.generation, 1);
    on.apply(with(subnet(&own, "10.0.0.0/24"), |meta| meta.labels = [("a".into(), "b".into())].into())).await;
    write(on, finalizer(&key, "", true)).await.unwrap();
    writes::status(on, &key, "", "10.0.0.1").await.unwrap();
    assert_eq!(meta(on, &key).await.generation, 1);
    on.apply(subnet(&own, "10.0.0.0/25")).await;
    assert_eq!(meta(on, &key).await.generation, 2);
    on.delete(&key).await;
    assert_eq!(meta(on, &key).await.generation, 3);
}
