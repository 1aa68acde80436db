//! What any server may say, written here by the letter of the protocol, is read as what was meant; what we say is read
//! back as the same.

use super::*;

fn json_of(datum: &Datum) -> Value {
    serde_json::to_value(datum).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,6}", Just("\"\\}{][".to_owned()), Just("\u{1}\n\u{1f980}".to_owned())]
}

/// An atom as a server sends it: no names.
fn sent_atom() -> impl Strategy<Value = Atom> {
    atom().prop_filter("servers send no names", |atom| !matches!(atom, Atom::Named(_)))
}

fn datum() -> impl Strategy<Value = Datum> {
    prop_oneof![
        prop::collection::vec(sent_atom(), 0..4).prop_map(Datum::set),
        prop::collection::vec((sent_atom(), sent_atom()), 0..4).prop_map(Datum::map),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    prop::collection::btree_map(text().prop_map(Into::into), datum(), 0..4)
        .prop_map(|columns| columns.into_iter().collect())
}

fn row_json(row: &Row) -> Value {
    row.iter()
        .map(|(column, datum)| (column.to_string(), json_of(datum)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn server_error() -> impl Strategy<Value = ServerError> {
    (text(), text()).prop_map(|(error, details)| ServerError { error, details })
}

fn op_result() -> impl Strategy<Value = OpResult> {
    prop_oneof![
        Just(OpResult::Skipped),
        Just(OpResult::Done),
        any::<u64>().prop_map(OpResult::Count),
        uuid().prop_map(OpResult::Inserted),
        prop::collection::vec(row(), 0..3).prop_map(OpResult::Rows),
        prop::collection::vec(uuid(), 1..4).prop_map(OpResult::Uuids),
        server_error().prop_map(OpResult::Error),
    ]
}

fn result_json(result: &OpResult) -> Value {
    match result {
        OpResult::Skipped => Value::Null,
        OpResult::Done => json!({}),
        OpResult::Count(count) => json!({ "count": count }),
        OpResult::Inserted(uuid) => json!({"uuid": ["uuid", uuid]}),
        OpResult::Rows(rows) => json!({"rows": rows.iter().map(row_json).collect::<Value>()}),
        OpResult::Uuids(uuids) => {
            json!({"rows": uuids.iter().map(|uuid| json!({"_uuid": ["uuid", uuid]})).collect::<Value>()})
        }
        OpResult::Error(error) => json!({"error": error.error, "details": error.details}),
    }
}

fn row_update() -> impl Strategy<Value = RowUpdate> {
    prop_oneof![
        row().prop_map(RowUpdate::Initial),
        row().prop_map(RowUpdate::Insert),
        row().prop_map(RowUpdate::Modify),
        Just(RowUpdate::Delete),
    ]
}

fn updates() -> impl Strategy<Value = TableUpdates> {
    let rows = prop::collection::btree_map(uuid(), row_update(), 0..4);
    prop::collection::btree_map(text().prop_map(Into::into), rows, 0..3)
}

fn updates_json(updates: &TableUpdates) -> Value {
    let update = |update: &RowUpdate| match update {
        RowUpdate::Initial(row) => json!({"initial": row_json(row)}),
        RowUpdate::Insert(row) => json!({"insert": row_json(row)}),
        RowUpdate::Modify(row) => json!({"modify": row_json(row)}),
        RowUpdate::Delete => json!({"delete": null}),
    };
    let rows = |rows: &std::collections::BTreeMap<Uuid, RowUpdate>| -> Value {
        rows.iter()
            .map(|(uuid, row)| (uuid.to_string(), update(row)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    updates.iter().map(|(table, of)| (table.to_string(), rows(of))).collect::<serde_json::Map<_, _>>().into()
}

/// A type of a schema and what must be read of it.
fn column() -> impl Strategy<Value = (Value, (Atomic, bool, u64, Option<u64>))> {
    let word = prop_oneof![
        Just(("boolean", Atomic::Boolean)),
        Just(("integer", Atomic::Integer)),
        Just(("real", Atomic::Real)),
        Just(("string", Atomic::String)),
        Just(("uuid", Atomic::Uuid)),
    ];
    (word, any::<bool>(), any::<bool>(), 0..2_u64, prop::option::of(1..9_u64)).prop_map(
        |((word, atom), long, is_map, min, max)| {
            let base = if long { json!({"type": word, "new keyword": [1]}) } else { json!(word) };
            let max_json = max.map_or(json!("unlimited"), |max| json!(max));
            let mut kind = json!({"key": base, "min": min, "max": max_json});
            if is_map {
                kind["value"] = json!("string");
            }
            (json!({"type": kind, "ephemeral": true}), (atom, is_map, min, max))
        },
    )
}

#[test]
fn a_real_is_read_to_its_last_bit() {
    let text = "4.4444444444444454e85";
    let read: Atom = serde_json::from_str(text).unwrap();
    assert_eq!(read, Atom::from(text.parse::<f64>().unwrap()));
}

proptest! {
    #[test]
    fn every_real_is_read_as_it_was_written(number in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL) {
        let atom = Atom::from(number);
        let written = serde_json::to_string(&atom).unwrap();
        prop_assert_eq!(serde_json::from_str::<Atom>(&written).unwrap(), atom);
    }

    #[test]
    fn every_datum_and_row_is_read_as_it_was_written(row in row(), atom in sent_atom()) {
        prop_assert_eq!(&serde_json::from_value::<Row>(row_json(&row)).unwrap(), &row);
        let written = serde_json::to_string(&atom).unwrap();
        prop_assert_eq!(serde_json::from_str::<Atom>(&written).unwrap(), atom);
    }

    #[test]
    fn every_result_is_read_as_it_was_written(results in prop::collection::vec(op_result(), 0..5)) {
        // rows of nothing but an identity have a shape of their own
        let meant: Vec<OpResult> = results;
        let written: Value = meant.iter().map(result_json).collect();
        prop_assert_eq!(serde_json::from_value::<Vec<OpResult>>(written.clone()).unwrap(), meant.clone());
        prop_assert_eq!(serde_json::from_str::<Vec<OpResult>>(&written.to_string()).unwrap(), meant);
    }

    #[test]
    fn every_update_is_read_as_it_was_written(
        updates in updates(), monitor in text(), last in uuid(), found in any::<bool>(),
    ) {
        let rows = updates_json(&updates);
        let monitor: Arc<str> = monitor.into();
        for (method, params, last_txn) in [
            ("update2", json!([monitor, rows]), None),
            ("update3", json!([monitor, last, rows]), Some(last)),
        ] {
            let meant = Notification { monitor: monitor.clone(), last_txn, updates: updates.clone() };
            let frame = json!({"method": method, "params": params, "id": null}).to_string();
            let Ok(Message::Notification { method, params }) = Message::decode(frame.as_bytes()) else {
                panic!("no notification: {frame}")
            };
            prop_assert_eq!(Notification::decode(method, params.get()).unwrap(), Some(meant));
        }
        let since = MonitorReply { found, last_txn: Some(last), updates: updates.clone() };
        prop_assert_eq!(MonitorReply::decode(&json!([found, last, rows]).to_string(), true).unwrap(), since);
        let plain = MonitorReply { found: false, last_txn: None, updates };
        prop_assert_eq!(MonitorReply::decode(&rows.to_string(), false).unwrap(), plain);
    }

    #[test]
    fn every_request_and_reply_of_ours_is_a_message(id in any::<u32>(), rows in prop::collection::vec(row(), 0..3)) {
        let frame = encode_request(u64::from(id), "transact", &rows).unwrap();
        let Ok(Message::Request { id: sent, method: "transact", params }) = Message::decode(&frame) else {
            panic!("no request: {}", String::from_utf8_lossy(&frame))
        };
        prop_assert_eq!(sent.get(), id.to_string());
        prop_assert_eq!(&serde_json::from_str::<Vec<Row>>(params.get()).unwrap(), &rows);
        let reply = encode_reply(sent, params).unwrap();
        let Ok(Message::Reply { id: Some(back), result, error: None }) = Message::decode(&reply) else {
            panic!("no reply: {}", String::from_utf8_lossy(&reply))
        };
        prop_assert_eq!((back, result.get()), (u64::from(id), params.get()));
    }

    #[test]
    fn every_operation_says_its_rows_and_conditions(row in row(), datum in datum(), table in text()) {
        let table: Arc<str> = table.into();
        let condition = Condition::new("c", Function::Includes, datum.clone());
        let update = Operation::Update { table: table.clone(), r#where: vec![condition], row: row.clone() };
        let written = serde_json::to_value(&update).unwrap();
        prop_assert_eq!((&written["op"], written["table"].as_str()), (&json!("update"), Some(&*table)));
        prop_assert_eq!(&serde_json::from_value::<Row>(written["row"].clone()).unwrap(), &row);
        let (column, function, value): (String, String, Datum) =
            serde_json::from_value(written["where"][0].clone()).unwrap();
        prop_assert_eq!((column.as_str(), function.as_str(), &value), ("c", "includes", &datum));
        let mutate = Operation::Mutate {
            table,
            r#where: Vec::new(),
            mutations: vec![Mutation::new("c", Mutator::Delete, datum.clone())],
        };
        let written = serde_json::to_value(&mutate).unwrap();
        let (_, mutator, value): (String, String, Datum) =
            serde_json::from_value(written["mutations"][0].clone()).unwrap();
        prop_assert_eq!((mutator.as_str(), value), ("delete", datum));
    }

    #[test]
    fn every_schema_is_read_whatever_else_it_says(columns in prop::collection::vec(column(), 1..5)) {
        let named = columns.iter().enumerate().map(|(at, (json, _))| (format!("c{at}"), json.clone()));
        let named: serde_json::Map<_, _> = named.collect();
        let json = json!({"name": "db", "cksum": "1 2", "tables": {"T": {"columns": named, "new": {}}}});
        let schema = DbSchema::decode(&json.to_string()).unwrap();
        for (at, (_, (atom, is_map, min, max))) in columns.iter().enumerate() {
            let read = schema.column("T", &format!("c{at}")).unwrap();
            prop_assert_eq!((read.key.atom, read.is_map(), read.min, read.max), (*atom, *is_map, *min, *max));
        }
    }

    #[test]
    fn every_error_is_shown_as_it_came(error in server_error()) {
        let written = json!({"error": error.error, "details": error.details}).to_string();
        let raw: &serde_json::value::RawValue = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(ServerError::decode(raw), error);
    }
}
