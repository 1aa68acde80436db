//! IPv6 router advertisements of a subnet's router port.

use kubeovn_core::{
    addr::Family,
    decide::ra_configs,
    error::Problem,
    index::World,
    rows::{Elem, Give, OwnerKey, Rendered, RowKey, Value},
};

use super::provenance::Field;
use crate::nb;

pub(super) const FIELDS: &[Field] = &[
    Field::new("Subnet.spec.enableIPv6RA", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.enable_ipv6_ra.to_string())
    }),
    Field::new("Subnet.spec.ipv6RAConfigs", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.ipv6_ra_configs.clone())
    }),
    Field::new("Subnet.spec.cidrBlock", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.cidr_block.clone())
    }),
];

pub(super) fn render(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let (Some(subnet), Some(plan)) = (world.subnet(&owner.name), world.plan(&owner.name)) else { return };
    let key = RowKey::new(nb::LOGICAL_ROUTER_PORT, plan.router_port());
    let prefix = plan.cidrs.get(Family::V6).filter(|_| subnet.spec.enable_ipv6_ra);
    let configs = match prefix.map(|_| ra_configs(&subnet.spec.ipv6_ra_configs)) {
        Some(Ok(configs)) => configs,
        Some(Err(why)) => {
            let text = format!(
                "subnet {}: ipv6RAConfigs can't be read, and nothing is advertised until it can: {why}",
                plan.name
            );
            out.reports.push(Problem::new("SUBNET-RA-INVALID", text));
            <_>::default()
        }
        None => <_>::default(),
    };
    let advertised = prefix.filter(|_| !configs.is_empty());
    // Only its length, as Kube-OVN writes it.
    let lengths = Value::strs(advertised.map(|cidr| cidr.prefix_len().to_string()));
    out.row(key.clone()).set("ipv6_prefix", lengths);
    out.gives.extend(configs.into_iter().map(|(option, value)| Give {
        row: key.clone(),
        column: "ipv6_ra_configs",
        elem: Elem::Pair(option.into(), value.into()),
        parent: false,
    }));
}
