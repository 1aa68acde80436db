//! What the packet filter should do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use kubeovn_core::addr::{Cidr, Family};
use kubeovn_core::error::Problem;

use super::rules::{Action, Chain, Mark, Match, PolicyJump, Protocol, Rule, Rules, Set};
use crate::gateway::facts::{Carrier, Facts, Gateway, NatAction, NatRule, Subnet};

/// Ports of the tunnels: Geneve, VXLAN.
const TUNNELS: [u16; 2] = [6081, 4789];

pub(super) fn rules(
    facts: &Facts,
    subnets: &[&Subnet],
    family: Family,
    known: Option<Vec<Cidr>>,
    problems: &mut Vec<Problem>,
) -> Rules {
    let mut rules = Rules { known, ..Rules::new(family) };
    let passing = passing(subnets, family);
    fill_sets(&mut rules, facts, &passing);
    for (subnet, cidr) in &passing {
        rules.counted.insert(*cidr, subnet.name.clone());
        if is_masqueraded(subnet) {
            let egress = own_address(subnet, &facts.node, family, problems);
            rules.snat.extend(egress.map(|ip| (*cidr, ip)));
            policy(&mut rules, subnet, *cidr, problems);
        }
    }
    for (protocol, ports) in
        [(Protocol::Tcp, &facts.kube_proxy.local_tcp), (Protocol::Udp, &facts.kube_proxy.local_udp)]
    {
        // Without an address of the family the node has no node ports in it.
        let ports = ports.get(family).filter(|_| facts.node_ips.get(family).is_some());
        rules.local_ports.extend(ports.map(|ports| (protocol, ports.clone())));
    }
    program(&mut rules, facts);
    rules
}

/// The subnets whose packets pass the host, with their prefix of the family; none overlaps another.
fn passing<'a>(subnets: &[&'a Subnet], family: Family) -> Vec<(&'a Subnet, Cidr)> {
    let candidates = subnets
        .iter()
        .filter(|subnet| !matches!(subnet.carrier, Carrier::Underlay { .. }))
        .filter_map(|subnet| Some((*subnet, *subnet.cidrs.get(family)?)));
    let mut sorted: Vec<(&Subnet, Cidr)> = candidates.collect();
    // Who overlaps is next to each other by address; of those the first by name stays.
    sorted.sort_by_key(|(_, cidr)| *cidr);
    let mut taken: Vec<(&Subnet, Cidr)> = Vec::with_capacity(sorted.len());
    for (subnet, cidr) in sorted {
        match taken.last_mut() {
            Some(last) if last.1.overlaps(cidr) => {
                if subnet.name < last.0.name {
                    *last = (subnet, cidr);
                }
            }
            _ => taken.push((subnet, cidr)),
        }
    }
    taken.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    taken
}

fn is_masqueraded(subnet: &Subnet) -> bool {
    subnet.nat_outgoing && !subnet.deleting
}

fn fill_sets(rules: &mut Rules, facts: &Facts, passing: &[(&Subnet, Cidr)]) {
    let family = rules.family;
    let of = |wanted: &dyn Fn(&Subnet) -> bool| -> BTreeSet<Cidr> {
        passing.iter().filter(|(subnet, _)| wanted(subnet)).map(|(_, cidr)| *cidr).collect()
    };
    let services = facts.services.iter().copied().filter(|cidr| cidr.family() == family);
    let nodes = facts.other_nodes.iter().copied().filter(|ip| Family::of(*ip) == family).map(host);
    rules.sets = BTreeMap::from([
        (Set::Services, outermost(services)),
        (Set::Subnets, of(&|_| true)),
        (Set::Nat, of(&is_masqueraded)),
        (Set::NatPolicy, of(&|subnet| is_masqueraded(subnet) && !subnet.nat_rules.is_empty())),
        (Set::Distributed, of(&|subnet| subnet.gateway == Gateway::Distributed)),
        (Set::OtherNodes, nodes.collect()),
    ]);
}

fn host(ip: IpAddr) -> Cidr {
    Cidr::new(IpNet::from(ip))
}

/// Without those that lie within another: they say nothing more, and an interval set has no place for them.
fn outermost(cidrs: impl Iterator<Item = Cidr>) -> BTreeSet<Cidr> {
    // A prefix sorts before what lies within it.
    let sorted: BTreeSet<Cidr> = cidrs.collect();
    let mut kept: Vec<Cidr> = Vec::with_capacity(sorted.len());
    for cidr in sorted {
        if kept.last().is_none_or(|last| !last.overlaps(cidr)) {
            kept.push(cidr);
        }
    }
    kept.into_iter().collect()
}

/// The address behind this node's name in `gatewayNode`, if packets of the subnet come here now.
fn own_address(subnet: &Subnet, node: &str, family: Family, problems: &mut Vec<Problem>) -> Option<IpAddr> {
    let Gateway::Centralized { nodes, all, active, .. } = &subnet.gateway else { return None };
    if !all && active != node {
        return None;
    }
    let mine =
        nodes.split(',').filter_map(|item| item.split_once(':')).filter(|(name, _)| name.trim() == node);
    for (_, text) in mine {
        match text.trim().parse::<IpAddr>() {
            Ok(ip) if Family::of(ip) == family => return Some(ip),
            Ok(_) => {}
            Err(_) => problems.push(Problem::new(
                "GATEWAY-EGRESS-IP",
                format!(
                    "subnet {}: {:?} behind {node} in gatewayNode is no address. Its packets leave with the address of \
                     the link. Write it like {node}:172.18.0.9",
                    subnet.name,
                    text.trim()
                ),
            )),
        }
    }
    None
}

/// The chain of a subnet's exceptions.
fn policy(rules: &mut Rules, subnet: &Subnet, cidr: Cidr, problems: &mut Vec<Problem>) {
    if subnet.nat_rules.is_empty() {
        return;
    }
    let Some(id) = id_of(&subnet.uid) else {
        let text = format!(
            "subnet {}: its uid {:?} can't name a chain. Its exceptions do nothing",
            subnet.name, subnet.uid
        );
        problems.push(Problem::new("GATEWAY-NAT-RULE", text));
        return;
    };
    let mut chain = Vec::new();
    for rule in &subnet.nat_rules {
        match id_of(&rule.id) {
            Some(id) if !(rule.src.is_empty() && rule.dst.is_empty()) => {
                chain.extend(exception(rules, rule, &id));
            }
            _ => {
                let text = format!(
                    "subnet {}: an exception from natOutgoing (id {:?}) says neither where from nor where to, or its id \
                     can't name a set. It does nothing. Give it srcIPs or dstIPs",
                    subnet.name, rule.id
                );
                problems.push(Problem::new("GATEWAY-NAT-RULE", text));
            }
        }
    }
    rules.chains.insert(Chain::NatPolicyOf(id.clone()), chain);
    rules.policies.insert(cidr, PolicyJump { subnet: subnet.name.clone(), id });
}

/// One exception, unless it is about the other family.
fn exception(rules: &mut Rules, rule: &NatRule, id: &str) -> Option<Rule> {
    let family = rules.family;
    let of = |cidrs: &[Cidr]| outermost(cidrs.iter().copied().filter(|cidr| cidr.family() == family));
    let (src, dst) = (of(&rule.src), of(&rule.dst));
    if src.is_empty() != rule.src.is_empty() || dst.is_empty() != rule.dst.is_empty() {
        return None;
    }
    let mut matches = Vec::new();
    if !src.is_empty() {
        matches.push(Match::Src(Set::RuleSrc(id.to_owned())));
        rules.sets.insert(Set::RuleSrc(id.to_owned()), src);
    }
    if !dst.is_empty() {
        matches.push(Match::Dst(Set::RuleDst(id.to_owned())));
        rules.sets.insert(Set::RuleDst(id.to_owned()), dst);
    }
    let mark = match rule.action {
        NatAction::Nat => Mark::NAT,
        NatAction::Forward => Mark::FORWARD,
    };
    Some(Rule { matches, action: Action::MarkAndReturn(mark) })
}

/// The last twelve characters, by which Kube-OVN calls things in the kernel.
fn id_of(uid: &str) -> Option<String> {
    let plain = !uid.is_empty() && uid.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    plain.then(|| uid.chars().skip(uid.len().saturating_sub(12)).collect())
}

/// The rules that are the same everywhere. Their order is their meaning.
fn program(rules: &mut Rules, facts: &Facts) {
    use Action::{Accept, Drop, Jump, JumpByPolicy, Masquerade, Reject, Return, Snat, SnatByPrefix, Unmark};
    use Match::{Dst, Invalid, Is, Marked, New, NoSyn, NotDst, NotMarked, NotSrc, Rst, Src, SrcSnat, UdpTo};
    use Set::{Distributed, Nat, NatPolicy, OtherNodes, Services, Subnets};

    let family = rules.family;
    let ipvs = facts.kube_proxy.ipvs.get(family).is_some();
    let masquerade = || Jump(Chain::Masquerade);
    let rule = |matches: &[Match], action: Action| Rule { matches: matches.to_vec(), action };

    let from_pods = Match::From(facts.join.link.clone());
    let mut before =
        vec![rule(&[from_pods, Src(Subnets), Match::Service { ipvs }], Action::Mark(Mark::MASQUERADE))];
    for protocol in rules.local_ports.keys().copied() {
        let to_port = Match::ToLocalPort(protocol);
        before.extend([
            rule(&[Is(protocol), Match::ToHost, to_port.clone()], Action::Mark(Mark::LOCAL_PORT)),
            rule(&[Is(protocol), Src(OtherNodes), to_port], Action::Mark(Mark::MASQUERADE)),
        ]);
    }

    let mut after = Vec::new();
    // With IPVS the source of what kube-proxy forwards can be a service.
    after.extend(
        facts
            .node_ips
            .get(family)
            .map(|node| rule(&[Src(Services), Dst(Subnets), Marked(Mark::MASQUERADE)], Snat(*node))),
    );
    after.extend([
        rule(&[Marked(Mark::MASQUERADE)], masquerade()),
        // From a pod by a service of this host back to a pod: the answer must come by the host too.
        rule(&[Src(Subnets), Dst(Subnets)], masquerade()),
        // A service that keeps its client's address: also behind the pod's own node, but not behind another one.
        rule(&[Marked(Mark::LOCAL_PORT), Dst(Distributed)], Return),
        rule(&[Marked(Mark::LOCAL_PORT)], masquerade()),
        // The answer to a connection whose first packet went another way.
        rule(&[Is(Protocol::Tcp), NoSyn, New], Return),
        // Somebody outside with a route to pods.
        rule(&[NotSrc(Subnets), NotSrc(OtherNodes), Dst(Nat)], Return),
        rule(&[Src(NatPolicy), NotDst(Subnets)], Jump(Chain::NatPolicy)),
        rule(&[Marked(Mark::NAT)], masquerade()),
        rule(&[Marked(Mark::FORWARD)], Return),
    ]);
    let mut guard = vec![rule(&[Is(Protocol::Tcp), Src(Subnets), Rst, Invalid], Drop)];
    if !rules.snat.is_empty() || rules.known.is_some() {
        after.push(rule(&[SrcSnat, NotDst(Subnets)], SnatByPrefix));
        // Else an answer whose connection is not known here would open one, with the pod's address for ever.
        guard.push(rule(&[Is(Protocol::Tcp), SrcSnat, NoSyn, New, NotDst(Subnets)], Drop));
    }
    after.push(rule(&[Src(Nat), NotDst(Subnets)], masquerade()));

    let accepts = [Src(Subnets), Dst(Subnets), Src(Services), Dst(Services)].map(|m| rule(&[m], Accept));
    let refuse = rule(&[Is(Protocol::Tcp), NotMarked(Mark::MASQUERADE), Dst(Services), New], Reject);
    let refusal = || ipvs.then(|| refuse.clone());
    let counts = [rule(&[], Action::CountSrc), rule(&[], Action::CountDst)];
    // The outer packet of a tunnel must not be masqueraded because the inner one was to be.
    let unmark = TUNNELS.map(|port| rule(&[UdpTo(port)], Unmark));
    rules.chains.extend([
        (Chain::Prerouting, before),
        (Chain::Postrouting, after),
        (Chain::Masquerade, vec![rule(&[], Unmark), rule(&[], Masquerade)]),
        (Chain::NatPolicy, vec![rule(&[], JumpByPolicy)]),
        (Chain::Input, refusal().into_iter().chain(accepts.clone()).collect()),
        (Chain::Forward, counts.into_iter().chain(accepts).collect()),
        (Chain::Output, refusal().into_iter().chain(unmark).collect()),
        (Chain::Guard, guard),
    ]);
}
