//! How many pods of a subnet are on a node: what leads them out is there only where there are some.

use std::collections::{BTreeMap, BTreeSet};

use super::World;
use crate::{index::objects::Name, rows::OwnerKey};

/// Counts by subnet and node, none of them 0.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<Name, BTreeMap<Name, u32>>);

impl Places {
    fn count(&self, subnet: &str, node: &str) -> u32 {
        self.0.get(subnet).and_then(|nodes| nodes.get(node)).copied().unwrap_or(0)
    }

    pub(super) fn nodes(&self, subnet: &str) -> impl Iterator<Item = &Name> {
        self.0.get(subnet).into_iter().flat_map(BTreeMap::keys)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Name, &Name)> {
        self.0.iter().flat_map(|(subnet, nodes)| nodes.keys().map(move |node| (subnet, node)))
    }

    /// The subnets that have pods on a node.
    pub(super) fn subnets(&self, node: &str) -> impl Iterator<Item = &Name> {
        self.0.iter().filter(move |(_, nodes)| nodes.contains_key(node)).map(|(subnet, _)| subnet)
    }

    /// One more; answers whether it is the first.
    fn add(&mut self, (subnet, node): &(Name, Name)) -> bool {
        let count = self.0.entry(subnet.clone()).or_default().entry(node.clone()).or_default();
        *count += 1;
        *count == 1
    }

    /// One less; answers whether it was the last.
    fn take(&mut self, (subnet, node): &(Name, Name)) -> bool {
        let Some(nodes) = self.0.get_mut(subnet) else { return false };
        let left = nodes.get_mut(node).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            nodes.remove(node);
            if nodes.is_empty() {
                self.0.remove(subnet);
            }
        }
        left == Some(0)
    }
}

impl World {
    /// How many pods of a subnet of the default VPC are on a node; each of a pod's interfaces counts.
    pub fn pods_at(&self, subnet: &str, node: &str) -> u32 {
        self.places.count(subnet, node)
    }

    /// Who holds something in a subnet.
    pub fn holders_in(&self, subnet: &str) -> impl ExactSizeIterator<Item = &OwnerKey> {
        self.holders.get(subnet).map(BTreeSet::iter).unwrap_or_default()
    }

    /// The nodes that pods of a subnet of the default VPC are on, by name.
    pub fn nodes_with_pods(&self, subnet: &str) -> impl Iterator<Item = &Name> {
        self.places.nodes(subnet)
    }

    /// Where a pod counts: subnets of its interfaces, and its node.
    pub(super) fn places_of(&self, owner: &OwnerKey) -> Vec<(Name, Name)> {
        let pod = self.pod_of(owner).filter(|pod| pod.needs_network());
        let Some(node) = pod.and_then(|pod| pod.node.as_ref()) else { return Vec::new() };
        let Self { settings, .. } = self;
        let led = self.grants(owner).iter().filter(|grant| {
            grant.mac.is_some() && grant.space == settings.vpc && grant.subnet != settings.join
        });
        led.map(|grant| (grant.subnet.clone(), node.clone())).collect()
    }

    /// A pod came, went, or is elsewhere now.
    pub(super) fn moved(&mut self, before: Vec<(Name, Name)>, after: Vec<(Name, Name)>) {
        if before == after {
            return;
        }
        let came: Vec<_> = after.into_iter().filter(|place| self.places.add(place)).collect();
        let left: Vec<_> = before.into_iter().filter(|place| self.places.take(place)).collect();
        let marked = came.iter().chain(&left).map(|(subnet, node)| OwnerKey::local(subnet, node));
        self.dirty.rows.extend(marked);
    }
}
