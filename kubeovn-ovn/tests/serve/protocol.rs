//! Requests and how they are refused, as by a real server (3.1.0).

use serde_json::{Value, json};

use super::{Pair, Raw, server::DATABASE};

/// A request that is refused as a whole has the same error on both, word for word but for the quoted JSON.
fn refusal(error: &Value) -> Value {
    match error {
        Value::String(_) => error.clone(),
        error => json!([error["error"], error["details"]]),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn whole_requests_are_refused_as_by_a_real_server() {
    let pair = Pair::start();
    let mut clients = pair.connect();
    let monitor = |requests: Value| ("monitor", json!([DATABASE, "m", requests]));
    let cond = |request: Value| ("monitor_cond", json!([DATABASE, "m", {"Logical_Switch": [request]}]));
    let zero = "00000000-0000-0000-0000-000000000000";
    let requests = [
        ("nonsense", json!([])),
        ("cancel", json!([1])),
        ("get_schema", json!(["Nowhere"])),
        ("get_schema", json!([])),
        ("get_schema", json!([3])),
        ("transact", json!([])),
        ("transact", json!(["Nowhere"])),
        ("transact", json!([{}])),
        ("monitor", json!(["Nowhere", "m", {}])),
        monitor(json!([])),
        monitor(json!({"Nowhere": {}})),
        monitor(json!({"ACL": {"columns": ["nowhere"]}})),
        monitor(json!({"ACL": [{"columns": ["name"]}, {"columns": ["name"]}]})),
        monitor(json!({"ACL": {"where": []}})),
        monitor(json!({"ACL": {"select": {"sometimes": true}}})),
        monitor(json!({"ACL": 3})),
        cond(json!({"where": true})),
        cond(json!({"where": [["nowhere", "==", "a"]]})),
        cond(json!({"where": [["name", "=", "a"]]})),
        cond(json!({"where": [["name"]]})),
        cond(json!({"select": {"initial": 3}})),
        cond(json!({"columns": 3})),
        ("monitor_cond_since", json!([DATABASE, "m", {}, "zero"])),
        ("monitor_cond_since", json!([DATABASE, "m", {}])),
        ("monitor_cond_change", json!(["m", "m", {}])),
        ("monitor_cancel", json!(["m"])),
        ("monitor_cancel", json!([])),
        ("lock", json!([])),
        ("lock", json!(["9"])),
        ("unlock", json!(["nobody_has_it"])),
        ("set_db_change_aware", json!([])),
        ("set_db_change_aware", json!([1])),
    ];
    for (method, params) in requests {
        let [real, ours] =
            clients.each_mut().map(|client| refusal(&client.call(method, &params).unwrap_err()));
        assert_eq!(real, ours, "{method} {params}");
    }
    for (method, params) in [
        ("list_dbs", json!([])),
        ("echo", json!(["a", {"b": 1}])),
        ("set_db_change_aware", json!([true])),
        ("transact", json!([DATABASE])),
        ("monitor", json!([DATABASE, "m", {}])),
        ("monitor_cond_since", json!(["_Server", "s", {"Database": []}, zero])),
        ("monitor_cancel", json!(["m"])),
    ] {
        let [real, ours] = clients.each_mut().map(|client| client.call(method, &params).unwrap());
        assert_eq!(real, ours, "{method} {params}");
    }
    for (method, params) in
        [("monitor", json!([DATABASE, "s", {}])), ("monitor_cond", json!(["_Server", "s", {}]))]
    {
        let [real, ours] =
            clients.each_mut().map(|client| refusal(&client.call(method, &params).unwrap_err()));
        assert_eq!(real, ours, "a second monitor of one name");
    }
    let schema = clients.each_mut().map(|client| {
        let schema = client.call("get_schema", &json!(["_Server"])).unwrap();
        schema["tables"]["Database"]["columns"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    });
    assert_eq!(schema[0], schema[1]);
    let mut id = || clients[1].call("get_server_id", &json!([])).unwrap();
    let first = id();
    assert!(uuid::Uuid::try_parse(first.as_str().unwrap()).is_ok());
    assert_eq!(id(), first);
}

/// The kinds of error agree; their details do where an operation can't be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn operations_are_refused_as_by_a_real_server() {
    let pair = Pair::start();
    let mut clients = pair.connect();
    let unreadable = [
        json!(5),
        json!({}),
        json!({"op": "nonsense"}),
        json!({"op": "insert", "table": "Logical_Switch"}),
        json!({"op": "insert", "table": "Logical_Switch", "row": 3}),
        json!({"op": "insert", "table": "Logical_Switch", "row": {}, "extra": 1}),
        json!({"op": "insert", "table": "Logical_Switch", "row": {}, "uuid": "no"}),
        json!({"op": "insert", "table": "Logical_Switch", "row": {}, "uuid-name": "9"}),
        json!({"op": "insert", "table": "Address_Set", "row": {"name": "x", "addresses": ["set", ["a", "a"]]}}),
        json!({"op": "update", "table": "Logical_Switch", "where": [], "row": {"external_ids": ["map", [["a", "b"], ["a", "c"]]]}}),
        json!({"op": "select", "table": "Logical_Switch"}),
        json!({"op": "select", "table": "Logical_Switch", "where": {}}),
        json!({"op": "select", "table": "Logical_Switch", "where": [["name"]]}),
        json!({"op": "select", "table": "Logical_Switch", "where": [["name", "=", "a"]]}),
        json!({"op": "select", "table": "Logical_Switch", "where": [["nowhere", "==", "a"]]}),
        json!({"op": "select", "table": "Logical_Switch", "where": [], "columns": 3}),
        json!({"op": "comment"}),
        json!({"op": "commit"}),
        json!({"op": "abort"}),
        json!({"op": "assert", "lock": "mine"}),
        json!({"op": "mutate", "table": "Logical_Switch", "where": [], "mutations": [["name", "is", "a"]]}),
        json!({"op": "wait", "table": "Logical_Switch", "where": [], "columns": ["name"], "until": "=", "rows": []}),
        json!({"op": "wait", "table": "Logical_Switch", "where": [], "columns": ["name"], "until": "==", "rows": [], "timeout": -1}),
        json!({"op": "wait", "table": "Logical_Switch", "where": [], "columns": ["name"], "until": "==", "rows": [], "timeout": 0}),
    ];
    let executed = [
        json!({"op": "insert", "table": "Nowhere", "row": {}}),
        json!({"op": "insert", "table": "Logical_Switch", "row": {"name": 1}}),
        json!({"op": "insert", "table": "Logical_Switch", "row": {"nowhere": 1}}),
    ];
    let compare = |clients: &mut [Raw; 2], op: &Value, details: bool| {
        // before and after it there is something else, which must not happen
        let around = json!({"op": "insert", "table": "Logical_Switch", "row": {"name": "around"}});
        let ops = [around.clone(), op.clone(), around];
        let [real, ours] = clients.each_mut().map(|client| {
            let results = client.transact(&ops);
            assert_eq!((results.len(), &results[2]), (3, &Value::Null), "{op}");
            let error = &results[1];
            assert!(error["error"].is_string(), "{op} passed: {error}");
            json!([error["error"], if details { error["details"].clone() } else { Value::Null }])
        });
        assert_eq!(real, ours, "{op}");
    };
    unreadable.iter().for_each(|op| compare(&mut clients, op, true));
    executed.iter().for_each(|op| compare(&mut clients, op, false));
    for client in &mut clients {
        let all = json!({"op": "select", "table": "Logical_Switch", "where": [true], "columns": ["name"]});
        let none = json!({"op": "select", "table": "Logical_Switch", "where": [false], "columns": ["name"]});
        client.transact(&[super::raw::switch("one")]);
        assert_eq!(client.transact(&[all, none]), [json!({"rows": [{"name": "one"}]}), json!({"rows": []})]);
    }
    for op in ["insert", "update", "mutate", "delete"] {
        let mut params = json!(["_Server", {"op": op, "table": "Database", "where": [], "row": {"model": "relay"}, "mutations": []}]);
        let members = params[1].as_object_mut().unwrap();
        members.retain(|name, _| match name.as_str() {
            "where" => op != "insert",
            "row" => op == "insert" || op == "update",
            "mutations" => op == "mutate",
            _ => true,
        });
        let [real, ours] = clients.each_mut().map(|client| client.call("transact", &params).unwrap());
        assert_eq!(real, ours, "{params}");
    }
}

/// A version changes with its row, so that it can be waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_version_is_that_of_the_row() {
    let pair = Pair::start();
    let version = json!({"op": "select", "table": "Logical_Switch", "where": [], "columns": ["_version"]});
    for client in &mut pair.connect() {
        client.transact(&[super::raw::switch("a")]);
        let mut read = || client.transact(std::slice::from_ref(&version))[0]["rows"][0]["_version"].clone();
        let first = read();
        assert_eq!(read(), first);
        let by_version = json!({"op": "update", "table": "Logical_Switch",
            "where": [["_version", "==", first]], "row": {"name": "b"}});
        assert_eq!(client.transact(std::slice::from_ref(&by_version)), [json!({"count": 1})]);
        assert_eq!(client.transact(&[by_version]), [json!({"count": 0})]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn locks_change_hands_as_on_a_real_server() {
    let pair = Pair::start();
    let story = |endpoint: &String| {
        let mut clients = [(); 3].map(|()| Raw::connect(endpoint));
        let mut story = Vec::new();
        let assert = || json!({"op": "assert", "lock": "L"});
        for (who, method) in [
            (0, "lock"),
            (0, "lock"),
            (1, "lock"),
            (2, "steal"),
            (2, "steal"),
            (0, "assert"),
            (2, "assert"),
            (2, "unlock"),
            (0, "assert"),
            (0, "unlock"),
            (1, "assert"),
            (2, "lock"),
            (1, "hang up"),
            (2, "assert"),
        ] {
            let answer = match method {
                "assert" => format!("{:?}", clients[who].transact(&[assert()])),
                "hang up" => {
                    clients[who] = Raw::connect(endpoint);
                    let (word, lock) = clients[2].hear();
                    format!("{word} {lock}")
                }
                method => match clients[who].call(method, &json!(["L"])) {
                    Ok(result) => result.to_string(),
                    Err(error) => refusal(&error).to_string(),
                },
            };
            story.push(format!("{who} {method}: {answer}"));
            for (who, client) in clients.iter_mut().enumerate() {
                story.extend(
                    client.heard().into_iter().map(|(word, lock)| format!("{who} is told: {word} {lock}")),
                );
            }
        }
        story
    };
    let [real, ours] = pair.endpoints().each_ref().map(story);
    assert_eq!(real, ours);
    assert!(ours.iter().filter(|line| line.contains("is told")).count() >= 3, "{ours:#?}");
}

/// What is no message ends the connection, on a real server too.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_no_message_ends_the_connection() {
    let pair = Pair::start();
    for bytes in ["[1]", "{\"id\":1,]}", "{\"method\":\"echo\"}"] {
        // ovsdb-server 3.1 keeps waiting for the rest of what is no JSON
        let skip = usize::from(bytes.contains(']') && bytes.contains('{'));
        for mut client in pair.connect().into_iter().skip(skip) {
            client.write(bytes.as_bytes());
            assert_eq!(client.next(), None, "{bytes}");
        }
    }
    for client in &mut pair.connect() {
        assert_eq!(client.call("echo", &json!([])), Ok(json!([])));
        client.notify("nonsense", &json!([]));
        assert_eq!(client.call("echo", &json!([])), Ok(json!([])));
    }
}
