//! A whole Northbound at one moment: of a server, or of its file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kubeovn_ovn::memory::{Memory, Server};
use kubeovn_ovn::nb::NORTHBOUND;
use kubeovn_ovn::ovsdb::connect::{ConnectConfig, Connected, Connector, Endpoints, TlsConfig};
use kubeovn_ovn::ovsdb::file;
use kubeovn_ovn::ovsdb::session::{MonitorMethod, SessionEvent};
use kubeovn_ovn::ovsdb::wire::{DbSchema, TableUpdates};
use serde_json::json;

use crate::ctl::error::CtlError;

/// How long a server may take to tell all that it holds.
const PATIENCE: Duration = Duration::from_mins(1);
/// The identity of our monitor.
const MONITOR: &str = "ctl";

/// Where to read.
#[derive(Clone, Debug)]
pub enum Source {
    /// From a server, of a cluster any member.
    Server(ConnectConfig),
    /// From a database file.
    File(PathBuf),
}

/// All rows, with all columns.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What the database looks like.
    pub schema: DbSchema,
    /// Its rows, all of them whole.
    pub rows: TableUpdates,
    /// Where it was read from, for people.
    pub origin: String,
    /// What one should know of it: of a file, what it lacks.
    pub notes: Vec<String>,
}

impl Snapshot {
    /// Reads the database. Nothing is written, and no server is kept from its work.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn take(source: Source) -> Result<Self, CtlError> {
        let snapshot = match source {
            Source::Server(config) => Self::of_server(config).await?,
            Source::File(path) => Self::of_file(path)?,
        };
        if &*snapshot.schema.name != NORTHBOUND.database {
            let found = snapshot.schema.name.to_string();
            return Err(CtlError::Other { origin: snapshot.origin, found, wanted: NORTHBOUND.database });
        }
        Ok(snapshot)
    }

    fn of_file(path: PathBuf) -> Result<Self, CtlError> {
        let bytes = std::fs::read(&path).map_err(|source| CtlError::File { path: path.clone(), source })?;
        let contents =
            file::read(&bytes).map_err(|source| CtlError::Damaged { path: path.clone(), source })?;
        let origin = path.display().to_string();
        let mut notes = Vec::new();
        if let Some(at) = contents.cut {
            notes.push(format!(
                "{origin}: the last record, at byte {at}, is cut off and left out: it was being written"
            ));
        }
        if contents.uncommitted > 0 {
            notes.push(format!(
                "{origin}: {} transactions at the end are left out: this member does not know whether they are committed",
                contents.uncommitted
            ));
        }
        Ok(Snapshot { schema: contents.schema, rows: contents.rows, origin, notes })
    }

    async fn of_server(config: ConnectConfig) -> Result<Self, CtlError> {
        let mut connector = Connector::new(config, Box::new(|| 0.0));
        let database = NORTHBOUND.database;
        let connected = connector.try_each().await.map_err(|errors| {
            let reasons: Vec<String> = errors.iter().map(ToString::to_string).collect();
            CtlError::Unreachable { database, count: reasons.len(), reasons }
        })?;
        let endpoint = connected.endpoint.to_string();
        let refused = |reason: String| CtlError::Refused { endpoint: endpoint.clone(), database, reason };
        let schema = connected.schema.clone();
        let rows = tokio::time::timeout(PATIENCE, rows(connected))
            .await
            .map_err(|_| refused(format!("nothing within {} s", PATIENCE.as_secs())))?
            .map_err(refused)?;
        Ok(Snapshot { schema, rows, origin: endpoint, notes: Vec::new() })
    }

    /// A copy of it in memory that can be written to.
    ///
    /// # Errors
    /// When the rows contradict each other.
    pub fn in_memory(&self) -> Result<Memory, CtlError> {
        let server = Server::load(self.schema.clone(), &self.rows).map_err(|error| {
            CtlError::Inconsistent { origin: self.origin.clone(), problem: error.to_string() }
        })?;
        Ok(Memory::new(&NORTHBOUND, server))
    }
}

/// A reader has no need of the leader.
pub(in crate::ctl) fn config(endpoints: Endpoints, tls: Option<TlsConfig>) -> ConnectConfig {
    ConnectConfig { leader_only: false, tls, ..ConnectConfig::new(endpoints, NORTHBOUND.database) }
}

/// Everything that the server holds. Every server has the first monitor method, and it is as good as the others here.
async fn rows(connected: Connected) -> Result<TableUpdates, String> {
    let Connected { session, mut events, schema, .. } = connected;
    // By name, since all columns would be more: the server's own beside them.
    let tables: serde_json::Map<String, serde_json::Value> = schema
        .tables
        .iter()
        .map(|(name, table)| {
            let columns: Vec<&Arc<str>> = table.columns.keys().collect();
            (name.to_string(), json!([{ "columns": columns }]))
        })
        .collect();
    let params = json!([&*schema.name, MONITOR, tables]);
    session.monitor(MonitorMethod::Plain, MONITOR.into(), &params).map_err(|error| error.to_string())?;
    loop {
        match events.next().await {
            SessionEvent::Monitored { monitor, reply } if &*monitor == MONITOR => {
                return reply.map(|reply| reply.updates).map_err(|error| error.to_string());
            }
            SessionEvent::Closed { reason } => return Err(reason.to_string()),
            _ => {}
        }
    }
}
