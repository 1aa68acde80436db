//! Our own client, and clients in the process.

use std::collections::BTreeMap;

use kubeovn_core::{
    contract::database::{Database, DbEvent},
    rows::{Act, EXTERNAL_IDS, Elem, KEY_ROW, KEY_VENDOR, Op, Outcome, RowKey, RowSpec, Txn, VENDOR, Value},
};
use kubeovn_ovn::{
    memory::{
        self,
        serve::{ServeConfig, Served},
    },
    nb::{LOGICAL_SWITCH, LOGICAL_SWITCH_PORT, NORTHBOUND},
    ovsdb::{
        client::Client,
        connect::{ConnectConfig, Connector},
        txn::Identity,
    },
};
use tokio::time::{Duration, timeout};
use uuid::Uuid;

use super::{
    Raw, northbound,
    server::{DATABASE, Directory},
};

fn client(served: &Served, identity: Identity) -> Client {
    let config = ConnectConfig::new(served.endpoint().into(), DATABASE);
    Client::new(&NORTHBOUND, Connector::new(config, Box::new(|| 0.5)), identity, None)
}

async fn next(db: &mut dyn Database) -> DbEvent {
    timeout(Duration::from_secs(20), db.next()).await.expect("an event")
}

async fn commit(db: &mut dyn Database, txn: Txn) -> Outcome {
    db.submit(txn);
    loop {
        match next(db).await {
            DbEvent::Committed { outcome, .. } => return outcome,
            DbEvent::Changed(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A switch with a port.
fn network(name: &str) -> Txn {
    let spec = |row: &RowKey| {
        let mut spec = RowSpec::default();
        spec.set("name", Value::str(&*row.id));
        spec.pair(EXTERNAL_IDS, KEY_VENDOR, VENDOR).pair(EXTERNAL_IDS, KEY_ROW, row.id.clone());
        spec
    };
    let (switch, port) = (RowKey::new(LOGICAL_SWITCH, name), port(name));
    let born = BTreeMap::from([("ports", [item(&port)].into())]);
    let insert = |row: &RowKey, born| Op { row: row.clone(), act: Act::Insert(spec(row), born) };
    Txn { id: 1, ops: vec![insert(&switch, born), insert(&port, BTreeMap::new())] }
}

fn port(name: &str) -> RowKey {
    RowKey::new(LOGICAL_SWITCH_PORT, format!("{name}.port"))
}

fn item(row: &RowKey) -> Elem {
    Elem::Item(kubeovn_core::rows::Atom::Row(row.clone()))
}

fn holds(db: &dyn Database, name: &str) -> bool {
    db.replica().holds(&RowKey::new(LOGICAL_SWITCH, name), "ports", &item(&port(name)))
}

/// Before OVS 2.13 a server drew all UUIDs itself.
#[tokio::test]
async fn a_server_that_draws_uuids_is_written_by_name() {
    let directory = Directory::new();
    let old = northbound().without_given_uuids();
    let served = Served::bind(old, directory.path("old.sock"), ServeConfig::default()).unwrap();
    let mut given = client(&served, Identity::Given(Uuid::nil()));
    let mut drawn = client(&served, Identity::Drawn);
    assert_eq!((next(&mut given).await, next(&mut drawn).await), (DbEvent::Resynced, DbEvent::Resynced));
    match commit(&mut given, network("lan")).await {
        Outcome::Rejected { text, .. } => {
            let words =
                "Parsing ovsdb operation 1 of 2 failed: Member 'uuid' is present but not allowed here.";
            assert!(text.contains("syntax error") && text.contains(words), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(commit(&mut drawn, network("lan")).await, Outcome::Done);
    assert!(holds(&drawn, "lan"));
}

/// Clients of the socket, of the process, and of the wire see what each of them does, in one order.
#[tokio::test]
async fn all_kinds_of_clients_see_each_other() {
    let directory = Directory::new();
    let mut inside = memory::Memory::new(&NORTHBOUND, memory::Server::of(&NORTHBOUND));
    let served = inside.serve(directory.path("nb.sock"), ServeConfig::default()).unwrap();
    let second = inside.serve(directory.path("nb2.sock"), ServeConfig::default()).unwrap();
    let mut late = served.client(&NORTHBOUND);
    let mut one = client(&served, Identity::Given(Uuid::nil()));
    let mut two = client(&second, Identity::Given(Uuid::nil()));
    {
        let mut all: [&mut dyn Database; 4] = [&mut inside, &mut late, &mut one, &mut two];
        for db in &mut all {
            assert_eq!(next(&mut **db).await, DbEvent::Resynced);
        }
        for writer in 0..all.len() {
            let name = format!("lan{writer}");
            assert_eq!(commit(all[writer], network(&name)).await, Outcome::Done, "{name}");
            for (reader, db) in all.iter_mut().enumerate() {
                if reader != writer {
                    assert!(matches!(next(&mut **db).await, DbEvent::Changed(_)), "{reader} of {name}");
                }
                assert!(holds(&**db, &name), "{reader} does not see {name}");
            }
        }
    }
    // the end of one socket is not the end of the other
    drop(second);
    assert!(matches!(next(&mut two).await, DbEvent::Lost { .. }));
    assert_eq!(commit(&mut one, network("after")).await, Outcome::Done);
}

/// Our own description has no text; what is served of it is enough for programs.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn our_own_description_can_be_served() {
    let directory = Directory::new();
    let own = memory::Server::of(&NORTHBOUND);
    let served = Served::bind(own, directory.path("own.sock"), ServeConfig::default()).unwrap();
    let endpoint = served.endpoint().to_string();
    Raw::connect(&endpoint).transact(&[super::raw::switch("lan")]);
    for (arguments, wanted) in [
        (["list-columns", &endpoint, DATABASE, LOGICAL_SWITCH].as_slice(), "ports"),
        (&["dump", &endpoint, DATABASE, LOGICAL_SWITCH, "name"], "lan"),
    ] {
        let output = std::process::Command::new("ovsdb-client").args(arguments).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && printed.contains(wanted), "{printed}");
    }
}

/// A client that resumes holds what it held, and gets what it missed.
#[tokio::test]
async fn our_client_comes_back() {
    let directory = Directory::new();
    let mut inside = memory::Memory::new(&NORTHBOUND, northbound());
    let path = directory.path("again.sock");
    let served = inside.serve(&path, ServeConfig::default()).unwrap();
    let mut outside = client(&served, Identity::Given(Uuid::nil()));
    assert_eq!((next(&mut inside).await, next(&mut outside).await), (DbEvent::Resynced, DbEvent::Resynced));
    assert_eq!(commit(&mut outside, network("kept")).await, Outcome::Done);
    drop(served);
    assert!(matches!(next(&mut outside).await, DbEvent::Lost { .. }));
    assert_eq!(commit(&mut inside, network("missed")).await, Outcome::Done);
    let _served = inside.serve(&path, ServeConfig::default()).unwrap();
    assert_eq!(next(&mut outside).await, DbEvent::Resynced);
    assert!(holds(&outside, "kept") && holds(&outside, "missed"));
    assert_eq!(commit(&mut outside, network("more")).await, Outcome::Done);
}
