//! Tests of the replica: what updates change, under which names rows are known, what can be read.

use kubeovn_core::rows::{Change, Replica as _, RowChange};
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    nb::{self, LOGICAL_SWITCH as LS, LOGICAL_SWITCH_PORT as LSP, NB_GLOBAL, NORTHBOUND, PORT_GROUP as PG},
    ovsdb::wire::Notification,
};

fn replica() -> Replica {
    Replica::new(&NORTHBOUND, &nb::server_schema(&NORTHBOUND))
}

fn updates(json: &Json) -> TableUpdates {
    let params = json!(["monitor", json]).to_string();
    Notification::decode("update2", &params).unwrap().unwrap().updates
}

fn apply(replica: &mut Replica, json: &Json) -> Vec<RowChange> {
    replica.apply(updates(json)).unwrap()
}

fn id(n: u128) -> String {
    Uuid::from_u128(n).to_string()
}

fn uuids(ids: &[u128]) -> Json {
    json!(["set", ids.iter().map(|n| json!(["uuid", id(*n)])).collect::<Vec<_>>()])
}

fn mark(row: &str) -> Json {
    json!(["map", [["vendor", "kube-ovn"], ["owner", "pod/default/web-0"], ["row", row]]])
}

/// A switch of somebody else's with a port of ours in it.
fn switch_and_port() -> Replica {
    let mut replica = replica();
    apply(
        &mut replica,
        &json!({
            "Logical_Switch": {id(1): {"insert": {"name": "lan", "ports": uuids(&[10, 11])}}},
            "Logical_Switch_Port": {
                id(10): {"insert": {"name": "web-0.default", "external_ids": mark("web-0")}},
                id(11): {"insert": {"name": "theirs", "addresses": "unknown"}},
            },
        }),
    );
    replica
}

fn elems(replica: &Replica, row: &RowKey, column: &str) -> Vec<Elem> {
    let mut all = Vec::new();
    replica.elements(row, column, &mut |elem| all.push(elem));
    all
}

fn item(row: &RowKey) -> Elem {
    Elem::Item(Atom::Row(row.clone()))
}

fn modified(
    row: &RowKey,
    owner: Option<&str>,
    columns: &[&'static str],
    elems: Vec<(&'static str, Elem)>,
) -> RowChange {
    let owner = owner.map(|owner| owner.parse().unwrap());
    RowChange { row: row.clone(), owner, what: Change::Modified { columns: columns.to_vec(), elems } }
}

#[test]
fn rows_are_known_by_mark_or_name() {
    let replica = switch_and_port();
    let port = RowKey::new(LSP, "web-0");
    let (lan, theirs) = (RowKey::named(LS, "lan"), RowKey::named(LSP, "theirs"));
    assert!(replica.has(&port) && replica.has(&lan) && replica.has(&theirs));
    assert!(!replica.has(&RowKey::named(LSP, "web-0.default")), "ours is not also known by its name");
    assert_eq!(replica.uuid(&port), Some(Uuid::from_u128(10)));
    assert_eq!(replica.key(Uuid::from_u128(10)), Some(&port));
    let mut ours = Vec::new();
    replica.ours(&mut |row, owner| ours.push((row.clone(), owner.map(ToString::to_string))));
    assert_eq!(ours, [(port.clone(), Some("pod/default/web-0".to_owned()))]);
    // references inside one update resolve although the port comes after the switch
    assert_eq!(elems(&replica, &lan, "ports"), [item(&port), item(&theirs)]);
    assert!(replica.holds(&lan, "ports", &item(&port)));
    let mut parents = Vec::new();
    replica.parents(&port, &mut |row, column| parents.push((row, column)));
    assert_eq!(parents, [(lan, "ports")]);
}

#[test]
fn unset_columns_read_as_the_default_of_their_type() {
    let replica = switch_and_port();
    let port = RowKey::new(LSP, "web-0");
    assert_eq!(replica.value(&port, "type"), Some(&Value::str("")), "a scalar is never empty");
    assert_eq!(replica.value(&port, "addresses"), Some(&Value::EMPTY));
    assert_eq!(replica.value(&port, "enabled"), Some(&Value::EMPTY));
    assert_eq!(replica.value(&RowKey::new(LSP, "other"), "type"), None);
}

#[test]
fn differences_toggle_sets_and_replace_scalars() {
    let mut replica = switch_and_port();
    let port = RowKey::named(LSP, "theirs");
    let change = apply(
        &mut replica,
        &json!({"Logical_Switch_Port": {id(11): {"modify": {
            "addresses": ["set", ["unknown", "router"]], "enabled": true, "type": "router",
        }}}}),
    );
    assert_eq!(change, [modified(&port, None, &["type", "addresses", "enabled"], vec![])]);
    assert_eq!(replica.value(&port, "addresses"), Some(&Value::strs(["router"])));
    assert_eq!(replica.value(&port, "enabled"), Some(&Value::bool(true)));
    apply(&mut replica, &json!({"Logical_Switch_Port": {id(11): {"modify": {"enabled": ["set", []]}}}}));
    assert_eq!(replica.value(&port, "enabled"), Some(&Value::EMPTY));
}

#[test]
fn differences_of_maps_add_replace_and_remove() {
    let mut replica = replica();
    let port = RowKey::named(LSP, "p");
    apply(
        &mut replica,
        &json!({"Logical_Switch_Port": {id(1): {"insert": {
        "name": "p", "options": ["map", [["a", "1"], ["b", "2"]]]}}}}),
    );
    let change = apply(
        &mut replica,
        &json!({"Logical_Switch_Port": {id(1): {"modify": {
        "options": ["map", [["a", "1"], ["b", "3"], ["c", "4"]]]}}}}),
    );
    assert_eq!(change, [modified(&port, None, &["options"], vec![])]);
    let read = |key| replica.pair(&port, "options", key).map(ToString::to_string);
    assert_eq!([read("a"), read("b"), read("c")], [None, Some("3".into()), Some("4".into())]);
}

#[test]
fn a_reference_that_went_with_its_target_is_still_named() {
    let mut replica = switch_and_port();
    let (lan, port) = (RowKey::named(LS, "lan"), RowKey::new(LSP, "web-0"));
    let change = apply(
        &mut replica,
        &json!({
            "Logical_Switch": {id(1): {"modify": {"ports": uuids(&[10])}}},
            "Logical_Switch_Port": {id(10): {"delete": null}},
        }),
    );
    let gone = RowChange {
        row: port.clone(),
        owner: Some(OwnerKey::pod("default", "web-0")),
        what: Change::Deleted,
    };
    assert_eq!(change, [gone, modified(&lan, None, &[], vec![("ports", item(&port))])]);
    assert!(!replica.holds(&lan, "ports", &item(&port)));
    let mut parents = 0;
    replica.parents(&port, &mut |_, _| parents += 1);
    assert_eq!(parents, 0);
}

#[test]
fn another_mark_is_another_row() {
    let mut replica = switch_and_port();
    let change = apply(
        &mut replica,
        &json!({"Logical_Switch_Port": {id(10): {"modify": {
        "external_ids": ["map", [["row", "web-1"]]]}}}}),
    );
    let owner = Some(OwnerKey::pod("default", "web-0"));
    let (old, new) = (RowKey::new(LSP, "web-0"), RowKey::new(LSP, "web-1"));
    assert_eq!(
        change,
        [
            RowChange { row: old.clone(), owner: owner.clone(), what: Change::Deleted },
            RowChange { row: new.clone(), owner, what: Change::Inserted },
        ]
    );
    assert!(!replica.has(&old) && replica.has(&new));
    // somebody takes the mark off: what was ours is now just a port of that name
    apply(
        &mut replica,
        &json!({"Logical_Switch_Port": {id(10): {"modify": {
        "external_ids": ["map", [["vendor", "kube-ovn"]]]}}}}),
    );
    assert!(!replica.has(&new) && replica.has(&RowKey::named(LSP, "web-0.default")));
}

#[test]
fn twins_are_told_apart_and_inherit_the_name() {
    let mut replica = replica();
    apply(
        &mut replica,
        &json!({"Logical_Switch": {
        id(1): {"insert": {"name": "lan"}}, id(2): {"insert": {"name": "lan"}}}}),
    );
    let (first, second) = (RowKey::named(LS, "lan"), RowKey::named(LS, &format!("lan~{}", id(2))));
    assert_eq!(replica.uuid(&first), Some(Uuid::from_u128(1)));
    assert_eq!(replica.uuid(&second), Some(Uuid::from_u128(2)));
    let change = apply(&mut replica, &json!({"Logical_Switch": {id(1): {"delete": null}}}));
    let told = |row: &RowKey, what| RowChange { row: row.clone(), owner: None, what };
    assert_eq!(
        change,
        [told(&first, Change::Deleted), told(&second, Change::Deleted), told(&first, Change::Inserted),]
    );
    assert_eq!(replica.uuid(&first), Some(Uuid::from_u128(2)));
    assert!(!replica.has(&second));
}

#[test]
fn a_name_can_change_hands_in_one_update() {
    let mut replica = replica();
    apply(&mut replica, &json!({"Logical_Switch": {id(2): {"insert": {"name": "lan"}}}}));
    apply(
        &mut replica,
        &json!({"Logical_Switch": {
        id(1): {"insert": {"name": "lan"}}, id(2): {"delete": null}}}),
    );
    assert_eq!(replica.uuid(&RowKey::named(LS, "lan")), Some(Uuid::from_u128(1)));
    assert_eq!(replica.len(), 1);
}

#[test]
fn the_only_row_of_a_table_needs_no_name() {
    let mut replica = replica();
    apply(&mut replica, &json!({"NB_Global": {id(1): {"initial": {"external_ids": ["map", [["k", "v"]]]}}}}));
    let global = RowKey::named(NB_GLOBAL, "");
    assert_eq!(replica.pair(&global, "external_ids", "k").map(|v| &**v), Some("v"));
}

#[test]
fn a_row_told_again_is_compared() {
    let mut replica = switch_and_port();
    let (lan, port) = (RowKey::named(LS, "lan"), RowKey::new(LSP, "web-0"));
    let change = apply(
        &mut replica,
        &json!({"Logical_Switch": {id(1): {"insert": {"name": "lan", "ports": uuids(&[11])}}}}),
    );
    assert_eq!(change, [modified(&lan, None, &[], vec![("ports", item(&port))])]);
    let again = json!({"Logical_Switch": {id(1): {"insert": {"name": "lan", "ports": uuids(&[11])}}}});
    assert_eq!(apply(&mut replica, &again), []);
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut replica = switch_and_port();
    let wrong = updates(&json!({
        "Logical_Switch": {id(1): {"delete": null}},
        "Port_Group": {id(77): {"modify": {"name": "x"}}},
    }));
    let diverged = replica.apply(wrong.clone()).unwrap_err();
    assert_eq!((&*diverged.table, diverged.uuid), (PG, Uuid::from_u128(77)));
    assert!(replica.has(&RowKey::named(LS, "lan")));
    assert!(replica.replace(wrong).is_err());
    assert_eq!(replica.len(), 3);
}

#[test]
fn replacing_forgets_what_is_gone() {
    let mut replica = switch_and_port();
    replica.replace(updates(&json!({"Port_Group": {id(5): {"initial": {"name": "g"}}}}))).unwrap();
    assert_eq!(replica.len(), 1);
    assert!(replica.has(&RowKey::named(PG, "g")));
}

#[test]
fn columns_that_a_server_lacks_are_not_asked_for() {
    let mut server = nb::server_schema(&NORTHBOUND);
    server.tables.get_mut("ACL").unwrap().columns.remove("tier");
    server.tables.remove("Port_Group");
    let replica = Replica::new(&NORTHBOUND, &server);
    let columns = replica.columns();
    assert!(!columns["ACL"].contains(&"tier") && columns["ACL"].contains(&"match"));
    assert!(!columns.contains_key("Port_Group"));
    assert_eq!(replica.default_of("ACL", "tier"), None);
    assert_eq!(replica.default_of("ACL", "log"), Some(&Value::bool(false)));
}

#[test]
fn every_member_of_a_large_set_is_found() {
    let mut replica = replica();
    let ports: serde_json::Map<String, Json> =
        (1..=20_000).map(|n| (id(n), json!({"insert": {"name": format!("p{n}")}}))).collect();
    let all: Vec<u128> = (1..=20_000).collect();
    apply(
        &mut replica,
        &json!({
            "Port_Group": {id(200_000): {"insert": {"name": "g", "ports": uuids(&all)}}},
            "Logical_Switch_Port": ports,
        }),
    );
    let group = RowKey::named(PG, "g");
    for n in 1..=20_000 {
        assert!(replica.holds(&group, "ports", &item(&RowKey::named(LSP, &format!("p{n}")))));
    }
    let one = apply(&mut replica, &json!({"Port_Group": {id(200_000): {"modify": {"ports": uuids(&[7])}}}}));
    let seventh = item(&RowKey::named(LSP, "p7"));
    assert_eq!(one, [modified(&group, None, &[], vec![("ports", seventh.clone())])]);
    assert!(!replica.holds(&group, "ports", &seventh));
    assert_eq!(elems(&replica, &group, "ports").len(), 19_999);
}
