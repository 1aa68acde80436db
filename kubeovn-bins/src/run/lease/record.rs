//! What stands in a lease.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};

/// What stands in a lease. Its times are texts: they are only told apart, never compared with a clock of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; empty when nobody does.
    pub holder: String,
    /// So long the holder asks to be left it.
    pub duration: Duration,
    /// Since when, by the holder's clock. `None` for now.
    pub acquired: Option<Timestamp>,
    /// When it last said so. `None` for now.
    pub renewed: Option<Timestamp>,
    /// How often it changed hands.
    pub transitions: u64,
}

impl Record {
    /// Reads one. What is missing is nought.
    pub fn of(lease: &Lease) -> Self {
        let Some(spec) = &lease.spec else { return Record::default() };
        let count = |number: Option<i32>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
        Record {
            holder: spec.holder_identity.clone().unwrap_or_default(),
            duration: Duration::from_secs(count(spec.lease_duration_seconds)),
            acquired: spec.acquire_time.as_ref().map(|time| time.0),
            renewed: spec.renew_time.as_ref().map(|time| time.0),
            transitions: count(spec.lease_transitions),
        }
    }

    /// The same when it is let go of: whoever comes may have it at once.
    #[must_use]
    pub fn released(self) -> Self {
        Record {
            holder: String::new(),
            duration: Duration::from_secs(1),
            acquired: None,
            renewed: None,
            ..self
        }
    }

    /// As it is written.
    pub fn spec(&self) -> LeaseSpec {
        let number = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
        let time = |time: Option<Timestamp>| Some(MicroTime(time.unwrap_or_else(Timestamp::now)));
        LeaseSpec {
            holder_identity: Some(self.holder.clone()),
            lease_duration_seconds: Some(number(self.duration.as_secs())),
            acquire_time: time(self.acquired),
            renew_time: time(self.renewed),
            lease_transitions: Some(number(self.transitions)),
            ..LeaseSpec::default()
        }
    }
}
