//! Rows that the Go controller of Kube-OVN wrote, recognised as those that our features render.
//!
//! A row is recognised only if everything that it says agrees: its name or match, its parent, and the `external_ids`
//! by which Kube-OVN finds it again. What resembles it is left alone. So are the rows of features that are not
//! rendered here yet.
//!
//! Rows of routers and switches themselves stay also when no object wants them, since external and interconnection
//! networks look the same.

use kubeovn_core::{
    addr::{Cidr, Family},
    annotations::node_port_name,
    decide::Peering,
    rows::{Adoption, EXTERNAL_IDS, KEY_VENDOR, OwnerKey, OwnerKind, Stranger, VENDOR},
};

use super::{acl, dhcp, gateway, ids, private, routing, subnet};
use crate::{matching::Match, nb};

/// What Kube-OVN up to 1.14 wrote without its mark: there the back-pointer has to do.
const UNMARKED: [&str; 3] = [nb::LOGICAL_ROUTER_PORT, nb::ACL, nb::PORT_GROUP];

pub(crate) fn recognise(row: &dyn Stranger) -> Option<Adoption> {
    let vendor = row.pair(EXTERNAL_IDS, KEY_VENDOR);
    if vendor != Some(VENDOR) && !(vendor.is_none() && UNMARKED.contains(&row.table())) {
        return None;
    }
    match row.table() {
        nb::LOGICAL_ROUTER => {
            let name = row.text("name")?;
            Some(Adoption::kept(OwnerKey::new(OwnerKind::Vpc, name), name))
        }
        nb::LOGICAL_SWITCH => {
            let name = row.text("name")?;
            Some(Adoption::kept(OwnerKey::new(OwnerKind::Subnet, name), name))
        }
        nb::LOGICAL_ROUTER_PORT => router_port(row),
        nb::LOGICAL_SWITCH_PORT => switch_port(row),
        nb::LOGICAL_ROUTER_POLICY => policy(row),
        nb::LOGICAL_ROUTER_STATIC_ROUTE => route(row),
        nb::ACL => acl(row),
        nb::PORT_GROUP => group(row),
        nb::DHCP_OPTIONS => dhcp_options(row),
        _ => None,
    }
}

/// `<vpc>-<subnet>`; one with a peer leads to another router, not to a subnet.
fn router_port(row: &dyn Stranger) -> Option<Adoption> {
    let name = row.text("name")?;
    let vpc = row.parent()?;
    let other = name.strip_prefix(&*vpc)?.strip_prefix('-').filter(|other| !other.is_empty())?;
    if row.pair(EXTERNAL_IDS, "lr") != Some(&vpc) {
        return None;
    }
    match row.text("peer") {
        None => Some(Adoption::kept(OwnerKey::new(OwnerKind::Subnet, other), name)),
        Some(peer) => {
            (peer == Peering::port(other, &vpc)).then(|| Adoption::swept(Peering::owner(&vpc, other), name))
        }
    }
}

/// What a subnet's ports are answered, or one of them.
fn dhcp_options(row: &dyn Stranger) -> Option<Adoption> {
    let id = |key: &str| row.pair(EXTERNAL_IDS, key);
    let (owner, id) = dhcp::known(id("ls")?, id("port"), id("protocol")?)?;
    Some(Adoption::swept(owner, id))
}

fn switch_port(row: &dyn Stranger) -> Option<Adoption> {
    let (name, switch) = (row.text("name")?, row.parent()?);
    let id = |key: &str| row.pair(EXTERNAL_IDS, key);
    if id("ls") != Some(&switch) {
        return None;
    }
    match (row.text("type").unwrap_or_default(), id("pod")) {
        ("router", None) => {
            let vpc = name.strip_prefix(&*switch)?.strip_prefix('-').filter(|vpc| !vpc.is_empty())?;
            let leads = row.pair("options", "router-port") == Some(&format!("{vpc}-{switch}"));
            leads.then(|| Adoption::kept(OwnerKey::new(OwnerKind::Subnet, &*switch), name))
        }
        ("", None) => {
            let node = name.strip_prefix("node-").filter(|node| node_port_name(node) == name)?;
            Some(Adoption::swept(OwnerKey::new(OwnerKind::Node, node), name))
        }
        // A virtual address that a port only answers for is no pod's.
        ("", Some(pod)) if row.pair("options", "arp_proxy").is_none() => {
            let (namespace, short) = pod.split_once('/')?;
            let rest = name.strip_prefix(short)?.strip_prefix('.')?.strip_prefix(namespace)?;
            let further = rest.strip_prefix('.').is_some_and(is_further);
            (rest.is_empty() || further).then(|| Adoption::swept(OwnerKey::pod(namespace, short), name))
        }
        _ => None,
    }
}

/// A provider whose ports are OVN's, perhaps with the name of an interface behind it.
fn is_further(provider: &str) -> bool {
    let fields: Vec<&str> = provider.split('.').collect();
    let named = fields.iter().all(|field| !field.is_empty());
    named && matches!(fields[..], [_, _, "ovn"] | [_, _, "ovn", _])
}

fn policy(row: &dyn Stranger) -> Option<Adoption> {
    let vpc = row.parent()?;
    let priority = u16::try_from(row.number("priority")?).ok()?;
    let text = row.text("match")?.trim();
    let id = |key: &str| row.pair(EXTERNAL_IDS, key);
    let keys = row.pairs(EXTERNAL_IDS);
    if keys == 1 {
        let key = routing::users_policy(&vpc, priority, &ids::digest(text));
        return Some(Adoption::swept(OwnerKey::new(OwnerKind::Vpc, vpc), &*key.id));
    }
    let known = usize::from(id("address-family").is_some());
    match (priority, id("subnet"), id("node")) {
        (subnet::EAST_WEST, Some(name), None) if keys == 2 => {
            let cidr = target(text)?;
            let key = ids::policy(&vpc, priority, &cidr.to_string());
            Some(Adoption::swept(OwnerKey::new(OwnerKind::Subnet, name), &*key.id))
        }
        (gateway::OUT, Some(subnet), Some(node)) if keys == 3 => {
            let group = ids::group_name(&gateway::group_text(subnet, node)).ok()?;
            let of = |family: &Family| Match::src_set(*family, &group.addresses(*family)).to_string() == text;
            let family = Family::BOTH.into_iter().find(of)?;
            let key = gateway::local_policy(&vpc, subnet, node, family);
            Some(Adoption::swept(OwnerKey::local(subnet, node), &*key.id))
        }
        // With a key for each gateway, which names it. Underlays have other keys.
        (gateway::OUT, Some(name), None) if keys > 2 && UNDERLAY.iter().all(|key| id(key).is_none()) => {
            let cidr = prefix(text.rsplit(' ').next()?)?;
            let key = gateway::central_policy(&vpc, name, cidr.family());
            let same = Match::src(cidr.net()).to_string() == text;
            same.then(|| Adoption::swept(OwnerKey::new(OwnerKind::Subnet, name), &*key.id))
        }
        (super::node::TO_NODE, None, Some(name)) if keys == 2 + known => {
            let ip = target(text)?.net().addr();
            let key = ids::policy(&vpc, priority, &format!("{name}/{ip}"));
            Some(Adoption::swept(OwnerKey::new(OwnerKind::Node, name), &*key.id))
        }
        _ => None,
    }
}

/// What policies of underlays say.
const UNDERLAY: [&str; 3] = ["isU2ORoutePolicy", "isU2ONoLBRoutePolicy", "isU2OOverlayOnlyRoutePolicy"];

/// A group of a node's pods, or of those of one subnet.
fn group(row: &dyn Stranger) -> Option<Adoption> {
    let id = |key: &str| row.pair(EXTERNAL_IDS, key);
    let (name, node, np) = (row.text("name")?, id("node")?, id("np")?);
    let marks = usize::from(id(KEY_VENDOR).is_some());
    let (text, says, keys, owner, key) = if let Some(subnet) = id("subnet") {
        let text = gateway::group_text(subnet, node);
        (text, format!("{subnet}/{node}"), 3, OwnerKey::local(subnet, node), ids::local_group(subnet, node))
    } else {
        let owner = OwnerKey::new(OwnerKind::Node, node);
        (node_port_name(node), format!("node/{node}"), 2, owner, ids::node_group(node))
    };
    let agrees = *np == says && row.pairs(EXTERNAL_IDS) == keys + marks;
    let agrees = agrees && ids::group_name(&text).is_ok_and(|group| group.as_str() == name);
    agrees.then(|| Adoption::swept(owner, &*key.id))
}

/// The prefix of a match that is only `ip4.dst == prefix`.
fn target(text: &str) -> Option<Cidr> {
    let cidr = prefix(text.rsplit(' ').next()?)?;
    let same = |matching: Match| matching.to_string() == text;
    (same(Match::dst(cidr.net())) || same(Match::dst(cidr.net().addr()))).then_some(cidr)
}

fn route(row: &dyn Stranger) -> Option<Adoption> {
    let vpc = row.parent()?;
    // Learned from other zones, or watched: other features' routes.
    let plain = row.pairs(EXTERNAL_IDS) == 1 && row.pair("options", "origin").is_none() && !row.refers("bfd");
    if !plain {
        return None;
    }
    let (prefix, hop) = (row.text("ip_prefix")?, row.text("nexthop")?.parse().ok()?);
    let cidr = self::prefix(prefix)?;
    let owner = OwnerKey::new(OwnerKind::Vpc, &*vpc);
    let table = row.text("route_table").unwrap_or_default();
    if row.text("policy") == Some("src-ip") {
        // Those of external addresses have no prefix length. The others are policies here, and must go: stock OVN
        // would rank them above shorter routes by destination.
        let id = format!("{vpc}/by-source/{table}/{prefix}/{hop}");
        return prefix.contains('/').then(|| Adoption::swept(owner, id));
    }
    let own = |network: &std::sync::Arc<str>| {
        network.parse::<ipnet::IpNet>().is_ok_and(|network| network.addr() == hop)
    };
    let is_hit = cidr.prefix_len() == 0 && row.beside("ports", "networks").iter().any(own);
    let start = if is_hit { routing::hit_ids(&vpc) } else { ids::users(&vpc) };
    Some(Adoption::swept(owner, routing::route_id(&start, table, &cidr, hop)))
}

fn acl(row: &dyn Stranger) -> Option<Adoption> {
    let switch = row.parent()?;
    let id = |key: &str| row.pair(EXTERNAL_IDS, key);
    if id("parent") != Some(&switch) {
        return None;
    }
    let priority = u16::try_from(row.number("priority")?).ok()?;
    let (direction, matching) = (row.text("direction")?, row.text("match")?);
    let rule = match id("subnet") {
        None if direction == "to-lport" => {
            private::rule_id(&switch, priority, &private::what(priority, matching)?)
        }
        // Rules that the user wrote for a subnet say so.
        Some(subnet) if *subnet == *switch => acl::known(&switch, direction, priority, matching)?,
        _ => return None,
    };
    Some(Adoption::swept(OwnerKey::new(OwnerKind::Subnet, &*switch), rule))
}

/// A prefix, or an address, which is one of full length.
fn prefix(text: &str) -> Option<Cidr> {
    let address = |ip: std::net::IpAddr| Cidr::new(ip.into());
    text.parse().ok().or_else(|| text.parse().ok().map(address))
}

/// The prefixes that a match names, in their order.
pub(super) fn prefixes(text: &str) -> Vec<Cidr> {
    let words = text.split([' ', '(', ')']);
    words
        .filter(|word| word.contains(['.', ':']) && word.contains('/'))
        .filter_map(|word| word.parse().ok())
        .collect()
}
