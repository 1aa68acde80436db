//! What a server lacks, and how to say it.

use std::{fmt, sync::Arc};

use kubeovn_core::error::Problem;

use super::Release;

/// Something of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A table.
    Table(Arc<str>),
    /// A column of a table.
    Column(Arc<str>, Arc<str>),
    /// A value of a column.
    Choice(Arc<str>, Arc<str>, Arc<str>),
    /// The empty set as value of a column.
    Empty(Arc<str>, Arc<str>),
}

/// A difference between what we use and what a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// It is another database altogether.
    OtherDatabase {
        /// The database that we use.
        wanted: Arc<str>,
        /// The one that it is.
        found: Arc<str>,
    },
    /// The server lacks something.
    Missing {
        /// The database.
        database: Arc<str>,
        /// The version of its schema; empty where it has none.
        version: Arc<str>,
        /// What it lacks.
        thing: Thing,
        /// The OVN that has it first, if we know.
        since: Option<Release>,
        /// What it is needed for, if it is a feature with a name.
        wish: Option<&'static str>,
    },
    /// A column has another type than the one that we write.
    OtherType {
        /// The database.
        database: Arc<str>,
        /// The version of its schema; empty where it has none.
        version: Arc<str>,
        /// The table.
        table: Arc<str>,
        /// The column.
        column: Arc<str>,
        /// Our type.
        wanted: String,
        /// The server's type.
        found: String,
    },
}

impl Gap {
    /// Stable code, for programs and the manual.
    pub fn code(&self) -> &'static str {
        match self {
            Gap::OtherDatabase { .. } => "OVSDB-SCHEMA-OTHER",
            Gap::Missing { .. } => "OVSDB-SCHEMA-OLD",
            Gap::OtherType { .. } => "OVSDB-SCHEMA-TYPE",
        }
    }

    /// What, and the next step, without the code.
    pub fn message(&self) -> String {
        match self {
            Gap::OtherDatabase { wanted, found } => {
                format!("needs {wanted}, but this is the schema of {found}. Correct the endpoint")
            }
            Gap::Missing { database, version, thing, since, wish } => {
                let release = since
                    .map_or_else(|| "another OVN".to_owned(), |release| format!("OVN {release} or newer"));
                let wish = wish.map(|wish| format!(" for {wish}")).unwrap_or_default();
                let server = server(database, version);
                let step = match since {
                    Some(_) => "Upgrade OVN's databases with ovn-ctl, or leave out what needs it",
                    None => "Every OVN since 22.03 has it: see whose schema the server was given",
                };
                format!("needs {release}{wish}: {server} has no {thing}. {step}")
            }
            Gap::OtherType { database, version, table, column, wanted, found } => format!(
                "{} has {found} as {table}.{column}, where {wanted} is written. Rows may be refused: use an OVN \
                 that is known to work, and report this one",
                server(database, version)
            ),
        }
    }
}

fn server(database: &str, version: &str) -> String {
    let database = database.strip_prefix("OVN_").unwrap_or(database);
    let blank = if version.is_empty() { "" } else { " " };
    format!("this server's {database} schema{blank}{version}")
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message())
    }
}

impl std::error::Error for Gap {}

impl From<&Gap> for Problem {
    fn from(gap: &Gap) -> Self {
        Problem::new(gap.code(), gap.message())
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thing::Table(table) => write!(f, "table {table}"),
            Thing::Column(table, column) => write!(f, "{table}.{column}"),
            Thing::Choice(table, column, choice) => write!(f, "{choice:?} in {table}.{column}"),
            Thing::Empty(table, column) => write!(f, "empty {table}.{column}"),
        }
    }
}
