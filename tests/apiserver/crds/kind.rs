//! What the tests do with a kind of ours.

use std::{
    fs,
    time::{Duration, Instant},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};

use super::data;

/// How long a server may take to know what a kind has become.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(50);

/// A kind as the server knows it.
pub(super) struct Kind {
    api: Api<DynamicObject>,
    pub(super) resource: ApiResource,
    /// Whether the status is written by requests of its own.
    status: bool,
    pub(super) sample: Value,
}

impl Kind {
    pub(super) fn of(client: &Client, crd: &CustomResourceDefinition) -> Self {
        let (spec, version) = (&crd.spec, &crd.spec.versions[0]);
        let kind = GroupVersionKind::gvk(&spec.group, &version.name, &spec.names.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, &spec.names.plural);
        let api = if spec.scope == "Namespaced" {
            Api::namespaced_with(client.clone(), "default", &resource)
        } else {
            Api::all_with(client.clone(), &resource)
        };
        let status = version.subresources.as_ref().is_some_and(|subresources| subresources.status.is_some());
        let file = spec.names.singular.as_deref().unwrap();
        let text = fs::read_to_string(data(&format!("{file}.json"))).unwrap();
        let mut sample: Value = serde_json::from_str(&text).unwrap();
        // what only the server sets
        let name = sample["metadata"]["name"].clone();
        sample["metadata"] = json!({ "name": name });
        Self { api, resource, status, sample }
    }

    fn object(&self, document: &Value) -> DynamicObject {
        let mut object: DynamicObject = serde_json::from_value(document.clone()).unwrap();
        object.types = DynamicObject::new("", &self.resource).types;
        object
    }

    /// Writes an object as it is, status and all, and answers what the server keeps of it.
    pub(super) async fn create(&self, document: &Value) -> kube::Result<DynamicObject> {
        let object = self.object(document);
        let name = object.metadata.name.clone().unwrap();
        let created = self.api.create(&PostParams::default(), &object).await?;
        if !self.status || document.get("status").is_none() {
            return Ok(created);
        }
        let mut told = self.object(document);
        told.metadata.resource_version = created.metadata.resource_version;
        self.api.replace_status(&name, &PostParams::default(), &told).await
    }

    /// The sample under a name of its own: many are there at once.
    pub(super) fn sample_of(&self, number: usize) -> Value {
        let mut sample = self.sample.clone();
        sample["metadata"]["name"] = format!("case-{number}").into();
        sample
    }

    /// What a controller does with an object whatever stands in it.
    pub(super) async fn told_of_and_deleted(&self, object: &DynamicObject) {
        let name = object.metadata.name.as_deref().unwrap();
        let merge = async |patch: Value| {
            let (params, of_status) = (PatchParams::default(), patch.get("status").is_some());
            let patch = Patch::Merge(patch);
            let patched = if of_status {
                self.api.patch_status(name, &params, &patch).await
            } else {
                self.api.patch(name, &params, &patch).await
            };
            patched.unwrap_or_else(|error| panic!("{} {name}: {error}", self.resource.kind))
        };
        merge(json!({ "metadata": { "labels": { "seen": "yes" } } })).await;
        if self.status && self.resource.kind != "DNSNameResolver" {
            // kinds without conditions drop them
            merge(json!({ "status": { "conditions": [{ "type": "Error", "status": "True" }] } })).await;
        }
        self.api.delete(name, &DeleteParams::default()).await.unwrap();
        merge(json!({ "metadata": { "finalizers": null } })).await;
        assert!(self.api.get_opt(name).await.unwrap().is_none(), "{} {name}", self.resource.kind);
    }

    /// Waits until the server would not take in this object any more.
    pub(super) async fn refuses(&self, stored: &DynamicObject) {
        let mut object = stored.clone();
        object.metadata = ObjectMeta { name: stored.metadata.name.clone(), ..ObjectMeta::default() };
        let (began, trial) = (Instant::now(), PostParams { dry_run: true, ..PostParams::default() });
        loop {
            match self.api.create(&trial, &object).await {
                Err(kube::Error::Api(status)) if status.is_invalid() => return,
                answer => assert!(began.elapsed() < PATIENCE, "{}: {answer:?}", self.resource.kind),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Puts another spec in place of the one that is stored.
    pub(super) async fn replace(
        &self,
        stored: &DynamicObject,
        document: &Value,
    ) -> kube::Result<DynamicObject> {
        let mut object = self.object(document);
        let name = object.metadata.name.clone().unwrap();
        object.metadata.resource_version.clone_from(&stored.metadata.resource_version);
        self.api.replace(&name, &PostParams::default(), &object).await
    }
}
