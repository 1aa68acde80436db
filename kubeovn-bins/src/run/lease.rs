//! Who of several controllers works: the one that holds a Lease of Kubernetes.
//!
//! The rules are those of client-go, so that ours and Kube-OVN's own controller keep each other out:
//! * The holder writes the time into the lease every [`Config::retry`]. When it has not managed to for
//!   [`Config::deadline`], it holds it no longer and must have stopped.
//! * Another one takes it when it has not seen it change for [`Config::duration`], by its own clock: that of others may
//!   say anything. The deadline ends before that.
//! * Who ends in good order lets go of it, and the next one need not wait.
//!
//! [`Elector`] decides, and reads no clock; [`run`] asks the API server and tells how it stands.
//!
//! A lease can't do more than tell the holder to stop: one that was frozen meanwhile may still write for a moment when it
//! wakes. That is what the fence of the Northbound is for, which asks [`LeaseTerm`].
//! Writes to objects have no such fence: drop the controller when [`Leadership::Lost`] is told.

mod elector;
mod record;

use std::{pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use kubeovn_ovn::ovsdb::client::Authority;
use thiserror::Error;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{debug, info, warn};

pub use self::{
    elector::{Elector, Step},
    record::Record,
};

/// How long a transaction may wait to be told whether we hold the lease.
const TERM_WITHIN: Duration = Duration::from_secs(3);

/// How long letting go of it may take: the next one would wait longer, and who is asked to end is killed after half a
/// minute.
const LET_GO_WITHIN: Duration = Duration::from_secs(10);

/// Which lease, who we are, and how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Namespace of the lease: the controller's own.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who we are. No two processes may have the same, those of two starts of one pod neither.
    pub identity: String,
    /// So long it is left to a holder of whom nothing is seen.
    pub duration: Duration,
    /// So long the holder may try to renew it. Less than the duration.
    pub deadline: Duration,
    /// Between two attempts.
    pub retry: Duration,
}

impl Config {
    /// Kube-OVN's lease, with the times of its installer.
    pub fn new(namespace: impl Into<String>, identity: impl Into<String>) -> Self {
        Config {
            namespace: namespace.into(),
            name: "kube-ovn-controller".to_owned(),
            identity: identity.into(),
            duration: Duration::from_secs(30),
            deadline: Duration::from_secs(20),
            retry: Duration::from_secs(6),
        }
    }
}

/// How it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// Somebody else holds it, or it is not known yet.
    Waiting {
        /// Who, as far as known.
        holder: Option<String>,
    },
    /// We hold it.
    Leading {
        /// How often it changed hands.
        term: u64,
    },
    /// We held it. Nothing may be written any more, and nothing more is told.
    Lost,
}

/// The lease while it is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Until when, unless it is renewed.
    pub until: Instant,
    /// The one before let go of it. Else that one may still have something on its way to a database.
    pub handed_over: bool,
}

/// Why one attempt came to nothing.
#[derive(Debug, Error)]
enum Failed {
    #[error("{0}")]
    Api(#[from] kube::Error),
    #[error("no answer in time")]
    Late,
}

/// Tries to get the lease and keeps it, until it is lost or `stop` comes. Then lets go of it if it is ours still; who
/// stops should have stopped writing before.
///
/// `told` is changed in the moment in which it is lost, also when the API server answers nothing. A process that was
/// frozen comes to that late; so `hold` tells until when it is ours, to be compared with a clock.
///
/// # Cancellation
/// When it is dropped nothing is told and the lease is not let go of: the next one waits for [`Config::duration`].
pub async fn run(
    client: Client,
    config: Config,
    told: watch::Sender<Leadership>,
    hold: watch::Sender<Option<Hold>>,
    stop: impl Future<Output = ()>,
) {
    let desk = Desk { api: Api::namespaced(client, &config.namespace), config: config.clone() };
    let start = Instant::now();
    let mut elector = Elector::new(config.identity.clone(), config.duration, config.deadline);
    let mut stop = pin!(stop);
    loop {
        let asked = start.elapsed();
        // An attempt that begins late may not last over the end of what it is to renew.
        let end = elector.ends().map(|ends| start + ends);
        let until = end.unwrap_or_else(|| Instant::now() + config.deadline);
        let outcome = tokio::select! {
            outcome = desk.attempt(&mut elector, start) => outcome,
            () = sleep_until(until) => Err(Failed::Late),
            () = &mut stop => break,
        };
        if let Err(error) = outcome {
            if elector.leads(start.elapsed()) {
                warn!(%error, lease = config.name, "the lease is not renewed, tried again");
            } else {
                debug!(%error, lease = config.name, "the lease is not taken");
            }
        }
        let handed_over = elector.is_handed_over();
        hold.send_replace(elector.ends().map(|ends| Hold { until: start + ends, handed_over }));
        if tell(&mut elector, start.elapsed(), &told) {
            return;
        }
        // Who waits is less punctual, so that not all come together.
        let pause = match elector.ends() {
            Some(ends) => (asked + config.retry).min(ends).saturating_sub(start.elapsed()),
            None => config.retry.mul_f64(1.0 + 0.2 * crate::cluster::kube::random()),
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = &mut stop => break,
        }
        if tell(&mut elector, start.elapsed(), &told) {
            return;
        }
    }
    let ours = elector.leads(start.elapsed());
    told.send_replace(Leadership::Lost);
    if ours {
        let released = timeout(LET_GO_WITHIN, desk.release()).await;
        info!(lease = config.name, released = matches!(released, Ok(Ok(()))), "the lease is let go of");
    }
}

/// Tells what changed. Answers whether it is over.
fn tell(elector: &mut Elector, now: Duration, told: &watch::Sender<Leadership>) -> bool {
    let stands = elector.stands(now);
    let lost = stands == Leadership::Lost;
    told.send_if_modified(|before| {
        let changed = *before != stands;
        if changed {
            match &stands {
                Leadership::Waiting { holder } => info!(holder, "somebody else holds the lease"),
                Leadership::Leading { term } => info!(term, "the lease is ours"),
                Leadership::Lost => {
                    warn!("the lease is lost: it was not renewed in time, or somebody else took it");
                }
            }
            *before = stands;
        }
        changed
    });
    lost
}

/// The lease on the API server.
struct Desk {
    api: Api<Lease>,
    config: Config,
}

impl Desk {
    /// Looks at it, and takes or renews it if that is due.
    async fn attempt(&self, elector: &mut Elector, start: Instant) -> Result<(), Failed> {
        let found = self.api.get_opt(&self.config.name).await?;
        let now = start.elapsed();
        let record = found.as_ref().map(Record::of);
        let Step::Take(wanted) = elector.look(now, record) else { return Ok(()) };
        let spec = Some(wanted.spec());
        if let Some(lease) = found {
            // With the version in which it was found: only if nobody else was faster.
            let lease = Lease { spec, ..lease };
            self.api.replace(&self.config.name, &PostParams::default(), &lease).await?;
        } else {
            let metadata = ObjectMeta { name: Some(self.config.name.clone()), ..ObjectMeta::default() };
            self.api.create(&PostParams::default(), &Lease { metadata, spec }).await?;
        }
        elector.taken(now, wanted);
        Ok(())
    }

    /// Lets go of it as long as it is ours. A renewal that was given up halfway may still be on its way and be done
    /// between the two requests; then there is another version than the one that was found, and it is looked at again.
    async fn release(&self) -> Result<(), Failed> {
        loop {
            let Some(lease) = self.api.get_opt(&self.config.name).await? else { return Ok(()) };
            let record = Record::of(&lease);
            if record.holder != self.config.identity {
                return Ok(());
            }
            let lease = Lease { spec: Some(record.released().spec()), ..lease };
            match self.api.replace(&self.config.name, &PostParams::default(), &lease).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                written => {
                    written?;
                    return Ok(());
                }
            }
        }
    }
}

/// Answers the fence of a database whether we hold the lease: from the API server, not from memory.
pub struct LeaseTerm {
    desk: Desk,
    told: watch::Receiver<Leadership>,
}

impl LeaseTerm {
    /// With what [`run`] tells.
    pub fn new(client: Client, config: Config, told: watch::Receiver<Leadership>) -> Arc<Self> {
        let desk = Desk { api: Api::namespaced(client, &config.namespace), config };
        Arc::new(LeaseTerm { desk, told })
    }
}

#[async_trait]
impl Authority for LeaseTerm {
    async fn term(&self) -> Option<u64> {
        let leads = || matches!(*self.told.borrow(), Leadership::Leading { .. });
        if !leads() {
            return None;
        }
        let asked = timeout(TERM_WITHIN, self.desk.api.get_opt(&self.desk.config.name)).await;
        let record = Record::of(&asked.ok()?.ok()??);
        // What was answered late counts only if we still hold it.
        (record.holder == self.desk.config.identity && leads()).then_some(record.transitions)
    }
}

#[cfg(test)]
mod tests;
