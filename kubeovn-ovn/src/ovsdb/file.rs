//! Database files of ovsdb-server, read without a server: bytes in, a whole database out.
//!
//! ```text
//!  bytes ──> records (length, SHA-1) ──> standalone: schema, then transactions          ──> Contents
//!                                    └─> cluster: snapshot, then entries up to the last
//!                                        commit_index                                    ──> Contents
//! ```
//!
//! The formats are those of ovsdb(5); what differs between versions of OVS (whole values or differences per
//! transaction) is told by the records themselves.
//!
//! # Guarantees
//! * A record counts only if its checksum is right.
//! * A last record that is cut off was never answered to anybody, or was being written while the file was copied: it
//!   is left out, and [`Contents::cut`] says so. Anything else that is damaged is an error, never a smaller database.
//! * Of a cluster's log only what the file itself calls committed is taken; [`Contents::uncommitted`] counts the rest.
//!
//! Values of ephemeral columns are not in files, so they are not in what is read.

mod cluster;
mod error;
mod record;
mod rows;
mod standalone;
#[cfg(test)]
mod tests;

pub use self::error::FileError;
use self::record::{Magic, Records};
use super::wire::{DbSchema, TableUpdates};

/// The database that a file holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Contents {
    /// What it looks like.
    pub schema: DbSchema,
    /// All rows, as a monitor gets them first ([`RowUpdate::Initial`](super::wire::RowUpdate::Initial)).
    pub rows: TableUpdates,
    /// Which of the two formats.
    pub format: Format,
    /// Transactions that were read, without a snapshot.
    pub transactions: usize,
    /// Where a last record begins that is cut off, if there is one.
    pub cut: Option<u64>,
    /// Transactions of a cluster's log that this file does not yet know to be committed. They are left out.
    pub uncommitted: usize,
}

/// A format of database files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Of a server that is alone, or one of an active-backup pair.
    Standalone,
    /// Of a member of a cluster.
    Clustered,
}

/// Reads a file.
///
/// # Errors
/// What is no database, or a damaged one; each with the byte at which, and with what to do.
pub fn read(bytes: &[u8]) -> Result<Contents, FileError> {
    let mut records = Records::new(bytes)?;
    let mut contents = match records.magic() {
        Magic::Json => standalone::read(&mut records)?,
        Magic::Cluster => cluster::read(&mut records)?,
    };
    contents.cut = records.cut();
    Ok(contents)
}
