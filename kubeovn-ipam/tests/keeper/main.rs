//! The keeper: what it answered is durable and stays true, whatever fails, and whoever asks at the same time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers: a surprise is a failed test")]

mod crash;
mod faulty;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use kubeovn_ipam::{
    AddrError, AddressState, Grant, KeepError, Keeper, Offer, OwnerKey, Source, Want,
    store::{Memory, Store},
};

fn offer(subnet: &str, space: &str, cidrs: &str) -> Offer {
    let cidrs = cidrs.parse().unwrap();
    Offer { subnet: subnet.into(), space: space.into(), cidrs, ..Offer::default() }
}

fn owner(n: u64) -> (OwnerKey, Arc<str>) {
    (OwnerKey::pod("default", &format!("web-{n}")), format!("uid-{n}").into())
}

fn want(subnets: &[&str]) -> Want {
    Want { subnets: subnets.iter().map(|name| Arc::from(*name)).collect(), ..Want::default() }
}

fn assign<S: Store>(keeper: &Keeper<S>, n: u64, subnet: &str) -> Result<Grant, KeepError> {
    let (key, uid) = owner(n);
    keeper.assign(&key, &uid, &want(&[subnet]), 1)
}

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let (store, offers) = (Memory::new(), [offer("a", "v", "10.0.0.0/29"), offer("b", "w", "10.0.0.0/29")]);
    let keeper = Keeper::open(store.clone(), &offers).unwrap();
    let first = assign(&keeper, 1, "a").unwrap();
    assert_eq!(assign(&keeper, 1, "a").unwrap(), first, "asked again, the same");
    let on_b = assign(&keeper, 1, "b").unwrap();
    assert_eq!(
        (first.ips, first.space.as_ref(), on_b.space.as_ref()),
        (on_b.ips, "v", "w"),
        "spaces of their own"
    );
    assign(&keeper, 2, "a").unwrap();
    assert!(keeper.release("a", &owner(2).0, "", None, 2).unwrap());
    assert!(!keeper.release("a", &owner(2).0, "", None, 2).unwrap(), "again is no harm");
    assert!(!keeper.release("none", &owner(1).0, "", None, 2).unwrap());
    assert!(
        !keeper.release("a", &owner(1).0, "", Some(first.generation + 1), 2).unwrap(),
        "another generation"
    );
    drop(keeper);

    let keeper = Keeper::open(store.clone(), &offers).unwrap();
    assert_eq!(keeper.held(&owner(1).0), [first.clone(), on_b]);
    assert!(matches!(keeper.explain("a", first.ips.v4.unwrap()), AddressState::Held { .. }));
    assert_eq!(keeper.usage("a").unwrap().used.v4, Some(1));
    let next = assign(&keeper, 3, "a").unwrap();
    assert_eq!(next.ips.to_string(), "10.0.0.3", "2 was used already: the order is remembered, too");
    assert!(next.generation > first.generation);
    assert!(keeper.release_all(&owner(1).0, 3).unwrap() && keeper.held(&owner(1).0).is_empty());
    assert_eq!(keeper.look("a", |ledger| ledger.owners().len()), Some(1));
    // Without their subnets the grants are there all the same.
    let bare = Keeper::open(store, &[]).unwrap();
    assert_eq!(bare.held(&owner(3).0), [next]);
}

#[test]
fn what_is_refused_is_not_stored() {
    let store = Memory::new();
    let keeper =
        Keeper::open(store.clone(), &[offer("a", "v", "10.0.0.0/30"), offer("b", "w", "10.1.0.0/30")])
            .unwrap();
    assign(&keeper, 1, "a").unwrap();
    assign(&keeper, 2, "a").unwrap();
    let tip = store.tip();
    assert!(matches!(assign(&keeper, 3, "a"), Err(KeepError::Addr(AddrError::Exhausted { .. }))));
    assert!(matches!(assign(&keeper, 3, "none"), Err(KeepError::Addr(AddrError::NoSubnet { .. }))));
    let (key, uid) = owner(3);
    let both = keeper.assign(&key, &uid, &want(&["a", "b"]), 1);
    assert!(matches!(both, Err(KeepError::Spaces { .. })), "{both:?}");
    let moved = keeper.define(&offer("a", "w", "10.0.0.0/30"));
    assert!(matches!(moved, Err(AddrError::SpaceFixed { held: 2, .. })), "{moved:?}");
    assert_eq!(store.tip(), tip);
    keeper.define(&offer("b", "v", "10.1.0.0/30")).unwrap();
    assert_eq!(assign(&keeper, 3, "b").unwrap().space.as_ref(), "v", "an empty one moves");
}

#[test]
fn many_at_once_get_distinct_addresses_also_while_the_store_is_compacted() {
    let store = Memory::new();
    let offers = [offer("a", "v", "10.0.0.0/24"), offer("b", "w", "10.0.0.0/24")];
    let keeper = Keeper::open(store.clone(), &offers).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let keeper = &keeper;
            scope.spawn(move || {
                let subnet = if thread % 2 == 0 { "a" } else { "b" };
                for round in 0..60 {
                    for n in 0..10 {
                        assign(keeper, thread * 100 + n, subnet).unwrap();
                    }
                    for n in 0..if round == 59 { 0 } else { 10 } {
                        let (key, _) = owner(thread * 100 + n);
                        assert!(keeper.release(subnet, &key, "", None, 2).unwrap());
                    }
                }
            });
        }
    });
    let live = |keeper: &Keeper<Memory>| -> Vec<(Arc<str>, IpAddr)> {
        let all = (0..8).flat_map(|thread| (0..10).map(move |n| thread * 100 + n));
        let grants = all.flat_map(|n| keeper.held(&owner(n).0));
        grants.map(|grant| (grant.subnet.clone(), *grant.ips.iter().next().unwrap())).collect()
    };
    let held = live(&keeper);
    assert_eq!((held.len(), held.iter().collect::<BTreeSet<_>>().len()), (80, 80));
    let mut entries = 0;
    store.load(&mut |_| entries += 1).unwrap();
    assert!(entries < 8 * 60 * 20, "it was compacted: {entries} entries");
    assert_eq!(live(&Keeper::open(store, &offers).unwrap()), held);
}

#[test]
fn a_fixed_address_is_a_want_like_any_other() {
    let keeper = Keeper::open(Memory::new(), &[offer("a", "v", "10.0.0.0/24")]).unwrap();
    let (key, uid) = owner(1);
    let fixed = Want { from: Source::OneOf(vec!["10.0.0.77".parse().unwrap()]), ..want(&["a"]) };
    assert_eq!(keeper.assign(&key, &uid, &fixed, 1).unwrap().ips.to_string(), "10.0.0.77");
    let free = "10.0.0.78".parse().unwrap();
    assert_eq!(
        (keeper.explain("a", free), keeper.explain("x", free)),
        (AddressState::Free, AddressState::Outside)
    );
}
