//! What is tried from each node, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use kubeovn_core::addr::Family;

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum To {
    /// The pod on a node.
    Pod(String),
    /// A node.
    Node(String),
    /// The Service in front of all pods.
    Service,
    /// The cluster's DNS.
    Dns,
    /// Something outside.
    Outside(String),
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            To::Pod(node) => write!(f, "pod on {node}"),
            To::Node(node) => write!(f, "node {node}"),
            To::Service => f.write_str("Service"),
            To::Dns => f.write_str("DNS"),
            To::Outside(what) => write!(f, "outside {what}"),
        }
    }
}

/// How.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// HTTP: a URL, and what has to be answered, with `*` for anything.
    Http(String, String),
    /// An echo request.
    Ping(IpAddr),
    /// A name is looked up.
    Lookup(String),
}

impl How {
    /// What it goes to, for people.
    pub(super) fn target(&self) -> String {
        match self {
            How::Http(url, _) => url.clone(),
            How::Ping(ip) => format!("ping {ip}"),
            How::Lookup(name) => name.clone(),
        }
    }
}

/// One thing that is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) to: To,
    pub(super) how: How,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered after so many milliseconds, at the so manieth attempt.
    Reached { millis: u64, tries: u32 },
    /// Why not.
    Failed(String),
}

impl Outcome {
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Outcome::Failed(_))
    }
}

/// One probe from one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) from: String,
    pub(super) probe: Probe,
    pub(super) outcome: Outcome,
}

/// What there is to be reached.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    /// The pod of each node with its addresses, or why there is none.
    pub(super) pods: BTreeMap<String, Result<Vec<IpAddr>, String>>,
    /// Addresses of nodes; empty if they are left out.
    pub(super) nodes: BTreeMap<String, Vec<IpAddr>>,
    pub(super) service: Vec<IpAddr>,
    pub(super) dns: Option<String>,
    /// Addresses, or URLs.
    pub(super) outside: Vec<String>,
}

/// The port of the pods that answer, and that of their Service.
pub(super) const PORT: u16 = 8080;
pub(super) const SERVICE_PORT: u16 = 80;

/// What is tried from every node: all addresses of families that pods have.
pub(super) fn plan(targets: &Targets) -> Vec<Probe> {
    let mut all = Vec::new();
    let up = || targets.pods.values().flatten().flatten();
    let has = |ip: &IpAddr| up().any(|own| Family::of(*own) == Family::of(*ip));
    for (node, ips) in &targets.pods {
        for ip in ips.iter().flatten() {
            let how = How::Http(url(*ip, PORT), format!("server-{node}"));
            all.push(Probe { to: To::Pod(node.clone()), how });
        }
    }
    for (node, ips) in &targets.nodes {
        let pings = ips.iter().filter(|ip| has(ip)).map(|ip| How::Ping(*ip));
        all.extend(pings.map(|how| Probe { to: To::Node(node.clone()), how }));
    }
    for ip in targets.service.iter().filter(|ip| has(ip)) {
        all.push(Probe { to: To::Service, how: How::Http(url(*ip, SERVICE_PORT), "server-*".to_owned()) });
    }
    all.extend(targets.dns.iter().map(|name| Probe { to: To::Dns, how: How::Lookup(name.clone()) }));
    for what in &targets.outside {
        let how = what.parse().map_or_else(|_| How::Http(what.clone(), "*".to_owned()), How::Ping);
        all.push(Probe { to: To::Outside(what.clone()), how });
    }
    all
}

/// What did not come to be tried, since a pod is missing at one of the two ends.
pub(super) fn missing(targets: &Targets) -> Vec<Tried> {
    let mut all = Vec::new();
    for (node, why) in targets.pods.iter().filter_map(|(node, pod)| Some((node, pod.as_ref().err()?))) {
        for from in targets.pods.keys() {
            // Which address it would have had nobody knows.
            let probe = Probe { to: To::Pod(node.clone()), how: How::Lookup("its address".to_owned()) };
            all.push(Tried { from: from.clone(), probe, outcome: Outcome::Failed(why.clone()) });
        }
    }
    all
}

fn url(ip: IpAddr, port: u16) -> String {
    match ip {
        IpAddr::V4(ip) => format!("http://{ip}:{port}/"),
        IpAddr::V6(ip) => format!("http://[{ip}]:{port}/"),
    }
}

#[cfg(test)]
mod tests;
