//! Programs that change the packet filter, run inside the host's network namespace.

use std::io;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::netns::{NetNs, NetNsError};

/// How long a program may take. They wait for each other's locks, so not less than that.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most of what a program says that an error repeats.
const QUOTED: usize = 400;
/// What is said to somebody who lacks a capability; the last by iptables, which asks for sets by a raw socket.
const DENIED: [&str; 3] = ["Operation not permitted", "Permission denied", "Can't open socket to ipset"];

/// A program did not do what it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// It is not installed.
    #[error("{program} is not installed on the host. Install it, or choose the other writer")]
    Missing {
        /// The program.
        program: String,
    },
    /// It could not be started or talked to.
    #[error("cannot run {program}: {source}")]
    Io {
        /// The program.
        program: String,
        /// What the system answered.
        source: io::Error,
    },
    /// The namespace can't be entered.
    #[error("cannot run {program}: {source}")]
    Namespace {
        /// The program.
        program: String,
        /// What the kernel answered.
        source: NetNsError,
    },
    /// It ended with an error.
    #[error("{program} refused: {said}. Nothing of this step was changed; it is tried again")]
    Refused {
        /// The program with its arguments.
        program: String,
        /// What it said.
        said: String,
        /// Its exit code; none if it was killed.
        code: Option<i32>,
    },
    /// It did not end.
    #[error("{program} did not end within {seconds} s and was stopped. See who holds /run/xtables.lock")]
    Slow {
        /// The program.
        program: String,
        /// How long it had.
        seconds: u64,
    },
}

impl ToolError {
    /// Is there nothing that it could show? The program is not installed, or the kernel lacks what it is for. Who may not
    /// look knows nothing about that.
    pub(super) fn is_nothing_there(&self) -> bool {
        match self {
            ToolError::Missing { .. } => true,
            ToolError::Refused { said, code: Some(_), .. } => {
                !DENIED.iter().any(|words| said.contains(words))
            }
            _ => false,
        }
    }
}

/// A program in a namespace.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    ns: NetNs,
    program: PathBuf,
}

impl Tool {
    pub(super) fn new(ns: &NetNs, program: impl Into<PathBuf>) -> Self {
        Tool { ns: ns.clone(), program: program.into() }
    }

    /// The namespace.
    pub(super) fn ns(&self) -> &NetNs {
        &self.ns
    }

    /// Runs it to its end with `input` on its standard input; its standard output. It is killed when the caller is.
    pub(super) async fn run(&self, arguments: &[&str], input: &str) -> Result<String, ToolError> {
        let name = || self.program.display().to_string();
        let output = match timeout(PATIENCE, self.output(arguments, input)).await {
            Ok(output) => output?,
            Err(_) => return Err(ToolError::Slow { program: name(), seconds: PATIENCE.as_secs() }),
        };
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let words: Vec<&str> = said.split_whitespace().collect();
        let mut said: String = words.join(" ").chars().take(QUOTED).collect();
        if said.is_empty() {
            said = output.status.to_string();
        }
        Err(ToolError::Refused {
            program: format!("{} {}", name(), arguments.join(" ")),
            said,
            code: output.status.code(),
        })
    }

    async fn output(&self, arguments: &[&str], input: &str) -> Result<Output, ToolError> {
        let program = || self.program.display().to_string();
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => ToolError::Missing { program: program() },
            _ => ToolError::Io { program: program(), source },
        };
        let runtime = Handle::current();
        let spawn = || {
            let _inside = runtime.enter();
            Command::new(&self.program)
                .args(arguments)
                .env("LC_ALL", "C")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
        };
        let spawned =
            self.ns.run(spawn).map_err(|source| ToolError::Namespace { program: program(), source })?;
        let mut child = spawned.map_err(failed)?;
        let mut stdin = child.stdin.take();
        let feed = async {
            if let Some(stdin) = &mut stdin {
                // A program that refuses early does not read to the end; its own words say more.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
            drop(stdin.take());
        };
        let (output, ()) = tokio::join!(child.wait_with_output(), feed);
        output.map_err(failed)
    }
}
