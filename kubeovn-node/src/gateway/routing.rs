//! Routes and rules, by rtnetlink.
//!
//! Ours are: the routes of the main table over the node's own link, and elsewhere what carries our number.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use ipnet::IpNet;
use kubeovn_core::addr::Family;
use kubeovn_core::error::Problem;

use super::error::GatewayError;
use super::firewall::{Change, What};
use super::plan::{Routing, is_beyond};
use crate::netlink::{Netlink, NetlinkError, OURS, Route, SourceRule, TableGateway};

/// What `ip route` calls `static`: so Kube-OVN's routes are marked.
const STATIC: u8 = 4;

/// So many changes are asked of the kernel before the first is answered. It makes them in their order.
const AT_ONCE: usize = 64;

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
    let present: BTreeSet<Route> = host.routes(link).await?.into_iter().collect();
    let others = host.routes_elsewhere(link).await?;
    let others: BTreeMap<IpNet, Route> = others.into_iter().map(|route| (route.dst, route)).collect();
    let places: BTreeSet<IpNet> = present.iter().map(|route| route.dst).collect();
    let (mut new, mut replaced) = (Vec::new(), BTreeSet::new());
    for route in wanted.routes.iter().filter(|route| !present.contains(route)) {
        replaced.insert(route.dst);
        // The kernel would replace another's route to the same destination by ours.
        if let Some(other) = others.get(&route.dst) {
            let text = format!(
                "the route {other} is somebody else's, so packets to {} do not go to {link}. Delete that route, or give \
                 the subnet another prefix",
                route.dst
            );
            outcome.problems.push(Problem::new("GATEWAY-ROUTE-TAKEN", text));
            continue;
        }
        new.push((route, if places.contains(&route.dst) { What::Replaced } else { What::Made }));
    }
    let replace = |(route, what)| async move { (route, what, host.replace_route(route).await) };
    let asked: Vec<_> = new.into_iter().map(replace).collect();
    let mut made = stream::iter(asked).buffered(AT_ONCE);
    while let Some((route, what, done)) = made.next().await {
        outcome.note(format!("route {route}"), what, done);
    }
    // One that was replaced has gone already. Beside one that is as it should be there may be others to the same place.
    let kept: BTreeSet<&Route> = wanted.routes.iter().collect();
    let places: BTreeSet<IpNet> = wanted.routes.iter().map(|route| route.dst).collect();
    // What is on the link itself somebody else put there; Kube-OVN leaves it, too.
    let on_link = |route: &Route| route.via.is_none() && !places.contains(&route.dst);
    let stays = |route: &&Route| {
        on_link(route) || wanted.known.as_ref().is_some_and(|known| is_beyond(known, route.dst))
    };
    let others = present.iter().filter(|route| !kept.contains(route) && !replaced.contains(&route.dst));
    for route in others.filter(|route| !stays(route)) {
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
    rules(host, wanted, outcome).await?;
    let gone = |gateway: &TableGateway| {
        wanted.known.is_none() && !wanted.gateways.contains_key(&(gateway.table, Family::of(gateway.via)))
    };
    for (gateway, _) in present.iter().filter(|(gateway, who)| *who == OURS && gone(gateway)) {
        let done = host.delete_table_gateway(gateway).await;
        outcome.note(format!("route {gateway}"), What::Removed, done);
    }
    Ok(())
}

async fn rules(host: &Netlink, planned: &Routing, outcome: &mut Outcome) -> Result<(), NetlinkError> {
    let wanted = &planned.rules;
    let stays = |rule: &SourceRule| {
        !wanted.contains(rule) && planned.known.as_ref().is_some_and(|known| is_beyond(known, rule.from))
    };
    let present = host.source_rules().await?;
    let mut seen = BTreeSet::new();
    // Ours, and those of somebody else or an older version that are just like one of ours.
    let (mut ours, mut extra) = (BTreeSet::new(), Vec::new());
    for (rule, who) in &present {
        if *who == OURS && wanted.contains(rule) && seen.insert(*rule) {
            ours.insert(*rule);
        } else if (*who == OURS || wanted.contains(rule)) && !stays(rule) {
            extra.push((*rule, *who));
        }
    }
    let add = |rule| async move { (rule, host.add_source_rule(rule).await) };
    let asked: Vec<_> = wanted.difference(&ours).map(add).collect();
    let mut made = stream::iter(asked).buffered(AT_ONCE);
    while let Some((rule, done)) = made.next().await {
        outcome.note(format!("rule {rule}"), What::Made, done);
    }
    for (rule, who) in &extra {
        let done = host.delete_source_rule(rule, *who).await;
        outcome.note(format!("rule {rule}"), What::Removed, done);
    }
    Ok(())
}
