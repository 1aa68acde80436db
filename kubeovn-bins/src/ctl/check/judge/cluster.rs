//! What the cluster knows of this node and of the others.

use std::collections::BTreeMap;

use crate::ctl::check::facts::{Cluster, Facts, Wish};
use crate::ctl::check::finding::Finding;

const NODE: &str = "CHECK-NODE-UNKNOWN";
const CLOCK: &str = "CHECK-CLOCK";
const TWICE: &str = "CHECK-MACHINE-TWICE";
const ADDRESS: &str = "CHECK-NODE-ADDRESS";

/// Clocks that differ by so much, in milliseconds, make logs hard to read.
const SKEWED: i64 = 2_000;
/// By so much a lease lasts for ever, or has ended before it is written.
const BROKEN: i64 = 15_000;

pub(super) fn cluster(facts: &Facts, wish: &Wish) -> Vec<Finding> {
    let Some(cluster) = &facts.cluster else { return Vec::new() };
    let mut found = vec![known(cluster, wish)];
    found.extend(cluster.ahead.map(clock));
    found.extend(twice(cluster));
    found.extend(addresses(cluster, wish));
    found
}

fn known(cluster: &Cluster, wish: &Wish) -> Finding {
    let (subject, name) = ("node", &wish.node);
    if cluster.nodes.contains_key(name) {
        return Finding::ok(NODE, subject, format!("{name}, one of {}", cluster.nodes.len()));
    }
    let few: Vec<&str> = cluster.nodes.keys().map(String::as_str).take(5).collect();
    let text =
        format!("the cluster has no node {name}; of {} there are {}", cluster.nodes.len(), few.join(", "));
    Finding::warn(NODE, subject, text, "Let it join, or name it by --node-name as kubelet does")
}

fn clock(ahead: i64) -> Finding {
    let subject = "clock";
    let (way, by) = (if ahead < 0 { "behind" } else { "before" }, ahead.unsigned_abs());
    let text = format!("the API server's is {}.{} s {way} that of this node", by / 1000, by % 1000 / 100);
    let next = "Let both follow one source of time (chrony, systemd-timesyncd)";
    match ahead.abs() {
        BROKEN.. => Finding::fail(CLOCK, subject, text, next),
        SKEWED.. => Finding::warn(CLOCK, subject, text, next),
        _ => Finding::ok(CLOCK, subject, "that of the API server, within 2 s"),
    }
}

/// Machines that were copied have the identity of the first, and perhaps that of its OVS. Nodes that are containers share
/// what their machine has, which is no harm.
fn twice(cluster: &Cluster) -> Vec<Finding> {
    let mut found = Vec::new();
    for what in ["/etc/machine-id", "the system's UUID"] {
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, member) in &cluster.nodes {
            let id = if what.starts_with('/') { &member.machine } else { &member.system };
            if !id.is_empty() {
                names.entry(id).or_default().push(name);
            }
        }
        for (id, nodes) in names.iter().filter(|(_, nodes)| nodes.len() > 1) {
            let text = format!("{what} {id} is that of {} nodes: {}", nodes.len(), nodes.join(", "));
            let next = "If one is a copy of another, give each its own, and see that /etc/openvswitch/system-id.conf was not \
                        copied, too: two nodes of one id there take each other's ports";
            found.push(Finding::warn(TWICE, "machine", text, next));
        }
    }
    if found.is_empty() {
        found.push(Finding::ok(TWICE, "machine", format!("{} nodes, none a copy", cluster.nodes.len())));
    }
    found
}

/// A node inside a prefix of pods is cut off from all the others.
fn addresses(cluster: &Cluster, wish: &Wish) -> Vec<Finding> {
    let mut found = Vec::new();
    for (option, cidr) in wish.prefixes() {
        for (name, member) in &cluster.nodes {
            for ip in member.addresses.iter().filter(|ip| cidr.contains(**ip)) {
                let text = format!("node {name} has {ip}, which is in {option} {cidr}: it would be cut off");
                found.push(Finding::fail(ADDRESS, "addresses", text, format!("Choose another {option}")));
            }
        }
    }
    if found.is_empty() {
        let text = "no node is in a prefix of the cluster";
        found.push(Finding::ok(ADDRESS, "addresses", text));
    }
    found
}
