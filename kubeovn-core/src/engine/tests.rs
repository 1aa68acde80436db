//! The engine on a toy database of one parent table and one child table.

mod ahead;
mod dangling;
mod exclusive;
mod needs;
mod toy;

use std::collections::BTreeMap;

use super::*;
use crate::rows::{
    Act, Atom, EXTERNAL_IDS, Elem, Give, Op, Outcome, OwnerKind, Render, Rendered, Replica, Value,
};
use toy::{SCHEMA, Toy, child, parent};

/// What every owner wants, changed by the tests.
type Wishes = BTreeMap<OwnerKey, Render>;

struct Bench {
    engine: RowEngine,
    toy: Toy,
    wishes: Wishes,
    now: Millis,
}

fn subnet(name: &str) -> OwnerKey {
    OwnerKey::new(OwnerKind::Subnet, name)
}

fn pod(name: &str) -> OwnerKey {
    OwnerKey::new(OwnerKind::Pod, name)
}

/// A switch.
fn switch(name: &str) -> Render {
    let mut out = Rendered::default();
    out.row(parent(name)).set("name", Value::str(name));
    Render::Want(out)
}

/// A port on a switch, that gives its address to a group.
fn port(name: &str, on: &str, group: &str, rank: u64) -> Render {
    let mut out = Rendered { rank, ..Rendered::default() };
    out.row(child(name)).set("name", Value::str(name));
    out.attach(parent(on), "ports", child(name));
    out.gives.push(Give {
        row: parent(group),
        column: "values",
        elem: Elem::Item(Atom::from("10.0.0.1")),
        parent: false,
    });
    Render::Want(out)
}

impl Bench {
    fn new() -> Self {
        Bench { engine: RowEngine::new(&SCHEMA), toy: Toy::default(), wishes: Wishes::new(), now: 0 }
    }

    fn wish(&mut self, owner: OwnerKey, render: Render) {
        self.wishes.insert(owner.clone(), render);
        self.engine.mark(owner);
    }

    fn plan(&mut self) -> Option<Txn> {
        // Whatever is done in one go can be done in pieces.
        loop {
            let txn = self.plan_some(1);
            if txn.is_some() || !self.engine.more() {
                return txn;
            }
        }
    }

    fn plan_some(&mut self, batches: usize) -> Option<Txn> {
        let wishes = &self.wishes;
        let mut render = |owner: &OwnerKey| wishes.get(owner).cloned().unwrap_or(Render::Gone);
        self.engine.plan_some(batches, self.now, &mut render, &self.toy)
    }

    fn apply(&mut self, txn: &Txn) {
        for change in self.toy.commit(txn) {
            self.engine.changed(&change, &self.toy);
        }
    }

    fn answer(&mut self, txn: &Txn, outcome: Outcome) {
        self.engine.committed(self.now, txn.id, outcome, &self.toy);
    }

    /// Plans and commits until nothing is left; answers how many transactions it took.
    fn settle(&mut self) -> usize {
        for n in 0..100 {
            let Some(txn) = self.plan() else { return n };
            self.apply(&txn);
            self.answer(&txn, Outcome::Done);
        }
        panic!("does not come to rest");
    }

    /// Another controller takes over: nothing is remembered, all known owners are marked.
    fn restart(&mut self) {
        self.engine = RowEngine::new(&SCHEMA);
        self.engine.resynced(&self.toy);
        for owner in self.wishes.keys() {
            self.engine.mark(owner.clone());
        }
    }

    fn sweep(&mut self) -> usize {
        let before = self.settle();
        self.engine.sweep(&self.toy);
        before + self.settle()
    }
}

/// Two switches, a group (a parent row, too) and a port.
fn built() -> Bench {
    let mut bench = Bench::new();
    for name in ["a", "b", "group"] {
        bench.wish(subnet(name), switch(name));
    }
    bench.wish(pod("p"), port("p", "a", "group", 0));
    assert_eq!(bench.settle(), 1, "parents and children go in one transaction");
    bench
}

#[test]
fn what_is_as_wanted_is_never_written() {
    let mut bench = built();
    for owner in [subnet("a"), pod("p")] {
        bench.engine.mark(owner);
    }
    assert_eq!(bench.settle(), 0);
    bench.restart();
    assert_eq!(bench.sweep(), 0, "a restart writes nothing");
}

#[test]
fn a_row_waits_for_what_it_lives_by() {
    let mut bench = Bench::new();
    bench.wish(pod("p"), port("p", "a", "group", 0));
    assert_eq!(bench.settle(), 0);
    assert_eq!(bench.engine.verdict(&pod("p")).unwrap().standing, Standing::Waiting);
    bench.wish(subnet("a"), switch("a"));
    bench.settle();
    assert!(bench.toy.has(&child("p")) && bench.engine.verdict(&pod("p")).is_none());
    // The group never came, and that held nobody up; when it comes it is born with what was given to it.
    bench.wish(subnet("group"), switch("group"));
    let txn = bench.plan().unwrap();
    assert!(matches!(&txn.ops[..], [Op { act: Act::Insert(_, born), .. }] if born["values"].len() == 1));
}

#[test]
fn a_row_removed_by_hand_comes_back_whole() {
    let mut bench = built();
    let changes = bench.toy.delete(&parent("group"));
    changes.iter().for_each(|c| bench.engine.changed(c, &bench.toy));
    bench.settle();
    assert!(bench.toy.holds(&parent("group"), "values", &Elem::Item(Atom::from("10.0.0.1"))));
}

#[test]
fn an_element_is_counted_not_collected() {
    let mut bench = built();
    bench.wish(pod("q"), port("q", "b", "group", 0));
    bench.settle();
    bench.wish(pod("q"), Render::Gone);
    bench.settle();
    assert!(
        bench.toy.holds(&parent("group"), "values", &Elem::Item(Atom::from("10.0.0.1"))),
        "p gives it still"
    );
    bench.wish(pod("p"), Render::Gone);
    bench.settle();
    assert!(!bench.toy.holds(&parent("group"), "values", &Elem::Item(Atom::from("10.0.0.1"))));
}

#[test]
fn a_port_moves_without_being_born_again() {
    let mut bench = built();
    bench.wish(pod("p"), port("p", "b", "group", 0));
    let txn = bench.plan().unwrap();
    assert!(txn.ops.iter().all(|op| matches!(op.act, Act::Change(_))), "{txn:?}");
    bench.apply(&txn);
    assert!(bench.toy.holds(&parent("b"), "ports", &Elem::Item(Atom::Row(child("p")))));
    assert!(!bench.toy.holds(&parent("a"), "ports", &Elem::Item(Atom::Row(child("p")))));
}

#[test]
fn what_cannot_be_decided_stays_also_over_a_restart() {
    let mut bench = built();
    bench.wish(pod("p"), Render::Hold(vec![Problem::new("X", "unreadable")]));
    // Not even its switch may go, though its owner is gone by now.
    bench.wishes.remove(&subnet("a"));
    bench.restart();
    assert_eq!(bench.sweep(), 0);
    assert!(bench.toy.has(&child("p")) && bench.toy.has(&parent("a")));
    // Decided at last: everything that nobody wants goes, though no owner holds it.
    bench.wish(pod("p"), Render::Gone);
    bench.settle();
    assert!(bench.engine.sweep_due());
    bench.sweep();
    assert!(!bench.toy.has(&child("p")) && !bench.toy.has(&parent("a")));
}

#[test]
fn an_unknown_outcome_is_read_before_anything_else_and_leaks_nothing() {
    for applied in [true, false] {
        let mut bench = built();
        bench.wish(pod("q"), port("q", "a", "group", 0));
        let txn = bench.plan().unwrap();
        if applied {
            bench.toy.commit(&txn);
        }
        bench.answer(&txn, Outcome::Unknown);
        // The object vanishes before anybody knows.
        bench.wish(pod("q"), Render::Gone);
        assert_eq!(bench.plan(), None, "nothing is planned until the database was read again");
        bench.engine.resynced(&bench.toy);
        bench.settle();
        assert!(!bench.toy.has(&child("q")));
        assert!(
            bench.toy.holds(&parent("group"), "values", &Elem::Item(Atom::from("10.0.0.1"))),
            "p gives it"
        );
    }
}

#[test]
fn a_database_that_lost_everything_is_made_anew_in_one_transaction() {
    let mut bench = Bench::new();
    bench.engine = RowEngine::new(&SCHEMA).with_batch(2);
    bench.wish(subnet("a"), switch("a"));
    for name in ["p", "q", "r", "s"] {
        bench.wish(pod(name), port(name, "a", "a", 1));
    }
    assert!(bench.settle() > 1);
    bench.toy = Toy::default();
    bench.engine.resynced(&bench.toy);
    assert!(bench.engine.rebuilding());
    assert_eq!(bench.settle(), 1);
    assert!(!bench.engine.rebuilding());
    assert!(["p", "q", "r", "s"].iter().all(|name| bench.toy.has(&child(name))));

    // Also when somebody empties it while it runs; when only a part is gone, there is no hurry.
    for (gone, whole) in [(parent("a"), true), (child("p"), false)] {
        for change in bench.toy.delete(&gone) {
            bench.engine.changed(&change, &bench.toy);
        }
        bench.engine.look_for_loss(&bench.toy);
        assert_eq!(bench.engine.rebuilding(), whole, "{gone}");
        assert_eq!(bench.settle(), 1, "{gone}");
        assert!(!bench.engine.rebuilding());
        assert!(["p", "q", "r", "s"].iter().all(|name| bench.toy.has(&child(name))), "{gone}");
    }
}

#[test]
fn one_bad_owner_costs_only_itself() {
    let mut bench = built();
    for n in 0..64 {
        bench.wish(pod(&format!("q{n}")), port(&format!("q{n}"), "a", "group", 0));
    }
    let (mut rejected, mut accepted) = (0, 0);
    while let Some(txn) = bench.plan() {
        if txn.ops.iter().any(|op| op.row == child("q13")) {
            rejected += 1;
            bench.answer(&txn, Outcome::Rejected { text: "no".into(), row: None });
        } else {
            accepted += 1;
            bench.apply(&txn);
            bench.answer(&txn, Outcome::Done);
        }
    }
    assert!(rejected <= 8 && accepted <= 8, "{rejected} rejected, {accepted} accepted");
    assert!((0..64).all(|n| bench.toy.has(&child(&format!("q{n}"))) == (n != 13)));
    assert_eq!(bench.engine.verdict(&pod("q13")).unwrap().standing, Standing::Refused);
    // It heals by itself when its time has come.
    bench.now = bench.engine.next_wake().unwrap();
    bench.settle();
    assert!(bench.toy.has(&child("q13")) && bench.engine.verdict(&pod("q13")).is_none());
}

#[test]
fn a_named_culprit_is_found_at_once() {
    let mut bench = built();
    for n in 0..8 {
        bench.wish(pod(&format!("q{n}")), port(&format!("q{n}"), "a", "group", 0));
    }
    let txn = bench.plan().unwrap();
    bench.answer(&txn, Outcome::Rejected { text: "no".into(), row: Some(child("q3")) });
    let txn = bench.plan().unwrap();
    assert!(txn.ops.iter().all(|op| op.row != child("q3")));
    bench.apply(&txn);
    bench.answer(&txn, Outcome::Done);
    assert!(bench.toy.has(&child("q7")) && !bench.toy.has(&child("q3")));
}

#[test]
fn the_older_owner_has_the_row_whoever_comes_first() {
    for older_first in [true, false] {
        let mut bench = built();
        let (old, young) = (pod("z-old"), pod("a-young"));
        let order = if older_first { [(&old, 1), (&young, 2)] } else { [(&young, 2), (&old, 1)] };
        for (owner, rank) in order {
            bench.wish(owner.clone(), port("same", "a", "group", rank));
            bench.settle();
        }
        assert_eq!(bench.toy.owner(&child("same")), Some(old.clone()));
        assert_eq!(bench.engine.verdict(&young).unwrap().standing, Standing::Beaten);
        bench.wish(old, Render::Gone);
        bench.settle();
        assert_eq!(bench.toy.owner(&child("same")), Some(young.clone()), "it comes up when the other leaves");
        assert!(bench.engine.verdict(&young).is_none());
    }
}

#[test]
fn somebody_elses_is_never_touched() {
    let mut bench = built();
    bench.toy.insert_foreign(child("theirs"), Some(parent("a")));
    bench.toy.insert_foreign(parent("theirs"), None);
    let stray = bench.toy.give(&parent("a"), "values", Elem::Item(Atom::from("stray")));
    bench.engine.changed(&stray, &bench.toy);
    bench.restart();
    bench.sweep();
    assert!(bench.toy.has(&child("theirs")) && bench.toy.has(&parent("theirs")));
    assert!(bench.toy.holds(&parent("a"), "ports", &Elem::Item(Atom::Row(child("theirs")))));
    assert!(
        !bench.toy.holds(&parent("a"), "values", &Elem::Item(Atom::from("stray"))),
        "a value in a row of ours is ours"
    );
    // Deleting our switch takes their port along, as the database has it, but not their switch.
    bench.wish(subnet("a"), Render::Gone);
    bench.wish(pod("p"), Render::Gone);
    bench.settle();
    assert!(!bench.toy.has(&parent("a")) && bench.toy.has(&parent("theirs")));
}

/// A step that others used up leaves it for the next one.
#[test]
fn an_edit_by_hand_is_put_right_behind_those_who_are_looked_at() {
    let mut bench = built();
    let changes = bench.toy.clear(&parent("group"), "values");
    changes.iter().for_each(|c| bench.engine.changed(c, &bench.toy));
    bench.engine.mark(subnet("a"));
    assert_eq!(bench.plan_some(1), None);
    assert!(bench.engine.more());
    bench.settle();
    assert!(bench.toy.holds(&parent("group"), "values", &Elem::Item(Atom::from("10.0.0.1"))));
    assert!(!bench.engine.more());
}

#[test]
fn an_edit_by_hand_is_put_right() {
    let mut bench = built();
    for (row, column) in [(parent("a"), "ports"), (parent("group"), "values")] {
        let changes = bench.toy.clear(&row, column);
        changes.iter().for_each(|c| bench.engine.changed(c, &bench.toy));
    }
    assert!(!bench.toy.has(&child("p")), "a port without a switch is gone");
    bench.settle();
    assert!(bench.toy.has(&child("p")));
    assert!(bench.toy.holds(&parent("group"), "values", &Elem::Item(Atom::from("10.0.0.1"))));
    let change = bench.toy.set(&child("p"), "name", Value::str("wrong"));
    bench.engine.changed(&change, &bench.toy);
    bench.settle();
    assert_eq!(bench.toy.value(&child("p"), "name"), Some(&Value::str("p")));
    assert_eq!(&**bench.toy.pair(&child("p"), EXTERNAL_IDS, "owner").unwrap(), "pod/p");
}

#[test]
fn a_part_that_cannot_be_decided_stays_while_the_rest_goes_on() {
    let two = |keep: bool| {
        let mut out = Rendered::default();
        out.row(parent("r")).set("name", Value::str("r"));
        for name in if keep { vec!["new"] } else { vec!["user/1", "old"] } {
            out.row(child(name)).set("name", Value::str(name));
            out.attach(parent("r"), "ports", child(name));
        }
        out.keep = if keep { vec![("child", "user/".into())] } else { Vec::new() };
        Render::Want(out)
    };
    let mut bench = Bench::new();
    bench.wish(subnet("r"), two(false));
    bench.settle();
    bench.wish(subnet("r"), two(true));
    bench.settle();
    assert!(bench.toy.has(&child("user/1")) && bench.toy.has(&child("new")) && !bench.toy.has(&child("old")));
    // Also when another controller finds it so.
    bench.restart();
    bench.engine.found(&subnet("r"), [child("user/1"), child("new")], [], &bench.toy);
    assert_eq!(bench.sweep(), 0);
    bench.wish(subnet("r"), switch("r"));
    bench.settle();
    assert!(!bench.toy.has(&child("user/1")), "decided at last");
}
