//! What the suite asks of a cluster beside its contract: what a user does.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use kubeovn_core::{
    contract::cluster::{Cluster, ClusterError, Patch, Write},
    index::objects::{Ip, Kind, Meta, Name, Object, ObjectKey, Pod, Subnet, SubnetSpec, VirtualMachine, Vpc},
};

/// A cluster, and its user.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    fn cluster(&self) -> Arc<dyn Cluster>;

    /// A user brings a manifest: what the last one had and this one has not goes, what others wrote stays.
    async fn apply(&self, object: Object);

    async fn delete(&self, key: &ObjectKey);

    async fn get(&self, key: &ObjectKey) -> Option<Object>;
}

/// A name that no other test of this run has.
pub(crate) fn unique(name: &str) -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("{name}{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

pub(crate) async fn write(on: &dyn Backend, write: Write) -> Result<Name, ClusterError> {
    on.cluster().write(write).await
}

/// What an object is like that must be there.
pub(crate) async fn meta(on: &dyn Backend, key: &ObjectKey) -> Meta {
    on.get(key).await.unwrap_or_else(|| panic!("no {key}")).meta().clone()
}

pub(crate) fn key(kind: Kind, name: &str) -> ObjectKey {
    let namespace = if kind.namespaced() { "default" } else { "" };
    ObjectKey { kind, namespace: namespace.into(), name: name.into() }
}

pub(crate) fn vpc(name: &str) -> Object {
    Object::Vpc(Vpc { meta: Meta::named(name), ..Vpc::default() })
}

pub(crate) fn subnet(name: &str, cidr: &str) -> Object {
    let spec = SubnetSpec { cidr_block: cidr.to_owned(), ..SubnetSpec::default() };
    Object::Subnet(Subnet { meta: Meta::named(name), spec, ..Subnet::default() })
}

pub(crate) fn ip(name: &str) -> Object {
    Object::Ip(Ip { meta: Meta::named(name), ..Ip::default() })
}

pub(crate) fn pod(name: &str) -> Object {
    let meta = Meta { namespace: "default".into(), ..Meta::named(name) };
    Object::Pod(Pod { meta, ..Pod::default() })
}

pub(crate) fn machine(name: &str) -> Object {
    let meta = Meta { namespace: "default".into(), ..Meta::named(name) };
    Object::VirtualMachine(VirtualMachine { meta })
}

pub(crate) fn with(mut object: Object, change: impl FnOnce(&mut Meta)) -> Object {
    change(object.meta_mut());
    object
}

pub(crate) fn finalizer(key: &ObjectKey, uid: &str, set: bool) -> Write {
    Write::Patch(Patch { finalizer: Some(set), ..Patch::new(key.clone(), uid.into()) })
}
