//! Why a file cannot be read.

/// Why a file is no database that can be used. Every text says where, and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The first bytes are those of no database file.
    #[error(
        "OVSDB-FILE-FORMAT: this is no OVSDB database file: it begins with {begins:?}, not with \"OVSDB JSON\" or \
         \"OVSDB CLUSTER\". Name the file that ovsdb-server serves, or a copy of it (a schema file is none)"
    )]
    Format {
        /// The first bytes, as far as they are text.
        begins: String,
    },
    /// There is not one whole record.
    #[error(
        "OVSDB-FILE-EMPTY: the file has {bytes} bytes and not one whole record, so not even a schema. Copy it again, \
         from a server that has been started once"
    )]
    Empty {
        /// The file's length.
        bytes: u64,
    },
    /// Where a record should begin stands something else.
    #[error(
        "OVSDB-FILE-RECORD: at byte {offset}, behind {records} whole records, there should be the next one and is \
         not: {found:?}. Take a backup, or keep the first {offset} bytes (head -c {offset}) if what follows may be lost"
    )]
    Record {
        /// Where.
        offset: u64,
        /// How many records before it are whole.
        records: usize,
        /// What stands there.
        found: String,
    },
    /// A record is not what was written.
    #[error(
        "OVSDB-FILE-CHECKSUM: record {record} at byte {offset} is damaged: its SHA-1 is {actual}, but {expected} was \
         written. Take a backup, or keep the first {offset} bytes (head -c {offset}) if what follows may be lost"
    )]
    Checksum {
        /// Where the record begins.
        offset: u64,
        /// Its number, from 0.
        record: usize,
        /// What the record's first line says.
        expected: String,
        /// What its second line has.
        actual: String,
    },
    /// A record is whole, but says nothing that can be understood.
    #[error(
        "OVSDB-FILE-CONTENT: record {record} at byte {offset} is whole, but {problem}. If a newer ovsdb-server wrote it, \
         run `ovsdb-tool show-log` of that version on the file; else take a backup"
    )]
    Content {
        /// Where the record begins.
        offset: u64,
        /// Its number, from 0.
        record: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The file is that of a server that has not joined its cluster yet.
    #[error(
        "OVSDB-FILE-JOINING: this is the file of a server that has not joined its cluster yet: there are no rows in it. \
         Take the file of another member, for example of {remote}"
    )]
    Joining {
        /// A member that the file names.
        remote: String,
    },
}
