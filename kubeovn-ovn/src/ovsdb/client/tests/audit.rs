//! Updates that never come are noticed all the same.

use tokio::time::{Instant, sleep, timeout};

use super::*;

const ROUND: Duration = Duration::from_mins(5);

/// What the server holds, whatever it told.
type State = Vec<(u128, &'static str)>;

impl Peer {
    /// Answers probes and selects out of `state`, for ever.
    async fn serve(&mut self, state: &State) {
        loop {
            let request = self.receive().await;
            let result = match request["method"].as_str() {
                Some("echo") => json!([]),
                Some("transact") => select(&request["params"], state),
                other => panic!("{other:?}"),
            };
            self.send(json!({"id": request["id"], "result": result, "error": null})).await;
        }
    }

    /// Answers probes until a transaction comes, and returns that.
    async fn transaction(&mut self) -> Json {
        loop {
            let request = self.receive().await;
            if request["method"] == "transact" {
                return request;
            }
            self.send(json!({"id": request["id"], "result": [], "error": null})).await;
        }
    }

    async fn tell(&mut self, updates: Json) {
        self.send(json!({"id": null, "method": "update3", "params": ["replica", SECOND, updates]})).await;
    }
}

fn select(params: &Json, state: &State) -> Json {
    let answer = |operation: &Json| {
        assert_eq!((&operation["op"], &operation["table"]), (&json!("select"), &json!(LOGICAL_SWITCH)));
        let uuid = |row: &(u128, &str)| json!(["uuid", Uuid::from_u128(row.0)]);
        if operation["columns"] == json!(["_uuid"]) {
            let rows: Vec<Json> = state.iter().map(|row| json!({"_uuid": uuid(row)})).collect();
            return json!({ "rows": rows });
        }
        assert_eq!(operation["columns"], json!(["name"]));
        let is_meant = |row: &&(u128, &str)| operation["where"] == json!([["_uuid", "==", uuid(row)]]);
        let rows: Vec<Json> = state.iter().filter(is_meant).map(|row| json!({"name": row.1})).collect();
        json!({ "rows": rows })
    };
    params.as_array().unwrap()[1..].iter().map(answer).collect()
}

async fn follow(script: &Script, told: &[(u128, &str)]) -> (Client, Peer) {
    let mut client = script.client();
    let peer = dump(script, told);
    let (first, peer) = tokio::join!(next(&mut client), peer);
    assert_eq!(first, DbEvent::Resynced);
    (client, peer)
}

/// Takes in a client and dumps these rows to it; it asks for all.
async fn dump(script: &Script, told: &[(u128, &str)]) -> Peer {
    let mut peer = script.accept().await;
    let params = peer.answer("monitor_cond_since", json!([false, FIRST, rows("initial", told)])).await;
    assert_eq!(params[3], json!(Uuid::nil()));
    peer
}

/// The client's next event, while the server answers out of `state`.
async fn while_serving(client: &mut Client, peer: &mut Peer, state: &State) -> DbEvent {
    tokio::select! {
        event = client.next() => event,
        () = peer.serve(state) => panic!("it serves for ever"),
    }
}

async fn is_noticed_within(name: &str, told: State, held: State, bound: Duration, words: &str) {
    let script = Script::new(name);
    let (mut client, mut peer) = follow(&script, &told).await;
    assert_eq!((client.epoch(), client.stats().mismatches), (1, 0));
    let before = Instant::now();
    let event =
        timeout(bound * 2, while_serving(&mut client, &mut peer, &held)).await.expect("to be noticed");
    let DbEvent::Lost { reason } = event else { panic!("{event:?}") };
    assert!(reason.contains("OVSDB-MISMATCH") && reason.contains(words), "{reason}");
    assert!(before.elapsed() <= bound, "{:?}", before.elapsed());
    let (resynced, _peer) = tokio::join!(next(&mut client), dump(&script, &held));
    assert_eq!(resynced, DbEvent::Resynced);
    assert_eq!(switches(&client), held.iter().map(|row| row.1).collect::<Vec<_>>());
    let stats = client.stats();
    assert_eq!((stats.epoch, stats.resyncs, stats.reconnects, stats.mismatches), (2, 2, 1, 1));
    assert!(stats.audits > 0 && stats.last_audit.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_row_that_was_never_told_of_is_noticed_within_a_round_and_a_half() {
    let words = "2 rows of Logical_Switch compared with the server, 1 were never told of";
    is_noticed_within("missing", vec![(1, "a")], vec![(1, "a"), (2, "b")], ROUND * 3 / 2, words).await;
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_gone_is_noticed_within_a_round_and_a_half() {
    is_noticed_within("gone", vec![(1, "a"), (2, "b")], vec![(2, "b")], ROUND * 3 / 2, "1 are there no more")
        .await;
    is_noticed_within("empty", vec![(1, "a"), (2, "b")], vec![], ROUND * 3 / 2, "2 are there no more").await;
}

#[tokio::test(start_paused = true)]
async fn other_contents_are_noticed_within_all_rounds_and_a_half() {
    let words = "1 have other contents";
    is_noticed_within("changed", vec![(1, "a"), (2, "b")], vec![(1, "a"), (2, "c")], ROUND * 25 / 2, words)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_answers_overtake_its_updates_is_not_accused() {
    let script = Script::new("overtaken");
    let (mut client, mut peer) = follow(&script, &[(1, "a")]).await;
    let now = vec![(1, "a"), (2, "b")];
    let serving = async {
        let request = peer.transaction().await;
        let result = select(&request["params"], &now);
        peer.send(json!({"id": request["id"], "result": result, "error": null})).await;
        peer.tell(rows("insert", &[(2, "b")])).await;
        // the second look comes at once
        peer.serve(&now).await;
    };
    let mut changed = false;
    let taking = async {
        loop {
            let event = client.next().await;
            assert!(matches!(event, DbEvent::Changed(_)), "{event:?}");
            changed = true;
        }
    };
    tokio::select! {
        () = serving => {}
        () = taking => {}
        () = sleep(ROUND * 20) => {}
    }
    assert!(changed);
    let stats = client.stats();
    assert!(stats.audits > 20, "{stats:?}");
    assert_eq!((stats.mismatches, stats.reconnects, stats.epoch), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_answer_is_not_accused_and_is_asked_again() {
    let script = Script::new("dumb");
    let (mut client, mut peer) = follow(&script, &[(1, "a")]).await;
    let serving = async {
        for result in [json!(null), json!({"count": 1}), json!({"error": "resources exhausted"}), json!([])] {
            let request = peer.transaction().await;
            peer.send(json!({"id": request["id"], "result": [result], "error": null})).await;
        }
    };
    // an array in an array is no result of an operation, so that this one ends the session; the others don't
    let event = tokio::select! {
        event = client.next() => event,
        () = async { serving.await; future::pending().await } => panic!("it serves for ever"),
    };
    let DbEvent::Lost { reason } = event else { panic!("{event:?}") };
    assert!(reason.contains("can't be understood"), "{reason}");
    assert_eq!((client.stats().audits, client.stats().mismatches), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn without_an_audit_nothing_is_asked() {
    let script = Script::new("off");
    let mut client = script.client().with_audit(None);
    let (first, mut peer) = tokio::join!(next(&mut client), dump(&script, &[(1, "a")]));
    assert_eq!(first, DbEvent::Resynced);
    tokio::select! {
        event = client.next() => panic!("{event:?}"),
        request = peer.transaction() => panic!("{request}"),
        () = sleep(ROUND * 20) => {}
    }
}
