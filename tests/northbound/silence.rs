//! Settled means silent, and so does starting again.

use std::{collections::BTreeSet, sync::Arc};

use kubeovn_core::{cluster::memory::MemoryCluster, index::objects::Kind};

use crate::{
    objects::{pod, tenants},
    rig::Rig,
    seen::difference,
    settled::cluster_of,
};

/// The controller that was started last is awake, and has looked at everything: it does this one thing, and no other.
pub(crate) fn does_one_thing(rig: &Rig) {
    let (before, mark) = (rig.rows(), rig.now());
    // Where pods of the subnet are already, so that all that leads out is there.
    rig.apply(pod("web", "canary", "n1", &[]));
    rig.settle();
    assert_eq!(rig.sent_since(mark), 1, "a pod is one transaction");
    let changes = difference(&before, &rig.rows());
    let rows: BTreeSet<&str> = changes.lines().filter(|line| !line.starts_with(' ')).collect();
    let expected = [
        "+ Logical_Switch_Port/canary.web",
        "~ Logical_Switch/web",
        "~ Port_Group/node-n1",
        "~ Port_Group/web/n1",
    ];
    assert_eq!(rows, expected.into(), "{changes}");
}

#[test]
fn a_settled_controller_writes_nothing() {
    let rig = Rig::settled(tenants());
    let mark = rig.now();
    rig.stays_silent_since(mark);
    does_one_thing(&rig);
}

#[test]
fn a_restart_on_the_same_objects_writes_nothing() {
    let mut rig = Rig::settled(tenants());
    let mark = rig.now();
    let cluster = rig.cluster.clone();
    let written = revisions(&cluster);
    rig.restart_on(cluster);
    rig.stays_silent_since(mark);
    assert_eq!(revisions(&rig.cluster), written, "objects were written though nothing was due");
    does_one_thing(&rig);
}

/// A folder of manifests keeps nothing of what pods were told: their ports do.
#[test]
fn a_restart_on_manifests_alone_renumbers_nothing() {
    // of two pods that ask for nothing the one with the lower name comes first after a restart
    let mut rig = Rig::settled(tenants());
    rig.apply(pod("web", "a-late-one", "n1", &[]));
    rig.settle();
    let (mark, told) = (rig.now(), rig.addresses());
    let manifests = tenants().into_iter().chain([pod("web", "a-late-one", "n1", &[])]);
    rig.restart_on(cluster_of(manifests));
    rig.settle();
    assert_eq!(rig.addresses(), told);
    rig.stays_silent_since(mark);
    does_one_thing(&rig);
}

/// Every object with its revision.
fn revisions(cluster: &Arc<MemoryCluster>) -> Vec<(String, String)> {
    let all = Kind::ALL.iter().flat_map(|kind| cluster.objects(*kind));
    all.map(|object| (object.key().to_string(), object.meta().revision.to_string())).collect()
}
