//! Big, slow and broken real servers.
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
    sync::Arc,
    time::{Duration, Instant},
};

use kubeovn_core::{
    contract::database::{Database, DbEvent},
    rows::{Act, EXTERNAL_IDS, KEY_ROW, KEY_VENDOR, Op, Outcome, RowKey, RowSpec, Txn, VENDOR, Value},
};
use kubeovn_ovn::{
    nb::{LOGICAL_SWITCH, LOGICAL_SWITCH_PORT, NORTHBOUND},
    ovsdb::{
        client::{AuditConfig, Client},
        connect::{ConnectConfig, Connector},
        session::{Session, SessionConfig, SessionEvent},
        txn::Identity,
        wire::{Atom, Datum, OpResult, Operation, Row},
    },
};
use tokio::{net::UnixStream, time::timeout};
use uuid::Uuid;

use server::{DATABASE, Directory, Server};

const PATIENCE: Duration = Duration::from_mins(2);

/// What makes a server probe its clients over TCP: its remotes are in the database.
const REMOTES: &str = "db:OVN_Northbound,NB_Global,connections";

fn client(endpoint: &str, change: impl FnOnce(&mut ConnectConfig)) -> Client {
    let mut config = ConnectConfig::new(endpoint.parse().unwrap(), DATABASE);
    change(&mut config);
    let connector = Connector::new(config, Box::new(|| 0.5));
    Client::new(&NORTHBOUND, connector, Identity::Given(Uuid::from_u128(7)), None)
}

async fn next(client: &mut Client) -> DbEvent {
    timeout(PATIENCE, client.next()).await.expect("an event")
}

fn key(name: &str) -> RowKey {
    RowKey::new(LOGICAL_SWITCH, format!("ls/{name}"))
}

fn insert(id: u64, name: &str) -> Txn {
    let mut spec = RowSpec::default();
    spec.set("name", Value::str(name)).pair(EXTERNAL_IDS, KEY_VENDOR, VENDOR);
    spec.pair(EXTERNAL_IDS, KEY_ROW, &*key(name).id);
    Txn { id, ops: vec![Op { row: key(name), act: Act::Insert(spec, [].into()) }] }
}

fn insert_row(table: &str, row: Row, name: Option<String>) -> Operation {
    Operation::Insert { table: table.into(), row, uuid: None, name: name.map(Into::into) }
}

/// Operations that make a switch with so many ports of some 1.7 KB each.
fn switch(number: usize, ports: usize) -> Vec<Operation> {
    let port = |at: usize| {
        let name = format!("port-{number}-{at}");
        let notes = (0..16).map(|note| {
            (Atom::from(format!("note-{note}")), Atom::from(format!("{name}-{}", "n".repeat(80))))
        });
        let row =
            Row::from([(Arc::from("name"), Datum::from(&*name)), (EXTERNAL_IDS.into(), Datum::map(notes))]);
        insert_row(LOGICAL_SWITCH_PORT, row, Some(format!("p{at}")))
    };
    let refs = Datum::set((0..ports).map(|at| Atom::Named(format!("p{at}").into())));
    let row =
        Row::from([(Arc::from("name"), Datum::from(&*format!("switch-{number}"))), ("ports".into(), refs)]);
    (0..ports).map(port).chain([insert_row(LOGICAL_SWITCH, row, None)]).collect()
}

/// Runs transactions, two at a time, each of which must pass.
async fn load(server: &Server, transactions: impl Iterator<Item = Vec<Operation>>) {
    let (reader, writer) = UnixStream::connect(server.socket()).await.unwrap().into_split();
    let config = SessionConfig { transact_timeout: PATIENCE, ..SessionConfig::default() };
    let (session, mut events) = Session::start(reader, writer, &config);
    let mut answered = async || match timeout(PATIENCE, events.next()).await.expect("an answer") {
        SessionEvent::Reply { result, .. } => assert_eq!(OpResult::first_error(&result.unwrap()), None),
        other => panic!("{other:?}"),
    };
    for operations in transactions {
        session.submit(0, DATABASE, &operations).unwrap();
        if session.in_flight() >= 2 {
            answered().await;
        }
    }
    while session.in_flight() > 0 {
        answered().await;
    }
}

/// A remote on a port of the kernel's choice whose clients must answer within a second or two, the shortest there is.
fn probing_remote() -> Vec<Operation> {
    let connection = Row::from([
        (Arc::from("target"), Datum::from("ptcp:0:127.0.0.1")),
        ("inactivity_probe".into(), Datum::from(1000)),
    ]);
    let named = Datum::set([Atom::Named("c".into())]);
    vec![
        insert_row("Connection", connection, Some("c".into())),
        insert_row("NB_Global", Row::from([(Arc::from("connections"), named)]), None),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_100_mb_is_taken_from_a_server_that_probes_every_second() {
    const SWITCHES: usize = 30;
    const PORTS: usize = 2_000;
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[REMOTES]);
    let start = Instant::now();
    load(&server, (0..SWITCHES).map(|number| switch(number, PORTS)).chain([probing_remote()])).await;
    eprintln!("loaded in {:?}", start.elapsed());

    let start = Instant::now();
    let mut client = client(&format!("tcp:127.0.0.1:{}", server.port()), |_| {});
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    eprintln!("{} rows dumped in {:?}", client.held().len(), start.elapsed());
    assert_eq!(client.held().keys(LOGICAL_SWITCH_PORT).len(), SWITCHES * PORTS);
    let row = RowKey::named(LOGICAL_SWITCH_PORT, "port-29-1999");
    assert!(client.replica().pair(&row, EXTERNAL_IDS, "note-15").is_some_and(|note| note.len() > 80));
    // and it stays, with nothing but the server's probes on the wire
    let idle = timeout(Duration::from_millis(3500), client.next()).await;
    assert!(idle.is_err(), "{idle:?}");
    client.submit(insert(1, "after"));
    assert!(matches!(next(&mut client).await, DbEvent::Changed(_)));
    assert_eq!(next(&mut client).await, DbEvent::Committed { id: 1, outcome: Outcome::Done });
    assert_eq!(client.stats().reconnects, 0, "the first session lasted");
}

#[tokio::test]
async fn a_stopped_server_is_noticed_within_two_probes_and_taken_again_when_it_goes_on() {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &["ptcp:0:127.0.0.1"]);
    let probe = Duration::from_secs(3);
    let mut client =
        client(&format!("tcp:127.0.0.1:{}", server.port()), |config| config.session.probe = probe);
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    server.signal("STOP");
    let start = Instant::now();
    let DbEvent::Lost { reason } = next(&mut client).await else { panic!("not lost") };
    let noticed = start.elapsed();
    assert!(reason.contains("silent"), "{reason}");
    assert!(noticed < probe * 2 + Duration::from_secs(5), "{noticed:?}");
    // connections to a stopped server come about, and are given up one by one
    let vain = timeout(Duration::from_secs(3), client.next()).await;
    assert!(vain.is_err(), "{vain:?}");
    server.signal("CONT");
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    assert_eq!(client.epoch(), 2, "a standalone server has no history to go on from");
    client.submit(insert(1, "a"));
    assert!(matches!(next(&mut client).await, DbEvent::Changed(_)));
    assert_eq!(next(&mut client).await, DbEvent::Committed { id: 1, outcome: Outcome::Done });
}

#[tokio::test]
async fn a_leader_without_a_majority_answers_echoes_and_is_left_when_a_write_is_overdue() {
    let directory = Directory::new();
    // the leader remains one for longer than we wait
    let servers = Server::steady_cluster(&directory);
    let (leader, others) = server::leader(&servers);
    let mut client = client(&leader.endpoint(), |config| {
        config.session.transact_timeout = Duration::from_millis(300);
    });
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    others.iter().for_each(|server| server.signal("STOP"));
    client.submit(insert(1, "a"));
    assert_eq!(next(&mut client).await, DbEvent::Committed { id: 1, outcome: Outcome::Unknown });
    let DbEvent::Lost { reason } = next(&mut client).await else { panic!("not lost") };
    assert!(reason.contains("OVSDB-OVERDUE"), "{reason}");
    others.iter().for_each(|server| server.signal("CONT"));
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
}

#[tokio::test]
async fn the_audit_of_a_healthy_server_finds_nothing_while_everything_changes() {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);
    let audit = AuditConfig { round: Duration::from_millis(40), rounds: 2, slice: 3 };
    let mut client = client(&server.endpoint(), |_| {}).with_audit(Some(audit));
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    // rows of every kind that the schema has, with and without defaults, references, maps
    let commands = [
        "init",
        "set NB_Global . options:a=1",
        "ls-add s1",
        "lsp-add s1 p1",
        "lsp-set-addresses p1 dynamic",
        "lsp-set-options p1 a=1 b=2",
        "lr-add r1",
        "lrp-add r1 r1-s1 00:00:00:00:00:01 10.0.0.1/24",
        "set Logical_Router_Port r1-s1 enabled=false",
        "lr-route-add r1 0.0.0.0/0 10.0.0.2",
        "lr-policy-add r1 100 ip4 reroute 10.0.0.3,10.0.0.4",
        "acl-add s1 to-lport 100 ip4 drop",
        "pg-add g1 p1",
        "create Address_Set name=as1 addresses=10.0.0.1,10.0.0.2",
        "lsp-set-options p1 b=3",
        "remove NB_Global . options a",
        "lsp-del p1",
        "set Address_Set as1 addresses=10.0.0.2,10.0.0.9",
        "lr-policy-del r1",
        "clear Logical_Router_Port r1-s1 enabled",
    ];
    let changing = tokio::task::spawn_blocking(move || {
        for command in commands {
            server.nbctl(&command.split(' ').collect::<Vec<_>>());
        }
        for round in 0..15 {
            server.nbctl(&["ls-add", &format!("more-{round}")]);
        }
        server
    });
    let start = client.stats().audits;
    let following = async {
        loop {
            match client.next().await {
                DbEvent::Changed(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let _server = tokio::select! {
        server = changing => server.unwrap(),
        () = following => panic!("it follows for ever"),
    };
    // and once more in peace
    let quiet = timeout(Duration::from_millis(300), async {
        loop {
            let event = client.next().await;
            assert!(matches!(event, DbEvent::Changed(_)), "{event:?}");
        }
    });
    assert!(quiet.await.is_err());
    let stats = client.stats();
    assert!(stats.audits > start + 50, "{stats:?}");
    assert_eq!((stats.mismatches, stats.reconnects, stats.epoch), (0, 0, 1));
}
