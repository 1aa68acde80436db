//! Which way packets should go: routes to subnets, and gateways outside of the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use kubeovn_core::addr::{Cidr, Family};
use kubeovn_core::error::Problem;

use crate::gateway::facts::{Carrier, Egress, Facts, Gateway, Subnet};
use crate::netlink::{Route, SourceRule};
use crate::node_port::route_to;

/// Which way packets should go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// The link into the overlay. Its routes in the main table are exactly `routes`, beside the kernel's own.
    pub link: String,
    /// Routes to subnets, sorted.
    pub routes: Vec<Route>,
    /// Who is looked up in which table.
    pub rules: BTreeSet<SourceRule>,
    /// The default gateway of a table, per family.
    pub gateways: BTreeMap<(u32, Family), IpAddr>,
    /// As of [`Rules::known`](super::Rules::known): routes and rules of other prefixes stay.
    pub known: Option<Vec<Cidr>>,
}

pub(super) fn routing(facts: &Facts, subnets: &[&Subnet], problems: &mut Vec<Problem>) -> Routing {
    let mut routes: Vec<Route> = subnets
        .iter()
        .filter(|subnet| subnet.carrier != Carrier::Underlay { connected: false })
        .flat_map(|subnet| subnet.cidrs.iter().copied())
        .filter(|cidr| facts.join.cidrs.get(cidr.family()) != Some(cidr))
        .filter_map(|cidr| {
            route_to(cidr, &facts.join.link, &facts.node_ips, &facts.join.gateways, &facts.local)
        })
        .collect();
    routes.sort_unstable();
    routes.dedup();
    let mut routing = Routing { link: facts.join.link.clone(), routes, ..Routing::default() };
    for subnet in subnets {
        leave(&mut routing, facts, subnet, problems);
    }
    routing
}

/// The subnet leaves by a gateway outside of the cluster.
fn leave(routing: &mut Routing, facts: &Facts, subnet: &Subnet, problems: &mut Vec<Problem>) {
    let Some(egress) = &subnet.egress else { return };
    if subnet.nat_outgoing || subnet.deleting || matches!(subnet.carrier, Carrier::Underlay { .. }) {
        return;
    }
    if !(1..=0x7fff_ffff).contains(&egress.table) || (252..=255).contains(&egress.table) {
        let text = format!(
            "subnet {}: policyRoutingTableID {} is no table for routes of yours. Its packets leave by the host's own \
             routes. Choose one from 1 to 2147483647, but not 252 to 255",
            subnet.name, egress.table
        );
        problems.push(Problem::new("GATEWAY-TABLE", text));
        return;
    }
    for (family, from) in sources(facts, subnet) {
        let Some(gateway) = egress.gateways.get(family) else { continue };
        match routing.gateways.get(&(egress.table, family)) {
            Some(other) if other != gateway => problems.push(shared(subnet, egress, *other)),
            _ => {
                routing.gateways.insert((egress.table, family), *gateway);
                routing.rules.insert(SourceRule { priority: egress.priority, from, table: egress.table });
            }
        }
    }
}

fn shared(subnet: &Subnet, egress: &Egress, other: IpAddr) -> Problem {
    let text = format!(
        "subnet {}: the gateway of table {} is {other} already, for another subnet. Its packets leave by the host's own \
         routes. Give it another policyRoutingTableID",
        subnet.name, egress.table
    );
    Problem::new("GATEWAY-TABLE", text)
}

/// Whose packets come to this node for it to send on.
fn sources(facts: &Facts, subnet: &Subnet) -> Vec<(Family, IpNet)> {
    match &subnet.gateway {
        Gateway::Distributed => {
            let pods = facts.pods.iter().filter(|pod| pod.subnet == subnet.name);
            let ips = pods.flat_map(|pod| pod.ips.iter());
            ips.map(|ip| (Family::of(*ip), IpNet::from(*ip))).collect()
        }
        Gateway::Centralized { nodes, selected, .. } => {
            let names = || nodes.split(',').map(|item| item.split(':').next().unwrap_or_default().trim());
            let listed = names().any(|name| name == facts.node);
            let here = listed || *selected && names().all(str::is_empty);
            let cidrs = subnet.cidrs.iter().filter(|_| here);
            cidrs.map(|cidr| (cidr.family(), cidr.net())).collect()
        }
    }
}
