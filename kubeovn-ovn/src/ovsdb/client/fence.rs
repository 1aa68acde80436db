//! The fence: keeps late transactions of a replaced writer, and our own of unknown fate, out of the database.
//!
//! A token stands in `NB_Global:external_ids`, and every transaction begins with a `wait` that it is ours. Claiming
//! puts a new token in the place of the one that was read, in one transaction with the first payload, so that of two
//! claims one fails. A transaction that a slow server applies after we gave it up finds another token and fails too,
//! because after every unknown outcome a new token is claimed before anything is compared.
//!
//! The token is `<term>/<nonce>`: the term of the lease is for people, the nonce makes it ours. Tokens are compared
//! only for being equal, never by order: a restored backup brings back old ones.

use std::sync::Arc;

use async_trait::async_trait;
use kubeovn_core::rows::{Elem, Replica, RowKey};

use crate::{
    nb::NB_GLOBAL,
    ovsdb::wire::{Condition, Datum, Function, Mutation, Mutator, Operation, Row},
};

/// The key of the token in `NB_Global:external_ids`.
pub const FENCE_KEY: &str = "kubeovn-writer";

const COLUMN: &str = "external_ids";

/// A source of numbers that no other process draws.
pub type Nonce = Box<dyn FnMut() -> u64 + Send>;

/// Who may write. Asked before every claim of the fence.
#[async_trait]
pub trait Authority: Send + Sync {
    /// The term of the lease (how often it changed hands) if we hold it, `None` if not. Must come from whoever
    /// decides it, not from memory: it is asked when somebody else's token was found. Transactions wait for the
    /// answer, so it must come in bounded time; who cannot tell answers `None`.
    async fn term(&self) -> Option<u64>;
}

/// The authority where there can be no second writer.
#[derive(Clone, Copy, Debug)]
pub struct SoleWriter;

/// How to fence writes. Only for databases with a table `NB_Global` whose `external_ids` the schema names.
pub struct FenceConfig {
    /// Who may write.
    pub authority: Arc<dyn Authority>,
    /// For the tokens.
    pub nonce: Nonce,
    /// Claim at once, not with the first transaction: for a writer that took over from one that did not let go.
    pub eager: bool,
}

/// Our token, if we claimed one. Whether the claim succeeded is seen in the replica.
pub(super) struct Fence {
    nonce: Nonce,
    token: Option<Arc<str>>,
}

impl Fence {
    pub(super) fn new(nonce: Nonce) -> Self {
        Self { nonce, token: None }
    }

    /// Whether a token was claimed, be it that the answer is still to come.
    pub(super) fn is_claimed(&self) -> bool {
        self.token.is_some()
    }

    /// Whether the database holds our token.
    pub(super) fn is_ours(&self, replica: &dyn Replica) -> bool {
        let held = replica.pair(&row(), COLUMN, FENCE_KEY);
        held.is_some() && held == self.token.as_ref()
    }

    /// Forgets the token: the next transaction claims a new one.
    pub(super) fn drop_token(&mut self) {
        self.token = None;
    }

    /// The operation that every transaction begins with; `None` before the first claim.
    pub(super) fn guard(&self) -> Option<Operation> {
        self.token.as_ref().map(|token| wait(vec![includes(token)]))
    }

    /// The operations that put a new token in the place of what the replica holds.
    pub(super) fn claim(&mut self, term: u64, replica: &dyn Replica) -> Vec<Operation> {
        let token: Arc<str> = format!("{term}/{:016x}", (self.nonce)()).into();
        let ours = Datum::map([(FENCE_KEY.into(), token.clone().into())]);
        self.token = Some(token);
        if !replica.has(&row()) {
            // a new database; northd inserts the row too, and then this fails and is done again
            let nothing = Operation::Wait {
                table: NB_GLOBAL.into(),
                timeout: Some(0),
                r#where: Vec::new(),
                columns: Vec::new(),
                until_equal: true,
                rows: Vec::new(),
            };
            let row = Row::from([(COLUMN.into(), ours)]);
            return vec![nothing, Operation::Insert { table: NB_GLOBAL.into(), row, uuid: None, name: None }];
        }
        let as_read = match replica.pair(&row(), COLUMN, FENCE_KEY) {
            Some(token) => includes(token),
            // nothing else says "without this key"; who adds another key meanwhile makes us try again
            None => Condition::new(COLUMN, Function::Equal, whole(replica)),
        };
        let delete = Mutation::new(COLUMN, Mutator::Delete, Datum::set([FENCE_KEY.into()]));
        let insert = Mutation::new(COLUMN, Mutator::Insert, ours);
        let mutate = Operation::Mutate {
            table: NB_GLOBAL.into(),
            r#where: Vec::new(),
            mutations: vec![delete, insert],
        };
        vec![wait(vec![as_read]), mutate]
    }
}

/// Whether nobody's token is in the database.
pub(super) fn is_free(replica: &dyn Replica) -> bool {
    replica.pair(&row(), COLUMN, FENCE_KEY).is_none()
}

/// The one row of its table.
fn row() -> RowKey {
    RowKey::named(NB_GLOBAL, "")
}

fn includes(token: &Arc<str>) -> Condition {
    let pair = (FENCE_KEY.into(), token.clone().into());
    Condition::new(COLUMN, Function::Includes, Datum::map([pair]))
}

fn whole(replica: &dyn Replica) -> Datum {
    let mut pairs = Vec::new();
    replica.elements(&row(), COLUMN, &mut |elem| {
        if let Elem::Pair(key, value) = elem {
            pairs.push((key.into(), value.into()));
        }
    });
    Datum::map(pairs)
}

/// Fails unless there is a row that the conditions select: one row without columns equals one row without columns.
fn wait(r#where: Vec<Condition>) -> Operation {
    Operation::Wait {
        table: NB_GLOBAL.into(),
        timeout: Some(0),
        r#where,
        columns: Vec::new(),
        until_equal: true,
        rows: vec![Row::new()],
    }
}

#[async_trait]
impl Authority for SoleWriter {
    async fn term(&self) -> Option<u64> {
        Some(0)
    }
}
