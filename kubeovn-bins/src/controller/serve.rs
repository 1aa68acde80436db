//! How the controller stands, on Kube-OVN's port.
//!
//! It tells the truth: `/livez` fails when the driver's loop stands still, `/readyz` while anything is not read, not
//! followed or not reachable, and says what.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;

use super::metrics::Moment;
use crate::{
    cluster::kube::{self, KubeCluster},
    metrics,
    run::{
        lease::Leadership,
        report::{Asker, Report},
    },
    serve,
};

/// A driver that gives no sign of life for so long stands still: probes of the installer wait 5 s.
const SIGN_OF_LIFE: Duration = Duration::from_secs(4);
/// So long something may be out of reach before that counts.
const GRACE: Duration = Duration::from_secs(15);

/// Whom to ask.
pub struct Health {
    /// Who holds the lease.
    pub leadership: watch::Receiver<Leadership>,
    /// The API server.
    pub cluster: Arc<KubeCluster>,
    /// The driver, once it runs.
    pub driver: Mutex<Option<Asker>>,
}

impl Health {
    fn leads(&self) -> bool {
        matches!(*self.leadership.borrow(), Leadership::Leading { .. })
    }

    /// The driver's answer; outside `None` when there is no driver.
    async fn report(&self) -> Option<Option<Report>> {
        let asker = self.driver.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(asker.ask(SIGN_OF_LIFE).await)
    }

    /// What stands against being ready, a sentence each.
    async fn obstacles(&self) -> Vec<String> {
        match &*self.leadership.borrow() {
            Leadership::Waiting { holder: Some(_) } => return Vec::new(),
            Leadership::Waiting { holder: None } => {
                return vec![
                    "it is not known yet who holds the lease: the API server has not answered".to_owned(),
                ];
            }
            Leadership::Lost => return vec!["the lease is lost".to_owned()],
            Leadership::Leading { .. } => {}
        }
        let report = match self.report().await {
            None => return vec!["the driver has not begun".to_owned()],
            Some(None) => return vec!["the driver gives no sign of life".to_owned()],
            Some(Some(report)) => report,
        };
        let mut obstacles = Vec::new();
        // What a cluster may be without holds nobody up.
        for watch in self.cluster.status().into_iter().filter(|watch| !watch.kind.is_optional()) {
            let kind = watch.kind.name();
            let why = watch.error.as_deref().unwrap_or("no answer");
            if !watch.listed {
                obstacles.push(format!("objects of kind {kind} are not read yet: {why}"));
            } else if watch.state == kube::State::Failing && watch.lasts > GRACE {
                obstacles.push(format!("kind {kind} is not followed for {} s: {why}", watch.lasts.as_secs()));
            }
        }
        let database = &report.database;
        if !database.connected && (database.resyncs == 0 || database.lasts > GRACE) {
            let why = database.lost.as_deref().unwrap_or("no answer");
            obstacles
                .push(format!("the Northbound is out of reach for {} s: {why}", database.lasts.as_secs()));
        }
        if obstacles.is_empty() && !report.open {
            obstacles.push("what there is has not been looked at yet".to_owned());
        }
        obstacles
    }
}

#[async_trait]
impl serve::Health for Health {
    async fn dead(&self) -> Option<String> {
        match self.report().await {
            Some(None) => Some("the driver gives no sign of life".to_owned()),
            _ => None,
        }
    }

    async fn ready(&self) -> Result<String, Vec<String>> {
        let obstacles = self.obstacles().await;
        if !obstacles.is_empty() {
            return Err(obstacles);
        }
        Ok(if self.leads() { "ok" } else { "ok: another one works" }.to_owned())
    }

    async fn metrics(&self) -> String {
        let (leads, watches) = (self.leads(), self.cluster.status());
        let report = self.report().await.flatten();
        metrics::collected(Moment { leads, report, watches })
    }
}
