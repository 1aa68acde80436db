//! A subnet is a logical switch, with a port pair to its VPC's router.

use kubeovn_core::{
    addr::Mac,
    decide::SubnetPlan,
    index::World,
    rows::{EXTERNAL_IDS, OwnerKey, Rendered, Replica, RowKey, Value},
};

use super::{ids, provenance::Field, routing::add_policy};
use crate::{matching::Match, nb};

/// Traffic to a subnet goes there, whatever gateways and exits come below; Kube-OVN's priority.
pub(super) const EAST_WEST: u16 = 31_000;

pub(super) const FIELDS: &[Field] = &[
    Field::new("Subnet.spec.cidrBlock", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.cidr_block.clone())
    })
    .only(|row| [nb::LOGICAL_ROUTER_PORT, nb::LOGICAL_ROUTER_POLICY].contains(&row.table)),
    Field::new("Subnet.spec.gateway", |world, owner| Some(world.subnet(&owner.name)?.spec.gateway.clone()))
        .only(|row| row.table == nb::LOGICAL_ROUTER_PORT),
    Field::new("Subnet.spec.vpc", |world, owner| Some(world.subnet(&owner.name)?.spec.vpc.clone()))
        .only(|row| row.table != nb::LOGICAL_SWITCH),
    Field::new("Subnet.spec.routeTable", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.route_table.clone())
    })
    .only(|row| row.table == nb::LOGICAL_ROUTER_PORT),
    Field::new("Subnet.metadata.name", |world, owner| Some(world.subnet(&owner.name)?.meta.name.to_string())),
];

pub(super) fn render(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let Some(plan) = world.plan(&owner.name) else { return };
    let (switch, router) = (ids::switch(plan.name.clone()), ids::router(&plan.vpc));
    out.row(switch.clone()).set("name", Value::str(plan.name.clone()));

    let (at_switch, at_router) = (plan.switch_port(), plan.router_port());
    let key = ids::switch_port(&*at_switch);
    let row = out.row(key.clone());
    row.set("name", Value::str(at_switch.as_str()));
    row.set("type", Value::str("router"));
    row.set("addresses", Value::str("router"));
    row.set("port_security", Value::EMPTY);
    row.pair("options", "router-port", at_router.as_str());
    row.pair(EXTERNAL_IDS, "ls", plan.name.clone());
    out.attach(switch, "ports", key);

    let key = router_port(&at_router);
    let networks =
        plan.cidrs.families().filter_map(|f| Some(plan.cidrs.get(f)?.with_host(*plan.gateways.get(f)?)));
    let networks = Value::strs(networks);
    let row = out.row(key.clone());
    row.set("name", Value::str(at_router.as_str()));
    row.set("mac", Value::str(ids::router_mac(&at_router).to_string()));
    row.set("networks", networks);
    row.set("peer", Value::EMPTY);
    row.pair(EXTERNAL_IDS, "lr", plan.vpc.clone());
    if !plan.table.is_empty() {
        row.pair("options", "route_table", plan.table.clone());
    }
    out.attach(router, "ports", key);

    for cidr in plan.cidrs.iter() {
        let key = ids::policy(&plan.vpc, EAST_WEST, &cidr.to_string());
        add_policy(out, &plan.vpc, key.clone(), EAST_WEST, Match::dst(cidr.net()).to_string(), "allow", []);
        out.row(key).pair(EXTERNAL_IDS, "subnet", plan.name.clone());
    }
    // The third is the port that an underlay has, with or without one: a pod must not be able to take it first.
    out.name(at_switch);
    out.name(at_router);
    out.name(format!("localnet.{}", plan.name));
}

fn router_port(name: &str) -> RowKey {
    RowKey::new(nb::LOGICAL_ROUTER_PORT, name)
}

/// The MAC of the router's port: the one that is there, for what Kube-OVN made keeps its own, else the one that it gets.
pub(super) fn gateway_mac(plan: &SubnetPlan, have: &dyn Replica) -> Mac {
    let name = plan.router_port();
    let there = have.value(&router_port(&name), "mac").and_then(|value| value.texts().next()?.parse().ok());
    there.unwrap_or_else(|| ids::router_mac(&name))
}
