//! Capabilities of servers that lack something, and how that is said.

use std::sync::Arc;

use super::*;
use crate::{
    nb::{ACL, LOGICAL_ROUTER_PORT, NORTHBOUND, PORT_GROUP},
    ovsdb::wire::{Atomic, BaseType},
};

fn server() -> DbSchema {
    DbSchema { version: "7.0.0".to_owned(), ..nb::server_schema(&NORTHBOUND) }
}

fn column<'a>(server: &'a mut DbSchema, table: &str, column: &str) -> &'a mut ColumnSchema {
    server.tables.get_mut(table).unwrap().columns.get_mut(column).unwrap()
}

fn gaps(server: &DbSchema) -> Vec<String> {
    Capabilities::of(&NORTHBOUND, server).gaps().iter().map(ToString::to_string).collect()
}

#[test]
fn a_server_that_has_all_of_it_has_no_gaps() {
    assert_eq!(gaps(&server()), [""; 0]);
    assert_eq!(Capabilities::of(&NORTHBOUND, &server()).version(), "7.0.0");
}

#[test]
fn a_missing_column_names_the_release_that_brought_it() {
    let mut server = server();
    server.tables.get_mut(ACL).unwrap().columns.remove("tier");
    assert_eq!(
        gaps(&server),
        [
            "OVSDB-SCHEMA-OLD: needs OVN 23.06 or newer: this server's Northbound schema 7.0.0 has no ACL.tier. \
          Upgrade OVN's databases with ovn-ctl, or leave out what needs it"
        ]
    );
    let can = Capabilities::of(&NORTHBOUND, &server);
    assert_eq!(can.support(Feature::AclTier), Support::No);
    assert_eq!(
        can.require(Feature::AclTier).unwrap_err().message(),
        "needs OVN 23.06 or newer for tiers of access rules: this server's Northbound schema 7.0.0 has no ACL.tier. \
         Upgrade OVN's databases with ovn-ctl, or leave out what needs it"
    );
}

#[test]
fn what_every_ovn_has_is_missed_in_other_words() {
    let mut server = server();
    server.tables.remove(PORT_GROUP);
    server.tables.get_mut(ACL).unwrap().columns.remove("match");
    let told = gaps(&server);
    assert_eq!(told.len(), 2, "of a missing table not every column: {told:?}");
    assert!(told[0].contains("has no ACL.match. Every OVN since 22.03 has it"), "{told:?}");
    assert!(told[1].contains("has no table Port_Group. Every OVN since 22.03 has it"), "{told:?}");
}

#[test]
fn a_text_that_a_column_does_not_allow_is_a_missing_feature() {
    let mut server = server();
    column(&mut server, ACL, "action").key.choices = vec!["allow".into(), "drop".into()];
    let can = Capabilities::of(&NORTHBOUND, &server);
    assert_eq!((can.support(Feature::AclPass), can.support(Feature::AclTier)), (Support::No, Support::Yes));
    let text = can.require(Feature::AclPass).unwrap_err().to_string();
    assert!(text.contains("OVN 23.06 or newer") && text.contains("no \"pass\" in ACL.action"), "{text}");
    column(&mut server, ACL, "action").key.choices.push("pass".into());
    assert_eq!(Capabilities::of(&NORTHBOUND, &server).require(Feature::AclPass), Ok(()));
}

#[test]
fn what_no_schema_tells_is_unknown_and_no_error() {
    let can = Capabilities::of(&NORTHBOUND, &server());
    assert_eq!(can.support(Feature::GivenUuid), Support::Unknown);
    assert_eq!(can.require(Feature::GivenUuid), Ok(()));
}

#[test]
fn another_database_is_said_once_and_has_no_features() {
    let other = DbSchema { name: "Open_vSwitch".into(), ..server() };
    assert_eq!(
        gaps(&other),
        [
            "OVSDB-SCHEMA-OTHER: needs OVN_Northbound, but this is the schema of Open_vSwitch. Correct the endpoint"
        ]
    );
    let can = Capabilities::of(&NORTHBOUND, &other);
    assert_eq!(can.support(Feature::AclTier), Support::No, "whatever its tables are called");
}

#[test]
fn a_column_of_another_type_is_told_with_both_types() {
    type Change = fn(&mut ColumnSchema);
    let changes: [(&str, &str, Change, &str); 5] = [
        (ACL, "match", |c| c.max = None, "has a set of string as ACL.match, where one string is written"),
        (
            ACL,
            "priority",
            |c| c.key.atom = Atomic::String,
            "has one string as ACL.priority, where one integer",
        ),
        (ACL, "meter", |c| c.min = 1, "has one string as ACL.meter, where an optional string is written"),
        (
            ACL,
            "options",
            |c| c.value = None,
            "has a set of string as ACL.options, where a map of string to string",
        ),
        (
            PORT_GROUP,
            "ports",
            |c| c.key = BaseType { ref_table: Some(Arc::from("Other")), ..c.key.clone() },
            "has a set of weak reference to Other as Port_Group.ports",
        ),
    ];
    for (table, name, change, text) in changes {
        let mut server = server();
        change(column(&mut server, table, name));
        let told = gaps(&server);
        assert!(told.len() == 1 && told[0].contains(text), "{told:?}");
        assert!(
            told[0].starts_with("OVSDB-SCHEMA-TYPE: this server's Northbound schema 7.0.0 has"),
            "{told:?}"
        );
    }
}

#[test]
fn a_set_that_may_now_be_empty_is_the_same_type() {
    let mut server = server();
    column(&mut server, LOGICAL_ROUTER_PORT, "networks").min = 0;
    assert_eq!(gaps(&server), [""; 0]);
    let can = Capabilities::of(&NORTHBOUND, &server);
    assert_eq!(can.support(Feature::BareRouterPorts), Support::Yes);
}

#[test]
fn features_are_told_apart_and_listed_by_age() {
    let names: BTreeSet<_> = Feature::ALL.iter().map(|feature| feature.name()).collect();
    assert_eq!(names.len(), Feature::ALL.len());
    assert!(Feature::ALL.is_sorted_by_key(|feature| feature.since()));
    for feature in Feature::ALL {
        let since = match feature.needs() {
            Needs::Table(table) => Release::of_table(table),
            Needs::Column(table, column) => Release::of_column(table, column),
            Needs::Choice(..) | Needs::Empty(..) | Needs::Trying => continue,
        };
        assert_eq!(feature.since(), since, "{feature:?}");
    }
}
