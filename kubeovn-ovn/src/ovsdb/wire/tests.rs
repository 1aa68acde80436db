mod round_trips;

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

const U1: Uuid = Uuid::from_u128(0x36be_f046_7da7_43a5_905a_c178_9921_6fcb);

fn datum(json: Value) -> Result<Datum, serde_json::Error> {
    serde_json::from_value(json)
}

#[test]
fn short_and_long_forms_of_a_value_are_equal() {
    assert_eq!(datum(json!("a")).unwrap(), datum(json!(["set", ["a"]])).unwrap());
    assert_eq!(datum(json!(["uuid", U1])).unwrap(), datum(json!(["set", [["uuid", U1]]])).unwrap());
    assert_eq!(datum(json!(["set", []])).unwrap(), Datum::empty());
    assert_eq!(datum(json!(true)).unwrap(), Datum::from(true));
    assert_eq!(datum(json!(1.5)).unwrap(), Datum::from(1.5));
    assert_eq!(datum(json!(["named-uuid", "r1"])).unwrap(), Datum::set([Atom::Named("r1".into())]));
}

#[test]
fn order_and_repetition_on_the_wire_do_not_matter() {
    assert_eq!(datum(json!(["set", [3, 1, 3, 2]])).unwrap(), datum(json!(["set", [1, 2, 3]])).unwrap());
    let map = datum(json!(["map", [["b", "2"], ["a", "1"], ["b", "3"]]])).unwrap();
    assert_eq!((map.get_str("a"), map.get_str("b"), map.len()), (Some("1"), Some("3"), 2));
    assert_eq!(map.get_str("c"), None);
    assert!(map.contains(&"a".into()) && !map.contains(&"1".into()));
}

#[test]
fn malformed_values_are_errors() {
    for bad in [
        json!([]),
        json!(["set"]),
        json!(["set", [], 1]),
        json!(["set", [["set", []]]]),
        json!(["map", [["k"]]]),
        json!(["uuid"]),
        json!(["uuid", "zz"]),
        json!(["bag", []]),
        json!(null),
        json!({}),
        json!(u64::MAX),
    ] {
        assert!(datum(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn operations_have_the_json_of_the_protocol() {
    let insert = Operation::Insert {
        table: "Logical_Switch".into(),
        row: Row::from([("name".into(), "s".into()), ("ports".into(), Datum::empty())]),
        uuid: Some(U1),
        name: Some("r1".into()),
    };
    assert_eq!(
        serde_json::to_value(&insert).unwrap(),
        json!({"op": "insert", "table": "Logical_Switch", "row": {"name": "s", "ports": ["set", []]},
               "uuid": U1, "uuid-name": "r1"})
    );
    let wait = Operation::Wait {
        table: "T".into(),
        timeout: Some(0),
        r#where: vec![Condition::new("m", Function::Includes, Datum::map([("k".into(), "v".into())]))],
        columns: vec![],
        until_equal: true,
        rows: vec![Row::new()],
    };
    assert_eq!(
        serde_json::to_value(&wait).unwrap(),
        json!({"op": "wait", "table": "T", "timeout": 0, "where": [["m", "includes", ["map", [["k", "v"]]]]],
               "columns": [], "until": "==", "rows": [{}]})
    );
    let mutate = Operation::Mutate {
        table: "T".into(),
        r#where: vec![Condition::row(U1)],
        mutations: vec![Mutation::new("ports", Mutator::Insert, U1)],
    };
    assert_eq!(
        serde_json::to_value(&mutate).unwrap(),
        json!({"op": "mutate", "table": "T", "where": [["_uuid", "==", ["uuid", U1]]],
               "mutations": [["ports", "insert", ["uuid", U1]]]})
    );
}

#[test]
fn results_of_every_kind_are_told_apart() {
    let results: Vec<OpResult> = serde_json::from_value(json!([
        {"uuid": ["uuid", U1]}, {"count": 2}, {}, {"rows": [{"name": "s"}]}, null,
        {"details": "two rows", "error": "constraint violation"}
    ]))
    .unwrap();
    let row = Row::from([(Arc::from("name"), Datum::from("s"))]);
    assert_eq!(
        results[..5],
        [
            OpResult::Inserted(U1),
            OpResult::Count(2),
            OpResult::Done,
            OpResult::Rows(vec![row]),
            OpResult::Skipped,
        ]
    );
    let (index, error) = OpResult::first_error(&results).unwrap();
    assert_eq!((index, error.to_string()), (5, "constraint violation: two rows".to_owned()));
}

#[test]
fn the_three_notations_of_updates_give_one_type() {
    let row = |name: &str| Row::from([(Arc::from("name"), Datum::from(name))]);
    let decode = |method: &str, params: Value| {
        let update = Notification::decode(method, &params.to_string()).unwrap().unwrap();
        (update.last_txn, update.updates["T"][&U1].clone())
    };
    let v1 = |update: Value| decode("update", json!(["m", {"T": {U1.to_string(): update}}]));
    let v2 = |update: Value| decode("update2", json!(["m", {"T": {U1.to_string(): update}}]));
    assert_eq!(v1(json!({"new": {"name": "a"}})), (None, RowUpdate::Insert(row("a"))));
    assert_eq!(v1(json!({"old": {"name": "a"}, "new": {"name": "b"}})).1, RowUpdate::Insert(row("b")));
    assert_eq!(v1(json!({"new": {"name": "b"}, "old": {}})).1, RowUpdate::Insert(row("b")));
    assert_eq!(v1(json!({"old": {"name": "a"}})).1, RowUpdate::Delete);
    assert_eq!(v2(json!({"initial": {"name": "a"}})).1, RowUpdate::Initial(row("a")));
    assert_eq!(v2(json!({"modify": {"name": "b"}})).1, RowUpdate::Modify(row("b")));
    assert_eq!(v2(json!({"delete": null})).1, RowUpdate::Delete);
    let v3 = decode("update3", json!(["m", U1, {"T": {U1.to_string(): {"insert": {"name": "a"}}}}]));
    assert_eq!(v3, (Some(U1), RowUpdate::Insert(row("a"))));
    assert_eq!(Notification::decode("locked", "[\"l\"]").unwrap(), None);
}

#[test]
fn real_schemas_are_understood() {
    for path in [
        "/usr/share/ovn/ovn-nb.ovsschema",
        "/usr/share/ovn/ovn-sb.ovsschema",
        "/usr/share/openvswitch/vswitch.ovsschema",
    ] {
        let json = std::fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("{path}: {error}; install OVN and OVS"));
        let schema = DbSchema::decode(&json).unwrap();
        assert!(schema.tables.len() > 15, "{path}");
        assert!(!schema.version.is_empty(), "{path}");
    }
    let json = std::fs::read_to_string("/usr/share/ovn/ovn-nb.ovsschema").unwrap();
    let nb = DbSchema::decode(&json).unwrap();
    let ports = nb.column("Port_Group", "ports").unwrap();
    assert_eq!((ports.min, ports.max, ports.key.weak), (0, None, true));
    assert_eq!(ports.key.ref_table.as_deref(), Some("Logical_Switch_Port"));
    assert!(nb.column("Logical_Switch", "name").unwrap().is_scalar());
    assert!(nb.column("Logical_Switch", "external_ids").unwrap().is_map());
    assert!(nb.column("Logical_Switch", "no_such").is_none());
    assert!(nb.tables["Logical_Switch"].is_root && !nb.tables["ACL"].is_root);
    assert_eq!((nb.tables["NB_Global"].max_rows, nb.tables["ACL"].max_rows), (Some(1), None));
    assert_eq!(nb.tables["Port_Group"].indexes, [vec![Arc::from("name")]]);
}

#[test]
fn messages_are_told_apart() {
    let decode = |text: &'static str| Message::decode(text.as_bytes());
    assert!(matches!(
        decode(r#"{"id":"echo","method":"echo","params":[1]}"#),
        Ok(Message::Request { method: "echo", .. })
    ));
    assert!(matches!(
        decode(r#"{"params":[],"id":null,"method":"update"}"#),
        Ok(Message::Notification { method: "update", .. })
    ));
    let Ok(Message::Reply { id: Some(7), error: Some(error), .. }) =
        decode(r#"{"result":null,"error":{"error":"unknown database","syntax":"\"x\""},"id":7}"#)
    else {
        panic!("not a reply")
    };
    assert_eq!(ServerError::decode(error).to_string(), "unknown database: \"x\"");
    assert!(matches!(
        decode(r#"{"result":[],"error":null,"id":"foreign"}"#),
        Ok(Message::Reply { id: None, error: None, .. })
    ));
    assert!(decode("{}").is_err());
    assert!(decode(r#"{"id":1,"method":"echo"}"#).is_err());
}

fn atom() -> impl Strategy<Value = Atom> {
    prop_oneof![
        ".{0,8}".prop_map(Atom::from),
        any::<i64>().prop_map(Atom::from),
        any::<bool>().prop_map(Atom::from),
        any::<u128>().prop_map(|bits| Atom::from(Uuid::from_u128(bits))),
        // a fraction, since JSON does not tell 1.0 from 1
        any::<i32>().prop_map(|number| Atom::from(f64::from(number) + 0.5)),
        "[a-z_]{1,4}".prop_map(|name| Atom::Named(name.into())),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(
        set in prop::collection::vec(atom(), 0..6),
        map in prop::collection::vec((atom(), atom()), 0..6),
    ) {
        for value in [Datum::set(set), Datum::map(map)] {
            let json = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Datum>(&json).unwrap(), value);
        }
    }

    #[test]
    fn no_text_makes_decoding_panic(text in ".{0,40}") {
        let _ = Message::decode(text.as_bytes());
        let _ = serde_json::from_str::<Datum>(&text);
        let _ = Notification::decode("update3", &text);
        let _ = DbSchema::decode(&text);
    }
}
