//! Any calls of a ledger in any order: none panics, what is refused changes nothing, no address is used twice, and a
//! ledger made from a snapshot is the same.
#![no_main]

mod check;
mod input;

use std::{collections::BTreeMap, sync::Arc};

use input::Input;
use kubeovn_ipam::{Entry, Ledger, Offer};
use libfuzzer_sys::fuzz_target;

/// What subnets offer, and whether they are closed.
type Offers = BTreeMap<Arc<str>, (Offer, bool)>;

fn step(ledger: &mut Ledger, offers: &mut Offers, now: &mut u64, input: &mut Input<'_>) {
    *now = now.saturating_add(input.number());
    let before = without_generation(ledger);
    let refused = match input.below(12) {
        0 => {
            let offer = input.offer();
            let result = ledger.define(&offer);
            if result.is_ok() {
                offers.insert(offer.subnet.clone(), (offer, false));
            }
            result.err()
        }
        1 => return close(ledger, offers, &input.name()),
        2 => return drop(ledger.release(&input.owner(), &input.nic(), input.number(), *now)),
        3 => return drop(ledger.activate(&input.owner(), &input.nic())),
        4 => ledger.restore(&input.owner(), &input.uid(), &input.grant()).err(),
        5 => ledger.apply(&input.entry()).err(),
        6 => return *ledger = reopened(ledger, offers),
        7 | 8 => ledger.settle_nic(&input.owner(), &input.uid(), &input.want(), *now).err(),
        _ => {
            let (owner, uid, wants) = (input.owner(), input.uid(), input.wants());
            let result = ledger.settle(&owner, &uid, &wants, *now);
            if let Ok(settled) = &result {
                let again = ledger.settle(&owner, &uid, &wants, *now).expect("what is held is granted again");
                assert!(!again.changed && again.grants == settled.grants, "{settled:?}, then {again:?}");
            }
            result.err()
        }
    };
    if let Some(error) = refused {
        assert_eq!(without_generation(ledger), before, "{error}");
    }
}

/// A snapshot, but for the generation: it rises with every grant that somebody restores, also with a refused one.
fn without_generation(ledger: &Ledger) -> Vec<Entry> {
    ledger.snapshot().into_iter().filter(|entry| !matches!(entry, Entry::Generation(_))).collect()
}

fn close(ledger: &mut Ledger, offers: &mut Offers, subnet: &Arc<str>) {
    if ledger.close(subnet) {
        offers.remove(subnet);
    } else if let Some((_, closed)) = offers.get_mut(subnet) {
        *closed = true;
    }
}

fn reopened(ledger: &mut Ledger, offers: &mut Offers) -> Ledger {
    let closed = |offers: &Offers| {
        offers.iter().filter(|(_, (_, closed))| *closed).map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    // Nobody would define anew what is closed and empty.
    closed(offers).iter().for_each(|name| close(ledger, offers, name));
    let (mut reborn, snapshot) = (Ledger::new(), ledger.snapshot());
    offers.values().for_each(|(offer, _)| reborn.define(offer).expect("was defined once"));
    for entry in &snapshot {
        reborn.apply(entry).unwrap_or_else(|error| panic!("{entry:?}: {error}"));
    }
    closed(offers).iter().for_each(|name| assert!(!reborn.close(name)));
    assert_eq!(reborn.snapshot(), snapshot);
    reborn
}

fuzz_target!(|data: &[u8]| {
    let (mut ledger, mut offers, mut now, mut input) = (Ledger::new(), Offers::new(), 0, Input(data));
    while !input.0.is_empty() {
        step(&mut ledger, &mut offers, &mut now, &mut input);
        check::check(&ledger);
    }
});
