//! By which address packets travel between nodes, and how large they may be then.
//!
//! What is looked at, in this order: the node's annotation `ovn.kubernetes.io/tunnel_interface`, the flag `--iface`, and
//! the interface that has the node's own address. [`choose`] is pure; the daemon asks it again whenever anything of that
//! changes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use kubeovn_core::annotations::node as key;
use kubeovn_core::error::Problem;
use kubeovn_core::index::NetworkType;
use kubeovn_core::index::objects::Node;
use regex::Regex;

/// Bytes that an outer IPv6 header takes more than an IPv4 one.
const IPV6_EXTRA: u32 = 20;

/// What an installation asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelWish {
    /// An interface by its name, or a list of regular expressions with commas between; empty: the one that has the node's
    /// address. Kube-OVN's `--iface`.
    pub iface: String,
    /// Addresses with a whole prefix (`/32`, `/128`) may be taken, too. Kube-OVN's `--host-tunnel-src`.
    pub host_addresses: bool,
    /// MTU of pods in bytes; 0: what the interface leaves after the tunnel's own bytes.
    pub mtu: u32,
    /// What tunnels are made of.
    pub network: NetworkType,
    /// Outer UDP checksums. Kube-OVN's `--encap-checksum`.
    pub checksum: bool,
    /// The address that the daemon's own pod has (`POD_IP`), if that is told.
    pub own: Vec<IpAddr>,
}

impl Default for TunnelWish {
    fn default() -> Self {
        TunnelWish {
            iface: String::new(),
            host_addresses: false,
            mtu: 0,
            network: NetworkType::Geneve,
            checksum: true,
            own: Vec::new(),
        }
    }
}

/// An interface of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// In bytes.
    pub mtu: u32,
    /// Its addresses, without link-local ones.
    pub addresses: Vec<IpNet>,
}

/// How packets travel from this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// The interface.
    pub dev: String,
    /// Addresses of the node's end: the default one first, then those of its other networks, sorted.
    pub ips: Vec<IpAddr>,
    /// MTU of pods, in bytes.
    pub mtu: u32,
    /// Outer UDP checksums.
    pub checksum: bool,
}

/// Chooses.
///
/// # Errors
/// `NODE-TUNNEL-INTERFACE` when there is no such interface, or none of its addresses can be used;
/// `NODE-BAD-ANNOTATION` when `node_networks` can't be read.
pub fn choose(wish: &TunnelWish, node: &Node, interfaces: &[Interface]) -> Result<Tunnel, Problem> {
    let told = node.meta.annotation(key::TUNNEL_INTERFACE).filter(|name| !name.is_empty());
    let chosen = match (told, wish.iface.as_str()) {
        (Some(name), _) => named(name, interfaces)?,
        (None, "") => own(wish, node, interfaces)?,
        (None, list) => listed(list, interfaces)?,
    };
    let whole = |net: &IpNet| net.prefix_len() == net.max_prefix_len();
    let mut usable: Vec<IpAddr> = chosen
        .addresses
        .iter()
        .filter(|net| !net.addr().is_loopback() && (wish.host_addresses || !whole(net)))
        .map(IpNet::addr)
        .collect();
    // The node's own address, where it is there: an interface may have many.
    let known: Vec<IpAddr> = wish.own.iter().chain(node.internal.iter()).copied().collect();
    usable.sort_by_key(|ip| (known.iter().position(|k| k == ip).unwrap_or(usize::MAX), ip.is_ipv6()));
    let Some(ip) = usable.first().copied() else {
        let text = format!(
            "interface {} has no address that tunnels could use ({}). Give it one, or name another interface with --iface \
             or the annotation {}",
            chosen.name,
            listing(chosen.addresses.iter()),
            key::TUNNEL_INTERFACE
        );
        return Err(Problem::new("NODE-TUNNEL-INTERFACE", text));
    };
    let overhead = wish.network.overhead() + if ip.is_ipv6() { IPV6_EXTRA } else { 0 };
    let mtu = if wish.mtu > 0 { wish.mtu } else { chosen.mtu.saturating_sub(overhead) };
    let mut ips = vec![ip];
    ips.extend(networks(node)?.into_iter().filter(|other| *other != ip));
    Ok(Tunnel { dev: chosen.name.clone(), ips, mtu, checksum: wish.checksum })
}

fn named<'a>(name: &str, interfaces: &'a [Interface]) -> Result<&'a Interface, Problem> {
    interfaces.iter().find(|interface| interface.name == name).ok_or_else(|| {
        let text = format!(
            "the node's annotation {} names interface {name}, which is not there; there are {}",
            key::TUNNEL_INTERFACE,
            listing(interfaces.iter().map(|i| &i.name))
        );
        Problem::new("NODE-TUNNEL-INTERFACE", text)
    })
}

/// By a name, or else by the first expression that fits any.
fn listed<'a>(list: &str, interfaces: &'a [Interface]) -> Result<&'a Interface, Problem> {
    if let Some(found) = interfaces.iter().find(|interface| interface.name == list) {
        return Ok(found);
    }
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let expression = Regex::new(item).map_err(|error| {
            let text = format!("--iface: {item:?} is no regular expression: {error}");
            Problem::new("NODE-TUNNEL-INTERFACE", text)
        })?;
        if let Some(found) = interfaces.iter().find(|interface| expression.is_match(&interface.name)) {
            return Ok(found);
        }
    }
    let text = format!(
        "--iface={list} is none of the interfaces {}; name one of them",
        listing(interfaces.iter().map(|i| &i.name))
    );
    Err(Problem::new("NODE-TUNNEL-INTERFACE", text))
}

/// The one that has the node's address.
fn own<'a>(wish: &TunnelWish, node: &Node, interfaces: &'a [Interface]) -> Result<&'a Interface, Problem> {
    let mut addresses: Vec<IpAddr> = wish.own.iter().chain(node.internal.iter()).copied().collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    let has = |ip: &IpAddr| interfaces.iter().find(|i| i.addresses.iter().any(|net| net.addr() == *ip));
    addresses.iter().find_map(has).ok_or_else(|| {
        let text = format!(
            "no interface has an address of node {} ({}). Name the interface for tunnels with --iface or the annotation {}",
            node.meta.name,
            listing(addresses.iter()),
            key::TUNNEL_INTERFACE
        );
        Problem::new("NODE-TUNNEL-INTERFACE", text)
    })
}

/// The node's addresses in its other networks.
fn networks(node: &Node) -> Result<Vec<IpAddr>, Problem> {
    let Some(text) = node.meta.annotation(key::NODE_NETWORKS).filter(|text| !text.is_empty()) else {
        return Ok(Vec::new());
    };
    let wrong = |why: String| {
        let text = format!("annotation {} of node {}: {why}", key::NODE_NETWORKS, node.meta.name);
        Problem::new("NODE-BAD-ANNOTATION", text)
    };
    let read: BTreeMap<String, String> = serde_json::from_str(text)
        .map_err(|error| wrong(format!("no JSON map of names to addresses: {error}")))?;
    let ip = |(name, ip): (String, String)| {
        ip.parse::<IpAddr>().map_err(|_| wrong(format!("{ip:?}, of network {name}, is no address")))
    };
    let mut ips = read.into_iter().map(ip).collect::<Result<Vec<_>, _>>()?;
    ips.sort_unstable();
    ips.dedup();
    Ok(ips)
}

fn listing(items: impl Iterator<Item: ToString>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

#[cfg(test)]
mod tests;
