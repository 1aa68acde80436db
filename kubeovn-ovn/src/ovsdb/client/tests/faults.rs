//! Servers that break off, say what was not asked for, or have too much to do.

use kubeovn_core::rows::{Act, Op};
use tokio::time::{Instant, sleep, timeout};

use super::*;

fn delete(id: u64) -> Txn {
    Txn { id, ops: vec![Op { row: RowKey::named(LOGICAL_SWITCH, "a"), act: Act::Delete }] }
}

/// The answers of a whole exchange, up to the first update.
fn answers() -> Vec<String> {
    let schema = json!({"name": "OVN_Northbound", "version": "1.0.0", "tables": {
        "Logical_Switch": {"columns": {"name": {"type": "string"}}, "isRoot": true}}});
    [json!(["OVN_Northbound"]), schema, json!([false, FIRST, rows("initial", &[(1, "a")])])]
        .into_iter()
        .enumerate()
        .map(|(id, result)| json!({"id": id, "result": result, "error": null}).to_string())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_after_any_byte_of_a_start_is_tried_again() {
    let answers = answers();
    let all: usize = answers.iter().map(String::len).sum();
    let script = Script::new("cut");
    let mut client = script.client();
    let serving = async {
        for budget in 0..all {
            let mut peer = script.connect().await;
            let mut left = budget;
            for answer in &answers {
                peer.receive().await;
                let bytes = &answer.as_bytes()[..answer.len().min(left)];
                peer.stream.write_all(bytes).await.unwrap();
                left -= bytes.len();
                if bytes.len() < answer.len() {
                    break;
                }
            }
        }
        let mut peer = script.connect().await;
        for answer in &answers {
            peer.receive().await;
            peer.stream.write_all(answer.as_bytes()).await.unwrap();
        }
        peer
    };
    // nothing is shown of what came in parts
    let (event, _peer) = tokio::join!(client.next(), serving);
    assert_eq!(event, DbEvent::Resynced);
    assert_eq!(switches(&client), ["a"]);
    assert_eq!((client.epoch(), client.stats().resyncs), (1, 1));
}

#[tokio::test]
async fn a_server_without_the_database_is_tried_again() {
    let script = Script::new("elsewhere");
    let mut client = script.client();
    let serving = async {
        let mut peer = script.connect().await;
        peer.answer("list_dbs", json!(["Open_vSwitch"])).await;
        peer.refuse("get_schema", "unknown database").await;
        let mut peer = script.connect().await;
        peer.answer("list_dbs", json!(["OVN_Northbound"])).await;
        peer.answer("get_schema", json!({"name": "OVN_Northbound", "tables": 7})).await;
        let mut peer = script.accept().await;
        peer.answer("monitor_cond_since", json!([false, FIRST, {}])).await;
        peer
    };
    let (event, _peer) = tokio::join!(next(&mut client), serving);
    assert_eq!(event, DbEvent::Resynced);
}

#[tokio::test]
async fn updates_that_nobody_asked_for_change_nothing() {
    let script = Script::new("foreign");
    let mut client = script.client();
    let update = |monitor: &str, rows: Json| json!({"id": null, "method": "update3", "params": [monitor, SECOND, rows]});
    let serving = async {
        let mut peer = script.accept().await;
        peer.send(update("other", rows("insert", &[(4, "d")]))).await;
        peer.answer("monitor_cond_since", json!([false, FIRST, rows("initial", &[(1, "a")])])).await;
        peer.send(update("other", rows("insert", &[(2, "b")]))).await;
        peer.send(update("other", rows("delete", &[(9, "")]))).await;
        peer.send(update("replica", rows("insert", &[(3, "c")]))).await;
        peer
    };
    let (event, _peer) = tokio::join!(next(&mut client), serving);
    assert_eq!(event, DbEvent::Resynced);
    assert!(matches!(next(&mut client).await, DbEvent::Changed(_)));
    assert_eq!(switches(&client), ["a", "c"]);
}

#[tokio::test]
async fn an_update_before_its_dump_is_a_reason_to_read_all() {
    let script = Script::new("early");
    let mut client = script.client();
    let serving = async {
        let mut peer = script.accept().await;
        let early = json!(["replica", SECOND, rows("insert", &[(3, "c")])]);
        peer.receive().await;
        peer.send(json!({"id": null, "method": "update3", "params": early})).await;
        let mut peer = script.accept().await;
        let params =
            peer.answer("monitor_cond_since", json!([false, FIRST, rows("initial", &[(1, "a")])])).await;
        assert_eq!(params[3], json!(Uuid::nil()));
        peer
    };
    let (event, _peer) = tokio::join!(next(&mut client), serving);
    assert_eq!(event, DbEvent::Resynced);
    assert_eq!(switches(&client), ["a"]);
}

/// A client that may have three requests in flight, live, with one row.
async fn narrow(script: &Script) -> (Client, Peer) {
    let mut client = script.client_with(|config| config.session.max_in_flight = 3);
    let serving = async {
        let mut peer = script.accept().await;
        peer.answer("monitor_cond_since", json!([false, FIRST, rows("initial", &[(1, "a")])])).await;
        peer
    };
    let (first, peer) = tokio::join!(next(&mut client), serving);
    assert_eq!(first, DbEvent::Resynced);
    (client, peer)
}

#[tokio::test]
async fn transactions_beyond_what_may_be_in_flight_wait_their_turn() {
    let script = Script::new("turn");
    let (mut client, mut peer) = narrow(&script).await;
    (0..10).for_each(|id| client.submit(delete(id)));
    let stats = client.stats();
    assert_eq!((stats.in_flight, stats.queued), (3, 7));
    for id in 0..10 {
        let request = peer.receive().await;
        // as many as may be are on the wire, and not one more
        if id < 7 {
            assert_eq!(client.stats().in_flight, 3);
        }
        peer.send(json!({"id": request["id"], "result": [{"count": 1}], "error": null})).await;
        assert_eq!(next(&mut client).await, DbEvent::Committed { id, outcome: Outcome::Done });
    }
    assert_eq!(client.stats().queued, 0);
}

#[tokio::test]
async fn what_waits_is_not_sent_after_an_unknown_outcome() {
    let script = Script::new("doubt");
    let (mut client, mut peer) = narrow(&script).await;
    (0..5).for_each(|id| client.submit(delete(id)));
    peer.answer("transact", json!([{"error": "not leader"}])).await;
    for id in [0, 3, 4] {
        assert_eq!(next(&mut client).await, DbEvent::Committed { id, outcome: Outcome::Unknown });
    }
    for id in [1, 2] {
        peer.answer("transact", json!([{"count": 1}])).await;
        assert_eq!(next(&mut client).await, DbEvent::Committed { id, outcome: Outcome::Done });
    }
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
    let more = timeout(Duration::from_millis(100), peer.receive());
    tokio::select! {
        event = client.next() => panic!("{event:?}"),
        request = more => assert!(request.is_err(), "{request:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_echoes_but_no_write_is_left() {
    let script = Script::new("minority");
    let mut client = script.client();
    let serving = async {
        let mut peer = script.accept().await;
        peer.answer("monitor_cond_since", json!([false, FIRST, rows("initial", &[(1, "a")])])).await;
        peer
    };
    let (first, mut peer) = tokio::join!(next(&mut client), serving);
    assert_eq!(first, DbEvent::Resynced);
    client.submit(delete(1));
    let echoing = async {
        loop {
            let request = peer.receive().await;
            if request["method"] == "echo" {
                peer.send(json!({"id": request["id"], "result": [], "error": null})).await;
            }
        }
    };
    let before = Instant::now();
    let taking = async {
        assert_eq!(client.next().await, DbEvent::Committed { id: 1, outcome: Outcome::Unknown });
        assert!(before.elapsed() < Duration::from_secs(31), "{:?}", before.elapsed());
        let DbEvent::Lost { reason } = client.next().await else { panic!("not lost") };
        assert!(reason.contains("OVSDB-OVERDUE") && reason.contains("cluster/status"), "{reason}");
    };
    tokio::select! {
        () = taking => {}
        () = echoing => {}
        () = sleep(Duration::from_hours(1)) => panic!("never left"),
    }
}
