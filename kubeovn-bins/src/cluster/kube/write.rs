//! Carries writes out, one request each where that can be.

use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderValue, Request, header::CONTENT_TYPE};
use kube::{
    api::{DeleteParams, GetParams, Patch as Body, PatchParams, PostParams, Preconditions},
    core::request,
};
use kubeovn_core::{
    contract::cluster::{ClusterError, Patch, Status, Write},
    index::objects::{Meta, Name, Object, ObjectKey},
    time::rfc3339,
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    KubeCluster, body,
    call::{self, Failure},
};

/// How often a change is tried on what others changed in the meantime.
const ATTEMPTS: usize = 5;

type Asked = Result<Request<Vec<u8>>, request::Error>;

/// What an object is like now, as far as a write needs it.
#[derive(Deserialize)]
struct Present {
    metadata: Meta,
    #[serde(default)]
    status: Option<Value>,
}

impl KubeCluster {
    pub(super) async fn carry_out(&self, write: Write) -> Result<Name, ClusterError> {
        match write {
            Write::Create(object) => self.create(object).await,
            Write::Patch(patch) => self.patch(patch).await,
            Write::Status { key, uid, status } => self.write_status(&key, &uid, &status).await,
            Write::Delete { key, uid } => self.delete(&key, &uid).await,
            Write::Note(note) => self.notes.tell(self, note).await,
        }
    }

    async fn create(&self, object: Object) -> Result<Name, ClusterError> {
        let key = object.key();
        let Some(body) = body::create(&object) else {
            let reason = format!("objects of kind {} are not made by us", key.kind.name());
            return Err(ClusterError::Refused { key, reason });
        };
        let asked =
            PostParams { field_manager: Some(self.options.component.clone()), ..PostParams::default() };
        match self.ask(call::of(key.kind, "").create(&asked, body.to_string().into_bytes())).await {
            Ok(answer) => Ok(revision(answer.as_ref())),
            Err(failure) if failure.reason == "AlreadyExists" => Err(ClusterError::Exists { key }),
            // A kind that is not there yet comes soon, or the watch of it says that it doesn't.
            Err(failure) if failure.code == 404 => Err(unavailable(&key, &failure)),
            Err(failure) => Err(refused(&key, &failure)),
        }
    }

    async fn patch(&self, patch: Patch) -> Result<Name, ClusterError> {
        let key = &patch.key;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut had = None;
            if let Some(set) = patch.finalizer {
                let meta = self.present(key, &patch.uid).await?.metadata;
                if set && meta.deleting && !held(&meta) {
                    let reason = "it is being deleted and takes no new finalizer".to_owned();
                    return Err(ClusterError::Refused { key: key.clone(), reason });
                }
                had = Some(meta);
            }
            let had = had.as_ref().map(|meta| (meta.finalizers.as_slice(), &*meta.revision));
            let body = body::patch(&patch, had);
            let asked =
                call::of(key.kind, &key.namespace).patch(&key.name, &self.as_us(), &Body::Merge(body));
            match self.ask(asked).await {
                Ok(answer) => return Ok(revision(answer.as_ref())),
                Err(failure) if failure.code == 409 && had.is_some() && attempts < ATTEMPTS => {}
                Err(failure) => return Err(self.explain(key, &patch.uid, failure).await),
            }
        }
    }

    async fn write_status(&self, key: &ObjectKey, uid: &Name, status: &Status) -> Result<Name, ClusterError> {
        if status.kind() != key.kind {
            let reason = "this is the status of another kind".to_owned();
            return Err(ClusterError::Refused { key: key.clone(), reason });
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = rfc3339(u64::try_from(now).unwrap_or(u64::MAX));
        if let Status::Node(network) = status {
            let body = Body::Strategic(body::node_network(uid, network, &now));
            let asked = call::of(key.kind, "").patch_subresource("status", &key.name, &self.as_us(), &body);
            return match self.ask(asked).await {
                Ok(answer) => Ok(revision(answer.as_ref())),
                Err(failure) => Err(self.explain(key, uid, failure).await),
            };
        }
        let fields = body::status_fields(uid, status, &self.stamps, &now);
        let mut all_of: Option<Name> = None;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let steps = body::status(uid, fields.clone(), all_of.as_deref());
            match self.ask(self.steps(key, &steps)).await {
                Ok(answer) => {
                    self.stamps.see(&String::from_utf8_lossy(answer.as_ref()));
                    return Ok(revision(answer.as_ref()));
                }
                // What hinders is not said in a way that programs could read: another object, or no status yet.
                Err(failure) if matches!(failure.code, 409 | 422) && attempts < ATTEMPTS => {
                    let present = self.present(key, uid).await?;
                    if present.status.is_some() && all_of.is_none() {
                        return Err(refused(key, &failure));
                    }
                    all_of = present.status.is_none().then_some(present.metadata.revision);
                }
                Err(failure) => return Err(self.explain(key, uid, failure).await),
            }
        }
    }

    /// A JSON patch of a status.
    fn steps(&self, key: &ObjectKey, steps: &Value) -> Asked {
        let mut request = call::of(key.kind, &key.namespace).patch_subresource(
            "status",
            &key.name,
            &self.as_us(),
            &Body::Merge(steps),
        )?;
        let json = HeaderValue::from_static("application/json-patch+json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        Ok(request)
    }

    async fn delete(&self, key: &ObjectKey, uid: &Name) -> Result<Name, ClusterError> {
        let mut asked = DeleteParams::default();
        if !uid.is_empty() {
            asked = asked.preconditions(Preconditions { uid: Some(uid.to_string()), resource_version: None });
        }
        match self.ask(call::of(key.kind, &key.namespace).delete(&key.name, &asked)).await {
            // Of one that is gone at once nothing is answered but that it is.
            Ok(answer) => Ok(revision(answer.as_ref())),
            Err(failure) => Err(self.explain(key, uid, failure).await),
        }
    }

    pub(super) fn as_us(&self) -> PatchParams {
        PatchParams { field_manager: Some(self.options.component.clone()), ..PatchParams::default() }
    }

    /// Asks when the server is to be asked.
    pub(super) async fn ask(&self, request: Asked) -> Result<impl AsRef<[u8]> + use<>, Failure> {
        let round = self.gate.pass().await;
        let answer = self.calls.ask(request).await;
        match &answer {
            Err(failure) if failure.is_outage() => self.gate.failed(round, failure.after),
            _ => self.gate.heard(round),
        }
        answer
    }

    /// The object as it is now.
    async fn present(&self, key: &ObjectKey, uid: &Name) -> Result<Present, ClusterError> {
        let asked = call::of(key.kind, &key.namespace).get(&key.name, &GetParams::default());
        let answer = self.ask(asked).await.map_err(|failure| match failure.code {
            404 => ClusterError::NotFound { key: key.clone(), uid: uid.clone() },
            _ => refused(key, &failure),
        })?;
        let present: Present = serde_json::from_slice(answer.as_ref())
            .map_err(|error| ClusterError::Unavailable { key: key.clone(), reason: error.to_string() })?;
        if !uid.is_empty() && present.metadata.uid != *uid {
            return Err(ClusterError::NotFound { key: key.clone(), uid: uid.clone() });
        }
        Ok(present)
    }

    /// Why a write to an object that we know of failed. That it is another object by now is answered in several ways,
    /// so that one looks.
    async fn explain(&self, key: &ObjectKey, uid: &Name, failure: Failure) -> ClusterError {
        if failure.code == 404 {
            return ClusterError::NotFound { key: key.clone(), uid: uid.clone() };
        }
        if matches!(failure.code, 409 | 422)
            && !uid.is_empty()
            && let Err(error) = self.present(key, uid).await
        {
            return error;
        }
        refused(key, &failure)
    }
}

fn held(meta: &Meta) -> bool {
    meta.finalizers.iter().any(|name| &**name == kubeovn_core::contract::cluster::FINALIZER)
}

/// What a failure means for the one who asked.
pub(super) fn refused(key: &ObjectKey, failure: &Failure) -> ClusterError {
    if matches!(failure.code, 400 | 403 | 405 | 406 | 413 | 415 | 422) {
        ClusterError::Refused { key: key.clone(), reason: failure.to_string() }
    } else {
        unavailable(key, failure)
    }
}

fn unavailable(key: &ObjectKey, failure: &Failure) -> ClusterError {
    ClusterError::Unavailable { key: key.clone(), reason: failure.to_string() }
}

/// The revision of the object that was answered; empty where it was none.
pub(super) fn revision(answer: &[u8]) -> Name {
    // Nothing else of it: the object itself comes by the watch.
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        metadata: Versioned,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Versioned {
        resource_version: Name,
    }
    serde_json::from_slice::<Answer>(answer)
        .map(|answer| answer.metadata.resource_version)
        .unwrap_or_default()
}
