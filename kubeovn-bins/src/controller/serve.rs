//! `/livez`, `/readyz` and `/metrics`, on Kube-OVN's port.
//!
//! They tell the truth: `/livez` fails when the driver's loop stands still, `/readyz` while anything is not read, not
//! followed or not reachable, and says what.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use tokio::{net::TcpListener, sync::watch};

use super::{
    metrics::Moment,
    tls::{Secure, Serving},
};
use crate::{
    cluster::kube::{self, KubeCluster},
    run::{
        lease::Leadership,
        report::{Asker, Report},
    },
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
    /// Whether metrics are shown.
    pub metrics: bool,
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

/// Listens.
///
/// # Errors
/// The system's: the port is taken, or may not be.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        // Where there is no IPv6 all addresses are IPv4's.
        Err(error) if address.ip().is_unspecified() && error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

/// Answers, until it is dropped; over TLS if there are the means.
///
/// # Errors
/// The system's.
pub async fn serve(
    listener: TcpListener,
    serving: Option<Arc<Serving>>,
    health: Arc<Health>,
) -> io::Result<()> {
    let mut router =
        Router::new().route("/livez", get(livez)).route("/healthz", get(livez)).route("/readyz", get(readyz));
    if health.metrics {
        router = router.route("/metrics", get(metrics));
    }
    let router = router.with_state(health);
    match serving {
        Some(serving) => axum::serve(Secure::new(listener, serving)?, router).await,
        None => axum::serve(listener, router).await,
    }
}

async fn livez(State(health): State<Arc<Health>>) -> impl IntoResponse {
    match health.report().await {
        Some(None) => (StatusCode::SERVICE_UNAVAILABLE, "the driver gives no sign of life\n"),
        _ => (StatusCode::OK, "ok\n"),
    }
}

async fn readyz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let obstacles = health.obstacles().await;
    if obstacles.is_empty() {
        return (StatusCode::OK, if health.leads() { "ok\n" } else { "ok: another one works\n" }.to_owned());
    }
    let text = obstacles.iter().fold(String::new(), |text, obstacle| text + obstacle + "\n");
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let (leads, watches) = (health.leads(), health.cluster.status());
    let report = health.report().await.flatten();
    let text = Moment { leads, report, watches }.text();
    ([("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}
