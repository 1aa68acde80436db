//! The database contract over real servers: replica, transactions, loss, fence.
#![cfg(feature = "client")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may panic and print"
)]

#[path = "support/server.rs"]
mod server;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use kubeovn_core::{
    contract::database::{Database, DbEvent},
    rows::{
        Act, Change, Delta, EXTERNAL_IDS, KEY_ROW, KEY_VENDOR, Op, Outcome, RowKey, RowSpec, Txn, VENDOR,
        Value,
    },
};
use kubeovn_ovn::{
    nb::{LOGICAL_SWITCH, NB_GLOBAL, NORTHBOUND},
    ovsdb::{
        client::{Authority, Client, FENCE_KEY, FenceConfig, SoleWriter},
        connect::{ConnectConfig, Connector},
        txn::Identity,
    },
};
use tokio::time::timeout;
use uuid::Uuid;

use server::{DATABASE, Directory, Server};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server is silent after two of these: one that only gets little of a slow machine is not.
const PROBE: Duration = Duration::from_secs(3);

fn config(server: &Server) -> ConnectConfig {
    ConnectConfig::new(server.endpoint().parse().unwrap(), DATABASE)
}

fn client(config: ConnectConfig, fence: Option<FenceConfig>) -> Client {
    let connector = Connector::new(config, Box::new(|| 0.5));
    Client::new(&NORTHBOUND, connector, Identity::Given(Uuid::from_u128(7)), fence)
}

fn fence(authority: impl Authority + 'static) -> FenceConfig {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let nonce = Box::new(|| DRAWN.fetch_add(1, Ordering::Relaxed));
    FenceConfig { authority: Arc::new(authority), nonce, eager: false }
}

/// A lease whose term is set by the test; 0 is "not held".
struct Lease(Arc<AtomicU64>);

#[async_trait]
impl Authority for Lease {
    async fn term(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|term| *term > 0)
    }
}

async fn next(client: &mut Client) -> DbEvent {
    timeout(PATIENCE, client.next()).await.expect("an event")
}

/// The outcome of a transaction; only changes may come before it.
async fn commit(client: &mut Client, txn: Txn) -> Outcome {
    let wanted = txn.id;
    client.submit(txn);
    loop {
        match next(client).await {
            DbEvent::Committed { id, outcome } if id == wanted => return outcome,
            DbEvent::Changed(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn key(name: &str) -> RowKey {
    RowKey::new(LOGICAL_SWITCH, format!("ls/{name}"))
}

fn insert(id: u64, name: &str) -> Txn {
    let mut spec = RowSpec::default();
    spec.set("name", Value::str(name)).pair(EXTERNAL_IDS, KEY_VENDOR, VENDOR);
    spec.pair(EXTERNAL_IDS, KEY_ROW, &*key(name).id);
    Txn { id, ops: vec![Op { row: key(name), act: Act::Insert(spec, BTreeMap::new()) }] }
}

fn delete(id: u64, name: &str) -> Txn {
    Txn { id, ops: vec![Op { row: key(name), act: Act::Delete }] }
}

fn rename(id: u64, name: &str, to: &str) -> Txn {
    let delta = Delta { values: BTreeMap::from([("name", Value::str(to))]), ..Delta::default() };
    Txn { id, ops: vec![Op { row: key(name), act: Act::Change(delta) }] }
}

fn token(client: &Client) -> Option<Arc<str>> {
    client.replica().pair(&RowKey::named(NB_GLOBAL, ""), EXTERNAL_IDS, FENCE_KEY).cloned()
}

#[tokio::test]
async fn a_change_is_seen_before_its_transaction_is_answered() {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);
    let mut client = client(config(&server), None);
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    assert!(client.server_schema().unwrap().column(LOGICAL_SWITCH, "name").is_some());

    client.submit(insert(1, "a"));
    let DbEvent::Changed(changes) = next(&mut client).await else { panic!("no change") };
    assert_eq!((&changes[0].row, &changes[0].what), (&key("a"), &Change::Inserted));
    assert_eq!(client.replica().value(&key("a"), "name"), Some(&Value::str("a")));
    assert_eq!(next(&mut client).await, DbEvent::Committed { id: 1, outcome: Outcome::Done });

    client.submit(Txn { id: 2, ops: Vec::new() });
    assert_eq!(next(&mut client).await, DbEvent::Committed { id: 2, outcome: Outcome::Done });
    let Outcome::Rejected { row, .. } = commit(&mut client, insert(3, "a")).await else {
        panic!("not refused")
    };
    assert_eq!(row, Some(key("a")));
    assert_eq!(commit(&mut client, rename(4, "a", "b")).await, Outcome::Done);
    assert_eq!(client.replica().value(&key("a"), "name"), Some(&Value::str("b")));
    assert_eq!(commit(&mut client, delete(5, "a")).await, Outcome::Done);
    assert!(!client.replica().has(&key("a")));
}

#[tokio::test]
async fn no_event_is_lost_when_next_is_canceled() {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);
    let mut client = client(config(&server), Some(fence(SoleWriter)));
    let mut events = Vec::new();
    let mut submitted = 0;
    while events.len() < 101 {
        // given up at nearly every await
        if let Ok(event) = timeout(Duration::from_micros(50), client.next()).await {
            match event {
                DbEvent::Changed(_) => continue,
                DbEvent::Resynced => {
                    for id in 0..100 {
                        client.submit(insert(id, &format!("s{id}")));
                        submitted += 1;
                    }
                }
                _ => {}
            }
            events.push(event);
        }
    }
    let committed = (0..submitted).map(|id| DbEvent::Committed { id, outcome: Outcome::Done });
    let expected: Vec<DbEvent> = [DbEvent::Resynced].into_iter().chain(committed).collect();
    assert_eq!(events, expected);
}

#[tokio::test]
async fn a_transaction_in_flight_at_a_crash_is_unknown_and_the_client_comes_back() {
    let directory = Directory::new();
    let mut server = Server::standalone(&directory, &[]);
    let mut client = client(config(&server), Some(fence(SoleWriter)));
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    assert_eq!(commit(&mut client, insert(1, "a")).await, Outcome::Done);
    let before = token(&client).unwrap();

    server.signal("STOP");
    client.submit(insert(2, "b"));
    assert!(
        timeout(Duration::from_millis(50), client.next()).await.is_err(),
        "a stopped server answers nothing"
    );
    server.kill();
    assert_eq!(next(&mut client).await, DbEvent::Committed { id: 2, outcome: Outcome::Unknown });
    assert!(matches!(next(&mut client).await, DbEvent::Lost { .. }));
    assert!(client.replica().has(&key("a")), "the last state stays to be read");
    client.submit(insert(3, "c"));
    assert_eq!(next(&mut client).await, DbEvent::Committed { id: 3, outcome: Outcome::Unknown });

    server.run();
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    assert_ne!(token(&client).unwrap(), before, "a late transaction would still pass the fence");
    assert!(client.replica().has(&key("a")) && !client.replica().has(&key("c")));
    assert_eq!(commit(&mut client, insert(4, "c")).await, Outcome::Done);
}

#[tokio::test]
async fn what_a_frozen_member_commits_late_is_stopped_by_the_fence() {
    let directory = Directory::new();
    let servers = Server::steady_cluster(&directory);
    let (leader, followers) = server::leader(&servers);
    let frozen = followers[0];
    let endpoints = format!("{},{}", frozen.endpoint(), leader.endpoint());
    let mut config = ConnectConfig::new(endpoints.parse().unwrap(), DATABASE);
    config.leader_only = false;
    config.connect_timeout = Duration::from_secs(1);
    config.session.probe = PROBE;
    config.session.call_timeout = Duration::from_secs(1);
    let mut client = client(config, Some(fence(SoleWriter)));
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    assert_eq!(commit(&mut client, insert(1, "a")).await, Outcome::Done);

    frozen.signal("STOP");
    client.submit(insert(2, "ghost"));
    assert_eq!(next(&mut client).await, DbEvent::Committed { id: 2, outcome: Outcome::Unknown });
    assert!(matches!(resynced(&mut client).await.as_slice(), [DbEvent::Lost { .. }]));
    assert!(!client.replica().has(&key("ghost")), "it lies in the socket of the frozen member");
    frozen.signal("CONT");
    // the member has read what lay in its sockets when it takes part in the cluster again
    server::wait_for("the member to catch up", || {
        let log = |server: &Server| {
            let status = server.control_command(&["cluster/status", DATABASE]);
            status.lines().find(|line| line.starts_with("Log:")).map(str::to_owned)
        };
        (frozen.is_cluster_member() && log(frozen) == log(leader)).then_some(())
    });
    frozen.nbctl(&["ls-add", "marker"]);
    for name in ["b", "c"] {
        assert_eq!(commit(&mut client, insert(3, name)).await, Outcome::Done);
    }
    assert!(!client.replica().has(&key("ghost")), "a transaction given up was applied behind our back");
}

#[tokio::test]
async fn what_was_given_up_never_appears_after_the_resync() {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);
    let mut config = config(&server);
    config.session.probe = PROBE;
    let mut client = client(config, Some(fence(SoleWriter)));
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    assert_eq!(commit(&mut client, insert(1, "a")).await, Outcome::Done);
    let before = token(&client).unwrap();

    server.signal("STOP");
    client.submit(insert(2, "ghost"));
    assert_eq!(next(&mut client).await, DbEvent::Committed { id: 2, outcome: Outcome::Unknown });
    let DbEvent::Lost { reason } = next(&mut client).await else { panic!("not lost") };
    assert!(reason.contains("silent"), "{reason}");
    server.signal("CONT");
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    assert_ne!(token(&client).unwrap(), before);
    let was_there = client.replica().has(&key("ghost"));
    assert_eq!(commit(&mut client, insert(3, "b")).await, Outcome::Done);
    assert_eq!(client.replica().has(&key("ghost")), was_there);
}

#[tokio::test]
async fn the_fence_is_claimed_with_the_first_write_and_leaves_other_keys_alone() {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);
    let mut client = client(config(&server), Some(fence(SoleWriter)));
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    // a fresh database has no row for the token; a restart that writes nothing makes none
    assert!(!client.replica().has(&RowKey::named(NB_GLOBAL, "")));
    assert_eq!(commit(&mut client, insert(1, "a")).await, Outcome::Done);
    let first = token(&client).unwrap();
    assert!(first.starts_with("0/"), "{first}");
    // others may add keys without invalidating the token
    server.nbctl(&["set", "NB_Global", ".", "external_ids:other=1"]);
    assert_eq!(commit(&mut client, insert(2, "b")).await, Outcome::Done);
    assert_eq!(token(&client).unwrap(), first);
    // without the token, as after a restore of an old backup: the fence is missed, and claimed among the other keys
    server.nbctl(&["remove", "NB_Global", ".", "external_ids", FENCE_KEY]);
    assert_eq!(commit(&mut client, insert(3, "c")).await, Outcome::Unknown);
    assert_eq!(resynced(&mut client).await, []);
    assert!(token(&client).is_some_and(|token| token != first));
    assert_eq!(commit(&mut client, insert(4, "c")).await, Outcome::Done);
    let other = client.replica().pair(&RowKey::named(NB_GLOBAL, ""), EXTERNAL_IDS, "other");
    assert_eq!(other.map(|value| &**value), Some("1"));
}

/// The events before the next `Resynced`, without changes.
async fn resynced(client: &mut Client) -> Vec<DbEvent> {
    let mut before = Vec::new();
    loop {
        match next(client).await {
            DbEvent::Resynced => return before,
            DbEvent::Changed(_) => {}
            other => before.push(other),
        }
    }
}

#[tokio::test]
async fn a_replaced_writer_writes_nothing_until_it_holds_the_lease_again() {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);
    let (old_term, new_term) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(2)));
    let mut old = client(config(&server), Some(fence(Lease(old_term.clone()))));
    let mut new = client(config(&server), Some(fence(Lease(new_term))));
    assert_eq!(next(&mut old).await, DbEvent::Resynced);
    assert_eq!(next(&mut new).await, DbEvent::Resynced);
    assert_eq!(commit(&mut old, insert(1, "a")).await, Outcome::Done);
    assert_eq!(commit(&mut new, insert(1, "b")).await, Outcome::Done);

    old_term.store(0, Ordering::Relaxed);
    assert_eq!(commit(&mut old, insert(2, "ghost")).await, Outcome::Unknown);
    let lost = loop {
        match next(&mut old).await {
            DbEvent::Lost { reason } => break reason,
            DbEvent::Changed(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(lost.contains("lease"), "{lost}");
    assert_eq!(commit(&mut new, insert(2, "c")).await, Outcome::Done);
    assert!(!new.replica().has(&key("ghost")));

    old_term.store(3, Ordering::Relaxed);
    assert_eq!(resynced(&mut old).await, []);
    assert!(token(&old).unwrap().starts_with("3/"));
    assert_eq!(commit(&mut old, insert(3, "d")).await, Outcome::Done);
}

#[tokio::test]
async fn an_eager_claim_stands_before_anything_is_compared() {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);
    let fence = FenceConfig { eager: true, ..fence(SoleWriter) };
    let mut client = client(config(&server), Some(fence));
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    assert!(token(&client).is_some());
}

#[tokio::test]
async fn a_cluster_is_followed_through_a_change_of_leader() {
    let directory = Directory::new();
    let servers = Server::steady_cluster(&directory);
    let endpoints: Vec<String> = servers.iter().map(Server::endpoint).collect();
    let mut client =
        client(ConnectConfig::new(endpoints.join(",").parse().unwrap(), DATABASE), Some(fence(SoleWriter)));
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    assert_eq!(commit(&mut client, insert(1, "a")).await, Outcome::Done);
    let (leader, _) = server::leader(&servers);
    leader.control_command(&["cluster/failure-test", "transfer-leadership"]);
    let before = resynced(&mut client).await;
    assert!(
        matches!(before.as_slice(), [DbEvent::Lost { reason }] if reason.contains("leader")),
        "{before:?}"
    );
    assert!(client.replica().has(&key("a")));
    assert_eq!(commit(&mut client, insert(2, "b")).await, Outcome::Done);
}

/// With a patience that would outlast the test: the others tell that one of them leads now.
#[tokio::test]
async fn a_leader_that_stands_still_is_left_for_the_next_one() {
    let directory = Directory::new();
    let servers: Vec<Server> = (1..=3).map(|number| Server::member(&directory, number)).collect();
    server::wait_for("the members to join", || servers.iter().all(Server::is_cluster_member).then_some(()));
    let endpoints: Vec<String> = servers.iter().map(Server::endpoint).collect();
    let mut config = ConnectConfig::new(endpoints.join(",").parse().unwrap(), DATABASE);
    config.session.probe = Duration::from_mins(1);
    config.session.call_timeout = Duration::from_mins(1);
    let mut client = client(config, Some(fence(SoleWriter)));
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    assert_eq!(commit(&mut client, insert(1, "a")).await, Outcome::Done);

    let (leader, _) = server::leader(&servers);
    leader.signal("STOP");
    client.submit(insert(2, "b"));
    assert_eq!(next(&mut client).await, DbEvent::Committed { id: 2, outcome: Outcome::Unknown });
    let before = resynced(&mut client).await;
    assert!(
        matches!(before.as_slice(), [DbEvent::Lost { reason }] if reason.contains("leads now")),
        "{before:?}"
    );
    assert_eq!(commit(&mut client, insert(3, "b")).await, Outcome::Done);
}
