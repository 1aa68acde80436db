//! The audit: now and then the server is asked what it holds, and the replica is compared with the answer.
//!
//! Updates can be missed without any sign of it: a server, or something before it, that forgot a monitor still answers
//! echoes and transactions. The answer to a `select` comes in the order of the wire, and the replica holds every update
//! that came before it, so the two must be equal. A row counts as different when it was found so twice in a row, so
//! that a server whose answers overtake its updates is not accused.
//!
//! ```text
//! round 1   UUIDs of table A | of table B | … | contents of every 12th row of A, by slices | … of B | …
//! round 2   the same, of the next 12th
//! ```
//!
//! A row that is missing or gone is noticed within a round and a half, other contents within 12 rounds and a half. The
//! UUIDs of 100 000 rows are 6 MB per round; of contents, 12 rounds ask for what a dump brings.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

use super::{Client, link::Link};
use crate::ovsdb::{
    replica::{Difference, Replica},
    wire::{Condition, OpResult, Operation, ServerError},
};

/// How thoroughly and how fast the replica is compared with the server.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// How long a round takes. Its questions are spread over it, each pause between half and one and a half of what
    /// is due, so that many clients do not ask in step.
    pub round: Duration,
    /// In how many rounds the contents of every row are compared once.
    pub rounds: u32,
    /// How many rows' contents are asked for at once.
    pub slice: usize,
}

/// The replica is not what the server holds, though nothing told so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "OVSDB-MISMATCH: of {compared} rows of {table} compared with the server, {missing} were never told of, {gone} are \
     there no more and {changed} have other contents, first {first}: updates were lost. All is read again; if this comes \
     back, look at what is between the server and us"
)]
pub struct Mismatch {
    /// The table.
    pub table: String,
    /// How many rows were looked at.
    pub compared: usize,
    /// Rows of the server that the replica has not.
    pub missing: usize,
    /// Rows of the replica that the server has not.
    pub gone: usize,
    /// Rows with other contents.
    pub changed: usize,
    /// One of them.
    pub first: Uuid,
}

pub(super) struct Audit {
    config: AuditConfig,
    /// The number of the round.
    round: u32,
    /// What is still to be asked in it.
    questions: VecDeque<Question>,
    /// Between two questions.
    pause: Duration,
    /// When the next question is due, if none is on its way.
    due: Option<Instant>,
    asked: Option<Asked>,
    pub(super) answers: u64,
    pub(super) mismatches: u64,
    pub(super) last: Option<Instant>,
}

enum Question {
    Census { table: &'static str },
    Contents { table: &'static str, uuids: Vec<Uuid> },
}

struct Asked {
    number: u64,
    question: Question,
    /// What the first look found, if this is the second.
    suspects: Option<BTreeMap<Uuid, Difference>>,
}

impl Default for AuditConfig {
    /// A round in 5 min, all contents in an hour, 250 rows at once.
    fn default() -> Self {
        Self { round: Duration::from_mins(5), rounds: 12, slice: 250 }
    }
}

impl Audit {
    pub(super) fn new(config: AuditConfig) -> Self {
        Self {
            config,
            round: 0,
            questions: VecDeque::new(),
            pause: Duration::ZERO,
            due: None,
            asked: None,
            answers: 0,
            mismatches: 0,
            last: None,
        }
    }

    /// Begins a round on a replica that is complete. `jitter` is between 0 and 1.
    pub(super) fn begin(&mut self, replica: &Replica, now: Instant, jitter: f64) {
        self.round = self.round.wrapping_add(1);
        self.asked = None;
        let rounds = u128::from(self.config.rounds.max(1));
        let turn = u128::from(self.round) % rounds;
        let tables: Vec<&'static str> = replica.columns().into_keys().collect();
        self.questions = tables.iter().map(|table| Question::Census { table }).collect();
        for table in tables {
            let uuids: Vec<Uuid> =
                replica.uuids(table).filter(|uuid| uuid.as_u128() % rounds == turn).collect();
            let slices = uuids.chunks(self.config.slice.max(1));
            self.questions.extend(slices.map(|uuids| Question::Contents { table, uuids: uuids.to_vec() }));
        }
        let questions = u32::try_from(self.questions.len()).unwrap_or(u32::MAX).max(1);
        self.pause = self.config.round / questions;
        self.postpone(now, jitter);
    }

    /// Whether no round is going on.
    pub(super) fn is_idle(&self) -> bool {
        self.due.is_none() && self.asked.is_none()
    }

    /// When to [`ask`](Self::ask), unless a question is on its way.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The next question is put off by a pause.
    pub(super) fn postpone(&mut self, now: Instant, jitter: f64) {
        self.due = Some(now + self.pause.mul_f64(0.5 + jitter.clamp(0.0, 1.0)));
    }

    /// The operations of the next question, to be sent as request `number`.
    pub(super) fn ask(&mut self, number: u64, replica: &Replica) -> Vec<Operation> {
        let next = || self.questions.pop_front().map(|question| Asked { number, question, suspects: None });
        // a second look is the same question
        self.asked = self.asked.take().or_else(next).map(|asked| Asked { number, ..asked });
        self.due = None;
        self.asked.as_ref().map(|asked| asked.question.operations(replica)).unwrap_or_default()
    }

    pub(super) fn is_asked(&self, number: u64) -> bool {
        self.due.is_none() && self.asked.as_ref().is_some_and(|asked| asked.number == number)
    }

    /// Takes the answer to the question that is on its way, with the replica as it is at this point of the wire.
    ///
    /// # Errors
    /// Rows differ, for the second time.
    pub(super) fn answered(
        &mut self,
        result: &Result<Vec<OpResult>, ServerError>,
        replica: &Replica,
        now: Instant,
        jitter: f64,
    ) -> Result<(), Mismatch> {
        let Some(Asked { number, question, suspects }) = self.asked.take() else { return Ok(()) };
        // a server that cannot answer (it does not lead any more) says nothing of what it holds
        let found = result.as_ref().ok().and_then(|results| question.compare(results, replica));
        if let Some((compared, mut found)) = found {
            if let Some(before) = &suspects {
                found.retain(|uuid, difference| before.get(uuid) == Some(difference));
            }
            if !found.is_empty() && suspects.is_none() {
                self.asked = Some(Asked { number, question, suspects: Some(found) });
                self.due = Some(now);
                return Ok(());
            }
            self.answers += 1;
            self.last = Some(now);
            if let Some(first) = found.keys().next() {
                self.mismatches += 1;
                let count = |kind| found.values().filter(|found| **found == kind).count();
                return Err(Mismatch {
                    table: question.table().to_owned(),
                    compared,
                    missing: count(Difference::Missing),
                    gone: count(Difference::Gone),
                    changed: count(Difference::Changed),
                    first: *first,
                });
            }
        }
        if self.questions.is_empty() {
            self.begin(replica, now, jitter);
        } else {
            self.postpone(now, jitter);
        }
        Ok(())
    }

    /// The connection is gone, and with it what was asked.
    pub(super) fn lost(&mut self) {
        self.asked = None;
        self.questions.clear();
        self.due = None;
    }
}

impl Question {
    fn table(&self) -> &'static str {
        match self {
            Self::Census { table } | Self::Contents { table, .. } => table,
        }
    }

    fn operations(&self, replica: &Replica) -> Vec<Operation> {
        match self {
            Self::Census { table } => vec![Operation::Select {
                table: (*table).into(),
                r#where: Vec::new(),
                columns: Some(vec!["_uuid".into()]),
            }],
            Self::Contents { table, uuids } => {
                let columns = replica.columns().remove(table).unwrap_or_default();
                let columns: Vec<_> = columns.into_iter().map(Into::into).collect();
                let select = |uuid: &Uuid| Operation::Select {
                    table: (*table).into(),
                    r#where: vec![Condition::row(*uuid)],
                    columns: Some(columns.clone()),
                };
                uuids.iter().map(select).collect()
            }
        }
    }

    /// How many rows were compared, and which differ; `None` for an answer that is none.
    fn compare(
        &self,
        results: &[OpResult],
        replica: &Replica,
    ) -> Option<(usize, BTreeMap<Uuid, Difference>)> {
        match self {
            Self::Census { table } => match results {
                [OpResult::Uuids(there)] => Some((there.len(), replica.census(table, there))),
                [OpResult::Rows(rows)] if rows.is_empty() => Some((0, replica.census(table, &[]))),
                _ => None,
            },
            Self::Contents { table, uuids } => {
                if results.len() != uuids.len() {
                    return None;
                }
                let mut found = BTreeMap::new();
                for (uuid, result) in uuids.iter().zip(results) {
                    let OpResult::Rows(rows) = result else { return None };
                    found.extend(
                        replica.compare(table, *uuid, rows.first()).map(|difference| (*uuid, difference)),
                    );
                }
                Some((uuids.len(), found))
            }
        }
    }
}

impl Client {
    /// Asks the server what it holds.
    pub(super) fn ask(&mut self) {
        let (Link::Up(up), Some(audit)) = (&mut self.link, &mut self.audit) else { return };
        if !up.session.has_room() {
            return audit.postpone(Instant::now(), up.connector.draw());
        }
        let number = self.writes.number();
        let operations = audit.ask(number, &self.replica);
        if let Err(error) = up.session.submit(number, self.schema.database, &operations) {
            self.lose(&error);
        }
    }

    pub(super) fn is_audit(&self, number: u64) -> bool {
        self.audit.as_ref().is_some_and(|audit| audit.is_asked(number))
    }

    pub(super) fn audited(&mut self, result: &Result<Vec<OpResult>, ServerError>) {
        let (Link::Up(up), Some(audit)) = (&mut self.link, &mut self.audit) else { return };
        if let Err(mismatch) = audit.answered(result, &self.replica, Instant::now(), up.connector.draw()) {
            self.diverged(&mismatch);
        }
    }
}
