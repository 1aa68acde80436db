//! Tests of encoding and judging, on what the wire carries.

use kubeovn_core::rows::{Atom as CoreAtom, Op, Value};
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    nb::{self, ACL, DHCP_OPTIONS, LOGICAL_SWITCH as LS, LOGICAL_SWITCH_PORT as LSP, NORTHBOUND, PORT_GROUP},
    ovsdb::wire::{Notification, OpResult, ServerError},
};

const SPACE: Uuid = Uuid::from_u128(42);

fn replica() -> Replica {
    let mut replica = Replica::new(&NORTHBOUND, &nb::server_schema(&NORTHBOUND));
    let mark = json!(["map", [["vendor", "kube-ovn"], ["row", "old"], ["ls", "lan"]]]);
    let rows = json!(["m", {
        "Logical_Switch": {id(1): {"insert": {"name": "lan", "ports": ["uuid", id(2)]}}},
        "Logical_Switch_Port": {id(2): {"insert": {"name": "old.default", "external_ids": mark}}},
    }]);
    let updates = Notification::decode("update2", &rows.to_string()).unwrap().unwrap().updates;
    replica.apply(updates).unwrap();
    replica
}

fn id(n: u128) -> String {
    Uuid::from_u128(n).to_string()
}

fn lan() -> RowKey {
    RowKey::named(LS, "lan")
}

fn port(id: &str) -> RowKey {
    RowKey::new(LSP, id)
}

fn item(row: &RowKey) -> Elem {
    Elem::Item(CoreAtom::Row(row.clone()))
}

fn txn(ops: Vec<(RowKey, Act)>) -> Txn {
    Txn { id: 1, ops: ops.into_iter().map(|(row, act)| Op { row, act }).collect() }
}

fn json_of(txn: &Txn, identity: Identity) -> Json {
    serde_json::to_value(encode(txn, &replica(), identity).unwrap().ops).unwrap()
}

/// A new port attached to the switch.
fn birth() -> Txn {
    let mut spec = RowSpec::default();
    spec.set("name", Value::str("new.default")).set("type", Value::str("")).set("enabled", Value::EMPTY);
    spec.pair("external_ids", "ls", "lan");
    let attach =
        Delta { add: BTreeMap::from([("ports", BTreeSet::from([item(&port("new"))]))]), ..Delta::default() };
    txn(vec![(lan(), Act::Change(attach)), (port("new"), Act::Insert(spec, BTreeMap::new()))])
}

#[test]
fn new_rows_get_a_computed_uuid_and_old_ones_keep_theirs() {
    let new = row_uuid(SPACE, &port("new")).to_string();
    assert_eq!(
        json_of(&birth(), Identity::Given(SPACE)),
        json!([
            {"op": "mutate", "table": LS, "where": [["_uuid", "==", ["uuid", id(1)]]],
             "mutations": [["ports", "insert", ["uuid", new]]]},
            {"op": "insert", "table": LSP, "uuid": new,
             "row": {"name": "new.default", "external_ids": ["map", [["ls", "lan"]]]}},
        ])
    );
}

#[test]
fn where_the_server_draws_the_uuid_rows_are_referred_to_by_name() {
    let ops = json_of(&birth(), Identity::Drawn);
    assert_eq!(ops[0]["mutations"][0][2], json!(["named-uuid", "row0"]));
    assert_eq!(ops[1]["uuid-name"], json!("row0"));
    assert!(ops[1].get("uuid").is_none());
}

#[test]
fn a_change_is_one_update_and_one_mutate() {
    let mut delta = Delta::default();
    delta.values.insert("addresses", Value::strs(["b", "a"]));
    delta.values.insert("type", Value::EMPTY);
    delta.pairs.insert("external_ids", BTreeMap::from([("ls", Some("wan".into())), ("uid", None)]));
    let row = json!([["_uuid", "==", ["uuid", id(2)]]]);
    assert_eq!(
        json_of(&txn(vec![(port("old"), Act::Change(delta))]), Identity::Given(SPACE)),
        json!([
            {"op": "update", "table": LSP, "where": row, "row": {"addresses": ["set", ["a", "b"]], "type": ""}},
            {"op": "mutate", "table": LSP, "where": row, "mutations": [
                ["external_ids", "delete", ["set", ["ls", "uid"]]],
                ["external_ids", "insert", ["map", [["ls", "wan"]]]],
            ]},
        ])
    );
}

/// Where there is room for one reference only, another one is refused as long as somebody else's is there; and inserting
/// a key that is there changes nothing.
#[test]
fn what_is_there_makes_room() {
    let born = RowKey::new(DHCP_OPTIONS, "born");
    let pair = |value: &str| Elem::Pair("mtu".into(), value.into());
    let port_delta = Delta {
        add: BTreeMap::from([("dhcpv4_options", BTreeSet::from([item(&born)]))]),
        ..Delta::default()
    };
    let map_delta =
        Delta { add: BTreeMap::from([("options", BTreeSet::from([pair("1400")]))]), ..Delta::default() };
    let mut replica = replica();
    let row = json!(["m", {"DHCP_Options": {id(3): {"insert": {"cidr": "10.0.0.0/8",
        "options": ["map", [["mtu", "9000"]]],
        "external_ids": ["map", [["vendor", "kube-ovn"], ["row", "old"]]]}}}}]);
    replica.apply(Notification::decode("update2", &row.to_string()).unwrap().unwrap().updates).unwrap();
    let ops = vec![
        (born.clone(), Act::Insert(RowSpec::default(), BTreeMap::new())),
        (RowKey::new(DHCP_OPTIONS, "old"), Act::Change(map_delta)),
        (port("old"), Act::Change(port_delta)),
    ];
    let ops = encode(&txn(ops), &replica, Identity::Given(SPACE)).unwrap().ops;
    let ops = serde_json::to_value(ops).unwrap();
    let new = row_uuid(SPACE, &born).to_string();
    let mutations = json!([["options", "delete", "mtu"], ["options", "insert", ["map", [["mtu", "1400"]]]]]);
    assert_eq!(ops[1]["mutations"], mutations);
    assert_eq!(
        (&ops[2]["op"], &ops[2]["row"]),
        (&json!("update"), &json!({"dhcpv4_options": ["uuid", new]}))
    );
}

#[test]
fn what_is_gone_need_not_be_detached() {
    let detach = Delta {
        remove: BTreeMap::from([("ports", BTreeSet::from([item(&port("old")), item(&port("never"))]))]),
        ..Delta::default()
    };
    let ops =
        json_of(&txn(vec![(lan(), Act::Change(detach)), (port("old"), Act::Delete)]), Identity::Given(SPACE));
    assert_eq!(ops[0]["mutations"], json!([["ports", "delete", ["uuid", id(2)]]]));
    assert_eq!(ops[1], json!({"op": "delete", "table": LSP, "where": [["_uuid", "==", ["uuid", id(2)]]]}));
}

/// What [`Encoder::removals`] says of ovsdb-server 3.1.0.
#[test]
fn a_changed_row_is_not_left_with_weak_references_to_what_is_deleted() {
    let mut replica = replica();
    let group = json!(["m", {"Port_Group": {id(3): {"insert": {"name": "g", "ports": ["uuid", id(2)]}}}}]);
    replica.apply(Notification::decode("update2", &group.to_string()).unwrap().unwrap().updates).unwrap();
    let mut delta = Delta::default();
    delta.pairs.insert("external_ids", BTreeMap::from([("np", None)]));
    let ops = vec![(port("old"), Act::Delete), (RowKey::named("Port_Group", "g"), Act::Change(delta))];
    let ops = encode(&txn(ops), &replica, Identity::Given(SPACE)).unwrap().ops;
    let mutations = &serde_json::to_value(ops).unwrap()[1]["mutations"];
    assert_eq!(*mutations, json!([["external_ids", "delete", "np"], ["ports", "delete", ["uuid", id(2)]]]));
}

#[test]
fn what_cannot_be_written_names_its_row() {
    let refused = |txn: &Txn, replica: &Replica| encode(txn, replica, Identity::Given(SPACE)).unwrap_err();
    let absent = refused(&txn(vec![(port("never"), Act::Delete)]), &replica());
    assert_eq!(absent, TxnError::Absent { row: port("never") });
    let present =
        refused(&txn(vec![(port("old"), Act::Insert(RowSpec::default(), BTreeMap::new()))]), &replica());
    assert_eq!(present, TxnError::Present { row: port("old") });

    let attach = Delta {
        add: BTreeMap::from([("ports", BTreeSet::from([item(&port("never"))]))]),
        ..Delta::default()
    };
    let dangling = refused(&txn(vec![(lan(), Act::Change(attach))]), &replica());
    assert_eq!(dangling, TxnError::NoTarget { row: lan(), column: "ports", target: port("never") });

    let mut old_server = nb::server_schema(&NORTHBOUND);
    old_server.tables.get_mut(ACL).unwrap().columns.remove("tier");
    let mut spec = RowSpec::default();
    spec.set("tier", Value::int(1));
    let rule = RowKey::new(ACL, "rule");
    let too_old = refused(
        &txn(vec![(rule.clone(), Act::Insert(spec, BTreeMap::new()))]),
        &Replica::new(&NORTHBOUND, &old_server),
    );
    let text = "ACL/rule: OVSDB-SCHEMA-OLD: needs OVN 23.06 or newer: this server's Northbound schema has no ACL.tier. \
                Upgrade OVN's databases with ovn-ctl, or leave out what needs it";
    assert_eq!(Outcome::from(too_old), Outcome::Rejected { text: text.to_owned(), row: Some(rule) });
}

/// A Northbound as of OVN 23.03, with a rule.
fn without_tiers() -> Replica {
    let mut server = nb::server_schema(&NORTHBOUND);
    server.version = "7.0.0".to_owned();
    server.tables.get_mut(ACL).unwrap().columns.remove("tier");
    server.tables.remove(PORT_GROUP);
    let mut replica = Replica::new(&NORTHBOUND, &server);
    let ids = json!(["map", [["vendor", "kube-ovn"], ["row", "rule"], ["owner", "subnet/s"]]]);
    let rows = json!(["m", {"ACL": {id(7): {"initial": {"external_ids": ids}}}}]);
    replica.replace(Notification::decode("update2", &rows.to_string()).unwrap().unwrap().updates).unwrap();
    replica
}

#[test]
fn a_value_that_a_missing_column_has_anyway_is_left_out() {
    let (replica, rule) = (without_tiers(), RowKey::new(ACL, "rule"));
    assert_eq!(replica.value(&rule, "tier"), Some(&Value::int(nb::TIER)), "so that this is no difference");
    for value in [Value::int(nb::TIER), Value::EMPTY] {
        let mut spec = RowSpec::default();
        spec.set("tier", value.clone()).set("priority", Value::int(5));
        let insert = (RowKey::new(ACL, "new"), Act::Insert(spec, BTreeMap::new()));
        let values = BTreeMap::from([("tier", value), ("priority", Value::int(6))]);
        let mut pairs = BTreeMap::new();
        pairs.insert("options", BTreeMap::from([("apply-after-lb", None)]));
        let change = (rule.clone(), Act::Change(Delta { values, pairs, ..Delta::default() }));
        let ops = encode(&txn(vec![insert, change]), &replica, Identity::Given(SPACE)).unwrap().ops;
        let text = serde_json::to_string(&ops).unwrap();
        assert!(text.contains("priority") && !text.contains("tier"), "{text}");
    }
}

#[test]
fn a_value_that_a_missing_column_cannot_have_is_refused_with_the_way_out() {
    let (replica, rule) = (without_tiers(), RowKey::new(ACL, "rule"));
    for tier in [0, 1, 3] {
        let values = BTreeMap::from([("tier", Value::int(tier))]);
        let change = Act::Change(Delta { values, ..Delta::default() });
        let refused =
            encode(&txn(vec![(rule.clone(), change)]), &replica, Identity::Given(SPACE)).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("needs OVN 23.06 or newer"), "{text}");
        assert!(text.contains("Northbound schema 7.0.0 has no ACL.tier"), "{text}");
    }
    for value in [Value::str(""), Value::str("g"), Value::EMPTY] {
        let mut spec = RowSpec::default();
        spec.set("name", value);
        let insert = (RowKey::new(PORT_GROUP, "g"), Act::Insert(spec, BTreeMap::new()));
        let refused = encode(&txn(vec![insert]), &replica, Identity::Given(SPACE)).unwrap_err();
        assert!(refused.to_string().contains("has no table Port_Group"), "{refused}");
    }
}

fn judge(results: &[OpResult]) -> Outcome {
    encode(&birth(), &replica(), Identity::Given(SPACE)).unwrap().receipt.judge(results)
}

fn failed(error: &str, details: &str) -> OpResult {
    OpResult::Error(ServerError { error: error.to_owned(), details: details.to_owned() })
}

fn blamed(outcome: &Outcome) -> Option<&RowKey> {
    match outcome {
        Outcome::Rejected { row, .. } => row.as_ref(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_operation_must_have_found_its_row() {
    let born = OpResult::Inserted(row_uuid(SPACE, &port("new")));
    assert_eq!(judge(&[OpResult::Count(1), born.clone()]), Outcome::Done);
    assert_eq!(judge(&[OpResult::Count(0), born]), Outcome::Unknown, "the row was not there");
    assert_eq!(judge(&[OpResult::Count(1)]), Outcome::Unknown, "half an answer");
}

#[test]
fn a_refusal_names_the_row() {
    let by_index = judge(&[OpResult::Count(1), failed("duplicate uuid", "")]);
    assert_eq!(blamed(&by_index), Some(&port("new")));

    let new = row_uuid(SPACE, &port("new"));
    let details = format!("First row, with UUID {}, existed.  Second row, with UUID {new}, is new.", id(99));
    let results = [OpResult::Count(1), OpResult::Inserted(new), failed("constraint violation", &details)];
    assert_eq!(blamed(&judge(&results)), Some(&port("new")), "the foreign row is not to blame");

    let details = format!("Table Logical_Switch column ports row {} references nonexistent row", id(1));
    let results =
        [OpResult::Count(1), OpResult::Inserted(new), failed("referential integrity violation", &details)];
    assert_eq!(blamed(&judge(&results)), Some(&lan()));
}

#[test]
fn rows_that_the_server_named_are_found_too() {
    let receipt = encode(&birth(), &replica(), Identity::Drawn).unwrap().receipt;
    let drawn = Uuid::from_u128(1234);
    let details = format!("First row, with UUID {drawn}, was inserted by this transaction.");
    let results = [OpResult::Count(1), OpResult::Inserted(drawn), failed("constraint violation", &details)];
    assert_eq!(blamed(&receipt.judge(&results)), Some(&port("new")));
}

#[test]
fn a_server_that_cannot_tell_is_not_believed() {
    assert_eq!(judge(&[failed("not leader", ""), OpResult::Skipped]), Outcome::Unknown);
}
