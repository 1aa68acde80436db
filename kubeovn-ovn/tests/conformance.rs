//! The in-memory server does what ovsdb-server does: the same transactions on both, and after each of them the same
//! results, the same updates and the same rows. What the engine commits has the same outcome on both, too.
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

#[path = "conformance/cases.rs"]
mod cases;
#[path = "conformance/engine.rs"]
mod engine;
#[path = "conformance/ops.rs"]
mod ops;
#[path = "conformance/random.rs"]
mod random;
#[path = "conformance/real.rs"]
mod real;
#[path = "support/server.rs"]
mod server;

use kubeovn_ovn::{
    memory::Server,
    ovsdb::wire::{Atom, DbSchema, OpResult, Operation, Row, TableUpdates},
};
use real::Real;

/// The schema of Northbound, as it is installed.
fn schema() -> DbSchema {
    let text = std::fs::read_to_string(server::SCHEMA)
        .unwrap_or_else(|error| panic!("{}: {error}; install ovn-common", server::SCHEMA));
    DbSchema::decode(&text).unwrap()
}

/// Both servers, with the same rows.
struct Pair {
    memory: Server,
    real: Real,
}

impl Pair {
    fn start() -> Self {
        Pair { memory: Server::new(schema()), real: Real::start() }
    }

    /// Runs a transaction on both and answers the results, once they agree.
    fn run(&mut self, what: &str, ops: &[Operation]) -> Vec<OpResult> {
        let (results, updates) = self.memory.transact(ops);
        let (real_results, real_updates) = self.real.transact(ops);
        let shown = || serde_json::to_string(ops).unwrap();
        assert_eq!(phrases(&results), phrases(&real_results), "results of {what}: {}", shown());
        assert_eq!(sorted(updates), sorted(real_updates), "updates of {what}: {}", shown());
        results
    }

    /// All rows of all tables are the same.
    fn compare(&mut self, what: &str) {
        let tables = self.memory.schema().tables.clone();
        for (name, table) in tables {
            let mut held = self.memory.rows(&name);
            let columns = table.columns.keys().cloned().chain(["_uuid".into()]).collect();
            let select =
                Operation::Select { table: name.clone(), r#where: Vec::new(), columns: Some(columns) };
            let (results, _) = self.real.transact(&[select]);
            let [OpResult::Rows(rows)] = results.as_slice() else { panic!("{results:?}") };
            let mut rows: Vec<Row> = rows.clone();
            held.sort();
            rows.sort();
            assert_eq!(held, rows, "rows of {name} after {what}");
        }
    }
}

/// Errors by their fixed phrase: the details are for people, and each server has its own.
fn phrases(results: &[OpResult]) -> Vec<OpResult> {
    let mut results = results.to_vec();
    for result in &mut results {
        match result {
            OpResult::Error(error) => error.details.clear(),
            OpResult::Rows(rows) => rows.sort(),
            _ => {}
        }
    }
    results
}

/// An empty map or optional may be written as an empty set.
fn sorted(updates: TableUpdates) -> TableUpdates {
    updates.into_iter().filter(|(_, rows)| !rows.is_empty()).collect()
}

#[test]
fn every_case_has_the_same_effect() {
    for case in cases::all() {
        let (mut pair, name) = (Pair::start(), case.name);
        for (number, step) in case.steps.iter().enumerate() {
            let results = pair.run(name, &step.ops);
            let passed = OpResult::first_error(&results).is_none();
            assert_eq!(passed, step.passes, "{name}, step {number}: {results:?}");
        }
        pair.compare(name);
    }
}

#[test]
fn uuids_are_drawn_and_names_stand_for_them() {
    let (mut pair, ops) = (Pair::start(), cases::without_uuids());
    for (results, updates) in [pair.memory.transact(&ops), pair.real.transact(&ops)] {
        let [OpResult::Inserted(switch), OpResult::Inserted(port), OpResult::Rows(rows)] = results.as_slice()
        else {
            panic!("{results:?}")
        };
        assert_eq!(rows[0].get("ports").unwrap().elements(), [Atom::Uuid(*port)]);
        assert!(updates["Logical_Switch"].contains_key(switch));
        assert!(updates["Logical_Switch_Port"].contains_key(port));
    }
}

#[test]
fn random_transactions_have_the_same_effect() {
    for seed in 1..=3 {
        let mut pair = Pair::start();
        let mut random = random::Random::new(seed);
        let mut passed = 0;
        for number in 0..250 {
            let what = format!("seed {seed}, transaction {number}");
            let results = pair.run(&what, &random.transaction());
            passed += usize::from(OpResult::first_error(&results).is_none());
        }
        pair.compare(&format!("seed {seed}"));
        assert!(passed > 60, "seed {seed}: only {passed} of 250 passed, the generator is too wild");
        assert!(passed < 240, "seed {seed}: {passed} of 250 passed, the generator is too tame");
    }
}
