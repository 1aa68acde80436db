//! Removing a lab, with nothing to go by but its state directory.
//!
//! The same code ends a lab in order and clears up after one that was killed. It goes on after each failure and
//! says in the end what is left.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kubeovn_node::netns::NetNs;
use nix::sys::signal::Signal;

use crate::lab::error::LabError;
use crate::lab::state::process::{Process, end, living_in, wait_gone};
use crate::lab::state::{StateDir, file_names, make_dir, remove_file};

/// How long the lab itself may take to end in order.
const LAB_PATIENCE: Duration = Duration::from_secs(20);

/// How long its daemons may take.
const DAEMON_PATIENCE: Duration = Duration::from_secs(2);

/// Ends a lab, whether its process lives or not, and removes all it made.
///
/// # Errors
/// [`LabError::Unknown`] when there is no such lab; [`LabError::Leftovers`] names what could not be removed.
pub fn down(state: &StateDir) -> Result<(), LabError> {
    if !state.exists() {
        return Err(LabError::Unknown { name: state.name().to_string(), state: state.path().to_owned() });
    }
    let lab = Process::recorded(&state.lab_process()).filter(Process::is_alive);
    if let Some(lab) = lab.filter(|lab| Some(lab) != Process::me().as_ref()) {
        // Asked by a signal it does all of this itself.
        let _ = lab.signal(Signal::SIGTERM);
        let stubborn = wait_gone(vec![lab], LAB_PATIENCE);
        end(stubborn, Duration::ZERO);
    }
    if state.exists() { sweep(state) } else { Ok(()) }
}

/// Ends all daemons of a lab, and removes its namespaces and its directory. The lab's own process is let be.
///
/// # Errors
/// [`LabError::Leftovers`] names what could not be removed; the directory stays in that case.
pub fn sweep(state: &StateDir) -> Result<(), LabError> {
    sweep_contents(state)?;
    state.remove()
}

/// As [`sweep`], but keeps the directory, empty, for the one who holds it.
pub(super) fn sweep_contents(state: &StateDir) -> Result<(), LabError> {
    let daemons: Vec<Process> = file_names(&state.processes())
        .iter()
        .filter_map(|name| Process::recorded(&state.processes().join(name)))
        .collect();
    let mut left: Vec<String> = end(daemons, DAEMON_PATIENCE)
        .iter()
        .map(|process| format!("process {} does not end", process.pid()))
        .collect();
    for name in state.netns_names() {
        left.extend(remove_netns(state, &name).err().map(|error| error.to_string()));
    }
    if !left.is_empty() {
        return Err(LabError::Leftovers { name: state.name().to_string(), left });
    }
    for name in file_names(state.path()) {
        let path = state.path().join(&name);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).map_err(LabError::io("remove", &path))?;
        } else {
            remove_file(&path)?;
        }
    }
    for dir in [state.netns(), state.processes(), state.central()] {
        make_dir(&dir)?;
    }
    Ok(())
}

/// Kills whatever lives in a namespace, removes the namespace, forgets it.
pub(super) fn remove_netns(state: &StateDir, name: &str) -> Result<(), LabError> {
    let path = named(name);
    end(living_in(&path), Duration::ZERO);
    NetNs::delete_named(name).map_err(LabError::network("remove a namespace"))?;
    state.forget_netns(name)
}

/// Where a named namespace is mounted.
fn named(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}
