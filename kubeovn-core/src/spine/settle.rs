//! Subnets decided, addresses settled.

use std::{collections::BTreeSet, sync::Arc};

use super::{Spine, parked::Need};
use crate::{
    contract::ipam::{Offer, Settled, Want},
    decide::{self, Wanting},
    error::Problem,
    hash::FixedSet,
    index::{Decision, objects::Name},
    rows::{Millis, OwnerKey, Replica},
};

impl Spine {
    pub(super) fn settle_all(&mut self, now: Millis, have: &dyn Replica) {
        loop {
            self.settle_marked(now, have);
            for subnet in self.ipam.take_changed() {
                let usage = self.ipam.usage(&subnet);
                self.world.count(&subnet, usage);
                let pools = self.world.plan(&subnet).map_or_else(Vec::new, |plan| plan.pools.clone());
                let pools = pools.into_iter().filter_map(|pool| {
                    self.ipam.pool_usage(&subnet, &pool.name).map(|usage| (pool.name, usage))
                });
                self.world.count_pools(&subnet, pools.collect());
                // What stood against it was what is held in it.
                if let Some(vpc) = self.unoffered.get(&subnet) {
                    self.world.dirty.vpcs.insert(vpc.clone());
                }
            }
            if self.world.dirty.vpcs.is_empty() {
                return;
            }
        }
    }

    fn settle_marked(&mut self, now: Millis, have: &dyn Replica) {
        // Deciding marks addresses, and a release may close a subnet, which decides anew: until nothing is left.
        while !(self.world.dirty.vpcs.is_empty() && self.world.dirty.addresses.is_empty()) {
            self.decide(have);
            // Before anybody is settled: a subnet that goes takes nobody in.
            self.close_empty();
            let mut freed = BTreeSet::new();
            // The older first: of two that ask for one address it is the one that stays.
            let marked = std::mem::take(&mut self.world.dirty.addresses).into_iter();
            let mut owners: Vec<(u64, OwnerKey)> =
                marked.map(|owner| (self.world.created(&owner), owner)).collect();
            owners.sort_unstable();
            for (_, owner) in owners {
                freed.extend(self.settle(now, &owner));
            }
            self.close_empty();
            self.serve_parked(now, freed);
        }
    }

    /// Decides the subnets of marked VPCs, and defines or closes their pools.
    fn decide(&mut self, have: &dyn Replica) {
        let marked = std::mem::take(&mut self.world.dirty.vpcs);
        for vpc in &marked {
            for (name, decision) in decide::decide_subnets(&self.world, vpc) {
                let decision = self.offer(&name, decision, have);
                self.world.decide(&name, decision);
            }
        }
        if !marked.is_empty() {
            let gone: Vec<Name> =
                self.defined.iter().filter(|name| self.world.subnet(name).is_none()).cloned().collect();
            self.unoffered.retain(|name, _| self.world.subnet(name).is_some());
            self.closing.extend(gone);
        }
    }

    /// Tells the ledger what a subnet offers now. A subnet that is refused offers nothing new; nor does one that goes, but
    /// as long as something is held in it, it must be what it is for those who hold it.
    fn offer(&mut self, name: &Name, decision: Decision, have: &dyn Replica) -> Decision {
        let known = self.unoffered.remove(name);
        let is_held = self.ipam.usage(name).is_some_and(|usage| usage.owners > 0);
        if let Some(plan) = decision.plan.as_ref().filter(|plan| !plan.closing || is_held) {
            self.closing.remove(name);
            let gateway_mac = self.model.gateway_mac(plan, have);
            let offer = Offer { gateway_mac, ..plan.offer(self.world.settings()) };
            if let Err(error) = self.ipam.define(&offer) {
                // What it offered before it offers no longer, or it would never become empty. Once: closing it marks it as
                // changed, which leads here again.
                if known.is_none() && self.defined.contains(name) {
                    self.ipam.close(name);
                }
                self.unoffered.insert(name.clone(), plan.vpc.clone());
                let problem = Problem::from(&error);
                return Decision { plan: None, problems: vec![problem] };
            }
            self.defined.insert(name.clone());
        }
        if decision.plan.as_ref().is_none_or(|plan| plan.closing) && self.defined.contains(name) {
            self.closing.insert(name.clone());
        }
        decision
    }

    fn close_empty(&mut self) {
        let closing = std::mem::take(&mut self.closing);
        for name in closing {
            if self.ipam.close(&name) {
                self.defined.remove(&name);
            } else {
                self.closing.insert(name);
            }
        }
    }

    /// Settles one owner; answers the subnets in which it freed something.
    fn settle(&mut self, now: Millis, owner: &OwnerKey) -> Vec<Name> {
        let uid = self.world.uid(owner).unwrap_or_default();
        let mut freed = Vec::new();
        if self.world.dirty.successors.remove(owner) {
            // Whatever is heard in one breath: what the one before had is no reason for what this one gets.
            freed.extend(
                self.ipam.settle(owner, &uid, &[], now).map_or_else(|_| Vec::new(), |left| left.freed),
            );
            self.world.grant(owner, Vec::new(), None);
            self.unsettled.remove(owner);
        }
        let mut wants = Vec::new();
        let (answer, as_it_is) = match decide::wants(&self.world, owner) {
            Wanting::Nothing => (self.ipam.settle(owner, &uid, &[], now), None),
            Wanting::These(these) => {
                wants = these;
                (self.ipam.settle(owner, &uid, &wants, now), None)
            }
            Wanting::Kept => (Ok(Settled::default()), Some(None)),
            Wanting::Unreadable(problem) => (Ok(Settled::default()), Some(Some(problem))),
        };
        match (answer, as_it_is) {
            (Ok(settled), None) => {
                self.parked.leave(owner);
                self.unsettled.remove(owner);
                self.world.grant(owner, settled.grants, None);
                freed.extend(settled.freed);
            }
            (Ok(_), Some(problem)) => {
                self.parked.leave(owner);
                let held = self.ipam.held(owner);
                self.world.grant(owner, held, problem);
            }
            (Err(error), _) => {
                // Refused: nothing changed in the ledger, so what is held stays, and so does the port.
                let held = self.ipam.held(owner);
                match Need::of(&error, wants, &held) {
                    Some(need) => self.parked.join(owner, need),
                    None => self.parked.leave(owner),
                }
                self.world.grant(owner, held, Some(Problem::from(&error)));
            }
        }
        // All that was its own has been taken back, but for what could not be.
        let is_refused = !uid.is_empty() && self.world.refusal(owner).is_some();
        if is_refused && !self.unsettled.contains(owner) {
            self.world.bereave(owner);
        }
        freed
    }

    /// Something was freed: who waits for it may try again, first come first served. Who is served may free something
    /// in turn.
    fn serve_parked(&mut self, now: Millis, mut freed: BTreeSet<Name>) {
        while !freed.is_empty() {
            let mut full: FixedSet<Arc<[Want]>> = FixedSet::default();
            let mut more = BTreeSet::new();
            for (owner, need) in self.parked.line() {
                // Once one has found all places full again there is no use in asking for all the others who want the same.
                // Until then any release may be the one: an address may have been held from another subnet of the same
                // space.
                let hopeless = matches!(&need, Need::Room(wants) if full.contains(wants));
                if hopeless {
                    continue;
                }
                more.extend(self.settle(now, &owner));
                if let Some(Need::Room(wants)) = self.parked.need(&owner) {
                    full.insert(wants.clone());
                }
            }
            freed = more;
        }
    }
}
