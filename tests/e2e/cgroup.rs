//! The one thing of a cluster that is not in namespaces: cgroups, below one of a name of its own.
//!
//! With cgroup v1 there is a tree per controller, with v2 one for all.

use std::{
    collections::BTreeSet,
    env, fs, io,
    path::{Path, PathBuf},
};

const ROOT: &str = "/sys/fs/cgroup";

/// Tells those inside which it is.
const VARIABLE: &str = "KUBEOVN_E2E_CGROUP";

/// The name of the cgroup of the cluster that this process watches.
pub(crate) fn name_of(outside: u32) -> String {
    format!("kubeovn-e2e-{outside}")
}

/// The name of the cgroup of the cluster inside which this is.
pub(crate) fn name() -> String {
    env::var(VARIABLE).expect("a cluster's cgroup")
}

/// What a process must be told to know its name.
pub(crate) fn variable(outside: u32) -> (&'static str, String) {
    (VARIABLE, name_of(outside))
}

/// The trees that there are.
fn trees() -> Vec<PathBuf> {
    if Path::new(ROOT).join("cgroup.controllers").exists() {
        return vec![ROOT.into()];
    }
    fs::read_dir(ROOT).unwrap().flatten().map(|tree| tree.path()).filter(|tree| tree.is_dir()).collect()
}

/// All processes in containers of a node.
pub(crate) fn processes(node: &str) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut below: Vec<PathBuf> = trees().iter().map(|tree| tree.join(name()).join(node)).collect();
    while let Some(cgroup) = below.pop() {
        // it may go while it is looked at
        let text = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
        found.extend(text.lines().filter_map(|process| process.parse::<i32>().ok()));
        below.extend(
            fs::read_dir(cgroup)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.is_dir()),
        );
    }
    found
}

/// Removes those of a node, in which nobody is any more.
pub(crate) fn clear(node: &str) {
    for tree in trees() {
        let _ = remove(&tree.join(name()).join(node));
    }
}

/// Deepest first: one with others in it can't be removed.
fn remove(cgroup: &Path) -> io::Result<()> {
    for entry in fs::read_dir(cgroup)?.flatten().filter(|entry| entry.path().is_dir()) {
        remove(&entry.path())?;
    }
    fs::remove_dir(cgroup)
}

/// Makes a cgroup for a node, into which its kubelet puts everything. A path as kubelets write it.
pub(crate) fn make(node: &str) -> String {
    let (cluster, unified) = (name(), Path::new(ROOT).join("cgroup.controllers").exists());
    for tree in trees() {
        let mut at = tree;
        for part in [&*cluster, node] {
            let below = at.join(part);
            fs::create_dir_all(&below).unwrap_or_else(|error| panic!("{}: {error}", below.display()));
            if unified {
                hand_down(&at);
            }
            inherit(&at, &below);
            at = below;
        }
    }
    format!("/{cluster}/{node}")
}

/// Of v2: a cgroup has those controllers that the one above hands down. Some may be for nobody, which is its kubelet's
/// to say.
fn hand_down(above: &Path) {
    for controller in ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"] {
        let _ = fs::write(above.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// Of v1: a cgroup has no processors and no memory before it was given some.
fn inherit(above: &Path, below: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let (from, to) = (above.join(file), below.join(file));
        let empty = fs::read_to_string(&to).is_ok_and(|text| text.trim().is_empty());
        if let (true, Ok(text)) = (empty, fs::read_to_string(&from)) {
            let _ = fs::write(to, text);
        }
    }
}
