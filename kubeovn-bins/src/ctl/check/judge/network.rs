//! Addresses, and the way between nodes.

use std::net::IpAddr;

use ipnet::IpNet;
use kubeovn_core::addr::Cidr;
use kubeovn_core::error::Problem;
use kubeovn_core::index::NetworkType;
use kubeovn_core::index::objects::{Meta, Node};
use kubeovn_node::tunnel::{self, Interface, TunnelWish};

use crate::ctl::check::facts::{Facts, Wish};
use crate::ctl::check::finding::Finding;

const INTERFACE: &str = "CHECK-TUNNEL-INTERFACE";
const MTU: &str = "CHECK-MTU";
const OVERLAP: &str = "CHECK-PREFIX-OVERLAP";

/// What IPv6 needs, and what much of the world takes for granted.
const SMALLEST: u32 = 1280;
/// Links whose addresses are those of the cluster by design: our own port, and where kube-proxy and a DNS cache keep
/// addresses of Services.
const BY_DESIGN: [&str; 4] = ["lo", "ovn0", "kube-ipvs0", "nodelocaldns"];

/// How packets would travel from here, as the daemon would choose.
fn choice(facts: &Facts, wish: &Wish, mtu: u32) -> Result<tunnel::Tunnel, Problem> {
    let asked = TunnelWish { iface: wish.iface.clone(), network: wish.network, mtu, ..TunnelWish::default() };
    tunnel::choose(&asked, &node(facts, wish), &facts.interfaces)
}

/// The interface that tunnels would use.
pub(super) fn chosen<'a>(facts: &'a Facts, wish: &Wish) -> Result<&'a Interface, Problem> {
    let dev = choice(facts, wish, 0)?.dev;
    let gone = || Problem::new(INTERFACE, format!("interface {dev} is not there"));
    facts.interfaces.iter().find(|interface| interface.name == dev).ok_or_else(gone)
}

/// What the cluster says of this node, or would once it is one: its address is that by which it reaches the world.
fn node(facts: &Facts, wish: &Wish) -> Node {
    let mut node = Node { meta: Meta::named(&wish.node), ..Node::default() };
    let told = facts.cluster.as_ref().and_then(|cluster| cluster.nodes.get(&wish.node));
    let leaving = facts.routes.iter().filter(|route| route.dst.prefix_len() == 0).map(|route| &route.dev);
    let devs: Vec<&String> = leaving.collect();
    let on_way = facts.interfaces.iter().filter(|interface| devs.contains(&&interface.name));
    let guessed = on_way.flat_map(|interface| interface.addresses.iter().map(IpNet::addr));
    let addresses: Vec<IpAddr> = told.map_or_else(|| guessed.collect(), |member| member.addresses.clone());
    for ip in addresses {
        node.internal.slot(kubeovn_core::addr::Family::of(ip)).get_or_insert(ip);
    }
    node
}

/// The interface of tunnels, and what it leaves of a packet.
pub(super) fn tunnel(facts: &Facts, wish: &Wish) -> Vec<Finding> {
    let subject = "tunnel interface";
    let (own, interface) = match (choice(facts, wish, 0), chosen(facts, wish)) {
        (Ok(own), Ok(interface)) => (own, interface),
        (Err(problem), _) | (_, Err(problem)) => {
            let next = "Name the interface between nodes by --iface, here and to the daemon";
            let text = problem.message.trim_end_matches('.').to_owned();
            return vec![Finding::fail(INTERFACE, subject, text, next)];
        }
    };
    let ips: Vec<String> = own.ips.iter().map(ToString::to_string).collect();
    let head = taken(wish.network, own.ips.first());
    let mut found = vec![Finding::ok(INTERFACE, subject, format!("{} ({})", own.dev, ips.join(", ")))];
    let (subject, dev, outer) = ("MTU", &own.dev, interface.mtu);
    let room = outer.saturating_sub(head);
    found.push(if wish.mtu > room {
        let text = format!("pods are to have {}, but {dev} has {outer}, of which tunnels take {head}: packets of more than \
                            {room} bytes would be lost", wish.mtu);
        let next = format!("Leave --mtu out, or set it to {room} or less, or the MTU of {dev} to {} or more on all nodes and \
                            between them", wish.mtu.saturating_add(head));
        Finding::fail(MTU, subject, text, next)
    } else if own.mtu < SMALLEST {
        let text = format!("{dev} has {outer}: pods would have {}, and IPv6 needs {SMALLEST}", own.mtu);
        let next = format!("Raise the MTU of {dev}, or name another interface by --iface");
        let v6 = wish.prefixes().any(|(_, cidr)| cidr.to_string().contains(':'));
        if v6 { Finding::fail(MTU, subject, text, next) } else { Finding::warn(MTU, subject, text, next) }
    } else {
        let pods = if wish.mtu > 0 { wish.mtu } else { own.mtu };
        Finding::ok(MTU, subject, format!("{outer} of {dev}, {pods} of pods"))
    });
    found
}

/// Bytes that a tunnel really takes of a packet: less than what is left for it when nothing else is asked for.
fn taken(network: NetworkType, own: Option<&IpAddr>) -> u32 {
    let outer_ip = if own.is_some_and(IpAddr::is_ipv6) { 40 } else { 20 };
    let header = match network {
        // UDP, geneve, OVN's option, and the inner Ethernet
        NetworkType::Geneve => 8 + 8 + 8 + 14,
        NetworkType::Vxlan => 8 + 8 + 14,
        NetworkType::Stt => 20 + 18 + 14,
    };
    outer_ip + header
}

/// What the node has in the prefixes of the cluster.
pub(super) fn prefixes(facts: &Facts, wish: &Wish) -> Vec<Finding> {
    let mut found = Vec::new();
    let all: Vec<(&str, Cidr)> = wish.prefixes().collect();
    for (at, (option, cidr)) in all.iter().enumerate() {
        for (other, second) in all.iter().skip(at + 1).filter(|(_, second)| cidr.overlaps(*second)) {
            let text = format!("{option} {cidr} and {other} {second} share addresses");
            found.push(Finding::fail(OVERLAP, cidr.to_string(), text, "Choose another one for one of them"));
        }
        let mut here: Vec<String> = Vec::new();
        for interface in facts.interfaces.iter().filter(|i| !BY_DESIGN.contains(&i.name.as_str())) {
            let inside = interface.addresses.iter().filter(|net| cidr.overlaps(Cidr::new(**net)));
            here.extend(inside.map(|net| format!("address {net} of {}", interface.name)));
        }
        let routes = facts.routes.iter().filter(|route| {
            route.dst.prefix_len() > 0
                && !BY_DESIGN.contains(&route.dev.as_str())
                && cidr.overlaps(Cidr::new(route.dst))
        });
        here.extend(routes.map(|route| format!("route {route}")));
        if !here.is_empty() {
            let text = format!(
                "{option} {cidr} overlaps what this node has: {}; one of the two could not be reached",
                here.join(", ")
            );
            let next = format!(
                "Choose another {option}, or remove what is there if it is left from another network"
            );
            found.push(Finding::fail(OVERLAP, cidr.to_string(), text, next));
        }
    }
    if found.is_empty() {
        let names: Vec<String> = all.iter().map(|(_, cidr)| cidr.to_string()).collect();
        found.push(Finding::ok(OVERLAP, "prefixes", format!("{} are free here", names.join(", "))));
    }
    found
}
