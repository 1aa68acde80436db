//! The keeper: what it answered is durable and stays true, whatever fails, and whoever asks at the same time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers: a surprise is a failed test")]

mod crash;
mod faulty;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use kubeovn_ipam::{
    AddrError, AddressState, Grant, KeepError, Keeper, NamedPool, Offer, OwnerKey, Source, Want,
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

#[test]
fn a_space_that_is_added_during_a_compaction_is_not_lost() {
    let offers = [offer("a", "A", "10.0.0.0/24"), offer("z", "Z", "10.1.0.0/24")];
    let store = Memory::new();
    let keeper = Keeper::open(store.clone(), &offers).unwrap();
    let late = offer("b", "B", "10.2.0.0/24");
    let fill = || {
        for _ in 0..520 {
            assign(&keeper, 1, "z").unwrap();
            keeper.release("z", &owner(1).0, "", None, 2).unwrap();
        }
    };
    let (begun, go) = (std::sync::Barrier::new(2), std::sync::Barrier::new(3));
    let granted = std::thread::scope(|scope| {
        let (begun, go, keeper, late) = (&begun, &go, &keeper, &late);
        // The compaction waits for this one.
        scope.spawn(move || {
            keeper.look("a", |_| {
                begun.wait();
                go.wait();
            })
        });
        begun.wait();
        scope.spawn(move || {
            go.wait();
            fill();
        });
        scope
            .spawn(move || {
                go.wait();
                keeper.define(late).unwrap();
                assign(keeper, 7, "b").unwrap()
            })
            .join()
            .unwrap()
    });
    let all = [&offers[..], &[late]].concat();
    assert_eq!(Keeper::open(store, &all).unwrap().held(&owner(7).0), [granted]);
}

#[test]
fn a_subnet_that_is_in_another_space_now_has_what_came_of_it() {
    let (store, in_x) = (Memory::new(), [offer("a", "x", "10.0.0.0/24"), offer("c", "y", "10.0.0.0/24")]);
    let keeper = Keeper::open(store.clone(), &in_x).unwrap();
    let first = assign(&keeper, 1, "a").unwrap();
    let second = assign(&keeper, 2, "c").unwrap();
    assert_eq!(first.ips, second.ips, "spaces of their own");
    keeper.release("a", &owner(1).0, "", None, 2).unwrap();
    keeper.define(&offer("a", "y", "10.0.0.0/24")).unwrap();
    let third = assign(&keeper, 3, "a").unwrap();
    assert!(third.ips != second.ips && third.generation > second.generation.max(first.generation));
    let in_y = [offer("a", "y", "10.0.0.0/24"), offer("c", "y", "10.0.0.0/24")];
    let again = Keeper::open(store.clone(), &in_y).unwrap();
    assert_eq!(
        (again.held(&owner(1).0), again.held(&owner(2).0), again.held(&owner(3).0)),
        (vec![], vec![second], vec![third])
    );
    // Two that are live and can't be in one space are told, not lost.
    let both = Memory::new();
    let keeper = Keeper::open(both.clone(), &in_x).unwrap();
    assign(&keeper, 1, "a").unwrap();
    assign(&keeper, 2, "c").unwrap();
    assert!(matches!(Keeper::open(both, &in_y), Err(KeepError::Addr(AddrError::Taken { .. }))));
}

#[test]
fn a_definition_that_is_refused_leaves_the_subnet_as_it_is() {
    let keeper = Keeper::open(Memory::new(), &[offer("a", "x", "10.0.0.0/24")]).unwrap();
    let pool = |name: &str| NamedPool { name: name.into(), ranges: vec!["10.0.0.5".parse().unwrap()] };
    let bad = Offer { pools: vec![pool("u"), pool("w")], ..offer("a", "y", "10.0.0.0/24") };
    assert!(matches!(keeper.define(&bad), Err(AddrError::PoolOverlap { .. })));
    assert_eq!(assign(&keeper, 1, "a").unwrap().space.as_ref(), "x");
}
