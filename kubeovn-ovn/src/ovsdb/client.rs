//! The [`Database`] contract over a real server: a replica that follows it, transactions, and coming back for ever.
//!
//! ```text
//!  connecting ──> dumping ──> recovering ──> live      recovering: after an unknown outcome, until what is in flight
//!       ▲      (since, cond,       ▲           │       is answered and a new token of the fence is claimed, so that no
//!       │          plain)          └─ unknown ─┤       late transaction of ours can change what is compared next
//!       └─────────────────────────── lost ─────┘
//! ```
//!
//! A state of the database is shown only whole: a dump is built aside and put in place at once, or, where the server
//! keeps history, only what was missed is added to what is held.

mod audit;
mod fence;
mod follow;
mod link;
mod quiet;
mod stats;
#[cfg(test)]
mod tests;
mod writes;

use std::{collections::VecDeque, future, pin::Pin};

use async_trait::async_trait;
use kubeovn_core::{
    contract::database::{Database, DbEvent},
    rows::{self, Outcome, Schema, Txn},
};
use uuid::Uuid;

use self::{
    audit::Audit,
    link::{Link, Stage, Up},
    writes::Writes,
};
pub use self::{
    audit::{AuditConfig, Mismatch},
    fence::{Authority, FENCE_KEY, FenceConfig, Nonce, SoleWriter},
    stats::Stats,
};
use super::{
    connect::{Connected, Connector},
    replica::Replica,
    session::SessionEvent,
    txn::Identity,
    wire::DbSchema,
};
use crate::capability::Capabilities;

/// A database on a server. Must be used within a tokio runtime with time and I/O.
pub struct Client {
    schema: &'static Schema,
    link: Link,
    replica: Replica,
    /// The last transaction that the replica holds, if the server keeps history.
    resume: Option<Uuid>,
    writes: Writes,
    /// `None` when it is switched off.
    audit: Option<Audit>,
    epoch: u64,
    resyncs: u64,
    sessions: u64,
    /// Events that are true of the replica as it is now.
    ready: VecDeque<DbEvent>,
    /// The consumer knows that the database is out of reach: `Lost` was the last it heard of that, or nothing was.
    lost: bool,
}

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What `next` waits for.
enum Step {
    Connected(Box<(Connector, Connected)>),
    Session(SessionEvent),
    /// The server is silent, and another one was found that serves; or none was looked for yet.
    Quiet(Option<Box<Connected>>),
    Term(Option<u64>),
    Audit,
}

impl Client {
    /// A client of the part of a database that `schema` describes. Connecting begins with the first
    /// [`next`](Database::next).
    pub fn new(
        schema: &'static Schema,
        connector: Connector,
        identity: Identity,
        fence: Option<FenceConfig>,
    ) -> Self {
        let nothing = DbSchema { name: schema.database.into(), version: String::new(), tables: [].into() };
        Self {
            schema,
            link: Link::connecting(connector),
            replica: Replica::new(schema, &nothing),
            resume: None,
            writes: Writes::new(schema.database, identity, fence),
            audit: Some(Audit::new(AuditConfig::default())),
            epoch: 0,
            resyncs: 0,
            sessions: 0,
            ready: VecDeque::new(),
            lost: true,
        }
    }

    /// The schema of the server that is connected, for probing what it can do. There is one from the moment that
    /// [`DbEvent::Resynced`] is answered until [`DbEvent::Lost`] is.
    pub fn server_schema(&self) -> Option<&DbSchema> {
        match &self.link {
            Link::Up(up) => Some(&up.schema),
            Link::Connecting(_) | Link::Down => None,
        }
    }

    /// Audits the replica like this, or not at all. Without this call, as [`AuditConfig::default`] says.
    pub fn with_audit(mut self, config: Option<AuditConfig>) -> Self {
        self.audit = config.map(Audit::new);
        self
    }

    /// The replica as it is known here: with UUIDs, and with all rows of a table.
    pub fn held(&self) -> &Replica {
        &self.replica
    }

    /// How often the replica was replaced as a whole. Who keeps something that was computed from it in steps must
    /// compute anew when this changed; while it stays, every change was in a [`DbEvent::Changed`], or came with a
    /// session that went on where the last one ended.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        let audit = self.audit.as_ref();
        let in_flight = match &self.link {
            Link::Up(up) => up.session.in_flight(),
            Link::Connecting(_) | Link::Down => 0,
        };
        Stats {
            epoch: self.epoch,
            resyncs: self.resyncs,
            reconnects: self.sessions.saturating_sub(1),
            in_flight,
            queued: self.writes.queued(),
            audits: audit.map_or(0, |audit| audit.answers),
            mismatches: audit.map_or(0, |audit| audit.mismatches),
            last_audit: audit.and_then(|audit| audit.last),
        }
    }

    /// What the server that is connected can do; there as long as its [schema](Self::server_schema) is.
    pub fn capabilities(&self) -> Option<Capabilities> {
        self.server_schema().map(|server| Capabilities::of(self.schema, server))
    }

    async fn wait(&mut self) -> Step {
        match &mut self.link {
            Link::Connecting(connected) => Step::Connected(Box::new(connected.await)),
            Link::Up(up) => {
                let due = self.audit.as_ref().and_then(Audit::due);
                let audit = async move {
                    match due {
                        Some(due) => tokio::time::sleep_until(due).await,
                        None => future::pending().await,
                    }
                };
                let owed = matches!(up.stage, Stage::Dumping { .. }) || self.writes.is_waiting();
                let Up { events, quiet, .. } = &mut **up;
                tokio::select! {
                    event = events.next() => Step::Session(event),
                    term = self.writes.term() => Step::Term(term),
                    found = quiet.next(), if owed => Step::Quiet(found),
                    () = audit => Step::Audit,
                }
            }
            Link::Down => future::pending().await,
        }
    }

    fn step(&mut self, step: Step) {
        if let (Link::Up(up), Step::Session(_)) = (&mut self.link, &step) {
            up.heard();
        }
        match step {
            Step::Connected(connected) => {
                let (connector, connected) = *connected;
                for gap in Capabilities::of(self.schema, &connected.schema).gaps() {
                    tracing::info!(error.code = gap.code(), "{}", gap.message());
                }
                let fresh = Replica::new(self.schema, &connected.schema);
                // of columns that are new to us no difference tells
                self.resume = self.resume.filter(|_| fresh.columns() == self.replica.columns());
                self.link = Link::up(connector, connected, fresh);
                self.sessions += 1;
                self.dump();
            }
            Step::Session(SessionEvent::Monitored { reply, .. }) => self.dumped(reply),
            Step::Session(SessionEvent::Update(update)) => self.update(update),
            Step::Session(SessionEvent::Reply { id, result }) if self.is_audit(id) => self.audited(&result),
            Step::Session(SessionEvent::Reply { id, result }) => {
                let unfit = match &result {
                    Err(error) => Some(error).filter(|error| !writes::is_our_mistake(error)).cloned(),
                    Ok(results) => writes::cannot_write(results).cloned(),
                };
                self.ready.extend(self.writes.answered(id, result, &self.replica));
                if let Link::Up(up) = &self.link {
                    self.ready.extend(self.writes.go_on(&up.session, &self.replica));
                }
                // a server that refuses whole requests, or has no room, will do so again; the next is tried with a pause
                if let Some(error) = unfit {
                    if let Link::Up(up) = &mut self.link {
                        up.connector.disappointed();
                    }
                    self.lose(&error);
                }
            }
            Step::Session(SessionEvent::Closed { reason }) => self.lose(&reason),
            Step::Quiet(found) => self.quiet(found.as_deref()),
            Step::Term(term) => self.term(term),
            Step::Audit => self.ask(),
        }
        self.recover();
    }

    fn quiet(&mut self, found: Option<&Connected>) {
        let Link::Up(up) = &mut self.link else { return };
        match found {
            None => up.search(),
            Some(found) if up.is_overtaken_by(found) => {
                self.lose(&format_args!("the server is silent, and {} leads now", found.endpoint));
            }
            Some(_) => {}
        }
    }

    fn term(&mut self, term: Option<u64>) {
        let Link::Up(up) = &mut self.link else { return };
        let Some(term) = term else {
            up.stage = Stage::Recovering;
            self.ready.extend(self.writes.denied());
            return self.tell_lost("another process holds the lease to write".to_owned());
        };
        self.ready.extend(self.writes.claim(term, &up.session, &self.replica));
    }

    fn lose(&mut self, reason: &dyn std::fmt::Display) {
        if !matches!(self.link, Link::Up(_)) {
            return;
        }
        let Link::Up(up) = std::mem::replace(&mut self.link, Link::Down) else { return };
        let reason = format!("{}: {reason}", up.endpoint);
        tracing::warn!(database = self.schema.database, reason, "session lost");
        self.link = Link::connecting(up.connector);
        self.ready.extend(self.writes.lost());
        if let Some(audit) = &mut self.audit {
            audit.lost();
        }
        self.tell_lost(reason);
    }

    fn tell_lost(&mut self, reason: String) {
        if !self.lost {
            self.lost = true;
            self.ready.push_back(DbEvent::Lost { reason });
        }
    }
}

#[async_trait]
impl Database for Client {
    fn submit(&mut self, txn: Txn) {
        if txn.ops.is_empty() {
            self.ready.push_back(DbEvent::Committed { id: txn.id, outcome: Outcome::Done });
            return;
        }
        match &mut self.link {
            Link::Up(up) if matches!(up.stage, Stage::Live) => {
                if !self.writes.is_waiting() {
                    up.heard();
                }
                self.ready.extend(self.writes.submit(txn, &up.session, &self.replica));
            }
            // not sent, but the answer must not look like a refusal, for which the owner would be blamed
            _ => self.ready.push_back(DbEvent::Committed { id: txn.id, outcome: Outcome::Unknown }),
        }
    }

    async fn next(&mut self) -> DbEvent {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            let step = self.wait().await;
            self.step(step);
        }
    }

    fn replica(&self) -> &dyn rows::Replica {
        &self.replica
    }
}
