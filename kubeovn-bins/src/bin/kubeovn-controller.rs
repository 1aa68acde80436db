//! The controller of Kube-OVN for Rust; see `kubeovn_bins::controller`.

use std::process::ExitCode;

use kubeovn_bins::controller::cli;

#[tokio::main]
async fn main() -> ExitCode {
    cli::main(std::env::args_os().collect()).await
}
