//! The client against a scripted server: what real servers of one version don't do on demand.

mod audit;
mod faults;

use std::{path::PathBuf, time::Duration};

use kubeovn_core::rows::{Replica as _, RowKey, Value};
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

use super::*;
use crate::{
    nb::{LOGICAL_SWITCH, NORTHBOUND},
    ovsdb::{connect::ConnectConfig, wire::codec::Splitter},
};

const FIRST: Uuid = Uuid::from_u128(0xa1);
const SECOND: Uuid = Uuid::from_u128(0xa2);

/// A listening server of the test, which plays its part message by message.
struct Script {
    listener: UnixListener,
    path: PathBuf,
}

struct Peer {
    stream: UnixStream,
    splitter: Splitter,
}

impl Script {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kubeovn-ovn-{}-{name}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self { listener: UnixListener::bind(&path).unwrap(), path }
    }

    fn client(&self) -> Client {
        self.client_with(|_| {})
    }

    fn client_with(&self, change: impl FnOnce(&mut ConnectConfig)) -> Client {
        let mut config =
            ConnectConfig::new(format!("unix:{}", self.path.display()).parse().unwrap(), "OVN_Northbound");
        change(&mut config);
        Client::new(&NORTHBOUND, Connector::new(config, Box::new(|| 0.0)), Identity::Drawn, None)
    }

    /// Accepts a client and answers what it asks before its first monitor, like a server without `_Server`.
    async fn accept(&self) -> Peer {
        let mut peer = self.connect().await;
        peer.answer("list_dbs", json!(["OVN_Northbound"])).await;
        let schema = json!({"name": "OVN_Northbound", "version": "1.0.0", "tables": {
            "Logical_Switch": {"columns": {"name": {"type": "string"}}, "isRoot": true}}});
        peer.answer("get_schema", schema).await;
        peer
    }
}

impl Script {
    /// Accepts a client, no more.
    async fn connect(&self) -> Peer {
        let (stream, _) = self.listener.accept().await.unwrap();
        Peer { stream, splitter: Splitter::new(1 << 20) }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Peer {
    async fn send(&mut self, message: Json) {
        self.stream.write_all(message.to_string().as_bytes()).await.unwrap();
    }

    async fn receive(&mut self) -> Json {
        loop {
            if let Some(frame) = self.splitter.next_frame().unwrap() {
                return serde_json::from_slice(&frame).unwrap();
            }
            let mut chunk = [0; 4096];
            let length = self.stream.read(&mut chunk).await.unwrap();
            assert!(length > 0, "the client closed the connection");
            self.splitter.push(&chunk[..length]);
        }
    }

    /// Expects a request and returns its parameters after answering it.
    async fn answer(&mut self, method: &str, result: Json) -> Json {
        let request = self.receive().await;
        assert_eq!(request["method"], method);
        self.send(json!({"id": request["id"], "result": result, "error": null})).await;
        request["params"].clone()
    }

    async fn refuse(&mut self, method: &str, error: &str) {
        let request = self.receive().await;
        assert_eq!(request["method"], method);
        self.send(json!({"id": request["id"], "result": null, "error": error})).await;
    }
}

fn rows(form: &str, rows: &[(u128, &str)]) -> Json {
    let row =
        |(uuid, name): &(u128, &str)| (Uuid::from_u128(*uuid).to_string(), json!({form: {"name": name}}));
    json!({"Logical_Switch": rows.iter().map(row).collect::<serde_json::Map<_, _>>()})
}

async fn next(client: &mut Client) -> DbEvent {
    tokio::time::timeout(Duration::from_secs(10), client.next()).await.expect("an event")
}

fn switches(client: &Client) -> Vec<&str> {
    let there = |name: &&str| client.replica.has(&RowKey::named(LOGICAL_SWITCH, name));
    ["a", "b", "c", "d"].into_iter().filter(there).collect()
}

#[tokio::test]
async fn an_old_server_is_followed_by_the_first_monitor_method() {
    let script = Script::new("old");
    let mut client = script.client();
    let server = async {
        let mut peer = script.accept().await;
        peer.refuse("monitor_cond_since", "unknown method").await;
        peer.refuse("monitor_cond", "unknown method").await;
        let params = peer.answer("monitor", rows("new", &[(1, "a")])).await;
        assert_eq!(params[2], json!({"Logical_Switch": [{"columns": ["name"]}]}), "only what the server has");
        let row = json!({"old": {"name": "a"}, "new": {"name": "b"}});
        let update = json!({"Logical_Switch": {Uuid::from_u128(1).to_string(): row}});
        peer.send(json!({"id": null, "method": "update", "params": [params[1], update]})).await;
        peer
    };
    let (first, peer) = tokio::join!(next(&mut client), server);
    assert_eq!(first, DbEvent::Resynced);
    assert_eq!(switches(&client), ["a"]);
    assert!(matches!(next(&mut client).await, DbEvent::Changed(_)));
    assert_eq!(switches(&client), ["b"]);
    drop(peer);
    assert!(matches!(next(&mut client).await, DbEvent::Lost { .. }));
    assert_eq!(switches(&client), ["b"]);
}

#[tokio::test]
async fn a_session_goes_on_where_the_last_one_ended_and_starts_anew_when_it_does_not_fit() {
    let script = Script::new("since");
    let mut client = script.client();
    let server = async {
        let mut peer = script.accept().await;
        let dump = json!([false, FIRST, rows("initial", &[(1, "a"), (2, "b")])]);
        let params = peer.answer("monitor_cond_since", dump).await;
        assert_eq!(params[3], json!(Uuid::nil()));
        peer.send(json!({"id": null, "method": "update3", "params": [params[1], SECOND, rows("insert", &[(3, "c")])]}))
            .await;
        peer
    };
    let (first, peer) = tokio::join!(next(&mut client), server);
    assert_eq!(first, DbEvent::Resynced);
    assert!(matches!(next(&mut client).await, DbEvent::Changed(_)));
    drop(peer);
    assert!(matches!(next(&mut client).await, DbEvent::Lost { .. }));

    // only the difference is sent; then one that does not fit
    let server = async {
        let mut peer = script.accept().await;
        let delta = json!([true, FIRST, rows("insert", &[(4, "d")])]);
        let params = peer.answer("monitor_cond_since", delta).await;
        assert_eq!(params[3], json!(SECOND));
        peer.send(json!({"id": null, "method": "update3", "params": [params[1], SECOND, rows("modify", &[(9, "x")])]}))
            .await;
        peer
    };
    let (second, peer) = tokio::join!(next(&mut client), server);
    assert_eq!(second, DbEvent::Resynced);
    assert_eq!(switches(&client), ["a", "b", "c", "d"]);
    let DbEvent::Lost { reason } = next(&mut client).await else { panic!("not lost") };
    assert!(reason.contains("had never told of"), "{reason}");
    assert_eq!(switches(&client), ["a", "b", "c", "d"], "the last state stays to be read");
    drop(peer);

    // after that nothing is taken over
    let server = async {
        let mut peer = script.accept().await;
        let dump = json!([false, FIRST, rows("initial", &[(2, "b")])]);
        assert_eq!(peer.answer("monitor_cond_since", dump).await[3], json!(Uuid::nil()));
        peer
    };
    let (third, _peer) = tokio::join!(next(&mut client), server);
    assert_eq!(third, DbEvent::Resynced);
    assert_eq!(switches(&client), ["b"]);
    assert_eq!(client.replica().value(&RowKey::named(LOGICAL_SWITCH, "b"), "name"), Some(&Value::str("b")));
}

#[tokio::test]
async fn a_mutation_that_met_no_row_and_a_duplicate_that_is_ours_are_unknown() {
    use kubeovn_core::rows::{Act, Op, RowSpec};
    let insert = |id| {
        let mut spec = RowSpec::default();
        spec.set("name", Value::str("a"));
        let row = RowKey::named(LOGICAL_SWITCH, "a");
        Txn { id, ops: vec![Op { row, act: Act::Insert(spec, [].into()) }] }
    };
    let script = Script::new("judge");
    let mut client = script.client();
    let server = async {
        let mut peer = script.accept().await;
        peer.answer("monitor_cond_since", json!([false, FIRST, {}])).await;
        peer
    };
    let (first, mut peer) = tokio::join!(next(&mut client), server);
    assert_eq!(first, DbEvent::Resynced);

    // a real refusal
    client.submit(insert(1));
    peer.answer("transact", json!([{"error": "constraint violation", "details": ""}])).await;
    let event = next(&mut client).await;
    assert!(matches!(event, DbEvent::Committed { id: 1, outcome: Outcome::Rejected { .. } }), "{event:?}");

    // a cluster that lost the result, ran the transaction again, and found its own row in the way
    client.submit(insert(2));
    let update = json!(["replica", SECOND, rows("insert", &[(1, "a")])]);
    peer.send(json!({"id": null, "method": "update3", "params": update})).await;
    peer.answer("transact", json!([{"error": "duplicate uuid", "details": ""}])).await;
    assert!(matches!(next(&mut client).await, DbEvent::Changed(_)));
    assert_eq!(next(&mut client).await, DbEvent::Committed { id: 2, outcome: Outcome::Unknown });
    assert_eq!(next(&mut client).await, DbEvent::Resynced);

    client.submit(Txn { id: 3, ops: vec![Op { row: RowKey::named(LOGICAL_SWITCH, "a"), act: Act::Delete }] });
    peer.answer("transact", json!([{"count": 0}])).await;
    assert_eq!(next(&mut client).await, DbEvent::Committed { id: 3, outcome: Outcome::Unknown });
    assert_eq!(next(&mut client).await, DbEvent::Resynced);

    // a server that can't take writes at all is left
    client.submit(Txn { id: 4, ops: vec![Op { row: RowKey::named(LOGICAL_SWITCH, "a"), act: Act::Delete }] });
    peer.refuse("transact", "database not open").await;
    assert_eq!(next(&mut client).await, DbEvent::Committed { id: 4, outcome: Outcome::Unknown });
    assert!(matches!(next(&mut client).await, DbEvent::Lost { .. }));
}
