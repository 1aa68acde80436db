//! What is planned while a transaction is on its way.

use super::*;

impl Bench {
    fn plan_ahead(&mut self) {
        let wishes = &self.wishes;
        let mut render = |owner: &OwnerKey| wishes.get(owner).cloned().unwrap_or(Render::Gone);
        self.engine.plan_ahead(usize::MAX, &mut render, &self.toy);
    }
}

/// Two switches that are there, and a port for each that is wanted; only one goes into a batch.
fn two_ports() -> Bench {
    let mut bench = Bench::new();
    bench.wish(subnet("a"), switch("a"));
    bench.wish(subnet("b"), switch("b"));
    bench.settle();
    bench.engine = std::mem::replace(&mut bench.engine, RowEngine::new(&SCHEMA)).with_batch(1);
    bench.wish(pod("p"), port("p", "a", "a", 1));
    bench.wish(pod("q"), port("q", "b", "b", 1));
    bench
}

#[test]
fn what_does_not_depend_is_ready_when_the_first_is_through() {
    let mut bench = two_ports();
    let first = bench.plan().expect("a transaction");
    bench.plan_ahead();
    assert!(bench.plan().is_none(), "one on its way at a time");
    assert!(bench.engine.pending(&pod("q")));
    bench.apply(&first);
    bench.answer(&first, Outcome::Done);

    // It was rendered before: what is wanted now would be another thing, if anybody asked.
    bench.wishes.remove(&pod("q"));
    let second = bench.plan().expect("what was made ready");
    assert!(second.ops.iter().any(|op| op.row == child("q") && matches!(op.act, Act::Insert(..))));
    bench.apply(&second);
    bench.answer(&second, Outcome::Done);
    assert!(bench.engine.settled(&pod("q")));
}

#[test]
fn what_depends_waits_and_loses_nothing() {
    let mut bench = Bench::new();
    bench.engine = RowEngine::new(&SCHEMA).with_batch(1);
    bench.wish(subnet("a"), switch("a"));
    bench.wish(pod("p"), port("p", "a", "a", 1));
    let first = bench.plan().expect("the switch");
    bench.plan_ahead();
    bench.apply(&first);
    bench.answer(&first, Outcome::Done);
    let second = bench.plan().expect("the port");
    let switch = second.ops.iter().find(|op| op.row == parent("a")).expect("its switch takes it in");
    let Act::Change(delta) = &switch.act else { panic!("{switch:?}") };
    assert_eq!(delta.add.len(), 2, "the port, and the value that it gives: {delta:?}");
    bench.apply(&second);
    bench.answer(&second, Outcome::Done);
    assert!(bench.engine.idle());
}

#[test]
fn what_is_given_to_a_row_that_is_on_its_way_arrives() {
    let mut bench = Bench::new();
    bench.wish(subnet("a"), switch("a"));
    bench.settle();
    bench.engine = std::mem::replace(&mut bench.engine, RowEngine::new(&SCHEMA)).with_batch(1);
    bench.wish(subnet("group"), switch("group"));
    bench.wish(pod("p"), port("p", "a", "group", 1));
    let first = bench.plan().expect("the group");
    bench.plan_ahead();
    bench.apply(&first);
    bench.answer(&first, Outcome::Done);
    bench.settle();
    assert!(bench.toy.holds(&parent("group"), "values", &Elem::Item(Atom::from("10.0.0.1"))));
}

#[test]
fn one_element_of_two_owners_is_not_decided_twice() {
    // The first gives up a value that the second takes: nothing of that may be compared too early.
    let mut bench = Bench::new();
    bench.wish(subnet("a"), switch("a"));
    bench.wish(pod("p"), port("p", "a", "a", 1));
    bench.settle();
    bench.engine = std::mem::replace(&mut bench.engine, RowEngine::new(&SCHEMA)).with_batch(1);
    bench.wish(pod("p"), Render::Gone);
    bench.wish(pod("q"), port("q", "a", "a", 1));
    let first = bench.plan().expect("p goes");
    bench.plan_ahead();
    bench.apply(&first);
    bench.answer(&first, Outcome::Done);
    bench.settle();
    assert!(bench.toy.holds(&parent("a"), "values", &Elem::Item(Atom::from("10.0.0.1"))));
}

#[test]
fn a_failure_puts_back_what_was_ready() {
    for outcome in [Outcome::Rejected { text: "no".into(), row: None }, Outcome::Unknown] {
        let mut bench = two_ports();
        let first = bench.plan().expect("a transaction");
        bench.plan_ahead();
        bench.answer(&first, outcome.clone());
        bench.wish(pod("q"), Render::Gone);
        if outcome == Outcome::Unknown {
            assert!(bench.plan().is_none(), "nothing before it has been read again");
            bench.engine.resynced(&bench.toy);
        }
        bench.now += 10_000;
        bench.settle();
        assert!(bench.toy.has(&child("p")) && !bench.toy.has(&child("q")), "{outcome:?}");
    }
}

#[test]
fn a_change_puts_back_what_was_ready() {
    let mut bench = two_ports();
    let first = bench.plan().expect("a transaction");
    bench.plan_ahead();
    bench.wish(pod("q"), Render::Gone);
    bench.apply(&first);
    bench.answer(&first, Outcome::Done);
    bench.settle();
    assert!(!bench.toy.has(&child("q")));
    assert!(bench.engine.idle());
}

#[test]
fn an_edit_of_others_puts_back_what_was_ready() {
    let mut bench = Bench::new();
    bench.wish(subnet("a"), switch("a"));
    bench.wish(subnet("b"), switch("b"));
    bench.wish(pod("q"), port("q", "b", "b", 1));
    bench.settle();
    bench.engine = std::mem::replace(&mut bench.engine, RowEngine::new(&SCHEMA)).with_batch(1);
    bench.wish(pod("p"), port("p", "a", "a", 1));
    let mut renamed = Rendered { rank: 1, ..Rendered::default() };
    renamed.row(child("q")).set("name", Value::str("renamed"));
    renamed.attach(parent("b"), "ports", child("q"));
    bench.wish(pod("q"), Render::Want(renamed));
    let first = bench.plan().expect("p comes");
    bench.plan_ahead();
    // The row that is about to be changed goes.
    for change in bench.toy.delete(&child("q")) {
        bench.engine.changed(&change, &bench.toy);
    }
    bench.apply(&first);
    bench.answer(&first, Outcome::Done);
    let second = bench.plan().expect("q is made again");
    assert!(
        second.ops.iter().any(|op| op.row == child("q") && matches!(op.act, Act::Insert(..))),
        "{second:?}"
    );
}
