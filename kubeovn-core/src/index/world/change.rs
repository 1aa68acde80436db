//! Objects come in and go. Each marks what may depend on it, and nothing more.

use std::sync::Arc;

use super::{World, ip_name, ip_owner};
use crate::{
    annotations::{self, NicKey, nic, pod},
    decide::Peering,
    hash::FixedMap,
    index::objects::{IpPool, Kind, Meta, Name, Namespace, Object, ObjectKey, Pod, Subnet, SubnetSpec, Vpc},
    rows::{OwnerKey, OwnerKind},
};

/// What a pod may ask of its port.
const PORT_KEYS: [NicKey; 5] =
    [nic::PORT_SECURITY, nic::PORT_VIPS, nic::LAYER2_FORWARD, nic::DHCP_V4_OPTIONS, nic::DHCP_V6_OPTIONS];

impl World {
    /// An object is there, new or changed. An older version than the one that is known, come late, changes nothing.
    pub fn apply(&mut self, object: Object) {
        let key = object.key();
        if self.meta(&key).is_some_and(|known| object.meta().is_before(known)) {
            return;
        }
        // Of pods and records only what is kept is marked: the texts that they came with go. Nodes are written all the time.
        if !matches!(object, Object::Pod(_) | Object::Ip(_) | Object::Node(_)) {
            self.dirty.status.insert(key);
        }
        match object {
            Object::Namespace(new) => {
                let name = new.meta.name.clone();
                self.bindings.set_namespace(&name, &new.meta.labels);
                let old = self.namespaces.insert(name.clone(), Arc::new(new));
                let labels = |n: &Arc<Namespace>| n.meta.labels.clone();
                if old.as_ref().map(labels) != self.namespaces.get(&name).map(labels) {
                    self.mark_pods(&name);
                }
            }
            Object::Node(new) => self.apply_node(new),
            Object::Vpc(new) => {
                let name = new.meta.name.clone();
                let old = self.vpcs.insert(name.clone(), Arc::new(new.clone()));
                self.bindings.set_vpc(&name, old.as_deref(), Some(&new));
                let same = |old: &Vpc| old.spec == new.spec && old.meta.deleting == new.meta.deleting;
                if !old.as_deref().is_some_and(same) {
                    self.set_peerings(&name, old.as_deref(), Some(&new));
                    self.mark_vpc(&name);
                }
            }
            Object::Subnet(new) => self.apply_subnet(new),
            Object::IpPool(new) => {
                let name = new.meta.name.clone();
                let old = self.ip_pools.insert(name, Arc::new(new.clone()));
                let means = |pool: &IpPool| (pool.spec.clone(), pool.meta.deleting, pool.meta.created);
                if old.as_deref().map(means) != Some(means(&new)) {
                    old.iter().for_each(|old| self.mark_pools_subnet(&old.spec.subnet));
                    self.mark_pools_subnet(&new.spec.subnet);
                }
            }
            Object::StatefulSet(new) => {
                let (namespace, name) = (new.meta.namespace.clone(), new.meta.name.clone());
                let sets = self.sets.entry(namespace.clone()).or_default();
                let old = sets.insert(name.clone(), new.clone());
                if old.as_ref().is_none_or(|old| !old.means(&new)) {
                    self.mark_members(&namespace, &name, old.is_some_and(|old| old.meta.uid != new.meta.uid));
                }
            }
            Object::Ip(mut new) => {
                let owner = ip_owner(&new);
                let pods = self.pods.get(&new.spec.namespace);
                let pod = pods.and_then(|pods| pods.get(&new.spec.pod_name)).map(|pod| &**pod);
                let old = self.ips.get(&new.meta.name).map(|ip| &**ip);
                self.words.ip(&mut new, old, pod);
                self.dirty.status.insert(ObjectKey {
                    kind: Kind::Ip,
                    namespace: new.meta.namespace.clone(),
                    name: new.meta.name.clone(),
                });
                if let Some(owner) = &owner {
                    self.note_record(owner, &new);
                    self.mark_refused(owner);
                }
                self.ips.insert(new.meta.name.clone(), Arc::new(new));
                self.mark_objects(&owner);
            }
            Object::VirtualMachine(new) => self.apply_machine(new),
            Object::VirtualMachineInstance(new) => self.apply_instance(new),
            Object::Pod(new) => self.apply_pod(new),
        }
    }

    fn apply_subnet(&mut self, new: Subnet) {
        let name = new.meta.name.clone();
        let old = self.subnets.insert(name.clone(), Arc::new(new.clone()));
        if old.as_ref().is_some_and(|old| old.meta.uid != new.meta.uid) {
            // Which gateway its predecessor had is nothing to it.
            self.leads.remove(&name);
            self.dirty.gateways.insert(name.clone());
        }
        self.bindings.set_subnet(old.as_deref(), &new);
        self.set_provider(&name, old.as_deref(), Some(&new));
        let same = |old: &Subnet| {
            old.spec == new.spec
                && old.meta.deleting == new.meta.deleting
                && old.meta.created == new.meta.created
        };
        if old.as_deref().is_some_and(same) {
            return;
        }
        // Also where a row comes to life to which ports refer already.
        let answers = |s: &Subnet| {
            let SubnetSpec { enable_dhcp, dhcp_v4_options, dhcp_v6_options, cidr_block, .. } = &s.spec;
            (*enable_dhcp, dhcp_v4_options.clone(), dhcp_v6_options.clone(), cidr_block.clone())
        };
        if old.as_deref().is_some_and(|old| answers(old) != answers(&new)) {
            self.mark_holders(&name);
        }
        // Some features are read from the object itself.
        self.dirty.rows.insert(OwnerKey::new(OwnerKind::Subnet, name.clone()));
        let vpc = self.vpc_name(&new);
        if let Some(before) = old.map(|old| self.vpc_name(&old)).filter(|before| *before != vpc) {
            self.leave_vpc(&before, &name);
        }
        self.by_vpc.entry(vpc.clone()).or_default().insert(name);
        self.mark_vpc(&vpc);
    }

    fn apply_pod(&mut self, mut new: Pod) {
        self.name_after_machine(&mut new);
        let owner = new.owner();
        // One of its name that had the addresses of somebody else.
        let key =
            ObjectKey { kind: Kind::Pod, namespace: new.meta.namespace.clone(), name: new.meta.name.clone() };
        if self.owner_of(&key).is_some_and(|before| before != owner) {
            self.remove(&key, "");
        }
        let holder = self.holder(&owner);
        let led = self.pod_of(&owner).cloned();
        let before = self.places_of(&owner);
        let record = self.ips.get(&ip_name(&owner, "")).map(|ip| &**ip);
        let pods = self.pods.entry(new.meta.namespace.clone()).or_default();
        let old = pods.get(&new.meta.name).map(|pod| &**pod);
        self.words.pod(&mut new, old, record);
        self.dirty.status.insert(key);
        let nics = self.grants.get(&owner).into_iter().flat_map(|grants| &**grants).map(|grant| &*grant.nic);
        let nics: Vec<&str> = nics.collect();
        let says_same = |nic: &str, old: &Meta, new: &Meta| {
            PORT_KEYS.into_iter().all(|key| old.annotation(&key.of(nic)) == new.annotation(&key.of(nic)))
        };
        let asks_same = |old: &Pod, new: &Pod| {
            nics.iter().all(|nic| says_same(nic, &old.meta, &new.meta))
                && old.meta.annotation(pod::NORTH_GATEWAY) == new.meta.annotation(pod::NORTH_GATEWAY)
        };
        let new = Arc::new(new);
        pods.insert(new.meta.name.clone(), new.clone());
        self.machines.add_pod(&owner, &new);
        let same_port = led.zip(self.pod_of(&owner)).is_some_and(|(old, new)| {
            old.meta.uid == new.meta.uid
                && old.needs_network() == new.needs_network()
                && old.node == new.node
                && asks_same(&old, new)
        });
        // Marking addresses is cheap: who holds what it wants is neither changed nor rendered.
        self.dirty.addresses.insert(owner.clone());
        self.absent.remove(&owner);
        if holder.is_some() && holder != self.holder(&owner) {
            self.dirty.successors.insert(owner.clone());
        }
        if new.machine().is_some() {
            // It may lead now, and where the others are is in the port too.
            self.mark_objects([&owner]);
        }
        if !same_port || new.machine().is_some() {
            self.dirty.rows.insert(owner.clone());
        }
        let after = self.places_of(&owner);
        self.moved(before, after);
    }

    /// An object is gone. One with another uid than the one we know is a predecessor that we have forgotten already.
    pub fn remove(&mut self, key: &ObjectKey, uid: &str) {
        if self.uid_of(key).is_some_and(|known| !uid.is_empty() && **known != *uid) {
            return;
        }
        self.dirty.status.insert(key.clone());
        let name = &key.name;
        let owner = self.owner_of(key);
        let before = owner.as_ref().and_then(|owner| self.uid(owner));
        match key.kind {
            Kind::Namespace => {
                self.namespaces.remove(name);
                self.bindings.remove_namespace(name);
                self.mark_pods(name);
            }
            Kind::Node => {
                self.nodes.remove(name);
                self.mark_without_node(name);
            }
            Kind::Vpc => {
                let old = self.vpcs.remove(name);
                self.bindings.set_vpc(name, old.as_deref(), None);
                self.set_peerings(name, old.as_deref(), None);
                self.mark_vpc(name);
            }
            Kind::Subnet => {
                if let Some(old) = self.subnets.remove(name) {
                    let before = self.decisions.remove(name);
                    self.leads.remove(name);
                    self.mark_exit(name, before.as_ref());
                    self.bindings.remove_subnet(&old);
                    self.set_provider(name, Some(&old), None);
                    let vpc = self.vpc_name(&old);
                    self.leave_vpc(&vpc, name);
                }
            }
            Kind::Ip => {
                let owner = self.ips.remove(name).and_then(|ip| ip_owner(&ip));
                self.mark_objects(&owner);
                self.mark_namesakes(name);
                owner.iter().for_each(|owner| self.mark_refused(owner));
                if let Some(owner) = owner.filter(|owner| **name == *ip_name(owner, "")) {
                    self.reserved.remove(&owner);
                    self.disclaim(&owner);
                }
            }
            Kind::Pod => {
                let before = owner.as_ref().map_or_else(Vec::new, |owner| self.places_of(owner));
                if let Some(pods) = self.pods.get_mut(&key.namespace) {
                    pods.remove(name);
                    if pods.is_empty() {
                        self.pods.remove(&key.namespace);
                    }
                }
                if let Some(owner) = &owner {
                    self.machines.remove_pod(owner, name);
                    let after = self.places_of(owner);
                    self.moved(before, after);
                    self.mark_objects([owner]);
                }
            }
            Kind::IpPool => {
                if let Some(old) = self.ip_pools.remove(name) {
                    self.mark_pools_subnet(&old.spec.subnet);
                }
            }
            Kind::VirtualMachine => self.remove_machine(key),
            Kind::VirtualMachineInstance => self.remove_instance(key),
            Kind::StatefulSet => {
                if let Some(sets) = self.sets.get_mut(&key.namespace) {
                    sets.remove(name);
                    if sets.is_empty() {
                        self.sets.remove(&key.namespace);
                    }
                }
                self.mark_members(&key.namespace, name, true);
            }
        }
        if let Some(owner) = owner {
            self.bereft.remove(&owner);
            self.dirty.addresses.insert(owner.clone());
            if before != self.uid(&owner) {
                self.dirty.successors.insert(owner.clone());
            }
            let is_idle = owner.kind == OwnerKind::Pod && self.pod_of(&owner).is_none();
            if is_idle && !self.grants(&owner).is_empty() {
                self.absent.insert(owner.clone());
            }
            self.dirty.rows.insert(owner);
        }
    }

    /// What an owner's record asks for may be what it is refused.
    fn mark_refused(&mut self, owner: &OwnerKey) {
        if self.refusals.contains_key(owner) {
            self.dirty.addresses.insert(owner.clone());
        }
    }

    /// A record is gone: another one whose is called like it may have his now.
    fn mark_namesakes(&mut self, record: &str) {
        let node = record.strip_prefix("node-").map(|node| OwnerKey::new(OwnerKind::Node, node));
        let dots = record.match_indices('.').filter_map(|(at, _)| record.split_at_checked(at));
        let pods = dots.filter_map(|(pod, rest)| Some(OwnerKey::pod(rest.split('.').nth(1)?, pod)));
        let owners: Vec<OwnerKey> = node.into_iter().chain(pods).collect();
        self.mark_objects(&owners);
    }

    /// Notes for which further network a subnet is, and marks the pods that may have asked for it.
    fn set_provider(&mut self, name: &Name, old: Option<&Subnet>, new: Option<&Subnet>) {
        fn provider(subnet: &Subnet) -> Option<&str> {
            Some(subnet.spec.provider.trim()).filter(|provider| !["", annotations::OVN].contains(provider))
        }
        let (old, new) = (old.and_then(provider), new.and_then(provider));
        if old == new {
            return;
        }
        if let Some(old) = old
            && let Some(names) = self.further.get_mut(old)
        {
            names.remove(name);
            if names.is_empty() {
                self.further.remove(old);
            }
        }
        if let Some(new) = new {
            self.further.entry(new.into()).or_default().insert(name.clone());
        }
        let ask = self.pods().filter(|pod| pod.networks.is_some());
        let ask: Vec<_> = ask.map(|pod| pod.owner()).collect();
        self.dirty.addresses.extend(ask);
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
        self.mark_peerings(vpc);
        self.mark_bindings();
        self.dirty.vpcs.insert(vpc.clone());
        self.dirty.rows.insert(OwnerKey::new(OwnerKind::Vpc, vpc.clone()));
        self.dirty.status.insert(ObjectKey::cluster(Kind::Vpc, vpc.clone()));
    }

    /// What a subnet keeps for those who name a pool has changed, and perhaps what namespaces offer.
    fn mark_pools_subnet(&mut self, subnet: &str) {
        let vpc = self.subnets.get(subnet).map(|subnet| self.vpc_name(subnet));
        self.dirty.vpcs.extend(vpc);
        self.mark_pools_status(subnet);
        self.mark_bindings();
    }

    pub(super) fn mark_pools_status(&mut self, subnet: &str) {
        let pools = self.ip_pools.values().filter(|pool| pool.spec.subnet == subnet);
        let keys = pools.map(|pool| ObjectKey::cluster(Kind::IpPool, pool.meta.name.clone()));
        self.dirty.status.extend(keys);
    }

    /// Ports refer to what of their subnet answers them.
    pub(super) fn mark_holders(&mut self, subnet: &Name) {
        self.dirty.rows.extend(self.holders.get(subnet).into_iter().flatten().cloned());
    }

    /// Notes whom a VPC names as its other side, and marks both sides of all its connections.
    fn set_peerings(&mut self, vpc: &Name, old: Option<&Vpc>, new: Option<&Vpc>) {
        fn remotes(vpc: Option<&Vpc>) -> impl Iterator<Item = &Name> {
            vpc.into_iter().flat_map(|vpc| &vpc.spec.vpc_peerings).map(|peering| &peering.remote_vpc)
        }
        for remote in remotes(old) {
            self.dirty.rows.insert(Peering::owner(vpc, remote));
            if let Some(sides) = self.peered.get_mut(remote) {
                sides.remove(vpc);
                if sides.is_empty() {
                    self.peered.remove(remote);
                }
            }
        }
        for remote in remotes(new) {
            self.peered.entry(remote.clone()).or_default().insert(vpc.clone());
        }
        for other in self.peered.get(vpc).cloned().unwrap_or_default() {
            // All of them: one that comes into effect may stand in the way of another one.
            self.mark_peerings(&other);
            self.dirty.rows.insert(OwnerKey::new(OwnerKind::Vpc, other.clone()));
            self.dirty.status.insert(ObjectKey::cluster(Kind::Vpc, other));
        }
    }

    /// What of a VPC's connections can be in effect depends on its subnets.
    pub(super) fn mark_peerings(&mut self, vpc: &Name) {
        let peerings = self.vpcs.get(vpc).into_iter().flat_map(|vpc| &vpc.spec.vpc_peerings);
        self.dirty.rows.extend(peerings.map(|peering| Peering::owner(vpc, &peering.remote_vpc)));
    }

    /// What namespaces offer may have changed: it is told to them, and who was refused may get something now.
    pub(super) fn mark_bindings(&mut self) {
        self.dirty.addresses.extend(self.refusals.keys().chain(&self.absent).cloned());
        let namespaces = self.namespaces.keys().map(|n| ObjectKey::cluster(Kind::Namespace, n.clone()));
        self.dirty.status.extend(namespaces);
    }

    /// Marks the pods of a namespace, also those that are not there and of which something is kept.
    fn mark_pods(&mut self, namespace: &Name) {
        let pods = self.pods.get(namespace).into_iter().flat_map(FixedMap::values);
        self.dirty.addresses.extend(pods.map(|pod| pod.owner()));
        let from = OwnerKey::pod(namespace, "");
        let absent = self.absent.range(&from..).take_while(|owner| owner.name.starts_with(&*from.name));
        self.dirty.addresses.extend(absent.cloned());
    }
}
