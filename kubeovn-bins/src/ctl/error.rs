//! Why `kubeovn-ctl` could not answer: a code, what happened to what, and the next step.

use std::io;
use std::path::PathBuf;

use kubeovn_ovn::ovsdb::connect::EndpointError;
use kubeovn_ovn::ovsdb::file::FileError;
use thiserror::Error;

use crate::cluster::folder::OpenError;
use crate::run::plan::Unreachable;

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CtlError {
    /// The text after `--db` names no endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No server.
    #[error(
        "CTL-DATABASE-UNREACHABLE: {database} could not be read; endpoints tried: {count}: {}. See whether ovsdb-server \
         runs, name another endpoint by --db, or read the database's file by --file",
        reasons.join("; ")
    )]
    Unreachable {
        /// The database's name.
        database: &'static str,
        /// How many endpoints were tried.
        count: usize,
        /// Why each of them failed.
        reasons: Vec<String>,
    },
    /// The server answered, but not with the database.
    #[error(
        "CTL-DATABASE-REFUSED: {endpoint} did not tell what {database} holds: {reason}. Try again, or read the database's \
         file by --file"
    )]
    Refused {
        /// Where.
        endpoint: String,
        /// The database's name.
        database: &'static str,
        /// The server's words.
        reason: String,
    },
    /// The file cannot be read.
    #[error("CTL-FILE-UNREADABLE: {}: {source}. Name the file that ovsdb-server serves, or a copy of it", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file is no database, or a damaged one.
    #[error("{source} [{}]", path.display())]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        source: FileError,
    },
    /// The file is that of another database.
    #[error("CTL-DATABASE-OTHER: {origin} holds {found}, not {wanted}. Name the file of {wanted}")]
    Other {
        /// Where it was read from.
        origin: String,
        /// The database that is there.
        found: String,
        /// The database that is needed.
        wanted: &'static str,
    },
    /// The rows contradict the schema.
    #[error(
        "CTL-DATABASE-INCONSISTENT: the rows of {origin} contradict each other: {problem}. Take a backup"
    )]
    Inconsistent {
        /// Where they were read from.
        origin: String,
        /// What is wrong.
        problem: String,
    },
    /// The manifests cannot be read at all.
    #[error("CTL-MANIFESTS: {0}")]
    Manifests(#[from] OpenError),
    /// One of the manifests cannot be read.
    #[error(
        "CTL-MANIFEST-UNREADABLE: {found}; what stands in it would look as if it were gone, so mend that first"
    )]
    Manifest {
        /// What is wrong, and where.
        found: String,
    },
    /// The copy in memory did not answer.
    #[error(transparent)]
    Plan(#[from] Unreachable),
    /// The text after `--owner` names no owner.
    #[error(
        "CTL-OWNER-INVALID: {text:?} names no owner. Write a kind (vpc, subnet, node, pod) or kind/name, as in subnet/web or \
         pod/default/web-0"
    )]
    Owner {
        /// The text.
        text: String,
    },
    /// No such table.
    #[error("CTL-TABLE-UNKNOWN: {database} has no table {table:?}. Its tables are: {}", tables.join(", "))]
    Table {
        /// The text.
        table: String,
        /// The database's name.
        database: &'static str,
        /// Its tables.
        tables: Vec<String>,
    },
    /// No row is called so.
    #[error(
        "CTL-ROW-UNKNOWN: none of {count} rows of {origin} is called {text:?}. Give a UUID, a name, or table/id as \
         `kubeovn-ctl nb dump --foreign` shows them"
    )]
    RowUnknown {
        /// What was asked for.
        text: String,
        /// How many rows there are.
        count: usize,
        /// Where they were read from.
        origin: String,
    },
    /// Several rows are called so.
    #[error("CTL-ROW-AMBIGUOUS: {} rows are called {text:?}: {}. Name one of them", rows.len(), rows.join(", "))]
    RowAmbiguous {
        /// What was asked for.
        text: String,
        /// As table/id.
        rows: Vec<String>,
    },
    /// A file changes by being replaced.
    #[error("CTL-WATCH-FILE: only a server tells of changes, and {} is a file. Leave --file out, or use `nb diff`", path.display())]
    WatchFile {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("CTL-FILE-UNWRITABLE: {}: {source}. Name a folder that you may write to", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// What is to be printed cannot be said in YAML.
    #[error("CTL-YAML: {problem}. Use `-o json`, and report this")]
    Yaml {
        /// The writer's words.
        problem: String,
    },
}
