//! The further networks of a pod: which of them are ours, and from which subnets it gets what in them.
//!
//! A pod names NetworkAttachmentDefinitions, subnets name them, too, by `spec.provider`: so the definitions themselves need
//! not be read, and it is all one in which order the three come, or whether their kind is known at all. A network that no
//! subnet names is somebody else's.

use std::{collections::BTreeSet, net::IpAddr};

use crate::{
    addr::{DualStack, Mac},
    annotations::{self, nic},
    error::Problem,
    index::{
        World,
        objects::{Attachment, Name, Networks, Pod},
    },
    rows::OwnerKey,
};

/// An interface of a pod in a further network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network<'a> {
    /// Name of the interface among the pod's: the provider, and the interface's name behind it where the pod is in the
    /// network more than once.
    pub nic: Name,
    /// It is OVN's. Else another plugin makes it, and only gets an address here.
    pub ours: bool,
    /// The subnets that it may be of, in order of preference.
    pub subnets: Vec<Name>,
    attachment: &'a Attachment,
}

/// Does the pod have an interface in the cluster's own network? One that runs with it keeps it, whatever it says later.
pub fn has_own(pod: &Pod) -> bool {
    let replaced = pod.networks.as_ref().is_some_and(|networks| networks.instead.is_some());
    !replaced || pod.meta.annotation(nic::ALLOCATED.ovn()) == Some(annotations::TRUE)
}

/// The further networks of a pod that subnets are there for, and those in which it holds something.
///
/// # Errors
/// `POD-NETWORKS-INVALID` when the pod's annotations can't be read.
pub fn networks<'a>(world: &World, owner: &OwnerKey, pod: &'a Pod) -> Result<Vec<Network<'a>>, Problem> {
    let Some(asked) = pod.networks.as_deref() else { return Ok(Vec::new()) };
    if let Some(why) = &asked.unreadable {
        let text = format!("{why}. Correct it, or remove it");
        return Err(Problem::new("POD-NETWORKS-INVALID", text));
    }
    let mut known = BTreeSet::new();
    let all = asked.all().flat_map(|attachment| of_attachment(world, owner, pod, asked, attachment));
    Ok(all.filter(|network| known.insert(network.nic.clone())).collect())
}

/// As OVN's, and as another plugin's, whichever subnets are there for.
fn of_attachment<'a>(
    world: &World,
    owner: &OwnerKey,
    pod: &Pod,
    asked: &Networks,
    attachment: &'a Attachment,
) -> Vec<Network<'a>> {
    let ovn = attachment.ovn_provider();
    let interface = attachment.interface.as_ref().filter(|_| asked.has_twice(attachment));
    let nic = interface.map_or_else(|| ovn.clone(), |interface| format!("{ovn}.{interface}"));
    let plain = attachment.plain_provider();
    let both = [(nic, ovn, true), (plain.clone(), plain, false)].into_iter();
    both.filter_map(|(nic, provider, ours)| {
        let held = world.grants(owner).iter().find(|grant| *grant.nic == *nic);
        let named = world.subnets_of_provider(&provider).into_iter().filter(|subnet| !subnet.meta.deleting);
        let named: Vec<Name> = named.map(|subnet| subnet.meta.name.clone()).collect();
        if named.is_empty() && held.is_none() {
            return None;
        }
        // Who holds an address keeps it, whatever becomes of what the subnet is for.
        let chosen = pod.meta.annotation(&nic::LOGICAL_SWITCH.of(&nic)).filter(|_| ours).map(Name::from);
        let chosen = chosen.or_else(|| held.map(|grant| grant.subnet.clone()));
        let subnets = chosen.map_or(named, |subnet| vec![subnet]);
        Some(Network { nic: nic.into(), ours, subnets, attachment })
    })
    .collect()
}

impl Network<'_> {
    /// The value of an annotation of this interface alone, `<name>.<namespace>.kubernetes.io/<key>.<interface>`.
    fn own<'p>(&self, pod: &'p Pod, key: annotations::NicKey) -> Option<(String, &'p str)> {
        let interface = self.attachment.interface.as_deref()?;
        let key = format!("{}.{interface}", key.of(&self.attachment.plain_provider()));
        let text = pod.meta.annotation(&key)?;
        Some((key, text))
    }

    /// The addresses that the pod asks for in it, beside what the annotation of the network says: for the interface by its
    /// name, or where it names the network.
    ///
    /// # Errors
    /// `IPAM-ADDR-UNREADABLE`.
    pub(super) fn ips(&self, pod: &Pod) -> Result<DualStack<IpAddr>, Problem> {
        match self.own(pod, nic::IP_ADDRESS) {
            Some((key, text)) => text.parse().map_err(|error| unreadable(&key, error)),
            None => Ok(self.attachment.ips),
        }
    }

    /// The same of its hardware address.
    ///
    /// # Errors
    /// `IPAM-ADDR-UNREADABLE`.
    pub(super) fn mac(&self, pod: &Pod) -> Result<Option<Mac>, Problem> {
        match self.own(pod, nic::MAC_ADDRESS) {
            Some((key, text)) => text.parse().map(Some).map_err(|error| unreadable(&key, error)),
            None => Ok(self.attachment.mac),
        }
    }
}

fn unreadable(key: &str, error: crate::addr::AddrParseError) -> Problem {
    super::wants::unreadable(&format!("annotation {key}"), error)
}

/// Stands against a subnet for an interface: OVN's need a switch, and those of other plugins have none.
///
/// # Errors
/// `POD-SUBNET-PROVIDER`.
pub(super) fn check_subnet(world: &World, subnet: &str, ours: bool) -> Result<(), Problem> {
    let Some(found) = world.subnet(subnet) else { return Ok(()) };
    let provider = found.spec.provider.trim();
    if !ours || annotations::is_ovn(provider) {
        return Ok(());
    }
    let text = format!(
        "subnet {subnet} is of provider {provider}: it only gives addresses to interfaces that other plugins make. Name a \
         subnet of provider ovn, or of one that ends in .ovn"
    );
    Err(Problem::new("POD-SUBNET-PROVIDER", text))
}
