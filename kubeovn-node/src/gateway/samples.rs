//! A node for tests: dual-stack, with a join subnet, a masqueraded subnet `web` and a subnet `plain`.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use super::facts::{Facts, Join, Subnet};

fn subnet(name: &str, uid: &str, cidrs: &str, nat_outgoing: bool) -> Subnet {
    Subnet {
        name: name.to_owned(),
        uid: uid.to_owned(),
        cidrs: cidrs.parse().expect("prefixes"),
        nat_outgoing,
        ..Subnet::default()
    }
}

pub(super) fn facts() -> Facts {
    let ip = |text: &str| text.parse().expect("an address");
    Facts {
        node: "n1".to_owned(),
        node_ips: "172.18.0.2,fd18::2".parse().expect("addresses"),
        local: vec![ip("172.18.0.2"), ip("fd18::2"), ip("100.64.0.2")],
        other_nodes: vec![ip("172.18.0.3"), ip("fd18::3")],
        join: Join {
            link: "ovn0".to_owned(),
            cidrs: "100.64.0.0/16,fd64::/112".parse().expect("prefixes"),
            gateways: "100.64.0.1,fd64::1".parse().expect("addresses"),
        },
        services: vec!["10.96.0.0/12".parse().expect("a prefix"), "fd96::/112".parse().expect("a prefix")],
        subnets: vec![
            subnet("web", "5d0b1f7c-8f57-4a59-9c1e-a1b2c3d4e5f6", "10.16.0.0/24,fd16::/112", true),
            subnet("plain", "0e9f9d3c-0b3c-4b52-8a5e-0123456789ab", "10.17.0.0/24", false),
            subnet("join", "7a3c9d3c-0b3c-4b52-8a5e-ba9876543210", "100.64.0.0/16,fd64::/112", false),
        ],
        ..Facts::default()
    }
}
