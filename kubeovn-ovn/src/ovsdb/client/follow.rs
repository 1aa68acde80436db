//! Following: what a server tells of its database goes into the replica.

use kubeovn_core::contract::database::DbEvent;
use tokio::time::Instant;

use super::{
    Client,
    link::{self, Link, Stage},
};
use crate::ovsdb::{
    connect::SERVER_DATABASE,
    wire::{MonitorReply, Notification, ServerError},
};

impl Client {
    /// Asks for the whole database, or for what was missed.
    pub(super) fn dump(&mut self) {
        let Link::Up(up) = &self.link else { return };
        if let Err(error) = up.dump(self.resume) {
            self.lose(&error);
        }
    }

    pub(super) fn dumped(&mut self, reply: Result<MonitorReply, ServerError>) {
        let Link::Up(up) = &mut self.link else { return };
        let Stage::Dumping { method, fresh } = &mut up.stage else { return };
        let reply = match (reply, method.older()) {
            (Ok(reply), _) => reply,
            (Err(error), Some(older)) => {
                tracing::info!(method = method.as_str(), %error, "falling back to an older monitor method");
                *method = older;
                return self.dump();
            }
            (Err(error), None) => return self.lose(&error),
        };
        let applied = if reply.found {
            self.replica.apply(reply.updates).map(drop)
        } else {
            let applied = fresh.fill(reply.updates);
            if applied.is_ok() {
                std::mem::swap(&mut self.replica, fresh);
                self.epoch += 1;
            }
            applied
        };
        tracing::debug!(
            database = self.schema.database,
            found = reply.found,
            rows = self.replica.len(),
            "dump"
        );
        up.stage = Stage::Recovering;
        self.resume = reply.last_txn.filter(|last| !last.is_nil());
        match applied {
            Ok(()) => up.connector.succeeded(),
            Err(diverged) => self.diverged(&diverged),
        }
    }

    pub(super) fn update(&mut self, update: Notification) {
        let Link::Up(up) = &mut self.link else { return };
        if &*update.monitor == SERVER_DATABASE {
            up.server.apply(&update.updates);
            if let Err(unfit) = up.connector.judge(&up.server) {
                self.lose(&unfit);
            }
            return;
        }
        if &*update.monitor != link::MONITOR {
            return;
        }
        if matches!(up.stage, Stage::Dumping { .. }) {
            self.resume = None;
            return self.lose(&"the server told of changes before it told of what there was");
        }
        match self.replica.apply(update.updates) {
            Ok(changes) => {
                self.resume = update.last_txn.filter(|last| !last.is_nil());
                if matches!(up.stage, Stage::Live) && !changes.is_empty() {
                    self.ready.push_back(DbEvent::Changed(changes));
                }
            }
            Err(diverged) => self.diverged(&diverged),
        }
    }

    /// What we hold is not what the server has: read all of it again.
    pub(super) fn diverged(&mut self, diverged: &dyn std::error::Error) {
        self.resume = None;
        self.lose(diverged);
    }

    /// Goes live again as soon as nothing stands against it.
    pub(super) fn recover(&mut self) {
        let Link::Up(up) = &mut self.link else { return };
        if matches!(up.stage, Stage::Live) && self.writes.is_unsure() {
            up.stage = Stage::Recovering;
        }
        if matches!(up.stage, Stage::Recovering) && self.writes.is_settled(&self.replica) {
            up.stage = Stage::Live;
            self.lost = false;
            self.resyncs += 1;
            self.ready.push_back(DbEvent::Resynced);
            if let Some(audit) = self.audit.as_mut().filter(|audit| audit.is_idle()) {
                audit.begin(&self.replica, Instant::now(), up.connector.draw());
            }
        }
    }
}
