//! References to rows that are not there yet.

use super::*;

/// A reference that a port gives to a group.
fn named(target: &str) -> Elem {
    Elem::Item(Atom::Row(parent(target)))
}

/// A port that gives a reference to a row, instead of its address.
fn referring(name: &str, on: &str, target: &str) -> Render {
    let Render::Want(mut out) = port(name, on, "group", 0) else { unreachable!() };
    for give in out.gives.iter_mut().filter(|give| !give.parent) {
        give.elem = named(target);
    }
    Render::Want(out)
}

fn refers(bench: &Bench, target: &str) -> bool {
    bench.toy.holds(&parent("group"), "values", &named(target))
}

#[test]
fn a_reference_is_written_when_the_row_comes_that_it_names() {
    let mut bench = built();
    bench.wish(pod("p"), referring("p", "a", "late"));
    bench.settle();
    assert!(bench.toy.has(&child("p")) && !refers(&bench, "late"), "it waits for nothing");

    bench.wish(subnet("late"), switch("late"));
    bench.settle();
    assert!(refers(&bench, "late"));
    bench.restart();
    assert_eq!(bench.sweep(), 0, "a restart finds nothing to do");
}

#[test]
fn a_reference_is_written_after_the_database_had_refused_its_row() {
    let mut bench = built();
    bench.wish(subnet("late"), switch("late"));
    bench.wish(pod("p"), referring("p", "a", "late"));
    let txn = bench.plan().unwrap();
    bench.answer(&txn, Outcome::Rejected { text: "no".into(), row: Some(parent("late")) });
    bench.settle();
    assert!(bench.toy.has(&child("p")) && !bench.toy.has(&parent("late")));

    bench.now += 60_000;
    bench.settle();
    assert!(refers(&bench, "late"));
}

#[test]
fn a_reference_that_nobody_wants_any_more_is_not_written() {
    let mut bench = built();
    bench.wish(pod("p"), referring("p", "a", "late"));
    bench.settle();
    bench.wish(pod("p"), port("p", "a", "group", 0));
    bench.settle();
    assert!(bench.engine.dangling.is_empty(), "nothing of it is remembered");
    bench.wish(subnet("late"), switch("late"));
    bench.settle();
    assert!(!refers(&bench, "late"));
}
