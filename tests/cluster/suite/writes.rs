//! What becomes of writes.

use kubeovn_core::{
    contract::cluster::{ClusterError, FINALIZER, Patch, Status, Write},
    index::objects::{
        Condition, IpPool, IpPoolSpec, IpPoolStatus, IpSpec, Kind, Meta, Name, Object, ObjectKey, Operator,
        SubnetStatus, VpcStatus,
    },
};

use crate::{
    backend::{Backend, finalizer, ip, key, meta, pod, subnet, unique, vpc, with, write},
    watch::Watch,
};

/// Writes a subnet's status in which this range is used.
pub(crate) async fn status(
    on: &dyn Backend,
    key: &ObjectKey,
    uid: &str,
    used: &str,
) -> Result<Name, ClusterError> {
    let condition = Condition {
        r#type: "Ready".into(),
        status: "True".into(),
        reason: "Programmed".into(),
        message: "".into(),
        observed_generation: 1,
    };
    let status = SubnetStatus {
        conditions: vec![condition],
        v4usingIPs: 1.into(),
        v4usingIPrange: used.to_owned(),
        v6availableIPs: kubeovn_core::count::Count((1 << 64) - 3).as_stored(),
        ..SubnetStatus::default()
    };
    write(on, Write::Status { key: key.clone(), uid: uid.into(), status: Status::Subnet(status) }).await
}

pub(super) async fn the_same_again_is_no_change(on: &dyn Backend) {
    let own = unique("same");
    let key = key(Kind::Subnet, &own);
    on.apply(subnet(&own, "10.0.0.0/24")).await;
    let uid = meta(on, &key).await.uid;
    let mut patch = Patch::new(key.clone(), uid.clone());
    patch.annotations = [("a".into(), Some("1".into())), ("never".into(), None)].into();
    let first = write(on, Write::Patch(patch.clone())).await.unwrap();
    assert_eq!(first, meta(on, &key).await.revision);
    let second = write(on, finalizer(&key, &uid, true)).await.unwrap();
    let third = status(on, &key, &uid, "x").await.unwrap();
    assert!(first != second && second != third);
    assert_eq!(third, meta(on, &key).await.revision);
    let mut watch = Watch::new(&*on.cluster(), &[Kind::Subnet], &own);
    watch.until("=Subnet").await;
    assert_eq!(write(on, Write::Patch(patch)).await.unwrap(), third);
    assert_eq!(write(on, finalizer(&key, &uid, true)).await.unwrap(), third);
    assert_eq!(status(on, &key, &uid, "x").await.unwrap(), third);
    on.apply(subnet(&format!("{own}end"), "10.0.1.0/24")).await;
    assert_eq!(watch.told(1).await, ["+end"]);
}

pub(super) async fn a_patch_changes_what_it_names_and_nothing_else(on: &dyn Backend) {
    let own = unique("patch");
    let key = key(Kind::Subnet, &own);
    let manifest = with(subnet(&own, "10.0.0.0/24"), |meta| {
        meta.labels = [("a".into(), "1".into()), ("b".into(), "1".into())].into();
        meta.annotations = [("user.org/x".into(), "kept".into())].into();
        meta.finalizers = vec!["example.org/user".into()];
    });
    on.apply(manifest).await;
    let uid = meta(on, &key).await.uid;
    let mut patch = Patch::new(key.clone(), uid.clone());
    patch.labels = [("ours".into(), Some("1".into())), ("b".into(), None)].into();
    patch.annotations = [("ovn.kubernetes.io/note".into(), Some("x".into()))].into();
    patch.finalizer = Some(true);
    write(on, Write::Patch(patch)).await.unwrap();
    let now = meta(on, &key).await;
    assert_eq!(now.labels, [("a".into(), "1".into()), ("ours".into(), "1".into())].into());
    let annotations = [("ovn.kubernetes.io/note".into(), "x".into()), ("user.org/x".into(), "kept".into())];
    assert_eq!(now.annotations, annotations.into());
    assert_eq!(now.finalizers, ["example.org/user".into(), FINALIZER.into()]);

    // The user's next manifest takes back what the last one gave, and leaves ours.
    on.apply(with(subnet(&own, "10.0.0.0/24"), |meta| meta.labels = [("c".into(), "1".into())].into())).await;
    let now = meta(on, &key).await;
    assert_eq!(now.labels, [("c".into(), "1".into()), ("ours".into(), "1".into())].into());
    assert_eq!((now.annotations.len(), now.finalizers), (1, vec![FINALIZER.into()]));

    // A pod's annotations, which are all that we change of one.
    let own = unique("patched");
    let key = crate::backend::key(Kind::Pod, &own);
    on.apply(pod(&own)).await;
    let uid = meta(on, &key).await.uid;
    let mut patch = Patch::new(key.clone(), uid);
    patch.annotations = [("ovn.kubernetes.io/ip_address".into(), Some("10.0.0.2,fd00::2".into()))].into();
    let revision = write(on, Write::Patch(patch.clone())).await.unwrap();
    let now = meta(on, &key).await;
    assert_eq!(now.annotation("ovn.kubernetes.io/ip_address"), Some("10.0.0.2,fd00::2"));
    assert_eq!(now.revision, revision);
    patch.annotations = [("ovn.kubernetes.io/ip_address".into(), None)].into();
    write(on, Write::Patch(patch)).await.unwrap();
    assert!(meta(on, &key).await.annotations.is_empty());
}

/// Every write but one that makes something is for an identity.
pub(super) async fn another_uid_is_another_object(on: &dyn Backend) {
    let stale = "9b4ad2a3-0000-4000-8000-000000000000";
    for kind in [Kind::Vpc, Kind::Subnet, Kind::Ip, Kind::Pod] {
        let own = unique("uid");
        let key = key(kind, &own);
        on.apply(match kind {
            Kind::Vpc => vpc(&own),
            Kind::Subnet => subnet(&own, "10.0.0.0/24"),
            Kind::Ip => ip(&own),
            _ => pod(&own),
        })
        .await;
        let before = meta(on, &key).await;
        let mut annotated = Patch::new(key.clone(), stale.into());
        annotated.annotations = [("a".into(), Some("1".into()))].into();
        let mut writes =
            vec![Write::Patch(annotated.clone()), Write::Delete { key: key.clone(), uid: stale.into() }];
        match kind {
            Kind::Vpc => writes.push(Write::Status {
                key: key.clone(),
                uid: stale.into(),
                status: Status::Vpc(VpcStatus { standby: true, ..VpcStatus::default() }),
            }),
            Kind::Subnet => writes.push(finalizer(&key, stale, true)),
            Kind::Ip => writes.push(Write::Patch(Patch {
                ip: Some(IpSpec { subnet: "s".into(), ..IpSpec::default() }),
                ..Patch::new(key.clone(), stale.into())
            })),
            _ => {}
        }
        for stale in writes {
            let answer = write(on, stale.clone()).await;
            assert!(matches!(answer, Err(ClusterError::NotFound { .. })), "{stale:?}: {answer:?}");
        }
        if kind == Kind::Subnet {
            let answer = status(on, &key, stale, "x").await;
            assert!(matches!(answer, Err(ClusterError::NotFound { .. })), "{answer:?}");
            // Also where there is a status already.
            status(on, &key, &before.uid, "x").await.unwrap();
            let answer = status(on, &key, stale, "y").await;
            assert!(matches!(answer, Err(ClusterError::NotFound { .. })), "{answer:?}");
            let Some(Object::Subnet(subnet)) = on.get(&key).await else { panic!("no subnet") };
            assert_eq!(subnet.status.v4usingIPrange, "x");
        } else {
            assert_eq!(meta(on, &key).await, before);
        }
        annotated.uid = before.uid.clone();
        write(on, Write::Patch(annotated)).await.unwrap();
        assert_eq!(meta(on, &key).await.annotations.len(), 1);
        write(on, Write::Delete { key: key.clone(), uid: before.uid }).await.unwrap();
        assert_eq!(on.get(&key).await, None);
    }
}

pub(super) async fn what_is_not_there_is_not_written(on: &dyn Backend) {
    let own = unique("absent");
    let key = key(Kind::Subnet, &own);
    let mut annotated = Patch::new(key.clone(), "".into());
    annotated.annotations = [("a".into(), Some("1".into()))].into();
    for (uid, absent) in [
        ("", Write::Patch(annotated)),
        ("", finalizer(&key, "", true)),
        ("u", Write::Delete { key: key.clone(), uid: "u".into() }),
    ] {
        let answer = write(on, absent).await;
        assert_eq!(answer, Err(ClusterError::NotFound { key: key.clone(), uid: uid.into() }));
    }
    let answer = status(on, &key, "", "x").await;
    assert_eq!(answer, Err(ClusterError::NotFound { key: key.clone(), uid: "".into() }));
}

pub(super) async fn an_ip_is_created_and_patched_whole(on: &dyn Backend) {
    let own = unique("ip");
    let key = key(Kind::Ip, &own);
    let object = with(ip(&own), |meta| {
        meta.labels = [("ovn.kubernetes.io/subnet".into(), "s".into()), ("s".into(), "".into())].into();
    });
    let revision = write(on, Write::Create(object.clone())).await.unwrap();
    assert_eq!(revision, meta(on, &key).await.revision);
    let again = write(on, Write::Create(object)).await;
    assert_eq!(again, Err(ClusterError::Exists { key: key.clone() }));
    let spec =
        IpSpec { ip_address: "10.0.0.2".into(), v4_ip_address: "10.0.0.2".into(), ..IpSpec::default() };
    let uid = meta(on, &key).await.uid;
    let mut patch = Patch { ip: Some(spec.clone()), ..Patch::new(key.clone(), uid) };
    patch.labels = [("ovn.kubernetes.io/node-name".into(), Some("n1".into()))].into();
    write(on, Write::Patch(patch)).await.unwrap();
    let Some(Object::Ip(ip)) = on.get(&key).await else { panic!("no ip") };
    assert_eq!((ip.spec, ip.meta.labels.len(), ip.meta.generation), (spec, 3, 2));
}

pub(super) async fn what_we_make_is_as_we_said(on: &dyn Backend) {
    let name = unique("made");
    let expression = kubeovn_core::index::objects::Expression {
        key: "k".into(),
        operator: Operator::NotIn,
        values: vec!["v".into()],
    };
    let selector = kubeovn_core::index::objects::Selector {
        match_labels: [("l".into(), "w".into())].into(),
        match_expressions: vec![expression],
    };
    let Object::Subnet(mut subnet) = subnet(&name, "10.0.0.0/24,fd00::/64") else { unreachable!() };
    subnet.spec.exclude_ips = vec!["10.0.0.9".to_owned()];
    subnet.spec.namespace_selectors = vec![selector];
    subnet.spec.private = true;
    subnet.spec.mtu = 1400;
    let Object::Vpc(mut vpc) = vpc(&name) else { unreachable!() };
    vpc.spec.namespaces = vec!["default".into()];
    vpc.spec.policy_routes = vec![kubeovn_core::index::objects::PolicyRoute {
        priority: 7,
        r#match: "ip4".to_owned(),
        action: "drop".to_owned(),
        next_hops: String::new(),
    }];
    for object in [Object::Subnet(subnet), Object::Vpc(vpc)] {
        write(on, Write::Create(object.clone())).await.unwrap();
        let made = on.get(&object.key()).await.unwrap();
        match (object, made) {
            (Object::Subnet(wanted), Object::Subnet(made)) => assert_eq!(made.spec, wanted.spec),
            (Object::Vpc(wanted), Object::Vpc(made)) => assert_eq!(made.spec, wanted.spec),
            other => panic!("{other:?}"),
        }
    }
}

pub(super) async fn a_status_is_written_and_read(on: &dyn Backend) {
    let own = unique("status");
    let key = key(Kind::Subnet, &own);
    on.apply(subnet(&own, "10.0.0.0/24")).await;
    let uid = meta(on, &key).await.uid;
    let mut watch = Watch::new(&*on.cluster(), &[Kind::Subnet], &own);
    watch.until("=Subnet").await;
    let revision = status(on, &key, &uid, "10.0.0.2").await.unwrap();
    let kubeovn_core::contract::cluster::Event::Applied(Object::Subnet(subnet)) = watch.next().await else {
        panic!("not told")
    };
    assert_eq!(subnet.meta.revision, revision);
    assert_eq!((subnet.status.v4usingIPrange.as_str(), subnet.status.v4usingIPs.0), ("10.0.0.2", 1));
    assert_eq!(subnet.status.v6availableIPs.0, 1 << 64);
    assert_eq!((subnet.status.conditions.len(), &*subnet.status.conditions[0].reason), (1, "Programmed"));
    let empty = SubnetStatus::default();
    let write = Write::Status { key: key.clone(), uid, status: Status::Subnet(empty.clone()) };
    crate::backend::write(on, write).await.unwrap();
    let Some(Object::Subnet(subnet)) = on.get(&key).await else { panic!("no subnet") };
    assert_eq!(subnet.status, empty, "what is empty is written too");
    a_pool_has_one_too(on, &own).await;
}

async fn a_pool_has_one_too(on: &dyn Backend, own: &str) {
    let spec =
        IpPoolSpec { subnet: own.to_owned(), ips: vec!["10.0.0.5".to_owned()], ..IpPoolSpec::default() };
    on.apply(Object::IpPool(IpPool { meta: Meta::named(own), spec, ..IpPool::default() })).await;
    let key = key(Kind::IpPool, own);
    let uid = meta(on, &key).await.uid;
    let want =
        IpPoolStatus { v4UsingIPs: 1.into(), v4UsingIPRange: "10.0.0.5".into(), ..IpPoolStatus::default() };
    let status = Status::IpPool(want.clone());
    write(on, Write::Status { key: key.clone(), uid, status }).await.unwrap();
    let Some(Object::IpPool(pool)) = on.get(&key).await else { panic!("no pool") };
    assert_eq!(pool.status, want);
}

pub(super) async fn what_cannot_be_is_refused(on: &dyn Backend) {
    let own = unique("refused");
    let key = key(Kind::Vpc, &own);
    on.apply(with(vpc(&own), |meta| meta.finalizers = vec!["example.org/user".into()])).await;
    let other = write(
        on,
        Write::Status { key: key.clone(), uid: "".into(), status: Status::Subnet(SubnetStatus::default()) },
    )
    .await;
    assert!(matches!(other, Err(ClusterError::Refused { .. })), "{other:?}");
    on.delete(&key).await;
    let again = write(on, Write::Create(vpc(&own))).await;
    assert_eq!(again, Err(ClusterError::Exists { key: key.clone() }));
    let late = write(on, finalizer(&key, "", true)).await;
    assert!(matches!(late, Err(ClusterError::Refused { .. })), "{late:?}");
}
