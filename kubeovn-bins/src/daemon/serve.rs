//! `/livez`, `/readyz` and `/metrics`, on Kube-OVN's port.
//!
//! `/livez` dials the socket that the CNI plugin dials; `/readyz` says what stands against the node's network being as it
//! should be.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use kubeovn_node::daemon::{Obstacles, Part};
use tokio::{
    net::{TcpListener, UnixStream},
    sync::watch,
    time::timeout,
};

/// So long the daemon may take to take up a call.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// All that is told of.
const PARTS: [Part; 7] =
    [Part::Objects, Part::Switch, Part::Tunnel, Part::NodePort, Part::JoinGateway, Part::Gateway, Part::Node];

/// Whom to ask.
#[derive(Debug)]
pub struct Health {
    /// What is wrong, by part.
    pub obstacles: watch::Receiver<Obstacles>,
    /// Where the plugin finds the daemon.
    pub socket: PathBuf,
    /// Whether metrics are shown.
    pub metrics: bool,
}

/// Answers, until it is dropped.
///
/// # Errors
/// The system's.
pub async fn serve(listener: TcpListener, health: Arc<Health>) -> io::Result<()> {
    let mut router =
        Router::new().route("/livez", get(livez)).route("/healthz", get(livez)).route("/readyz", get(readyz));
    if health.metrics {
        router = router.route("/metrics", get(metrics));
    }
    axum::serve(listener, router.with_state(health)).await
}

async fn livez(State(health): State<Arc<Health>>) -> impl IntoResponse {
    match timeout(SIGN_OF_LIFE, UnixStream::connect(&health.socket)).await {
        Ok(Ok(_)) => (StatusCode::OK, "ok\n".to_owned()),
        Ok(Err(error)) => {
            let text = format!("the plugin's socket {} can't be reached: {error}\n", health.socket.display());
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "nobody takes up the plugin's calls\n".to_owned()),
    }
}

async fn readyz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let obstacles = health.obstacles.borrow().clone();
    if obstacles.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let text = obstacles.iter().map(|(part, wrong)| format!("{}: {wrong}\n", part.name())).collect();
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let obstacles = health.obstacles.borrow().clone();
    let head = "# HELP kubeovn_node_part_up Whether a part of the node's network is as it should be.\n\
                # TYPE kubeovn_node_part_up gauge\n";
    let line = |part: Part| {
        let up = u8::from(!obstacles.contains_key(&part));
        format!("kubeovn_node_part_up{{part=\"{part:?}\"}} {up}\n")
    };
    let text: String = PARTS.into_iter().map(line).collect();
    (
        [("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")],
        format!("{head}{text}# EOF\n"),
    )
}
