//! What a server says of itself in `_Server`.Database, and whether that makes it fit.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

use crate::ovsdb::wire::{Atom, Datum, Row, RowUpdate, TableUpdates};

/// The databases of a server, as it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerWatch {
    databases: BTreeMap<Uuid, Status>,
    /// The schema of a database was replaced under us.
    converted: Vec<Arc<str>>,
}

/// How far the most recent server was that we took for fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watermark(Option<(Uuid, i64)>);

/// Why a server does not serve the database as needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// It has no such database.
    #[error("the server has no database {database}")]
    NoDatabase {
        /// The database.
        database: String,
    },
    /// It is cut off from its cluster.
    #[error("the server is not connected to the cluster of {database}")]
    NotConnected {
        /// The database.
        database: String,
    },
    /// Another one is the leader, or none.
    #[error("the server is not the leader of {database}")]
    NotLeader {
        /// The database.
        database: String,
    },
    /// It lags behind what an earlier session saw.
    #[error("the server's {database} is at index {index}, behind {seen} seen before")]
    Stale {
        /// The database.
        database: String,
        /// The server's log index.
        index: i64,
        /// The index of an earlier session.
        seen: i64,
    },
    /// The schema was changed; it must be probed again.
    #[error("the schema of {database} was converted")]
    Converted {
        /// The database.
        database: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Status {
    name: Arc<str>,
    connected: bool,
    leader: bool,
    cluster: Option<Uuid>,
    index: Option<i64>,
}

impl ServerWatch {
    /// The columns of `_Server`.Database that it reads.
    pub const COLUMNS: [&str; 6] = ["name", "connected", "leader", "cid", "index", "schema"];

    /// What is assumed of a server that has no `_Server` (before OVS 2.9): standalone, with these databases.
    pub fn without_status(databases: &[String]) -> Self {
        let status = |name: &String| Status { name: name.as_str().into(), ..Status::new(true) };
        // there is no row identity here; any distinct keys do
        let keyed = |(number, name)| (Uuid::from_u128(number), status(name));
        Self { databases: (0..).zip(databases).map(keyed).collect(), converted: Vec::new() }
    }

    /// Takes over a dump or an update of the monitor of `_Server`.
    pub fn apply(&mut self, updates: &TableUpdates) {
        for (uuid, update) in updates.get("Database").into_iter().flatten() {
            match update {
                RowUpdate::Initial(row) | RowUpdate::Insert(row) => {
                    let mut status = Status::new(false);
                    status.take(row);
                    self.databases.insert(*uuid, status);
                }
                RowUpdate::Modify(row) => {
                    if let Some(status) = self.databases.get_mut(uuid) {
                        status.take(row);
                        if row.contains_key("schema") {
                            self.converted.push(status.name.clone());
                        }
                    }
                }
                RowUpdate::Delete => drop(self.databases.remove(uuid)),
            }
        }
    }

    pub(super) fn judge(
        &self,
        database: &str,
        leader_only: bool,
        watermark: &mut Watermark,
    ) -> Result<(), Unfit> {
        let name = || database.to_owned();
        let Some(status) = self.databases.values().find(|status| &*status.name == database) else {
            return Err(Unfit::NoDatabase { database: name() });
        };
        if !status.connected {
            return Err(Unfit::NotConnected { database: name() });
        }
        if leader_only && !status.leader {
            return Err(Unfit::NotLeader { database: name() });
        }
        if self.converted.iter().any(|converted| **converted == *database) {
            return Err(Unfit::Converted { database: name() });
        }
        if let (Some(cluster), Some(index)) = (status.cluster, status.index) {
            // a restored database is a new cluster that counts from the beginning
            match watermark.0 {
                Some((known, seen)) if known == cluster && index < seen => {
                    return Err(Unfit::Stale { database: name(), index, seen });
                }
                _ => watermark.0 = Some((cluster, index)),
            }
        }
        Ok(())
    }
}

impl Status {
    fn new(standalone: bool) -> Self {
        Self { name: "".into(), connected: standalone, leader: standalone, cluster: None, index: None }
    }

    /// Takes over the columns present: all values are scalars or optionals, so a difference is the new value. A
    /// column left out of a whole row has its default, with which the status began.
    fn take(&mut self, row: &Row) {
        let flag = |datum: &Datum| datum.scalar().and_then(Atom::as_bool).unwrap_or_default();
        for (column, datum) in row {
            match &**column {
                "name" => self.name = datum.scalar().and_then(Atom::as_str).unwrap_or_default().into(),
                "connected" => self.connected = flag(datum),
                "leader" => self.leader = flag(datum),
                "cid" => self.cluster = datum.scalar().and_then(Atom::as_uuid),
                "index" => self.index = datum.scalar().and_then(Atom::as_integer),
                _ => {}
            }
        }
    }
}
