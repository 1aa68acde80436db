//! The node daemon of Kube-OVN for Rust; see `kubeovn_bins::daemon`.

use std::process::ExitCode;

use kubeovn_bins::daemon::cli;

#[tokio::main]
async fn main() -> ExitCode {
    cli::main(std::env::args_os().collect()).await
}
