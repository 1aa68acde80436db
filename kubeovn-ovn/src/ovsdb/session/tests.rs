mod limits;
mod streams;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::ovsdb::wire::codec::{FrameError, Splitter};

const ROW: &str = "36bef046-7da7-43a5-905a-c1789921606c";

/// The other end of a session: sends what it is told, shows what it gets.
struct Peer {
    stream: DuplexStream,
    splitter: Splitter,
}

impl Peer {
    async fn send(&mut self, message: Value) {
        self.stream.write_all(message.to_string().as_bytes()).await.unwrap();
    }

    /// The next message; `None` when the connection is closed.
    async fn receive(&mut self) -> Option<Value> {
        loop {
            if let Some(frame) = self.splitter.next_frame().unwrap() {
                return Some(serde_json::from_slice(&frame).unwrap());
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk).await.unwrap() {
                0 => return None,
                length => self.splitter.push(&chunk[..length]),
            }
        }
    }
}

fn start(config: &SessionConfig) -> (Session, Events, Peer) {
    let (ours, theirs) = duplex(1 << 16);
    let (reader, writer) = tokio::io::split(ours);
    let (session, events) = Session::start(reader, writer, config);
    (session, events, Peer { stream: theirs, splitter: Splitter::new(1 << 20) })
}

fn update(name: &str) -> Value {
    json!({"id": null, "method": "update2", "params": ["m", {"T": {ROW: {"modify": {"name": name}}}}]})
}

async fn closed(events: &mut Events) -> CloseReason {
    loop {
        if let SessionEvent::Closed { reason } = events.next().await {
            return reason;
        }
    }
}

#[tokio::test]
async fn dumps_updates_and_replies_keep_the_order_of_the_wire() {
    let (session, mut events, mut peer) = start(&SessionConfig::default());
    session.submit(71, "db", &[Operation::Comment { text: "a".into() }]).unwrap();
    session.monitor(MonitorMethod::Cond, "m".into(), &json!(["db", "m", {}])).unwrap();
    session.submit(72, "db", &[]).unwrap();
    let first = peer.receive().await.unwrap();
    assert_eq!(first["params"], json!(["db", {"op": "comment", "comment": "a"}]));
    assert_eq!(first["method"], "transact");
    assert_eq!(peer.receive().await.unwrap()["method"], "monitor_cond");
    peer.receive().await.unwrap();

    peer.send(json!({"id": 1, "error": null, "result": {"T": {ROW: {"initial": {"name": "a"}}}}})).await;
    peer.send(update("b")).await;
    peer.send(json!({"id": 2, "error": null, "result": []})).await;
    peer.send(update("c")).await;
    peer.send(json!({"id": 0, "error": {"error": "not leader"}, "result": null})).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(match events.next().await {
            SessionEvent::Monitored { monitor, reply } => {
                format!("{monitor} {}", reply.unwrap().updates.len())
            }
            SessionEvent::Update(update) => format!("{:?}", update.updates["T"].values().next().unwrap()),
            SessionEvent::Reply { id, result } => format!("{id} {result:?}"),
            SessionEvent::Closed { reason } => reason.to_string(),
        });
    }
    assert_eq!(
        seen,
        [
            "m 1",
            "Modify({\"name\": Set([String(\"b\")])})",
            "72 Ok([])",
            "Modify({\"name\": Set([String(\"c\")])})",
            "71 Err(ServerError { error: \"not leader\", details: \"\" })",
        ]
    );
}

#[tokio::test]
async fn an_echo_is_answered_while_a_call_waits() {
    let (session, _events, mut peer) = start(&SessionConfig::default());
    let served = async {
        let request = peer.receive().await.unwrap();
        peer.send(json!({"id": "echo", "method": "echo", "params": ["}{", 1]})).await;
        assert_eq!(peer.receive().await.unwrap(), json!({"id": "echo", "result": ["}{", 1], "error": null}));
        peer.send(json!({"id": request["id"], "result": ["db"], "error": null})).await;
    };
    let (dbs, ()) = tokio::join!(session.list_dbs(), served);
    assert_eq!(dbs.unwrap(), ["db"]);
}

#[tokio::test]
async fn a_refused_call_tells_the_servers_words() {
    let (session, _events, mut peer) = start(&SessionConfig::default());
    let served = async {
        let request = peer.receive().await.unwrap();
        assert_eq!(request["params"], json!(["db"]));
        peer.send(json!({"id": request["id"], "result": null, "error": {"error": "unknown database"}})).await;
    };
    let (schema, ()) = tokio::join!(session.get_schema("db"), served);
    assert_eq!(schema.unwrap_err().to_string(), "get_schema: unknown database");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_probed_and_then_given_up() {
    let (_session, mut events, mut peer) = start(&SessionConfig::default());
    let probe = peer.receive().await.unwrap();
    assert_eq!(probe["method"], "echo");
    peer.send(json!({"id": probe["id"], "result": [], "error": null})).await;
    assert_eq!(peer.receive().await.unwrap()["method"], "echo");
    assert_eq!(closed(&mut events).await, CloseReason::Silent { seconds: 10 });
}

#[tokio::test(start_paused = true)]
async fn a_server_is_not_blamed_for_our_own_standing_still() {
    let (_session, mut events, mut peer) = start(&SessionConfig::default());
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_hours(1)).await;
    let probe = peer.receive().await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    peer.send(json!({"id": probe["id"], "result": [], "error": null})).await;
    peer.send(update("a")).await;
    assert!(matches!(events.next().await, SessionEvent::Update(_)));
}

#[tokio::test(start_paused = true)]
async fn a_long_message_that_trickles_in_is_life() {
    let (_session, mut events, mut peer) = start(&SessionConfig::default());
    let text = update(&"x".repeat(20)).to_string();
    for byte in text.bytes() {
        tokio::time::sleep(Duration::from_secs(4)).await;
        peer.stream.write_all(&[byte]).await.unwrap();
    }
    assert!(matches!(events.next().await, SessionEvent::Update(_)));
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_transaction_ends_the_session_though_the_server_lives() {
    let (session, mut events, mut peer) = start(&SessionConfig::default());
    session.submit(1, "db", &[]).unwrap();
    let server = tokio::spawn(async move {
        while let Some(request) = peer.receive().await {
            if request["method"] == "echo" {
                peer.send(json!({"id": request["id"], "result": [], "error": null})).await;
            }
        }
    });
    assert_eq!(closed(&mut events).await, CloseReason::Overdue { id: 0, method: "transact", seconds: 30 });
    drop(session);
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_to_a_call_is_nobodys() {
    let (session, mut events, mut peer) = start(&SessionConfig::default());
    let server = tokio::spawn(async move {
        let request = peer.receive().await.unwrap();
        // bytes that keep the session alive meanwhile
        for _ in 0..11 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            peer.stream.write_all(b" ").await.unwrap();
        }
        peer.send(json!({"id": request["id"], "result": [], "error": null})).await;
        peer.send(update("after")).await;
        peer
    });
    let error = session.echo().await.unwrap_err();
    assert_eq!(error.to_string(), "echo was not answered within 10 s");
    assert!(matches!(events.next().await, SessionEvent::Update(_)));
    drop(server.await.unwrap());
    assert_eq!(closed(&mut events).await, CloseReason::Ended);
}

#[tokio::test]
async fn what_is_not_understood_ends_the_session_and_its_calls() {
    let (session, mut events, mut peer) = start(&SessionConfig::default());
    let served = async {
        peer.receive().await.unwrap();
        peer.send(json!({"id": null, "method": "update2", "params": [{}]})).await;
    };
    let (answer, ()) = tokio::join!(session.echo(), served);
    assert!(matches!(answer, Err(RpcError::Closed { method: "echo" })), "{answer:?}");
    assert!(matches!(closed(&mut events).await, CloseReason::Decoding { .. }));
    assert!(matches!(session.echo().await, Err(RpcError::Closed { .. })));

    let (_session, mut events, mut peer) =
        start(&SessionConfig { max_message: 50, ..SessionConfig::default() });
    peer.send(json!({"id": null, "method": "locked", "params": ["x".repeat(50)]})).await;
    assert_eq!(closed(&mut events).await, CloseReason::Framing(FrameError::TooLong { limit: 50 }));
}

#[tokio::test]
async fn dropping_the_session_closes_the_connection() {
    let (session, mut events, mut peer) = start(&SessionConfig::default());
    drop(session);
    assert_eq!(peer.receive().await, None);
    assert_eq!(closed(&mut events).await, CloseReason::Dropped);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_is_behind_slows_the_server_and_loses_nothing() {
    let (_session, mut events, mut peer) =
        start(&SessionConfig { max_events: 1, ..SessionConfig::default() });
    let server = tokio::spawn(async move {
        for number in 0..2000 {
            peer.send(update(&number.to_string())).await;
        }
        peer
    });
    // paused time passes only when every task waits: more was sent than queue, buffers and one read can hold
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!server.is_finished());
    for number in 0..2000 {
        let SessionEvent::Update(update) = events.next().await else { panic!("not an update") };
        let name = crate::ovsdb::wire::Row::from([(Arc::from("name"), number.to_string().as_str().into())]);
        assert_eq!(
            *update.updates["T"].values().next().unwrap(),
            crate::ovsdb::wire::RowUpdate::Modify(name)
        );
    }
    server.await.unwrap();
}
