//! What is said, and the change that says it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Lacking;
use crate::cluster::kube::Slim;

/// Code of an object of a kind that nothing acts on.
pub(crate) const CODE: &str = "KIND-NOT-SUPPORTED";
/// The word for it in a condition.
const REASON: &str = "NotImplemented";

/// What is read of an object that has conditions.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Present {
    pub(super) metadata: Slim,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Clone, Debug, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Option<Vec<Value>>,
}

/// What is told about an object. Without the code.
pub(super) fn sentence(kind: &Lacking, object: &Slim) -> String {
    let slash = if object.namespace.is_empty() { "" } else { "/" };
    format!(
        "{} {}{slash}{}: this version does not act on objects of this kind; {}. docs/compatibility.md lists what is \
         supported",
        kind.resource.kind, object.namespace, object.name, kind.what
    )
}

/// The JSON patch after which the object says it, to this very revision of it; `None` where it does. What others say of
/// it stays. `apart`: the status has a life of its own. Else each write makes a new generation, which then can't be named
/// in it.
pub(super) fn patch(object: &Present, sentence: &str, apart: bool, now: &str) -> Option<Value> {
    let Slim { uid, revision, generation, .. } = &object.metadata;
    let mut ready = json!({
        "type": "Ready", "status": "False", "reason": REASON, "message": format!("{CODE}: {sentence}"),
    });
    if let (true, Some(fields)) = (apart, ready.as_object_mut()) {
        fields.insert("observedGeneration".to_owned(), json!(generation));
    }
    let status = object.status.as_ref();
    let mut conditions = status.and_then(|status| status.conditions.clone()).unwrap_or_default();
    let is_ready = |condition: &Value| condition.get("type") == ready.get("type");
    let place = conditions.iter().position(is_ready);
    let before = place.and_then(|at| conditions.get(at).cloned());
    let same = |field: &str| before.as_ref().is_some_and(|before| before.get(field) == ready.get(field));
    if ["status", "reason", "message"].into_iter().all(same) && (!apart || same("observedGeneration")) {
        return None;
    }
    let since =
        before.as_ref().filter(|_| same("status")).and_then(|before| before.get("lastTransitionTime"));
    let since = since.cloned().unwrap_or_else(|| json!(now));
    if let Some(fields) = ready.as_object_mut() {
        fields.insert("lastTransitionTime".to_owned(), since);
        fields.insert("lastUpdateTime".to_owned(), json!(now));
    }
    match place.and_then(|at| conditions.get_mut(at)) {
        Some(before) => *before = ready,
        None => conditions.push(ready),
    }
    let change = match status {
        None => json!({ "op": "add", "path": "/status", "value": { "conditions": conditions } }),
        Some(_) => json!({ "op": "add", "path": "/status/conditions", "value": conditions }),
    };
    let test = |path, value: &str| json!({ "op": "test", "path": path, "value": value });
    Some(json!([test("/metadata/uid", uid), test("/metadata/resourceVersion", revision), change]))
}
