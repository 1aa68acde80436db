//! Virtual machines. Their pods come under names of their own, one after the other, and two at once while the machine
//! moves to another node; all of them have the addresses and the port of the machine, by its name.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{World, object_key, owner_key};
use crate::{
    annotations::{self, nic},
    decide::retention::{self, Lookup, Retention},
    index::objects::{Kind, Meta, Name, ObjectKey, Pod, VirtualMachine, VirtualMachineInstance},
    rows::{OwnerKey, OwnerKind},
};

/// Objects by namespace and name.
type Namespaced<T> = BTreeMap<Name, BTreeMap<Name, T>>;

#[derive(Debug, Default)]
pub(super) struct Machines {
    all: Namespaced<VirtualMachine>,
    running: Namespaced<VirtualMachineInstance>,
    /// Names of their pods, by whose addresses they have.
    pods: BTreeMap<OwnerKey, BTreeSet<Name>>,
    /// Kinds of which every object has been told.
    known: BTreeSet<Kind>,
}

impl Machines {
    /// How many objects of a kind of these are known.
    pub(super) fn known(&self, kind: Kind) -> usize {
        match kind {
            Kind::VirtualMachine => self.all.values().map(BTreeMap::len).sum(),
            Kind::VirtualMachineInstance => self.running.values().map(BTreeMap::len).sum(),
            _ => 0,
        }
    }

    /// The objects behind an owner of rows: of a machine all its pods, there or not.
    pub(super) fn objects_of(&self, owner: &OwnerKey) -> impl Iterator<Item = ObjectKey> + use<'_> {
        let object = object_key(owner);
        let namespace = object.as_ref().map_or_else(Name::default, |key| key.namespace.clone());
        let pods = self.pods.get(owner).into_iter().flatten();
        let pods = pods.map(move |name| ObjectKey {
            kind: Kind::Pod,
            namespace: namespace.clone(),
            name: name.clone(),
        });
        object.into_iter().chain(pods)
    }

    pub(super) fn add_pod(&mut self, owner: &OwnerKey, pod: &Pod) {
        if pod.machine().is_some() {
            self.pods.entry(owner.clone()).or_default().insert(pod.meta.name.clone());
        }
    }

    pub(super) fn remove_pod(&mut self, owner: &OwnerKey, pod: &Name) {
        if let Some(pods) = self.pods.get_mut(owner) {
            pods.remove(pod);
            if pods.is_empty() {
                self.pods.remove(owner);
            }
        }
    }
}

impl World {
    /// A virtual machine.
    pub fn virtual_machine(&self, namespace: &str, name: &str) -> Option<&VirtualMachine> {
        self.machines.all.get(namespace)?.get(name)
    }

    /// All virtual machines, by namespace and name.
    pub fn virtual_machines(&self) -> impl Iterator<Item = &VirtualMachine> {
        self.machines.all.values().flat_map(BTreeMap::values)
    }

    /// A virtual machine that runs.
    pub fn virtual_machine_instance(&self, namespace: &str, name: &str) -> Option<&VirtualMachineInstance> {
        self.machines.running.get(namespace)?.get(name)
    }

    /// All virtual machines that run, by namespace and name.
    pub fn virtual_machine_instances(&self) -> impl Iterator<Item = &VirtualMachineInstance> {
        self.machines.running.values().flat_map(BTreeMap::values)
    }

    /// What is known of an owner as a virtual machine and as one that runs: whether its deletion was asked for.
    pub(crate) fn machine(&self, owner: &OwnerKey) -> (Lookup<bool>, Lookup<bool>) {
        let (namespace, name) = owner.name.split_once('/').unwrap_or_default();
        let look = |kind, meta: Option<&Meta>| match meta {
            Some(meta) => Lookup::Found(meta.deleting),
            None if self.machines.known.contains(&kind) => Lookup::Absent,
            None => Lookup::Unknown,
        };
        let machine = self.virtual_machine(namespace, name).map(|machine| &machine.meta);
        let instance = self.virtual_machine_instance(namespace, name).map(|instance| &instance.meta);
        (look(Kind::VirtualMachine, machine), look(Kind::VirtualMachineInstance, instance))
    }

    /// Whether there is a virtual machine of an owner's name, running or not.
    pub(super) fn is_known_machine(&self, owner: &OwnerKey) -> bool {
        let (machine, instance) = self.machine(owner);
        matches!(machine, Lookup::Found(_)) || matches!(instance, Lookup::Found(_))
    }

    /// The pod of an owner key. Of a virtual machine the one that runs it: while it moves to another node, the one that it
    /// comes from.
    pub fn pod_of(&self, owner: &OwnerKey) -> Option<&Arc<Pod>> {
        let (namespace, name) = owner.name.split_once('/').filter(|_| owner.kind == OwnerKind::Pod)?;
        let own = self.pod(namespace, name).filter(|pod| pod.machine().is_none());
        let pods = self.machines.pods.get(owner).into_iter().flatten();
        let pods = pods.filter_map(|pod| self.pod(namespace, pod));
        let rank = |pod: &Pod| (!pod.needs_network(), pod.meta.deleting, pod.meta.created);
        let leads = pods.min_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.meta.name.cmp(&b.meta.name)));
        let (Some(plain), Some(leader)) = (own, leads) else { return own.or(leads) };
        // A pod has the name of a machine: one of them can have it. Who has it keeps it.
        let started = self.virtual_machine_instance(namespace, name).map(|instance| instance.meta.created);
        let started = started.unwrap_or(leader.meta.created).min(leader.meta.created);
        let plain_leads = match (plain.needs_network(), leader.needs_network()) {
            (true, true) | (false, false) => plain.meta.created <= started,
            (needs, _) => needs,
        };
        Some(if plain_leads { plain } else { leader })
    }

    /// All pods that have what an owner has.
    pub fn pods_of(&self, owner: &OwnerKey) -> impl Iterator<Item = &Arc<Pod>> {
        let led = self.pod_of(owner).map(|leader| (leader, leader.machine().is_some()));
        let others = led.filter(|(_, is_machine)| *is_machine).and_then(|_| self.machines.pods.get(owner));
        let namespace = owner.name.split_once('/').map_or("", |(namespace, _)| namespace);
        let others = others.into_iter().flatten().filter_map(move |name| self.pod(namespace, name));
        led.into_iter().filter(|(_, is_machine)| !is_machine).map(|(pod, _)| pod).chain(others)
    }

    /// Does a pod have what its owner has? Not where a pod is called like a virtual machine and the other one has the name.
    pub(crate) fn is_served(&self, pod: &Pod) -> bool {
        self.pod_of(&pod.owner()).is_some_and(|leader| leader.machine() == pod.machine())
    }

    /// The owner of rows behind an object, for kinds that own rows.
    pub(crate) fn owner_of(&self, key: &ObjectKey) -> Option<OwnerKey> {
        let pod = (key.kind == Kind::Pod).then(|| self.pod(&key.namespace, &key.name)).flatten();
        pod.map(|pod| pod.owner()).or_else(|| owner_key(key))
    }

    /// The objects behind an owner of rows.
    pub(crate) fn objects_of(&self, owner: &OwnerKey) -> impl Iterator<Item = ObjectKey> + use<'_> {
        self.machines.objects_of(owner)
    }

    /// Something may have to be told to the objects behind these owners.
    pub(crate) fn mark_objects<'a>(&mut self, owners: impl IntoIterator<Item = &'a OwnerKey>) {
        for owner in owners {
            self.dirty.status.extend(self.machines.objects_of(owner));
        }
    }

    /// Every object of a kind has been told: what is not there is gone, and no longer merely unknown.
    pub fn listed(&mut self, kind: Kind) {
        if kind.is_optional() && self.machines.known.insert(kind) {
            let owners = self.absent.iter().chain(self.machines.pods.keys());
            self.dirty.addresses.extend(owners.cloned());
        }
    }

    /// Decides whether a pod has the addresses of its virtual machine. Once: a pod that was told its addresses goes by what it
    /// was told, for its interface was plugged by that name.
    pub(super) fn name_after_machine(&self, pod: &mut Pod) {
        let Some(machine) = pod.machine() else { return };
        let known = self.pod(&pod.meta.namespace, &pod.meta.name);
        let named = match known.filter(|known| known.meta.uid == pod.meta.uid) {
            Some(known) => known.machine().is_some(),
            None if pod.meta.annotation(nic::ALLOCATED.ovn()).is_some_and(annotations::is_true) => {
                pod.meta.annotation(nic::VIRTUAL_MACHINE.ovn()) == Some(&**machine)
            }
            None => self.settings.keep_vm_ip,
        };
        if !named {
            pod.workload = None;
        }
    }

    pub(super) fn apply_machine(&mut self, new: VirtualMachine) {
        let (namespace, name) = (new.meta.namespace.clone(), new.meta.name.clone());
        let now = means(&new.meta);
        let before = self.uid(&OwnerKey::pod(&namespace, &name));
        let old = self.machines.all.entry(namespace.clone()).or_default().insert(name.clone(), new);
        let old = old.map(|old| means(&old.meta));
        let replaced = old.as_ref().is_some_and(|old| old.0 != now.0);
        if old != Some(now) {
            self.mark_machine(&namespace, &name, before, replaced);
        }
    }

    pub(super) fn apply_instance(&mut self, new: VirtualMachineInstance) {
        let (namespace, name) = (new.meta.namespace.clone(), new.meta.name.clone());
        let now = means(&new.meta);
        let before = self.uid(&OwnerKey::pod(&namespace, &name));
        let old = self.machines.running.entry(namespace.clone()).or_default().insert(name.clone(), new);
        let old = old.map(|old| means(&old.meta));
        // Those of a machine come and go with every start of it.
        let alone = self.virtual_machine(&namespace, &name).is_none();
        let replaced = alone && old.as_ref().is_some_and(|old| old.0 != now.0);
        if old != Some(now) {
            self.mark_machine(&namespace, &name, before, replaced);
        }
    }

    pub(super) fn remove_machine(&mut self, key: &ObjectKey) {
        let before = self.uid(&OwnerKey::pod(&key.namespace, &key.name));
        take(&mut self.machines.all, key);
        self.without(key, before);
    }

    pub(super) fn remove_instance(&mut self, key: &ObjectKey) {
        let before = self.uid(&OwnerKey::pod(&key.namespace, &key.name));
        take(&mut self.machines.running, key);
        self.without(key, before);
    }

    /// Half of a machine is gone. Another one of its name may be there before anybody looks, and inherits nothing.
    fn without(&mut self, key: &ObjectKey, before: Option<Name>) {
        let (machine, instance) = self.machine(&OwnerKey::pod(&key.namespace, &key.name));
        let gone = retention::of_virtual_machine(machine, instance) != Retention::Keep;
        self.mark_machine(&key.namespace, &key.name, before, gone);
    }

    /// A machine came, went or is another one: what is held by its name may depend on it. `before` is under which identity
    /// it was. If the machine was `replaced`, what no pod uses is not its successor's.
    fn mark_machine(&mut self, namespace: &Name, name: &Name, before: Option<Name>, replaced: bool) {
        let owner = OwnerKey::pod(namespace, name);
        let idle = self.pod_of(&owner).is_none_or(|pod| !pod.needs_network());
        // A pod of its name gives way, or is given way.
        let other = before.is_some() && before != self.uid(&owner);
        if other || (replaced && idle && self.is_machine(&owner)) {
            self.dirty.successors.insert(owner.clone());
        }
        self.dirty.status.extend(self.machines.objects_of(&owner));
        self.dirty.addresses.insert(owner);
    }
}

/// What of a machine decides.
fn means(meta: &Meta) -> (Name, bool) {
    (meta.uid.clone(), meta.deleting)
}

fn take<T>(from: &mut Namespaced<T>, key: &ObjectKey) {
    if let Some(named) = from.get_mut(&key.namespace) {
        named.remove(&key.name);
        if named.is_empty() {
            from.remove(&key.namespace);
        }
    }
}
