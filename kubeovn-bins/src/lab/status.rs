//! The running lab as others see it: a file that the lab replaces, and that `status` reads.

use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::LabError;
use super::report::Report;
use super::state::StateDir;
use super::state::process::Process;

/// What the file says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// What the lab is doing, for people: `settled`, `wiring 3 pods`, …
    pub doing: String,
    /// The latest things that happened, oldest first, for people.
    pub events: Vec<String>,
    /// The tables as they were printed last.
    pub text: String,
    /// The document of `-o json` as it was then.
    pub report: Value,
}

impl Status {
    /// A status with this report.
    pub fn new(doing: String, events: Vec<String>, report: &Report) -> Self {
        // Plain data always serialises.
        let document = serde_json::to_value(report).unwrap_or_default();
        Self { doing, events, text: report.to_text(false), report: document }
    }

    /// Replaces the file: a reader sees the old one or the new one, nothing between.
    pub fn write(&self, state: &StateDir) -> Result<(), LabError> {
        let path = state.status();
        let fresh = path.with_extension("new");
        fs::write(&fresh, serde_json::to_vec(self).unwrap_or_default())
            .map_err(LabError::io("write", &fresh))?;
        fs::rename(&fresh, &path).map_err(LabError::io("replace", &path))
    }
}

/// What `status` has to say about a lab.
#[derive(Debug)]
pub struct Seen {
    /// Whether the lab's process lives.
    pub alive: bool,
    /// Its last words; none if it has said nothing yet.
    pub status: Option<Status>,
}

/// Looks at a lab from outside.
///
/// # Errors
/// [`LabError::Unknown`] when there is none of that name.
pub fn look(state: &StateDir) -> Result<Seen, LabError> {
    if !state.exists() {
        return Err(LabError::Unknown { name: state.name().to_string(), state: state.path().to_owned() });
    }
    let alive = Process::recorded(&state.lab_process()).is_some_and(|lab| lab.is_alive());
    Ok(Seen { alive, status: read(&state.status())? })
}

fn read(path: &Path) -> Result<Option<Status>, LabError> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LabError::io("read", path)(error)),
        Ok(text) => {
            serde_json::from_slice(&text).map(Some).map_err(|error| LabError::io("read", path)(error.into()))
        }
    }
}

impl Seen {
    /// For a person: what the lab is doing, its tables, and what to do if it is gone.
    pub fn to_text(&self, name: &str) -> String {
        let mut text = match (&self.status, self.alive) {
            (_, false) => format!(
                "lab {name} was killed: its daemons may still run, nobody watches them\n\
                 remove what it left: kubeovn-lab down --name {name}\n"
            ),
            (None, true) => format!("lab {name}: starting\n"),
            (Some(status), true) => format!("lab {name}: {}\n", status.doing),
        };
        if let Some(status) = &self.status {
            for event in &status.events {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "  {event}");
            }
            text.push('\n');
            text.push_str(&status.text);
        }
        text
    }
}
