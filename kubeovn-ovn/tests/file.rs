//! Database files of a real ovsdb-server hold what the server holds: after random transactions, compacted in between,
//! standalone and clustered, while it runs and after it was killed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test may panic and print"
)]

#[path = "conformance/ops.rs"]
#[allow(dead_code, reason = "the conformance suite needs more of it")]
mod ops;
#[path = "conformance/random.rs"]
mod random;
#[path = "support/server.rs"]
mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use kubeovn_ovn::{
    memory,
    ovsdb::{
        file::{self, Contents, Format},
        wire::{Datum, DbSchema, Row, RowUpdate},
    },
};
use random::Random;
use server::{DATABASE, Directory, SCHEMA, Server, wait_for};

/// Rows of all tables, with all columns.
type Tables = BTreeMap<String, BTreeSet<Row>>;

fn client(arguments: &[&str]) -> String {
    let output = Command::new("ovsdb-client").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// How many of so many random transactions were not refused.
fn transact(server: &Server, random: &mut Random, count: usize) -> usize {
    let mut passed = 0;
    for _ in 0..count {
        let ops = random.transaction().into_iter().map(|op| serde_json::to_value(op).unwrap());
        let ops: Vec<_> = [DATABASE.into()].into_iter().chain(ops).collect();
        let answer = client(&["transact", &server.endpoint(), &serde_json::to_string(&ops).unwrap()]);
        passed += usize::from(!answer.contains("\"error\""));
    }
    passed
}

/// What the server says it holds.
fn dump(server: &Server) -> Tables {
    let text = client(&["dump", "--format=json", &server.endpoint(), DATABASE]);
    let tables = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    let tables = tables.map(|table| {
        let table = table.unwrap();
        let name = table["caption"].as_str().unwrap().strip_suffix(" table").unwrap().to_owned();
        let headings: Vec<&str> =
            table["headings"].as_array().unwrap().iter().map(|heading| heading.as_str().unwrap()).collect();
        let row = |row: &serde_json::Value| -> Row {
            let cells = headings.iter().zip(row.as_array().unwrap());
            cells
                .map(|(name, cell)| ((*name).into(), serde_json::from_value(cell.clone()).unwrap()))
                .collect()
        };
        (name, table["data"].as_array().unwrap().iter().map(row).collect::<BTreeSet<Row>>())
    });
    tables.filter(|(_, rows)| !rows.is_empty()).collect()
}

/// What is loaded from a file, through a server in memory.
fn loaded(contents: &Contents) -> Tables {
    let server = memory::Server::load(contents.schema.clone(), &contents.rows).unwrap();
    assert_eq!(server.dump().keys().collect::<Vec<_>>(), contents.rows.keys().collect::<Vec<_>>());
    let tables = contents.rows.keys().map(|name| (name.to_string(), server.rows(name).into_iter().collect()));
    tables.collect()
}

/// Writes an empty map as tools do.
fn told(tables: Tables) -> Tables {
    let plain = |row: Row| -> Row {
        row.into_iter().map(|(n, d)| if d.is_empty() { (n, Datum::empty()) } else { (n, d) }).collect()
    };
    tables.into_iter().map(|(name, rows)| (name, rows.into_iter().map(plain).collect())).collect()
}

fn read(path: &Path) -> Contents {
    file::read(&std::fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn same(server: &Server, path: &Path, when: &str) -> Contents {
    let contents = read(path);
    assert_eq!((contents.cut, contents.uncommitted), (None, 0), "{when}");
    assert_eq!(told(loaded(&contents)), told(dump(server)), "{when}");
    contents
}

#[test]
fn a_standalone_file_holds_what_its_server_holds() {
    for seed in 1..=2 {
        let directory = Directory::new();
        let mut server = Server::standalone(&directory, &[]);
        let path = directory.path("nb.db");
        let mut random = Random::new(seed);
        assert!(read(&path).rows.is_empty());
        let passed = transact(&server, &mut random, 80);
        let before = same(&server, &path, "first");
        assert!(passed > 15 && before.transactions > 10, "{passed} passed, {} written", before.transactions);
        assert_eq!(before.format, Format::Standalone);

        server.control_command(&["ovsdb-server/compact", DATABASE]);
        assert_eq!(same(&server, &path, "compacted").transactions, 1);
        transact(&server, &mut random, 80);
        let after = same(&server, &path, "differences behind a compaction");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("_is_diff") && after.transactions > 10);

        let held = dump(&server);
        server.kill();
        assert_eq!(told(loaded(&read(&path))), told(held), "after SIGKILL");
    }
}

#[test]
fn the_file_of_a_cluster_member_holds_what_is_committed() {
    let directory = Directory::new();
    let mut first = Server::member(&directory, 1);
    wait_for("a leader", || first.is_leader().then_some(()));
    let path = directory.path("n1.db");
    let mut random = Random::new(3);
    let passed = transact(&first, &mut random, 80);
    let before = same(&first, &path, "first");
    assert!(passed > 15 && before.transactions > 10, "{passed} passed, {} written", before.transactions);
    assert_eq!(before.format, Format::Clustered);

    let joining = directory.path("joining.db");
    let (joins, us) = (joining.to_str().unwrap(), format!("unix:{}", directory.path("x").display()));
    let peer = format!("unix:{}", directory.path("n1.raft").display());
    let made =
        Command::new("ovsdb-tool").args(["join-cluster", joins, DATABASE, &us, &peer]).status().unwrap();
    assert!(made.success());
    let error = file::read(&std::fs::read(&joining).unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("OVSDB-FILE-JOINING") && error.contains(&peer), "{error}");

    first.control_command(&["ovsdb-server/compact", DATABASE]);
    wait_for("the snapshot", || (read(&path).transactions < before.transactions).then_some(()));
    transact(&first, &mut random, 60);
    same(&first, &path, "differences behind a snapshot");

    // a follower's file has the same rows, as soon as it knows what is committed
    let second = Server::member(&directory, 2);
    wait_for("the second member", || second.is_cluster_member().then_some(()));
    transact(&first, &mut random, 20);
    let held = told(dump(&first));
    wait_for("the follower's file", || (told(loaded(&read(&directory.path("n2.db")))) == held).then_some(()));
    drop(second);
    first.kill();
    assert_eq!(told(loaded(&read(&path))), held, "after SIGKILL");
}

#[test]
fn a_torn_write_costs_its_transaction_only() {
    let directory = Directory::new();
    let mut server = Server::standalone(&directory, &[]);
    server.nbctl(&["ls-add", "first"]);
    server.nbctl(&["ls-add", "second"]);
    server.kill();
    let bytes = std::fs::read(directory.path("nb.db")).unwrap();
    let contents = file::read(&bytes[..bytes.len() - 7]).unwrap();
    let names: Vec<&Datum> = contents.rows["Logical_Switch"]
        .values()
        .map(|update| {
            if let RowUpdate::Initial(row) = update { row.get("name").unwrap() } else { panic!("{update:?}") }
        })
        .collect();
    assert_eq!(names, [&Datum::from(kubeovn_ovn::ovsdb::wire::Atom::from("first"))]);
    assert!(contents.cut.is_some_and(|at| at < bytes.len() as u64));
}

#[test]
fn a_load_keeps_the_rules_of_a_server() {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);
    server.nbctl(&["ls-add", "s", "--", "lsp-add", "s", "p"]);
    let contents = read(&directory.path("nb.db"));
    let mut rows = contents.rows.clone();
    rows.remove("Logical_Switch_Port");
    let schema: DbSchema = DbSchema::decode(&std::fs::read_to_string(SCHEMA).unwrap()).unwrap();
    let error = memory::Server::load(schema, &rows).unwrap_err();
    assert_eq!(error.error, "referential integrity violation", "{error:?}");
    // what refers to a row counts: with its switch the port goes
    let mut loaded = memory::Server::load(contents.schema.clone(), &contents.rows).unwrap();
    let (results, _) = loaded.transact(&[ops::delete("Logical_Switch", Vec::new())]);
    assert_eq!(results.len(), 1);
    assert!(loaded.rows("Logical_Switch_Port").is_empty());
}
