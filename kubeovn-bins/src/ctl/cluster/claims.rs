//! Who says that an address is somebody's: the port, what the pod was told, and the record. The ledger is what the
//! controller makes of the three.

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::{DualStack, Mac},
    annotations::{TRUE, nic},
    contract::{ipam::Grant, model::Model},
    index::{
        ip_name,
        objects::{Ip, Meta, Name, Object},
    },
    rows::{Millis, OwnerKey, OwnerKind, Replica},
};
use kubeovn_ovn::render::Fabric;

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// In the port of the Northbound: that is what is live.
    Port,
    /// In the annotations of pod or node.
    Annotations,
    /// In the IP object.
    Record,
}

impl Source {
    /// All, the first to be believed first.
    pub const ALL: [Source; 3] = [Source::Port, Source::Annotations, Source::Record];

    /// The word for it in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Source::Port => "port",
            Source::Annotations => "annotations",
            Source::Record => "record",
        }
    }
}

/// What is said there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where.
    pub source: Source,
    /// The row or object that says it.
    pub place: String,
    /// Subnet.
    pub subnet: Name,
    /// Addresses.
    pub ips: DualStack<IpAddr>,
    /// MAC.
    pub mac: Option<Mac>,
    /// Of a record: when it was made.
    pub since: Option<Millis>,
}

impl Claim {
    /// Does it say what was granted?
    pub fn says(&self, grant: &Grant) -> bool {
        (&self.subnet, self.ips, self.mac) == (&grant.subnet, grant.ips, grant.mac)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&held(&self.subnet, &self.ips, self.mac))
    }
}

/// What is held, for people.
pub fn held(subnet: &str, ips: &DualStack<IpAddr>, mac: Option<Mac>) -> String {
    match mac {
        Some(mac) => format!("{ips} ({mac}) in subnet {subnet}"),
        None => format!("{ips} in subnet {subnet}"),
    }
}

/// All that is said, by owner.
#[derive(Debug, Default)]
pub struct Claims(BTreeMap<OwnerKey, Vec<Claim>>);

impl Claims {
    /// Of main interfaces alone: others are served by nobody yet.
    pub fn of(objects: &[Object], rows: &dyn Replica) -> Self {
        let mut claims = Claims::of_objects(objects);
        for found in Fabric.recover(rows).into_iter().filter(|found| found.grant.nic.is_empty()) {
            let claim = Claim {
                source: Source::Port,
                place: format!("port {}", found.row.id),
                subnet: found.grant.subnet,
                ips: found.grant.ips,
                mac: found.grant.mac,
                since: None,
            };
            claims.add(found.owner, Some(claim));
        }
        claims.0.values_mut().for_each(|said| said.sort_by_key(|claim| claim.source));
        claims
    }

    /// Without what ports say.
    pub fn of_objects(objects: &[Object]) -> Self {
        let mut claims = Claims::default();
        for object in objects {
            match object {
                Object::Pod(pod) if pod.needs_network() => {
                    // What it was told says itself whether it is its machine's.
                    let name = pod.meta.annotation(nic::VIRTUAL_MACHINE.ovn()).unwrap_or(&pod.meta.name);
                    claims.add(OwnerKey::pod(&pod.meta.namespace, name), told(&pod.meta));
                }
                Object::Node(node) => {
                    let owner = OwnerKey::new(OwnerKind::Node, node.meta.name.clone());
                    claims.add(owner, told(&node.meta));
                }
                Object::Ip(ip) => {
                    let owner = owner_of(ip).filter(|owner| ip_name(owner, "") == ip.meta.name);
                    if let Some(owner) = owner {
                        claims.add(owner, recorded(ip));
                    }
                }
                _ => {}
            }
        }
        claims
    }

    fn add(&mut self, owner: OwnerKey, claim: Option<Claim>) {
        if let Some(claim) = claim {
            self.0.entry(owner).or_default().push(claim);
        }
    }

    /// What is said of an owner.
    pub fn of_owner(&self, owner: &OwnerKey) -> &[Claim] {
        self.0.get(owner).map_or(&[], Vec::as_slice)
    }

    /// What one place says of an owner.
    pub fn at(&self, owner: &OwnerKey, source: Source) -> Option<&Claim> {
        self.of_owner(owner).iter().find(|claim| claim.source == source)
    }

    /// Of whom anything is said.
    pub fn owners(&self) -> impl Iterator<Item = &OwnerKey> {
        self.0.keys()
    }

    /// Since when it is known: the time of the record.
    pub fn since(&self, owner: &OwnerKey) -> Option<Millis> {
        self.at(owner, Source::Record)?.since
    }

    /// Who says that an address is theirs, and where.
    pub fn on(&self, ip: IpAddr) -> impl Iterator<Item = (&OwnerKey, &Claim)> {
        let all = self.0.iter().flat_map(|(owner, said)| said.iter().map(move |claim| (owner, claim)));
        all.filter(move |(_, claim)| claim.ips.iter().any(|one| *one == ip))
    }
}

/// What annotations say that was given.
fn told(meta: &Meta) -> Option<Claim> {
    (meta.annotation(nic::ALLOCATED.ovn()) == Some(TRUE)).then_some(())?;
    Some(Claim {
        source: Source::Annotations,
        place: "annotations".to_owned(),
        subnet: meta.annotation(nic::LOGICAL_SWITCH.ovn())?.into(),
        ips: meta.annotation(nic::IP_ADDRESS.ovn())?.parse().ok()?,
        mac: meta.annotation(nic::MAC_ADDRESS.ovn()).and_then(|mac| mac.parse().ok()),
        since: None,
    })
}

fn recorded(ip: &Ip) -> Option<Claim> {
    Some(Claim {
        source: Source::Record,
        place: format!("IP {}", ip.meta.name),
        subnet: ip.spec.subnet.clone(),
        ips: ip.spec.ip_address.parse().ok()?,
        mac: ip.spec.mac_address.parse().ok(),
        since: Some(ip.meta.created).filter(|created| *created > 0),
    })
}

/// Whose record it is.
fn owner_of(ip: &Ip) -> Option<OwnerKey> {
    let name: &Arc<str> = &ip.spec.pod_name;
    match (name.is_empty(), ip.spec.namespace.is_empty()) {
        (true, _) => None,
        (_, true) => Some(OwnerKey::new(OwnerKind::Node, name.clone())),
        _ => Some(OwnerKey::pod(&ip.spec.namespace, name)),
    }
}
