//! Runs a whole network on one machine; see `kubeovn_bins::lab`.

use std::io::stderr;
use std::process::ExitCode;

use clap::Parser;
use kubeovn_bins::lab::cli::{self, Cli};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // What a user must know the lab says by itself; the log is for those who ask for it by RUST_LOG.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).init();
    cli::main(cli).await
}
