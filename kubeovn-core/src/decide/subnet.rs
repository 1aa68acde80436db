//! What a subnet is: defaults, validation, and who stays when two contradict each other.

use std::{net::IpAddr, sync::Arc};

use super::gateway::Exit;
use super::in_vain;
use super::inside;
use super::nat::nat_exceptions;
use super::pools::of_subnet;
use crate::{
    addr::{Cidr, DualStack, Family, IpRange},
    annotations,
    contract::ipam::{NamedPool, Offer},
    error::{NOT_SUPPORTED, Problem},
    index::{
        Decision, Settings, World,
        objects::{Expression, Name, Operator, Subnet},
    },
};

/// A subnet as it is in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetPlan {
    /// Name.
    pub name: Name,
    /// Its VPC. Without meaning where the interfaces are other plugins'.
    pub vpc: Name,
    /// Which network it is of: empty for the cluster's own.
    pub provider: Name,
    /// Where its addresses are unique: its VPC, or the network of another plugin.
    pub space: Name,
    /// Prefixes.
    pub cidrs: DualStack<Cidr>,
    /// Gateways: the router's addresses in it.
    pub gateways: DualStack<IpAddr>,
    /// Addresses not given by themselves, without the gateways.
    pub excludes: Vec<IpRange>,
    /// Parts that are given only to who names them.
    pub pools: Vec<NamedPool>,
    /// Nothing from elsewhere may come in.
    pub private: bool,
    /// Prefixes that may nevertheless.
    pub allow: Vec<Cidr>,
    /// MTU of pods' interfaces, if it is set.
    pub mtu: Option<u32>,
    /// Route table, empty = main.
    pub table: Name,
    /// Addresses of nodes in it: given to nobody who does not ask for them by number.
    pub nodes: Arc<[IpAddr]>,
    /// How its packets leave the VPC.
    pub exit: Exit,
    /// Creation time, by which the older of two wins.
    pub created: u64,
    /// Being deleted: nothing new is granted, and it stays until nothing is.
    pub closing: bool,
}

impl SubnetPlan {
    /// Its interfaces are OVN's. Of others it only gives the addresses: it has no switch and no router.
    pub fn is_ours(&self) -> bool {
        annotations::is_ovn(&self.provider)
    }

    /// What it offers to the ledger, but for the gateway's MAC, which is the fabric's.
    pub fn offer(&self, settings: &Settings) -> Offer {
        let big = self.cidrs.iter().any(|c| c.usable().count() >= Settings::REST_FROM);
        Offer {
            subnet: self.name.clone(),
            space: self.space.clone(),
            cidrs: self.cidrs,
            gateways: self.gateways,
            excludes: self.excludes.clone(),
            pools: self.pools.clone(),
            rest: if big { settings.rest } else { 0 },
            ..Offer::default()
        }
    }

    /// Name of the switch's port to the router; Kube-OVN's scheme.
    pub fn switch_port(&self) -> String {
        format!("{}-{}", self.name, self.vpc)
    }

    /// Name of the router's port to the switch; Kube-OVN's scheme.
    pub fn router_port(&self) -> String {
        Self::router_port_of(&self.vpc, &self.name)
    }

    /// The same of a subnet that need not be in effect.
    pub fn router_port_of(vpc: &str, subnet: &str) -> String {
        format!("{vpc}-{subnet}")
    }
}

/// Decides all subnets that name this VPC, the oldest first: a later one that contradicts an earlier one is refused,
/// and comes up by itself when that one goes. One that is refused has no place, but for the addresses that are held in it.
pub fn decide_subnets(world: &World, vpc: &str) -> Vec<(Name, Decision)> {
    let mut subnets: Vec<_> = world.subnets_of(vpc).collect();
    // The built-in ones were there before any other, whenever their objects were made.
    let settings = world.settings();
    let built_in = |s: &Subnet| [&settings.subnet, &settings.join].contains(&&s.meta.name);
    subnets.sort_by_key(|s| (!built_in(s), s.meta.created, s.meta.name.clone()));
    let mut accepted: Vec<SubnetPlan> = Vec::new();
    let mut held: Vec<(Name, Vec<IpAddr>)> = Vec::new();
    let mut decisions = Vec::with_capacity(subnets.len());
    for subnet in subnets {
        let plan = read(world, subnet).and_then(|plan| fits(world, plan, &accepted, &held));
        let mut problems: Vec<Problem> = nat_exceptions(subnet).problem.into_iter().collect();
        problems.extend(inert("Subnet", &subnet.meta.name, &in_vain::of_subnet(&subnet.spec)));
        let plan = match plan {
            Ok(plan) => {
                problems.extend(inside::told(world, &plan));
                accepted.push(plan.clone());
                Some(plan.into())
            }
            Err(problem) => {
                held.push((subnet.meta.name.clone(), held_in(world, vpc, &subnet.meta.name)));
                problems = vec![problem];
                None
            }
        };
        decisions.push((subnet.meta.name.clone(), Decision { plan, problems }));
    }
    decisions
}

/// Fields that are set though nothing acts on them: said, so that nobody waits for their effect.
pub(super) fn inert(kind: &str, name: &str, fields: &[Name]) -> Vec<Problem> {
    if fields.is_empty() {
        return Vec::new();
    }
    let text = format!(
        "{kind} {name}: {} set, but this version does not act on it; the rest is in effect. \
         docs/compatibility.md lists what is supported",
        fields.join(", ")
    );
    vec![Problem::new(NOT_SUPPORTED, text)]
}

/// Prefixes that no subnet may touch: not routable, or with a meaning of their own.
const RESERVED: [&str; 9] = [
    "255.255.255.255/32",
    "224.0.0.0/4",
    "127.0.0.0/8",
    "0.0.0.0/32",
    "169.254.0.0/16",
    "::/128",
    "::1/128",
    "ff00::/8",
    "fe80::/10",
];

/// The smallest MTU that IPv6 works with (RFC 8200, section 5).
const IPV6_MTU: u32 = 1280;

/// Reads the texts of one subnet and fills in what is left out.
fn read(world: &World, subnet: &Subnet) -> Result<SubnetPlan, Problem> {
    let (name, spec) = (&subnet.meta.name, &subnet.spec);
    let bad = |code, text: String| Problem::new(code, format!("subnet {name}: {text}"));
    if !spec.vlan.is_empty() {
        let text = format!(
            "vlan {} makes it an underlay, which this version does not support. Remove vlan",
            spec.vlan
        );
        return Err(bad("SUBNET-UNDERLAY", text));
    }
    let provider = provider(spec.provider.trim()).map_err(|text| bad("SUBNET-PROVIDER", text))?;
    let ours = annotations::is_ovn(&provider);
    let cidrs: DualStack<Cidr> =
        spec.cidr_block.parse().map_err(|e| bad("SUBNET-CIDR-INVALID", format!("cidrBlock: {e}")))?;
    if cidrs.is_empty() {
        return Err(bad("SUBNET-CIDR-INVALID", "cidrBlock is empty. Give a prefix like 10.16.0.0/16".into()));
    }
    for cidr in cidrs.iter() {
        check_prefix(*cidr).map_err(|text| bad("SUBNET-CIDR-INVALID", text))?;
    }
    let gateways = gateways(&spec.gateway, &cidrs).map_err(|text| bad("SUBNET-GATEWAY-INVALID", text))?;
    let mut excludes = Vec::new();
    for text in spec.exclude_ips.iter().filter(|t| !t.trim().is_empty()) {
        let range: IpRange =
            text.parse().map_err(|e| bad("SUBNET-EXCLUDE-INVALID", format!("excludeIps: {e}")))?;
        if !gateways.iter().any(|gw| IpRange::from(*gw) == range) {
            excludes.push(range);
        }
    }
    excludes.sort_unstable();
    excludes.dedup();
    let mut allow = Vec::new();
    for text in spec.allow_subnets.iter().filter(|t| !t.trim().is_empty()) {
        allow.push(text.parse().map_err(|e| bad("SUBNET-ALLOW-INVALID", format!("allowSubnets: {e}")))?);
    }
    allow.sort_unstable();
    allow.dedup();
    let unknown = |e: &Expression| e.operator == Operator::Unknown;
    let selectors = [
        ("namespaceSelectors", &spec.namespace_selectors),
        ("gatewayNodeSelectors", &spec.gateway_node_selectors),
    ];
    for (field, selectors) in selectors {
        if let Some(e) = selectors.iter().flat_map(|s| &s.match_expressions).find(|e| unknown(e)) {
            let text =
                format!("{field}: the operator for {} is none of In, NotIn, Exists, DoesNotExist", e.key);
            return Err(bad("SUBNET-SELECTOR-INVALID", text));
        }
    }
    let exit = if ours { Exit::of(world, subnet) } else { Ok(Exit::None) };
    let exit = exit.map_err(|text| bad("SUBNET-GATEWAY-TYPE", text))?;
    if spec.mtu != 0 && spec.mtu < IPV6_MTU && cidrs.v6.is_some() {
        let text = format!(
            "mtu {} is below {IPV6_MTU}, which IPv6 needs at least. Raise it, or leave it out",
            spec.mtu
        );
        return Err(bad("SUBNET-MTU-INVALID", text));
    }
    Ok(SubnetPlan {
        name: name.clone(),
        vpc: world.vpc_name(subnet),
        provider,
        space: world.space_of(subnet),
        cidrs,
        gateways,
        excludes,
        pools: of_subnet(world, name),
        private: spec.private && ours,
        allow,
        mtu: (spec.mtu != 0).then_some(spec.mtu),
        table: spec.route_table.as_str().into(),
        nodes: Arc::default(),
        exit,
        created: subnet.meta.created,
        closing: subnet.meta.deleting,
    })
}

/// The network that a subnet is of, as far as a definition can have that name.
fn provider(text: &str) -> Result<Name, String> {
    if ["", annotations::OVN].contains(&text) {
        return Ok(Name::default());
    }
    let is_part = |part: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !part.is_empty() && part.chars().all(plain)
    };
    let parts = text.split('.').filter(|part| is_part(part)).count();
    if parts < 2 || parts != text.split('.').count() {
        return Err(format!(
            "provider {text:?} is neither {:?} nor <name>.<namespace> of a NetworkAttachmentDefinition, with .ovn behind it \
             where the interfaces are OVN's. Correct it, or leave it out",
            annotations::OVN
        ));
    }
    Ok(text.into())
}

fn check_prefix(cidr: Cidr) -> Result<(), String> {
    let bits = cidr.family().bits();
    if cidr.prefix_len() == bits {
        return Err(format!(
            "cidrBlock {cidr} is a single address. Use a prefix of /{} or shorter",
            bits - 1
        ));
    }
    for reserved in RESERVED {
        if reserved.parse().is_ok_and(|r: Cidr| r.overlaps(cidr)) {
            return Err(format!(
                "cidrBlock {cidr} overlaps {reserved}, which is reserved. Choose another prefix"
            ));
        }
    }
    Ok(())
}

/// The gateways given, and the first usable address of a family that has none.
fn gateways(text: &str, cidrs: &DualStack<Cidr>) -> Result<DualStack<IpAddr>, String> {
    let mut gateways: DualStack<IpAddr> = text.parse().map_err(|e| format!("gateway: {e}"))?;
    for family in Family::BOTH {
        let slot = gateways.slot(family);
        match (cidrs.get(family), *slot) {
            (None, Some(ip)) => {
                return Err(format!(
                    "gateway {ip} is {family}, but cidrBlock {cidrs} has no {family} prefix. Add one, or remove the gateway"
                ));
            }
            (Some(cidr), Some(ip)) if !cidr.usable().contains(ip) => {
                let usable = cidr.usable();
                return Err(format!(
                    "gateway {ip} is not among the usable addresses {usable} of {cidr}. Choose one of them"
                ));
            }
            (Some(cidr), None) => *slot = Some(cidr.usable().first()),
            _ => {}
        }
    }
    Ok(gateways)
}

/// Does it fit what is there already?
fn fits(
    world: &World,
    mut plan: SubnetPlan,
    accepted: &[SubnetPlan],
    held: &[(Name, Vec<IpAddr>)],
) -> Result<SubnetPlan, Problem> {
    let name = &plan.name;
    let bad = |code, text: String| Problem::new(code, format!("subnet {name}: {text}"));
    if !plan.is_ours() {
        return apart(&plan, accepted).map(|()| plan);
    }
    if *plan.vpc == **name {
        return Err(bad(
            "SUBNET-NAME-IS-VPC",
            format!("it has the name of its VPC {}. Rename one of the two", plan.vpc),
        ));
    }
    let Some(vpc) = world.vpc(&plan.vpc) else {
        return Err(bad(
            "SUBNET-VPC-UNKNOWN",
            format!("there is no VPC {}. Create it, or correct spec.vpc", plan.vpc),
        ));
    };
    let subnet = world.subnet(name);
    for namespace in subnet.into_iter().flat_map(|s| &s.spec.namespaces) {
        let listed = &vpc.spec.namespaces;
        if plan.vpc != world.settings().vpc && !listed.is_empty() && !listed.contains(namespace) {
            let text = format!(
                "namespace {namespace} is not in spec.namespaces of VPC {}. Add it there, or remove it here",
                plan.vpc
            );
            return Err(bad("SUBNET-NAMESPACE-FOREIGN", text));
        }
    }
    apart(&plan, accepted)?;
    for (older, ips) in held {
        let meets = |cidr: &Cidr| Some((*cidr, ips.iter().find(|ip| cidr.contains(**ip))?));
        if let Some((cidr, ip)) = plan.cidrs.iter().find_map(meets) {
            let text = format!(
                "cidrBlock {cidr} contains {ip}, which somebody holds in subnet {older}, which is older and can't be used as it \
                 stands, in VPC {}. Choose another prefix, or another VPC",
                plan.vpc
            );
            return Err(bad("SUBNET-CIDR-OVERLAP", text));
        }
    }
    if !subnet.is_some_and(|subnet| inside::was_accepted(subnet))
        && let Some((node, ip)) = inside::older(world, &plan)
    {
        let text = format!(
            "cidrBlock {} contains {ip} of node {}, which was there before and would be cut off. Choose another prefix",
            plan.cidrs, node.meta.name
        );
        return Err(bad("SUBNET-CIDR-NODE", text));
    }
    plan.nodes = inside::addresses(world, &plan);
    Ok(plan)
}

/// Addresses of a VPC that are held in a subnet.
fn held_in(world: &World, vpc: &str, subnet: &str) -> Vec<IpAddr> {
    let grants = world.holders_in(subnet).flat_map(|owner| world.grants(owner));
    let here = grants.filter(|grant| *grant.subnet == *subnet && *grant.space == *vpc);
    here.flat_map(|grant| grant.ips.iter().copied()).collect()
}

/// Shares it no address with an older one of the same VPC, or of the same network of another plugin?
fn apart(plan: &SubnetPlan, accepted: &[SubnetPlan]) -> Result<(), Problem> {
    for older in accepted.iter().filter(|older| older.space == plan.space) {
        for (a, b) in plan.cidrs.iter().flat_map(|a| older.cidrs.iter().map(move |b| (a, b))) {
            if a.overlaps(*b) {
                let (place, other) = if plan.is_ours() {
                    (format!("in VPC {}", plan.vpc), "another VPC")
                } else {
                    (format!("of provider {}", plan.provider), "another provider")
                };
                let text = format!(
                    "subnet {}: cidrBlock {a} overlaps {b} of subnet {}, which is older, {place}. Choose another prefix, or \
                     {other}",
                    plan.name, older.name
                );
                return Err(Problem::new("SUBNET-CIDR-OVERLAP", text));
            }
        }
    }
    Ok(())
}
