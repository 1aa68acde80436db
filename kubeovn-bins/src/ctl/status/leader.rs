//! Who works, as the lease says.

use kubeovn_core::{rows::Millis, time::rfc3339};
use serde_json::{Value, json};

use super::found::Trouble;
use crate::run::lease::Record;

/// Nobody holds the lease, or who does gives no sign of life.
pub(super) const NO_CONTROLLER: &str = "CTL-NO-CONTROLLER";
/// The lease can't be read.
pub(super) const UNREADABLE: &str = "CTL-LEASE-UNREADABLE";

/// What the lease says, at one moment.
#[derive(Debug)]
pub(super) enum Leader {
    /// It could not be read.
    Unreadable(String),
    /// There is none.
    Absent,
    /// Nobody holds it.
    Free,
    /// Somebody does.
    Held {
        holder: String,
        since: Option<Millis>,
        /// Milliseconds ago. Its clock and ours may differ.
        renewed: Millis,
        /// So long it may stay without being renewed.
        lasts: Millis,
        transitions: u64,
    },
}

impl Leader {
    /// Reads what was told of the lease.
    pub(super) fn of(lease: &Result<Option<Record>, String>, now: Millis) -> Self {
        let record = match lease {
            Err(reason) => return Leader::Unreadable(reason.clone()),
            Ok(None) => return Leader::Absent,
            Ok(Some(record)) => record,
        };
        if record.holder.is_empty() {
            return Leader::Free;
        }
        let millis = |time: i64| Millis::try_from(time).unwrap_or(0);
        let renewed = record.renewed.map_or(0, |time| millis(time.as_millisecond()));
        Leader::Held {
            holder: record.holder.clone(),
            since: record.acquired.map(|time| millis(time.as_millisecond())),
            renewed: now.saturating_sub(renewed),
            lasts: Millis::try_from(record.duration.as_millis()).unwrap_or(Millis::MAX),
            transitions: record.transitions,
        }
    }

    /// The name of the pod that works: the holder without what each start of it adds.
    pub(super) fn pod(&self) -> Option<&str> {
        let Leader::Held { holder, .. } = self else { return None };
        holder.rsplit_once('_').map(|(pod, _)| pod).filter(|pod| !pod.is_empty())
    }

    /// What is to be looked at in it.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let none = |text: &str| {
            let text = format!(
                "{text}. Start kube-ovn-controller, or name the lease's namespace by --lease-namespace"
            );
            Some(Trouble::new(NO_CONTROLLER, text))
        };
        match self {
            Leader::Unreadable(reason) => {
                let text = format!(
                    "the controller's lease cannot be read: {reason}. See whether you may read leases"
                );
                Some(Trouble::new(UNREADABLE, text))
            }
            Leader::Absent => none("there is no lease of the controller: none has run here"),
            Leader::Free => none("nobody holds the controller's lease: nothing that changes is acted on"),
            Leader::Held { holder, renewed, lasts, .. } if renewed > lasts => {
                let text = format!(
                    "{holder} holds the lease and has not renewed it for {} s, and may for {} s: it is gone, or cut off \
                     from the API server. Look at its pod and log",
                    renewed / 1000,
                    lasts / 1000
                );
                Some(Trouble::new(NO_CONTROLLER, text))
            }
            Leader::Held { .. } => None,
        }
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            Leader::Unreadable(_) => "not known: its lease cannot be read".to_owned(),
            Leader::Absent => "none: there is no lease".to_owned(),
            Leader::Free => "none: the lease is free".to_owned(),
            Leader::Held { holder, since, renewed, .. } => {
                let since = since.map_or_else(|| "it is not said when".to_owned(), rfc3339);
                format!(
                    "{holder}\n            holds the lease since {since}, renewed it {} s ago",
                    renewed / 1000
                )
            }
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Leader::Held { holder, since, renewed, lasts, transitions } => json!({
                "holder": holder, "since": since.map(rfc3339), "renewedMillisAgo": renewed,
                "leaseMillis": lasts, "transitions": transitions,
            }),
            _ => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(holder: &str) -> Record {
        let time = kubeovn_core::time::millis("2026-03-01T12:00:00Z").unwrap_or(0);
        let time = k8s_openapi::jiff::Timestamp::from_millisecond(i64::try_from(time).unwrap_or(0)).ok();
        let duration = Duration::from_secs(30);
        Record { holder: holder.to_owned(), duration, acquired: time, renewed: time, transitions: 3 }
    }

    #[test]
    fn a_holder_that_gives_no_sign_of_life_is_trouble() {
        let at = |time: &str| {
            let now = kubeovn_core::time::millis(time).unwrap_or(0);
            Leader::of(&Ok(Some(record("a_1"))), now)
        };
        let well = at("2026-03-01T12:00:30Z");
        assert!(well.trouble().is_none());
        let text = well.to_text();
        assert!(
            text.contains("a_1") && text.contains("since 2026-03-01T12:00:00Z, renewed it 30 s ago"),
            "{text}"
        );
        let gone = at("2026-03-01T12:00:31Z").trouble().map(|trouble| trouble.to_json());
        assert_eq!(gone.map(|trouble| trouble["code"].clone()), Some(NO_CONTROLLER.into()));
        // Its clock may be ahead of ours.
        assert!(at("2026-03-01T11:59:00Z").trouble().is_none());
    }

    #[test]
    fn a_lease_that_nobody_holds_or_may_read_is_trouble() {
        let code = |lease: &Result<Option<Record>, String>| {
            let leader = Leader::of(lease, 0);
            assert_eq!(leader.to_json(), Value::Null);
            leader.trouble().map(|trouble| trouble.to_json()["code"].clone())
        };
        assert_eq!(code(&Ok(None)), Some(NO_CONTROLLER.into()));
        assert_eq!(code(&Ok(Some(record("")))), Some(NO_CONTROLLER.into()));
        assert_eq!(code(&Err("forbidden".to_owned())), Some(UNREADABLE.into()));
    }
}
