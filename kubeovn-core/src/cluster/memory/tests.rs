//! Objects live and die as they do in Kubernetes.

use futures_util::FutureExt;

use super::*;
use crate::contract::cluster::{FINALIZER, Patch, Status};
use crate::index::objects::{Ip, IpSpec, Meta, Namespace, Pod, Subnet, SubnetStatus, Vpc, VpcStatus};

type Stream = BoxStream<'static, Event>;

/// The events that are there already.
fn drain(stream: &mut Stream) -> Vec<Event> {
    std::iter::from_fn(|| stream.next().now_or_never().flatten()).collect()
}

/// The same, in short: `+name` (`~name` while deleting), `-name`, `=Kind`.
fn told(stream: &mut Stream) -> Vec<String> {
    let short = |event| match event {
        Event::Applied(object) => {
            let meta = object.meta();
            format!("{}{}", if meta.deleting { '~' } else { '+' }, meta.name)
        }
        Event::Deleted { key, .. } => format!("-{}", key.name),
        Event::Listed(kind) => format!("={}", kind.name()),
        Event::Absent(kind) => format!("?{}", kind.name()),
    };
    drain(stream).into_iter().map(short).collect()
}

fn write(cluster: &MemoryCluster, write: Write) -> Result<Name, ClusterError> {
    cluster.write(write).now_or_never().unwrap()
}

fn vpc(name: &str) -> Object {
    Object::Vpc(Vpc { meta: Meta::named(name), ..Vpc::default() })
}

fn subnet(name: &str, cidr: &str) -> Object {
    let mut subnet = Subnet { meta: Meta::named(name), ..Subnet::default() };
    subnet.spec.cidr_block = cidr.to_owned();
    Object::Subnet(subnet)
}

fn pod(namespace: &str, name: &str) -> Object {
    let meta = Meta { namespace: namespace.into(), ..Meta::named(name) };
    Object::Pod(Pod { meta, ..Pod::default() })
}

fn with(mut object: Object, change: impl FnOnce(&mut Meta)) -> Object {
    change(object.meta_mut());
    object
}

fn key(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey::cluster(kind, name)
}

fn finalizer(key: ObjectKey, set: bool) -> Write {
    Write::Patch(Patch { finalizer: Some(set), ..Patch::new(key, "".into()) })
}

fn meta(cluster: &MemoryCluster, key: &ObjectKey) -> Meta {
    cluster.get(key).unwrap().meta().clone()
}

#[test]
fn a_watcher_sees_what_exists_then_every_change_in_order() {
    let cluster = MemoryCluster::new();
    cluster.apply(vpc("b")).unwrap();
    cluster.apply(vpc("a")).unwrap();
    cluster.apply(pod("shop", "web-0")).unwrap();
    let mut all = cluster.watch(&[Kind::Pod, Kind::Vpc, Kind::Vpc, Kind::Subnet]);
    assert_eq!(told(&mut all), ["+web-0", "=Pod", "+a", "+b", "=Vpc", "=Subnet"]);

    let mut pods = cluster.watch(&[Kind::Pod]);
    cluster.apply(subnet("s", "10.0.0.0/24")).unwrap();
    cluster.delete(&key(Kind::Vpc, "a")).unwrap();
    cluster.apply(pod("shop", "web-1")).unwrap();
    cluster.apply(Object::Namespace(Namespace { meta: Meta::named("shop") })).unwrap();
    assert_eq!(told(&mut all), ["+s", "-a", "+web-1"]);
    assert_eq!(told(&mut pods), ["+web-0", "=Pod", "+web-1"]);
    assert_eq!(cluster.objects(Kind::Vpc).len(), 1);
}

#[test]
fn listed_waits_until_the_cluster_is_filled() {
    let cluster = MemoryCluster::filling();
    cluster.apply(vpc("a")).unwrap();
    let mut early = cluster.watch(&[Kind::Vpc, Kind::Pod]);
    assert_eq!(told(&mut early), ["+a"]);
    cluster.apply(vpc("b")).unwrap();
    cluster.filled();
    cluster.filled();
    assert_eq!(told(&mut early), ["+b", "=Vpc", "=Pod"]);
    assert_eq!(told(&mut cluster.watch(&[Kind::Vpc])), ["+a", "+b", "=Vpc"]);
}

#[test]
fn the_same_again_is_no_change() {
    let cluster = MemoryCluster::new();
    let manifest = with(subnet("s", "10.0.0.0/24"), |meta| meta.finalizers = vec!["z".into(), "a".into()]);
    let first = cluster.apply(manifest.clone()).unwrap();
    write(&cluster, finalizer(key(Kind::Subnet, "s"), true)).unwrap();
    let mut watch = cluster.watch(&[Kind::Subnet]);
    told(&mut watch);

    let again = cluster.apply(manifest).unwrap();
    assert_ne!(first, again);
    assert_eq!(write(&cluster, finalizer(key(Kind::Subnet, "s"), true)).unwrap(), again);
    let status = Status::Subnet(SubnetStatus::default());
    let status = Write::Status { key: key(Kind::Subnet, "s"), uid: "".into(), status };
    assert_eq!(write(&cluster, status).unwrap(), again);
    assert!(told(&mut watch).is_empty());
}

#[test]
fn a_manifest_takes_back_only_what_a_manifest_gave() {
    let cluster = MemoryCluster::new();
    let key = key(Kind::Subnet, "s");
    let manifest = with(subnet("s", "10.0.0.0/24"), |meta| {
        meta.labels = [("a".into(), "1".into()), ("b".into(), "1".into())].into();
        meta.finalizers = vec!["user".into()];
    });
    cluster.apply(manifest).unwrap();
    let mut patch = Patch::new(key.clone(), "".into());
    patch.labels = [("ours".into(), Some("1".into())), ("b".into(), None), ("never".into(), None)].into();
    patch.annotations = [("note".into(), Some("x".into()))].into();
    patch.finalizer = Some(true);
    write(&cluster, Write::Patch(patch)).unwrap();
    let status = SubnetStatus { v4usingIPs: 3.into(), ..SubnetStatus::default() };
    write(
        &cluster,
        Write::Status { key: key.clone(), uid: "".into(), status: Status::Subnet(status.clone()) },
    )
    .unwrap();

    let next = with(subnet("s", "10.0.1.0/24"), |meta| meta.labels = [("c".into(), "1".into())].into());
    cluster.apply(next).unwrap();
    let Some(Object::Subnet(subnet)) = cluster.get(&key) else { panic!("no subnet") };
    assert_eq!(subnet.meta.labels.keys().map(|key| &**key).collect::<Vec<_>>(), ["c", "ours"]);
    assert_eq!(subnet.meta.annotations.len(), 1);
    assert_eq!(subnet.meta.finalizers, [FINALIZER.into()]);
    assert_eq!((subnet.spec.cidr_block.as_str(), &subnet.status), ("10.0.1.0/24", &status));
}

#[test]
fn generation_rises_with_the_spec_alone() {
    let cluster = MemoryCluster::new();
    let key = key(Kind::Subnet, "s");
    let generation = |cluster: &MemoryCluster| meta(cluster, &key).generation;
    cluster.apply(subnet("s", "10.0.0.0/24")).unwrap();
    assert_eq!(generation(&cluster), 1);
    cluster
        .apply(with(subnet("s", "10.0.0.0/24"), |meta| meta.labels = [("a".into(), "b".into())].into()))
        .unwrap();
    write(&cluster, finalizer(key.clone(), true)).unwrap();
    let status = Status::Subnet(SubnetStatus { v4usingIPs: 1.into(), ..SubnetStatus::default() });
    write(&cluster, Write::Status { key: key.clone(), uid: "".into(), status }).unwrap();
    assert_eq!(generation(&cluster), 1);
    cluster.apply(subnet("s", "10.0.0.0/25")).unwrap();
    assert_eq!(generation(&cluster), 2);
    cluster.delete(&key).unwrap();
    assert_eq!(generation(&cluster), 3);
}

#[test]
fn an_object_with_finalizers_goes_with_the_last_one() {
    let cluster = MemoryCluster::new();
    let key = key(Kind::Vpc, "v");
    cluster.apply(with(vpc("v"), |meta| meta.finalizers = vec!["user".into()])).unwrap();
    let mut watch = cluster.watch(&[Kind::Vpc]);
    write(&cluster, finalizer(key.clone(), true)).unwrap();
    let uid = meta(&cluster, &key).uid;
    let delete = Write::Delete { key: key.clone(), uid: uid.clone() };
    write(&cluster, delete.clone()).unwrap();
    write(&cluster, delete).unwrap();
    assert_eq!(told(&mut watch), ["+v", "=Vpc", "+v", "~v"]);

    // no new object of the name, by whatever way, and no change of the manifest
    assert!(matches!(cluster.apply(vpc("v")), Err(ClusterError::Unavailable { .. })));
    assert!(matches!(write(&cluster, Write::Create(vpc("v"))), Err(ClusterError::Exists { .. })));

    write(&cluster, finalizer(key.clone(), false)).unwrap();
    assert_eq!(told(&mut watch), ["~v"]);
    // nor may one come back
    assert!(matches!(write(&cluster, finalizer(key.clone(), true)), Err(ClusterError::Refused { .. })));
    let status = Write::Status {
        key: key.clone(),
        uid: uid.clone(),
        status: Status::Vpc(VpcStatus { standby: true, ..VpcStatus::default() }),
    };
    write(&cluster, status).unwrap();
    assert_eq!(told(&mut watch), ["~v"]);
}

#[test]
fn the_last_finalizer_of_a_deleting_object_is_its_end() {
    let cluster = MemoryCluster::new();
    let key = key(Kind::Vpc, "v");
    write(&cluster, Write::Create(vpc("v"))).unwrap();
    write(&cluster, finalizer(key.clone(), true)).unwrap();
    let uid = meta(&cluster, &key).uid;
    cluster.delete(&key).unwrap();
    let mut watch = cluster.watch(&[Kind::Vpc]);
    told(&mut watch);
    write(&cluster, finalizer(key.clone(), false)).unwrap();
    assert_eq!(drain(&mut watch), [Event::Deleted { key: key.clone(), uid }]);
    assert!(matches!(cluster.delete(&key), Err(ClusterError::NotFound { .. })));
    // and now there may be a new one
    cluster.apply(vpc("v")).unwrap();
    assert_eq!(told(&mut watch), ["+v"]);
}

#[test]
fn another_uid_is_another_object() {
    let cluster = MemoryCluster::new();
    let key = key(Kind::Vpc, "v");
    cluster.apply(with(vpc("v"), |meta| meta.uid = "first".into())).unwrap();
    let stale = || Name::from("older");
    let writes = [
        Write::Patch(Patch { finalizer: Some(true), ..Patch::new(key.clone(), stale()) }),
        Write::Status { key: key.clone(), uid: stale(), status: Status::Vpc(VpcStatus::default()) },
        Write::Delete { key: key.clone(), uid: stale() },
    ];
    for stale in writes {
        assert!(matches!(write(&cluster, stale), Err(ClusterError::NotFound { .. })));
    }
    let other = with(vpc("v"), |meta| meta.uid = "second".into());
    assert!(matches!(cluster.apply(other), Err(ClusterError::NotFound { .. })));
    assert!(meta(&cluster, &key).finalizers.is_empty());
    let right = Patch { finalizer: Some(true), ..Patch::new(key.clone(), "first".into()) };
    write(&cluster, Write::Patch(right)).unwrap();
    assert_eq!(meta(&cluster, &key).finalizers, [FINALIZER.into()]);
}

#[test]
fn an_ip_is_created_and_patched_whole() {
    let cluster = MemoryCluster::new();
    let key = key(Kind::Ip, "web-0.shop");
    let object = Object::Ip(Ip { meta: Meta::named("web-0.shop"), ..Ip::default() });
    write(&cluster, Write::Create(object.clone())).unwrap();
    assert!(matches!(write(&cluster, Write::Create(object)), Err(ClusterError::Exists { .. })));
    let spec = IpSpec { ip_address: "10.0.0.2".into(), ..IpSpec::default() };
    let patch = Patch { ip: Some(spec.clone()), ..Patch::new(key.clone(), "".into()) };
    write(&cluster, Write::Patch(patch.clone())).unwrap();
    assert!(matches!(cluster.get(&key), Some(Object::Ip(ip)) if ip.spec == spec && ip.meta.generation == 2));

    cluster.apply(vpc("v")).unwrap();
    let astray = Patch { key: ObjectKey::cluster(Kind::Vpc, "v"), ..patch };
    assert!(matches!(write(&cluster, Write::Patch(astray)), Err(ClusterError::Refused { .. })));
}

#[test]
fn identities_are_the_same_in_each_run() {
    let run = || {
        let cluster = MemoryCluster::new();
        cluster.apply(pod("shop", "web-0")).unwrap();
        cluster.apply(pod("shop", "web-1")).unwrap();
        cluster.apply(with(pod("test", "web-0"), |meta| meta.created = 77)).unwrap();
        cluster.objects(Kind::Pod)
    };
    let pods = run();
    assert_eq!(pods, run());
    let uids: Vec<_> = pods.iter().map(|pod| pod.meta().uid.clone()).collect();
    assert!(uids[0] != uids[1] && uids[0] != uids[2]);
    assert!(uids.iter().all(|uid| uid.len() == 36 && uid.matches('-').count() == 4));
    assert_eq!(pods.iter().map(|pod| pod.meta().created).collect::<Vec<_>>(), [1, 2, 77]);
}

#[test]
fn what_is_loaded_stands_as_it_stood() {
    let cluster = MemoryCluster::new();
    let mut watch = cluster.watch(&[Kind::Subnet]);
    let mut loaded = with(subnet("s", "10.0.0.0/24"), |meta| {
        meta.uid = "u".into();
        meta.revision = "500".into();
        meta.generation = 7;
        meta.created = 99;
        meta.deleting = true;
        meta.finalizers = vec![FINALIZER.into()];
        meta.annotations.insert("a".into(), "1".into());
    });
    let Object::Subnet(inner) = &mut loaded else { unreachable!() };
    inner.status.v4usingIPrange = "10.0.0.2".to_owned();
    cluster.load(loaded.clone());
    assert_eq!(cluster.get(&loaded.key()), Some(loaded.clone()));
    assert!(drain(&mut watch).contains(&Event::Applied(loaded.clone())));
    // What changes it comes later than what it was.
    cluster.load(with(subnet("t", "10.1.0.0/24"), |meta| meta.revision = "40".into()));
    cluster.apply(subnet("t", "10.1.0.0/25")).unwrap();
    assert!(with(loaded.clone(), |_| ()).meta().is_before(&meta(&cluster, &key(Kind::Subnet, "t"))));
    // It goes with its last finalizer, as it would there.
    write(&cluster, finalizer(loaded.key(), false)).unwrap();
    assert_eq!(cluster.get(&loaded.key()), None);
}

#[test]
fn notes_are_counted_and_bounded() {
    let cluster = MemoryCluster::new();
    let note = |number: usize| Note {
        key: key(Kind::Vpc, "v"),
        uid: "".into(),
        warning: true,
        reason: "WHY".into(),
        message: number.to_string().into(),
    };
    for number in [0, 1, 0] {
        write(&cluster, Write::Note(note(number))).unwrap();
    }
    assert_eq!(cluster.notes().iter().map(|told| told.times).collect::<Vec<_>>(), [2, 1]);
    for number in 2..=NOTES {
        write(&cluster, Write::Note(note(number))).unwrap();
    }
    let notes = cluster.notes();
    assert_eq!((notes.len(), &notes[0].note), (NOTES, &note(1)));
}

#[test]
fn a_dropped_watcher_is_forgotten() {
    let cluster = MemoryCluster::new();
    let watch = cluster.watch(&[Kind::Pod]);
    drop(watch);
    cluster.apply(vpc("v")).unwrap();
    assert_eq!(cluster.lock().watchers(), 0);
}

#[test]
fn a_kind_may_come_later() {
    let kinds = [Kind::Vpc, Kind::VirtualMachine];
    let cluster = MemoryCluster::filling().without(&kinds);
    let mut early = cluster.watch(&kinds);
    assert!(told(&mut early).is_empty());
    cluster.filled();
    assert_eq!(told(&mut early), ["=Vpc", "?VirtualMachine"], "only what is somebody else's may be absent");
    let mut late = cluster.watch(&kinds);
    assert_eq!(told(&mut late), ["=Vpc", "?VirtualMachine"]);
    for _ in 0..2 {
        cluster.install(Kind::VirtualMachine);
    }
    assert_eq!(
        (told(&mut early), told(&mut late)),
        (vec!["=VirtualMachine".to_owned()], vec!["=VirtualMachine".to_owned()])
    );
    assert_eq!(told(&mut cluster.watch(&kinds)), ["=Vpc", "=VirtualMachine"]);
}
