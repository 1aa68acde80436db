//! Routes and rules, by rtnetlink.
//!
//! Ours are: the routes of the main table over the node's own link, and elsewhere what carries our number.

use std::collections::BTreeSet;

use kubeovn_core::addr::Family;
use kubeovn_core::error::Problem;

use super::error::GatewayError;
use super::firewall::{Change, What};
use super::plan::Routing;
use crate::netlink::{Netlink, NetlinkError, OURS, Route, SourceRule, TableGateway};

/// What `ip route` calls `static`: so Kube-OVN's routes are marked.
const STATIC: u8 = 4;

/// What was changed, what stands in the way, and what failed first; everything is tried.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) changes: Vec<Change>,
    pub(super) problems: Vec<Problem>,
    pub(super) failure: Option<GatewayError>,
}

impl Outcome {
    fn note(&mut self, object: String, what: What, done: Result<(), NetlinkError>) {
        match done {
            Ok(()) => self.changes.push(Change::new(object, what)),
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: NetlinkError) {
        self.failure.get_or_insert(error.into());
    }
}

/// Makes routes and rules be as planned. What packets need comes before what sends them there, and goes after it.
pub(super) async fn apply(host: &Netlink, wanted: &Routing) -> Outcome {
    let mut outcome = Outcome::default();
    if let Err(error) = subnets(host, wanted, &mut outcome).await {
        outcome.fail(error);
    }
    if let Err(error) = egress(host, wanted, &mut outcome).await {
        outcome.fail(error);
    }
    outcome
}

/// The routes over the node's own link.
async fn subnets(host: &Netlink, wanted: &Routing, outcome: &mut Outcome) -> Result<(), NetlinkError> {
    let link = &wanted.link;
    if link.is_empty() {
        return Ok(());
    }
    if host.link(link).await?.is_none() {
        let text =
            format!("the link {link} is not there yet, so there are no routes to subnets. They come with it");
        outcome.problems.push(Problem::new("GATEWAY-NO-LINK", text));
        return Ok(());
    }
    let present = host.routes(link).await?;
    let others = host.routes_elsewhere(link).await?;
    for route in wanted.routes.iter().filter(|route| !present.contains(route)) {
        // The kernel would replace another's route to the same destination by ours.
        if let Some(other) = others.iter().find(|other| other.dst == route.dst) {
            let text = format!(
                "the route {other} is somebody else's, so packets to {} do not go to {link}. Delete that route, or give \
                 the subnet another prefix",
                route.dst
            );
            outcome.problems.push(Problem::new("GATEWAY-ROUTE-TAKEN", text));
            continue;
        }
        let what = if present.iter().any(|p| p.dst == route.dst) { What::Replaced } else { What::Made };
        let done = host.replace_route(route).await;
        outcome.note(format!("route {route}"), what, done);
    }
    // One that was replaced has gone already. Beside one that is as it should be there may be others to the same place.
    let replaced = |route: &Route| {
        wanted.routes.iter().any(|wanted| wanted.dst == route.dst && !present.contains(wanted))
    };
    for route in present.iter().filter(|route| !wanted.routes.contains(route) && !replaced(route)) {
        let done = host.delete_route(route).await;
        outcome.note(format!("route {route}"), What::Removed, done);
    }
    Ok(())
}

/// Gateways outside of the cluster.
async fn egress(host: &Netlink, wanted: &Routing, outcome: &mut Outcome) -> Result<(), NetlinkError> {
    let present = host.table_gateways().await?;
    let gateways: BTreeSet<TableGateway> =
        wanted.gateways.iter().map(|((table, _), via)| TableGateway { table: *table, via: *via }).collect();
    for gateway in gateways.iter().filter(|gateway| !present.contains(&(**gateway, OURS))) {
        let same = |other: &TableGateway| {
            other.table == gateway.table && Family::of(other.via) == Family::of(gateway.via)
        };
        // One that Kube-OVN left is replaced.
        let taken = present.iter().find(|(other, who)| same(other) && ![OURS, STATIC].contains(who));
        if let Some((other, _)) = taken {
            let text = format!(
                "the route {other} is somebody else's, so packets do not go to {}. Choose another policyRoutingTableID",
                gateway.via
            );
            outcome.problems.push(Problem::new("GATEWAY-ROUTE-TAKEN", text));
            continue;
        }
        let what = if present.iter().any(|(other, _)| same(other)) { What::Replaced } else { What::Made };
        let done = host.replace_table_gateway(gateway).await;
        outcome.note(format!("route {gateway}"), what, done);
    }
    rules(host, &wanted.rules, outcome).await?;
    let gone =
        |gateway: &TableGateway| !wanted.gateways.contains_key(&(gateway.table, Family::of(gateway.via)));
    for (gateway, _) in present.iter().filter(|(gateway, who)| *who == OURS && gone(gateway)) {
        let done = host.delete_table_gateway(gateway).await;
        outcome.note(format!("route {gateway}"), What::Removed, done);
    }
    Ok(())
}

async fn rules(
    host: &Netlink,
    wanted: &BTreeSet<SourceRule>,
    outcome: &mut Outcome,
) -> Result<(), NetlinkError> {
    let present = host.source_rules().await?;
    let mut seen = BTreeSet::new();
    // Ours, and those of somebody else or an older version that are just like one of ours.
    let (mut ours, mut extra) = (BTreeSet::new(), Vec::new());
    for (rule, who) in &present {
        if *who == OURS && wanted.contains(rule) && seen.insert(*rule) {
            ours.insert(*rule);
        } else if *who == OURS || wanted.contains(rule) {
            extra.push((*rule, *who));
        }
    }
    for rule in wanted.difference(&ours) {
        let done = host.add_source_rule(rule).await;
        outcome.note(format!("rule {rule}"), What::Made, done);
    }
    for (rule, who) in &extra {
        let done = host.delete_source_rule(rule, *who).await;
        outcome.note(format!("rule {rule}"), What::Removed, done);
    }
    Ok(())
}
