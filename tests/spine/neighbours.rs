//! What one object does to the rows of another, without a word about that one.

use kubeovn_core::{
    index::objects::{Kind, Object, VpcPeering},
    rows::{Replica as _, RowKey},
};
use kubeovn_ovn::nb;

use crate::{
    database::Late,
    oracle,
    sim::Sim,
    user::{pod, subnet, vpc},
};

fn connected(name: &str, to: &[(&str, &str)]) -> Object {
    let Object::Vpc(mut made) = vpc(name, &[]) else { unreachable!() };
    let peering = |(remote, ip): &(&str, &str)| VpcPeering {
        remote_vpc: (*remote).into(),
        local_connect_ip: (*ip).into(),
        ..VpcPeering::default()
    };
    made.spec.vpc_peerings = to.iter().map(peering).collect();
    Object::Vpc(made)
}

fn has_port(sim: &Sim, name: &str) -> bool {
    sim.db.replica.has(&RowKey::new(nb::LOGICAL_ROUTER_PORT, name))
}

#[test]
fn a_vpc_that_comes_can_stand_in_the_way_of_a_connection_to_another_one() {
    let mut sim = Sim::new();
    sim.apply(connected("va", &[("vb", "169.254.0.2/30"), ("vc", "169.254.0.1/30")]));
    sim.apply(vpc("vc", &[]));
    sim.settle();
    assert!(has_port(&sim, "va-vc"));

    // Now the first of the two can be in effect, and the second one overlaps it.
    sim.apply(vpc("vb", &[]));
    sim.settle();
    assert!(has_port(&sim, "va-vb") && !has_port(&sim, "va-vc"));
    oracle::a_restart_writes_nothing(&sim);
}

#[test]
fn a_subnet_that_goes_takes_its_pods_to_no_other_vpc() {
    let mut sim = Sim::new();
    sim.apply(vpc("vb", &[]));
    sim.apply(subnet("s1", "", "10.1.0.0/24", |s| s.namespaces = vec!["red".into()]));
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.settle();
    // Its pods hold it where it is; that it goes, too, changes nothing of that.
    sim.apply(subnet("s1", "vb", "10.1.0.0/24", |s| s.namespaces = vec!["red".into()]));
    sim.delete(Kind::Subnet, "", "s1");
    sim.settle();
    assert!(has_port(&sim, "ovn-cluster-s1") && !has_port(&sim, "vb-s1"));
    sim.restart(Late::Never);
    sim.settle();
    assert!(has_port(&sim, "ovn-cluster-s1") && !has_port(&sim, "vb-s1"));

    sim.delete(Kind::Pod, "red", "p0");
    sim.settle();
    assert!(sim.spine.world().subnet("s1").is_none(), "it goes with its last pod");
    assert!(!has_port(&sim, "ovn-cluster-s1") && !has_port(&sim, "vb-s1"));
}
