//! The API server of the tests, with the kinds of kubeovn.io/v1, to play with: `cargo run --example apiserver`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "what it shares with the tests fails by panicking"
)]

#[path = "../tests/support/kubernetes.rs"]
mod kubernetes;

use kubernetes::Kubernetes;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let kubernetes = Kubernetes::start().await;
    kubernetes.apply_crds().await;
    println!("export KUBECONFIG={}", kubernetes.kubeconfig().display());
    println!("It runs until Ctrl-C; what it logs is in {}", kubernetes.folder().display());
    tokio::signal::ctrl_c().await
}
