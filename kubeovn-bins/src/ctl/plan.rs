//! `kubeovn-ctl plan`: what manifests would change in a live cluster.
//!
//! A controller on copies first does what there is to do anyway; then the manifests are applied to the copies, and it goes
//! on. What differs between the two is what they change.

mod compared;
mod manifests;

use std::path::PathBuf;

use clap::Args as Group;

use self::compared::{Comparison, State};
use super::{
    cluster::{View, args::Target, show},
    error::CtlError,
    outcome::Found,
};

/// What stands behind `plan`.
#[derive(Debug, Group)]
pub struct Args {
    /// A YAML file, or a folder of them: the objects that are to be created or replaced, as kubectl apply would
    #[arg(short, long, value_name = "FILE|FOLDER")]
    file: PathBuf,
    #[command(flatten)]
    target: Target,
}

/// Does what the command line says.
///
/// # Errors
/// Why there is no answer.
pub async fn run(args: Args) -> Result<Found, CtlError> {
    // First, since it costs least.
    let manifests = manifests::read(&args.file)?;
    let view = View::take(&args.target).await?;
    let mut scratch = view.scratch().await?;
    let drift = scratch.drift().len();
    let before = State::of(&scratch);
    let mut notes = manifests.notes;
    notes.extend(manifests::homeless(&manifests.objects, scratch.cluster()));
    manifests::apply(manifests.objects, scratch.cluster())?;
    scratch.settle().await;
    let after = State::of(&scratch);
    let comparison = Comparison::new(&before, &after, scratch.drift(), notes, drift);
    let target = &args.target;
    show(target.json(), || comparison.to_json(), || comparison.to_text(target.paint()));
    Ok(if comparison.is_empty() { Found::Nothing } else { Found::Something })
}
