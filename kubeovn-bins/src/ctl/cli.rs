//! The command line of `kubeovn-ctl`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{
    check, crds, ipam, nb,
    outcome::{Found, say},
    plan, status, test,
};

/// Looks at a Kube-OVN network; changes nothing of it.
#[derive(Debug, Parser)]
#[command(name = "kubeovn-ctl", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// OVN's Northbound: what stands there, who caused it, what would change, whether it is sound
    Nb(nb::cli::Args),
    /// A live cluster at one glance; exit code 2 if there is something to look at
    Status(status::Args),
    /// What manifests would change in a live cluster if they were applied; exit code 2 if anything
    Plan(plan::Args),
    /// Addresses of a live cluster: who holds which, whether all that is said of them agrees, and why
    Ipam(ipam::Args),
    /// Whether this node is fit to run Kube-OVN: run it on the node, as root; exit code 2 if it is not
    Check(check::Args),
    /// Whether pods reach each other, nodes, Services and the outside, by pods of its own; exit code 2 if not
    Test(test::Args),
    /// The CRDs of all kinds, for kubectl apply -f -
    Crds(crds::Args),
}

/// Does what the command line says. The exit code is 0, or 2 for differences and findings, or 1 for an error, also one
/// of usage, so that scripts can tell a bad command from a difference.
pub async fn main(arguments: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // There is nobody else to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let answer = match cli.command {
        Command::Nb(args) => nb::cli::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Plan(args) => plan::run(args).await,
        Command::Ipam(args) => ipam::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Test(args) => test::run(args).await,
        Command::Crds(args) => crds::run(args).map(|()| Found::Nothing),
    };
    match answer {
        Ok(Found::Nothing) => ExitCode::SUCCESS,
        Ok(Found::Something) => ExitCode::from(2),
        Ok(Found::Warnings) => ExitCode::FAILURE,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}
