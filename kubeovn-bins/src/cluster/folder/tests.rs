//! Manifests in, objects and complaints out.

mod reading;
mod watching;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::{FutureExt, StreamExt};
use kubeovn_core::contract::cluster::{Cluster, Event};
use kubeovn_core::index::objects::{Kind, Subnet};

use super::*;

/// A folder that goes with the test, also one that fails.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kubeovn-folder-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let dir = Self::new();
        for (name, text) in files {
            dir.write(name, text);
        }
        dir
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.0.join(name)).unwrap();
    }

    fn open(&self) -> FolderCluster {
        FolderCluster::open(&self.0).unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Looks until nothing more is taken up.
fn settle(folder: &FolderCluster) {
    folder.look();
    folder.look();
    assert!(!folder.look());
}

fn subnet_yaml(name: &str, cidr: &str) -> String {
    format!(
        "apiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata:\n  name: {name}\nspec:\n  cidrBlock: {cidr}\n---\n"
    )
}

fn subnet(folder: &FolderCluster, name: &str) -> Option<Subnet> {
    match folder.cluster().get(&ObjectKey::cluster(Kind::Subnet, name))? {
        Object::Subnet(subnet) => Some(subnet),
        other => panic!("{other:?}"),
    }
}

fn cidr(folder: &FolderCluster, name: &str) -> Option<String> {
    Some(subnet(folder, name)?.spec.cidr_block)
}

/// Kind and name of everything in the cluster.
fn objects(folder: &FolderCluster) -> Vec<String> {
    let kinds = Kind::ALL.iter();
    kinds.flat_map(|kind| folder.cluster().objects(*kind)).map(|object| object.key().to_string()).collect()
}

/// The complaints in short: `file:line CODE`.
fn complaints(folder: &FolderCluster) -> Vec<String> {
    let findings = folder.findings().borrow().clone();
    let short = |rejected: &Rejected| format!("{}:{} {}", rejected.file, rejected.line, rejected.code);
    findings.rejected.iter().map(short).collect()
}

/// The one complaint, as people read it.
fn complaint(folder: &FolderCluster) -> String {
    let findings = folder.findings().borrow().clone();
    let [one] = findings.rejected.as_slice() else { panic!("{:#?}", findings.rejected) };
    one.to_string()
}

/// Whether a new watcher is told that it has seen all subnets.
fn listed(folder: &FolderCluster) -> bool {
    let mut events = folder.cluster().watch(&[Kind::Subnet]);
    std::iter::from_fn(|| events.next().now_or_never().flatten())
        .any(|event| event == Event::Listed(Kind::Subnet))
}
