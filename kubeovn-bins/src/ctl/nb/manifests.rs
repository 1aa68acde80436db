//! What manifests want of a Northbound: the controller's own way, on a copy in memory.

use std::path::Path;
use std::sync::Arc;

use kubeovn_core::cluster::memory::MemoryCluster;
use kubeovn_core::contract::model::Model;
use kubeovn_core::index::Settings;
use kubeovn_core::rows::{OwnerKey, Render};
use kubeovn_ovn::render::Fabric;

use super::snapshot::Snapshot;
use crate::cluster::folder::{FolderCluster, Rejected};
use crate::ctl::cluster::{args::Server, reach};
use crate::ctl::error::CtlError;
use crate::run::plan::{Rehearsal, rehearse};

/// Manifests, decided against a database.
pub struct Manifests {
    /// What would change, and the world behind it.
    pub rehearsal: Rehearsal,
    /// What of the manifests has no effect.
    pub rejected: Vec<Rejected>,
}

impl Manifests {
    /// Reads a file or folder, and decides what it wants of the database. Nothing is written, neither there nor to the
    /// manifests. What is not in the folder counts as deleted.
    ///
    /// # Errors
    /// When it cannot be read as a whole: what is missing would look as if it were gone.
    pub async fn read(folder: &Path, snapshot: &Snapshot) -> Result<Self, CtlError> {
        let folder = FolderCluster::open(folder)?;
        if let Some(found) = folder.unreadable() {
            return Err(CtlError::Manifest { found: found.to_string() });
        }
        let rejected = folder.findings().borrow().rejected.clone();
        let northbound = Box::new(snapshot.in_memory()?);
        let rehearsal = rehearse(Settings::default(), folder.cluster(), northbound).await?;
        Ok(Manifests { rehearsal, rejected })
    }

    /// Asks the API server for all objects instead, and decides what they want of the database.
    ///
    /// # Errors
    /// When it does not tell all of them.
    pub async fn of_cluster(server: &Server, snapshot: &Snapshot) -> Result<Self, CtlError> {
        let told = reach::ask(server).await?;
        let cluster = Arc::new(MemoryCluster::new());
        told.objects.into_iter().for_each(|object| cluster.load(object));
        let northbound = Box::new(snapshot.in_memory()?);
        let rehearsal = rehearse(server.settings(), &cluster, northbound).await?;
        Ok(Manifests { rehearsal, rejected: Vec::new() })
    }

    /// What has no effect, or is refused, in sentences.
    pub fn problems(&self) -> Vec<String> {
        let refused = self.rehearsal.spine.problems().iter();
        let refused = refused.flat_map(|(key, problems)| problems.iter().map(move |p| format!("{key}: {p}")));
        self.rejected.iter().map(ToString::to_string).chain(refused).collect()
    }

    /// What an owner wants.
    pub fn render(&self, owner: &OwnerKey) -> Render {
        Fabric.render(self.rehearsal.spine.world(), owner)
    }
}
