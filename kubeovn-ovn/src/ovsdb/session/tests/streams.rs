//! Streams of bytes as a network or a broken server may deliver them.

use proptest::prelude::*;
use tokio::time::timeout;

use super::*;

/// What a server says in a recorded exchange: a dump, an echo, updates, replies, one to nobody.
fn exchange() -> Vec<Value> {
    let row = json!({"name": "q\"}]{\\ü", "ports": ["set", [["uuid", ROW]]], "ids": ["map", [["a", "1"]]]});
    vec![
        json!({"id": 0, "error": null, "result": [true, ROW, {"T": {ROW: {"initial": row}}}]}),
        json!({"id": "echo", "method": "echo", "params": []}),
        update("b"),
        json!({"id": 99, "error": null, "result": {}}),
        json!({"id": 1, "error": null, "result": [{"uuid": ["uuid", ROW]}, {"rows": [{"_uuid": ["uuid", ROW]}]}]}),
        json!({"id": null, "method": "update3", "params": ["m", ROW, {"T": {ROW: {"delete": null}}}]}),
        json!({"id": 2, "error": {"error": "no", "details": "}"}, "result": null}),
    ]
}

/// All events of a session whose server sends these pieces and closes.
async fn events_of(pieces: &[&[u8]], limit: usize) -> Vec<String> {
    let (ours, mut theirs) = duplex(1 << 16);
    let (reader, writer) = tokio::io::split(ours);
    let config = SessionConfig { max_message: limit, ..SessionConfig::default() };
    let (session, mut events) = Session::start(reader, writer, &config);
    session.monitor(MonitorMethod::CondSince, "m".into(), &json!(["db", "m", {}, ROW])).unwrap();
    session.submit(1, "db", &[]).unwrap();
    session.submit(2, "db", &[]).unwrap();
    for piece in pieces {
        // the session may have closed already
        let _ = theirs.write_all(piece).await;
        tokio::task::yield_now().await;
    }
    let _ = theirs.shutdown().await;
    let mut seen = Vec::new();
    loop {
        let event = timeout(Duration::from_mins(1), events.next()).await.expect("the end");
        seen.push(format!("{event:?}"));
        if matches!(event, SessionEvent::Closed { .. }) {
            return seen;
        }
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

fn stream() -> Vec<u8> {
    exchange().iter().flat_map(|message| format!("{message} ").into_bytes()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cut_of_the_stream_gives_the_same_events(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let stream = stream();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
        let whole = run(events_of(&[&stream], 1 << 20));
        prop_assert_eq!(whole.len(), 6, "{:?}", &whole);
        prop_assert_eq!(run(events_of(&pieces, 1 << 20)), whole);
    }

    #[test]
    fn no_bytes_do_more_than_end_the_session(
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..8),
        cut in 0..8_usize,
    ) {
        let mut stream = stream();
        let at = at.index(stream.len());
        let until = (at + cut).min(stream.len());
        stream.splice(at..until, bytes);
        let seen = run(events_of(&[&stream], 1 << 20));
        prop_assert!(seen.last().is_some_and(|last| last.starts_with("Closed")));
    }
}

#[test]
fn a_server_that_goes_after_any_byte_leaves_the_events_before_and_an_end() {
    let stream = stream();
    let whole = run(events_of(&[&stream], 1 << 20));
    for length in 0..stream.len() {
        let seen = run(events_of(&[&stream[..length]], 1 << 20));
        let (end, before) = seen.split_last().unwrap();
        assert_eq!(end, "Closed { reason: Ended }", "after {length} bytes");
        assert!(whole.starts_with(before), "after {length} bytes: {seen:?}");
    }
}

#[test]
fn what_is_no_message_ends_the_session_with_a_reason() {
    let end = |text: &str| run(events_of(&[text.as_bytes()], 100)).pop().unwrap();
    for (text, reason) in [
        ("HTTP/1.1 400 Bad Request", "Framing(NoObject { byte: 72 })"),
        ("[1, 2]", "Framing(NoObject"),
        ("{} {}", "neither a method nor an id"),
        (r#"{"method": "update2"}"#, "missing field `params`"),
        (
            r#"{"method": "update2", "params": ["m", {"T": {"no uuid": {"delete": null}}}]}"#,
            "expected a uuid",
        ),
        (r#"{"method": "update2", "params": ["m", {"T": []}]}"#, "invalid type"),
        (r#"{"method": "update2", "params": [7, {}]}"#, "invalid type"),
        (r#"{"method": "update3", "params": ["m", {}]}"#, "Decoding"),
        (r#"{"method": 1, "params": []}"#, "Decoding"),
        (r#"{"id": 1, "result": "rows"}"#, "Decoding"),
        (r#"{"id": 1, "result": [{"uuid": 5}]}"#, "Decoding"),
        (r#"{"id": 0, "result": [true]}"#, "Decoding"),
        ("{]", "Decoding"),
        ("{\"a\": \u{1}}", "Decoding"),
        (&format!("{{\"long\": \"{}", "x".repeat(100)), "TooLong { limit: 100 }"),
    ] {
        let end = end(text);
        assert!(end.starts_with("Closed") && end.contains(reason), "{text}: {end}");
    }
    // a reply to nobody, or a request or notification that we don't know, is no reason to go
    let unknown = r#"{"id": 55, "result": 1} {"id": 1.5} {"method": "locked", "params": []}
        {"id": "x", "method": "steal", "params": [{}]}"#;
    assert!(end(unknown).contains("Ended"));
    // nesting that is as deep as a message may be long
    let deep = format!("{{\"id\": 3, \"result\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let seen = run(events_of(&[deep.as_bytes()], 1 << 20));
    assert!(seen[0].starts_with("Closed"), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn half_a_message_and_then_silence_is_silence() {
    let (session, mut events, mut peer) = start(&SessionConfig::default());
    let served = async {
        peer.receive().await.unwrap();
        peer.stream.write_all(b"{\"id\": 0, \"result\"").await.unwrap();
    };
    let (answer, ()) = tokio::join!(session.echo(), served);
    assert!(matches!(answer, Err(RpcError::TimedOut { .. } | RpcError::Closed { .. })), "{answer:?}");
    assert_eq!(closed(&mut events).await, CloseReason::Silent { seconds: 10 });
}
