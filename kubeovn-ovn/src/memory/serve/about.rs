//! `_Server`, the database in which a server tells about itself.

use std::sync::Arc;

use uuid::Uuid;

use super::schema::schema_text;
use crate::{
    memory::Server,
    ovsdb::{
        connect::SERVER_DATABASE,
        wire::{Atom, Datum, DbSchema, Operation, Row},
    },
};

/// What clients know of `_Server`, in version 1.2.0.
const SCHEMA: &str = r#"{
  "name": "_Server", "version": "1.2.0", "tables": {"Database": {"columns": {
    "name": {"type": "string"},
    "model": {"type": {"key": {"type": "string", "enum": ["set", ["clustered", "relay", "standalone"]]}}},
    "connected": {"type": "boolean"},
    "leader": {"type": "boolean"},
    "schema": {"type": {"key": "string", "min": 0}},
    "sid": {"type": {"key": "uuid", "min": 0}},
    "cid": {"type": {"key": "uuid", "min": 0}},
    "index": {"type": {"key": "integer", "min": 0}}
  }}}
}"#;

/// The database about `served`; its rows have UUIDs of this process.
pub(super) fn about(served: &Server, process: Uuid) -> Server {
    let mut about = Server::read(SCHEMA).unwrap_or_else(|error| {
        debug_assert!(false, "{error}");
        Server::new(DbSchema { name: SERVER_DATABASE.into(), version: String::new(), tables: [].into() })
    });
    let databases = [
        (served.schema().name.clone(), schema_text(served)),
        (Arc::from(SERVER_DATABASE), schema_text(&about)),
    ];
    let rows = databases.map(|(name, schema)| Operation::Insert {
        table: "Database".into(),
        uuid: Some(Uuid::new_v5(&process, name.as_bytes())),
        name: None,
        row: Row::from([
            ("name".into(), Datum::from(Atom::String(name))),
            ("model".into(), Datum::from(Atom::from("standalone"))),
            ("connected".into(), Datum::from(true)),
            ("leader".into(), Datum::from(true)),
            ("schema".into(), Datum::from(Atom::from(schema))),
        ]),
    });
    about.transact(&rows);
    about
}
