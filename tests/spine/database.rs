//! The database and the way to it, as `ovsdb::Client` keeps it: one connection, what the server tells in the order of
//! the wire, and a fence that lets nothing of ours through once a new token stands.

use std::collections::VecDeque;

use kubeovn_core::rows::{Outcome, RowChange, RowKey, Txn};
use kubeovn_ovn::{
    memory::Server,
    nb::{self, NORTHBOUND},
    ovsdb::{
        replica::Replica,
        txn::{self, Identity, Receipt},
        wire::{Atom, Datum, DbSchema, OpResult, Operation, TableUpdates},
    },
};
use uuid::Uuid;

use crate::oracle;

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The server takes it, or refuses it for what it says.
    Done,
    /// The server refuses it for no good reason, and names a row or none.
    Rejected { named: bool },
    /// The connection breaks: before it the transaction was applied, or never will be, or it arrives late.
    Lost(Late),
}

/// What becomes of a transaction when the connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    Applied,
    Never,
    /// Applied at any time until the fence has a new token, perhaps.
    Ghost,
}

/// What the server, or the client itself, has to say.
enum Message {
    Changed(TableUpdates),
    Answered(u64, Outcome),
}

/// What the controller is told.
pub(crate) enum Told {
    Rows(Vec<RowChange>),
    Committed(u64, Outcome),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Nothing comes through.
    Down,
    /// The database was read; the fence is not claimed yet.
    Read,
    Live,
}

struct Sent {
    txn: Txn,
    ops: Vec<Operation>,
    receipt: Receipt,
}

pub(crate) struct Database {
    pub(crate) server: Server,
    pub(crate) replica: Replica,
    link: Link,
    wire: VecDeque<Message>,
    sent: Option<Sent>,
    ghosts: Vec<Vec<Operation>>,
    /// An older state of the server.
    backup: Option<Server>,
    /// A row that the server refuses for the time being.
    pub(crate) hated: Option<RowKey>,
}

impl Database {
    /// An empty one, but for a row of somebody else's.
    pub(crate) fn new() -> Self {
        Self::on(with_strangers(Server::of(&NORTHBOUND)))
    }

    /// The same of another schema.
    pub(crate) fn of(schema: DbSchema) -> Self {
        Self::on(with_strangers(Server::new(schema)))
    }

    /// A client that has just read the server.
    pub(crate) fn on(server: Server) -> Self {
        let mut replica = Replica::new(&NORTHBOUND, server.schema());
        replica.replace(server.dump()).unwrap();
        Database {
            server,
            replica,
            link: Link::Live,
            wire: VecDeque::new(),
            sent: None,
            ghosts: Vec::new(),
            backup: None,
            hated: None,
        }
    }

    /// A transaction is on its way or its answer is.
    pub(crate) fn busy(&self) -> bool {
        self.sent.is_some() || !self.wire.is_empty()
    }

    pub(crate) fn is_live(&self) -> bool {
        self.link == Link::Live
    }

    pub(crate) fn submit(&mut self, txn: Txn) {
        assert!(self.sent.is_none(), "one transaction at a time");
        if self.link != Link::Live {
            return self.wire.push_back(Message::Answered(txn.id, Outcome::Unknown));
        }
        match txn::encode(&txn, &self.replica, Identity::Given(Uuid::nil())) {
            Ok(encoded) => self.sent = Some(Sent { txn, ops: encoded.ops, receipt: encoded.receipt }),
            Err(error) => self.wire.push_back(Message::Answered(txn.id, error.into())),
        }
    }

    /// The transaction on its way reaches the server, or does not.
    pub(crate) fn arrive(&mut self, fate: Fate) {
        if let Fate::Lost(late) = fate {
            return self.lose(late);
        }
        let Some(sent) = self.sent.take() else { return };
        let hated = self.hated.as_ref().filter(|row| sent.txn.ops.iter().any(|op| op.row == **row));
        let outcome = match (fate, hated) {
            (Fate::Rejected { named }, _) => {
                let row = sent.txn.ops.get(usize::try_from(sent.txn.id).unwrap() % sent.txn.ops.len());
                let row = row.filter(|_| named).map(|op| op.row.clone());
                Outcome::Rejected { text: "injected".into(), row }
            }
            (_, Some(row)) => {
                let row = (sent.txn.id % 2 == 0).then(|| row.clone());
                Outcome::Rejected { text: "injected for this row".into(), row }
            }
            _ => sent.receipt.judge(&self.transact(&sent.ops)),
        };
        let unknown = outcome == Outcome::Unknown;
        self.wire.push_back(Message::Answered(sent.txn.id, outcome));
        // The server ran it on something else than what we had read: all is read again.
        if unknown {
            self.lose(Late::Never);
        }
    }

    /// The connection breaks. What had not come through does not, and what was not answered is unknown.
    pub(crate) fn lose(&mut self, late: Late) {
        self.link = Link::Down;
        let mut unknown: Vec<u64> = Vec::new();
        for message in std::mem::take(&mut self.wire) {
            if let Message::Answered(id, _) = message {
                unknown.push(id);
            }
        }
        if let Some(sent) = self.sent.take() {
            unknown.push(sent.txn.id);
            match late {
                Late::Applied => drop(self.transact(&sent.ops)),
                Late::Never => {}
                Late::Ghost => self.ghosts.push(sent.ops),
            }
        }
        self.wire.clear();
        self.wire.extend(unknown.into_iter().map(|id| Message::Answered(id, Outcome::Unknown)));
    }

    /// One that was given up arrives after all.
    pub(crate) fn haunt(&mut self) {
        if !self.ghosts.is_empty() {
            let ops = self.ghosts.remove(0);
            self.transact(&ops);
        }
    }

    /// Connected again: the database is read.
    pub(crate) fn read(&mut self) {
        if self.link == Link::Down {
            self.replica.replace(self.server.dump()).unwrap();
            self.link = Link::Read;
        }
    }

    /// A new token of the fence stands, and all is known. Answers whether there is something to tell: the answer of
    /// what was unknown comes before it.
    pub(crate) fn claim(&mut self) -> bool {
        if self.link != Link::Read || self.busy() {
            return false;
        }
        self.ghosts.clear();
        self.link = Link::Live;
        true
    }

    /// Takes in the next message.
    pub(crate) fn hear(&mut self) -> Option<Told> {
        Some(match self.wire.pop_front()? {
            Message::Changed(updates) => Told::Rows(self.replica.apply(updates).unwrap()),
            Message::Answered(id, outcome) => Told::Committed(id, outcome),
        })
    }

    /// Somebody does this to the database, be it us.
    pub(crate) fn transact(&mut self, ops: &[Operation]) -> Vec<OpResult> {
        let (results, updates) = self.server.transact(ops);
        if !updates.is_empty() {
            oracle::at_any_moment(&self.server);
            match self.link {
                Link::Down => {}
                Link::Read => drop(self.replica.apply(updates).unwrap()),
                Link::Live => self.wire.push_back(Message::Changed(updates)),
            }
        }
        results
    }

    pub(crate) fn back_up(&mut self) {
        self.backup = Some(self.server.clone());
    }

    /// The database is replaced by its older self, or by nothing at all.
    pub(crate) fn replace(&mut self, backup: bool, late: Late) {
        self.lose(late);
        self.server =
            self.backup.clone().filter(|_| backup).unwrap_or_else(|| with_strangers(Server::of(&NORTHBOUND)));
    }

    /// The process with the client dies; another reads the database and claims the fence before it looks.
    pub(crate) fn restart(&mut self, late: Late) {
        self.lose(late);
        self.wire.clear();
    }
}

/// A database in which somebody else has a switch.
fn with_strangers(mut server: Server) -> Server {
    let row = [("name".into(), Datum::set([Atom::String("not-ours".into())]))].into_iter().collect();
    server.transact(&[Operation::Insert { table: nb::LOGICAL_SWITCH.into(), row, uuid: None, name: None }]);
    server
}
