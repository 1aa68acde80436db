//! Objects of any kind, of which hardly more than the metadata is read.
//!
//! For those who tell objects something beside the main work: reads have no part in the gate and writes only wait at it, so
//! that a kind that makes trouble keeps nobody else waiting.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{AsyncBufRead, AsyncBufReadExt};
use http::{HeaderValue, header::CONTENT_TYPE};
use kube::{
    api::{GetParams, ListParams, Patch as Body, PostParams, WatchParams},
    core::request,
};
use kubeovn_core::time::rfc3339;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    KubeCluster,
    backoff::random,
    call::Failure,
    note::{self, cut},
    wire::Line,
};

/// A kind by its place in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Group, empty for the core group.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Name in manifests.
    pub kind: &'static str,
    /// Plural name in URLs.
    pub plural: &'static str,
}

/// What is read of an object's metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Slim {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) generation: i64,
    #[serde(rename = "resourceVersion")]
    pub(crate) revision: String,
}

/// A page of a list.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The objects, with their text where that was asked for.
    pub(crate) objects: Vec<(Slim, String)>,
    /// Of which revision the list is.
    pub(crate) revision: String,
    /// How to ask for the rest.
    pub(crate) further: Option<String>,
    /// How many there are in the rest, where the server says so.
    pub(crate) rest: usize,
}

/// What a watch tells.
#[derive(Debug)]
pub(crate) enum Change {
    There(Slim),
    Gone(Slim),
    /// Nothing but a revision.
    Mark(Slim),
}

/// Why a watch ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// As all do.
    Closed,
    /// From there on it can't be told any more: a list is due.
    Stale,
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Ended::Failed(failure)
    }
}

#[derive(Deserialize)]
struct Bare {
    #[serde(default)]
    metadata: Slim,
}

impl Resource {
    /// The text of `apiVersion`.
    pub(crate) fn api_version(&self) -> String {
        let Resource { group, version, .. } = self;
        if group.is_empty() { (*version).to_owned() } else { format!("{group}/{version}") }
    }

    fn of(&self, namespace: &str) -> request::Request {
        let api = if self.group.is_empty() { "api" } else { "apis" };
        let namespaced =
            if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
        request::Request::new(format!("/{api}/{}{namespaced}/{}", self.api_version(), self.plural))
    }
}

impl KubeCluster {
    /// A page of the objects of a kind; with their text if `whole`.
    pub(crate) async fn page(
        &self,
        of: &Resource,
        whole: bool,
        limit: Option<u32>,
        further: Option<String>,
    ) -> Result<Page, Failure> {
        #[derive(Deserialize)]
        struct Listed<'a> {
            metadata: ListMeta,
            #[serde(borrow, default)]
            items: Option<Vec<&'a serde_json::value::RawValue>>,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct ListMeta {
            resource_version: String,
            r#continue: Option<String>,
            remaining_item_count: Option<usize>,
        }
        let asked = ListParams {
            limit: limit.or(Some(self.options.page)),
            continue_token: further,
            ..ListParams::default()
        };
        let request = of.of("");
        let request = if whole { request.list(&asked) } else { request.list_metadata(&asked) };
        let answer = self.calls.ask(request).await?;
        let broken = |error: serde_json::Error| Failure::silent(format!("a list that is none: {error}"));
        let Listed { metadata, items } = serde_json::from_slice(answer.as_ref()).map_err(broken)?;
        let items = items.unwrap_or_default().into_iter().map(|item| {
            let text = if whole { item.get().to_owned() } else { String::new() };
            serde_json::from_str::<Bare>(item.get()).map(|bare| (bare.metadata, text)).map_err(broken)
        });
        Ok(Page {
            objects: items.collect::<Result<_, _>>()?,
            revision: metadata.resource_version,
            further: metadata.r#continue.filter(|further| !further.is_empty()),
            rest: metadata.remaining_item_count.unwrap_or_default(),
        })
    }

    /// What happens to objects of a kind from a revision on.
    pub(crate) async fn changes(&self, of: &Resource, revision: &str) -> Result<Changes, Ended> {
        let lasts = self.options.watch.mul_f64(1.0 + random()).as_secs();
        let asked = WatchParams { timeout: u32::try_from(lasts).ok(), ..WatchParams::default() };
        let stream = self.calls.stream(of.of("").watch_metadata(&asked, revision)).await.map_err(ended)?;
        Ok(Changes { stream: Box::pin(stream), line: Vec::new(), silence: self.options.silence })
    }

    /// The text of an object.
    pub(crate) async fn text(&self, of: &Resource, object: &Slim) -> Result<String, Failure> {
        let asked = of.of(&object.namespace).get(&object.name, &GetParams::default());
        let answer = self.calls.ask(asked).await?;
        Ok(String::from_utf8_lossy(answer.as_ref()).into_owned())
    }

    /// Changes an object's status by a JSON patch; `apart`: by the way that is for the status alone.
    pub(crate) async fn amend(
        &self,
        of: &Resource,
        object: &Slim,
        apart: bool,
        steps: &Value,
    ) -> Result<(), Failure> {
        let (request, us, steps) = (of.of(&object.namespace), self.as_us(), Body::Merge(steps));
        let mut request = if apart {
            request.patch_subresource("status", &object.name, &us, &steps)?
        } else {
            request.patch(&object.name, &us, &steps)?
        };
        let json = HeaderValue::from_static("application/json-patch+json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        self.gate.pass().await;
        self.calls.ask(Ok(request)).await.map(drop)
    }

    /// Makes a warning about an object, unless it is there already: it is named after what it says.
    pub(crate) async fn remark(
        &self,
        of: &Resource,
        object: &Slim,
        reason: &str,
        message: &str,
    ) -> Result<(), Failure> {
        let mut hash = DefaultHasher::new();
        (of.kind, &object.uid, reason, message).hash(&mut hash);
        let name = format!("{}.{:016x}", cut(&object.name, note::NAME), hash.finish());
        let namespace = if object.namespace.is_empty() { "default" } else { &object.namespace };
        let now = now();
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": { "name": name, "namespace": namespace },
            "involvedObject": {
                "apiVersion": of.api_version(), "kind": of.kind,
                "namespace": object.namespace, "name": object.name, "uid": object.uid,
            },
            "type": "Warning",
            "reason": reason,
            "message": cut(message, note::LONGEST),
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": { "component": self.options.component },
            "reportingComponent": self.options.component,
        });
        let events = request::Request::new(format!("/api/v1/namespaces/{namespace}/events"));
        self.gate.pass().await;
        match self.calls.ask(events.create(&PostParams::default(), event.to_string().into_bytes())).await {
            Err(failure) if failure.reason != "AlreadyExists" => Err(failure),
            _ => Ok(()),
        }
    }
}

/// A watch.
pub(crate) struct Changes {
    stream: Pin<Box<dyn AsyncBufRead + Send>>,
    line: Vec<u8>,
    silence: Duration,
}

impl Changes {
    /// What comes next.
    pub(crate) async fn next(&mut self) -> Result<Change, Ended> {
        self.line.clear();
        let read = timeout(self.silence, self.stream.read_until(b'\n', &mut self.line)).await;
        // Silent, or cut off in the middle of a line: from there on again.
        if !matches!(read, Ok(Ok(1..))) || self.line.last() != Some(&b'\n') {
            return Err(Ended::Closed);
        }
        let Ok(Line { r#type, object }) = serde_json::from_slice(&self.line) else {
            return Err(Ended::Stale);
        };
        if r#type == "ERROR" {
            return Err(match serde_json::from_str::<kube::core::Status>(object.get()) {
                Ok(status) => ended(status.into()),
                Err(_) => Ended::Stale,
            });
        }
        let Ok(Bare { metadata }) = serde_json::from_str(object.get()) else { return Err(Ended::Stale) };
        Ok(match &*r#type {
            "ADDED" | "MODIFIED" => Change::There(metadata),
            "DELETED" => Change::Gone(metadata),
            _ => Change::Mark(metadata),
        })
    }
}

fn ended(failure: Failure) -> Ended {
    if failure.is_stale() { Ended::Stale } else { Ended::Failed(failure) }
}

/// The time, as objects have it.
pub(crate) fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    rfc3339(u64::try_from(now).unwrap_or(u64::MAX))
}
