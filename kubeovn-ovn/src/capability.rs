//! What a server can do, told from its schema alone: which of our tables and columns it lacks, which named features it
//! has, since which OVN there is what it lacks, and the sentence for the user who needs it.
//!
//! ```
//! use kubeovn_ovn::{capability::{Capabilities, Feature, Support}, nb::{self, NORTHBOUND}};
//!
//! let server = nb::server_schema(&NORTHBOUND); // of a real one: `Client::server_schema`
//! let can = Capabilities::of(&NORTHBOUND, &server);
//! assert_eq!(can.support(Feature::AclTier), Support::Yes);
//! assert!(can.gaps().is_empty());
//! ```

mod feature;
mod gap;
mod history;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, sync::Arc};

use kubeovn_core::rows::Schema;

pub use feature::{Feature, Needs};
pub use gap::{Gap, Thing};

use crate::{
    nb,
    ovsdb::wire::{ColumnSchema, DbSchema},
};

/// A release of OVN, such as 23.06.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    year: u8,
    month: u8,
}

/// Whether a server has a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Its schema says so.
    Yes,
    /// Its schema lacks what the feature needs.
    No,
    /// No schema tells; only trying does.
    Unknown,
}

/// What a server can do. A plain value: computed once per connection, and again after a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    database: Arc<str>,
    version: Arc<str>,
    features: BTreeSet<Feature>,
    gaps: Vec<Gap>,
}

impl Release {
    /// A release by the two numbers of its name.
    pub const fn new(year: u8, month: u8) -> Self {
        Release { year, month }
    }

    /// The first release that has this column, where that is later than 22.03, the oldest that we know. The table
    /// counts as the column: what came with its table came when the table did.
    pub fn of_column(table: &str, column: &str) -> Option<Self> {
        history::column(table, column)
    }

    /// The first release that has this table, where that is later than 22.03.
    pub fn of_table(table: &str) -> Option<Self> {
        history::table(table)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}.{:02}", self.year, self.month)
    }
}

impl Capabilities {
    /// Compares what `schema` uses, and what the named features need, with what `server` has.
    pub fn of(schema: &'static Schema, server: &DbSchema) -> Self {
        let right = *server.name == *schema.database;
        let features = Feature::ALL.iter().copied().filter(|feature| right && has(server, feature.needs()));
        let mut can = Capabilities {
            database: server.name.clone(),
            version: server.version.as_str().into(),
            features: features.collect(),
            gaps: Vec::new(),
        };
        if right {
            can.gaps = can.compare(schema, server);
        } else {
            let (wanted, found) = (schema.database.into(), server.name.clone());
            can.gaps.push(Gap::OtherDatabase { wanted, found });
        }
        can
    }

    /// The version of the server's schema; empty where it has none.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What of our tables and columns the server lacks, or has otherwise. Rows that need none of it are written all
    /// the same; for the others the refusal of the row says the same as the gap.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Whether the server has a feature.
    pub fn support(&self, feature: Feature) -> Support {
        match feature.needs() {
            Needs::Trying => Support::Unknown,
            _ if self.features.contains(&feature) => Support::Yes,
            _ => Support::No,
        }
    }

    /// For whoever needs a feature.
    ///
    /// # Errors
    /// The gap, if the server surely lacks the feature. What no schema tells is no error.
    pub fn require(&self, feature: Feature) -> Result<(), Gap> {
        let thing = match feature.needs() {
            Needs::Table(table) => Thing::Table(table.into()),
            Needs::Column(table, column) => Thing::Column(table.into(), column.into()),
            Needs::Choice(table, column, choice) => Thing::Choice(table.into(), column.into(), choice.into()),
            Needs::Empty(table, column) => Thing::Empty(table.into(), column.into()),
            Needs::Trying => return Ok(()),
        };
        if self.features.contains(&feature) {
            return Ok(());
        }
        Err(self.missing(thing, feature.since(), Some(feature.name())))
    }

    fn missing(&self, thing: Thing, since: Option<Release>, wish: Option<&'static str>) -> Gap {
        Gap::Missing { database: self.database.clone(), version: self.version.clone(), thing, since, wish }
    }

    fn compare(&self, schema: &'static Schema, server: &DbSchema) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for table in schema.tables {
            let Some(there) = server.tables.get(table.name) else {
                let since = Release::of_table(table.name);
                gaps.push(self.missing(Thing::Table(table.name.into()), since, None));
                continue;
            };
            for column in table.columns {
                let Some(found) = there.columns.get(column.name) else {
                    let thing = Thing::Column(table.name.into(), column.name.into());
                    gaps.push(self.missing(thing, Release::of_column(table.name, column.name), None));
                    continue;
                };
                let wanted = nb::column_of(schema, table.name, column.name);
                if let Some(wanted) = wanted.filter(|wanted| !wanted.reads_as(found)) {
                    gaps.push(Gap::OtherType {
                        database: self.database.clone(),
                        version: self.version.clone(),
                        table: table.name.into(),
                        column: column.name.into(),
                        wanted: wanted.to_string(),
                        found: found.to_string(),
                    });
                }
            }
        }
        gaps
    }
}

fn has(server: &DbSchema, needs: Needs) -> bool {
    match needs {
        Needs::Table(table) => server.tables.contains_key(table),
        Needs::Column(table, column) => server.column(table, column).is_some(),
        Needs::Choice(table, column, choice) => {
            server.column(table, column).is_some_and(|found| found.key.allows(choice))
        }
        Needs::Empty(table, column) => server.column(table, column).is_some_and(|found| found.min == 0),
        Needs::Trying => false,
    }
}

impl ColumnSchema {
    /// Whether what is written for a column of this type means the same in one of the other. How few elements there
    /// may be is no matter where there may be many: servers became more lenient there, and we never write too few.
    fn reads_as(&self, other: &ColumnSchema) -> bool {
        let same = |a: &crate::ovsdb::wire::BaseType, b: &crate::ovsdb::wire::BaseType| {
            a.atom == b.atom && a.ref_table == b.ref_table && a.weak == b.weak
        };
        let values = match (&self.value, &other.value) {
            (None, None) => true,
            (Some(a), Some(b)) => same(a, b),
            _ => false,
        };
        let many = self.max != Some(1) && other.max != Some(1);
        same(&self.key, &other.key) && values && (many || (self.min, self.max) == (other.min, other.max))
    }
}
