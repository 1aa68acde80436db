//! What manifests would change in the Northbound of a running lab.

use std::path::Path;

use kubeovn_core::index::Settings;
use kubeovn_ovn::nb::NORTHBOUND;

use super::database;
use super::error::LabError;
use super::fabric;
use super::state::StateDir;
use crate::cluster::folder::{FolderCluster, Rejected};
use crate::run::plan::{Plan, plan};

/// The change that the manifests would make to a running lab, and what of them would have no effect. Nothing is
/// written.
///
/// # Errors
/// When there is no such lab or its Northbound does not answer; and when a file cannot be read, since what stands
/// in it would look as if it were gone.
pub async fn show(manifests: &Path, state: &StateDir) -> Result<(Plan, Vec<Rejected>), LabError> {
    let folder = FolderCluster::open(manifests)?;
    let rejected = folder.findings().borrow().rejected.clone();
    if let Some(found) = folder.unreadable() {
        return Err(LabError::PlanUnreadable { found: found.to_string() });
    }
    if !state.exists() {
        return Err(LabError::Unknown { name: state.name().to_string(), state: state.path().to_owned() });
    }
    let northbound = database::client(&NORTHBOUND, &fabric::northbound(state), None);
    let plan = plan(Settings::default(), folder.cluster(), Box::new(northbound)).await?;
    Ok((plan, rejected))
}
