//! Clients that behave badly, and the socket itself.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    sync::atomic::{AtomicUsize, Ordering},
};

use kubeovn_ovn::memory::serve::{ServeConfig, ServeError, Served};
use serde_json::json;

use super::{
    Raw, northbound,
    raw::switch,
    serve,
    server::{DATABASE, Directory, wait_for},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_killed_in_the_middle_of_a_message_harms_nobody() {
    let directory = Directory::new();
    let served = serve(&directory);
    let endpoint = served.endpoint().to_string();
    let mut other = Raw::connect(&endpoint);
    other.call("monitor", &json!([DATABASE, "m", {"Logical_Switch": {"columns": ["name"]}}])).unwrap();
    let message = json!({"id": 1, "method": "transact", "params": [DATABASE, switch("half")]}).to_string();
    for cut in (1..message.len()).step_by(7) {
        let mut client = Raw::connect(&endpoint);
        client.call("lock", &json!(["L"])).unwrap();
        client.write(&message.as_bytes()[..cut]);
    }
    wait_for("them to be gone", || (served.connections() == 1).then_some(()));
    assert_eq!(other.heard(), []);
    assert_eq!(other.call("lock", &json!(["L"])), Ok(json!({"locked": true})));
    other.transact(&[switch("whole")]);
    assert_eq!(other.heard().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_message_too_long_ends_its_connection() {
    let directory = Directory::new();
    let config = ServeConfig { max_message: 1000, ..ServeConfig::default() };
    let served = Served::bind(northbound(), directory.path("short.sock"), config).unwrap();
    let mut client = Raw::connect(&served.endpoint().to_string());
    let text = |length: usize| json!(["x".repeat(length)]);
    assert_eq!(client.call("echo", &text(900)), Ok(text(900)));
    client.send("echo", &text(1000));
    assert_eq!(client.next(), None);
}

/// Who does not read is dropped once others' changes pile up; who reads is not, whatever else happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_does_not_read_is_dropped() {
    let directory = Directory::new();
    let config = ServeConfig { max_backlog: 200_000, ..ServeConfig::default() };
    let served = Served::bind(northbound(), directory.path("small.sock"), config).unwrap();
    let endpoint = served.endpoint().to_string();
    let [mut deaf, mut reader, mut writer] = [(); 3].map(|()| Raw::connect(&endpoint));
    for client in [&mut deaf, &mut reader] {
        client.call("monitor", &json!([DATABASE, "m", {"Logical_Switch": {"columns": ["name"]}}])).unwrap();
    }
    let long = "x".repeat(10_000);
    let mut written = 0;
    while served.connections() == 3 {
        writer.transact(&[switch(&format!("{long}{written}"))]);
        assert_eq!(reader.heard().len(), 1);
        written += 1;
        assert!(written < 500, "the deaf client is still there");
    }
    assert!(written > 20, "it was dropped after {written} changes, before its backlog was full");
    // what it was told before is whole, and then it ends
    let mut told = 0;
    while deaf.messages().next().is_some_and(|message| message.is_ok()) {
        told += 1;
    }
    assert!(told < written);
    // a client that asks much and reads late only waits
    let message = json!({"id": 7, "method": "echo", "params": [long]}).to_string();
    let (mut out, sent) = (writer.writer(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..300 {
                out.write_all(message.as_bytes()).unwrap();
                sent.fetch_add(1, Ordering::Relaxed);
            }
        });
        // more than the backlog holds
        wait_for("requests to be sent", || (sent.load(Ordering::Relaxed) >= 30).then_some(()));
        for _ in 0..300 {
            assert_eq!(writer.next().unwrap()["id"], 7);
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn connections_are_limited() {
    let directory = Directory::new();
    let config = ServeConfig { max_connections: 2, ..ServeConfig::default() };
    let served = Served::bind(northbound(), directory.path("two.sock"), config).unwrap();
    let endpoint = served.endpoint().to_string();
    let mut clients = [(); 2].map(|()| Raw::connect(&endpoint));
    clients.iter_mut().for_each(|client| assert!(client.call("echo", &json!([])).is_ok()));
    assert_eq!(Raw::connect(&endpoint).next(), None);
    let [one, _two] = clients;
    drop(one);
    wait_for("one to be gone", || (served.connections() == 1).then_some(()));
    // the place is free as soon as the task is
    wait_for("a place", || {
        let mut client = Raw::connect(&endpoint);
        client.try_echo().then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_socket_goes_with_its_value() {
    let directory = Directory::new();
    let path = directory.path("memory.sock");
    let served = serve(&directory);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut client = Raw::connect(&served.endpoint().to_string());
    client.call("echo", &json!([])).unwrap();
    let second = Served::bind(northbound(), &path, ServeConfig::default());
    assert!(matches!(second, Err(ServeError::InUse { .. })), "{second:?}");
    drop(served);
    assert!(!path.exists());
    let mut rest = Vec::new();
    match client.writer().read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }

    // one that a process left behind is replaced, a file of somebody is not
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let served = serve(&directory);
    assert!(Raw::connect(&served.endpoint().to_string()).call("echo", &json!([])).is_ok());
    // what another one put in its place meanwhile stays
    fs::remove_file(&path).unwrap();
    fs::write(&path, "a file").unwrap();
    drop(served);
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    let file = Served::bind(northbound(), &path, ServeConfig::default());
    assert!(matches!(file, Err(ServeError::NoSocket { .. })), "{file:?}");
    let nowhere = Served::bind(northbound(), directory.path("no/where.sock"), ServeConfig::default());
    assert!(matches!(nowhere, Err(ServeError::Io { .. })), "{nowhere:?}");
}

#[test]
fn without_a_runtime_nothing_is_served() {
    let directory = Directory::new();
    let served = Served::bind(northbound(), directory.path("none.sock"), ServeConfig::default());
    assert!(matches!(served, Err(ServeError::NoRuntime)), "{served:?}");
    assert!(!directory.path("none.sock").exists());
}
