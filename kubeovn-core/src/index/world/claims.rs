//! Claims: what holds the addresses of a pod that is not there.
//!
//! A StatefulSet brings a pod back under its name and with another uid, so a member's addresses are held under the
//! identity of its set. Those of a virtual machine are held under one identity for all machines: which one it is, its name
//! tells. A record (an `IP` object) that a user made holds them under its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use super::{World, ip_name, ip_owner};
use crate::{
    annotations,
    index::objects::{Ip, Name, Pod, STATEFUL_SET, StatefulSet, VIRTUAL_MACHINE, Workload, member},
    rows::{OwnerKey, OwnerKind},
};

/// Label of a record that a user made before its pod, or wants to keep: `true`.
pub(crate) const RESERVED: &str = "ovn.kubernetes.io/ip_reserved";
/// Label with the subnet's name, on every record of ours.
pub(crate) const SUBNET: &str = "ovn.kubernetes.io/subnet";

impl World {
    /// A StatefulSet.
    pub fn stateful_set(&self, namespace: &str, name: &str) -> Option<&StatefulSet> {
        self.sets.get(namespace)?.get(name)
    }

    /// All StatefulSets, by namespace and name.
    pub fn stateful_sets(&self) -> impl Iterator<Item = &StatefulSet> {
        self.sets.values().flat_map(BTreeMap::values)
    }

    /// The StatefulSet of which the pod is a member, or would be by its name.
    pub(crate) fn set_of(&self, owner: &OwnerKey) -> Option<&StatefulSet> {
        let (namespace, pod) = owner.name.split_once('/').filter(|_| owner.kind == OwnerKind::Pod)?;
        self.stateful_set(namespace, member(pod)?.0)
    }

    /// The record that a user keeps for a pod, whether or not the pod is there.
    pub(crate) fn reservation(&self, owner: &OwnerKey) -> Option<&Ip> {
        if owner.kind != OwnerKind::Pod || self.reserved.is_empty() || !self.reserved.contains(owner) {
            return None;
        }
        self.ip(&ip_name(owner, "")).map(|ip| &**ip)
    }

    /// Identity under which a pod's addresses are held. Its own, that of what brings it back, or, when it is not
    /// there, of what keeps them for it.
    pub(super) fn holder(&self, owner: &OwnerKey) -> Option<Name> {
        if let Some(pod) = self.pod_of(owner) {
            return Some(identity(pod));
        }
        if let Some(record) = self.reservation(owner) {
            return Some(record.meta.uid.clone());
        }
        let recorded = |pod_type: &str| {
            let record = self.ip(&ip_name(owner, "")).filter(|ip| ip_owner(ip).as_ref() == Some(owner));
            record.is_some_and(|ip| *ip.spec.pod_type == *pod_type)
        };
        let set = self.set_of(owner).map(|set| set.meta.uid.clone());
        let is_machine = match &set {
            // A machine may be called like a member of a set.
            Some(_) => recorded(VIRTUAL_MACHINE),
            None => self.is_known_machine(owner) || recorded(VIRTUAL_MACHINE),
        };
        if is_machine { Some(VIRTUAL_MACHINE.into()) } else { set }
    }

    /// Are what it holds the addresses of a virtual machine?
    pub(crate) fn is_machine(&self, owner: &OwnerKey) -> bool {
        self.holder(owner).is_some_and(|holder| *holder == *VIRTUAL_MACHINE)
    }

    /// A record came or changed, or its pod went: is it one that stands for a pod that is not there?
    pub(super) fn note_record(&mut self, owner: &OwnerKey, record: &Ip) {
        let first = *record.meta.name == *ip_name(owner, "");
        if first && is_reserved(record) {
            self.reserved.insert(owner.clone());
        } else if first && self.reserved.remove(owner) {
            self.disclaim(owner);
        }
        let outlives = [STATEFUL_SET, VIRTUAL_MACHINE].contains(&&*record.spec.pod_type);
        let kept = (first && is_reserved(record)) || outlives;
        if kept && owner.kind == OwnerKind::Pod && self.pod_of(owner).is_none() {
            self.absent.insert(owner.clone());
            self.dirty.addresses.insert(owner.clone());
        }
    }

    /// With its record a user takes the claim away.
    pub(super) fn disclaim(&mut self, owner: &OwnerKey) {
        let is_idle = self.pod_of(owner).is_none_or(|pod| !pod.needs_network());
        if owner.kind == OwnerKind::Pod && is_idle {
            self.dirty.successors.insert(owner.clone());
            self.dirty.addresses.insert(owner.clone());
        }
    }

    /// Marks the members of a set, there or not, whose addresses depend on it.
    pub(super) fn mark_members(&mut self, namespace: &Name, set: &str, replaced: bool) {
        let is_member = |owner: &&OwnerKey| {
            owner.name.rsplit_once('/').and_then(|(_, pod)| member(pod)).is_some_and(|m| m.0 == set)
        };
        let from = OwnerKey::new(OwnerKind::Pod, format!("{namespace}/{set}-"));
        let prefix = from.name.clone();
        let gone: Vec<OwnerKey> = self
            .absent
            .range((Bound::Included(from), Bound::Unbounded))
            .take_while(|owner| owner.name.starts_with(&*prefix))
            .filter(is_member)
            .cloned()
            .collect();
        if replaced {
            self.dirty.successors.extend(gone.iter().cloned());
        }
        self.dirty.addresses.extend(gone);
        let Some(pods) = self.pods.get(namespace) else { return };
        let like_members =
            pods.keys().filter(|name| name.strip_prefix(set).is_some_and(|rest| rest.starts_with('-')));
        let members = like_members.map(|name| OwnerKey::pod(namespace, name));
        self.dirty.addresses.extend(members.filter(|owner| is_member(&owner)));
    }
}

/// Identity under which the addresses of a pod that is there are held.
fn identity(pod: &Pod) -> Name {
    match pod.workload.as_deref() {
        Some(Workload::StatefulSet { uid, .. }) => uid.clone(),
        Some(Workload::VirtualMachine { .. }) => VIRTUAL_MACHINE.into(),
        None => pod.meta.uid.clone(),
    }
}

/// Is it a user's? Those that a controller makes say so, or have at least the label of their subnet. One that is being
/// deleted keeps nothing, however long somebody's finalizer holds it.
pub(crate) fn is_reserved(record: &Ip) -> bool {
    let reserves = match record.meta.labels.get(RESERVED) {
        Some(value) => annotations::is_true(value),
        None => !record.meta.labels.contains_key(SUBNET),
    };
    reserves && !record.meta.deleting
}

/// Pods of which something may be held though they are not there.
pub(super) type Owners = BTreeSet<OwnerKey>;
