//! Monitors on the wire: the same transactions on a real server and on ours, and every notification is the same.

use serde_json::{Value, json};

use super::{
    Pair, Raw,
    raw::{switch, transaction},
    serve,
    server::{DATABASE, Directory},
};

fn id(n: u32) -> String {
    format!("10000000-0000-4000-8000-{n:012}")
}

fn at(n: u32) -> Value {
    json!([["_uuid", "==", ["uuid", id(n)]]])
}

fn reference(n: u32) -> Value {
    json!(["uuid", id(n)])
}

/// Sequences of transactions with all kinds of change.
fn transactions() -> Vec<Vec<Value>> {
    let insert =
        |table: &str, n: u32, row: Value| json!({"op": "insert", "table": table, "uuid": id(n), "row": row});
    let update =
        |table: &str, n: u32, row: Value| json!({"op": "update", "table": table, "where": at(n), "row": row});
    let mutate = |table: &str, n: u32, column: &str, mutator: &str, value: Value| json!({"op": "mutate", "table": table, "where": at(n), "mutations": [[column, mutator, value]]});
    let delete = |table: &str, n: u32| json!({"op": "delete", "table": table, "where": at(n)});
    let (ls, lsp, pg) = ("Logical_Switch", "Logical_Switch_Port", "Port_Group");
    vec![
        vec![
            insert(ls, 2, json!({"name": "b"})),
            insert(ls, 3, json!({"name": "c", "external_ids": ["map", [["k", "v"]]]})),
        ],
        vec![
            insert(lsp, 10, json!({"name": "p", "addresses": ["set", ["x", "y"]], "tag": 5})),
            mutate(ls, 2, "ports", "insert", reference(10)),
            insert(pg, 20, json!({"name": "g", "ports": reference(10)})),
        ],
        vec![update(ls, 3, json!({"name": "d"}))],
        vec![update(ls, 3, json!({"name": "d"}))],
        vec![mutate(ls, 3, "external_ids", "insert", json!(["map", [["k2", "v2"]]]))],
        vec![mutate(ls, 3, "external_ids", "delete", json!(["set", ["k"]]))],
        vec![update(ls, 3, json!({"external_ids": ["map", [["k2", "other"]]]}))],
        vec![update(lsp, 10, json!({"tag": ["set", []], "addresses": ["set", ["y", "z"]]}))],
        vec![update(ls, 1, json!({"name": "c"}))],
        vec![update(ls, 1, json!({"name": "e", "other_config": ["map", [["a", "b"]]]}))],
        // the port goes with its switch, and leaves the group by itself
        vec![delete(ls, 2)],
        vec![insert(ls, 5, json!({"name": "short"})), delete(ls, 5)],
        vec![delete(ls, 3), delete(ls, 1)],
    ]
}

/// Monitors of all notations: what they are called, the method, the requests.
fn monitors() -> Vec<(&'static str, &'static str, Value)> {
    let some = json!({
        "Logical_Switch": [{"columns": ["name", "external_ids", "ports"]}],
        "Logical_Switch_Port": [{"columns": ["addresses", "tag"]}],
        "Port_Group": [{"columns": ["ports"]}],
    });
    let kinds = json!({"Logical_Switch": [
        {"columns": ["name"], "select": {"initial": false, "insert": false}},
        {"columns": ["external_ids"], "select": {"modify": false}},
    ]});
    let filter =
        |clauses: Value| json!({"Logical_Switch": [{"columns": ["name", "external_ids"], "where": clauses}]});
    // of the same columns, by conditions on other ones, ovsdb-server 3.1.0 crashes
    let one =
        |column: &str, clauses: Value| json!({"Logical_Switch": [{"columns": [column], "where": clauses}]});
    let named = json!([["name", "==", "c"], ["name", "==", "e"]]);
    vec![
        ("plain all", "monitor", json!({"Logical_Switch": {}, "Port_Group": [{}]})),
        ("plain some", "monitor", some.clone()),
        ("plain kinds", "monitor", kinds.clone()),
        ("plain none", "monitor", json!({"Logical_Switch": {"columns": []}})),
        ("plain ids", "monitor", json!({"Logical_Switch": {"columns": ["_uuid", "_version", "name"]}})),
        ("cond all", "monitor_cond", json!({"Logical_Switch": [{}], "Port_Group": [{}]})),
        ("cond some", "monitor_cond", some.clone()),
        ("cond kinds", "monitor_cond", kinds),
        ("cond none", "monitor_cond", json!({"Logical_Switch": [{"columns": []}]})),
        ("cond named", "monitor_cond", filter(named)),
        ("cond true", "monitor_cond", filter(json!([true]))),
        ("cond false", "monitor_cond", filter(json!([false]))),
        ("cond empty", "monitor_cond", filter(json!([]))),
        (
            "cond other column",
            "monitor_cond",
            one("name", json!([["other_config", "includes", ["map", [["a", "b"]]]]])),
        ),
        ("cond uuid", "monitor_cond", one("external_ids", json!([["_uuid", "==", reference(3)]]))),
        ("since some", "monitor_cond_since", some),
    ]
}

fn parameters(name: &str, method: &str, requests: &Value) -> Value {
    let mut params = vec![json!(DATABASE), json!([name, 1]), requests.clone()];
    if method == "monitor_cond_since" {
        params.push(json!("00000000-0000-0000-0000-000000000000"));
    }
    Value::Array(params)
}

/// Versions and transaction ids are drawn, and the order of elements and of members is free.
fn normal(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let value = if name == "_version" { json!("a version") } else { normal(value) };
                (name, value)
            })
            .collect(),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(normal).collect();
            if let [Value::String(tag), Value::Array(elements)] = items.as_mut_slice()
                && (tag == "set" || tag == "map")
            {
                elements.sort_by_key(ToString::to_string);
            }
            Value::Array(items)
        }
        other => other,
    }
}

/// What was told, in the order of the monitors' names.
fn told(client: &mut Raw) -> Vec<String> {
    let mut told: Vec<String> = client
        .heard()
        .into_iter()
        .map(|(method, mut params)| {
            if method == "update3" {
                params[1] = json!("a transaction");
            }
            format!("{} {method} {}", params[0].clone(), normal(params))
        })
        .collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_notification_is_that_of_a_real_server() {
    let pair = Pair::start();
    let mut clients = pair.connect();
    let first = json!({"op": "insert", "table": "Logical_Switch", "uuid": id(1), "row": {"name": "a"}});
    for client in &mut clients {
        client.transact(std::slice::from_ref(&first));
    }
    for (name, method, requests) in monitors() {
        let [real, ours] = clients.each_mut().map(|client| {
            let mut reply = client.call(method, &parameters(name, method, &requests)).unwrap();
            if method == "monitor_cond_since" {
                reply[1] = json!("a transaction");
            }
            normal(reply)
        });
        assert_eq!(real, ours, "{name}");
    }
    let mut heard = 0;
    for (number, ops) in transactions().iter().enumerate() {
        let [real, ours] = clients.each_mut().map(|client| {
            let results = client.call("transact", &transaction(ops)).unwrap();
            assert!(results.as_array().unwrap().iter().all(|result| result["error"].is_null()), "{results}");
            // before the answer, not after it
            let before = client.told.len();
            let told = told(client);
            assert_eq!(before, told.len(), "something was told after the transaction was answered");
            told
        });
        assert_eq!(real, ours, "transaction {number}: {ops:?}");
        heard += ours.len();
    }
    assert!(heard > 60, "only {heard} notifications: the transactions change too little");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn other_conditions_bring_and_take_rows() {
    let pair = Pair::start();
    let mut clients = pair.connect();
    let filter = |name: &str| json!({"Logical_Switch": [{"where": [["name", "==", name]]}]});
    let [real, ours] = clients.each_mut().map(|client| {
        for n in 1..=3 {
            let name = format!("s{n}");
            client.transact(&[
                json!({"op": "insert", "table": "Logical_Switch", "uuid": id(n), "row": {"name": name}}),
            ]);
        }
        let requests = json!({"Logical_Switch": [{"columns": ["name"], "where": [["name", "==", "s1"]]}]});
        client.call("monitor_cond", &json!([DATABASE, "m", requests])).unwrap();
        let mut all = Vec::new();
        for (old, new, requests) in [
            ("m", "m", filter("s2")),
            ("m", "other", filter("s2")),
            ("other", "other", json!({"Logical_Switch": [{"where": []}]})),
            ("other", "other", json!({"Logical_Switch": [{"where": [false]}]})),
            ("gone", "gone", filter("s1")),
            ("other", "other", json!({"ACL": [{"where": [true]}]})),
            ("other", "other", json!({"Logical_Switch": {"where": [true]}})),
        ] {
            all.push(format!("{:?}", client.call("monitor_cond_change", &json!([old, new, requests]))));
            all.extend(told(client));
        }
        client.transact(&[switch("unseen")]);
        all.extend(told(client));
        client.call("monitor_cancel", &json!(["other"])).unwrap();
        all
    });
    assert_eq!(real, ours);
}

/// The state after a transaction is what a client that was away resumes from.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_was_away_is_told_what_it_missed() {
    let directory = Directory::new();
    let served = serve(&directory);
    let endpoint = served.endpoint().to_string();
    let requests = json!({"Logical_Switch": [{"columns": ["name"]}]});
    let resume = |last: &Value| {
        let mut client = Raw::connect(&endpoint);
        let reply = client.call("monitor_cond_since", &json!([DATABASE, "m", requests, last])).unwrap();
        (client, reply)
    };
    let nothing = json!("00000000-0000-0000-0000-000000000000");
    let mut writer = Raw::connect(&endpoint);
    let (client, reply) = resume(&nothing);
    assert_eq!((&reply[0], &reply[2]), (&json!(false), &json!({})));
    let empty = reply[1].clone();
    drop(client);

    let insert = |n: u32| json!({"op": "insert", "table": "Logical_Switch", "uuid": id(n), "row": {"name": format!("s{n}")}});
    writer.transact(&[insert(1), insert(2)]);
    let (mut client, reply) = resume(&empty);
    let born = |n: u32| json!({"insert": {"name": format!("s{n}")}});
    assert_eq!(reply[0], json!(true));
    assert_eq!(reply[2], json!({"Logical_Switch": {id(1): born(1), id(2): born(2)}}));
    assert_ne!(reply[1], empty);

    // of a change seen by a notification on, the connection is cut
    writer.transact(&[insert(3)]);
    let (method, params) = client.hear();
    assert_eq!(method, "update3");
    let last = params[1].clone();
    drop(client);
    writer.transact(&[json!({"op": "delete", "table": "Logical_Switch", "where": at(2)})]);
    writer.transact(&[
        json!({"op": "update", "table": "Logical_Switch", "where": at(1), "row": {"name": "x"}}),
    ]);
    writer.transact(&[insert(4)]);
    writer.transact(&[
        json!({"op": "update", "table": "Logical_Switch", "where": at(1), "row": {"name": "y"}}),
    ]);
    writer.transact(&[json!({"op": "delete", "table": "Logical_Switch", "where": at(4)})]);
    let (_, reply) = resume(&last);
    assert_eq!(reply[0], json!(true));
    let missed = json!({id(1): {"modify": {"name": "y"}}, id(2): {"delete": null}});
    assert_eq!(reply[2], json!({"Logical_Switch": missed}), "what came and went is not told");
    let (_, again) = resume(&reply[1]);
    assert_eq!((&again[0], &again[2]), (&json!(true), &json!({})));

    // five transactions followed it; after ninety-five more it is the oldest state that is known
    let touch = |n: u32| json!({"op": "update", "table": "Logical_Switch", "where": at(3), "row": {"name": format!("t{n}")}});
    for n in 0..95 {
        writer.transact(&[touch(n)]);
    }
    let (_, reply) = resume(&last);
    assert_eq!(reply[0], json!(true));
    assert_eq!(reply[2]["Logical_Switch"][id(3)], json!({"modify": {"name": "t94"}}));
    writer.transact(&[touch(95)]);
    let (_, reply) = resume(&last);
    assert_eq!(reply[0], json!(false), "it is further away than what is kept");
    let whole = json!({id(1): {"initial": {"name": "y"}}, id(3): {"initial": {"name": "t95"}}});
    assert_eq!(reply[2], json!({"Logical_Switch": whole}));

    // another process has other states, though it did the same
    let other_directory = Directory::new();
    let other = serve(&other_directory);
    let mut client = Raw::connect(&other.endpoint().to_string());
    let reply = client.call("monitor_cond_since", &json!([DATABASE, "m", requests, empty])).unwrap();
    assert_eq!(reply[0], json!(false));
}
