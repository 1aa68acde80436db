//! Status and finalizers of subnets and VPCs.

use super::{Seat, Telling};
use crate::{
    addr::{DualStack, Family},
    annotations,
    contract::{
        cluster::{FINALIZER, Patch, Status, Write},
        ipam::Usage,
    },
    count::Count,
    decide::{NatExceptions, Peering, decide_peerings, decide_vpc, nat_exceptions},
    error::Problem,
    index::{
        World,
        objects::{Condition, Meta, Name, NatRuleStatus, ObjectKey, Subnet, SubnetStatus, VpcStatus},
    },
    rows::{OwnerKey, OwnerKind},
};

pub(super) fn tell_subnet(world: &World, key: &ObjectKey, seats: &dyn Fn(&OwnerKey) -> Seat) -> Telling {
    let Some(subnet) = world.subnet(&key.name) else { return Telling::default() };
    let Some(decision) = world.decision(&key.name) else { return Telling::default() };
    let seat = seats(&OwnerKey::new(OwnerKind::Subnet, key.name.clone()));
    let mut problems = decision.problems.clone();
    // The renderer of a subnet that is refused repeats why: say it once.
    problems.extend(seat.problems.into_iter().filter(|p| !decision.problems.contains(p)));
    // Of what leads its pods out, where that is theirs to do, and of its gateways.
    for node in world.nodes_with_pods(&key.name) {
        problems.extend(seats(&OwnerKey::local(&key.name, node)).problems);
    }
    let lead = world.lead(&key.name);
    problems.extend(lead.and_then(|lead| lead.silent.clone()));
    let lost = lead.and_then(|lead| lead.problem.clone());
    // One that only gives addresses has nothing in the database.
    let rowless = decision.plan.as_ref().is_some_and(|plan| !plan.is_ours());
    let ready = (seat.ready || rowless) && lost.is_none();
    problems.extend(lost);
    let mut usage = world.usage(&key.name).cloned().unwrap_or_default();
    if decision.plan.as_ref().is_none_or(|plan| plan.closing) {
        // Nothing more is granted here, however much is left.
        usage = Usage { available: DualStack::default(), available_ranges: DualStack::default(), ..usage };
    }
    let want = SubnetStatus {
        conditions: conditions(
            &subnet.meta,
            decision.plan.is_some(),
            ready,
            &with_first(kept_by_holders(world, subnet), &problems),
        ),
        v4availableIPs: number(&usage.available, Family::V4),
        v4availableIPrange: text(&usage.available_ranges, Family::V4),
        v4usingIPs: number(&usage.used, Family::V4),
        v4usingIPrange: text(&usage.used_ranges, Family::V4),
        v6availableIPs: number(&usage.available, Family::V6),
        v6availableIPrange: text(&usage.available_ranges, Family::V6),
        v6usingIPs: number(&usage.used, Family::V6),
        v6usingIPrange: text(&usage.used_ranges, Family::V6),
        activateGateway: active(world, subnet, decision.plan.is_some()),
        dhcpV4OptionsUUID: text(&seat.dhcp_answers, Family::V4),
        dhcpV6OptionsUUID: text(&seat.dhcp_answers, Family::V6),
        natOutgoingPolicyRules: exceptions(subnet, decision.plan.is_some()),
    };
    let mut writes: Vec<Write> =
        finalizer(key, &subnet.meta, decision.plan.is_some(), holds_nothing(world.usage(&key.name)))
            .into_iter()
            .collect();
    if want != subnet.status {
        let uid = subnet.meta.uid.clone();
        writes.push(Write::Status { key: key.clone(), uid, status: Status::Subnet(want) });
    }
    Telling { writes, problems }
}

pub(super) fn tell_vpc(world: &World, key: &ObjectKey, ask: &dyn Fn(&OwnerKey) -> Seat) -> Telling {
    let Some(vpc) = world.vpc(&key.name) else { return Telling::default() };
    let seat = ask(&OwnerKey::new(OwnerKind::Vpc, key.name.clone()));
    let mut problems = decide_vpc(vpc).problems;
    problems.extend(seat.problems.into_iter().filter(|p| !problems.contains(p)).collect::<Vec<_>>());
    let peerings = decide_peerings(world, vpc);
    problems.extend(peerings.problems);
    let mut remotes: Vec<Name> = peerings.peers.into_iter().map(|peering| peering.remote).collect();
    remotes.sort_unstable();
    for remote in &remotes {
        problems.extend(ask(&Peering::owner(&key.name, remote)).problems);
    }
    let default = key.name == world.settings().vpc;
    let default_subnet =
        if default { world.settings().subnet.to_string() } else { vpc.spec.default_subnet.clone() };
    let want = VpcStatus {
        standby: seat.ready,
        default,
        default_logical_switch: default_subnet,
        router: key.name.to_string(),
        subnets: world.plans_of(&key.name).filter(|p| !p.closing).map(|p| p.name.clone()).collect(),
        vpc_peerings: remotes,
        conditions: conditions(
            &vpc.meta,
            !problems.iter().any(Problem::is_refusal),
            seat.ready,
            &with_first(kept_by_subnets(world, &vpc.meta), &problems),
        ),
    };
    let unused = world.subnets_of(&key.name).next().is_none();
    let mut writes: Vec<Write> = finalizer(key, &vpc.meta, true, unused).into_iter().collect();
    if want != vpc.status {
        let uid = vpc.meta.uid.clone();
        writes.push(Write::Status { key: key.clone(), uid, status: Status::Vpc(want) });
    }
    Telling { writes, problems }
}

/// The node that the subnet leaves by. While it can't be used as it stands that stays, too.
fn active(world: &World, subnet: &Subnet, decided: bool) -> String {
    let active = world.lead(&subnet.meta.name).map(|lead| lead.active().map(ToString::to_string));
    let told = || if decided { String::new() } else { subnet.status.activateGateway.clone() };
    active.map_or_else(told, Option::unwrap_or_default)
}

/// The exceptions from `natOutgoing` that are in force. While the subnet can't be used as it stands those of before are.
fn exceptions(subnet: &Subnet, decided: bool) -> Vec<NatRuleStatus> {
    if !decided {
        return subnet.status.natOutgoingPolicyRules.clone();
    }
    let NatExceptions { in_force, .. } = nat_exceptions(subnet);
    in_force.into_iter().map(|(rule, exception)| NatRuleStatus::of(exception.id, rule)).collect()
}

/// A number of a status, as it comes back when it is read.
pub(super) fn number(of: &DualStack<u128>, family: Family) -> Count {
    Count(of.get(family).copied().unwrap_or(0)).as_stored()
}

/// A text of a status.
pub(super) fn text(of: &DualStack<String>, family: Family) -> String {
    of.get(family).cloned().unwrap_or_default()
}

/// How many of those who keep an object are named.
const NAMED: usize = 3;

/// Why a subnet that is being deleted is still there. Said in its conditions alone: an event each time that somebody goes
/// would be too many.
fn kept_by_holders(world: &World, subnet: &Subnet) -> Option<Problem> {
    let holders = world.holders_in(&subnet.meta.name);
    let number = holders.len();
    (subnet.meta.deleting && number > 0).then(|| {
        let named = annotations::joined(holders.take(NAMED));
        let text = format!(
            "subnet {} is being deleted, and {number} still hold addresses in it: {named}{}. Delete them; it goes by itself",
            subnet.meta.name,
            more(number)
        );
        Problem::new("SUBNET-IN-USE", text)
    })
}

/// The same of a VPC.
fn kept_by_subnets(world: &World, vpc: &Meta) -> Option<Problem> {
    let mut subnets: Vec<&Name> = world.subnets_of(&vpc.name).map(|subnet| &subnet.meta.name).collect();
    subnets.sort_unstable();
    let number = subnets.len();
    (vpc.deleting && number > 0).then(|| {
        let named = annotations::joined(subnets.into_iter().take(NAMED));
        let text = format!(
            "VPC {} is being deleted, and {number} of its subnets are still there: {named}{}. Delete them; it goes by itself",
            vpc.name,
            more(number)
        );
        Problem::new("VPC-IN-USE", text)
    })
}

fn more(number: usize) -> &'static str {
    if number > NAMED { " and others" } else { "" }
}

fn with_first(first: Option<Problem>, others: &[Problem]) -> Vec<Problem> {
    first.into_iter().chain(others.iter().cloned()).collect()
}

fn holds_nothing(usage: Option<&Usage>) -> bool {
    usage.is_none_or(|usage| usage.owners == 0)
}

/// Our finalizer keeps an object that is in use until it isn't.
pub(super) fn finalizer(key: &ObjectKey, meta: &Meta, accepted: bool, unused: bool) -> Option<Write> {
    let has = meta.finalizers.iter().any(|f| **f == *FINALIZER);
    let wants = if meta.deleting { has && !unused } else { has || accepted };
    (has != wants).then(|| {
        let mut patch = Patch::new(key.clone(), meta.uid.clone());
        patch.finalizer = Some(wants);
        Write::Patch(patch)
    })
}

/// `Validated`, `Ready` and `Error`, as Kube-OVN's tools read them; the reason is the code of the first problem.
pub(super) fn conditions(meta: &Meta, valid: bool, ready: bool, problems: &[Problem]) -> Vec<Condition> {
    let truth = |yes| Name::from(if yes { "True" } else { "False" });
    let problem = problems.first();
    let condition = |kind: &str, yes: bool, reason: &str| Condition {
        r#type: kind.into(),
        status: truth(yes),
        reason: problem.map_or(reason, |p| p.code).into(),
        message: problem.map_or_else(Name::default, |p| p.to_string().into()),
        observed_generation: meta.generation,
    };
    let mut all =
        vec![condition("Validated", valid, "Accepted"), condition("Ready", valid && ready, "Programmed")];
    if !valid {
        all.push(condition("Error", true, ""));
    }
    all
}
