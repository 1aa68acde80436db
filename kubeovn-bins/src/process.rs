//! What every long-running program does: log, and end when it is asked to.

use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::flags::Flags;

/// Logs to standard error as the flag `v` says; `RUST_LOG` goes before it.
pub fn log(flags: &Flags) {
    let level = match flags.number::<i64>("v") {
        Ok(5..) => "trace",
        Ok(3..) => "debug",
        _ => "info",
    };
    let crates = ["kubeovn_bins", "kubeovn_core", "kubeovn_node", "kubeovn_ovn"];
    let ours = crates.iter().fold("warn".to_owned(), |text, name| format!("{text},{name}={level}"));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(ours));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// Waits for a signal to end.
pub async fn ended() {
    let wait = async |kind| match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
    info!("asked to end");
}
