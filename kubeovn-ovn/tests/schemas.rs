//! Servers of every OVN release from 22.03 to 25.09, and of schemas that are none of OVN's: what we make of them.
//!
//! Needs `ovsdb-server`, `ovsdb-tool` and the schema of OVN Northbound (Debian: openvswitch-common, ovn-common).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test may panic and print"
)]

#[path = "conformance/schemas.rs"]
mod schemas;
#[path = "support/server.rs"]
mod server;

use std::{collections::BTreeSet, fs, time::Duration};

use kubeovn_core::{
    contract::database::{Database, DbEvent},
    rows::{Act, Delta, Op, Outcome, RowKey, RowSpec, Txn, Value},
};
use kubeovn_ovn::{
    capability::{Capabilities, Feature, Gap, Release, Support},
    nb::{ACL, ADDRESS_SET, NORTHBOUND, PORT_GROUP, TIER},
    ovsdb::{
        client::Client,
        connect::{ConnectConfig, Connector},
        txn::Identity,
        wire::DbSchema,
    },
};
use schemas::{RELEASES, installed, patch, release};
use serde_json::json;
use server::{DATABASE, Directory, Server};
use tokio::time::timeout;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);

/// Long enough for several attempts to connect.
const A_WHILE: Duration = Duration::from_secs(2);

fn decode(schema: &serde_json::Value) -> DbSchema {
    DbSchema::decode(&schema.to_string()).unwrap()
}

fn capabilities(name: &str) -> Capabilities {
    Capabilities::of(&NORTHBOUND, &decode(&release(name).schema()))
}

fn codes(can: &Capabilities) -> Vec<&'static str> {
    can.gaps().iter().map(Gap::code).collect()
}

/// All tables, and all columns as `Table.column`.
fn names(schema: &DbSchema) -> BTreeSet<(String, Option<String>)> {
    let columns = |(table, what): (&std::sync::Arc<str>, &kubeovn_ovn::ovsdb::wire::TableSchema)| {
        let columns = what.columns.keys().map(|column| Some(column.to_string()));
        let table = table.to_string();
        columns.chain([None]).map(|column| (table.clone(), column)).collect::<Vec<_>>()
    };
    schema.tables.iter().flat_map(columns).collect()
}

/// A server with this schema.
fn serve(schema: &serde_json::Value) -> (Directory, Server) {
    let directory = Directory::new();
    let file = directory.path("made.ovsschema");
    fs::write(&file, schema.to_string()).unwrap();
    let server = Server::with_schema(&directory, &file, &[]);
    (directory, server)
}

fn client(server: &Server) -> Client {
    let config = ConnectConfig::new(server.endpoint().parse().unwrap(), DATABASE);
    let connector = Connector::new(config, Box::new(|| 0.0));
    Client::new(&NORTHBOUND, connector, Identity::Given(Uuid::nil()), None)
}

async fn next(client: &mut Client) -> DbEvent {
    timeout(PATIENCE, client.next()).await.expect("nothing happens")
}

/// What becomes of a new row.
async fn insert(client: &mut Client, row: RowKey, values: &[(&'static str, Value)]) -> Outcome {
    let mut spec = RowSpec::default();
    for (column, value) in values {
        spec.set(column, value.clone());
    }
    for (key, value) in [("vendor", "kube-ovn"), ("row", &row.id), ("owner", "subnet/s")] {
        spec.pair("external_ids", key, value);
    }
    write(client, row, Act::Insert(spec, [].into())).await
}

async fn write(client: &mut Client, row: RowKey, act: Act) -> Outcome {
    client.submit(Txn { id: 1, ops: vec![Op { row, act }] });
    loop {
        if let DbEvent::Committed { outcome, .. } = next(client).await {
            return outcome;
        }
    }
}

fn rule(tier: i64) -> [(&'static str, Value); 4] {
    [
        ("tier", Value::int(tier)),
        ("direction", Value::str("to-lport")),
        ("action", Value::str("drop")),
        ("match", Value::str("ip4")),
    ]
}

/// The server itself says whether a schema is sound.
#[tokio::test]
async fn servers_take_every_schema_and_tell_of_it_what_it_says() {
    for release in RELEASES {
        let schema = release.schema();
        let (_directory, server) = serve(&schema);
        let mut client = client(&server);
        assert!(matches!(next(&mut client).await, DbEvent::Resynced), "{}", release.name);
        let there = client.server_schema().unwrap();
        assert_eq!(names(there), names(&decode(&schema)), "{}", release.name);
        assert_eq!(client.capabilities().unwrap(), Capabilities::of(&NORTHBOUND, &decode(&schema)));
        assert_eq!(client.capabilities().unwrap().version(), release.version);
    }
}

#[test]
fn what_we_say_of_the_past_is_what_the_schemas_say() {
    for pair in RELEASES.windows(2) {
        let [older, newer] = pair else { panic!() };
        let (before, after) = (names(&decode(&older.schema())), names(&decode(&newer.schema())));
        assert!(before.is_subset(&after), "{} lost {:?}", newer.name, before.difference(&after));
        for (table, column) in after.difference(&before) {
            let since = match column {
                Some(column) => Release::of_column(table, column),
                None => Release::of_table(table),
            };
            assert_eq!(since.map(|r| r.to_string()).as_deref(), Some(newer.name), "{table} {column:?}");
        }
    }
    for (table, column) in names(&decode(&RELEASES[0].schema())) {
        let since = column.map_or(Release::of_table(&table), |column| Release::of_column(&table, &column));
        assert_eq!(since, None, "{table} has always been there");
    }
}

#[test]
fn a_feature_is_there_from_the_release_on_that_is_said_to_have_brought_it() {
    for release in RELEASES {
        let can = capabilities(release.name);
        for feature in Feature::ALL {
            let Some(since) = feature.since() else {
                assert_eq!(can.support(*feature), Support::Unknown);
                continue;
            };
            // names of releases are ordered as texts are
            let wanted = if since.to_string().as_str() <= release.name { Support::Yes } else { Support::No };
            assert_eq!(can.support(*feature), wanted, "{feature:?} in {}", release.name);
            assert_eq!(can.require(*feature).is_ok(), wanted == Support::Yes);
        }
    }
}

/// Until 23.03 the tier of rules is missing, and of what we use nothing else is missing or different in any release.
#[test]
fn of_what_we_use_little_is_missing() {
    for release in RELEASES {
        let can = capabilities(release.name);
        let told: Vec<String> = can.gaps().iter().map(ToString::to_string).collect();
        if release.name < "23.06" {
            let wanted = format!(
                "needs OVN 23.06 or newer: this server's Northbound schema {} has no ACL.tier",
                release.version
            );
            assert!(told.len() == 1 && told[0].contains(&wanted), "{}: {told:?}", release.name);
        } else {
            assert_eq!(told, [""; 0], "{}", release.name);
        }
    }
}

#[tokio::test]
async fn only_what_an_old_server_cannot_hold_is_refused() {
    let (_directory, server) = serve(&release("22.03").schema());
    let mut client = client(&server);
    assert!(matches!(next(&mut client).await, DbEvent::Resynced));
    assert_eq!(insert(&mut client, RowKey::new(ACL, "plain"), &rule(TIER)).await, Outcome::Done);
    let row = RowKey::new(ACL, "tiered");
    let Outcome::Rejected { text, row: blamed } = insert(&mut client, row.clone(), &rule(1)).await else {
        panic!("a tier was written where there are none")
    };
    assert_eq!(blamed, Some(row));
    assert!(text.contains("OVN 23.06 or newer") && text.contains("schema 6.1.0 has no ACL.tier"), "{text}");
}

#[tokio::test]
async fn a_server_of_another_database_is_never_taken_for_ours() {
    let switch = fs::read_to_string("/usr/share/openvswitch/vswitch.ovsschema").unwrap();
    let switch: serde_json::Value = serde_json::from_str(&switch).unwrap();
    let can = Capabilities::of(&NORTHBOUND, &decode(&switch));
    assert_eq!(codes(&can), ["OVSDB-SCHEMA-OTHER"]);
    assert!(Feature::ALL.iter().all(|feature| can.support(*feature) != Support::Yes));

    let (_directory, server) = serve(&switch);
    let mut client = client(&server);
    let event = timeout(A_WHILE, client.next()).await;
    assert!(event.is_err(), "{event:?}");
    assert!(client.capabilities().is_none());
}

#[tokio::test]
async fn a_missing_table_costs_only_the_rows_that_need_it() {
    let mut schema = installed();
    patch(&mut schema, "- Port_Group");
    let (_directory, server) = serve(&schema);
    let mut client = client(&server);
    assert!(matches!(next(&mut client).await, DbEvent::Resynced));
    let told = client.capabilities().unwrap().gaps().iter().map(ToString::to_string).collect::<String>();
    assert!(told.contains("has no table Port_Group"), "{told}");
    let group = RowKey::new(PORT_GROUP, "g");
    let outcome = insert(&mut client, group.clone(), &[("name", Value::str("g"))]).await;
    let Outcome::Rejected { text, row } = outcome else { panic!("{outcome:?}") };
    assert!(row == Some(group) && text.contains("has no table Port_Group"), "{text}");
    assert_eq!(insert(&mut client, RowKey::new(ACL, "plain"), &rule(TIER)).await, Outcome::Done);
}

/// A set for a scalar is written all the same; what the server does not take is its refusal of that row.
#[tokio::test]
async fn columns_of_other_types_are_told_and_break_nothing_else() {
    let lines = [
        ("ACL.match: string*", true),
        ("ACL.match: string?", true),
        ("ACL.match: integer 0..9", false),
        ("ACL.match: map", false),
        ("ACL.match: weak Copp*", false),
        ("ACL.external_ids: string*", false),
        ("Logical_Switch.acls: string*", true),
    ];
    for (line, taken) in lines {
        let mut schema = release("23.06").schema();
        patch(&mut schema, line);
        let (_directory, server) = serve(&schema);
        let mut client = client(&server);
        assert!(matches!(next(&mut client).await, DbEvent::Resynced), "{line}");
        assert_eq!(codes(&client.capabilities().unwrap()), ["OVSDB-SCHEMA-TYPE"], "{line}");
        let row = RowKey::new(ACL, "rule");
        let outcome = insert(&mut client, row.clone(), &rule(2)).await;
        if taken {
            assert_eq!(outcome, Outcome::Done, "{line}");
        } else {
            assert!(
                matches!(&outcome, Outcome::Rejected { row: Some(r), .. } if *r == row),
                "{line}: {outcome:?}"
            );
        }
        let set = RowKey::new(ADDRESS_SET, "s");
        let outcome = insert(&mut client, set, &[("name", Value::str("s"))]).await;
        assert_eq!(outcome, Outcome::Done, "{line}: the session goes on");
    }
}

/// Somebody puts a second text where we expect one: it is seen, and ours can be put in the place of both.
#[tokio::test]
async fn a_set_in_the_place_of_a_scalar_is_followed() {
    let mut schema = installed();
    patch(&mut schema, "Address_Set.name: string*");
    let (_directory, server) = serve(&schema);
    let mut client = client(&server);
    assert!(matches!(next(&mut client).await, DbEvent::Resynced));
    let set = RowKey::new(ADDRESS_SET, "s");
    assert_eq!(insert(&mut client, set.clone(), &[("name", Value::str("s"))]).await, Outcome::Done);

    let name = |client: &Client| client.replica().value(&set, "name").cloned();
    let mutation =
        json!({"op": "mutate", "table": ADDRESS_SET, "where": [], "mutations": [["name", "insert", "t"]]});
    server.transact(&json!([DATABASE, mutation]).to_string());
    while name(&client) != Some(Value::strs(["s", "t"])) {
        next(&mut client).await;
    }
    let delta = Delta { values: [("name", Value::str("s"))].into(), ..Delta::default() };
    assert_eq!(write(&mut client, set.clone(), Act::Change(delta)).await, Outcome::Done);
    while name(&client) != Some(Value::str("s")) {
        next(&mut client).await;
    }
}
