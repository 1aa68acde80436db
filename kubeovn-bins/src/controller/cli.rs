//! The process: command line, environment, log, signals, exit code.

use std::{ffi::OsString, io::Write, process::ExitCode};

use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use super::{
    error::ControllerError,
    flags::{FlagError, Flags},
    installation::{Environment, Installation},
    lead,
};

/// Does what the command line says. The exit code is 0 after a signal to end, 1 when the lease is lost or something can't
/// go on, and 2 for a command line or an environment that can't be used.
pub async fn main(arguments: Vec<OsString>) -> ExitCode {
    let flags = match Flags::parse(arguments) {
        Ok(flags) => flags,
        Err(FlagError::Usage(error)) => {
            // There is nobody else to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
        Err(error) => return unusable(&error.into()),
    };
    log(&flags);
    let environment = Environment::read(|name| std::env::var(name).ok());
    // Two starts of one pod are two holders of the lease.
    let start = Uuid::from_u64_pair(random(), random()).to_string();
    let install = match Installation::new(&flags, &environment, &start) {
        Ok(install) => install,
        Err(error) => return unusable(&error),
    };
    info!(version = env!("CARGO_PKG_VERSION"), identity = install.lease.identity, "kubeovn-controller");
    match lead::run(install, ended()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn random() -> u64 {
    crate::cluster::kube::random().to_bits()
}

fn unusable(error: &ControllerError) -> ExitCode {
    // There is nobody else to tell.
    let _ = writeln!(std::io::stderr(), "{error}");
    ExitCode::from(2)
}

/// To standard error; RUST_LOG goes before the flag.
fn log(flags: &Flags) {
    let level = match flags.number::<i64>("v") {
        Ok(5..) => "trace",
        Ok(3..) => "debug",
        _ => "info",
    };
    let ours = format!("warn,kubeovn_bins={level},kubeovn_core={level},kubeovn_ovn={level}");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(ours));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// Waits for a signal to end.
async fn ended() {
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
