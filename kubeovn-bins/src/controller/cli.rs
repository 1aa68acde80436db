//! The process: command line, environment, log, signals, exit code.

use std::{ffi::OsString, io::Write, process::ExitCode};

use tracing::{error, info};
use uuid::Uuid;

use super::{
    error::ControllerError,
    flags::PROGRAM,
    installation::{Environment, Installation},
    lead,
};
use crate::{
    flags::{FlagError, Flags},
    process,
};

/// Does what the command line says. The exit code is 0 after a signal to end, 1 when the lease is lost or something can't
/// go on, and 2 for a command line or an environment that can't be used.
pub async fn main(arguments: Vec<OsString>) -> ExitCode {
    let flags = match Flags::parse(&PROGRAM, arguments) {
        Ok(flags) => flags,
        Err(FlagError::Usage(error)) => {
            // There is nobody else to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
        Err(error) => return unusable(&error.into()),
    };
    process::log(&flags);
    let environment = Environment::read(|name| std::env::var(name).ok());
    // Two starts of one pod are two holders of the lease.
    let start = Uuid::from_u64_pair(random(), random()).to_string();
    let install = match Installation::new(&flags, &environment, &start) {
        Ok(install) => install,
        Err(error) => return unusable(&error),
    };
    info!(version = env!("CARGO_PKG_VERSION"), identity = install.lease.identity, "kubeovn-controller");
    match lead::run(install, process::ended()).await {
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
