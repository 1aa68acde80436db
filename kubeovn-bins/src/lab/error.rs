//! What can go wrong with a lab itself, as opposed to the network that runs in it.
//!
//! Every error says what was being done, to what, and what the person at the terminal can do next; the code in
//! front is stable, so that scripts may look for it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::cluster::folder::OpenError;
use crate::run::plan::Unreachable;

/// Why the lab could not do what it was asked to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LabError {
    /// The lab's name cannot be part of the names that are made from it.
    #[error(
        "LAB-NAME-INVALID: `{name}` cannot name a lab; take 1-{max} letters a-z, digits and dashes, a letter first"
    )]
    Name {
        /// The name as given.
        name: String,
        /// The length it may have.
        max: usize,
    },
    /// Namespaces can be made by root only.
    #[error("LAB-NOT-ROOT: network namespaces need root; run it with sudo")]
    NotRoot,
    /// A program the lab starts is not installed.
    #[error("LAB-TOOL-MISSING: `{program}` is not installed; apt-get install {package}")]
    ToolMissing {
        /// The program.
        program: &'static str,
        /// The Debian package that holds it.
        package: &'static str,
    },
    /// The CNI plugin is not where it should be.
    #[error("LAB-PLUGIN-MISSING: there is no CNI plugin at {}; build it with `cargo build --bin kubeovn-cni`, or name it by --plugin", path.display())]
    PluginMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A program that sets something up said no.
    #[error("LAB-TOOL-FAILED: `{command}` ended with {status}: {stderr}")]
    Tool {
        /// The program with its arguments.
        command: String,
        /// How it ended.
        status: String,
        /// What it said.
        stderr: String,
    },
    /// Somebody runs a lab of this name.
    #[error(
        "LAB-RUNNING: lab `{name}` runs already ({state}); take another --name, or end it with `kubeovn-lab down --name {name}`"
    )]
    Running {
        /// The lab's name.
        name: String,
        /// Its state directory.
        state: PathBuf,
    },
    /// No lab of this name has left a trace.
    #[error(
        "LAB-UNKNOWN: there is no lab `{name}` ({state} does not exist); start one with `kubeovn-lab run FILE --name {name}`"
    )]
    Unknown {
        /// The lab's name.
        name: String,
        /// Where its state would be.
        state: PathBuf,
    },
    /// Something did not come about in time.
    #[error("LAB-TIMEOUT: {what} did not happen within {} s; see {log}", within.as_secs())]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
        /// Where to read on.
        log: PathBuf,
    },
    /// The node is not part of the running fabric.
    #[error("LAB-NODE-UNKNOWN: node `{node}` is not up; add a Node object of that name")]
    NodeUnknown {
        /// The node's name.
        node: String,
    },
    /// The underlay has an address for no further node.
    #[error(
        "LAB-NODES-FULL: {limit} nodes are up, which is as many as the underlay has addresses for; remove some"
    )]
    NodesFull {
        /// How many there may be.
        limit: usize,
    },
    /// Namespaces, links or addresses could not be changed.
    #[error("LAB-NETWORK: {doing}: {source}")]
    Network {
        /// What was being done, to what.
        doing: String,
        /// What the kernel said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file could not be read or written.
    #[error("LAB-IO: {doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manifests cannot be read at all.
    #[error("LAB-MANIFESTS: {0}")]
    Manifests(#[from] OpenError),
    /// Nothing could be planned.
    #[error(transparent)]
    Plan(#[from] Unreachable),
    /// A plan is about all manifests, and one cannot be read.
    #[error("LAB-PLAN-UNREADABLE: {found}; a plan needs all of the manifests, so mend that first")]
    PlanUnreadable {
        /// What is wrong, and where.
        found: String,
    },
    /// Cleaning up could not remove everything.
    #[error("LAB-LEFTOVERS: {}; remove them by hand, then run `kubeovn-lab down --name {name}` again", left.join("; "))]
    Leftovers {
        /// The lab's name.
        name: String,
        /// What is left, and why.
        left: Vec<String>,
    },
}

impl LabError {
    /// For `map_err` on file operations.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// For `map_err` on namespaces and links.
    pub(crate) fn network<E>(doing: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let doing = doing.into();
        move |source| Self::Network { doing, source: source.into() }
    }
}
