//! An OVSDB server in this process: for simulation, for tests, and for whoever embeds the fabric without a database.
//!
//! ```text
//! Server    tables and transactions, by a real schema or by our own description
//! Sync      one server and one replica in lock step, without a runtime
//! Memory    the `Database` contract; several clients of one server, with faults on demand    feature `client`
//! serve     the same over a unix socket, for ovn-nbctl and whoever else speaks OVSDB         feature `client`
//! ```
//!
//! What it does is what a real ovsdb-server does, as far as our rows can tell: strong references keep rows alive and
//! must not dangle, weak ones clear themselves, rows that nothing refers to vanish, names are unique, a transaction
//! is all or nothing. The conformance suite of this crate runs the same transactions on both.

#[cfg(feature = "client")]
mod client;
mod commit;
mod diff;
mod execute;
#[cfg(feature = "client")]
mod hub;
mod mutate;
#[cfg(feature = "client")]
pub mod serve;
mod server;
mod store;
#[cfg(test)]
mod tests;

use kubeovn_core::rows::{Outcome, RowChange, Schema, Txn};
use uuid::Uuid;

#[cfg(feature = "client")]
pub use client::{Fault, Memory};
pub use server::Server;

use crate::ovsdb::{
    replica::Replica,
    txn::{self, Identity},
    wire::{OpResult, Operation, TableUpdates},
};

/// A server and a replica that is always up to date with it.
#[derive(Clone, Debug)]
pub struct Sync {
    /// The server. Change it through the methods here, or the replica is left behind.
    pub server: Server,
    /// What a client would hold.
    pub replica: Replica,
    identity: Identity,
}

impl Sync {
    /// An empty database with the tables and columns of `schema`.
    pub fn new(schema: &'static Schema) -> Self {
        Self::with(schema, Server::of(schema))
    }

    /// A client of a server that is there already, perhaps with rows.
    pub fn with(schema: &'static Schema, server: Server) -> Self {
        let mut replica = Replica::new(schema, server.schema());
        let whole = replica.replace(server.dump());
        debug_assert_eq!(whole, Ok(()), "a dump holds whole rows only");
        Sync { server, replica, identity: Identity::Given(Uuid::nil()) }
    }

    /// Applies a transaction of the engine: what it changed, and what became of it.
    pub fn commit(&mut self, txn: &Txn) -> (Vec<RowChange>, Outcome) {
        let encoded = match txn::encode(txn, &self.replica, self.identity) {
            Ok(encoded) => encoded,
            Err(error) => return (Vec::new(), error.into()),
        };
        let (changes, results) = self.transact(&encoded.ops);
        (changes, encoded.receipt.judge(&results))
    }

    /// Applies operations as somebody else would: what they changed, and the server's results.
    pub fn transact(&mut self, ops: &[Operation]) -> (Vec<RowChange>, Vec<OpResult>) {
        let (results, updates) = self.server.transact(ops);
        (self.follow(updates), results)
    }

    fn follow(&mut self, updates: TableUpdates) -> Vec<RowChange> {
        let changes = self.replica.apply(updates);
        debug_assert!(changes.is_ok(), "the replica missed an update");
        changes.unwrap_or_default()
    }
}
