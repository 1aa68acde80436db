//! Namespaces in which everything of a cluster lives, and which the kernel ends, with all that is in them, when the
//! process that made them ends, however it does.
//!
//! Container shims leave their parents, kubelets and containerds mount, everybody makes links: nobody has to remember
//! any of it. What a cluster makes outside is cgroups alone; see [`Janitor`].

use std::{
    env, fs,
    io::{PipeWriter, pipe},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Set inside.
const INSIDE: &str = "KUBEOVN_E2E_INSIDE";

/// Where those inside keep what goes with them, in memory.
pub(crate) const RUN: &str = "/run/e2e";

/// The first process of the namespace: prepares it, waits for the program, and for everybody whose parent has gone.
///
/// Kubelets set what their machine does when the kernel has no memory left or panics. That is not theirs here, so they
/// write to copies.
const FIRST: &str = r#"
set -eu
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p "$RUN" /run/lock /run/netns
for setting in vm/overcommit_memory kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes
do
  [ -e "/proc/sys/$setting" ] || continue
  copy="$RUN/sysctl.$(echo "$setting" | tr / .)"
  cat "/proc/sys/$setting" > "$copy"
  mount --bind "$copy" "/proc/sys/$setting"
done
ip link set lo up
"$@" &
wait $! || exit $?
"#;

/// Whether this process is inside.
pub(crate) fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Starts this program again inside, with the same arguments. It ends with this process.
///
/// The process that comes back is outside; the first one inside is its only child.
pub(crate) fn enter() -> Child {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", "unshare", "--mount", "--net", "--pid", "--uts", "--ipc"])
        .args(["--propagation", "private", "--fork", "--kill-child", "--mount-proc", "--"])
        .args(["sh", "-c", FIRST, "sh"])
        .arg(env::current_exe().unwrap())
        .args(env::args_os().skip(1))
        .env(INSIDE, "1")
        .env("RUN", RUN)
        .envs([crate::cgroup::variable(std::process::id())])
        .env("TMPDIR", RUN)
        .env("PATH", format!("{}:{}", env::var("PATH").unwrap_or_default(), crate::programs::SEARCHED))
        .stdin(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("setpriv: {error}"))
}

/// The only child of a process: of what [`enter`] returns the first process inside, as the machine numbers it.
pub(crate) fn child_of(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    // others that it has came later, or earlier and were no jail
    children.split_whitespace().filter_map(|child| child.parse().ok()).find(|child| is_of_jail(*child))
}

/// Whether it is one of those that lead into the jail, or the first one in it.
fn is_of_jail(process: u32) -> bool {
    let text = fs::read_to_string(format!("/proc/{process}/environ")).unwrap_or_default();
    text.split('\0').any(|variable| variable.starts_with(INSIDE))
}

/// A process that removes cgroups as soon as this one lets go of it or ends. Nobody else could after a SIGKILL.
pub(crate) struct Janitor {
    process: Child,
    hold: Option<PipeWriter>,
}

impl Janitor {
    /// Hires one for the cgroup of this name, wherever cgroups are.
    pub(crate) fn new(cgroup: &str) -> Self {
        // Processes that were killed may take a moment to leave.
        let duties = r#"
            cat > /dev/null
            for again in $(seq 150); do
              left=$(find /sys/fs/cgroup -maxdepth 2 -type d -name "$1")
              [ -n "$left" ] || exit 0
              find $left -depth -type d -exec rmdir {} + 2> /dev/null
              sleep 0.1
            done
            echo "left behind: $left" >&2
            exit 1"#;
        let (read, hold) = pipe().unwrap();
        let mut command = Command::new("sh");
        // Ctrl-C is meant for others.
        command.args(["-c", duties, "sh", cgroup]).stdin(read).process_group(0);
        let process = command.spawn().unwrap_or_else(|error| panic!("sh: {error}"));
        Self { process, hold: Some(hold) }
    }

    /// Lets it work and waits. Whether nothing is left.
    pub(crate) fn finish(mut self) -> bool {
        self.hold = None;
        self.process.wait().is_ok_and(|status| status.success())
    }
}

/// Writes a program to look around inside: `enter` alone for a shell, `enter n1` for one on a node, or with a command.
pub(crate) fn write_door(path: &Path, first: u32, kubeconfig: &Path, tools: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let text = format!(
        r#"#!/bin/sh
# enter [NODE] [COMMAND...]: a shell or a command inside the cluster that runs, beside its API server or on a node
set -eu
node="${{1:-}}"
at=1
[ -n "$node" ] && file="/proc/{first}/root{RUN}/nodes/$node/process" && [ -e "$file" ] && {{ at=$(cat "$file"); shift; }}
[ $# -gt 0 ] || set -- bash
export KUBECONFIG={kubeconfig} PATH="{tools}:$PATH"
exec nsenter --target {first} --mount --net --pid --uts --ipc -- \
  nsenter --target "$at" --mount --net --uts -- "$@"
"#,
        kubeconfig = kubeconfig.display(),
        tools = tools.display(),
    );
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
