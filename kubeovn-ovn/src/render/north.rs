//! A pod that has a router of its own to the north: all that leaves the VPC from its address is sent there.

use std::net::IpAddr;

use kubeovn_core::{
    addr::DualStack,
    annotations,
    error::Problem,
    index::World,
    rows::{EXTERNAL_IDS, OwnerKey, Rendered},
};

use super::{
    ids,
    provenance::Field,
    routing::{add_policy, word},
};
use crate::matching::Match;

/// Above what leads the pod's subnet out; Kube-OVN's priority.
const NORTH: u16 = 29_250;

pub(super) const FIELDS: &[Field] = &[
    Field::new("Pod.metadata.annotations[ovn.kubernetes.io/north_gateway]", |world, owner| {
        Some(world.pod_of(owner)?.meta.annotation(annotations::pod::NORTH_GATEWAY)?.to_owned())
    }),
    Field::new("Pod.metadata.annotations[ovn.kubernetes.io/ip_address]", |world, owner| {
        Some(world.grants(owner).iter().find(|grant| grant.nic.is_empty())?.ips.to_string())
    }),
];

/// Of the pod's first network alone, as the annotation is.
pub(super) fn render(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let Some(pod) = world.pod_of(owner) else { return };
    let Some(text) = pod.meta.annotation(annotations::pod::NORTH_GATEWAY) else { return };
    let Some(grant) = world.grants(owner).iter().find(|g| g.nic.is_empty() && g.mac.is_some()) else {
        return;
    };
    let mut ignored = |why: String| {
        let text = format!("pod {}: annotation north_gateway is not in effect: {why}", owner.name);
        out.reports.push(Problem::new("POD-NORTH-GATEWAY", text));
    };
    let vpc = &world.settings().vpc;
    if grant.space != *vpc {
        let own = &grant.space;
        return ignored(format!(
            "the pod is in VPC {own}, and it is for VPC {vpc}. Use policyRoutes of VPC {own}"
        ));
    }
    let gateways: DualStack<IpAddr> = match text.parse() {
        Ok(gateways) => gateways,
        Err(error) => return ignored(format!("{error}. Write an address, or one of each family")),
    };
    let families = grant.ips.families().filter(|family| gateways.get(*family).is_some());
    if families.count() == 0 {
        let ips = grant.ips;
        return ignored(format!(
            "{gateways} is of another family than the pod's {ips}. Write one of the same"
        ));
    }
    for family in grant.ips.families() {
        let (Some(ip), Some(gateway)) = (grant.ips.get(family), gateways.get(family)) else { continue };
        let key = ids::policy(vpc, NORTH, &format!("{}/{}", owner.name, word(family)));
        add_policy(out, vpc, key.clone(), NORTH, Match::src(*ip).to_string(), "reroute", [*gateway]);
        out.row(key).pair(EXTERNAL_IDS, "subnet", grant.subnet.clone());
    }
}
