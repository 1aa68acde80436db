//! A VPC is a logical router.

use kubeovn_core::{
    decide::decide_peerings,
    index::World,
    rows::{OwnerKey, Rendered, Value},
};

use super::{ids, provenance::Field};

/// Seconds after which a learned neighbour is forgotten; Kube-OVN's value.
const NEIGHBOUR_AGE: &str = "300";

pub(super) const FIELDS: &[Field] = &[
    Field::new("Vpc.metadata.name", |world, owner| Some(world.vpc(&owner.name)?.meta.name.to_string())),
    Field::new("Vpc.spec.vpcPeerings", |world, owner| {
        let peerings = &world.vpc(&owner.name)?.spec.vpc_peerings;
        Some(peerings.iter().map(|peering| &*peering.remote_vpc).collect::<Vec<_>>().join(", "))
    }),
];

pub(super) fn render(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let row = out.row(ids::router(&owner.name));
    row.set("name", Value::str(owner.name.clone()));
    row.pair("options", "mac_binding_age_threshold", NEIGHBOUR_AGE);
    row.pair("options", "dynamic_neigh_routers", "true");
    // Nothing but our own ports speaks on these networks: learning from every request would only cost. But for a router
    // on the other side of a connection, also one that merely stays.
    let all = world.vpc(&owner.name).map(|vpc| decide_peerings(world, vpc)).unwrap_or_default();
    if all.peers.is_empty() && all.unclear.is_empty() {
        row.pair("options", "always_learn_from_arp_request", "false");
    }
}
