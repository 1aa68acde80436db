//! The process: command line, environment, exit code.

use std::{ffi::OsString, process::ExitCode};

use tracing::info;
use uuid::Uuid;

use super::{
    flags::PROGRAM,
    installation::{Environment, Installation},
    lead,
};
use crate::process;

/// Does what the command line says. The exit code is 0 after a signal to end, 1 when the lease is lost or something can't
/// go on, and 2 for a command line or an environment that can't be used.
pub async fn main(arguments: Vec<OsString>) -> ExitCode {
    let flags = match process::begin(&PROGRAM, arguments) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    let environment = Environment::read(|name| std::env::var(name).ok());
    // Two starts of one pod are two holders of the lease.
    let start = Uuid::from_u64_pair(random(), random()).to_string();
    let install = match Installation::new(&flags, &environment, &start) {
        Ok(install) => install,
        Err(error) => return process::unusable(&error),
    };
    info!(version = env!("CARGO_PKG_VERSION"), identity = install.lease.identity, "kubeovn-controller");
    process::end(lead::run(install, process::ended()).await)
}

fn random() -> u64 {
    crate::cluster::kube::random().to_bits()
}
