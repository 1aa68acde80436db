//! What users do when they read what is told to them: they take away what cannot be.

use kubeovn_core::{
    contract::ipam::Grant,
    decide::{Peering, decide_peerings},
    error::Problem,
    index::objects::{Kind, Meta, Object, Subnet, SubnetSpec},
    rows::{OwnerKey, OwnerKind},
};

use crate::{sim::Sim, user::vpc};

/// Removes what cannot be decided, so that nothing is merely held.
pub(crate) fn heal(sim: &mut Sim) {
    for _ in 0..4 {
        let (subnets, pods, vpcs) = (refused_subnets(sim), broken_pods(sim), broken_vpcs(sim));
        let misread = misread_subnets(sim);
        if subnets.is_empty() && misread.is_empty() && pods.is_empty() && vpcs.is_empty() {
            return;
        }
        // What is kept for pods that are not there would keep these.
        for (kind, namespace, name) in keepers(sim) {
            sim.delete(kind, &namespace, &name);
        }
        misread.iter().for_each(|name| mend_subnet(sim, name));
        vpcs.iter().for_each(|name| mend_vpc(sim, name));
        pods.iter().for_each(|(namespace, name)| sim.delete(Kind::Pod, namespace, name));
        subnets.iter().for_each(|name| sim.delete(Kind::Subnet, "", name));
        sim.settle();
    }
}

fn refused_subnets(sim: &Sim) -> Vec<String> {
    let world = sim.spine.world();
    let refused = world.subnets().filter(|s| world.plan(&s.meta.name).is_none());
    refused.map(|s| s.meta.name.to_string()).collect()
}

/// In effect, but for something that can't be read.
fn misread_subnets(sim: &Sim) -> Vec<String> {
    let world = sim.spine.world();
    let verdict = |name: &str| sim.spine.verdict(&OwnerKey::new(OwnerKind::Subnet, name));
    let names = world.subnets().map(|s| s.meta.name.to_string());
    names.filter(|name| world.plan(name).is_some() && verdict(name).is_some()).collect()
}

fn broken_pods(sim: &Sim) -> Vec<(String, String)> {
    let world = sim.spine.world();
    let broken = world.pods().filter(|p| {
        let owner = p.owner();
        let held_in = world.grants(&owner).iter().any(|g| world.plan(&g.subnet).is_none());
        held_in || world.refusal(&owner).is_some() || sim.spine.verdict(&owner).is_some()
    });
    broken.map(|p| (p.meta.namespace.to_string(), p.meta.name.to_string())).collect()
}

/// What keeps addresses for pods.
fn keepers(sim: &Sim) -> Vec<(Kind, String, String)> {
    let kinds = [Kind::StatefulSet, Kind::VirtualMachine, Kind::VirtualMachineInstance];
    let objects = kinds.into_iter().flat_map(|kind| sim.shop.cluster.objects(kind));
    let entry = |object: Object| {
        let meta = object.meta();
        (object.kind(), meta.namespace.to_string(), meta.name.to_string())
    };
    objects.map(entry).collect()
}

fn broken_vpcs(sim: &Sim) -> Vec<String> {
    let verdict = |name: &str| sim.spine.verdict(&OwnerKey::new(OwnerKind::Vpc, name));
    let vpcs = sim.spine.world().vpcs().map(|v| v.meta.name.to_string());
    let world = sim.spine.world();
    let connected = |name: &str| {
        let vpc = world.vpc(name)?;
        let peerings = decide_peerings(world, vpc);
        let beaten = |p: &Peering| sim.spine.verdict(&Peering::owner(name, &p.remote)).is_some();
        let broken = peerings.problems.iter().any(Problem::is_refusal) || peerings.peers.iter().any(beaten);
        broken.then_some(())
    };
    vpcs.filter(|name| verdict(name).is_some() || connected(name).is_some()).collect()
}

fn mend_subnet(sim: &mut Sim, name: &str) {
    let Some(old) = sim.spine.world().subnet(name) else { return };
    let spec = SubnetSpec { acls: Vec::new(), enable_dhcp: false, enable_ipv6_ra: false, ..old.spec.clone() };
    sim.apply(Object::Subnet(Subnet { meta: Meta::named(name), spec, ..Subnet::default() }));
    // One that is being deleted takes no correction: it goes when nothing is in it any more.
    let world = sim.spine.world();
    if !world.subnet(name).is_some_and(|s| s.meta.deleting) {
        return;
    }
    let inside: Vec<_> = (world.pods())
        .filter(|pod| world.grants(&pod.owner()).iter().any(|g| *g.subnet == *name))
        .map(|p| (p.meta.namespace.clone(), p.meta.name.clone()))
        .collect();
    inside.iter().for_each(|(namespace, pod)| sim.delete(Kind::Pod, namespace, pod));
}

fn mend_vpc(sim: &mut Sim, name: &str) {
    sim.apply(vpc(name, &[]));
    // One that is being deleted takes no correction: it goes when nothing is in it any more.
    let world = sim.spine.world();
    if !world.vpc(name).is_some_and(|v| v.meta.deleting) {
        return;
    }
    let inside = |g: &Grant| *g.space == *name;
    let pods: Vec<_> = (world.pods())
        .filter(|pod| world.grants(&pod.owner()).iter().any(inside))
        .map(|p| (p.meta.namespace.clone(), p.meta.name.clone()))
        .collect();
    let subnets: Vec<_> = world.subnets_of(name).map(|s| s.meta.name.clone()).collect();
    pods.iter().for_each(|(namespace, pod)| sim.delete(Kind::Pod, namespace, pod));
    subnets.iter().for_each(|subnet| sim.delete(Kind::Subnet, "", subnet));
}
