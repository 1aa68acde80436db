//! The facts and their reverse indexes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    Dirty, Settings,
    objects::{Ip, Kind, Name, Namespace, Node, Object, ObjectKey, Pod, Subnet, Vpc},
};
use crate::{
    annotations::nic,
    contract::ipam::{Grant, Usage},
    decide::SubnetPlan,
    error::Problem,
    rows::{OwnerKey, OwnerKind},
};

/// What was decided about a subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What it is, with all defaults filled in; `None` when it can't be used as it stands.
    pub plan: Option<Arc<SubnetPlan>>,
    /// Why not, or what of it is not acted upon.
    pub problems: Vec<Problem>,
}

/// All facts: the objects of the cluster, what was decided from them alone, and the addresses granted.
#[derive(Debug, Default)]
pub struct World {
    settings: Settings,
    namespaces: BTreeMap<Name, Arc<Namespace>>,
    nodes: BTreeMap<Name, Arc<Node>>,
    vpcs: BTreeMap<Name, Arc<Vpc>>,
    subnets: BTreeMap<Name, Arc<Subnet>>,
    ips: BTreeMap<Name, Arc<Ip>>,
    pods: BTreeMap<Name, BTreeMap<Name, Arc<Pod>>>,
    by_vpc: BTreeMap<Name, BTreeSet<Name>>,
    decisions: BTreeMap<Name, Decision>,
    grants: HashMap<OwnerKey, Vec<Grant>>,
    holders: BTreeMap<Name, BTreeSet<OwnerKey>>,
    refusals: BTreeMap<OwnerKey, Problem>,
    usage: BTreeMap<Name, Usage>,
    /// What must be looked at again.
    pub dirty: Dirty,
}

impl World {
    /// An empty world.
    pub fn new(settings: Settings) -> Self {
        World { settings, ..World::default() }
    }

    /// What this installation chose.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A namespace.
    pub fn namespace(&self, name: &str) -> Option<&Arc<Namespace>> {
        self.namespaces.get(name)
    }

    /// All namespaces, by name.
    pub fn namespaces(&self) -> impl Iterator<Item = &Arc<Namespace>> {
        self.namespaces.values()
    }

    /// A node.
    pub fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.get(name)
    }

    /// All nodes, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    /// A VPC.
    pub fn vpc(&self, name: &str) -> Option<&Arc<Vpc>> {
        self.vpcs.get(name)
    }

    /// All VPCs, by name.
    pub fn vpcs(&self) -> impl Iterator<Item = &Arc<Vpc>> {
        self.vpcs.values()
    }

    /// A subnet.
    pub fn subnet(&self, name: &str) -> Option<&Arc<Subnet>> {
        self.subnets.get(name)
    }

    /// All subnets, by name.
    pub fn subnets(&self) -> impl Iterator<Item = &Arc<Subnet>> {
        self.subnets.values()
    }

    /// The subnets that name this VPC, by name.
    pub fn subnets_of(&self, vpc: &str) -> impl Iterator<Item = &Arc<Subnet>> {
        self.by_vpc.get(vpc).into_iter().flatten().filter_map(|name| self.subnets.get(name))
    }

    /// An address record.
    pub fn ip(&self, name: &str) -> Option<&Arc<Ip>> {
        self.ips.get(name)
    }

    /// All address records, by name.
    pub fn ips(&self) -> impl Iterator<Item = &Arc<Ip>> {
        self.ips.values()
    }

    /// A pod.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<Pod>> {
        self.pods.get(namespace)?.get(name)
    }

    /// The pod of an owner key.
    pub fn pod_of(&self, owner: &OwnerKey) -> Option<&Arc<Pod>> {
        let (namespace, name) = owner.name.split_once('/').filter(|_| owner.kind == OwnerKind::Pod)?;
        self.pod(namespace, name)
    }

    /// All pods, by namespace and name.
    pub fn pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.values().flat_map(BTreeMap::values)
    }

    /// What was decided about a subnet.
    pub fn decision(&self, subnet: &str) -> Option<&Decision> {
        self.decisions.get(subnet)
    }

    /// A subnet as it is in effect.
    pub fn plan(&self, subnet: &str) -> Option<&Arc<SubnetPlan>> {
        self.decisions.get(subnet)?.plan.as_ref()
    }

    /// The subnets in effect of a VPC, by name.
    pub fn plans_of(&self, vpc: &str) -> impl Iterator<Item = &Arc<SubnetPlan>> {
        self.by_vpc.get(vpc).into_iter().flatten().filter_map(|name| self.plan(name))
    }

    /// What an owner was granted.
    pub fn grants(&self, owner: &OwnerKey) -> &[Grant] {
        self.grants.get(owner).map_or(&[], Vec::as_slice)
    }

    /// Why an owner did not get what it wants.
    pub fn refusal(&self, owner: &OwnerKey) -> Option<&Problem> {
        self.refusals.get(owner)
    }

    /// Numbers of a subnet.
    pub fn usage(&self, subnet: &str) -> Option<&Usage> {
        self.usage.get(subnet)
    }

    /// Every owner that there is an object for.
    pub fn owners(&self) -> Vec<OwnerKey> {
        let vpcs = self.vpcs.keys().map(|n| OwnerKey::new(OwnerKind::Vpc, n.clone()));
        let subnets = self.subnets.keys().map(|n| OwnerKey::new(OwnerKind::Subnet, n.clone()));
        let nodes = self.nodes.keys().map(|n| OwnerKey::new(OwnerKind::Node, n.clone()));
        let pods = self.pods().map(|p| OwnerKey::pod(&p.meta.namespace, &p.meta.name));
        vpcs.chain(subnets).chain(nodes).chain(pods).collect()
    }

    /// An object is there, new or changed.
    pub fn apply(&mut self, object: Object) {
        self.dirty.status.insert(object.key());
        match object {
            Object::Namespace(new) => {
                let name = new.meta.name.clone();
                let old = self.namespaces.insert(name.clone(), Arc::new(new));
                let labels = |n: &Arc<Namespace>| n.meta.labels.clone();
                if old.as_ref().map(labels) != self.namespaces.get(&name).map(labels) {
                    self.mark_pods(&name);
                }
            }
            Object::Node(new) => {
                let owner = OwnerKey::new(OwnerKind::Node, new.meta.name.clone());
                let old = self.nodes.insert(new.meta.name.clone(), Arc::new(new.clone()));
                self.dirty.addresses.insert(owner.clone());
                if old.is_none_or(|old| old.internal != new.internal) {
                    self.dirty.rows.insert(owner);
                    // No subnet of the default VPC may contain a node's address.
                    self.dirty.vpcs.insert(self.settings.vpc.clone());
                }
            }
            Object::Vpc(new) => {
                let name = new.meta.name.clone();
                let old = self.vpcs.insert(name.clone(), Arc::new(new.clone()));
                if old.is_none_or(|old| old.spec != new.spec || old.meta.deleting != new.meta.deleting) {
                    self.mark_vpc(&name);
                }
            }
            Object::Subnet(new) => self.apply_subnet(new),
            Object::Ip(new) => {
                let owner = ip_owner(&new);
                self.ips.insert(new.meta.name.clone(), Arc::new(new));
                self.dirty.status.extend(owner.as_ref().and_then(object_key));
            }
            Object::Pod(new) => self.apply_pod(new),
        }
    }

    fn apply_subnet(&mut self, new: Subnet) {
        let name = new.meta.name.clone();
        let old = self.subnets.insert(name.clone(), Arc::new(new.clone()));
        let same = |old: &Subnet| {
            old.spec == new.spec
                && old.meta.deleting == new.meta.deleting
                && old.meta.created == new.meta.created
        };
        if old.as_deref().is_some_and(same) {
            return;
        }
        let vpc = self.vpc_name(&new);
        if let Some(before) = old.map(|old| self.vpc_name(&old)).filter(|before| *before != vpc) {
            self.leave_vpc(&before, &name);
        }
        self.by_vpc.entry(vpc.clone()).or_default().insert(name);
        self.mark_vpc(&vpc);
    }

    fn apply_pod(&mut self, new: Pod) {
        let owner = OwnerKey::pod(&new.meta.namespace, &new.meta.name);
        let old = self.pods.entry(new.meta.namespace.clone()).or_default();
        let old = old.insert(new.meta.name.clone(), Arc::new(new.clone()));
        // Marking addresses is cheap: who holds what it wants is neither changed nor rendered.
        self.dirty.addresses.insert(owner.clone());
        let port = |p: &Pod| {
            (
                p.meta.uid.clone(),
                p.needs_network(),
                p.meta.annotation(nic::PORT_SECURITY.ovn()) == Some("true"),
            )
        };
        if old.is_none_or(|old| port(&old) != port(&new)) {
            self.dirty.rows.insert(owner);
        }
    }

    /// An object is gone. One with another uid than the one we know is a predecessor that we have forgotten already.
    pub fn remove(&mut self, key: &ObjectKey, uid: &str) {
        if self.uid_of(key).is_some_and(|known| !uid.is_empty() && **known != *uid) {
            return;
        }
        self.dirty.status.insert(key.clone());
        let name = &key.name;
        match key.kind {
            Kind::Namespace => {
                self.namespaces.remove(name);
                self.mark_pods(name);
            }
            Kind::Node => {
                self.nodes.remove(name);
            }
            Kind::Vpc => {
                self.vpcs.remove(name);
                self.mark_vpc(name);
            }
            Kind::Subnet => {
                if let Some(old) = self.subnets.remove(name) {
                    self.decisions.remove(name);
                    let vpc = self.vpc_name(&old);
                    self.leave_vpc(&vpc, name);
                }
            }
            Kind::Ip => {
                let owner = self.ips.remove(name).and_then(|ip| ip_owner(&ip));
                self.dirty.status.extend(owner.as_ref().and_then(object_key));
            }
            Kind::Pod => {
                if let Some(pods) = self.pods.get_mut(&key.namespace) {
                    pods.remove(name);
                    if pods.is_empty() {
                        self.pods.remove(&key.namespace);
                    }
                }
            }
        }
        if let Some(owner) = owner_key(key) {
            self.dirty.addresses.insert(owner.clone());
            self.dirty.rows.insert(owner);
        }
    }

    /// Identity of an object, `None` when it is not there.
    pub fn uid_of(&self, key: &ObjectKey) -> Option<&Name> {
        Some(match key.kind {
            Kind::Namespace => &self.namespaces.get(&key.name)?.meta.uid,
            Kind::Node => &self.nodes.get(&key.name)?.meta.uid,
            Kind::Vpc => &self.vpcs.get(&key.name)?.meta.uid,
            Kind::Subnet => &self.subnets.get(&key.name)?.meta.uid,
            Kind::Ip => &self.ips.get(&key.name)?.meta.uid,
            Kind::Pod => &self.pod(&key.namespace, &key.name)?.meta.uid,
        })
    }

    /// Identity of the object behind an owner, `None` when there is none.
    pub fn uid(&self, owner: &OwnerKey) -> Option<Name> {
        object_key(owner).and_then(|key| self.uid_of(&key).cloned())
    }

    /// Creation time of the object behind an owner; of what is gone, before everything: it only gives back.
    pub(crate) fn created(&self, owner: &OwnerKey) -> u64 {
        match owner.kind {
            OwnerKind::Node => self.nodes.get(&owner.name).map(|n| n.meta.created),
            _ => self.pod_of(owner).map(|p| p.meta.created),
        }
        .unwrap_or(0)
    }

    /// The VPC that a subnet names, or the default one.
    pub fn vpc_name(&self, subnet: &Subnet) -> Name {
        let vpc = subnet.spec.vpc.trim();
        if vpc.is_empty() { self.settings.vpc.clone() } else { vpc.into() }
    }

    fn leave_vpc(&mut self, vpc: &Name, subnet: &Name) {
        if let Some(subnets) = self.by_vpc.get_mut(vpc) {
            subnets.remove(subnet);
            if subnets.is_empty() {
                self.by_vpc.remove(vpc);
            }
        }
        self.mark_vpc(vpc);
    }

    fn mark_vpc(&mut self, vpc: &Name) {
        self.mark_bindings();
        self.dirty.vpcs.insert(vpc.clone());
        self.dirty.rows.insert(OwnerKey::new(OwnerKind::Vpc, vpc.clone()));
        self.dirty.status.insert(ObjectKey::cluster(Kind::Vpc, vpc.clone()));
    }

    /// What namespaces offer may have changed: it is told to them, and who was refused may get something now.
    fn mark_bindings(&mut self) {
        self.dirty.addresses.extend(self.refusals.keys().cloned());
        let namespaces = self.namespaces.keys().map(|n| ObjectKey::cluster(Kind::Namespace, n.clone()));
        self.dirty.status.extend(namespaces);
    }

    fn mark_pods(&mut self, namespace: &Name) {
        let pods = self.pods.get(namespace).into_iter().flat_map(BTreeMap::keys);
        self.dirty.addresses.extend(pods.map(|pod| OwnerKey::pod(namespace, pod)));
    }

    /// Enters what was decided about a subnet, and marks what depends on it if it is news.
    pub fn decide(&mut self, subnet: &Name, decision: Decision) {
        if self.decisions.get(subnet) == Some(&decision) {
            return;
        }
        self.decisions.insert(subnet.clone(), decision);
        self.dirty.rows.insert(OwnerKey::new(OwnerKind::Subnet, subnet.clone()));
        self.dirty.status.insert(ObjectKey::cluster(Kind::Subnet, subnet.clone()));
        // What holders are told of the subnet.
        let holders = self.holders.get(subnet).into_iter().flatten();
        self.dirty.status.extend(holders.filter_map(object_key));
        if *subnet == self.settings.join {
            let nodes = self.nodes.keys().map(|n| OwnerKey::new(OwnerKind::Node, n.clone()));
            self.dirty.addresses.extend(nodes.clone());
            self.dirty.rows.extend(nodes);
            // Private subnets let nodes in.
            let subnets: Vec<_> =
                self.by_vpc.get(&self.settings.vpc).into_iter().flatten().cloned().collect();
            self.dirty.rows.extend(subnets.into_iter().map(|name| OwnerKey::new(OwnerKind::Subnet, name)));
        }
        self.mark_bindings();
    }

    /// Enters what an owner holds now, and why it did not get more.
    pub fn grant(&mut self, owner: &OwnerKey, grants: Vec<Grant>, refusal: Option<Problem>) {
        let key = object_key(owner);
        if self.grants(owner) != grants {
            // An object that goes has a record left to remove.
            let records =
                self.grants(owner).iter().map(|g| ObjectKey::cluster(Kind::Ip, ip_name(owner, &g.nic)));
            let records: Vec<ObjectKey> = records.collect();
            self.dirty.status.extend(records);
            for old in self.grants.get(owner).into_iter().flatten() {
                if let Some(holders) = self.holders.get_mut(&old.subnet) {
                    holders.remove(owner);
                    if holders.is_empty() {
                        self.holders.remove(&old.subnet);
                    }
                }
            }
            for new in &grants {
                self.holders.entry(new.subnet.clone()).or_default().insert(owner.clone());
            }
            if grants.is_empty() {
                self.grants.remove(owner);
            } else {
                self.grants.insert(owner.clone(), grants);
            }
            self.dirty.rows.insert(owner.clone());
            self.dirty.status.extend(key.clone());
        }
        if self.refusals.get(owner) != refusal.as_ref() {
            match refusal {
                Some(problem) => self.refusals.insert(owner.clone(), problem),
                None => self.refusals.remove(owner),
            };
            self.dirty.rows.insert(owner.clone());
            self.dirty.status.extend(key);
        }
    }

    /// Enters a subnet's numbers.
    pub fn count(&mut self, subnet: &Name, usage: Option<Usage>) {
        let same = self.usage.get(subnet) == usage.as_ref();
        let held = |usage: Option<&Usage>| usage.is_some_and(|u| u.owners > 0);
        if held(self.usage.get(subnet)) != held(usage.as_ref()) {
            // A switch whose object is gone stays as long as ports live by it.
            self.dirty.rows.insert(OwnerKey::new(OwnerKind::Subnet, subnet.clone()));
        }
        match usage {
            Some(usage) => self.usage.insert(subnet.clone(), usage),
            None => self.usage.remove(subnet),
        };
        if !same {
            self.dirty.status.insert(ObjectKey::cluster(Kind::Subnet, subnet.clone()));
        }
    }
}

/// The object behind an owner of rows.
pub(crate) fn object_key(owner: &OwnerKey) -> Option<ObjectKey> {
    let cluster = |kind| Some(ObjectKey::cluster(kind, owner.name.clone()));
    match owner.kind {
        OwnerKind::Vpc => cluster(Kind::Vpc),
        OwnerKind::Subnet => cluster(Kind::Subnet),
        OwnerKind::Node => cluster(Kind::Node),
        OwnerKind::Pod => {
            let (namespace, name) = owner.name.split_once('/')?;
            Some(ObjectKey { kind: Kind::Pod, namespace: namespace.into(), name: name.into() })
        }
        OwnerKind::Attachment => None,
    }
}

/// The owner of rows behind an object, for kinds that own rows.
pub(crate) fn owner_key(key: &ObjectKey) -> Option<OwnerKey> {
    Some(match key.kind {
        Kind::Vpc => OwnerKey::new(OwnerKind::Vpc, key.name.clone()),
        Kind::Subnet => OwnerKey::new(OwnerKind::Subnet, key.name.clone()),
        Kind::Node => OwnerKey::new(OwnerKind::Node, key.name.clone()),
        Kind::Pod => OwnerKey::pod(&key.namespace, &key.name),
        Kind::Namespace | Kind::Ip => return None,
    })
}

/// Name of the record of what an owner holds for one interface: that of its logical switch port.
pub fn ip_name(owner: &OwnerKey, nic: &str) -> Name {
    match owner.name.split_once('/') {
        Some((namespace, pod)) if nic.is_empty() => format!("{pod}.{namespace}").into(),
        Some((namespace, pod)) => format!("{pod}.{namespace}.{nic}").into(),
        None => format!("node-{}", owner.name).into(),
    }
}

/// Whose record it is.
pub(crate) fn ip_owner(ip: &Ip) -> Option<OwnerKey> {
    if ip.spec.pod_name.is_empty() {
        return None;
    }
    Some(if ip.spec.namespace.is_empty() {
        OwnerKey::new(OwnerKind::Node, ip.spec.pod_name.clone())
    } else {
        OwnerKey::pod(&ip.spec.namespace, &ip.spec.pod_name)
    })
}
