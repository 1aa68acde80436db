//! What operators ask of a network; see `kubeovn_bins::ctl`.

use std::process::ExitCode;

use kubeovn_bins::ctl::cli;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    // What a user must know is said on standard error; the log is for those who ask for it by RUST_LOG.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    cli::main(std::env::args_os().collect()).await
}
