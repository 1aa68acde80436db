//! Which subnets a namespace offers to its pods.

use std::sync::Arc;

use crate::{
    annotations,
    index::{
        World,
        objects::{Name, Subnet, Vpc},
    },
};

/// Names of the subnets for a namespace's pods, in order of preference. Subnets that name the namespace come first,
/// the older before the younger (Kube-OVN's order is not defined); a custom VPC's default subnet before them; without
/// any, the default subnet of the VPC that lists the namespace, else of the cluster. A subnet that only gives addresses for
/// other plugins is none of them.
pub fn subnets_for(world: &World, namespace: &str) -> Vec<Name> {
    let ours = |s: &&Arc<Subnet>| !s.meta.deleting && annotations::is_ovn(s.spec.provider.trim());
    let mut bound: Vec<_> = world.bound_to(namespace).filter(ours).collect();
    bound.sort_by(|a, b| a.meta.seniority().cmp(&b.meta.seniority()));
    let mut names: Vec<Name> = bound.iter().map(|s| s.meta.name.clone()).collect();
    let custom = |v: &&Arc<Vpc>| v.meta.name != world.settings().vpc;
    let mut vpcs: Vec<_> = world.vpcs_listing(namespace).filter(custom).collect();
    vpcs.sort_by(|a, b| a.meta.seniority().cmp(&b.meta.seniority()));
    if namespace != "kube-system" {
        for vpc in vpcs.iter().rev() {
            let default = vpc.spec.default_subnet.as_str();
            let usable = |s: &Arc<Subnet>| ours(&s) && world.vpc_name(s) == vpc.meta.name;
            if !world.subnet(default).is_some_and(usable) {
                continue;
            }
            names.retain(|n| **n != *default);
            names.insert(0, default.into());
        }
    }
    if names.is_empty() {
        names.push(world.settings().subnet.clone());
    }
    names
}
