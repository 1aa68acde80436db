//! Why a store can't do its work: what happened, with numbers and the file, and the next step.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use thiserror::Error;

/// Why a store can't do its work.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the store.
    #[error(
        "{path} is held by {} and was not released within {waited:?}. Wait longer, or stop that process",
        named(*holder)
    )]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
        /// Who has it, as far as the lock file says.
        holder: Option<u32>,
    },
    /// Entries that were durable can't be read any more.
    #[error(
        "{path} is damaged at byte {offset}: {damage}. Nothing was changed. Bring the file back from a copy. \
         Cutting it there loses what follows, and those addresses may be given twice"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where what can be read ends.
        offset: u64,
        /// What is wrong there.
        damage: Damage,
    },
    /// A newer version wrote the file.
    #[error(
        "{path} has format {version}, this program reads up to {known}. Run the version that wrote it, or a later one"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Format of the file.
        version: u64,
        /// The highest format known here.
        known: u64,
    },
    /// The disk refused.
    #[error(
        "can't {doing} {path}: {source}. Check space, permissions and health of the disk, then open the store anew"
    )]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the operating system says.
        source: Arc<io::Error>,
    },
    /// An earlier write or sync failed, so that nobody knows what is on the disk.
    #[error("{path} takes nothing more since a failure: {cause}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// The failure.
        cause: Box<StoreError>,
    },
    /// This process has given the store to others.
    #[error("{path} was released by this process, so it takes nothing more. Open it anew to change it")]
    Unlocked {
        /// The lock file.
        path: PathBuf,
    },
    /// A ticket that the store never gave.
    #[error(
        "ticket {ticket} is not from this store: its last one is {last}. Give a ticket to the store it is from"
    )]
    UnknownTicket {
        /// The ticket.
        ticket: u64,
        /// The highest one given.
        last: u64,
    },
    /// The snapshot does not have all that was appended.
    #[error("{appended} entries were appended while a snapshot was made. Nothing was changed; make it anew")]
    Outpaced {
        /// How many it lacks.
        appended: u64,
    },
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Damage {
    /// It does not begin as it must.
    #[error("the first line is no header of a ledger ({problem})")]
    Header {
        /// Of the first line.
        problem: LineError,
    },
    /// An entry is gone that was durable.
    #[error("entry {missing} can't be read ({problem}), but entries up to {durable} were durable")]
    Entry {
        /// The first that is gone.
        missing: u64,
        /// Of the line where it should be.
        problem: LineError,
        /// The highest entry known to have been durable.
        durable: u64,
    },
    /// An entry is whole and makes no sense.
    #[error("entry {sequence} is whole but not understood ({problem})")]
    Meaning {
        /// The entry.
        sequence: u64,
        /// What is not understood.
        problem: LineError,
    },
}

/// Why a line of a file can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LineError {
    /// The file ends within the line, or before it.
    #[error("the line has no end")]
    Cut,
    /// The line or a name in it is no UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// The checksum is not that of the line.
    #[error("the checksum does not fit the line")]
    Checksum,
    /// A later or earlier line stands there.
    #[error("entry {found} stands there")]
    Sequence {
        /// The number of that line.
        found: u64,
    },
    /// A field is not there.
    #[error("field {field} is missing")]
    Missing {
        /// Which.
        field: &'static str,
    },
    /// A field makes no sense.
    #[error("field {field} can't be {text:?}")]
    Field {
        /// Which.
        field: &'static str,
        /// What stands there, or the beginning of it.
        text: String,
    },
    /// There is something behind the last field.
    #[error("{text:?} stands behind the last field")]
    Surplus {
        /// What stands there, or the beginning of it.
        text: String,
    },
}

impl StoreError {
    /// Stable code, for programs, alerts and the manual.
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::Busy { .. } => "IPAM-STORE-BUSY",
            StoreError::Corrupt { .. } => "IPAM-STORE-CORRUPT",
            StoreError::Version { .. } => "IPAM-STORE-VERSION",
            StoreError::Io { .. } => "IPAM-STORE-IO",
            StoreError::Failed { .. } => "IPAM-STORE-FAILED",
            StoreError::Unlocked { .. } => "IPAM-STORE-UNLOCKED",
            StoreError::UnknownTicket { .. } => "IPAM-STORE-TICKET",
            StoreError::Outpaced { .. } => "IPAM-STORE-OUTPACED",
        }
    }
}

fn named(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_where_and_what_next() {
        let path = PathBuf::from("/var/lib/ledger.lock");
        let busy =
            StoreError::Busy { path: path.clone(), waited: Duration::from_secs(5), holder: Some(4242) };
        assert_eq!(
            busy.to_string(),
            "/var/lib/ledger.lock is held by process 4242 and was not released within 5s. \
             Wait longer, or stop that process"
        );
        let source = Arc::new(io::Error::from(io::ErrorKind::StorageFull));
        let full = StoreError::Io { doing: "write to", path: path.clone(), source };
        let failed = StoreError::Failed { path, cause: Box::new(full) };
        assert!(
            failed.to_string().contains("can't write to /var/lib/ledger.lock: no storage space"),
            "{failed}"
        );
        assert_eq!(failed.code(), "IPAM-STORE-FAILED");
    }
}
