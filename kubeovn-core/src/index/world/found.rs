//! What was found out comes in: decisions, grants, numbers. Each marks what may depend on it, and nothing more.

use std::collections::BTreeMap;

use super::{Decision, World, ip_name};
use crate::{
    annotations::nic,
    contract::ipam::{Grant, Usage},
    error::Problem,
    index::objects::{Kind, Name, ObjectKey, Pod},
    rows::{OwnerKey, OwnerKind},
};

fn has_own_dhcp(pod: &Pod, grants: &[Grant]) -> bool {
    let keys = [nic::DHCP_V4_OPTIONS, nic::DHCP_V6_OPTIONS];
    let asks = |grant: &Grant| keys.iter().any(|key| pod.meta.annotation(&key.of(&grant.nic)).is_some());
    grants.iter().any(asks)
}

impl World {
    /// Enters what was decided about a subnet, and marks what depends on it if it is news.
    pub fn decide(&mut self, subnet: &Name, decision: Decision) {
        if self.decisions.get(subnet) == Some(&decision) {
            return;
        }
        let usable = decision.plan.is_some();
        let before = self.decisions.insert(subnet.clone(), decision);
        if before.as_ref().is_some_and(|before| before.plan.is_some()) != usable {
            // Whether it answers them is known now, or is known no longer.
            self.mark_holders(subnet);
        }
        self.mark_exit(subnet, before.as_ref());
        self.dirty.rows.insert(OwnerKey::new(OwnerKind::Subnet, subnet.clone()));
        self.dirty.status.insert(ObjectKey::cluster(Kind::Subnet, subnet.clone()));
        if let Some(vpc) = self.subnets.get(subnet).map(|subnet| self.vpc_name(subnet)) {
            self.mark_peerings(&vpc);
            self.dirty.rows.insert(OwnerKey::new(OwnerKind::Vpc, vpc.clone()));
            self.dirty.status.insert(ObjectKey::cluster(Kind::Vpc, vpc));
        }
        // What holders are told of the subnet.
        let holders = self.holders.get(subnet).into_iter().flatten();
        self.dirty.status.extend(holders.clone().flat_map(|owner| self.machines.objects_of(owner)));
        // Those who are answered otherwise than the others of the subnet, by its gateway and MTU.
        let own =
            |owner: &&OwnerKey| self.pod_of(owner).is_some_and(|pod| has_own_dhcp(pod, self.grants(owner)));
        let own: Vec<OwnerKey> = holders.filter(own).cloned().collect();
        self.dirty.rows.extend(own);
        if *subnet == self.settings.join {
            let nodes = self.nodes.keys().map(|n| OwnerKey::new(OwnerKind::Node, n.clone()));
            self.dirty.addresses.extend(nodes.clone());
            self.dirty.rows.extend(nodes);
            // Private subnets let nodes in.
            let subnets: Vec<_> =
                self.by_vpc.get(&self.settings.vpc).into_iter().flatten().cloned().collect();
            self.dirty.rows.extend(subnets.into_iter().map(|name| OwnerKey::new(OwnerKind::Subnet, name)));
        }
        self.mark_bindings();
    }

    /// Enters what an owner holds now, and why it did not get more.
    pub fn grant(&mut self, owner: &OwnerKey, grants: Vec<Grant>, refusal: Option<Problem>) {
        if grants.is_empty() {
            // Also of one who never held anything. Whom somebody keeps something for in vain is known by the refusal.
            self.absent.remove(owner);
        }
        if *self.grants(owner) != *grants {
            let before = self.places_of(owner);
            // An object that goes has a record left to remove.
            let records =
                self.grants(owner).iter().map(|g| ObjectKey::cluster(Kind::Ip, ip_name(owner, &g.nic)));
            let records: Vec<ObjectKey> = records.collect();
            self.dirty.status.extend(records);
            for old in self.grants.get(owner).into_iter().flat_map(|grants| &**grants) {
                if let Some(holders) = self.holders.get_mut(&old.subnet) {
                    holders.remove(owner);
                    if holders.is_empty() {
                        self.holders.remove(&old.subnet);
                    }
                }
                if self.plan(&old.subnet).is_none() {
                    // What was kept for its sake, and who was refused.
                    self.dirty.rows.insert(OwnerKey::new(OwnerKind::Vpc, old.space.clone()));
                    self.dirty.vpcs.insert(old.space.clone());
                }
            }
            for new in &grants {
                self.holders.entry(new.subnet.clone()).or_default().insert(owner.clone());
            }
            if grants.is_empty() {
                self.grants.remove(owner);
            } else {
                self.grants.insert(owner.clone(), grants.into());
                self.bereft.remove(owner);
                // Its pod went before it was known that it holds something: is that still wanted?
                if owner.kind == OwnerKind::Pod
                    && self.pod_of(owner).is_none()
                    && self.absent.insert(owner.clone())
                {
                    self.dirty.addresses.insert(owner.clone());
                }
            }
            let after = self.places_of(owner);
            self.moved(before, after);
            self.mark_led_by(owner);
            self.dirty.rows.insert(owner.clone());
            self.mark_objects([owner]);
        }
        let same = match (self.refusals.get(owner), &refusal) {
            (Some(told), Some(problem)) => told.says_same(problem),
            (told, problem) => told.is_none() && problem.is_none(),
        };
        if !same {
            match refusal {
                Some(problem) => self.refusals.insert(owner.clone(), problem),
                None => self.refusals.remove(owner),
            };
            self.dirty.rows.insert(owner.clone());
            self.mark_objects([owner]);
        }
    }

    /// Enters that an owner who holds nothing has nothing in the database either: what is there by its name is a
    /// predecessor's, and goes.
    pub fn bereave(&mut self, owner: &OwnerKey) {
        if self.grants(owner).is_empty() && self.bereft.insert(owner.clone()) {
            self.dirty.rows.insert(owner.clone());
        }
    }

    /// Whether nothing that the database has of an owner is its own.
    pub fn is_bereft(&self, owner: &OwnerKey) -> bool {
        self.bereft.contains(owner)
    }

    /// Enters a subnet's numbers.
    pub fn count(&mut self, subnet: &Name, usage: Option<Usage>) {
        let same = self.usage.get(subnet) == usage.as_ref();
        let held = |usage: Option<&Usage>| usage.is_some_and(|u| u.owners > 0);
        if held(self.usage.get(subnet)) != held(usage.as_ref()) {
            // A switch whose object is gone stays as long as ports live by it.
            self.dirty.rows.insert(OwnerKey::new(OwnerKind::Subnet, subnet.clone()));
        }
        match usage {
            Some(usage) => self.usage.insert(subnet.clone(), usage),
            None => self.usage.remove(subnet),
        };
        if !same {
            self.dirty.status.insert(ObjectKey::cluster(Kind::Subnet, subnet.clone()));
        }
    }

    /// Enters the numbers of the pools of a subnet that are in effect.
    pub fn count_pools(&mut self, subnet: &str, usages: BTreeMap<Name, Usage>) {
        let of_subnet = |pool: &Name| self.ip_pools.get(pool).is_none_or(|pool| pool.spec.subnet == subnet);
        let gone: Vec<Name> = self
            .pool_usage
            .keys()
            .filter(|pool| of_subnet(pool) && !usages.contains_key(*pool))
            .cloned()
            .collect();
        for pool in gone {
            self.pool_usage.remove(&pool);
            self.dirty.status.insert(ObjectKey::cluster(Kind::IpPool, pool));
        }
        for (pool, usage) in usages {
            if self.pool_usage.get(&pool) != Some(&usage) {
                self.dirty.status.insert(ObjectKey::cluster(Kind::IpPool, pool.clone()));
                self.pool_usage.insert(pool, usage);
            }
        }
    }
}
