//! The ledger against a naive one over random calls: on prefixes of a few addresses, so that all of them run full,
//! with two subnets that overlap in one space, named pools, shared addresses, changed prefixes, restarts and forks in
//! between.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "test helpers: a surprise is a failed test")]

mod checks;
mod naive;
mod requests;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use checks::{check_granted, check_refused};
use kubeovn_ipam::{AddrError, DualStack, Grant, Ledger, Mac, Offer, OwnerKey, Role, Want};
use naive::{Naive, SUBNETS};
use proptest::prelude::*;
use requests::{ips, key, mac, object, offer, want};

#[derive(Clone, Debug)]
enum Op {
    Define { subnet: usize, shape: usize, rest: bool, elsewhere: bool, order: usize },
    Close { subnet: usize },
    Settle { owner: usize, uid: usize, wants: Vec<Want>, wait: u64 },
    SettleNic { owner: usize, uid: usize, want: Want, wait: u64 },
    Release { owner: usize, generation: Option<u64> },
    Activate { owner: usize },
    Restore { owner: usize, uid: usize, subnet: usize, ips: DualStack<IpAddr>, mac: Mac, generation: u64 },
    Restart { define_first: bool },
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let uid = || prop::bool::weighted(0.1).prop_map(usize::from);
    let restored = (0usize..6, 0usize..2, 0usize..3, ips(), (0u8..6).prop_map(mac), 0u64..60);
    prop_oneof![
        3 => (0usize..3, 0usize..10, any::<bool>(), prop::bool::weighted(0.1), 0usize..4).prop_map(
            |(subnet, shape, rest, elsewhere, order)| Op::Define { subnet, shape, rest, elsewhere, order }),
        1 => (0usize..3).prop_map(|subnet| Op::Close { subnet }),
        12 => (0usize..6, uid(), prop::collection::vec(want(), 0..3), 0u64..8).prop_map(
            |(owner, uid, wants, wait)| Op::Settle { owner, uid, wants, wait }),
        6 => (0usize..6, uid(), want(), 0u64..8).prop_map(
            |(owner, uid, want, wait)| Op::SettleNic { owner, uid, want, wait }),
        2 => (0usize..6, prop::option::of(0u64..40)).prop_map(
            |(owner, generation)| Op::Release { owner, generation }),
        1 => (0usize..6).prop_map(|owner| Op::Activate { owner }),
        2 => restored.prop_map(|(owner, uid, subnet, ips, mac, generation)|
            Op::Restore { owner, uid, subnet, ips, mac, generation }),
        1 => any::<bool>().prop_map(|define_first| Op::Restart { define_first }),
        1 => Just(Op::Reopen),
    ]
}

/// The ledger and what it should be.
#[derive(Default)]
struct Run {
    ledger: Ledger,
    state: Naive,
    now: u64,
}

impl Run {
    fn step(&mut self, op: Op) -> Result<(), TestCaseError> {
        self.now += 1;
        let usages = |ledger: &Ledger| SUBNETS.map(|subnet| ledger.usage(subnet));
        let before = usages(&self.ledger);
        let restarted = matches!(op, Op::Restart { .. } | Op::Reopen);
        self.ledger.take_changed();
        match op {
            Op::Define { subnet, shape, rest, elsewhere, order } => {
                self.define(offer(subnet, shape, rest, elsewhere, order))?;
            }
            Op::Close { subnet } => self.close(&SUBNETS[subnet].into())?,
            Op::Settle { owner, uid, wants, wait } => {
                self.now += wait;
                self.settle(&key(owner), &object(owner, uid), &wants)?;
            }
            Op::SettleNic { owner, uid, want, wait } => {
                self.now += wait;
                self.settle_nic(&key(owner), &object(owner, uid), &want)?;
            }
            Op::Release { owner, generation } => self.release(&key(owner), generation)?,
            Op::Activate { owner } => self.activate(&key(owner))?,
            Op::Restore { owner, uid, subnet, ips, mac, generation } => {
                let subnet: Arc<str> = SUBNETS[subnet].into();
                let space = self.state.space(&subnet).cloned().unwrap_or_else(|| "v".into());
                let (mac, role) = (Some(mac), Role::Active);
                let grant = Grant { nic: "".into(), subnet, space, ips, mac, role, generation, since: 0 };
                self.restore(key(owner), object(owner, uid), grant)?;
            }
            Op::Restart { define_first } => self.restart(define_first)?,
            Op::Reopen => self.reopen()?,
        }
        // A subnet known from restored grants alone is forgotten with the last of them.
        let named: BTreeSet<Arc<str>> =
            self.state.held.values().map(|(_, grant)| grant.subnet.clone()).collect();
        let Naive { spaces, offers, .. } = &mut self.state;
        spaces.retain(|name, _| named.contains(name) || offers.contains_key(name));
        let told = self.ledger.take_changed();
        for ((subnet, before), after) in SUBNETS.iter().zip(before).zip(usages(&self.ledger)) {
            prop_assert!(before == after || told.contains(*subnet) || restarted, "{} changed unseen", subnet);
        }
        prop_assert_eq!(&Naive::read(&self.ledger, &self.state), &self.state);
        self.state.check(&self.ledger)
    }

    fn define(&mut self, offer: Offer) -> Result<(), TestCaseError> {
        let moves = self.state.space(&offer.subnet).is_some_and(|space| *space != offer.space);
        let known = self.state.offers.get(&offer.subnet).map(|(known, _)| known.cidrs);
        let result = self.ledger.define(&offer);
        if moves && self.state.in_subnet(&offer.subnet).next().is_some() {
            let refused = matches!(result, Err(AddrError::SpaceFixed { .. }));
            prop_assert!(refused, "{:?}", result);
            return Ok(());
        }
        if offer.cidrs.is_empty() && known.is_some_and(|cidrs| !cidrs.is_empty()) {
            prop_assert!(matches!(result, Err(AddrError::PrefixesFixed { .. })), "{:?}", result);
            return Ok(());
        }
        if offer.pools.len() == 3 {
            prop_assert!(matches!(result, Err(AddrError::PoolOverlap { .. })), "{:?}", result);
            return Ok(());
        }
        prop_assert_eq!(result, Ok(()));
        self.state.spaces.insert(offer.subnet.clone(), offer.space.clone());
        self.state.offers.insert(offer.subnet.clone(), (offer, false));
        Ok(())
    }

    fn close(&mut self, name: &Arc<str>) -> Result<(), TestCaseError> {
        let empty = self.state.in_subnet(name).next().is_none();
        prop_assert_eq!(self.ledger.close(name), empty);
        if empty {
            self.state.offers.remove(name);
            self.state.spaces.remove(name);
        } else if let Some((_, closed)) = self.state.offers.get_mut(name) {
            *closed = true;
        }
        Ok(())
    }

    fn settle(&mut self, owner: &OwnerKey, uid: &Arc<str>, wants: &[Want]) -> Result<(), TestCaseError> {
        let (before, mut twin) = (format!("{:?}", self.ledger), self.ledger.clone());
        let result = self.ledger.settle(owner, uid, wants, self.now);
        let after = Naive::read(&self.ledger, &self.state);
        match &result {
            Ok(settled) => {
                let held = after.held.keys().filter(|(key, _)| key == owner).count();
                prop_assert_eq!(held, settled.grants.len());
                check_granted(&self.state, &after, (owner, uid), wants, settled, self.now)?;
                // The same by way of what would be made durable.
                if let Some(entry) = twin.plan(owner, uid, wants, self.now).unwrap().entry() {
                    prop_assert_eq!(&twin.apply(&entry).unwrap(), &settled.freed);
                }
                prop_assert_eq!(twin.snapshot(), self.ledger.snapshot());
            }
            Err(error) => {
                check_refused(&self.state, owner, wants, Some(owner), error)?;
                prop_assert_eq!(&after, &self.state, "refused, but changed");
                prop_assert_eq!(format!("{:?}", self.ledger), before);
                prop_assert_eq!(&twin.settle(owner, uid, wants, self.now), &result, "the same answer");
            }
        }
        self.state = after;
        Ok(())
    }

    fn settle_nic(&mut self, owner: &OwnerKey, uid: &Arc<str>, want: &Want) -> Result<(), TestCaseError> {
        let before = format!("{:?}", self.ledger);
        let result = self.ledger.settle_nic(owner, uid, want, self.now);
        let after = Naive::read(&self.ledger, &self.state);
        match result {
            Ok(settled) => {
                let others = |state: &Naive| {
                    let mut held = state.held.clone();
                    held.retain(|(key, nic), (known, _)| key == owner && known == uid && *nic != want.nic);
                    // Of two that share, one may have taken over.
                    held.values_mut().for_each(|(_, grant)| grant.role = Role::Active);
                    held
                };
                prop_assert_eq!(others(&after), others(&self.state), "other interfaces keep what they have");
                check_granted(
                    &self.state,
                    &after,
                    (owner, uid),
                    std::slice::from_ref(want),
                    &settled,
                    self.now,
                )?;
            }
            Err(error) => {
                check_refused(&self.state, owner, std::slice::from_ref(want), None, &error)?;
                prop_assert_eq!(format!("{:?}", self.ledger), before);
            }
        }
        self.state = after;
        Ok(())
    }

    fn release(&mut self, owner: &OwnerKey, generation: Option<u64>) -> Result<(), TestCaseError> {
        let mut expected = self.state.clone();
        let gone = |grant: &Grant| generation.is_none_or(|wanted| grant.generation == wanted);
        expected.held.retain(|(key, nic), (_, grant)| key != owner || !nic.is_empty() || !gone(grant));
        let plan = self.ledger.plan_release(owner, "", generation, self.now);
        let stale = (!plan.is_empty()).then(|| plan.clone());
        let settled = self.ledger.commit(plan).unwrap();
        prop_assert_eq!(settled.changed, expected.held.len() != self.state.held.len());
        prop_assert!(
            stale.is_none_or(|stale| self.ledger.commit(stale).is_err()),
            "a plan is carried out once"
        );
        let after = Naive::read(&self.ledger, &self.state);
        // Who stood by may have taken over.
        let without_roles = |state: &Naive| {
            let mut held = state.held.clone();
            held.values_mut().for_each(|(_, grant)| grant.role = Role::Active);
            held
        };
        prop_assert_eq!(without_roles(&after), without_roles(&expected));
        self.state = after;
        Ok(())
    }

    fn activate(&mut self, owner: &OwnerKey) -> Result<(), TestCaseError> {
        let mut twin = self.ledger.clone();
        if let Some(entry) = self.ledger.activate(owner, "") {
            twin.apply(&entry).unwrap();
            prop_assert_eq!(self.ledger.held(owner)[0].role, Role::Active);
            prop_assert_eq!(twin.snapshot(), self.ledger.snapshot());
        }
        let after = Naive::read(&self.ledger, &self.state);
        for (who, (_, grant)) in &after.held {
            let (_, was) = &self.state.held[who];
            prop_assert_eq!(&Grant { role: grant.role, ..was.clone() }, grant, "only roles change");
        }
        self.state = after;
        Ok(())
    }

    fn restore(&mut self, owner: OwnerKey, uid: Arc<str>, grant: Grant) -> Result<(), TestCaseError> {
        let state = &mut self.state;
        let known = state.spaces.insert(grant.subnet.clone(), grant.space.clone());
        let own = state
            .held
            .iter()
            .find(|((key, nic), (known, _))| *key == owner && (*nic == grant.nic || *known != uid));
        let again = own.is_some_and(|((_, nic), (known, held))| {
            let same = held.subnet == grant.subnet && held.ips == grant.ips && held.mac == grant.mac;
            *known == uid && *nic == grant.nic && same
        });
        let shares = |held: &Grant| {
            held.mac == grant.mac || grant.ips.iter().any(|ip| held.ips.iter().any(|i| i == ip))
        };
        let together = |held: &Grant| held.role == Role::Standby && held.subnet == grant.subnet;
        let conflict =
            own.is_some() || state.in_space(&grant.subnet).any(|(_, held)| shares(held) && !together(held));
        let result = self.ledger.restore(&owner, &uid, &grant);
        prop_assert_eq!(result.is_ok(), again || !conflict, "{:?}", result);
        if result.is_err() && known.is_none() {
            state.spaces.remove(&grant.subnet);
        } else if result.is_ok() && !again {
            state.held.insert((owner, grant.nic.clone()), (uid, grant));
        }
        Ok(())
    }

    /// What a subnet that is being deleted offers nobody would say again once it is empty.
    fn forget_closed(&mut self) -> Result<(), TestCaseError> {
        for name in SUBNETS.map(Arc::from) {
            let closed = self.state.offers.get(&name).is_some_and(|(_, closed)| *closed);
            if closed && self.state.in_subnet(&name).next().is_none() {
                self.close(&name)?;
            }
        }
        Ok(())
    }

    fn restart(&mut self, define_first: bool) -> Result<(), TestCaseError> {
        self.forget_closed()?;
        let mut reborn = Ledger::new();
        let offers = || self.state.offers.values().map(|(offer, _)| offer);
        if define_first {
            offers().for_each(|offer| reborn.define(offer).unwrap());
        }
        for ((owner, _), (uid, grant)) in &self.state.held {
            prop_assert_eq!(reborn.restore(owner, uid, grant), Ok(()));
            prop_assert_eq!(reborn.restore(owner, uid, grant), Ok(()), "again is no error");
        }
        offers().for_each(|offer| reborn.define(offer).unwrap());
        self.close_again(&mut reborn)?;
        for subnet in SUBNETS {
            prop_assert_eq!(reborn.usage(subnet), self.ledger.usage(subnet));
        }
        self.ledger = reborn;
        Ok(())
    }

    /// A restart from a snapshot, which loses nothing.
    fn reopen(&mut self) -> Result<(), TestCaseError> {
        self.forget_closed()?;
        let mut reborn = Ledger::new();
        for (offer, _) in self.state.offers.values() {
            prop_assert_eq!(reborn.define(offer), Ok(()));
        }
        prop_assert_eq!(reborn.apply_all(&self.ledger.snapshot()), Ok(()));
        self.close_again(&mut reborn)?;
        prop_assert_eq!(reborn.snapshot(), self.ledger.snapshot());
        self.ledger = reborn;
        Ok(())
    }

    fn close_again(&self, reborn: &mut Ledger) -> Result<(), TestCaseError> {
        for (name, _) in self.state.offers.iter().filter(|(_, (_, closed))| *closed) {
            prop_assert!(!reborn.close(name));
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn keeps_its_promises(
        shapes in prop::array::uniform3(0usize..4), ops in prop::collection::vec(op(), 1..70),
    ) {
        let (rest, elsewhere, order) = (false, false, 0);
        let start = (0..3).map(|subnet| Op::Define { subnet, shape: shapes[subnet], rest, elsewhere, order });
        let mut run = Run::default();
        for op in start.chain(ops) {
            run.step(op)?;
        }
    }
}
