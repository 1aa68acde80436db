//! Events for people, about objects.
//!
//! They are of the old group (`v1`), for which Kube-OVN's service account has the rights, and which every tool shows. The
//! name of an event follows from what it says, so that saying it again counts it up instead of making another object,
//! after a restart too; kube's own recorder does neither, and would keep only the first sentence of a reason.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::Request;
use kube::{
    api::{Patch as Body, PatchParams, PostParams},
    core::request,
};
use kubeovn_core::{
    contract::cluster::{ClusterError, Note},
    index::objects::Name,
    time::rfc3339,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::{
    KubeCluster, Options, body,
    write::{refused, revision},
};

/// Bytes of a sentence. What is longer is cut, as Kubernetes wants it.
pub(super) const LONGEST: usize = 1024;
/// Bytes of an object's name in that of an event, which ends with more.
pub(super) const NAME: usize = 230;
/// Events whose counts are remembered.
const COUNTED: usize = 1000;

/// Tells notes, one after the other and not too many.
pub(super) struct Notes {
    component: String,
    /// How often each was told, by its name; also the turn.
    counts: tokio::sync::Mutex<HashMap<String, u64>>,
    pace: Pace,
}

impl Notes {
    pub(super) fn new(options: &Options) -> Self {
        Notes {
            component: options.component.clone(),
            counts: tokio::sync::Mutex::default(),
            pace: Pace::new(options.notes),
        }
    }

    pub(super) async fn tell(&self, cluster: &KubeCluster, note: Note) -> Result<Name, ClusterError> {
        let mut counts = self.counts.lock().await;
        self.pace.turn().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = rfc3339(u64::try_from(now).unwrap_or(u64::MAX));
        let name = event_name(&note);
        let namespace = if note.key.namespace.is_empty() { "default" } else { &*note.key.namespace };
        let api = request::Request::new(format!("/api/v1/namespaces/{namespace}/events"));
        let again = |count: Option<u64>| -> Result<Request<Vec<u8>>, request::Error> {
            let mut changed = json!({ "lastTimestamp": now });
            if let (Some(count), Some(fields)) = (count, changed.as_object_mut()) {
                fields.insert("count".to_owned(), count.into());
            }
            api.patch(&name, &PatchParams::default(), &Body::Merge(changed))
        };
        let answer = |outcome: Result<_, _>| outcome.map_err(|failure| refused(&note.key, &failure));
        if let Some(count) = counts.get(&name).copied() {
            match cluster.ask(again(Some(count + 1))).await {
                // Events last for an hour.
                Err(failure) if failure.code == 404 => drop(counts.remove(&name)),
                outcome => {
                    let told = answer(outcome)?;
                    counts.insert(name, count + 1);
                    return Ok(revision(told.as_ref()));
                }
            }
        }
        let event = event(&note, &name, namespace, &self.component, &now).to_string().into_bytes();
        let (told, count) = match cluster.ask(api.create(&PostParams::default(), event)).await {
            // It was told before we started. How often is in the answer to any change of it; to read it is not allowed.
            Err(failure) if failure.reason == "AlreadyExists" => {
                let before = answer(cluster.ask(again(None)).await)?;
                let count = count_of(before.as_ref()) + 1;
                (answer(cluster.ask(again(Some(count))).await)?.as_ref().to_vec(), count)
            }
            outcome => (answer(outcome)?.as_ref().to_vec(), 1),
        };
        if counts.len() >= COUNTED {
            // They are found again by their names.
            counts.clear();
        }
        counts.insert(name, count);
        Ok(revision(&told))
    }
}

fn count_of(event: &[u8]) -> u64 {
    #[derive(Deserialize)]
    struct Counted {
        count: Option<u64>,
    }
    serde_json::from_slice::<Counted>(event).ok().and_then(|event| event.count).unwrap_or(1)
}

/// The same for the same note, in every run.
fn event_name(note: &Note) -> String {
    let mut hash = DefaultHasher::new();
    let Note { key, uid, warning, reason, message } = note;
    (key.kind.name(), uid, warning, reason, message).hash(&mut hash);
    format!("{}.{:016x}", cut(&key.name, NAME), hash.finish())
}

fn event(note: &Note, name: &str, namespace: &str, component: &str, now: &str) -> Value {
    let Note { key, uid, warning, reason, message } = note;
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": { "name": name, "namespace": namespace },
        "involvedObject": {
            "apiVersion": body::api_version(key.kind), "kind": key.kind.name(),
            "namespace": key.namespace, "name": key.name, "uid": uid,
        },
        "type": if *warning { "Warning" } else { "Normal" },
        "reason": reason,
        "message": cut(message, LONGEST),
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": { "component": component },
        "reportingComponent": component,
    })
}

/// At most so many bytes.
pub(super) fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

/// So many per second, after a burst of ten times as many.
pub(crate) struct Pace {
    each: Duration,
    burst: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(per_second: u32) -> Self {
        let each = Duration::from_secs(1) / per_second.max(1);
        Pace { each, burst: Duration::from_secs(10).saturating_sub(each), next: Mutex::new(None) }
    }

    pub(crate) async fn turn(&self) {
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let full = now.checked_sub(self.burst).unwrap_or(now);
            let at = next.map_or(full, |next| next.max(full));
            *next = Some(at + self.each);
            at
        };
        sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use kubeovn_core::index::objects::{Kind, ObjectKey};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_then_one_after_the_other() {
        let pace = Pace::new(10);
        let start = Instant::now();
        for _ in 0..100 {
            pace.turn().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..20 {
            pace.turn().await;
        }
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(2) && took < Duration::from_millis(2100), "{took:?}");
    }

    #[test]
    fn the_same_note_has_the_same_name_and_another_one_another() {
        let note = Note {
            key: ObjectKey::cluster(Kind::Subnet, "s"),
            uid: "u".into(),
            warning: true,
            reason: "WHY".into(),
            message: "text".into(),
        };
        let name = event_name(&note);
        assert!(name.starts_with("s.") && name.len() == 18, "{name}");
        assert_eq!(name, event_name(&note.clone()));
        for other in [
            Note { message: "other".into(), ..note.clone() },
            Note { uid: "v".into(), ..note.clone() },
            Note { warning: false, ..note.clone() },
        ] {
            assert_ne!(name, event_name(&other));
        }
        let long = Note { message: "ä".repeat(1000).as_str().into(), ..note };
        let event = event(&long, "n", "default", "us", "now");
        assert_eq!(event["message"].as_str().unwrap().len(), LONGEST);
    }
}
