//! Pods: what they were given, or why not.

use std::{borrow::Cow, fmt::Display};

use super::{Seat, Telling, Want, differing, ip};
use crate::{
    annotations::{self, Meaning, NicKey, meaning, nic},
    contract::{
        cluster::{Patch, Write},
        ipam::Grant,
    },
    decide::in_vain,
    error::{NAME_TAKEN, NETWORK_UNNAMED, NOT_SUPPORTED, Problem, UNKNOWN_ANNOTATION},
    index::{
        World,
        objects::{NETWORKS, Name, ObjectKey, Pod},
    },
    rows::OwnerKey,
};

/// How the names of annotations end that say of a network that something was given in it.
const ALLOCATED: &str = ".kubernetes.io/allocated";

/// Record first, then, once the port is in the database, one patch with all annotations: whatever crashes in
/// between, a pod that says `allocated` has a record and a port.
pub(super) fn tell(world: &World, key: &ObjectKey, seat: &dyn Fn(&OwnerKey) -> Seat) -> Telling {
    let Some(pod) = world.pod(&key.namespace, &key.name).filter(|p| p.needs_network()) else {
        return Telling::default();
    };
    let owner = pod.owner();
    // Of a virtual machine's pods one writes the record, though all are told.
    let leader = world.pod_of(&owner).filter(|_| world.is_served(pod));
    let (seat, grants) = leader.map_or((Seat::default(), &[][..]), |_| (seat(&owner), world.grants(&owner)));
    let mut problems: Vec<_> = match leader {
        Some(_) => world.refusal(&owner).cloned().into_iter().collect(),
        None => vec![taken(pod, &owner)],
    };
    problems.extend(seat.problems);
    let mut patch = Patch::new(key.clone(), pod.meta.uid.clone());
    let node = leader.and_then(|leader| leader.node.clone()).unwrap_or_default();
    let (mut writes, mut is_recorded) = (Vec::new(), true);
    for grant in grants {
        match ip::record(world, &owner, &node, grant) {
            Ok(write) => {
                is_recorded &= write.is_none();
                writes.extend(write);
            }
            Err(taken) => {
                is_recorded = false;
                // The name of its port is the same: that is said already, most often.
                if problems.iter().all(|problem| problem.code != taken.code) {
                    problems.push(taken);
                }
            }
        }
    }
    if leader.is_some_and(|leader| leader.meta.uid != pod.meta.uid) {
        writes.clear();
    }
    if is_recorded && seat.ready {
        for grant in grants {
            patch.annotations.extend(differing(&pod.meta.annotations, given(world, pod, grant)));
        }
        // Of what can't be had now it is not known whether it is wanted.
        if problems.is_empty() {
            patch.annotations.extend(left(pod, grants));
        }
    }
    let told = pod.meta.annotations.get(nic::ERROR.ovn());
    if !problems.first().zip(told).is_some_and(|(problem, text)| problem.is_said_by(text)) {
        let error = problems.first().map(|problem| problem as &dyn Display);
        patch.annotations.extend(differing(&pod.meta.annotations, [(nic::ERROR.ovn(), error)]));
    }
    if !patch.is_empty() {
        writes.push(Write::Patch(patch));
    }
    problems.extend(not_supported(pod));
    problems.extend(unknown(pod));
    problems.extend(unnamed(pod));
    Telling { writes, problems }
}

/// A pod is called like a virtual machine of its namespace: one of them can have the port of that name.
fn taken(pod: &Pod, owner: &OwnerKey) -> Problem {
    let other = match pod.machine() {
        Some(_) => format!("pod {} is", owner.name),
        None => format!("virtual machine {} runs with pods that are", owner.name),
    };
    let text = format!(
        "pod {}/{}: {other} older and has the port of that name. Delete or rename one of the two; this one comes up by itself then",
        pod.meta.namespace, pod.meta.name
    );
    Problem::new(NAME_TAKEN, text)
}

/// What is asked for in vain. Said in an event alone: the rest is in effect.
fn not_supported(pod: &Pod) -> Option<Problem> {
    let set = annotations::joined(in_vain::annotations(pod));
    (!set.is_empty()).then(|| {
        let text = format!(
            "pod {}/{}: annotation {set} set, but this version does not act on it; the rest is in effect. \
             docs/compatibility.md lists what is supported",
            pod.meta.namespace, pod.meta.name
        );
        Problem::new(NOT_SUPPORTED, text)
    })
}

/// What looks like ours and is nothing. Said in an event alone, one for all of a pod's.
fn unknown(pod: &Pod) -> Option<Problem> {
    let slips = pod.meta.annotations.keys().filter_map(|key| match meaning(key) {
        Meaning::Unknown { nearest: Some(nearest) } => Some(format!("{key} (did you mean {nearest}?)")),
        Meaning::Unknown { nearest: None } => Some(key.to_string()),
        Meaning::Foreign | Meaning::Known | Meaning::Further => None,
    });
    let slips = annotations::joined(slips);
    (!slips.is_empty()).then(|| {
        let text = format!(
            "pod {}/{}: there is no annotation {slips}, so that nothing acts on it. Correct the name, or remove it; \
             docs/compatibility.md lists those that have an effect",
            pod.meta.namespace, pod.meta.name
        );
        Problem::new(UNKNOWN_ANNOTATION, text)
    })
}

/// Wishes about further networks of OVN's that the pod does not name.
fn unnamed(pod: &Pod) -> Option<Problem> {
    let annotations = &pod.meta.annotations;
    let of_network = |key: &&str| {
        let Some((network, _)) = key.split_once(".kubernetes.io/") else { return false };
        // What it was told itself is taken back in due time.
        let told = || annotations.contains_key(&*format!("{network}{ALLOCATED}"));
        network != annotations::OVN && meaning(key) == Meaning::Known && !asks_for(pod, network) && !told()
    };
    let set = annotations::joined(annotations.keys().map(|key| &**key).filter(of_network));
    (!set.is_empty()).then(|| {
        let text = format!(
            "pod {}/{}: annotation {set} set, of a network that the pod does not name, so that nothing acts on it. Name the \
             network in {NETWORKS}, or remove the annotation",
            pod.meta.namespace, pod.meta.name
        );
        Problem::new(NETWORK_UNNAMED, text)
    })
}

/// What a pod is told of a grant. Prefix and gateway are only told when the subnet is in effect. Where another plugin makes
/// the interface there is nothing of OVN's.
fn given<'a>(
    world: &'a World,
    pod: &'a Pod,
    grant: &'a Grant,
) -> impl Iterator<Item = Want<'a, Cow<'static, str>>> {
    let key = |key: NicKey| key.of(&grant.nic);
    let plan = world.plan(&grant.subnet);
    let plan = plan.map(|plan| -> [Want<'a, Cow<'static, str>>; 2] {
        [(key(nic::CIDR), Some(&plan.cidrs)), (key(nic::GATEWAY), Some(&plan.gateways))]
    });
    let ours = grant.mac.is_some();
    let typed = ours && pod.meta.annotation(&key(nic::POD_NIC_TYPE)).is_some();
    let typed: Option<Want<'a, Cow<'static, str>>> =
        (!typed).then(|| (key(nic::POD_NIC_TYPE), ours.then_some(&"veth-pair" as &dyn Display)));
    let routed: Option<Want<'a, Cow<'static, str>>> =
        (ours && pod.node.is_some()).then(|| (key(nic::ROUTED), Some(&annotations::TRUE as &dyn Display)));
    let given: [Want<'a, Cow<'static, str>>; 5] = [
        (key(nic::ALLOCATED), Some(&annotations::TRUE)),
        (key(nic::IP_ADDRESS), Some(&grant.ips)),
        (key(nic::MAC_ADDRESS), grant.mac.as_ref().map(|mac| mac as &dyn Display)),
        (key(nic::LOGICAL_SWITCH), ours.then_some(&grant.subnet as &dyn Display)),
        (key(nic::LOGICAL_ROUTER), ours.then_some(&grant.space as &dyn Display)),
    ];
    let machine =
        pod.machine().map(|name| -> Want<'a, Cow<'static, str>> { (key(nic::VIRTUAL_MACHINE), Some(name)) });
    given.into_iter().chain(machine).chain(plan.into_iter().flatten()).chain(typed).chain(routed)
}

/// What a pod still says of a further network that it has left: all of it goes, as with Kube-OVN.
fn left(pod: &Pod, grants: &[Grant]) -> impl Iterator<Item = (Name, Option<Name>)> {
    let network = |key: &str| key.split_once(".kubernetes.io/").map(|(network, _)| network.to_owned());
    let told =
        pod.meta.annotations.keys().filter(|key| key.ends_with(ALLOCATED)).filter_map(|key| network(key));
    let is_left = |network: &String| {
        let known = grants.iter().any(|grant| *grant.nic == **network);
        network != annotations::OVN && network.contains('.') && !known && !asks_for(pod, network)
    };
    let left: Vec<String> = told.filter(is_left).collect();
    let keys = pod
        .meta
        .annotations
        .keys()
        .filter(move |key| network(key).is_some_and(|network| left.contains(&network)));
    keys.map(|key| (key.clone(), None))
}

/// Does a pod name the network whose annotations begin like that?
fn asks_for(pod: &Pod, network: &str) -> bool {
    pod.networks.iter().flat_map(|networks| networks.all()).any(|asked| {
        let ovn = asked.ovn_provider();
        let own = asked.interface.as_ref().map(|interface| format!("{ovn}.{interface}"));
        network == ovn || network == asked.plain_provider() || own.is_some_and(|own| network == own)
    })
}
