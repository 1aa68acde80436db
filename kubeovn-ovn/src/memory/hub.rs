//! One server and all who use it: clients in this process, and those of sockets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kubeovn_core::rows::Outcome;
use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use super::{
    diff,
    serve::Service,
    server::{Attempt, Server, Step},
};
use crate::ovsdb::wire::{OpResult, Operation, TableUpdates};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) server: Server,
    clients: Vec<UnboundedSender<Message>>,
    pub(super) service: Service,
}

pub(super) type Shared = Arc<Mutex<Hub>>;

/// What a client in this process is told.
#[derive(Clone, Debug)]
pub(super) enum Message {
    Changes(Arc<TableUpdates>),
    Whole(Arc<TableUpdates>),
    Committed(u64, Outcome),
    Lost,
}

pub(super) fn shared(server: Server) -> Shared {
    Arc::new(Mutex::new(Hub { server, clients: Vec::new(), service: Service::default() }))
}

/// A poisoned lock is no reason to stop: callers only look while they hold it, and transactions do not panic.
pub(super) fn lock(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Enters a client, and tells it all rows.
    pub(super) fn join(&mut self, client: &UnboundedSender<Message>) {
        // cannot fail: the receiver is with the caller
        let _ = client.send(Message::Whole(Arc::new(self.server.dump())));
        self.clients.push(client.clone());
    }

    /// Executes, and tells all clients but one that has lost its connection.
    pub(super) fn transact(
        &mut self,
        ops: &[Operation],
        lost: Option<&UnboundedSender<Message>>,
    ) -> Vec<OpResult> {
        let steps: Vec<Step<'_>> = ops.iter().map(Step::Run).collect();
        match self.commit(&steps, None, lost) {
            Ok(results) => {
                self.retry(Instant::now());
                results
            }
            // cannot be: who gives no time does not wait
            Err(_) => Vec::new(),
        }
    }

    /// Executes, and tells all who follow what changed. An error is the time allowed of a `wait` that is not met.
    pub(super) fn commit(
        &mut self,
        steps: &[Step<'_>],
        elapsed: Option<u64>,
        lost: Option<&UnboundedSender<Message>>,
    ) -> Result<Vec<OpResult>, Option<u64>> {
        let (results, written) = match self.server.attempt(steps, elapsed) {
            Attempt::Done(results, written) => (results, written),
            Attempt::Blocked(timeout) => return Err(timeout),
        };
        let updates = diff::updates(&self.server.tables, &written);
        if !updates.is_empty() {
            let updates = Arc::new(updates);
            self.clients.retain(|client| {
                lost.is_some_and(|lost| lost.same_channel(client))
                    || client.send(Message::Changes(updates.clone())).is_ok()
            });
            self.service.tell(&self.server, written);
        }
        Ok(results)
    }
}
