//! A real API server, and the suite on it.

use std::sync::Arc;

use async_trait::async_trait;
use kube::{
    Api, Client, Config,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
};
use kubeovn_bins::cluster::kube::{KubeCluster, Options, client};
use kubeovn_core::{
    contract::cluster::Cluster,
    index::objects::{Kind, Meta, Object, ObjectKey},
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    backend::Backend,
    kubernetes::{ADMIN, Kubernetes},
    suite,
};

/// Servers that run at a time: each takes as much as a machine of two cores has for it.
const AT_ONCE: usize = 2;
static SERVERS: Semaphore = Semaphore::const_new(AT_ONCE);

/// An API server that knows our kinds, and its administrator.
pub(crate) struct ApiServer {
    pub(crate) kubernetes: Kubernetes,
    pub(crate) client: Client,
    _turn: SemaphorePermit<'static>,
}

impl ApiServer {
    pub(crate) async fn start() -> Self {
        let server = Self::bare().await;
        server.kubernetes.apply_crds().await;
        server.kubernetes.apply_machines().await;
        server
    }

    /// One that doesn't know our kinds yet.
    pub(crate) async fn bare() -> Self {
        Self::taking(1).await
    }

    /// The same while no other runs: for tests that measure time.
    pub(crate) async fn alone() -> Self {
        Self::taking(AT_ONCE).await
    }

    /// Waits for so many turns.
    async fn taking(turns: usize) -> Self {
        let turn = SERVERS.acquire_many(u32::try_from(turns).unwrap()).await.unwrap();
        let kubernetes = Kubernetes::start().await;
        let client = kubernetes.client();
        ApiServer { kubernetes, client, _turn: turn }
    }

    /// A cluster that is reached in another way than straight.
    pub(crate) fn cluster_with(
        &self,
        user: &str,
        options: Options,
        change: impl FnOnce(&mut Config),
    ) -> Arc<KubeCluster> {
        let mut config = self.kubernetes.config(user);
        change(&mut config);
        Arc::new(KubeCluster::new(client(config).unwrap(), options))
    }

    pub(crate) fn cluster(&self) -> Arc<KubeCluster> {
        self.cluster_with(ADMIN, Options::default(), |_| {})
    }

    pub(crate) fn user(&self) -> User {
        User { cluster: self.cluster(), client: self.client.clone() }
    }
}

/// The cluster under test, and its user with a client of his own.
pub(crate) struct User {
    pub(crate) cluster: Arc<KubeCluster>,
    pub(crate) client: Client,
}

impl User {
    pub(crate) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk(kind.group(), "v1", kind.name());
        let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural());
        if kind.namespaced() {
            Api::namespaced_with(self.client.clone(), "default", &resource)
        } else {
            Api::all_with(self.client.clone(), &resource)
        }
    }

    /// The whole object.
    pub(crate) async fn raw(&self, key: &ObjectKey) -> Value {
        let object = self.api(key.kind).get(&key.name).await.unwrap();
        serde_json::to_value(object).unwrap()
    }

    /// A merge patch of a user's.
    pub(crate) async fn patch(&self, key: &ObjectKey, patch: Value) {
        let api = self.api(key.kind);
        api.patch(&key.name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }
}

#[async_trait]
impl Backend for User {
    fn cluster(&self) -> Arc<dyn Cluster> {
        self.cluster.clone()
    }

    async fn apply(&self, object: Object) {
        let key = object.key();
        let params = PatchParams::apply("user").force();
        let patch = Patch::Apply(manifest(&object));
        self.api(key.kind).patch(&key.name, &params, &patch).await.unwrap();
    }

    async fn delete(&self, key: &ObjectKey) {
        self.api(key.kind).delete(&key.name, &DeleteParams::default()).await.unwrap();
    }

    async fn get(&self, key: &ObjectKey) -> Option<Object> {
        let object = self.api(key.kind).get_opt(&key.name).await.unwrap()?;
        let value = serde_json::to_value(object).unwrap();
        let read = match key.kind {
            Kind::Vpc => Object::Vpc(serde_json::from_value(value).unwrap()),
            Kind::Subnet => Object::Subnet(serde_json::from_value(value).unwrap()),
            Kind::IpPool => Object::IpPool(serde_json::from_value(value).unwrap()),
            Kind::Ip => Object::Ip(serde_json::from_value(value).unwrap()),
            Kind::Pod => Object::Pod(serde_json::from_value(value).unwrap()),
            Kind::StatefulSet => Object::StatefulSet(serde_json::from_value(value).unwrap()),
            Kind::VirtualMachine => Object::VirtualMachine(serde_json::from_value(value).unwrap()),
            Kind::VirtualMachineInstance => {
                Object::VirtualMachineInstance(serde_json::from_value(value).unwrap())
            }
            Kind::Namespace => Object::Namespace(serde_json::from_value(value).unwrap()),
            Kind::Node => Object::Node(serde_json::from_value(value).unwrap()),
        };
        Some(read)
    }
}

/// What a user would write down for an object of these tests.
pub(crate) fn manifest(object: &Object) -> Value {
    let (kind, meta) = (object.kind(), object.meta());
    let Meta { name, namespace, labels, annotations, finalizers, .. } = meta;
    let spec = match object {
        Object::Subnet(subnet) => json!({ "cidrBlock": subnet.spec.cidr_block }),
        Object::Ip(ip) => serde_json::to_value(&ip.spec).unwrap(),
        Object::IpPool(pool) => json!({ "subnet": pool.spec.subnet, "ips": pool.spec.ips }),
        Object::Pod(_) => json!({ "containers": [{ "name": "pause", "image": "pause" }] }),
        Object::Vpc(vpc) => json!({ "namespaces": vpc.spec.namespaces }),
        Object::Namespace(_)
        | Object::Node(_)
        | Object::StatefulSet(_)
        | Object::VirtualMachine(_)
        | Object::VirtualMachineInstance(_) => json!({}),
    };
    let group = if kind.group().is_empty() { "v1".to_owned() } else { format!("{}/v1", kind.group()) };
    let mut metadata =
        json!({ "name": name, "labels": labels, "annotations": annotations, "finalizers": finalizers });
    if kind.namespaced() {
        metadata["namespace"] = json!(namespace);
    }
    json!({ "apiVersion": group, "kind": kind.name(), "metadata": metadata, "spec": spec })
}

#[tokio::test]
async fn the_cluster_of_an_api_server_keeps_the_contract() {
    let server = ApiServer::start().await;
    let user = server.user();
    suite::all(&user).await;
    crate::writing::all(&user).await;
    crate::events::all(&user).await;
}
