//! What is bounded: requests, bytes, events, time.

use tokio::time::{Instant, sleep, timeout};

use super::*;

/// Polls a future once and gives it up.
async fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        value = future => Some(value),
        () = std::future::ready(()) => None,
    }
}

fn config(change: impl FnOnce(&mut SessionConfig)) -> SessionConfig {
    let mut config = SessionConfig::default();
    change(&mut config);
    config
}

async fn answer(peer: &mut Peer, request: &Value) {
    peer.send(json!({"id": request["id"], "result": [], "error": null})).await;
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_a_submit_is_refused_and_a_call_waits() {
    let (session, mut events, mut peer) = start(&config(|config| config.max_in_flight = 2));
    session.submit(1, "db", &[]).unwrap();
    assert!(session.has_room());
    session.submit(2, "db", &[]).unwrap();
    assert!(!session.has_room());
    let refused = session.submit(3, "db", &[]).unwrap_err();
    assert!(matches!(refused, RpcError::Busy { method: "transact", limit: 2 }), "{refused}");
    let monitor = session.monitor(MonitorMethod::Cond, "m".into(), &json!(["db", "m", {}]));
    assert!(matches!(monitor, Err(RpcError::Busy { method: "monitor_cond", .. })));

    let first = peer.receive().await.unwrap();
    assert_eq!(peer.receive().await.unwrap()["method"], "transact");
    let served = async {
        // with the answer to another request there is room for the call; no request that was refused is sent
        sleep(Duration::from_secs(3)).await;
        answer(&mut peer, &first).await;
        let request = peer.receive().await.unwrap();
        assert_eq!(request["method"], "echo");
        answer(&mut peer, &request).await;
    };
    let (echo, ()) = tokio::join!(session.echo(), served);
    echo.unwrap();
    assert!(matches!(events.next().await, SessionEvent::Reply { id: 1, .. }));
    session.submit(3, "db", &[]).unwrap();

    // nothing comes free: the call is given up in its time
    let before = Instant::now();
    let error = session.echo().await.unwrap_err();
    assert!(matches!(error, RpcError::Busy { method: "echo", limit: 2 }), "{error}");
    assert_eq!(before.elapsed(), Duration::from_secs(10));
}

#[tokio::test]
async fn bytes_for_a_server_that_does_not_read_are_bounded() {
    let (session, mut events, mut peer) = start(&config(|config| config.max_unwritten = 100_000));
    let comment = || [Operation::Comment { text: "x".repeat(30_000).into() }];
    let mut sent = 0;
    let refused = loop {
        match session.submit(sent, "db", &comment()) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 20, "more than the limit and what the pipe holds");
        tokio::task::yield_now().await;
    };
    assert!(matches!(refused, RpcError::Stuck { method: "transact", limit: 100_000, .. }), "{refused}");
    assert!(!session.has_room());
    assert_eq!(session.in_flight() as u64, sent, "what was refused is not waited for");
    for id in 0..sent {
        let request = peer.receive().await.unwrap();
        answer(&mut peer, &request).await;
        assert!(matches!(events.next().await, SessionEvent::Reply { id: answered, .. } if answered == id));
    }
    assert!(session.has_room());
}

#[tokio::test]
async fn a_server_that_asks_but_never_reads_loses_its_connection() {
    let (_session, mut events, mut peer) = start(&config(|config| config.max_unwritten = 100_000));
    let asking = async {
        let echo = json!({"id": "echo", "method": "echo", "params": ["x".repeat(10_000)]});
        for _ in 0..1000 {
            peer.send(echo.clone()).await;
        }
    };
    tokio::select! {
        reason = closed(&mut events) => assert!(matches!(reason, CloseReason::Stuck { .. }), "{reason}"),
        () = asking => panic!("10 MB of answers wait to be written"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_noticed_when_it_passes_and_not_at_the_next_probe() {
    let hour = Duration::from_hours(1);
    let (session, mut events, mut peer) = start(&config(|config| {
        (config.transact_timeout, config.dump_timeout, config.probe) = (Duration::from_secs(1), hour, hour);
    }));
    session.monitor(MonitorMethod::Cond, "m".into(), &json!(["db", "m", {}])).unwrap();
    // the reader waits for the dump's deadline when an earlier one comes along
    sleep(Duration::from_secs(5)).await;
    let before = Instant::now();
    session.submit(1, "db", &[]).unwrap();
    let reason = closed(&mut events).await;
    assert_eq!(reason, CloseReason::Overdue { id: 1, method: "transact", seconds: 1 });
    assert!(before.elapsed() < Duration::from_millis(1010), "{:?}", before.elapsed());
    let text = reason.to_string();
    assert!(text.starts_with("OVSDB-OVERDUE: transact") && text.contains("cluster/status"), "{text}");
    assert_eq!(peer.receive().await.unwrap()["method"], "monitor_cond", "the server was there all the time");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_stops_sending_hides_no_overdue_answer() {
    let second = Duration::from_secs(1);
    let (session, mut events, mut peer) = start(&config(|config| config.transact_timeout = second));
    session.submit(1, "db", &[]).unwrap();
    let before = Instant::now();
    let sending = async {
        loop {
            peer.send(update("on and on")).await;
            tokio::time::advance(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        reason = closed(&mut events) => assert!(matches!(reason, CloseReason::Overdue { .. }), "{reason}"),
        () = sending => {}
        () = sleep(5 * second) => panic!("hidden"),
    }
    assert!(before.elapsed() <= 2 * second + Duration::from_millis(10), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_not_called_late_because_we_stood_still() {
    let (session, mut events, mut peer) = start(&SessionConfig::default());
    session.submit(7, "db", &[]).unwrap();
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_hours(1)).await;
    let request = peer.receive().await.unwrap();
    sleep(Duration::from_secs(4)).await;
    answer(&mut peer, &request).await;
    assert!(matches!(events.next().await, SessionEvent::Reply { id: 7, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_leaves_nothing_behind() {
    let (session, mut events, mut peer) = start(&config(|config| config.max_in_flight = 1));
    for _ in 0..3 {
        assert!(poll_once(session.echo()).await.is_none());
        assert_eq!(session.in_flight(), 0);
        assert!(session.has_room());
    }
    // one that waits for room leaves no place in a queue
    session.submit(1, "db", &[]).unwrap();
    assert!(timeout(Duration::from_secs(1), session.echo()).await.is_err());
    let requests: Vec<Value> =
        [peer.receive().await, peer.receive().await, peer.receive().await, peer.receive().await]
            .into_iter()
            .flatten()
            .collect();
    assert_eq!(requests[3]["method"], "transact");
    for request in &requests {
        answer(&mut peer, request).await;
    }
    assert!(matches!(events.next().await, SessionEvent::Reply { id: 1, .. }));
    assert!(session.has_room());
}

#[tokio::test]
async fn a_long_message_keeps_its_place_and_a_broken_one_is_the_last() {
    let (_session, mut events, mut peer) = start(&SessionConfig::default());
    let long = "x".repeat(3 << 20);
    let mut broken = update(&long);
    broken["params"][1]["T"][ROW] = json!({"modify": {"name": [long.clone()]}});
    let sending = async {
        for message in [update("a"), update(&long), update("b"), broken, update("never seen")] {
            peer.send(message).await;
        }
        peer
    };
    let taking = async {
        let mut lengths = Vec::new();
        loop {
            match events.next().await {
                SessionEvent::Update(update) => {
                    let row = update.updates["T"].values().next().cloned();
                    let Some(crate::ovsdb::wire::RowUpdate::Modify(row)) = row else { panic!("{row:?}") };
                    lengths.push(
                        row.get("name").unwrap().scalar().and_then(|name| name.as_str()).unwrap().len(),
                    );
                }
                SessionEvent::Closed { reason } => break (lengths, reason),
                other => panic!("{other:?}"),
            }
        }
    };
    let (_peer, (lengths, reason)) = tokio::join!(sending, taking);
    assert_eq!(lengths, [1, 3 << 20, 1]);
    assert!(matches!(&reason, CloseReason::Decoding { .. }), "{reason}");
    assert!(matches!(events.next().await, SessionEvent::Closed { reason: again } if again == reason));
}

#[tokio::test(start_paused = true)]
async fn events_that_wait_are_bounded_by_their_bytes() {
    let (_session, mut events, mut peer) = start(&config(|config| config.max_event_bytes = 100_000));
    let server = tokio::spawn(async move {
        for _ in 0..100 {
            peer.send(update(&"x".repeat(40_000))).await;
        }
        peer
    });
    sleep(Duration::from_millis(1)).await;
    assert!(!server.is_finished(), "4 MB wait");
    for _ in 0..100 {
        assert!(matches!(events.next().await, SessionEvent::Update(_)));
    }
    server.await.unwrap();
}
