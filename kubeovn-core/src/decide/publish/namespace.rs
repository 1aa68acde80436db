//! Namespaces: the subnets that they offer.

use std::fmt::Display;

use super::{Telling, Want, differing};
use crate::{
    annotations::{self, namespace},
    contract::cluster::{Patch, Write},
    decide::{pools_for, subnets_for},
    index::{World, objects::ObjectKey},
};

pub(super) fn tell(world: &World, key: &ObjectKey) -> Telling {
    let Some(object) = world.namespace(&key.name) else { return Telling::default() };
    let names = subnets_for(world, &key.name);
    // A subnet that is refused keeps its place, empty.
    let plans = || names.iter().map(|name| world.plan(name));
    let cidrs = plans().map(|plan| plan.map(|p| p.cidrs.to_string()).unwrap_or_default());
    let excludes = plans().map(|plan| {
        let gateways = plan.into_iter().flat_map(|p| p.gateways.iter()).map(ToString::to_string);
        let excludes = plan.into_iter().flat_map(|p| &p.excludes).map(ToString::to_string);
        annotations::joined(gateways.chain(excludes))
    });
    let given = [
        (namespace::LOGICAL_SWITCH, annotations::joined(names.iter())),
        (namespace::CIDR, annotations::joined_per_subnet(cidrs)),
        (namespace::EXCLUDE_IPS, annotations::joined_per_subnet(excludes)),
    ];
    let pools = annotations::joined(pools_for(world, &key.name).iter());
    let pools: Want<'_> = (namespace::IP_POOL, (!pools.is_empty()).then_some(&pools as &dyn Display));
    let given = given.iter().map(|(key, value)| -> Want<'_> { (key, Some(value)) }).chain([pools]);
    let mut patch = Patch::new(key.clone(), object.meta.uid.clone());
    patch.annotations = differing(&object.meta.annotations, given);
    let writes = if patch.is_empty() { Vec::new() } else { vec![Write::Patch(patch)] };
    Telling { writes, ..Telling::default() }
}
