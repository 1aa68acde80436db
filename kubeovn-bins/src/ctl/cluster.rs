//! A live cluster, looked at once: what its API server and its Northbound say, and what the controller would make of it.
//!
//! ```text
//!   API server ──> reach ──┐
//!                          ├──> View ──> Scratch: a controller's spine on copies in memory
//!   Northbound ──> nb::snapshot ┘             └──> holders, drift, problems
//! ```
//!
//! Nothing is written to either. The database is read first: what is made meanwhile then looks as if it were still to be
//! done, and never as if it had to go.

pub mod args;
pub mod claims;
pub mod reach;
pub mod scratch;
pub mod text;

use kubeovn_core::index::{Settings, objects::Object};
use serde_json::Value;

use self::{args::Target, reach::Told, scratch::Scratch};
use super::{
    error::CtlError,
    nb::snapshot::Snapshot,
    outcome::{print, say},
};

/// What a cluster said.
#[derive(Debug)]
pub struct View {
    /// What the API server said.
    pub told: Told,
    /// What the Northbound holds.
    pub snapshot: Snapshot,
    /// What this installation chose, as far as it is asked for.
    pub settings: Settings,
}

impl View {
    /// Asks both, once.
    ///
    /// # Errors
    /// When one of them does not answer in time, or not with everything: half of it would look as if the other half were
    /// gone.
    pub async fn take(target: &Target) -> Result<Self, CtlError> {
        let snapshot = Snapshot::take(target.northbound()?).await?;
        snapshot.notes.iter().for_each(|note| say(note));
        let told = reach::ask(&target.server).await?;
        Ok(View { told, snapshot, settings: target.server.settings() })
    }

    /// All objects, by kind, namespace and name.
    pub fn objects(&self) -> &[Object] {
        &self.told.objects
    }

    /// A controller on copies, done with all that there was to do.
    ///
    /// # Errors
    /// When the rows of the Northbound contradict each other.
    pub async fn scratch(&self) -> Result<Scratch, CtlError> {
        let mut scratch = Scratch::new(self.settings.clone(), self.objects(), &self.snapshot)?;
        scratch.settle().await;
        Ok(scratch)
    }
}

/// Prints one or the other.
pub(super) fn show(json: bool, document: impl FnOnce() -> Value, text: impl FnOnce() -> String) {
    // Whoever closed the pipe has read enough.
    let _ = print(&if json { format!("{:#}\n", document()) } else { text() });
}
