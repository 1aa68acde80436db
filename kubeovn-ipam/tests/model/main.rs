//! The ledger against a naive one over random calls: on prefixes of a few addresses, so that all of them run full,
//! with two subnets that overlap in one space, changed prefixes, restarts and forks in between.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "test helpers: a surprise is a failed test")]

mod checks;
mod naive;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use checks::{check_granted, check_refused};
use kubeovn_ipam::{AddrError, DualStack, Grant, IpRange, Ledger, Mac, OwnerKey, PoolSpec, Want};
use naive::{Naive, SUBNETS};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Define { subnet: usize, shape: usize, rest: bool, elsewhere: bool },
    Close { subnet: usize },
    Settle { owner: usize, uid: usize, wants: Vec<Want>, wait: u64 },
    Release { owner: usize, generation: u64 },
    Restore { owner: usize, uid: usize, subnet: usize, ips: DualStack<IpAddr>, mac: Mac, generation: u64 },
    Restart { define_first: bool },
}

fn spec(subnet: usize, shape: usize, rest: bool, elsewhere: bool) -> PoolSpec {
    let (cidrs, gateways, excludes) = [
        ("10.0.0.0/29", "10.0.0.1", ""),
        ("10.0.0.0/28,fd00::/125", "10.0.0.1,fd00::1", "10.0.0.9..10.0.0.10"),
        ("fd00::/126,10.0.0.8/29", "10.0.0.9", "10.0.0.0..10.0.0.11"),
        ("fd00::/126", "fd00::1", "fd00::3"),
        ("10.0.0.2/31", "", ""),
        ("", "", ""),
        ("10.0.0.5/32", "10.0.0.9", ""),
    ][shape];
    let space = if (subnet == 2) == elsewhere { "v" } else { "w" };
    PoolSpec {
        subnet: SUBNETS[subnet].into(),
        space: space.into(),
        cidrs: cidrs.parse().unwrap(),
        gateways: gateways.parse().unwrap(),
        excludes: excludes.parse::<IpRange>().into_iter().collect(),
        rest: if rest { 10 } else { 0 },
    }
}

fn mac(n: u8) -> Mac {
    Mac::local([0, 0, 0, 0, 0, n])
}

fn ips() -> impl Strategy<Value = DualStack<IpAddr>> {
    let v4 = prop::option::weighted(0.35, (0u8..18).prop_map(|n| IpAddr::from([10, 0, 0, n])));
    let v6 = prop::option::weighted(0.2, (0u16..9).prop_map(|n| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, n])));
    (v4, v6).prop_map(|(v4, v6)| DualStack { v4, v6 })
}

fn want() -> impl Strategy<Value = Want> {
    let subnets = prop::collection::vec(0usize..3, 1..3);
    (any::<bool>(), subnets, ips(), prop::option::weighted(0.15, (0u8..4).prop_map(mac))).prop_map(
        |(main, subnets, fixed, mac)| Want {
            nic: if main { "" } else { "net1" }.into(),
            subnets: subnets.into_iter().map(|i| SUBNETS[i].into()).collect(),
            fixed,
            mac,
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0usize..3, 0usize..7, any::<bool>(), prop::bool::weighted(0.1)).prop_map(
            |(subnet, shape, rest, elsewhere)| Op::Define { subnet, shape, rest, elsewhere }),
        1 => (0usize..3).prop_map(|subnet| Op::Close { subnet }),
        16 => (0usize..6, prop::bool::weighted(0.1), prop::collection::vec(want(), 0..3), 0u64..8).prop_map(
            |(owner, uid, wants, wait)| Op::Settle { owner, uid: usize::from(uid), wants, wait }),
        1 => (0usize..6, 0u64..40).prop_map(|(owner, generation)| Op::Release { owner, generation }),
        2 => (0usize..6, 0usize..2, 0usize..3, ips(), 0u8..6, 0u64..60).prop_map(
            |(owner, uid, subnet, ips, n, generation)| Op::Restore { owner, uid, subnet, ips, mac: mac(n), generation }),
        1 => any::<bool>().prop_map(|define_first| Op::Restart { define_first }),
    ]
}

/// One object of the name: its uid.
fn object(owner: usize, uid: usize) -> Arc<str> {
    format!("uid-{owner}-{uid}").into()
}

fn key(i: usize) -> OwnerKey {
    OwnerKey::pod(["shop", "web"][i % 2], &format!("p{i}"))
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
        let restarted = matches!(op, Op::Restart { .. });
        self.ledger.take_changed();
        match op {
            Op::Define { subnet, shape, rest, elsewhere } => {
                self.define(spec(subnet, shape, rest, elsewhere))?;
            }
            Op::Close { subnet } => {
                self.close(&SUBNETS[subnet].into())?;
            }
            Op::Settle { owner, uid, wants, wait } => {
                self.now += wait;
                self.settle(&key(owner), &object(owner, uid), &wants)?;
            }
            Op::Release { owner, generation } => {
                let owner = key(owner);
                let mut expected = self.state.clone();
                let gone = (owner.clone(), Arc::from(""), generation);
                expected
                    .held
                    .retain(|(owner, nic), (_, g)| (owner.clone(), nic.clone(), g.generation) != gone);
                let settled = self.ledger.release(&owner, "", generation, self.now);
                prop_assert_eq!(settled.changed, expected != self.state);
                self.state = expected;
            }
            Op::Restore { owner, uid, subnet, ips, mac, generation } => {
                let subnet: Arc<str> = SUBNETS[subnet].into();
                let space = self.state.space(&subnet).cloned().unwrap_or_else(|| "v".into());
                let grant = Grant { nic: "".into(), subnet, space, ips, mac, generation, since: 0 };
                self.restore(key(owner), object(owner, uid), grant)?;
            }
            Op::Restart { define_first } => self.restart(define_first)?,
        }
        // A subnet known from restored grants alone is forgotten with the last of them.
        let named: BTreeSet<Arc<str>> =
            self.state.held.values().map(|(_, grant)| grant.subnet.clone()).collect();
        let Naive { spaces, specs, .. } = &mut self.state;
        spaces.retain(|name, _| named.contains(name) || specs.contains_key(name));
        let told = self.ledger.take_changed();
        for ((subnet, before), after) in SUBNETS.iter().zip(before).zip(usages(&self.ledger)) {
            prop_assert!(before == after || told.contains(*subnet) || restarted, "{} changed unseen", subnet);
        }
        prop_assert_eq!(&Naive::read(&self.ledger, &self.state), &self.state);
        self.state.check(&self.ledger)
    }

    fn define(&mut self, spec: PoolSpec) -> Result<(), TestCaseError> {
        let moves = self.state.space(&spec.subnet).is_some_and(|space| *space != spec.space);
        let result = self.ledger.define(&spec);
        if moves && self.state.in_subnet(&spec.subnet).next().is_some() {
            let refused = matches!(result, Err(AddrError::SpaceFixed { .. }));
            prop_assert!(refused, "{:?}", result);
            return Ok(());
        }
        prop_assert_eq!(result, Ok(()));
        self.state.spaces.insert(spec.subnet.clone(), spec.space.clone());
        self.state.specs.insert(spec.subnet.clone(), (spec, false));
        Ok(())
    }

    fn close(&mut self, name: &Arc<str>) -> Result<(), TestCaseError> {
        let empty = self.state.in_subnet(name).next().is_none();
        prop_assert_eq!(self.ledger.close(name), empty);
        if empty {
            self.state.specs.remove(name);
            self.state.spaces.remove(name);
        } else if let Some((_, closed)) = self.state.specs.get_mut(name) {
            *closed = true;
        }
        Ok(())
    }

    fn settle(&mut self, owner: &OwnerKey, uid: &Arc<str>, wants: &[Want]) -> Result<(), TestCaseError> {
        let (before, mut twin) = (format!("{:?}", self.ledger), self.ledger.clone());
        let result = self.ledger.settle(owner, uid, wants, self.now);
        prop_assert_eq!(
            &twin.settle(owner, uid, wants, self.now),
            &result,
            "the same calls, the same answers"
        );
        let after = Naive::read(&self.ledger, &self.state);
        match result {
            Ok(settled) => check_granted(&self.state, &after, (owner, uid), wants, &settled, self.now)?,
            Err(error) => {
                check_refused(&self.state, owner, wants, &error)?;
                prop_assert_eq!(&after, &self.state, "refused, but changed");
                // Only the end of an address's rest may be noted.
                if before.matches("until: {").count() == before.matches("until: {}").count() {
                    prop_assert_eq!(format!("{:?}", self.ledger), before);
                }
            }
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
        let again = own.is_some_and(|(_, (known, held))| {
            *known == uid
                && Grant { generation: held.generation, since: held.since, ..grant.clone() } == *held
        });
        let shares = |held: &Grant| {
            held.mac == grant.mac || grant.ips.iter().any(|ip| held.ips.iter().any(|i| i == ip))
        };
        let conflict = own.is_some() || state.in_space(&grant.subnet).any(|(_, held)| shares(held));
        let result = self.ledger.restore(&owner, &uid, &grant);
        prop_assert_eq!(result.is_ok(), again || !conflict, "{:?}", result);
        if result.is_err() && known.is_none() {
            state.spaces.remove(&grant.subnet);
        } else if result.is_ok() && !again {
            state.held.insert((owner, grant.nic.clone()), (uid, grant));
        }
        Ok(())
    }

    fn restart(&mut self, define_first: bool) -> Result<(), TestCaseError> {
        // Nobody would define a subnet again that is being deleted and is empty.
        for name in SUBNETS.map(Arc::from) {
            let closed = self.state.specs.get(&name).is_some_and(|(_, closed)| *closed);
            if closed && self.state.in_subnet(&name).next().is_none() {
                self.close(&name)?;
            }
        }
        let mut reborn = Ledger::new();
        let specs = || self.state.specs.values().map(|(spec, _)| spec);
        if define_first {
            specs().for_each(|spec| reborn.define(spec).unwrap());
        }
        for ((owner, _), (uid, grant)) in &self.state.held {
            prop_assert_eq!(reborn.restore(owner, uid, grant), Ok(()));
            prop_assert_eq!(reborn.restore(owner, uid, grant), Ok(()), "again is no error");
        }
        specs().for_each(|spec| reborn.define(spec).unwrap());
        for (name, _) in self.state.specs.iter().filter(|(_, (_, closed))| *closed) {
            prop_assert!(!reborn.close(name));
        }
        for subnet in SUBNETS {
            prop_assert_eq!(reborn.usage(subnet), self.ledger.usage(subnet));
        }
        self.ledger = reborn;
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn keeps_its_promises(
        shapes in prop::array::uniform3(0usize..4), ops in prop::collection::vec(op(), 1..70),
    ) {
        let start = (0..3).map(|subnet| Op::Define { subnet, shape: shapes[subnet], rest: false, elsewhere: false });
        let mut run = Run::default();
        for op in start.chain(ops) {
            run.step(op)?;
        }
    }
}
