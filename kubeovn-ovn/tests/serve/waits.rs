//! Transactions that wait.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    Pair, Raw, northbound,
    raw::{switch, transaction, wait_for_switch},
    serve,
    server::{DATABASE, Directory, wait_for},
};
use kubeovn_ovn::{
    memory::{
        self,
        serve::{ServeConfig, Served},
    },
    nb::NORTHBOUND,
    ovsdb::wire::{Datum, OpResult, Operation, Row},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_wait_is_met_by_what_another_client_does() {
    let pair = Pair::start();
    for endpoint in pair.endpoints() {
        let [mut one, mut two] = [(); 2].map(|()| Raw::connect(&endpoint));
        let first = one.begin(&[wait_for_switch("b", None), switch("c")]);
        // waits for what the first one will do
        let second = one.begin(&[wait_for_switch("c", Some(60_000)), switch("d")]);
        // what comes after is not held up, and shows that both wait
        assert_eq!(one.call("echo", &json!(["on"])), Ok(json!(["on"])));
        one.transact(&[switch("a")]);
        let again = one.call("echo", &json!([])).unwrap();
        assert_eq!(again, json!([]));
        two.transact(&[switch("b")]);
        for id in [first, second] {
            let results = one.answer(&id).unwrap();
            assert_eq!(results[0], json!({}), "{endpoint}: {results}");
            assert!(results[1]["uuid"].is_array(), "{endpoint}: {results}");
        }
        let all = json!({"op": "select", "table": "Logical_Switch", "where": [], "columns": ["name"]});
        assert_eq!(two.transact(&[all])[0]["rows"].as_array().unwrap().len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_wait_gives_up_at_its_time_and_changes_nothing() {
    // long enough for an echo meanwhile, on a slow machine too
    const MILLISECONDS: u64 = 1000;
    let pair = Pair::start();
    let [real, ours] = pair.connect().map(|mut client| {
        let at_once = client.transact(&[switch("x"), wait_for_switch("y", Some(0)), switch("z")]);
        let began = Instant::now();
        let id = client.begin(&[switch("x"), wait_for_switch("y", Some(MILLISECONDS)), switch("z")]);
        assert_eq!(client.call("echo", &json!([])), Ok(json!([])));
        assert!(!client.has_come(&id), "an echo had to wait");
        let results = client.answer(&id).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(MILLISECONDS), "it did not wait");
        let all = json!({"op": "select", "table": "Logical_Switch", "where": [], "columns": ["name"]});
        assert_eq!(client.transact(&[all]), [json!({"rows": []})]);
        let text = |results: &Value| {
            let (results, error) = (results.as_array().unwrap(), &results[1]);
            let details = error["details"].as_str().unwrap();
            // how late a timer is differs
            let words: Vec<&str> = details.split(' ').filter(|word| word.parse::<u64>().is_err()).collect();
            format!("{} {} {words:?} {}", results.len(), error["error"], results[2])
        };
        [text(&Value::Array(at_once)), text(&results)]
    });
    assert_eq!(real, ours);
}

/// The second wait of a transaction has its own time, also when the first was met late.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_wait_has_its_own_time() {
    let directory = Directory::new();
    let served = serve(&directory);
    let [mut one, mut two] = [(); 2].map(|()| Raw::connect(&served.endpoint().to_string()));
    let id = one.begin(&[wait_for_switch("a", None), wait_for_switch("b", Some(200))]);
    one.call("echo", &json!([])).unwrap();
    two.transact(&[switch("a")]);
    let results = one.answer(&id).unwrap();
    assert_eq!((&results[0], &results[1]["error"]), (&json!({}), &json!("timed out")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_waiting_transaction_can_be_taken_back() {
    let directory = Directory::new();
    let served = serve(&directory);
    let mut client = Raw::connect(&served.endpoint().to_string());
    let id = client.begin(&[wait_for_switch("a", None), switch("b")]);
    let twin = json!({"id": id, "method": "transact", "params": transaction(&[switch("c")])});
    client.write(twin.to_string().as_bytes());
    let error = client.answer(&id).unwrap_err();
    assert_eq!(error["details"], "transact: duplicate request ID");
    client.notify("cancel", &json!([99]));
    client.notify("cancel", &json!([id]));
    assert_eq!(client.answer(&id), Err(json!("canceled")));
    client.transact(&[switch("a")]);
    let all = json!({"op": "select", "table": "Logical_Switch", "where": [], "columns": ["name"]});
    assert_eq!(client.transact(&[all]), [json!({"rows": [{"name": "a"}]})]);
}

/// The transactions of who is gone never happen.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_hangs_up_takes_its_transactions_along() {
    let directory = Directory::new();
    let served = serve(&directory);
    let endpoint = served.endpoint().to_string();
    let mut gone = Raw::connect(&endpoint);
    gone.begin(&[wait_for_switch("a", None), switch("ghost")]);
    gone.call("echo", &json!([])).unwrap();
    drop(gone);
    wait_for("the client to be gone", || (served.connections() == 0).then_some(()));
    let mut client = Raw::connect(&endpoint);
    client.transact(&[switch("a")]);
    let ghost = json!({"op": "select", "table": "Logical_Switch", "where": [["name", "==", "ghost"]]});
    assert_eq!(client.transact(&[ghost]), [json!({"rows": []})]);
}

/// A client in the process meets the waits of those outside.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_wait_is_met_by_a_client_in_the_process() {
    let directory = Directory::new();
    let inside = memory::Memory::new(&NORTHBOUND, memory::Server::of(&NORTHBOUND));
    let served = inside.serve(directory.path("inside.sock"), ServeConfig::default()).unwrap();
    let mut client = Raw::connect(&served.endpoint().to_string());
    let id = client.begin(&[wait_for_switch("a", None)]);
    client.call("echo", &json!([])).unwrap();
    let row = Row::from([("name".into(), Datum::from("a"))]);
    let insert = Operation::Insert { table: "Logical_Switch".into(), row, uuid: None, name: None };
    assert!(matches!(inside.transact(&[insert]).as_slice(), [OpResult::Inserted(_)]));
    assert_eq!(client.answer(&id), Ok(json!([{}])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_may_have_so_many_transactions_waiting() {
    let directory = Directory::new();
    let config = ServeConfig { max_held: 3, ..ServeConfig::default() };
    let served = Served::bind(northbound(), directory.path("few.sock"), config).unwrap();
    let mut client = Raw::connect(&served.endpoint().to_string());
    for _ in 0..3 {
        client.begin(&[wait_for_switch("a", None)]);
    }
    let error = client.call("transact", &transaction(&[wait_for_switch("a", None)])).unwrap_err();
    assert_eq!(error["error"], "resources exhausted");
    for name in ["m1", "m2", "m3"] {
        client.call("monitor", &json!([DATABASE, name, {}])).unwrap();
        client.call("lock", &json!([name])).unwrap();
    }
    for (method, params) in [("monitor", json!([DATABASE, "m4", {}])), ("lock", json!(["m4"]))] {
        assert_eq!(client.call(method, &params).unwrap_err()["error"], "resources exhausted");
    }
}
