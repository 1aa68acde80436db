//! What the host should have, as one value.
//!
//! [`plan`] is a pure function of [`Facts`]. What it says is independent of who writes it: the [rules](Rules) are a small
//! language of matches and actions that both writers translate word by word, so that they cannot mean different things.
//! Printed, a plan is the text of the golden tests.

mod nat;
mod routing;
mod rules;
mod text;

use ipnet::IpNet;
use kubeovn_core::addr::{Cidr, DualStack, Family};
use kubeovn_core::error::Problem;

pub use self::routing::Routing;
pub use self::rules::{Action, Chain, Mark, Match, PolicyJump, Protocol, Rule, Rules, Set};
use super::facts::Facts;

/// What the host should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What the packet filter does, per family.
    pub rules: DualStack<Rules>,
    /// Which way packets go.
    pub routing: Routing,
    /// Kernel settings, as paths below `/proc/sys`.
    pub settings: Vec<(&'static str, &'static str)>,
    /// What was asked for and can't be done. Everything else is planned.
    pub problems: Vec<Problem>,
}

/// What the host should have, given these facts.
pub fn plan(facts: &Facts) -> Plan {
    let mut problems = Vec::new();
    // The order of the facts is an accident; that of names is not.
    let mut subnets: Vec<_> = facts.subnets.iter().collect();
    subnets.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut rules = DualStack::default();
    let mut settings = Vec::new();
    let known = known(facts);
    problems.extend(facts.unknown.iter().map(|name| unknown(name)));
    for family in facts.join.gateways.families() {
        *rules.slot(family) = Some(nat::rules(facts, &subnets, family, known.clone(), &mut problems));
        settings.extend(sysctls(family));
    }
    let routing = Routing { known, ..routing::routing(facts, &subnets, &mut problems) };
    problems.sort_unstable();
    problems.dedup();
    Plan { rules, routing, settings, problems }
}

/// The prefixes of which all is known, where that is not said of all.
fn known(facts: &Facts) -> Option<Vec<Cidr>> {
    let cidrs = facts.subnets.iter().flat_map(|subnet| subnet.cidrs.iter());
    (!facts.unknown.is_empty()).then(|| cidrs.chain(facts.join.cidrs.iter()).copied().collect())
}

fn unknown(subnet: &str) -> Problem {
    let text = format!(
        "subnet {subnet}: its last edit was not taken, and what is in force instead is not known since the daemon began. So \
         routes and rules of prefixes that no other subnet has stay on this host. Correct the edit, or revert it"
    );
    Problem::new("GATEWAY-SUBNET-UNKNOWN", text)
}

/// Is a prefix none of which all is known? What the host has of such ones stays.
pub(crate) fn is_beyond(known: &[Cidr], net: IpNet) -> bool {
    !known.iter().any(|cidr| cidr.overlaps(Cidr::new(net)))
}

fn sysctls(family: Family) -> &'static [(&'static str, &'static str)] {
    match family {
        // Answers come back by another link than the one that the host itself would take.
        Family::V4 => &[("net/ipv4/ip_forward", "1"), ("net/ipv4/conf/all/rp_filter", "0")],
        Family::V6 => &[("net/ipv6/conf/all/forwarding", "1")],
    }
}

#[cfg(test)]
mod tests;
