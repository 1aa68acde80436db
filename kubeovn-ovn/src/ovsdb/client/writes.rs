//! The transactions of a client: on their way, waiting for the fence, and what became of them.

use std::{
    collections::{BTreeMap, VecDeque},
    future,
    sync::Arc,
    time::Duration,
};

use kubeovn_core::{
    contract::database::DbEvent,
    rows::{Act, Outcome, Replica as _, Txn},
};

use super::{
    Authority, FenceConfig, Later,
    fence::{self, Fence},
};
use crate::ovsdb::{
    replica::Replica,
    session::{RpcError, Session},
    txn::{Encoded, Identity, Receipt, encode},
    wire::{OpResult, Operation, ServerError},
};

/// How long to wait before asking again after the lease was found to be somebody else's.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How long to wait before the next claim after one that failed.
const CLAIM_AGAIN: Duration = Duration::from_millis(100);

pub(super) struct Writes {
    database: &'static str,
    identity: Identity,
    fencing: Option<Fencing>,
    sent: BTreeMap<u64, Sent>,
    /// Transactions that wait for the answer of the authority, to go out with the claim, or for room in the session.
    waiting: VecDeque<Txn>,
    next_number: u64,
    /// Something was answered with `Unknown` since writes were last settled.
    unsure: bool,
}

struct Fencing {
    fence: Fence,
    authority: Arc<dyn Authority>,
    asking: Option<Later<Option<u64>>>,
    /// A token must be claimed before the replica may be compared with anything.
    rotate: bool,
}

/// A request on the wire.
struct Sent {
    /// `None` for a claim that carries nothing.
    txn: Option<Txn>,
    receipt: Receipt,
    /// How many operations of the fence come before the transaction's.
    fence_ops: usize,
}

impl Writes {
    pub(super) fn new(database: &'static str, identity: Identity, fence: Option<FenceConfig>) -> Self {
        let fencing = fence.map(|FenceConfig { authority, nonce, eager }| Fencing {
            fence: Fence::new(nonce),
            authority,
            asking: None,
            rotate: eager,
        });
        Self {
            database,
            identity,
            fencing,
            sent: BTreeMap::new(),
            waiting: VecDeque::new(),
            next_number: 0,
            unsure: false,
        }
    }

    /// The answer of the authority, when it was asked. Safe to cancel.
    pub(super) async fn term(&mut self) -> Option<u64> {
        let Some(fencing) = &mut self.fencing else { return future::pending().await };
        let Some(asking) = &mut fencing.asking else { return future::pending().await };
        let term = asking.await;
        fencing.asking = None;
        term
    }

    /// A number for a request of somebody else on the same session.
    pub(super) fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// How many transactions are not sent yet.
    pub(super) fn queued(&self) -> usize {
        self.waiting.len()
    }

    /// Sends a transaction, or keeps it until the fence is claimed and there is room. None overtakes another.
    pub(super) fn submit(&mut self, txn: Txn, session: &Session, replica: &Replica) -> Option<DbEvent> {
        let mut guard = None;
        if let Some(fencing) = &mut self.fencing {
            // Who emptied the database took our token along, and nothing is on its way that counts on it: a new one is
            // claimed together with the transaction, which would be refused once otherwise.
            if self.sent.is_empty() && fencing.fence.is_claimed() && fence::is_free(replica) {
                fencing.fence.drop_token();
            }
            guard = fencing.fence.guard();
            if guard.is_none() {
                fencing.ask(Duration::ZERO);
                self.waiting.push_back(txn);
                return None;
            }
        }
        if !self.waiting.is_empty() || !session.has_room() {
            self.waiting.push_back(txn);
            return None;
        }
        self.send(txn, session, replica, |_| guard.into_iter().collect())
    }

    /// Sends what waits for room, as far as there is any. To be called after each answer.
    pub(super) fn go_on(&mut self, session: &Session, replica: &Replica) -> Vec<DbEvent> {
        let mut events = Vec::new();
        // unclaimed, they wait for the fence
        let guard = self.fencing.as_ref().map(|fencing| fencing.fence.guard());
        while guard != Some(None) && session.has_room() {
            let Some(txn) = self.waiting.pop_front() else { break };
            events
                .extend(self.send(txn, session, replica, |_| guard.clone().flatten().into_iter().collect()));
        }
        events
    }

    /// Claims the fence, together with the first of the waiting transactions if there are any, and sends the others
    /// as far as there is room.
    pub(super) fn claim(&mut self, term: u64, session: &Session, replica: &Replica) -> Vec<DbEvent> {
        let mut events = Vec::new();
        while session.has_room() {
            let Some(txn) = self.waiting.pop_front() else { break };
            let prefix = |fencing: Option<&mut Fencing>| match fencing.map(|fencing| &mut fencing.fence) {
                None => Vec::new(),
                Some(fence) => match fence.guard() {
                    Some(guard) => vec![guard],
                    None => fence.claim(term, replica),
                },
            };
            events.extend(self.send(txn, session, replica, prefix));
        }
        let Some(fencing) = &mut self.fencing else { return events };
        if fencing.rotate && !fencing.fence.is_claimed() {
            let ops = fencing.fence.claim(term, replica);
            let sent = Sent { txn: None, receipt: Receipt::default(), fence_ops: ops.len() };
            events.extend(self.put(sent, &ops, session));
        }
        events
    }

    /// We may not write: answers what waits, and asks again later.
    pub(super) fn denied(&mut self) -> Vec<DbEvent> {
        if let Some(fencing) = &mut self.fencing {
            fencing.rotate = true;
            fencing.fence.drop_token();
            fencing.ask(ASK_AGAIN);
        }
        self.unsure = true;
        self.waiting.drain(..).map(|txn| committed(&txn, Outcome::Unknown)).collect()
    }

    /// Takes the answer to a request. If it leaves unknown what became of it, so it is of what waits: nothing may be
    /// sent that was planned before that was known.
    pub(super) fn answered(
        &mut self,
        number: u64,
        result: Result<Vec<OpResult>, ServerError>,
        replica: &Replica,
    ) -> Vec<DbEvent> {
        let Some(sent) = self.sent.remove(&number) else { return Vec::new() };
        let outcome = sent.judge(result, replica);
        let mut unsent = VecDeque::new();
        if outcome == Outcome::Unknown {
            self.doubt();
            if let (Some(fencing), None) = (&mut self.fencing, &sent.txn) {
                fencing.ask(CLAIM_AGAIN);
            }
            unsent = std::mem::take(&mut self.waiting);
        }
        let answered = sent.txn.map(|txn| committed(&txn, outcome));
        answered.into_iter().chain(unsent.iter().map(|txn| committed(txn, Outcome::Unknown))).collect()
    }

    /// The session is gone, and with it every answer.
    pub(super) fn lost(&mut self) -> Vec<DbEvent> {
        if !self.sent.is_empty() {
            self.doubt();
        }
        if let Some(fencing) = &mut self.fencing {
            fencing.asking = None;
        }
        let sent = std::mem::take(&mut self.sent).into_values().filter_map(|sent| sent.txn);
        let unanswered: Vec<Txn> = sent.chain(self.waiting.drain(..)).collect();
        unanswered.iter().map(|txn| committed(txn, Outcome::Unknown)).collect()
    }

    /// Whether the server owes an answer.
    pub(super) fn is_waiting(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Whether an outcome is unknown and the consumer was not yet told to compare anew.
    pub(super) fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// Whether nothing of ours can change the database any more unless it is sent from now on. If only the fence is
    /// missing, goes for it.
    pub(super) fn is_settled(&mut self, replica: &Replica) -> bool {
        if !self.sent.is_empty() || !self.waiting.is_empty() {
            return false;
        }
        if let Some(Fencing { fence, rotate, .. }) = &mut self.fencing {
            let (claimed, ours) = (fence.is_claimed(), fence.is_ours(replica));
            // a token that is no longer there was replaced by a writer, or the database by a backup
            *rotate = if *rotate { !ours } else { claimed && !ours };
            if *rotate {
                // of a claim that was answered but is not to be seen, the answer does not matter: it lost
                fence.drop_token();
            }
        }
        if let Some(fencing) = self.fencing.as_mut().filter(|fencing| fencing.rotate) {
            fencing.ask(Duration::ZERO);
            return false;
        }
        self.unsure = false;
        true
    }

    /// From here on nothing may be compared before a new token stands.
    fn doubt(&mut self) {
        self.unsure = true;
        if let Some(fencing) = &mut self.fencing {
            fencing.rotate = true;
            fencing.fence.drop_token();
        }
    }

    /// Encodes first and asks for the operations of the fence then, so that a claim is never made but not sent.
    fn send(
        &mut self,
        txn: Txn,
        session: &Session,
        replica: &Replica,
        fence_ops: impl FnOnce(Option<&mut Fencing>) -> Vec<Operation>,
    ) -> Option<DbEvent> {
        let Encoded { ops, receipt } = match encode(&txn, replica, self.identity) {
            Ok(encoded) => encoded,
            Err(error) => return Some(committed(&txn, error.into())),
        };
        let mut all = fence_ops(self.fencing.as_mut());
        let sent = Sent { txn: Some(txn), receipt, fence_ops: all.len() };
        all.extend(ops);
        self.put(sent, &all, session)
    }

    fn put(&mut self, sent: Sent, ops: &[Operation], session: &Session) -> Option<DbEvent> {
        let number = self.number();
        match session.submit(number, self.database, ops) {
            Ok(()) => {
                self.sent.insert(number, sent);
                None
            }
            // callers look for room first, so that it was gone in between; the fence may count as claimed already
            Err(RpcError::Busy { .. } | RpcError::Stuck { .. }) => {
                self.doubt();
                Some(committed(&sent.txn?, Outcome::Unknown))
            }
            Err(error) => {
                Some(committed(&sent.txn?, Outcome::Rejected { text: error.to_string(), row: None }))
            }
        }
    }
}

impl Sent {
    fn judge(&self, result: Result<Vec<OpResult>, ServerError>, replica: &Replica) -> Outcome {
        let results = match result {
            Ok(results) => results,
            Err(error) if is_our_mistake(&error) => {
                return Outcome::Rejected { text: error.to_string(), row: None };
            }
            Err(_) => return Outcome::Unknown,
        };
        let (fence, payload) = results.split_at(self.fence_ops.min(results.len()));
        if OpResult::first_error(fence).is_some() {
            return Outcome::Unknown;
        }
        let outcome = self.receipt.judge(payload);
        // a cluster that lost a result runs the transaction again, and then its own rows are in its way
        let inserted =
            self.txn.iter().flat_map(|txn| &txn.ops).filter(|op| matches!(op.act, Act::Insert(..)));
        let applied = inserted.into_iter().any(|op| replica.has(&op.row));
        if applied && matches!(outcome, Outcome::Rejected { .. }) { Outcome::Unknown } else { outcome }
    }
}

impl Fencing {
    fn ask(&mut self, delay: Duration) {
        if self.asking.is_none() {
            let authority = self.authority.clone();
            self.asking = Some(Box::pin(async move {
                tokio::time::sleep(delay).await;
                authority.term().await
            }));
        }
    }
}

/// Whether a request was refused for what it says, so that no other server would take it.
pub(super) fn is_our_mistake(error: &ServerError) -> bool {
    error.error == "syntax error"
}

/// The error of a server that could not write down what it was asked for.
pub(super) fn cannot_write(results: &[OpResult]) -> Option<&ServerError> {
    OpResult::first_error(results).map(|(_, error)| error).filter(|error| error.error == "I/O error")
}

fn committed(txn: &Txn, outcome: Outcome) -> DbEvent {
    DbEvent::Committed { id: txn.id, outcome }
}
