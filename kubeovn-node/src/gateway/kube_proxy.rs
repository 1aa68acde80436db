//! What kube-proxy keeps in kernel sets in its IPVS mode, read from the host.

use std::collections::BTreeSet;

use kubeovn_core::addr::Family;

use super::error::GatewayError;
use super::facts::KubeProxy;
use super::plan::Protocol;
use super::tool::{Tool, ToolError};
use crate::netns::NetNs;

/// The set of the addresses and ports of services.
pub(super) fn services(family: Family) -> String {
    format!("KUBE-{}CLUSTER-IP", infix(family))
}

/// The set of the node ports of services that keep their client's address.
pub(super) fn local_ports(family: Family, protocol: Protocol) -> String {
    let protocol = match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    };
    format!("KUBE-{}NODE-PORT-LOCAL-{protocol}", infix(family))
}

fn infix(family: Family) -> &'static str {
    match family {
        Family::V4 => "",
        Family::V6 => "6-",
    }
}

/// Reads kube-proxy's sets. A host without ipset, or with a kube-proxy of another mode, has none.
///
/// # Errors
/// `GATEWAY-FIREWALL` when ipset does not answer.
pub async fn kube_proxy(host: &NetNs) -> Result<KubeProxy, GatewayError> {
    let ipset = Tool::new(host, "ipset");
    let names = match ipset.run(&["list", "-n"], "").await {
        Err(error) if error.is_nothing_there() => String::new(),
        names => names?,
    };
    let is_there = |name: &str| names.lines().any(|line| line == name);
    let mut found = KubeProxy::default();
    for family in Family::BOTH {
        *found.ipvs.slot(family) = is_there(&services(family)).then_some(());
        for (protocol, slot) in [(Protocol::Tcp, &mut found.local_tcp), (Protocol::Udp, &mut found.local_udp)]
        {
            let name = local_ports(family, protocol);
            if is_there(&name) {
                *slot.slot(family) = match ipset.run(&["save", &name], "").await {
                    Ok(text) => Some(ports(&text, &name)),
                    // It has gone meanwhile.
                    Err(ToolError::Refused { .. }) => None,
                    Err(error) => return Err(error.into()),
                };
            }
        }
    }
    Ok(found)
}

fn ports(text: &str, name: &str) -> BTreeSet<u16> {
    let prefix = format!("add {name} ");
    text.lines().filter_map(|line| line.strip_prefix(&prefix)?.trim().parse().ok()).collect()
}
