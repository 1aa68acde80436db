//! How much there is.

use std::{env, fmt};

/// How many of what.
#[derive(Clone, Debug)]
pub(crate) struct Size {
    pub(crate) pods: usize,
    pub(crate) nodes: usize,
    pub(crate) subnets: usize,
    /// That make and delete pods at once.
    pub(crate) clients: usize,
    /// Pods made one after the other in the idle cluster.
    pub(crate) singles: usize,
    /// Pods that the baselines handle.
    pub(crate) plain: usize,
}

impl Size {
    pub(crate) fn read() -> Self {
        let pods = number("PODS", 10_000);
        Size {
            pods,
            nodes: number("NODES", 200),
            subnets: number("SUBNETS", 50),
            clients: number("CLIENTS", 16),
            singles: number("SINGLES", 200),
            plain: number("PLAIN", (pods / 5).max(1)),
        }
    }

    /// The prefix of a subnet: 2 000 addresses, none of Services.
    pub(crate) fn cidr(subnet: usize) -> String {
        format!("10.{}.{}.0/21", 128 + subnet / 32, subnet % 32 * 8)
    }

    /// The namespace of a pod, which has a subnet of its own.
    pub(crate) fn namespace(&self, pod: usize) -> String {
        format!("team-{}", pod % self.subnets)
    }

    pub(crate) fn node(&self, pod: usize) -> String {
        format!("node-{}", pod % self.nodes)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size { pods, nodes, subnets, clients, .. } = self;
        write!(f, "{pods} pods on {nodes} nodes in {subnets} subnets, by {clients} clients at once")
    }
}

fn number(name: &str, otherwise: usize) -> usize {
    let name = format!("CLUSTER_{name}");
    let Ok(text) = env::var(&name) else { return otherwise };
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .unwrap_or_else(|| panic!("{name}={text}: a number above 0"))
}
