//! The times of conditions. Slim records have none, for a write is due only when something else differs; but who reads
//! a status wants to know since when.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use kubeovn_core::index::objects::{Condition, Name};
use serde::Deserialize;
use serde_json::{Value, json};

/// The conditions that VPCs and subnets have, by the objects' identity.
#[derive(Debug, Default)]
pub(super) struct Stamps(Mutex<HashMap<Name, Vec<Stamped>>>);

#[derive(Clone, Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Stamped {
    r#type: Name,
    status: Name,
    reason: Name,
    message: Name,
    observed_generation: i64,
    last_update_time: Option<String>,
    last_transition_time: Option<String>,
}

#[derive(Deserialize)]
struct Bare {
    metadata: Identity,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Identity {
    uid: Name,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    conditions: Vec<Stamped>,
}

impl Stamps {
    /// Remembers those of an object. What can't be read is written anew.
    pub(super) fn see(&self, json: &str) {
        if let Ok(Bare { metadata, status }) = serde_json::from_str(json) {
            self.with(|all| drop(all.insert(metadata.uid, status.conditions)));
        }
    }

    pub(super) fn forget(&self, uid: &str) {
        self.with(|all| drop(all.remove(uid)));
    }

    /// Conditions as they are written: each with the time since when it is so, and that of its last change.
    pub(super) fn stamp(&self, uid: &str, conditions: &[Condition], now: &str) -> Value {
        self.with(|all| {
            let before = all.get(uid).map(Vec::as_slice).unwrap_or_default();
            conditions.iter().map(|condition| stamped(condition, before, now)).collect()
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Name, Vec<Stamped>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn stamped(condition: &Condition, before: &[Stamped], now: &str) -> Value {
    let Condition { r#type, status, reason, message, observed_generation } = condition;
    let before = before.iter().find(|before| before.r#type == *r#type);
    let turned = before.filter(|before| before.status == *status);
    let same = turned.filter(|before| {
        (&before.reason, &before.message, before.observed_generation)
            == (reason, message, *observed_generation)
    });
    let turned = turned.and_then(|before| before.last_transition_time.as_deref()).unwrap_or(now);
    let updated = same.and_then(|before| before.last_update_time.as_deref()).unwrap_or(now);
    json!({
        "type": r#type, "status": status, "reason": reason, "message": message,
        "observedGeneration": observed_generation, "lastUpdateTime": updated, "lastTransitionTime": turned,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_the_time_since_when_it_is_so() {
        let stamps = Stamps::default();
        let condition = |status: &str, reason: &str| Condition {
            r#type: "Ready".into(),
            status: status.into(),
            reason: reason.into(),
            message: "".into(),
            observed_generation: 1,
        };
        let write = |status, reason, now| {
            let written = stamps.stamp("u", &[condition(status, reason)], now);
            stamps
                .see(&json!({ "metadata": { "uid": "u" }, "status": { "conditions": written } }).to_string());
            let text = |field: &str| written[0][field].as_str().unwrap().to_owned();
            (text("lastTransitionTime"), text("lastUpdateTime"))
        };
        let times = |turned: &str, updated: &str| (turned.to_owned(), updated.to_owned());
        assert_eq!(write("False", "A", "1"), times("1", "1"));
        assert_eq!(write("False", "A", "2"), times("1", "1"), "nothing changed");
        assert_eq!(write("False", "B", "3"), times("1", "3"));
        assert_eq!(write("True", "B", "4"), times("4", "4"));
        stamps.forget("u");
        assert_eq!(write("True", "B", "5"), times("5", "5"));
    }
}
