//! The Northbound of the Go controller for a cluster, row by row, as facts about that controller: nothing of ours
//! computes any of it.
//!
//! Each row says what must become of it. Comments name the section of the model's description that a row follows
//! (M: model, N: names and priorities, A: access rules).

pub(crate) mod balancers;
pub(crate) mod cluster;
pub(crate) mod node;
pub(crate) mod others;
pub(crate) mod pod;
pub(crate) mod private;
pub(crate) mod row;
pub(crate) mod strangers;
pub(crate) mod subnet;
pub(crate) mod vpc;

use kubeovn_core::index::objects::Object;

use self::{cluster::Cluster, row::Northbound};

/// Which Go controller wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// Router ports, access rules, groups, sets and load balancers carry no `vendor` yet (M 0.3), and policies that
    /// lead to nodes no `address-family` (M 3).
    V1_14,
    /// All carry it that ever do.
    V1_15,
}

/// All rows for these objects, with those of strangers and of objects that are gone.
pub(crate) fn northbound(objects: &[Object], age: Age) -> Northbound {
    let cluster = Cluster::of(objects);
    let mut nb = Northbound::new(age);
    balancers::global(&mut nb);
    for vpc in &cluster.vpcs {
        vpc::router(&mut nb, &cluster, vpc);
        balancers::of_vpc(&mut nb, &vpc.meta.name);
    }
    for subnet in &cluster.subnets {
        subnet::switch(&mut nb, &cluster, subnet);
    }
    for node in &cluster.nodes {
        node::port(&mut nb, node);
    }
    for pod in &cluster.pods {
        pod::ports(&mut nb, &cluster, pod);
    }
    others::policy_rules(&mut nb);
    others::security_group(&mut nb);
    others::external_gateway(&mut nb, &cluster);
    others::small_ones(&mut nb);
    strangers::gone(&mut nb);
    strangers::foreign(&mut nb);
    nb
}
