//! The facts and their reverse indexes, to read.

mod bindings;
mod change;
pub(crate) mod claims;
mod found;
mod machines;
mod nodes;
mod places;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use super::{
    Dirty, Settings,
    intern::Interner,
    objects::{Ip, IpPool, Kind, Meta, Name, Namespace, Node, ObjectKey, Pod, StatefulSet, Subnet, Vpc},
};
use crate::{
    annotations,
    contract::ipam::{Grant, Usage},
    decide::{Exit, Lead, Peering, SubnetPlan},
    error::Problem,
    hash::FixedMap,
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

/// All facts: the objects of the cluster, what was decided from them alone, and the addresses granted. Of pods and
/// address records it keeps what may be read here: no revision, no generation, no annotations of others, and of finalizers
/// only ours on a record.
#[derive(Debug, Default)]
pub struct World {
    settings: Settings,
    namespaces: BTreeMap<Name, Arc<Namespace>>,
    nodes: BTreeMap<Name, Arc<Node>>,
    vpcs: BTreeMap<Name, Arc<Vpc>>,
    subnets: BTreeMap<Name, Arc<Subnet>>,
    ips: FixedMap<Name, Arc<Ip>>,
    ip_pools: BTreeMap<Name, Arc<IpPool>>,
    /// By namespace and name. Names of one workload begin alike and each is looked up many times, so that comparing them would
    /// take longer than a hash.
    pods: BTreeMap<Name, FixedMap<Name, Arc<Pod>>>,
    sets: BTreeMap<Name, BTreeMap<Name, StatefulSet>>,
    machines: machines::Machines,
    /// Pods that are not there, and hold something or have a record that may.
    absent: claims::Owners,
    /// Owners that are refused and hold nothing: what the database has by their names is a predecessor's.
    bereft: claims::Owners,
    reserved: claims::Owners,
    by_vpc: BTreeMap<Name, BTreeSet<Name>>,
    /// Subnets of further networks, by their provider.
    further: BTreeMap<Name, BTreeSet<Name>>,
    /// VPCs that name a VPC, existing or not, as the other side of a connection.
    peered: BTreeMap<Name, BTreeSet<Name>>,
    bindings: bindings::Bindings,
    decisions: BTreeMap<Name, Decision>,
    grants: FixedMap<OwnerKey, Box<[Grant]>>,
    holders: BTreeMap<Name, BTreeSet<OwnerKey>>,
    refusals: BTreeMap<OwnerKey, Problem>,
    usage: BTreeMap<Name, Usage>,
    pool_usage: BTreeMap<Name, Usage>,
    places: places::Places,
    leads: BTreeMap<Name, Lead>,
    /// Addresses of gateways on the join subnet that do not answer.
    silent: BTreeSet<IpAddr>,
    words: Interner,
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

    /// How many objects of a kind are known.
    pub fn known(&self, kind: Kind) -> usize {
        match kind {
            Kind::Namespace => self.namespaces.len(),
            Kind::Node => self.nodes.len(),
            Kind::Vpc => self.vpcs.len(),
            Kind::Subnet => self.subnets.len(),
            Kind::Ip => self.ips.len(),
            Kind::IpPool => self.ip_pools.len(),
            Kind::Pod => self.pods.values().map(FixedMap::len).sum(),
            Kind::StatefulSet => self.sets.values().map(BTreeMap::len).sum(),
            Kind::VirtualMachine | Kind::VirtualMachineInstance => self.machines.known(kind),
        }
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

    /// The subnets that can't be used as they stand and are there in this VPC all the same: those of OVN's that name it, and
    /// those in which somebody holds addresses of it, though they were moved or are gone. What they live by stays.
    pub fn refused_of(&self, vpc: &str) -> BTreeSet<&Name> {
        let ours = |subnet: &&Arc<Subnet>| annotations::is_ovn(subnet.spec.provider.trim());
        let refused = |subnet: &&Name| self.plan(subnet).is_none();
        let naming = self.subnets_of(vpc).filter(ours).map(|subnet| &subnet.meta.name);
        let held = self.holders.keys().filter(refused).filter(|subnet| {
            // All that is held in one subnet is of one space.
            let mut grants = self.holders_in(subnet).take(1).flat_map(|owner| self.grants(owner));
            grants.any(|grant| grant.subnet == **subnet && *grant.space == *vpc)
        });
        naming.filter(refused).chain(held).collect()
    }

    /// The subnets of a further network, the oldest first.
    pub fn subnets_of_provider(&self, provider: &str) -> Vec<&Arc<Subnet>> {
        let names = self.further.get(provider).into_iter().flatten();
        let mut subnets: Vec<_> = names.filter_map(|name| self.subnets.get(name)).collect();
        subnets.sort_by(|a, b| a.meta.seniority().cmp(&b.meta.seniority()));
        subnets
    }

    /// The subnets that name a namespace or select it by its labels, by name.
    pub fn bound_to(&self, namespace: &str) -> impl Iterator<Item = &Arc<Subnet>> {
        self.bindings.subnets(namespace).into_iter().filter_map(|name| self.subnets.get(name))
    }

    /// The VPCs that list a namespace, by name.
    pub fn vpcs_listing(&self, namespace: &str) -> impl Iterator<Item = &Arc<Vpc>> {
        self.bindings.vpcs(namespace).filter_map(|name| self.vpcs.get(name))
    }

    /// An address record.
    pub fn ip(&self, name: &str) -> Option<&Arc<Ip>> {
        self.ips.get(name)
    }

    /// All address records, in no order.
    pub fn ips(&self) -> impl Iterator<Item = &Arc<Ip>> {
        self.ips.values()
    }

    /// A pool.
    pub fn ip_pool(&self, name: &str) -> Option<&Arc<IpPool>> {
        self.ip_pools.get(name)
    }

    /// All pools, by name.
    pub fn ip_pools(&self) -> impl Iterator<Item = &Arc<IpPool>> {
        self.ip_pools.values()
    }

    /// A pod.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<Pod>> {
        self.pods.get(namespace)?.get(name)
    }

    /// All pods, by namespace, those of one in no order.
    pub fn pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.values().flat_map(FixedMap::values)
    }

    /// What was decided about a subnet.
    pub fn decision(&self, subnet: &str) -> Option<&Decision> {
        self.decisions.get(subnet)
    }

    /// A subnet as it is in effect.
    pub fn plan(&self, subnet: &str) -> Option<&Arc<SubnetPlan>> {
        self.decisions.get(subnet)?.plan.as_ref()
    }

    /// The subnets in effect of a VPC, by name. Those that only give addresses for other plugins are in none.
    pub fn plans_of(&self, vpc: &str) -> impl Iterator<Item = &Arc<SubnetPlan>> {
        let plans = self.by_vpc.get(vpc).into_iter().flatten().filter_map(|name| self.plan(name));
        plans.filter(|plan| plan.is_ours())
    }

    /// What an owner was granted.
    pub fn grants(&self, owner: &OwnerKey) -> &[Grant] {
        self.grants.get(owner).map_or(&[], |grants| grants)
    }

    /// Why an owner did not get what it wants.
    pub fn refusal(&self, owner: &OwnerKey) -> Option<&Problem> {
        self.refusals.get(owner)
    }

    /// Numbers of a pool, while it is in effect.
    pub fn pool_usage(&self, pool: &str) -> Option<&Usage> {
        self.pool_usage.get(pool)
    }

    /// Numbers of a subnet.
    pub fn usage(&self, subnet: &str) -> Option<&Usage> {
        self.usage.get(subnet)
    }

    /// Every owner that there is an object for, or that something is kept for, and what leads pods out where there are
    /// some. Sorted.
    pub fn owners(&self) -> Vec<OwnerKey> {
        let vpcs = self.vpcs.keys().map(|n| OwnerKey::new(OwnerKind::Vpc, n.clone()));
        let sides =
            self.peered.iter().flat_map(|(to, from)| from.iter().map(|from| Peering::owner(from, to)));
        let subnets = self.subnets.keys().map(|n| OwnerKey::new(OwnerKind::Subnet, n.clone()));
        let nodes = self.nodes.keys().map(|n| OwnerKey::new(OwnerKind::Node, n.clone()));
        let may_lead = |subnet: &str| self.plan(subnet).is_none_or(|plan| plan.exit == Exit::Local);
        let led = self.places.all().filter(|(subnet, _)| may_lead(subnet));
        let locals = led.map(|(subnet, node)| OwnerKey::local(subnet, node));
        let pods = self.pods().map(|pod| pod.owner());
        let there = vpcs.chain(sides).chain(subnets).chain(nodes).chain(locals).chain(pods);
        let mut all: Vec<OwnerKey> = there.chain(self.absent.iter().cloned()).collect();
        all.sort_unstable();
        all
    }

    /// Metadata of an object, `None` when it is not there.
    pub(super) fn meta(&self, key: &ObjectKey) -> Option<&Meta> {
        Some(match key.kind {
            Kind::Namespace => &self.namespaces.get(&key.name)?.meta,
            Kind::Node => &self.nodes.get(&key.name)?.meta,
            Kind::Vpc => &self.vpcs.get(&key.name)?.meta,
            Kind::Subnet => &self.subnets.get(&key.name)?.meta,
            Kind::Ip => &self.ips.get(&key.name)?.meta,
            Kind::IpPool => &self.ip_pools.get(&key.name)?.meta,
            Kind::Pod => &self.pod(&key.namespace, &key.name)?.meta,
            Kind::StatefulSet => &self.stateful_set(&key.namespace, &key.name)?.meta,
            Kind::VirtualMachine => &self.virtual_machine(&key.namespace, &key.name)?.meta,
            Kind::VirtualMachineInstance => &self.virtual_machine_instance(&key.namespace, &key.name)?.meta,
        })
    }

    /// Identity of an object, `None` when it is not there.
    pub fn uid_of(&self, key: &ObjectKey) -> Option<&Name> {
        self.meta(key).map(|meta| &meta.uid)
    }

    /// Identity under which an owner holds addresses: that of the object behind it, or of what stands for a pod that
    /// goes and comes back. `None` when there is none.
    pub fn uid(&self, owner: &OwnerKey) -> Option<Name> {
        let meta = match owner.kind {
            OwnerKind::Vpc => &self.vpcs.get(&owner.name)?.meta,
            OwnerKind::Peering => &self.vpcs.get(Peering::ends(owner)?.0)?.meta,
            OwnerKind::Subnet => &self.subnets.get(&owner.name)?.meta,
            OwnerKind::Node => &self.nodes.get(&owner.name)?.meta,
            OwnerKind::Pod => return self.holder(owner),
            OwnerKind::Local | OwnerKind::Attachment => return None,
        };
        Some(meta.uid.clone())
    }

    /// Creation time of the object behind an owner; of what is gone, before everything: it only gives back.
    pub(crate) fn created(&self, owner: &OwnerKey) -> u64 {
        match owner.kind {
            OwnerKind::Node => self.nodes.get(&owner.name).map(|n| n.meta.created),
            _ => self.pod_of(owner).map(|p| p.meta.created),
        }
        .unwrap_or(0)
    }

    /// Where the addresses of a subnet are unique: its VPC, or the network of another plugin that it gives addresses for. No
    /// VPC has such a name.
    pub fn space_of(&self, subnet: &Subnet) -> Name {
        let provider = subnet.spec.provider.trim();
        let ours = annotations::is_ovn(provider);
        if ours { self.vpc_name(subnet) } else { format!("provider/{provider}").into() }
    }

    /// The VPC that a subnet names, or the default one. What one says that only gives addresses for other plugins is without
    /// meaning: it is in no VPC, and stands with the default one.
    pub fn vpc_name(&self, subnet: &Subnet) -> Name {
        let vpc = subnet.spec.vpc.trim();
        let ours = annotations::is_ovn(subnet.spec.provider.trim());
        if vpc.is_empty() || !ours { self.settings.vpc.clone() } else { vpc.into() }
    }
}

/// The object behind an owner of rows; that of a virtual machine's, which is no pod, is not there.
fn object_key(owner: &OwnerKey) -> Option<ObjectKey> {
    let cluster = |kind| Some(ObjectKey::cluster(kind, owner.name.clone()));
    match owner.kind {
        OwnerKind::Vpc => cluster(Kind::Vpc),
        OwnerKind::Peering => Some(ObjectKey::cluster(Kind::Vpc, Peering::ends(owner)?.0)),
        OwnerKind::Subnet => cluster(Kind::Subnet),
        OwnerKind::Node => cluster(Kind::Node),
        // Who asks for it is the subnet.
        OwnerKind::Local => Some(ObjectKey::cluster(Kind::Subnet, owner.name.split_once('/')?.0)),
        OwnerKind::Pod => {
            let (namespace, name) = owner.name.split_once('/')?;
            Some(ObjectKey { kind: Kind::Pod, namespace: namespace.into(), name: name.into() })
        }
        OwnerKind::Attachment => None,
    }
}

/// The owner of rows behind an object, for kinds that own rows, by its name alone.
fn owner_key(key: &ObjectKey) -> Option<OwnerKey> {
    Some(match key.kind {
        Kind::Vpc => OwnerKey::new(OwnerKind::Vpc, key.name.clone()),
        Kind::Subnet => OwnerKey::new(OwnerKind::Subnet, key.name.clone()),
        Kind::Node => OwnerKey::new(OwnerKind::Node, key.name.clone()),
        Kind::Pod => OwnerKey::pod(&key.namespace, &key.name),
        Kind::Namespace
        | Kind::IpPool
        | Kind::StatefulSet
        | Kind::VirtualMachine
        | Kind::VirtualMachineInstance
        | Kind::Ip => return None,
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

/// Whose record it is. Nobody's is one that has its own name where others have their pod's or node's: so are Kube-OVN's of
/// addresses that routers and multicast queriers have.
pub(crate) fn ip_owner(ip: &Ip) -> Option<OwnerKey> {
    if ip.spec.pod_name.is_empty() || ip.spec.pod_name == ip.meta.name {
        return None;
    }
    Some(if ip.spec.namespace.is_empty() {
        OwnerKey::new(OwnerKind::Node, ip.spec.pod_name.clone())
    } else {
        OwnerKey::pod(&ip.spec.namespace, &ip.spec.pod_name)
    })
}
