//! Manifests, and what applying them means.

use std::path::Path;

use kubeovn_core::{
    cluster::memory::MemoryCluster,
    index::objects::{Kind, Object, ObjectKey, Pod},
};

use crate::{
    cluster::folder::{FolderCluster, Severity},
    ctl::error::CtlError,
    run::controller::now,
};

/// What a file or folder holds.
#[derive(Debug)]
pub(super) struct Manifests {
    /// The objects, in the order of files and lines.
    pub(super) objects: Vec<Object>,
    /// What of them has no effect.
    pub(super) notes: Vec<String>,
}

/// Reads a file, or all of a folder.
///
/// # Errors
/// When any of it can't be read: the file, the line and what is wrong there.
pub(super) fn read(path: &Path) -> Result<Manifests, CtlError> {
    let folder = FolderCluster::open(path)?;
    let findings = folder.findings().borrow().clone();
    if let Some(found) = findings.rejected.iter().find(|found| found.severity == Severity::Error) {
        return Err(CtlError::PlanManifest { found: found.to_string() });
    }
    let kinds = Kind::ALL.iter().flat_map(|kind| folder.cluster().objects(*kind));
    // Only what the files hold: a folder has nothing else.
    let mut objects: Vec<Object> = kinds.collect();
    objects.sort_by_key(|object| findings.places.get(&object.key()).cloned());
    if objects.is_empty() {
        return Err(CtlError::PlanEmpty { path: path.to_owned() });
    }
    Ok(Manifests { objects, notes: findings.rejected.iter().map(ToString::to_string).collect() })
}

/// What `kubectl apply` would refuse, because its namespace is not there.
pub(super) fn homeless(objects: &[Object], cluster: &MemoryCluster) -> Vec<String> {
    let there = |namespace: &str| {
        let key = ObjectKey::cluster(Kind::Namespace, namespace);
        cluster.get(&key).is_some() || objects.iter().any(|object| object.key() == key)
    };
    let lost = objects.iter().map(Object::key).filter(|key| key.kind.namespaced() && !there(&key.namespace));
    lost.map(|key| {
        format!(
            "{key}: there is no namespace {}; an API server would refuse it until there is",
            key.namespace
        )
    })
    .collect()
}

/// Applies them to the copies. What is new is the youngest of all, in the order of files and lines.
///
/// # Errors
/// When one of them is being deleted.
pub(super) fn apply(objects: Vec<Object>, cluster: &MemoryCluster) -> Result<(), CtlError> {
    let now = now();
    for (place, mut object) in (0..).zip(objects) {
        let key = object.key();
        let there = cluster.get(&key);
        let meta = object.meta_mut();
        // Those that the folder made up.
        meta.uid = "".into();
        meta.revision = "".into();
        meta.created = there.as_ref().map_or(now + place, |there| there.meta().created);
        if let (Object::Pod(new), Some(Object::Pod(old))) = (&mut object, there) {
            keep(new, &old);
        }
        let refused = |error: kubeovn_core::contract::cluster::ClusterError| CtlError::PlanRefused {
            object: key.to_string(),
            reason: error.to_string(),
        };
        cluster.apply(object).map_err(refused)?;
    }
    Ok(())
}

/// What a pod's manifest does not say and the cluster has written: it stays.
fn keep(new: &mut Pod, old: &Pod) {
    new.node = new.node.take().or_else(|| old.node.clone());
    new.workload = new.workload.take().or_else(|| old.workload.clone());
    new.finished |= old.finished;
}
