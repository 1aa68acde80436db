//! What would change in Northbound if a running lab had other manifests.
//!
//! Northbound is copied into a database in memory, where the same controller logic works on the copy until it has
//! nothing left to do. The difference between copy and original is the plan; nothing is written to the original,
//! and what the copy's pods hold is what the real ones hold, since addresses are recovered from their ports.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use kubeovn_core::contract::cluster::Cluster;
use kubeovn_core::index::Settings;
use kubeovn_core::index::objects::Kind;
use kubeovn_core::spine::{Effect, Input, Spine};
use kubeovn_ipam::Ledger;
use kubeovn_ovn::memory::{Server, Sync};
use kubeovn_ovn::nb::NORTHBOUND;
use kubeovn_ovn::ovsdb::wire::{OpResult, Operation, Row};
use kubeovn_ovn::render::Fabric;
use tokio::time::timeout;

use self::diff::Rows;
use super::database;
use super::error::LabError;
use super::state::StateDir;
use crate::cluster::folder::{FolderCluster, Severity};
use crate::run::controller::now;

mod diff;

/// How long reading Northbound may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The controller comes to rest in far fewer steps, or never.
const STEPS: usize = 100_000;

/// Prints what the manifests would change in the Northbound of a running lab, and what is wrong with them.
///
/// # Errors
/// When there is no such lab, when its Northbound cannot be read, or when a manifest cannot: what is in it would
/// look as if it were gone.
pub async fn plan(state: &StateDir, manifests: &Path) -> Result<String, LabError> {
    let folder = FolderCluster::open(manifests)?;
    let findings = folder.findings().borrow().clone();
    let mut text = String::new();
    for found in &findings.rejected {
        if found.severity == Severity::Error && found.kind.is_empty() {
            return Err(LabError::PlanUnreadable { found: found.to_string() });
        }
        text.push_str(&format!("! {found}\n"));
    }
    if !state.exists() {
        return Err(LabError::Unknown { name: state.name().to_string(), state: state.path().to_owned() });
    }
    let server = copy(&state.central().join("nb.sock")).await?;
    let before = Rows::of(&server);
    let (after, problems) = settle(&folder, server).await;
    for problem in problems {
        text.push_str(&format!("! {problem}\n"));
    }
    text.push_str(&diff::render(&before, &Rows::of(&after)));
    Ok(text)
}

/// Northbound as it is, in memory: all columns, also those that are not ours.
async fn copy(socket: &Path) -> Result<Server, LabError> {
    let failed = |what: &str| LabError::Northbound { socket: socket.to_owned(), what: what.to_owned() };
    let mut connector = database::connector(NORTHBOUND.database, socket);
    let connected = timeout(PATIENCE, connector.connect()).await.map_err(|_| failed("no connection"))?;
    let mut server = Server::new(connected.schema.clone());
    let tables: Vec<&Arc<str>> = connected.schema.tables.keys().collect();
    let select = |table: &&Arc<str>| Operation::Select { table: Arc::clone(table), r#where: Vec::new(), columns: None };
    // In one transaction, so that all is of one moment.
    let selects: Vec<Operation> = tables.iter().map(select).collect();
    let database = serde_json::to_value(NORTHBOUND.database);
    let params = database.into_iter().chain(selects.iter().flat_map(serde_json::to_value)).collect::<Vec<_>>();
    let answer = connected.session.call("transact", &params).await.map_err(|error| failed(&error.to_string()))?;
    let results: Vec<OpResult> = serde_json::from_str(&answer).map_err(|error| failed(&error.to_string()))?;
    let inserts = tables.into_iter().zip(results).flat_map(|(table, result)| {
        let rows = if let OpResult::Rows(rows) = result { rows } else { Vec::new() };
        rows.into_iter().map(|row| insert(table, row))
    });
    let inserts: Vec<Operation> = inserts.collect();
    let (results, _) = server.transact(&inserts);
    match OpResult::first_error(&results) {
        Some((_, error)) => Err(failed(&error.to_string())),
        None => Ok(server),
    }
}

fn insert(table: &Arc<str>, mut row: Row) -> Operation {
    row.remove("_version");
    let uuid = row.remove("_uuid").and_then(|uuid| uuid.scalar()?.as_uuid());
    Operation::Insert { table: Arc::clone(table), row, uuid, name: None }
}

/// Lets the controller's logic do all it would do; what became of the database, and what it complains of.
async fn settle(folder: &FolderCluster, server: Server) -> (Server, Vec<String>) {
    let cluster = folder.cluster();
    let mut objects = cluster.watch(Kind::ALL);
    let mut northbound = Sync::with(&NORTHBOUND, server);
    let mut spine = Spine::new(Settings::default(), Box::new(Ledger::new()), Box::new(Fabric), &NORTHBOUND);
    let mut clock = now();
    spine.feed(clock, Input::Resynced, &northbound.replica);
    let mut effects = Vec::new();
    for _ in 0..STEPS {
        while let Some(event) = objects.next().now_or_never().flatten() {
            spine.feed(clock, Input::Object(event), &northbound.replica);
        }
        spine.run(clock, &northbound.replica, &mut effects);
        if effects.is_empty() {
            if spine.idle() {
                break;
            }
            // Whatever waits for a moment to come need not wait here.
            clock = spine.next_wake().unwrap_or(clock).max(clock + 1);
        }
        for effect in effects.drain(..) {
            match effect {
                Effect::Commit(txn) => {
                    let (changes, outcome) = northbound.commit(&txn);
                    spine.feed(clock, Input::Rows(changes), &northbound.replica);
                    spine.feed(clock, Input::Committed { id: txn.id, outcome }, &northbound.replica);
                }
                Effect::Write { write, .. } => {
                    // One that is refused is asked for again, or was not needed.
                    let _ = cluster.write(write).await;
                }
            }
        }
    }
    let problems: BTreeMap<_, _> = spine.problems().iter().collect();
    let lines = problems.into_iter().flat_map(|(key, problems)| problems.iter().map(move |p| format!("{key}: {p}")));
    (northbound.server.clone(), lines.collect())
}
