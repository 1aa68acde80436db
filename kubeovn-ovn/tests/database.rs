//! The database contract, on every backend: what the spine relies on holds for the in-memory server as for a real
//! one.
#![cfg(feature = "client")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test may panic and print"
)]

#[path = "support/server.rs"]
mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kubeovn_core::{
    contract::database::{Database, DbEvent},
    rows::{
        Act, Change, EXTERNAL_IDS, KEY_ROW, KEY_VENDOR, Op, Outcome, RowKey, RowSpec, Txn, VENDOR, Value,
    },
};
use kubeovn_ovn::{
    memory::{
        self, Memory,
        serve::{ServeConfig, Served},
    },
    nb::{NORTHBOUND, PORT_GROUP},
    ovsdb::{
        client::Client,
        connect::{ConnectConfig, Connector},
        txn::Identity,
    },
};
use tokio::time::timeout;
use uuid::Uuid;

use server::{DATABASE, Directory, Server};

/// Two clients of one database.
struct Subject {
    one: Box<dyn Database>,
    two: Box<dyn Database>,
    _server: Option<(Server, Directory)>,
    _served: Option<(Served, Directory)>,
}

fn in_memory() -> Subject {
    let one = Memory::new(&NORTHBOUND, memory::Server::of(&NORTHBOUND));
    let two = one.another();
    Subject { one: Box::new(one), two: Box::new(two), _server: None, _served: None }
}

fn real() -> Subject {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);
    let client = || connected(&server.endpoint(), Identity::Given(Uuid::nil()));
    let (one, two) = (client(), client());
    Subject { one, two, _server: Some((server, directory)), _served: None }
}

/// The in-memory server over a socket.
fn served(database: memory::Server, identity: Identity) -> Subject {
    let directory = Directory::new();
    let served = Served::bind(database, directory.path("memory.sock"), ServeConfig::default()).unwrap();
    let client = || connected(&served.endpoint().to_string(), identity);
    let (one, two) = (client(), client());
    Subject { one, two, _server: None, _served: Some((served, directory)) }
}

fn connected(endpoint: &str, identity: Identity) -> Box<dyn Database> {
    let connector = Connector::new(ConnectConfig::new(endpoint.parse().unwrap(), DATABASE), Box::new(|| 0.5));
    Box::new(Client::new(&NORTHBOUND, connector, identity, None))
}

/// Runs a case on each backend, after both clients have read the database.
async fn on_each(case: impl AsyncFn(&mut dyn Database, &mut dyn Database)) {
    let own = || memory::Server::of(&NORTHBOUND);
    let subjects = [
        in_memory(),
        real(),
        served(own(), Identity::Given(Uuid::nil())),
        served(own().without_given_uuids(), Identity::Drawn),
    ];
    for mut subject in subjects {
        assert_eq!(next(&mut *subject.one).await, DbEvent::Resynced);
        assert_eq!(next(&mut *subject.two).await, DbEvent::Resynced);
        case(&mut *subject.one, &mut *subject.two).await;
    }
}

async fn next(db: &mut dyn Database) -> DbEvent {
    timeout(Duration::from_secs(20), db.next()).await.expect("an event")
}

/// Submits, and answers what changed before the outcome came, and the outcome.
async fn commit(db: &mut dyn Database, txn: Txn) -> (Vec<(RowKey, Change)>, Outcome) {
    let wanted = txn.id;
    db.submit(txn);
    let mut changed = Vec::new();
    loop {
        match next(db).await {
            DbEvent::Changed(rows) => changed.extend(rows.into_iter().map(|row| (row.row, row.what))),
            DbEvent::Committed { id, outcome } => {
                assert_eq!(id, wanted);
                return (changed, outcome);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn group(id: &str) -> RowKey {
    RowKey::new(PORT_GROUP, id)
}

fn insert(id: &str, name: &str) -> Op {
    let mut spec = RowSpec::default();
    spec.set("name", Value::str(name));
    spec.pair(EXTERNAL_IDS, KEY_VENDOR, VENDOR).pair(EXTERNAL_IDS, KEY_ROW, id);
    Op { row: group(id), act: Act::Insert(spec, BTreeMap::new()) }
}

fn delete(id: &str) -> Op {
    Op { row: group(id), act: Act::Delete }
}

fn txn(id: u64, ops: Vec<Op>) -> Txn {
    Txn { id, ops }
}

#[tokio::test]
async fn the_replica_holds_an_effect_before_the_outcome_is_told() {
    on_each(async |db: &mut dyn Database, _: &mut dyn Database| {
        let (changes, outcome) = commit(db, txn(1, vec![insert("a", "a"), insert("b", "b")])).await;
        assert_eq!(outcome, Outcome::Done);
        assert_eq!(changes, [(group("a"), Change::Inserted), (group("b"), Change::Inserted)]);
        assert!(db.replica().has(&group("a")));
        let (changes, outcome) = commit(db, txn(2, vec![delete("a")])).await;
        assert_eq!((changes, outcome), (vec![(group("a"), Change::Deleted)], Outcome::Done));
        assert!(!db.replica().has(&group("a")) && db.replica().has(&group("b")));
    })
    .await;
}

#[tokio::test]
async fn an_empty_transaction_is_done() {
    on_each(async |db: &mut dyn Database, _: &mut dyn Database| {
        assert_eq!(commit(db, txn(1, Vec::new())).await, (Vec::new(), Outcome::Done));
    })
    .await;
}

#[tokio::test]
async fn a_refusal_names_the_row_and_nothing_of_the_transaction_is_applied() {
    on_each(async |db: &mut dyn Database, _: &mut dyn Database| {
        commit(db, txn(1, vec![insert("a", "a")])).await;
        let (changes, outcome) = commit(db, txn(2, vec![insert("b", "b"), insert("twin", "a")])).await;
        assert!(changes.is_empty(), "{changes:?}");
        assert!(
            matches!(&outcome, Outcome::Rejected { row: Some(row), .. } if *row == group("twin")),
            "{outcome:?}"
        );
        assert!(!db.replica().has(&group("b")));
    })
    .await;
}

#[tokio::test]
async fn everybody_sees_everything() {
    on_each(async |one: &mut dyn Database, two: &mut dyn Database| {
        commit(one, txn(1, vec![insert("a", "a")])).await;
        let DbEvent::Changed(changes) = next(two).await else { panic!("no change") };
        assert_eq!(changes[0].row, group("a"));
        assert!(two.replica().has(&group("a")));
        let (_, outcome) = commit(two, txn(1, vec![delete("a")])).await;
        assert_eq!(outcome, Outcome::Done);
        assert!(matches!(next(one).await, DbEvent::Changed(_)));
        assert!(!one.replica().has(&group("a")));
    })
    .await;
}

/// What was planned on an old state must not pass for done.
#[tokio::test]
async fn writing_what_somebody_else_deleted_is_not_done() {
    on_each(async |one: &mut dyn Database, two: &mut dyn Database| {
        commit(one, txn(1, vec![insert("a", "a")])).await;
        next(two).await;
        commit(two, txn(1, vec![delete("a")])).await;
        let (_, outcome) = commit(one, txn(2, vec![delete("a")])).await;
        assert_ne!(outcome, Outcome::Done);
        if outcome == Outcome::Unknown {
            while next(one).await != DbEvent::Resynced {}
        }
        assert!(!one.replica().has(&group("a")));
        assert_eq!(commit(one, txn(3, vec![insert("a", "a")])).await.1, Outcome::Done);
    })
    .await;
}

#[tokio::test]
async fn every_transaction_is_answered_once_also_when_next_is_canceled() {
    on_each(async |db: &mut dyn Database, _: &mut dyn Database| {
        for id in 0..50 {
            db.submit(txn(id, vec![insert(&format!("g{id}"), &format!("g{id}"))]));
        }
        let mut answered = BTreeSet::new();
        while answered.len() < 50 {
            match timeout(Duration::from_micros(30), db.next()).await {
                Ok(DbEvent::Committed { id, outcome }) => {
                    assert_eq!(outcome, Outcome::Done);
                    assert!(answered.insert(id), "{id} answered twice");
                    assert!(db.replica().has(&group(&format!("g{id}"))));
                }
                Ok(DbEvent::Changed(_)) | Err(_) => {}
                Ok(other) => panic!("{other:?}"),
            }
        }
        assert!(timeout(Duration::from_millis(20), db.next()).await.is_err(), "an event too many");
    })
    .await;
}
