//! The database contract on the in-memory server.

use std::{collections::VecDeque, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use kubeovn_core::{
    contract::database::{Database, DbEvent},
    rows::{self, Outcome, Schema, Txn},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use super::{
    Server,
    hub::{self, Message, Shared, lock},
    serve::{ServeConfig, ServeError, Served},
};
use crate::ovsdb::{
    replica::Replica,
    txn::{self, Identity},
    wire::{OpResult, Operation},
};

/// Something that goes wrong with a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server refuses it with these words, naming no row.
    Reject(String),
    /// The connection is lost after the server applied it.
    LostApplied,
    /// The connection is lost before the server saw it.
    LostUnseen,
}

/// One client of an in-memory server. It can have others ([`Memory::another`]), and each sees the changes of all, in
/// the order in which they happened.
#[derive(Debug)]
pub struct Memory {
    hub: Shared,
    replica: Replica,
    identity: Identity,
    outbox: UnboundedSender<Message>,
    inbox: UnboundedReceiver<Message>,
    faults: VecDeque<Fault>,
}

impl Memory {
    /// The first client of a server.
    pub fn new(schema: &'static Schema, server: Server) -> Self {
        Self::join(schema, hub::shared(server))
    }

    /// Another client of the same server, at the same tables.
    pub fn another(&self) -> Self {
        Self::join(self.replica.schema(), self.hub.clone())
    }

    /// Lets others reach the same server over a unix socket.
    ///
    /// # Errors
    /// See [`Served::bind`].
    pub fn serve(&self, path: impl Into<PathBuf>, config: ServeConfig) -> Result<Served, ServeError> {
        Served::start(self.hub.clone(), path.into(), config)
    }

    pub(super) fn join(schema: &'static Schema, hub: Shared) -> Self {
        let (outbox, inbox) = unbounded_channel();
        let mut open = lock(&hub);
        let replica = Replica::new(schema, open.server.schema());
        open.join(&outbox);
        drop(open);
        Memory {
            hub,
            replica,
            identity: Identity::Given(Uuid::nil()),
            outbox,
            inbox,
            faults: VecDeque::new(),
        }
    }

    /// Lets this happen to the next transaction of this client that meets no earlier fault.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.push_back(fault);
    }

    /// Applies operations as somebody else would, at once. All clients see what they change.
    pub fn transact(&self, ops: &[Operation]) -> Vec<OpResult> {
        lock(&self.hub).transact(ops, None)
    }

    /// Looks at the server's own state.
    pub fn inspect<T>(&self, look: impl FnOnce(&Server) -> T) -> T {
        look(&lock(&self.hub).server)
    }

    /// The outcome, and whether the connection was lost over it.
    fn commit(&mut self, txn: &Txn) -> (Outcome, bool) {
        if txn.ops.is_empty() {
            return (Outcome::Done, false);
        }
        let encoded = match txn::encode(txn, &self.replica, self.identity) {
            Ok(encoded) => encoded,
            Err(error) => return (error.into(), false),
        };
        match self.faults.pop_front() {
            Some(Fault::Reject(text)) => (Outcome::Rejected { text, row: None }, false),
            Some(Fault::LostUnseen) => (Outcome::Unknown, true),
            Some(Fault::LostApplied) => {
                lock(&self.hub).transact(&encoded.ops, Some(&self.outbox));
                (Outcome::Unknown, true)
            }
            None => (encoded.receipt.judge(&lock(&self.hub).transact(&encoded.ops, None)), false),
        }
    }

    fn tell(&self, message: Message) {
        // cannot fail: the receiver lives as long as this
        let _ = self.outbox.send(message);
    }
}

#[async_trait]
impl Database for Memory {
    fn submit(&mut self, txn: Txn) {
        let (outcome, lost) = self.commit(&txn);
        let unknown = outcome == Outcome::Unknown;
        self.tell(Message::Committed(txn.id, outcome));
        if lost {
            self.tell(Message::Lost);
        }
        if unknown {
            let hub = self.hub.clone();
            // told under the lock, so that no change comes between the dump and the changes that follow it
            let open = lock(&hub);
            self.tell(Message::Whole(Arc::new(open.server.dump())));
        }
    }

    async fn next(&mut self) -> DbEvent {
        while let Some(message) = self.inbox.recv().await {
            match message {
                Message::Changes(updates) => match self.replica.apply(Arc::unwrap_or_clone(updates)) {
                    Ok(changes) if changes.is_empty() => {}
                    Ok(changes) => return DbEvent::Changed(changes),
                    // after a loss: the dump that follows has it
                    Err(diverged) => tracing::debug!(%diverged, "update of a lost connection"),
                },
                Message::Whole(all) => {
                    let whole = self.replica.replace(Arc::unwrap_or_clone(all));
                    debug_assert_eq!(whole, Ok(()), "a dump holds whole rows only");
                    return DbEvent::Resynced;
                }
                Message::Committed(id, outcome) => return DbEvent::Committed { id, outcome },
                Message::Lost => return DbEvent::Lost { reason: "connection lost on purpose".to_owned() },
            }
        }
        std::future::pending().await
    }

    fn replica(&self) -> &dyn rows::Replica {
        &self.replica
    }
}
