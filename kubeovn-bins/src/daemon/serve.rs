//! How the node stands, on Kube-OVN's port.
//!
//! `/livez` dials the socket that the CNI plugin dials; `/readyz` says what stands against the node's network being as it
//! should be.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use kubeovn_node::daemon::Obstacles;
use tokio::{net::UnixStream, sync::watch, time::timeout};

use super::metrics::Metrics;
use crate::serve;

/// So long the daemon may take to take up a call.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Whom to ask.
#[derive(Debug)]
pub struct Health {
    /// What is wrong, by part.
    pub obstacles: watch::Receiver<Obstacles>,
    /// Where the plugin finds the daemon.
    pub socket: PathBuf,
    /// What is counted.
    pub metrics: Metrics,
}

#[async_trait]
impl serve::Health for Health {
    async fn dead(&self) -> Option<String> {
        match timeout(SIGN_OF_LIFE, UnixStream::connect(&self.socket)).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => {
                Some(format!("the plugin's socket {} can't be reached: {error}", self.socket.display()))
            }
            Err(_) => Some("nobody takes up the plugin's calls".to_owned()),
        }
    }

    async fn ready(&self) -> Result<String, Vec<String>> {
        let obstacles = self.obstacles.borrow();
        if obstacles.is_empty() {
            return Ok("ok".to_owned());
        }
        Err(obstacles.iter().map(|(part, wrong)| format!("{}: {wrong}", part.name())).collect())
    }

    async fn metrics(&self) -> String {
        self.metrics.refresh().await;
        self.metrics.text()
    }
}
