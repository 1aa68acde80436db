//! What is kept for a pod that is not there.

use super::{
    retention::{self, Member, Retention},
    subnets_for,
};
use crate::{
    contract::ipam::Grant,
    index::{
        World,
        objects::{StatefulSet, Workload},
    },
    rows::OwnerKey,
};

/// Does what a pod holds outlive it? Asked only of pods that need no network (any more).
pub fn is_kept(world: &World, owner: &OwnerKey, grant: &Grant) -> bool {
    if world.reservation(owner).is_some() {
        return true;
    }
    let Some((namespace, pod)) = owner.name.split_once('/') else { return false };
    // A subnet that can't be used as it stands is no reason to give up what is held in it.
    let plan = world.plan(&grant.subnet);
    if plan.is_none() && world.subnet(&grant.subnet).is_none() {
        return false;
    }
    if world.is_machine(owner) {
        let (machine, instance) = world.machine(owner);
        return world.settings().keep_vm_ip
            && retention::are_inside(&grant.ips, plan.map(|plan| &plan.cidrs))
            && retention::of_virtual_machine(machine, instance) == Retention::Keep;
    }
    let set = world.set_of(owner);
    // One that has run to its end, or was evicted, is still known by the set that it belongs to.
    let known = match world.pod_of(owner).map(|pod| pod.workload.as_deref()) {
        Some(Some(Workload::StatefulSet { uid, .. })) => Some(uid),
        Some(Some(Workload::VirtualMachine { .. }) | None) => return false,
        None => set.map(|set| &set.meta.uid),
    };
    let Some(uid) = known else { return false };
    let further = !grant.nic.is_empty();
    let gone = Member { pod: pod.into(), set: uid.clone(), subnet: grant.subnet.clone(), ips: grant.ips };
    let cidrs = plan.map(|plan| &plan.cidrs);
    if further {
        // Namespace and template choose the subnet of the first network alone.
        let set = set.map(|set| StatefulSet { subnet: None, ..set.clone() });
        let stays = std::slice::from_ref(&grant.subnet);
        return retention::of_stateful_set(&gone, set.as_ref(), stays, cidrs) == Retention::Keep;
    }
    retention::of_stateful_set(&gone, set, &subnets_for(world, namespace), cidrs) == Retention::Keep
}
