//! What facts mean. Pure.

mod cluster;
mod host;
mod kernel;
mod network;

pub(super) use self::host::{program_names, tcp_ports, tunnel_port};
use super::facts::{Facts, Wish};
use super::finding::Finding;

/// Something could not be looked at.
const UNKNOWN: &str = "CHECK-UNKNOWN";

/// Judges everything that was looked at, also what is as it should be; in the order in which people ask.
pub(super) fn judge(facts: &Facts, wish: &Wish) -> Vec<Finding> {
    let mut found = kernel::kernel(facts, wish);
    found.extend(kernel::settings(facts, wish));
    found.extend(host::programs(facts));
    found.extend(host::ports(facts, wish));
    found.extend(network::tunnel(facts, wish));
    found.extend(network::prefixes(facts, wish));
    found.extend(host::confs(facts, wish));
    found.extend(host::other_links(facts));
    found.extend(host::drops(facts));
    found.extend(cluster::cluster(facts, wish));
    found.extend(facts.unknown.iter().map(|(what, why)| {
        let next = "Look at it by hand, or run this as root on the node itself";
        Finding::warn(UNKNOWN, *what, format!("{what} could not be looked at: {why}"), next)
    }));
    found
}

#[cfg(test)]
mod tests;
