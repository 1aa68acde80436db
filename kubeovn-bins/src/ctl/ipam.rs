//! `kubeovn-ctl ipam`: the addresses of a live cluster.

mod check;
mod explain;
mod history;
mod list;

use clap::{Args as Group, Subcommand};

use super::{
    cluster::{View, args::Target, claims::Claims, scratch::Scratch, show},
    error::CtlError,
    nb::listing::Listing,
    outcome::Found,
};

/// What stands behind `ipam`.
#[derive(Debug, Group)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the numbers of all subnets, or of one with all who hold an address in it
    Show {
        /// The subnet
        subnet: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Compare ports, annotations, records and the ledger; exit code 2 if they don't agree
    Check {
        #[command(flatten)]
        target: Target,
    },
    /// Say who holds an address, or what a pod holds or waits for, and why
    Explain {
        /// An address, a pod as NAMESPACE/NAME, or node/NAME
        what: String,
        #[command(flatten)]
        target: Target,
    },
    /// Say who held an address when, as far as objects, events and the controller's log tell
    History(history::Args),
}

/// What a cluster says of addresses, and what a controller makes of it.
struct Addresses {
    scratch: Scratch,
    claims: Claims,
}

impl Addresses {
    async fn of(target: &Target) -> Result<Self, CtlError> {
        let view = View::take(target).await?;
        let rows = Listing::replica(&view.snapshot)?;
        let claims = Claims::of(view.objects(), &rows);
        Ok(Addresses { scratch: view.scratch().await?, claims })
    }
}

/// Does what the command line says.
///
/// # Errors
/// Why there is no answer.
pub async fn run(args: Args) -> Result<Found, CtlError> {
    match args.command {
        Command::Show { subnet, target } => {
            let addresses = Addresses::of(&target).await?;
            let list = list::List::new(&addresses, subnet.as_deref())?;
            show(target.json(), || list.to_json(), || list.to_text());
            Ok(Found::Nothing)
        }
        Command::Check { target } => {
            let report = check::check(&Addresses::of(&target).await?);
            show(target.json(), || report.to_json(), || report.to_text(target.paint()));
            Ok(if report.is_empty() { Found::Nothing } else { Found::Something })
        }
        Command::Explain { what, target } => {
            let subject = explain::Subject::parse(&what)?;
            let answer = explain::explain(&Addresses::of(&target).await?, &subject)?;
            show(target.json(), || answer.to_json(), || answer.to_text(target.paint()));
            Ok(Found::Nothing)
        }
        Command::History(args) => history::run(args).await.map(|()| Found::Nothing),
    }
}
