//! What goes over an OVSDB connection, as values: atoms, data, rows, operations, results, updates, schemas.
//!
//! Decoding is streamed straight into these types (a first dump can be 100 MB) and never panics on what a server
//! sends; encoding writes the forms that every server since OVS 2.6 reads. Nothing here does I/O.

pub mod codec;
mod datum;
mod message;
mod op;
mod result;
mod schema;
mod update;
mod words;

#[cfg(test)]
mod tests;

pub use datum::{Atom, Datum, Real, Row};
pub use message::{Message, encode_reply, encode_request};
pub use op::{Condition, Function, Mutation, Mutator, Operation};
pub use result::{OpResult, ServerError};
pub use schema::{Atomic, BaseType, ColumnSchema, DbSchema, TableSchema};
pub use update::{MonitorReply, Notification, RowUpdate, TableUpdates};
pub use words::Words;
