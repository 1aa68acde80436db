//! Tests of the in-memory server without a schema file, of `Sync`, and of `Memory` with its faults.

use kubeovn_core::rows::{Act, Change, Elem, Op, Replica as _, RowKey, RowSpec, Value};

use super::*;
use crate::nb::{LOGICAL_SWITCH as LS, LOGICAL_SWITCH_PORT as LSP, NORTHBOUND, PORT_GROUP as PG};

fn spec(name: &str) -> RowSpec {
    let mut spec = RowSpec::default();
    spec.set("name", Value::str(name));
    spec.pair("external_ids", "vendor", "kube-ovn").pair("external_ids", "row", name);
    spec
}

fn insert(table: &'static str, name: &str) -> Op {
    Op { row: RowKey::new(table, name), act: Act::Insert(spec(name), std::collections::BTreeMap::new()) }
}

fn txn(id: u64, ops: Vec<Op>) -> Txn {
    Txn { id, ops }
}

fn refused(outcome: &Outcome) -> Option<&RowKey> {
    match outcome {
        Outcome::Rejected { row, .. } => row.as_ref(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn our_own_description_is_enough_to_live_by() {
    let mut db = Sync::new(&NORTHBOUND);
    let (changes, outcome) = db.commit(&txn(1, vec![insert(LSP, "p"), insert(PG, "g")]));
    assert_eq!(outcome, Outcome::Done);
    let told: Vec<_> = changes.iter().map(|change| (change.row.to_string(), &change.what)).collect();
    assert_eq!(
        told,
        [("Port_Group/g".to_owned(), &Change::Inserted)],
        "a port that nothing refers to vanishes"
    );

    let attach = Elem::Item(kubeovn_core::rows::Atom::Row(RowKey::new(LSP, "p")));
    let born = [("ports", [attach.clone()].into())].into();
    let switch = Op { row: RowKey::new(LS, "lan"), act: Act::Insert(spec("lan"), born) };
    let (_, outcome) = db.commit(&txn(2, vec![switch, insert(LSP, "p")]));
    assert_eq!(outcome, Outcome::Done);
    assert!(db.replica.holds(&RowKey::new(LS, "lan"), "ports", &attach));
    assert_eq!(db.replica.value(&RowKey::new(LSP, "p"), "type"), Some(&Value::str("")));
}

#[test]
fn a_refusal_names_the_row_and_changes_nothing() {
    let mut db = Sync::new(&NORTHBOUND);
    db.commit(&txn(1, vec![insert(PG, "g")]));
    let before = db.server.dump();
    let twin =
        Op { row: RowKey::new(PG, "other"), act: Act::Insert(spec("g"), std::collections::BTreeMap::new()) };
    let (changes, outcome) = db.commit(&txn(2, vec![insert(LS, "lan"), twin]));
    assert_eq!(refused(&outcome), Some(&RowKey::new(PG, "other")));
    assert!(changes.is_empty());
    assert_eq!(db.server.dump(), before);
}

#[test]
fn a_replica_that_joins_late_is_the_same() {
    let mut db = Sync::new(&NORTHBOUND);
    db.commit(&txn(1, vec![insert(PG, "g"), insert(LS, "lan")]));
    let late = Sync::with(&NORTHBOUND, db.server.clone());
    let rows = |db: &Sync| {
        let mut rows = Vec::new();
        db.replica.ours(&mut |row, _| rows.push(row.clone()));
        rows
    };
    assert_eq!(rows(&late).len(), 2);
    assert_eq!(rows(&late), rows(&db));
}

#[cfg(feature = "client")]
mod clients {
    use kubeovn_core::contract::database::{Database, DbEvent};

    use super::*;
    use crate::{memory::Fault, memory::Memory};

    fn memory() -> Memory {
        Memory::new(&NORTHBOUND, Server::of(&NORTHBOUND))
    }

    fn has(db: &Memory, row: &RowKey) -> bool {
        db.replica().has(row)
    }

    fn group() -> RowKey {
        RowKey::new(PG, "g")
    }

    fn committed(id: u64, outcome: Outcome) -> DbEvent {
        DbEvent::Committed { id, outcome }
    }

    fn inserted(event: &DbEvent) -> bool {
        matches!(event, DbEvent::Changed(changes) if changes[0].row == group() && changes[0].what == Change::Inserted)
    }

    #[tokio::test]
    async fn the_replica_has_it_before_the_answer_comes() {
        let mut db = memory();
        assert_eq!(db.next().await, DbEvent::Resynced);
        db.submit(txn(1, vec![insert(PG, "g")]));
        assert!(!has(&db, &group()), "not before the event");
        assert!(inserted(&db.next().await));
        assert!(has(&db, &group()));
        assert_eq!(db.next().await, committed(1, Outcome::Done));
        db.submit(txn(2, Vec::new()));
        assert_eq!(db.next().await, committed(2, Outcome::Done));
    }

    #[tokio::test]
    async fn others_see_it_too() {
        let mut one = memory();
        let mut two = one.another();
        assert_eq!((one.next().await, two.next().await), (DbEvent::Resynced, DbEvent::Resynced));
        one.submit(txn(1, vec![insert(PG, "g")]));
        assert!(inserted(&two.next().await));
        assert!(has(&two, &group()) && !has(&one, &group()));
        let late = one.another();
        assert!(inserted(&one.next().await));
        drop(late);
    }

    #[tokio::test]
    async fn a_fault_happens_once() {
        let mut db = memory();
        db.inject(Fault::Reject("no".to_owned()));
        assert_eq!(db.next().await, DbEvent::Resynced);
        for outcome in [Outcome::Rejected { text: "no".to_owned(), row: None }, Outcome::Done] {
            db.submit(txn(1, vec![insert(PG, "g")]));
            let mut event = db.next().await;
            if outcome == Outcome::Done {
                assert!(inserted(&event));
                event = db.next().await;
            }
            assert_eq!(event, committed(1, outcome));
        }
    }

    #[tokio::test]
    async fn after_an_unknown_outcome_all_is_read_again() {
        for (fault, applied) in [(Fault::LostApplied, true), (Fault::LostUnseen, false)] {
            let mut db = memory();
            let mut other = db.another();
            db.inject(fault);
            assert_eq!((db.next().await, other.next().await), (DbEvent::Resynced, DbEvent::Resynced));
            db.submit(txn(7, vec![insert(PG, "g")]));
            assert_eq!(db.next().await, committed(7, Outcome::Unknown));
            assert!(matches!(db.next().await, DbEvent::Lost { .. }));
            assert!(!has(&db, &group()));
            assert_eq!(db.next().await, DbEvent::Resynced);
            assert_eq!(has(&db, &group()), applied);
            if applied {
                assert!(inserted(&other.next().await));
            }
        }
    }

    #[tokio::test]
    async fn what_somebody_else_deleted_meanwhile_makes_the_outcome_unknown() {
        let mut db = memory();
        assert_eq!(db.next().await, DbEvent::Resynced);
        db.submit(txn(1, vec![insert(PG, "g")]));
        db.next().await;
        db.next().await;
        let results = db.transact(&[Operation::Delete { table: PG.into(), r#where: Vec::new() }]);
        assert_eq!(results, [OpResult::Count(1)]);
        db.submit(txn(2, vec![Op { row: group(), act: Act::Delete }]));
        assert!(matches!(db.next().await, DbEvent::Changed(_)));
        assert_eq!(db.next().await, committed(2, Outcome::Unknown));
        assert_eq!(db.next().await, DbEvent::Resynced);
        assert!(!has(&db, &group()));
        assert!(db.inspect(|server| server.rows(PG).is_empty()));
    }
}
