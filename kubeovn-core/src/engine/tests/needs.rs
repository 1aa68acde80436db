//! A port never comes to life before the groups whose rules it obeys.

use super::*;

/// Kinds are planned in their order, and this one comes after pods.
fn policy() -> OwnerKey {
    OwnerKey::new(OwnerKind::Attachment, "policy")
}

/// A port that must not be there without its group.
fn guarded(name: &str) -> Render {
    let Render::Want(mut out) = port(name, "a", "group", 0) else { unreachable!() };
    out.needs.insert(parent("group"));
    Render::Want(out)
}

/// Owners go one by one, and every transaction is looked at.
fn one_by_one() -> Bench {
    let mut bench = Bench::new();
    bench.engine = RowEngine::new(&SCHEMA).with_batch(1);
    bench.wish(subnet("a"), switch("a"));
    bench
}

fn settle_watched(bench: &mut Bench) {
    for _ in 0..100 {
        let Some(txn) = bench.plan() else { return };
        bench.apply(&txn);
        bench.answer(&txn, Outcome::Done);
        let member = Elem::Item(Atom::from("10.0.0.1"));
        let naked = bench.toy.has(&child("p")) && !bench.toy.holds(&parent("group"), "values", &member);
        assert!(!naked, "the port is there without its group after {txn:?}");
    }
    panic!("does not come to rest");
}

#[test]
fn a_port_enters_after_its_group_though_its_turn_is_first() {
    let mut bench = one_by_one();
    bench.wish(pod("p"), guarded("p"));
    bench.wish(policy(), switch("group"));
    settle_watched(&mut bench);
    assert!(bench.toy.has(&child("p")));
    assert_eq!(bench.engine.verdict(&pod("p")), None);
}

#[test]
fn a_port_and_its_group_enter_together_where_they_are_planned_together() {
    let mut bench = one_by_one();
    bench.engine = RowEngine::new(&SCHEMA);
    bench.engine.mark(subnet("a"));
    bench.wish(pod("p"), guarded("p"));
    bench.wish(policy(), switch("group"));
    assert_eq!(bench.settle(), 1);
}

#[test]
fn a_port_whose_group_does_not_come_waits_and_says_for_what() {
    let mut bench = one_by_one();
    bench.wish(pod("p"), guarded("p"));
    settle_watched(&mut bench);
    assert!(!bench.toy.has(&child("p")));
    let verdict = bench.engine.verdict(&pod("p")).unwrap();
    assert_eq!(verdict.standing, Standing::Waiting);
    assert!(verdict.problems[0].to_string().contains("parent/group"), "{:?}", verdict.problems);
    assert!(bench.engine.idle(), "nothing polls");

    bench.wish(policy(), switch("group"));
    settle_watched(&mut bench);
    assert!(bench.toy.has(&child("p")));
}

#[test]
fn a_port_does_not_enter_with_a_group_that_goes() {
    let mut bench = one_by_one();
    bench.wish(policy(), switch("group"));
    bench.settle();
    bench.engine = RowEngine::new(&SCHEMA);
    bench.restart();
    bench.wishes.remove(&policy());
    bench.engine.mark(policy());
    bench.engine.found(&policy(), [parent("group")], [], &bench.toy);
    bench.wish(pod("p"), guarded("p"));
    bench.settle();
    assert!(!bench.toy.has(&parent("group")) && !bench.toy.has(&child("p")));
}

/// One policy that the database refuses must not keep a running pod from obeying the others.
#[test]
fn a_port_that_is_there_waits_for_no_group() {
    let mut bench = one_by_one();
    bench.wish(pod("p"), port("p", "a", "group", 0));
    bench.settle();
    assert!(bench.toy.has(&child("p")));
    let Render::Want(mut out) = guarded("p") else { unreachable!() };
    out.row(child("p")).values.insert("name", Value::str("other"));
    bench.wish(pod("p"), Render::Want(out));
    bench.settle();
    assert_eq!(bench.toy.value(&child("p"), "name"), Some(&Value::str("other")));
    assert!(!bench.toy.has(&parent("group")));
}
