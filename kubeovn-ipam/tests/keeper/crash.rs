//! A failure, or the end of the process, at every call of the store: the next process has all that was acknowledged.

use std::{collections::BTreeMap, sync::Arc};

use kubeovn_ipam::{Grant, Keeper, Offer};
use proptest::prelude::*;

use crate::{
    faulty::{Fault, Faulty},
    offer, owner, want,
};

/// A request of one of some owners.
#[derive(Clone, Copy, Debug)]
enum Op {
    Assign(u64),
    Release(u64),
}

/// What an owner was last told, and what else may be true since a call failed.
#[derive(Clone, Debug, Default)]
struct Told {
    held: Option<Grant>,
    unsure: bool,
}

fn offers() -> [Offer; 1] {
    [Offer { rest: 3, ..offer("a", "v", "10.0.0.0/29,fd00::/125") }]
}

/// Runs requests until one fails; answers what was told.
fn run(store: &Faulty, ops: &[Op], told: &mut BTreeMap<u64, Told>, now: &mut u64) {
    let Ok(keeper) = Keeper::open(store.clone(), &offers()) else { return };
    for op in ops {
        *now += 1;
        match *op {
            Op::Assign(n) => {
                let (key, uid) = owner(n);
                let told = told.entry(n).or_default();
                match keeper.assign(&key, &uid, &want(&["a"]), *now) {
                    Ok(grant) => *told = Told { held: Some(grant), unsure: false },
                    Err(kubeovn_ipam::KeepError::Addr(_)) => {}
                    Err(_) => {
                        told.unsure = true;
                        return;
                    }
                }
            }
            Op::Release(n) => {
                let told = told.entry(n).or_default();
                if keeper.release("a", &owner(n).0, "", None, *now).is_err() {
                    told.unsure = true;
                    return;
                }
                *told = Told::default();
            }
        }
    }
}

/// The next process knows all that was told, and nothing is held twice.
fn check(store: &Faulty, told: &mut BTreeMap<u64, Told>) -> Result<(), TestCaseError> {
    let keeper = Keeper::open(store.clone(), &offers()).unwrap();
    let mut live = BTreeMap::new();
    for (n, told) in told.iter_mut() {
        let held = keeper.held(&owner(*n).0).into_iter().next();
        prop_assert!(told.unsure || held == told.held, "{n}: {held:?}, but was told {told:?}");
        for ip in held.iter().flat_map(|grant| grant.ips.iter().copied().collect::<Vec<_>>()) {
            prop_assert_eq!(live.insert(ip, *n), None, "{} is live twice", ip);
        }
        *told = Told { held, unsure: false };
    }
    let usage = keeper.usage("a").unwrap();
    let used = usage.used.v4.unwrap_or(0) + usage.used.v6.unwrap_or(0);
    prop_assert_eq!(used, live.len() as u128, "nobody unknown holds anything");
    Ok(())
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![2 => (0u64..9).prop_map(Op::Assign), 1 => (0u64..9).prop_map(Op::Release)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_acknowledged_is_lost_or_given_twice(
        ops in prop::collection::vec(op(), 10..40), more in prop::collection::vec(op(), 10..30), survivors in 0usize..3,
    ) {
        let calls = {
            let (store, mut told, mut now) = (Faulty::default(), BTreeMap::new(), 0);
            run(&store, &ops, &mut told, &mut now);
            store.calls()
        };
        for (n, fault) in (1..=calls).flat_map(|n| [(n, Fault::Before), (n, Fault::After)]) {
            let (store, mut told, mut now) = (Faulty::default(), BTreeMap::new(), 0);
            store.fail_at(n, fault);
            run(&store, &ops, &mut told, &mut now);
            let next = store.reopen(survivors);
            check(&next, &mut told)?;
            // Life goes on, and fails again.
            next.fail_at(n / 2 + 1, fault);
            run(&next, &more, &mut told, &mut now);
            check(&next.reopen(survivors), &mut told)?;
        }
    }
}

#[test]
fn a_grant_is_told_only_once_it_is_durable_also_to_who_asks_again() {
    let store = Faulty::default();
    let keeper = Keeper::open(store.clone(), &offers()).unwrap();
    let (key, uid): (_, Arc<str>) = owner(1);
    // The append goes through, the sync does not.
    store.fail_at(2, Fault::Before);
    assert!(keeper.assign(&key, &uid, &want(&["a"]), 1).is_err());
    assert!(
        keeper.assign(&key, &uid, &want(&["a"]), 2).is_err(),
        "it is in memory, but who knows where else"
    );
    let next = Keeper::open(store.reopen(0), &offers()).unwrap();
    assert!(next.held(&key).is_empty());
}
