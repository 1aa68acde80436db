//! A real API server and a real `ovsdb-server`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Event;
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use kubeovn_bins::cluster::kube::{KubeCluster, Options, client};
use kubeovn_core::{
    contract::{cluster::Cluster, database::Database},
    index::objects::{Kind, Object, ObjectKey, SubnetAcl, Workload},
};
use kubeovn_ovn::{
    nb::NORTHBOUND,
    ovsdb::{
        client::{Client as Northbound, FenceConfig, SoleWriter},
        connect::{ConnectConfig, Connector},
        txn::Identity,
    },
};
use serde_json::{Value, json};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, SemaphorePermit},
    time::sleep,
};
use uuid::Uuid;

use crate::{
    ground::{Ground, read},
    kubernetes::{ADMIN, Kubernetes},
    seen::{Raw, Seen},
    server::{DATABASE, Directory, Server},
};

/// Those that run at a time: each takes as much as a machine of two cores has for it.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Tables that hold tokens of who connects.
const ASIDE: [&str; 3] = ["NB_Global", "Connection", "SSL"];

/// The order matters: those who look go first.
pub(crate) struct Real {
    pub(crate) seen: Seen,
    pub(crate) client: Client,
    pub(crate) kubernetes: Kubernetes,
    pub(crate) northbound: Server,
    pub(crate) directory: Directory,
    _turn: SemaphorePermit<'static>,
}

impl Real {
    pub(crate) async fn start() -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let directory = Directory::new();
        let northbound = Server::standalone(&directory, &[]);
        let seen = Seen::watch(&Handle::current(), northbound.socket());
        let kubernetes = Kubernetes::start().await;
        kubernetes.apply_crds().await;
        kubernetes.apply_machines().await;
        let client = kubernetes.client();
        while !seen.connected() {
            sleep(Duration::from_millis(20)).await;
        }
        Real { seen, client, kubernetes, northbound, directory, _turn: turn }
    }

    pub(crate) fn api(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk(kind.group(), "v1", kind.name());
        let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural());
        if kind.namespaced() && !namespace.is_empty() {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        } else {
            Api::all_with(self.client.clone(), &resource)
        }
    }

    /// Makes an object of a manifest; the server's words when it refuses it.
    pub(crate) async fn create(&self, kind: Kind, manifest: Value) -> Result<(), String> {
        let namespace = manifest["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
        let object: DynamicObject = serde_json::from_value(manifest).map_err(|error| error.to_string())?;
        let made = self.api(kind, &namespace).create(&PostParams::default(), &object).await;
        made.map(drop).map_err(|error| error.to_string())
    }
}

#[async_trait]
impl Ground for Real {
    fn cluster(&self) -> Arc<dyn Cluster> {
        let client = client(self.kubernetes.config(ADMIN)).unwrap();
        Arc::new(KubeCluster::new(client, Options::default()))
    }

    fn database(&self) -> Box<dyn Database> {
        let config = ConnectConfig::new(self.northbound.endpoint().parse().unwrap(), DATABASE);
        let connector = Connector::new(config, Box::new(|| 0.0));
        let fence = FenceConfig { authority: Arc::new(SoleWriter), nonce: Box::new(nonce), eager: false };
        Box::new(Northbound::new(&NORTHBOUND, connector, Identity::Given(Uuid::nil()), Some(fence)))
    }

    async fn apply(&self, object: Object) {
        self.create(object.kind(), manifest(&object)).await.unwrap();
    }

    async fn set_vpc(&self, subnet: &str, vpc: &str) -> Result<(), String> {
        let patch = Patch::Merge(json!({ "spec": { "vpc": vpc } }));
        let changed = self.api(Kind::Subnet, "").patch(subnet, &PatchParams::default(), &patch).await;
        changed.map(drop).map_err(|error| error.to_string())
    }

    async fn delete(&self, key: &ObjectKey) {
        let now = DeleteParams::default().grace_period(0);
        self.api(key.kind, &key.namespace).delete(&key.name, &now).await.unwrap();
    }

    async fn objects(&self, kind: Kind) -> Vec<Object> {
        let all = match self.api(kind, "").list(&ListParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 && kind.is_optional() => return Vec::new(),
            all => all.unwrap(),
        };
        all.items.into_iter().map(|object| read(kind, serde_json::to_value(object).unwrap())).collect()
    }

    fn rows(&self) -> Raw {
        let mut rows = self.seen.raw().0;
        rows.retain(|table, _| !ASIDE.contains(&&**table));
        rows
    }

    fn doubles(&self) -> Vec<String> {
        self.seen.doubles().into_iter().collect()
    }

    async fn notes(&self) -> Vec<(ObjectKey, String)> {
        let events: Api<Event> = Api::all(self.client.clone());
        let events = events.list(&ListParams::default()).await.unwrap();
        let note = |event: Event| {
            let about = event.involved_object;
            let kind = *Kind::ALL.iter().find(|kind| Some(kind.name()) == about.kind.as_deref())?;
            let namespace = about.namespace.filter(|_| kind.namespaced()).unwrap_or_default();
            let key = ObjectKey { kind, namespace: namespace.into(), name: about.name?.into() };
            Some((key, format!("{}: {}", event.reason?, event.message?)))
        };
        events.items.into_iter().filter_map(note).collect()
    }

    async fn moment(&self) {
        sleep(Duration::from_millis(30)).await;
    }
}

/// No two controllers of a test process have the same.
fn nonce() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// What a user would write down for an object of these tests.
fn manifest(object: &Object) -> Value {
    let (kind, meta) = (object.kind(), object.meta());
    let mut metadata = json!({ "name": meta.name, "labels": meta.labels, "annotations": meta.annotations });
    if kind.namespaced() {
        metadata["namespace"] = json!(meta.namespace);
    }
    let containers = json!([{ "name": "pause", "image": "pause" }]);
    let mut status = Value::Null;
    let spec = match object {
        Object::Subnet(subnet) => {
            let spec = &subnet.spec;
            let acl = |acl: &SubnetAcl| json!({ "direction": acl.direction, "priority": acl.priority, "match": acl.r#match, "action": acl.action });
            json!({
                "vpc": spec.vpc, "cidrBlock": spec.cidr_block, "namespaces": spec.namespaces,
                "private": spec.private, "allowSubnets": spec.allow_subnets,
                "acls": spec.acls.iter().map(acl).collect::<Vec<_>>(),
            })
        }
        Object::Vpc(vpc) => json!({ "namespaces": vpc.spec.namespaces }),
        Object::Pod(pod) => {
            match pod.workload.as_deref() {
                Some(Workload::StatefulSet { name, uid }) => {
                    metadata["ownerReferences"] =
                        json!([{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "uid": uid }]);
                }
                Some(Workload::VirtualMachine { name }) => {
                    // Nobody collects what it leaves: the server runs alone.
                    metadata["ownerReferences"] = json!([{
                        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": name, "uid": "of-it",
                    }]);
                }
                None => {}
            }
            json!({ "nodeName": pod.node, "containers": containers })
        }
        Object::StatefulSet(set) => {
            let labels = json!({ "set": meta.name });
            let template = json!({ "metadata": { "labels": labels }, "spec": { "containers": containers } });
            let selector = json!({ "matchLabels": labels });
            json!({ "replicas": set.replicas, "serviceName": "none", "selector": selector, "template": template })
        }
        Object::Node(node) => {
            let addresses: Vec<Value> =
                node.internal.iter().map(|ip| json!({ "type": "InternalIP", "address": ip })).collect();
            status = json!({ "addresses": addresses });
            json!({})
        }
        Object::Namespace(_) | Object::VirtualMachine(_) | Object::VirtualMachineInstance(_) => json!({}),
        Object::Ip(_) | Object::IpPool(_) => panic!("{object:?} is none of these tests'"),
    };
    let group = if kind.group().is_empty() { "v1".to_owned() } else { format!("{}/v1", kind.group()) };
    let mut whole = json!({ "apiVersion": group, "kind": kind.name(), "metadata": metadata, "spec": spec });
    if !status.is_null() {
        whole["status"] = status;
    }
    whole
}
