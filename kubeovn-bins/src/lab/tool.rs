//! Running the small programs that set a fabric up, and waiting for what they started.
//!
//! The lab stands where a distribution's start scripts stand on a real machine, so it uses the tools that those
//! use. The product itself talks OVSDB.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use kubeovn_node::netns::NetNs;
use nix::unistd::Uid;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::error::LabError;

/// Every program a lab starts, with the Debian package that has it.
const NEEDED: [(&str, &str); 10] = [
    ("ovsdb-server", "openvswitch-common"),
    ("ovsdb-tool", "openvswitch-common"),
    ("ovs-vswitchd", "openvswitch-switch"),
    ("ovs-vsctl", "openvswitch-switch"),
    ("ovs-appctl", "openvswitch-common"),
    ("ovn-nbctl", "ovn-common"),
    ("ovn-sbctl", "ovn-common"),
    ("ovn-northd", "ovn-central"),
    ("ovn-controller", "ovn-host"),
    ("nft", "nftables"),
];

/// Where the daemons are, which a user's `PATH` often leaves out.
const ALSO_IN: [&str; 2] = ["/usr/sbin", "/sbin"];

/// How often a condition is looked at while waiting for it.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Checks that this process may make namespaces and that all programs are there.
///
/// # Errors
/// [`LabError::NotRoot`], or [`LabError::ToolMissing`] for the first one that is not installed.
pub(crate) fn check_machine() -> Result<(), LabError> {
    if !Uid::effective().is_root() {
        return Err(LabError::NotRoot);
    }
    for (program, package) in NEEDED {
        find(program).ok_or(LabError::ToolMissing { program, package })?;
    }
    Ok(())
}

/// The path of an installed program.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(ALSO_IN.iter().map(PathBuf::from));
    dirs.map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// [`LabError::Tool`] with what it said, when it cannot be started or ends with anything but 0.
pub(crate) async fn run<A: AsRef<str>>(program: &str, args: &[A]) -> Result<String, LabError> {
    let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    let path = find(program).unwrap_or_else(|| PathBuf::from(program));
    let output = Command::new(path).args(&args).stdin(Stdio::null()).kill_on_drop(true).output().await;
    check(|| format!("{program} {}", args.join(" ")), output)
}

/// Runs a program inside a namespace: hands it `input`, waits for its end. Killed when nobody waits any more.
pub(crate) async fn run_in(netns: &NetNs, mut command: Command, input: &[u8]) -> io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let (netns, runtime) = (netns.clone(), Handle::current());
    let spawn = move || {
        let inside = || {
            let _runtime = runtime.enter();
            command.spawn()
        };
        netns.run(inside).map_err(io::Error::other)?
    };
    let mut child = tokio::task::spawn_blocking(spawn).await.map_err(io::Error::other)??;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input).await {
            // It may end without reading all; what it says then tells why.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    child.wait_with_output().await
}

/// What a program printed, if it ended well.
pub(crate) fn check(
    command: impl FnOnce() -> String,
    output: io::Result<Output>,
) -> Result<String, LabError> {
    let failed = |status: String, stderr: &str| LabError::Tool {
        command: command(),
        status,
        stderr: stderr.trim().to_owned(),
    };
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => Err(failed(output.status.to_string(), &String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(failed("no start".to_owned(), &error.to_string())),
    }
}

/// Waits until `look` returns something, at most `within`.
///
/// # Errors
/// [`LabError::Timeout`], naming `what` and where to read on.
pub(crate) async fn wait_for<T, F>(
    what: &str,
    within: Duration,
    log: &Path,
    mut look: impl FnMut() -> F,
) -> Result<T, LabError>
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + within;
    loop {
        if let Some(seen) = look().await {
            return Ok(seen);
        }
        if Instant::now() >= deadline {
            return Err(LabError::Timeout { what: what.to_owned(), within, log: log.to_owned() });
        }
        sleep(LOOK_AGAIN).await;
    }
}
