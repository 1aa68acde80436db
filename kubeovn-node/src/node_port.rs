//! The node's own port `ovn0`: how hosts and pods reach each other.
//!
//! OVS makes the link (an internal port of the integration bridge); what is on it is one value, [`NodePort`], that
//! [`plan`] derives from the node's annotations and the subnets, and [`apply`] makes be so.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use kubeovn_core::addr::{Cidr, DualStack, Family, Mac};
use kubeovn_core::annotations::{self, node as key};
use kubeovn_core::error::Problem;
use kubeovn_core::index::objects::{Node, Subnet};

use crate::netlink::{Netlink, NetlinkError, Route};
use crate::ovs::{Port, PortKind};

/// Name of the link.
pub const LINK: &str = "ovn0";

/// How the node's port should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePort {
    /// The logical switch port.
    pub iface_id: String,
    /// Hardware address.
    pub mac: Mac,
    /// In bytes.
    pub mtu: u32,
    /// Addresses in the join subnet.
    pub ips: DualStack<IpAddr>,
    /// The join subnet's prefixes.
    pub cidrs: DualStack<Cidr>,
    /// The join subnet's gateways, of the families of the addresses.
    pub gateways: DualStack<IpAddr>,
    /// Routes to the subnets through the join subnet's gateways, sorted.
    pub routes: Vec<Route>,
}

impl NodePort {
    /// As a port of the integration bridge.
    pub fn port(&self) -> Port {
        Port {
            link: LINK.to_owned(),
            kind: PortKind::Internal { mtu: self.mtu },
            iface_id: Some(self.iface_id.clone()),
            ips: self.ips,
            pod: None,
        }
    }

    fn addresses(&self) -> Vec<IpNet> {
        let net = |ip: &IpAddr| {
            let length = self.cidrs.get(Family::of(*ip)).map(|cidr| cidr.prefix_len());
            length.and_then(|length| IpNet::new(*ip, length).ok()).unwrap_or_else(|| IpNet::from(*ip))
        };
        self.ips.iter().map(net).collect()
    }
}

/// What the port should be; `None` while the controller has not given the node its address.
///
/// `subnets` are those in force of the VPC that the node is connected to; `local` are the addresses that the host has now.
///
/// # Errors
/// `NODE-BAD-ANNOTATION` for what can't be read.
pub fn plan<'a>(
    node: &Node,
    subnets: impl Iterator<Item = &'a Subnet>,
    local: &[IpAddr],
    mtu: u32,
) -> Result<Option<NodePort>, Problem> {
    let said = |key: &str| node.meta.annotation(key);
    if !said(key::ALLOCATED).is_some_and(annotations::is_true) {
        return Ok(None);
    }
    let ips: DualStack<IpAddr> = read(node, key::IP_ADDRESS)?;
    let cidrs: DualStack<Cidr> = read(node, key::CIDR)?;
    let gateways: DualStack<IpAddr> = read(node, key::GATEWAY)?;
    let mac: Mac = read(node, key::MAC_ADDRESS)?;
    let default_name = || annotations::node_port_name(&node.meta.name);
    let iface_id = said(key::PORT_NAME).map_or_else(default_name, str::to_owned);
    let mut routes: Vec<Route> = subnets
        .filter(|subnet| is_routed(subnet))
        .filter_map(|subnet| subnet.spec.cidr_block.parse::<DualStack<Cidr>>().ok())
        .flat_map(|block| block.iter().copied().collect::<Vec<_>>())
        .filter(|cidr| !cidrs.iter().any(|join| join == cidr))
        .filter_map(|cidr| route_to(cidr, LINK, &node.internal, &gateways, local))
        .collect();
    routes.sort_unstable();
    routes.dedup();
    let answering = |family: Family| gateways.get(family).filter(|_| ips.get(family).is_some()).copied();
    let gateways = DualStack { v4: answering(Family::V4), v6: answering(Family::V6) };
    Ok(Some(NodePort { iface_id, mac, mtu, ips, cidrs, gateways, routes }))
}

fn read<T: FromStr<Err: Display>>(node: &Node, key: &str) -> Result<T, Problem> {
    let text = node.meta.annotation(key).unwrap_or_default();
    text.parse().map_err(|error| {
        let text = format!("annotation {key} of node {}: {error}", node.meta.name);
        Problem::new("NODE-BAD-ANNOTATION", text)
    })
}

/// Overlay subnets are reached through the join subnet; an underlay's own gateway knows the way to the node.
fn is_routed(subnet: &Subnet) -> bool {
    !subnet.meta.deleting && subnet.spec.vlan.is_empty() && annotations::is_ovn(&subnet.spec.provider)
}

/// The route to a subnet over the node's own link. `own` are the node's addresses in the cluster, `local` all that it has.
pub(crate) fn route_to(
    cidr: Cidr,
    link: &str,
    own: &DualStack<IpAddr>,
    gateways: &DualStack<IpAddr>,
    local: &[IpAddr],
) -> Option<Route> {
    let via = *gateways.get(cidr.family())?;
    // A prefix with the node's own address in it would send the node's traffic to itself into the overlay.
    if own.iter().chain(local).any(|ip| cidr.contains(*ip)) {
        return None;
    }
    // The kernel refuses a source address that the host does not have.
    let src = own.get(cidr.family()).copied().filter(|ip| local.contains(ip));
    Some(Route { dst: cidr.net(), via: Some(via), dev: link.to_owned(), src, mtu: None })
}

/// Makes the link be as planned, but for routes; OVS must have made it. What is as it should be is not written.
///
/// # Errors
/// The first failure, after everything was tried.
pub async fn apply(host: &Netlink, wanted: &NodePort) -> Result<(), NetlinkError> {
    if host.link(LINK).await?.is_none_or(|link| link.mac != wanted.mac.bytes()) {
        host.set_mac(LINK, wanted.mac.bytes()).await?;
    }
    if host.link(LINK).await?.is_none_or(|link| link.mtu != wanted.mtu) {
        host.set_mtu(LINK, wanted.mtu).await?;
    }
    if host.link(LINK).await?.is_none_or(|link| !link.up) {
        host.set_up(LINK).await?;
    }
    host.replace_addresses(LINK, &wanted.addresses()).await
}

#[cfg(test)]
mod tests;
