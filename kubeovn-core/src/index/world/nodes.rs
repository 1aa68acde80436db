//! Nodes come and go, and so do the ways that lead pods out by them.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use super::{Decision, World};
use crate::{
    addr::DualStack,
    decide::{Exit, Lead, SubnetPlan},
    index::objects::{Kind, Name, Node, ObjectKey},
    rows::{OwnerKey, OwnerKind},
};

impl World {
    /// A node's addresses on the join subnet: where packets are sent that are to leave by it.
    pub fn join_address(&self, node: &str) -> DualStack<IpAddr> {
        self.grants(&OwnerKey::new(OwnerKind::Node, node)).first().map(|grant| grant.ips).unwrap_or_default()
    }

    /// The gateways that were chosen for a centralized subnet.
    pub fn lead(&self, subnet: &str) -> Option<&Lead> {
        self.leads.get(subnet)
    }

    /// Addresses of gateways on the join subnet that do not answer.
    pub fn silent(&self) -> &BTreeSet<IpAddr> {
        &self.silent
    }

    /// Enters which addresses of gateways do not answer.
    pub fn hear(&mut self, silent: BTreeSet<IpAddr>) {
        if self.silent != silent {
            self.silent = silent;
            self.mark_leads();
        }
    }

    /// Enters which gateways a subnet has now.
    pub fn follow(&mut self, subnet: &Name, lead: Option<Lead>) {
        if self.leads.get(subnet) == lead.as_ref() {
            return;
        }
        match lead {
            Some(lead) => self.leads.insert(subnet.clone(), lead),
            None => self.leads.remove(subnet),
        };
        self.dirty.rows.insert(OwnerKey::new(OwnerKind::Subnet, subnet.clone()));
        self.dirty.status.insert(ObjectKey::cluster(Kind::Subnet, subnet.clone()));
    }

    pub(super) fn apply_node(&mut self, new: Node) {
        let name = new.meta.name.clone();
        let new = Arc::new(new);
        let old = self.nodes.insert(name.clone(), new.clone());
        if old.as_ref().is_some_and(|old| old.says_the_same(&new)) {
            return;
        }
        let owner = OwnerKey::new(OwnerKind::Node, name.clone());
        self.dirty.status.insert(ObjectKey::cluster(Kind::Node, name));
        self.dirty.addresses.insert(owner.clone());
        if old.as_ref().is_some_and(|old| old.meta.uid != new.meta.uid) {
            self.dirty.successors.insert(owner.clone());
        }
        let place = |node: &Node| (node.internal, node.meta.created);
        if old.as_deref().map(place) != Some(place(&new)) {
            self.dirty.rows.insert(owner);
            self.mark_nodes_neighbours();
        }
        if old.is_none_or(|old| (old.ready, &old.meta.labels) != (new.ready, &new.meta.labels)) {
            self.mark_leads();
        }
    }

    /// A node is gone.
    pub(super) fn mark_without_node(&mut self, node: &Name) {
        self.mark_nodes_neighbours();
        self.mark_leads();
        // Also of subnets that are refused, whose rows are merely held.
        let locals = self.subnets.keys().map(|subnet| OwnerKey::local(subnet, node));
        self.dirty.rows.extend(locals);
    }

    /// A node's address comes or goes: no subnet of the default VPC may contain it, private ones let it in.
    fn mark_nodes_neighbours(&mut self) {
        let vpc = self.settings.vpc.clone();
        let private = self.plans_of(&vpc).filter(|plan| plan.private).map(|plan| plan.name.clone());
        let private: Vec<_> = private.map(|name| OwnerKey::new(OwnerKind::Subnet, name)).collect();
        self.dirty.rows.extend(private);
        self.dirty.vpcs.insert(vpc);
    }

    /// Something of a node changed by which gateways are chosen.
    fn mark_leads(&mut self) {
        let central = |plan: &&Arc<SubnetPlan>| matches!(plan.exit, Exit::Central(_));
        let plans = self.plans_of(&self.settings.vpc).filter(central);
        let names: Vec<Name> = plans.map(|plan| plan.name.clone()).collect();
        self.dirty.gateways.extend(names);
    }

    /// If it is a node, its address on the join subnet is another one: where packets go that leave by it.
    pub(super) fn mark_led_by(&mut self, owner: &OwnerKey) {
        if owner.kind != OwnerKind::Node {
            return;
        }
        self.mark_leads();
        let here = self.places.subnets(&owner.name);
        let locals: Vec<_> = here.map(|subnet| OwnerKey::local(subnet, &owner.name)).collect();
        self.dirty.rows.extend(locals);
        // What it leads to is another hop, though by the same node.
        let led = self.leads.iter().filter(|(_, lead)| lead.nodes.contains(&owner.name));
        let led: Vec<_> = led.map(|(subnet, _)| OwnerKey::new(OwnerKind::Subnet, subnet.clone())).collect();
        self.dirty.rows.extend(led);
    }

    /// How a subnet's packets leave was decided anew. Who holds addresses of it is marked if that is another way; also if it
    /// came into effect or fell out of it, since what ports are answered goes with that.
    pub(super) fn mark_exit(&mut self, subnet: &Name, before: Option<&Decision>) {
        self.dirty.gateways.insert(subnet.clone());
        let now = self.plan(subnet);
        let mut nodes: BTreeSet<&Name> = self.places.nodes(subnet).collect();
        let gone = !self.subnets.contains_key(subnet);
        if gone || before.is_some_and(|before| before.plan.is_some() != now.is_some()) {
            // What was held without a pod is decided now.
            nodes.extend(self.nodes.keys());
        }
        let locals: Vec<_> = nodes.into_iter().map(|node| OwnerKey::local(subnet, node)).collect();
        // They are told of subnets that have their addresses.
        let plans = before.and_then(|before| before.plan.as_ref()).into_iter().chain(now);
        let inside: BTreeSet<&IpAddr> = plans.flat_map(|plan| &*plan.nodes).collect();
        let told = self.nodes.values().filter(|node| node.internal.iter().any(|ip| inside.contains(ip)));
        let told: Vec<_> = told.map(|node| ObjectKey::cluster(Kind::Node, node.meta.name.clone())).collect();
        let by_node = |plan: Option<&Arc<SubnetPlan>>| plan.map(|plan| plan.exit == Exit::Local);
        let other_way = by_node(before.and_then(|before| before.plan.as_ref())) != by_node(now);
        let pods: Vec<_> =
            self.holders.get(subnet).filter(|_| other_way).into_iter().flatten().cloned().collect();
        self.dirty.status.extend(told);
        self.dirty.rows.extend(locals);
        self.dirty.rows.extend(pods);
    }
}
