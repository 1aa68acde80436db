//! What a pod or node holds, or waits for.

use std::collections::BTreeMap;

use kubeovn_core::{
    contract::ipam::Grant,
    decide::subnets_for,
    index::objects::{Kind, Name, ObjectKey},
    rows::{OwnerKey, OwnerKind},
    time::rfc3339,
};

use super::{Addresses, Answer};
use crate::ctl::{
    cluster::{claims::held, text::counted},
    error::CtlError,
};

/// How many of the biggest holders are named.
const NAMED: usize = 5;

pub(super) fn explain(addresses: &Addresses, owner: &OwnerKey) -> Result<Answer, CtlError> {
    let world = addresses.scratch.world();
    let grant = world.grants(owner).iter().find(|grant| grant.nic.is_empty());
    let pod = world.pod_of(owner);
    let node = world.node(&owner.name).filter(|_| owner.kind == OwnerKind::Node);
    let there = pod.is_some() || node.is_some();
    let mut answer = match grant {
        Some(grant) => {
            let kept = if there { "" } else { ", kept for when it comes back" };
            let mut answer =
                Answer::new(format!("{owner} holds {}{kept}", held(&grant.subnet, &grant.ips, None)));
            facts(addresses, owner, grant, &mut answer);
            answer
        }
        None if !there && addresses.claims.of_owner(owner).is_empty() => {
            return Err(CtlError::PodUnknown { name: owner.name.to_string() });
        }
        None if !there => Answer::new(format!("{owner} is not there, and nothing is kept for it")),
        None if pod.is_some_and(|pod| pod.host_network) => {
            Answer::new(format!("{owner} is on its node's network: it needs no address"))
        }
        None if pod.is_some_and(|pod| pod.finished) => {
            Answer::new(format!("{owner} has run to its end: it needs no address any more"))
        }
        None => Answer::new(format!("{owner} has no address")),
    };
    if let Some(refusal) = world.refusal(owner) {
        answer.fact("why not", refusal.to_string());
        for subnet in asked(addresses, owner) {
            fill(addresses, &subnet, &mut answer);
        }
    }
    let key = pod.map(|pod| ObjectKey {
        kind: Kind::Pod,
        namespace: pod.meta.namespace.clone(),
        name: pod.meta.name.clone(),
    });
    let problems = key.and_then(|key| addresses.scratch.spine().problems().get(&key));
    for problem in problems.into_iter().flatten().filter(|problem| world.refusal(owner) != Some(*problem)) {
        answer.fact("problem", problem.to_string());
    }
    // Of those that hold nothing: what is still said of them.
    if grant.is_none() {
        for claim in addresses.claims.of_owner(owner) {
            answer.fact("still", format!("{} says {claim}", claim.place));
        }
    }
    Ok(answer)
}

/// What there is to say of a grant.
pub(super) fn facts(addresses: &Addresses, owner: &OwnerKey, grant: &Grant, answer: &mut Answer) {
    let world = addresses.scratch.world();
    answer.fact("subnet", format!("{} of VPC {}", grant.subnet, grant.space));
    answer.fact("address", grant.ips.to_string());
    if let Some(mac) = grant.mac {
        answer.fact("MAC", mac.to_string());
    }
    if let Some(node) = world.pod_of(owner).and_then(|pod| pod.node.clone()) {
        answer.fact("node", &*node);
    }
    let since = addresses.claims.since(owner).map_or_else(
        || "not known: there is no record of it".to_owned(),
        |since| format!("{}, when its record was made", rfc3339(since)),
    );
    answer.fact("since", since);
    let said = addresses.claims.of_owner(owner);
    for claim in said {
        let other =
            if claim.says(grant) { String::new() } else { format!(" says {claim}: kubeovn-ctl ipam check") };
        answer.fact("source", format!("{}{other}", claim.place));
    }
    if said.is_empty() {
        answer.fact(
            "source",
            "none: it is what the controller gives it next, and nothing of it is written yet",
        );
    }
}

/// The subnets that it may be given an address from.
fn asked(addresses: &Addresses, owner: &OwnerKey) -> Vec<Name> {
    use kubeovn_core::annotations::nic::LOGICAL_SWITCH;
    let world = addresses.scratch.world();
    match world.pod_of(owner) {
        Some(pod) => match pod.meta.annotation(LOGICAL_SWITCH.ovn()) {
            Some(subnet) => vec![subnet.into()],
            None => subnets_for(world, &pod.meta.namespace),
        },
        None if owner.kind == OwnerKind::Node => vec![world.settings().join.clone()],
        None => Vec::new(),
    }
}

/// How full a subnet is, and who holds how much of it.
fn fill(addresses: &Addresses, subnet: &Name, answer: &mut Answer) {
    let Some(usage) = addresses.scratch.world().usage(subnet) else { return };
    answer.fact(
        "subnet",
        format!(
            "{subnet}: {} used, {} free, {} reserved of {}",
            usage.used, usage.available, usage.reserved, usage.total
        ),
    );
    let mut by_namespace: BTreeMap<String, usize> = BTreeMap::new();
    for (owner, _) in addresses.scratch.holders().iter().filter(|(_, grant)| grant.subnet == *subnet) {
        let of = owner.name.split_once('/').map_or("nodes", |(namespace, _)| namespace);
        *by_namespace.entry(of.to_owned()).or_default() += 1;
    }
    let mut biggest: Vec<(String, usize)> = by_namespace.into_iter().collect();
    biggest.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), name.clone()));
    for (name, count) in biggest.into_iter().take(NAMED) {
        answer.fact("held by", format!("{name}: {}", counted(count, "holder")));
    }
}
