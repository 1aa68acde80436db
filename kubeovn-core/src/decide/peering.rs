//! Direct connections between VPCs: which of a VPC's are in effect, and what is said about the others.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use crate::{
    addr::{Cidr, DualStack, Family},
    error::{PEERING_HALF, Problem},
    index::{
        World,
        objects::{Name, Vpc, VpcPeering},
    },
    rows::{OwnerKey, OwnerKind},
};

/// The connections of a VPC. One that can't be used is left out and reported, the others are in effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peerings {
    /// Those in effect, in the order in which they are given.
    pub peers: Vec<Peering>,
    /// VPCs to which there is a connection that can't be read, or that a subnet contradicts: what is there of it stays.
    pub unclear: Vec<Name>,
    /// What could not be used, and why; and what leads nowhere yet.
    pub problems: Vec<Problem>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peering {
    /// The other VPC.
    pub remote: Name,
    /// Addresses of this side in the network between the two.
    pub networks: DualStack<IpNet>,
}

impl Peering {
    /// Name of the port of `vpc`'s router that leads to `remote`; Kube-OVN's scheme.
    pub fn port(vpc: &str, remote: &str) -> String {
        format!("{vpc}-{remote}")
    }

    /// Who owns that port.
    pub fn owner(vpc: &str, remote: &str) -> OwnerKey {
        OwnerKey::new(OwnerKind::Peering, format!("{vpc}/{remote}"))
    }

    /// The VPC of such an owner, and the one that it leads to.
    pub fn ends(owner: &OwnerKey) -> Option<(&str, &str)> {
        owner.name.split_once('/').filter(|_| owner.kind == OwnerKind::Peering)
    }
}

/// Decides the connections of a VPC.
pub fn decide_peerings(world: &World, vpc: &Vpc) -> Peerings {
    let name = &vpc.meta.name;
    let mut all = Peerings::default();
    let mut seen = BTreeSet::new();
    for (i, given) in vpc.spec.vpc_peerings.iter().enumerate() {
        let remote = &given.remote_vpc;
        let refused = |code, why: String| {
            Problem::new(code, format!("VPC {name}: vpcPeerings[{i}] is not in effect: {why}"))
        };
        if let Err(why) = sense(name, given, &mut seen) {
            all.problems.push(refused("VPC-PEERING-INVALID", why));
            continue;
        }
        let Some(other) = world.vpc(remote) else {
            let why = format!("there is no VPC {remote}. Create it, or correct remoteVpc");
            all.problems.push(refused("VPC-PEERING-UNKNOWN", why));
            continue;
        };
        let networks = match networks(&given.local_connect_ip) {
            Ok(networks) => networks,
            Err(why) => {
                all.problems.push(refused("VPC-PEERING-INVALID", why));
                all.unclear.push(remote.clone());
                continue;
            }
        };
        if let Some(why) = with_subnet(world, name, &networks) {
            // Which of them was there first the objects don't tell. If it was this one, packets go by it.
            all.problems.push(refused("VPC-PEERING-OVERLAP", why));
            all.unclear.push(remote.clone());
            continue;
        }
        if let Some(why) = with_peer(&networks, &all.peers) {
            all.problems.push(refused("VPC-PEERING-OVERLAP", why));
            continue;
        }
        if let Some(why) = half(name, &networks, other) {
            let text = format!("VPC {name}: vpcPeerings[{i}] leads nowhere yet: {why}");
            all.problems.push(Problem::new(PEERING_HALF, text));
        }
        all.peers.push(Peering { remote: remote.clone(), networks });
    }
    all
}

/// Does it name another VPC, and for the first time?
fn sense<'a>(name: &Name, given: &'a VpcPeering, seen: &mut BTreeSet<&'a Name>) -> Result<(), String> {
    let remote = &given.remote_vpc;
    if remote.is_empty() {
        return Err("remoteVpc is empty. Name the VPC on the other side".into());
    }
    if remote == name {
        return Err("it leads to the VPC itself. Name another one, or remove it".into());
    }
    if !seen.insert(remote) {
        return Err(format!(
            "another one before it leads to {remote} too, and is the one that counts. Remove one"
        ));
    }
    Ok(())
}

fn networks(text: &str) -> Result<DualStack<IpNet>, String> {
    let mut all: DualStack<IpNet> = DualStack::default();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let read: IpNet = part.parse().map_err(|_| {
            format!(
                "localConnectIP: {part:?} is no address with a prefix length: write it like 169.254.0.1/30"
            )
        })?;
        let cidr = Cidr::new(read);
        let ip: IpAddr = read.addr();
        if !cidr.usable().contains(ip) {
            return Err(format!(
                "localConnectIP {part}: {ip} is no address that a host may have in {cidr}. Choose one of {}",
                cidr.usable()
            ));
        }
        let slot = all.slot(Family::of(ip));
        if slot.is_some() {
            return Err(format!("localConnectIP {text}: two addresses of one family. Leave one out"));
        }
        *slot = Some(read);
    }
    if all.is_empty() {
        return Err("localConnectIP is empty. Give the address of this side, like 169.254.0.1/30".into());
    }
    Ok(all)
}

/// Which subnet has addresses of the network between the two, if one has.
fn with_subnet(world: &World, vpc: &str, networks: &DualStack<IpNet>) -> Option<String> {
    networks.iter().find_map(|network| {
        let has = |cidr: &Cidr| cidr.overlaps(Cidr::new(*network));
        let subnet = world.plans_of(vpc).find(|plan| plan.cidrs.iter().any(has))?;
        Some(format!(
            "localConnectIP {network} overlaps subnet {} of this VPC; what was there stays. Choose another network",
            subnet.name
        ))
    })
}

/// The same of another connection.
fn with_peer(networks: &DualStack<IpNet>, peers: &[Peering]) -> Option<String> {
    networks.iter().find_map(|network| {
        let has = |other: &IpNet| Cidr::new(*other).overlaps(Cidr::new(*network));
        let peer = peers.iter().find(|peer| peer.networks.iter().any(has))?;
        Some(format!(
            "localConnectIP {network} overlaps that of the connection to {}. Choose another network",
            peer.remote
        ))
    })
}

/// What the other side lacks for the connection to work.
fn half(name: &Name, ours: &DualStack<IpNet>, other: &Vpc) -> Option<String> {
    let remote = &other.meta.name;
    let Some(theirs) = other.spec.vpc_peerings.iter().find(|peering| peering.remote_vpc == *name) else {
        return Some(format!("VPC {remote} names no connection to {name}. Add one to its vpcPeerings"));
    };
    let theirs = networks(&theirs.local_connect_ip).ok();
    let meets = |family: Family| {
        let (a, b) = (ours.get(family)?, theirs.as_ref()?.get(family)?);
        (a.addr() != b.addr() && Cidr::new(*a) == Cidr::new(*b)).then_some(())
    };
    if Family::BOTH.into_iter().any(|family| meets(family).is_some()) {
        return None;
    }
    let list = ours.map(ToString::to_string);
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    Some(format!(
        "the localConnectIP of VPC {remote} is no other address of the network of {}. Correct one of the two",
        list.join(",")
    ))
}
