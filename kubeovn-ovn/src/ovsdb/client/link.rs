//! The connection of a client, and how far it is.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::{Later, quiet::Quiet};
use crate::ovsdb::{
    connect::{Connected, Connector, Endpoint, ServerWatch},
    replica::Replica,
    session::{Events, MonitorMethod, RpcError, Session},
    wire::DbSchema,
};

/// The identity of the monitor that the replica follows.
pub(super) const MONITOR: &str = "replica";

pub(super) enum Link {
    Connecting(Later<(Connector, Connected)>),
    Up(Box<Up>),
    /// Between two of the others; never seen while waiting.
    Down,
}

pub(super) struct Up {
    pub(super) connector: Connector,
    pub(super) session: Session,
    pub(super) events: Events,
    pub(super) server: ServerWatch,
    pub(super) schema: DbSchema,
    pub(super) endpoint: Endpoint,
    pub(super) stage: Stage,
    pub(super) quiet: Quiet,
}

pub(super) enum Stage {
    /// The replica is not yet what the server has. `fresh` is empty, and takes a whole dump.
    Dumping { method: MonitorMethod, fresh: Replica },
    /// The replica follows, but writes are not settled.
    Recovering,
    /// All is well.
    Live,
}

/// Looks for a server until there is one.
pub(super) fn search(mut connector: Connector) -> Later<(Connector, Connected)> {
    Box::pin(async move {
        let connected = connector.connect().await;
        (connector, connected)
    })
}

impl Link {
    pub(super) fn connecting(connector: Connector) -> Self {
        Self::Connecting(search(connector))
    }

    /// A new link; `fresh` is an empty replica of what its server has.
    pub(super) fn up(connector: Connector, connected: Connected, fresh: Replica) -> Self {
        let Connected { session, events, schema, server, endpoint } = connected;
        let stage = Stage::Dumping { method: MonitorMethod::CondSince, fresh };
        let quiet = Quiet::new();
        Self::Up(Box::new(Up { connector, session, events, server, schema, endpoint, stage, quiet }))
    }
}

impl Up {
    /// Sends the request for the dump that the stage waits for.
    pub(super) fn dump(&self, resume: Option<Uuid>) -> Result<(), RpcError> {
        let Stage::Dumping { method, fresh } = &self.stage else { return Ok(()) };
        let database = fresh.schema().database;
        let tables: BTreeMap<&str, _> = fresh
            .columns()
            .into_iter()
            .map(|(table, columns)| (table, [json!({ "columns": columns })]))
            .collect();
        let mut params = vec![json!(database), json!(MONITOR), json!(tables)];
        if *method == MonitorMethod::CondSince {
            params.push(json!(resume.unwrap_or(Uuid::nil()).to_string()));
        }
        self.session.monitor(*method, MONITOR.into(), &params)
    }
}
