//! What every long-running program does: read its command line, log, and end when it is asked to.

use std::{error::Error, ffi::OsString, io::Write, process::ExitCode};

use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use crate::flags::{FlagError, Flags, Program};

/// Reads the command line, the program's name first, and begins to log.
///
/// # Errors
/// The code with which to end: help was asked for, or it can't be used. What there was to say is said.
pub fn begin(program: &'static Program, arguments: Vec<OsString>) -> Result<Flags, ExitCode> {
    match Flags::parse(program, arguments) {
        Ok(flags) => {
            log(&flags);
            Ok(flags)
        }
        Err(FlagError::Usage(error)) => {
            // There is nobody else to tell.
            let _ = error.print();
            Err(if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS })
        }
        Err(error) => Err(unusable(&error)),
    }
}

/// Says why the command line or the environment can't be used; the code with which to end.
pub fn unusable(error: &dyn Error) -> ExitCode {
    // There is nobody else to tell.
    let _ = writeln!(std::io::stderr(), "{error}");
    ExitCode::from(2)
}

/// The code with which to end after the work.
pub fn end(worked: Result<(), impl Error>) -> ExitCode {
    match worked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells of flags that were given and that nothing acts on yet.
pub fn tell_in_vain(flags: &[String]) {
    if !flags.is_empty() {
        warn!(
            flags = flags.join(" "),
            "these flags are taken, but this version does not act on them; docs/kubernetes.md lists which do"
        );
    }
}

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
