//! What only one owner's rows may have at a time: addresses.

use std::collections::BTreeSet;

use super::{
    super::*,
    Bench, built, pod, port,
    toy::{SCHEMA, child},
};
use crate::rows::{Outcome, Render, Replica, Value};

/// A port that has an address that nobody else may have.
fn addressed(name: &str, address: &str) -> Render {
    let Render::Want(mut out) = port(name, "a", "group", 0) else { unreachable!() };
    out.gives.retain(|give| give.parent);
    out.row(child(name)).values.insert("name", Value::str(address));
    out.exclusive.insert(address.into());
    Render::Want(out)
}

/// Addresses in rows of the database; none may be there twice, at no time.
fn addresses(bench: &Bench, ports: &[&str]) -> Vec<String> {
    let ports: Vec<_> = ports.iter().map(|name| bench.toy.value(&child(name), "name").cloned()).collect();
    ports.iter().flatten().flat_map(|v| v.texts().map(ToString::to_string).collect::<Vec<_>>()).collect()
}

#[test]
fn what_is_exclusive_waits_until_the_other_has_left() {
    let mut bench = built();
    bench.wish(pod("p"), addressed("p", "x"));
    bench.settle();
    // p goes, q is given its address; the database refuses p's removal for now.
    bench.engine = std::mem::replace(&mut bench.engine, RowEngine::new(&SCHEMA)).with_batch(1);
    bench.wish(pod("p"), Render::Gone);
    let txn = bench.plan().unwrap();
    bench.wish(pod("q"), addressed("q", "x"));
    bench.answer(&txn, Outcome::Rejected { text: "no".into(), row: None });
    assert_eq!(bench.settle(), 0);
    assert_eq!(bench.engine.verdict(&pod("q")).unwrap().standing, Standing::Waiting);
    assert_eq!(addresses(&bench, &["p", "q"]), ["x"]);
    // When p has left at last, q comes by itself.
    bench.now = bench.engine.next_wake().unwrap();
    bench.settle();
    assert!(!bench.toy.has(&child("p")) && bench.toy.has(&child("q")));
    assert!(bench.engine.verdict(&pod("q")).is_none());
}

#[test]
fn what_an_old_backup_brings_back_is_exclusive_too() {
    let mut bench = built();
    bench.wish(pod("z"), addressed("z", "x"));
    bench.settle();
    let backup = bench.toy.clone();
    bench.wish(pod("z"), Render::Gone);
    bench.settle();
    bench.wish(pod("q"), addressed("q", "x"));
    bench.settle();
    bench.engine = std::mem::replace(&mut bench.engine, RowEngine::new(&SCHEMA)).with_batch(1);
    bench.toy = backup;
    bench.engine.resynced(&bench.toy);
    bench.engine.found(&pod("z"), [child("z")], ["x".into()], &bench.toy);
    while let Some(txn) = bench.plan() {
        bench.apply(&txn);
        bench.answer(&txn, Outcome::Done);
        assert!(addresses(&bench, &["q", "z"]).len() <= 1);
    }
    assert!(bench.toy.has(&child("q")) && !bench.toy.has(&child("z")));
}

#[test]
fn those_who_change_places_do_so_at_once() {
    for (batch, ring) in [(10, vec!["p", "q"]), (1, vec!["p", "q"]), (1, vec!["p", "q", "r"])] {
        let mut bench = built();
        bench.engine = std::mem::replace(&mut bench.engine, RowEngine::new(&SCHEMA)).with_batch(batch);
        for name in &ring {
            bench.wish(pod(name), addressed(name, name));
        }
        bench.settle();
        let next = |n: usize| ring[(n + 1) % ring.len()];
        for (n, name) in ring.iter().enumerate() {
            bench.wish(pod(name), addressed(name, next(n)));
        }
        while let Some(txn) = bench.plan() {
            bench.apply(&txn);
            let live: BTreeSet<String> = addresses(&bench, &ring).into_iter().collect();
            assert_eq!(live.len(), ring.len(), "one is live twice");
            bench.answer(&txn, Outcome::Done);
        }
        let expected: Vec<&str> = (0..ring.len()).map(next).collect();
        assert_eq!(addresses(&bench, &ring), expected, "{batch} in a batch");
    }
}

#[test]
fn what_was_found_at_start_is_nobody_elses_until_it_is_decided() {
    let mut bench = built();
    bench.wish(pod("p"), addressed("p", "x"));
    bench.settle();
    bench.restart();
    bench.engine = std::mem::replace(&mut bench.engine, RowEngine::new(&SCHEMA)).with_batch(1);
    bench.engine.found(&pod("p"), [child("p")], ["x".into()], &bench.toy);
    // Nobody knows yet what p wants; q was given its address.
    bench.wishes.insert(pod("p"), Render::Hold(Vec::new()));
    bench.wish(pod("q"), addressed("q", "x"));
    bench.settle();
    assert_eq!(addresses(&bench, &["p", "q"]), ["x"]);
    bench.wish(pod("p"), Render::Gone);
    bench.settle();
    assert!(!bench.toy.has(&child("p")) && bench.toy.has(&child("q")));
}

/// After an unknown outcome two may count as holders of one thing. Who waits in a ring that one of them is outside of
/// does not change places before that one has left, and does not keep everybody else from being planned.
#[test]
fn a_ring_waits_for_those_outside_who_may_hold_what_it_wants() {
    for undecided in [false, true] {
        let mut bench = built();
        bench.wish(pod("q"), addressed("q", "z"));
        bench.wish(pod("r"), addressed("r", "x"));
        bench.settle();
        // s follows q, and nobody knows whether it did: both count as holders of z
        bench.wish(pod("q"), addressed("q", "w"));
        bench.wish(pod("s"), addressed("s", "z"));
        let txn = bench.plan().unwrap();
        bench.answer(&txn, Outcome::Unknown);
        // meanwhile q and r are to change places as far as q knows, and s is in a later batch
        bench.wish(pod("q"), addressed("q", "x"));
        bench.wish(pod("r"), addressed("r", "z"));
        bench.wish(pod("s"), if undecided { Render::Hold(Vec::new()) } else { Render::Gone });
        bench.engine = std::mem::replace(&mut bench.engine, RowEngine::new(&SCHEMA)).with_batch(2);
        bench.engine.resynced(&bench.toy);
        bench.settle();
        if undecided {
            assert_eq!(addresses(&bench, &["q", "r", "s"]), ["z", "x"], "nobody moves before s is decided");
            bench.wish(pod("s"), Render::Gone);
            bench.settle();
        }
        assert_eq!(addresses(&bench, &["q", "r", "s"]), ["x", "z"]);
    }
}
