//! Who holds an address, or why nobody does.

use std::net::IpAddr;

use kubeovn_core::{contract::ipam::Grant, decide::SubnetPlan, rows::OwnerKey};

use super::{Addresses, Answer, owner};
use crate::ctl::cluster::text::counted;

pub(super) fn explain(addresses: &Addresses, ip: IpAddr) -> Answer {
    let world = addresses.scratch.world();
    let holders = addresses.scratch.holders();
    let holders: Vec<&(OwnerKey, &Grant)> =
        holders.iter().filter(|(_, grant)| grant.ips.iter().any(|held| *held == ip)).collect();
    let plans = world.subnets().filter_map(|subnet| world.plan(&subnet.meta.name));
    let plans: Vec<&SubnetPlan> =
        plans.filter(|plan| plan.cidrs.iter().any(|cidr| cidr.contains(ip))).map(|plan| &**plan).collect();
    let mut answer = match holders.as_slice() {
        [] => Answer::new(match plans.as_slice() {
            [] => {
                let subnets = counted(world.subnets().count(), "subnet");
                format!(
                    "{ip} is in the prefix of none of {subnets}, or of one that is refused: see its status"
                )
            }
            plans => plans.iter().map(|plan| free(plan, ip)).collect::<Vec<_>>().join("; "),
        }),
        [(owner, grant)] => {
            let mut answer = Answer::new(format!("{ip} is held by {owner}"));
            owner::facts(addresses, owner, grant, &mut answer);
            answer
        }
        // The same address in several VPCs.
        many => {
            let named = many.iter().map(|(owner, grant)| format!("{owner} in VPC {}", grant.space));
            let mut answer =
                Answer::new(format!("{ip} is held by {}", named.collect::<Vec<_>>().join(" and by ")));
            for (owner, grant) in many {
                answer.fact("holder", owner.to_string());
                owner::facts(addresses, owner, grant, &mut answer);
            }
            answer
        }
    };
    for (owner, claim) in addresses.claims.on(ip) {
        if !holders.iter().any(|(holder, grant)| holder == owner && claim.says(grant)) {
            answer.fact("claimed", format!("by {owner} too, in its {}: kubeovn-ctl ipam check", claim.place));
        }
    }
    for owner in world.owners() {
        let wants = world.refusal(&owner).filter(|problem| names(&problem.message, ip));
        if let Some(problem) = wants {
            answer.fact("wanted", format!("by {owner}: {problem}"));
        }
    }
    answer
}

/// Does a text name this address, and not one that begins like it?
fn names(text: &str, ip: IpAddr) -> bool {
    text.split_whitespace().any(|word| word.trim_end_matches([',', '.', ';', ':']) == ip.to_string())
}

/// Why nobody holds an address of a subnet.
fn free(plan: &SubnetPlan, ip: IpAddr) -> String {
    let name = &plan.name;
    if plan.gateways.iter().any(|gateway| *gateway == ip) {
        return format!("{ip} is the gateway of subnet {name}: it is given to nobody");
    }
    if !plan.cidrs.iter().any(|cidr| cidr.usable().contains(ip)) {
        return format!("{ip} is the network or broadcast address of subnet {name}: it is given to nobody");
    }
    if let Some(range) = plan.excludes.iter().find(|range| range.contains(ip)) {
        return format!(
            "{ip} is excluded in subnet {name} ({range}): it is given only to who asks for this very address"
        );
    }
    if plan.nodes.contains(&ip) {
        return format!(
            "{ip} is the address of a node in subnet {name}: it is given only to who asks for this very address"
        );
    }
    if plan.closing {
        return format!("{ip} is free in subnet {name}, which is being deleted and gives nothing any more");
    }
    format!("{ip} is free in subnet {name} of VPC {}", plan.vpc)
}
