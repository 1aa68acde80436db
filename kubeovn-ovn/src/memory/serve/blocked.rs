//! Transactions that wait: tried again after every change, and given up at their deadline.

use serde_json::value::RawValue;
use tokio::{
    sync::watch,
    time::{Duration, Instant, sleep_until},
};

use super::{
    reply::{Refusal, Told, answer, raw},
    request::Asked,
};
use crate::{
    memory::{
        hub::{Hub, Shared, lock},
        server::{Attempt, Step},
    },
    ovsdb::wire::OpResult,
};

/// A transaction that came and is not answered.
#[derive(Debug)]
pub(super) struct Blocked {
    pub(super) session: u64,
    pub(super) id: Box<RawValue>,
    pub(super) ops: Vec<Asked>,
    /// It is one of `_Server`.
    pub(super) about: bool,
    pub(super) since: Instant,
    /// When the `wait` that it stands at gives up.
    pub(super) deadline: Option<Instant>,
}

/// Gives transactions up when their time has come, until it is aborted.
pub(super) async fn expire(hub: Shared, mut deadlines: watch::Receiver<()>) {
    loop {
        let next = lock(&hub).service.blocked.iter().filter_map(|blocked| blocked.deadline).min();
        let changed = match next {
            Some(deadline) => tokio::select! {
                changed = deadlines.changed() => changed,
                () = sleep_until(deadline) => Ok(()),
            },
            None => deadlines.changed().await,
        };
        if changed.is_err() {
            return;
        }
        lock(&hub).expire(Instant::now());
    }
}

impl Hub {
    /// Tries a transaction; it is answered, or comes back to wait.
    pub(super) fn attempt(&mut self, mut transaction: Blocked, now: Instant) {
        let Blocked { session, about, since, .. } = transaction;
        // a transaction may look at locks, and changes none
        let locks = std::mem::take(&mut self.service.locks);
        let steps: Vec<Step<'_>> =
            transaction.ops.iter().map(|asked| asked.step(|name| locks.owns(session, name))).collect();
        let elapsed = u64::try_from(now.duration_since(since).as_millis()).unwrap_or(u64::MAX);
        let outcome = match (&mut self.service.about, about) {
            (Some(server), true) => match server.attempt(&steps, Some(elapsed)) {
                Attempt::Done(results, _) => Ok(results),
                Attempt::Blocked(timeout) => Err(timeout),
            },
            _ => self.commit(&steps, Some(elapsed), None),
        };
        drop(steps);
        self.service.locks = locks;
        match outcome {
            Ok(results) => self.answer(&transaction, &results),
            Err(timeout) => {
                // a time too long to be reckoned with is as good as none
                transaction.deadline = timeout.and_then(|ms| since.checked_add(Duration::from_millis(ms)));
                self.service.blocked.push(transaction);
                self.service.deadlines.send_replace(());
            }
        }
    }

    /// After a change: tries all that wait again, until none of them changes anything that another one may wait for.
    pub(in crate::memory) fn retry(&mut self, now: Instant) {
        while self.service.retried != self.service.history.count() {
            self.service.retried = self.service.history.count();
            for transaction in std::mem::take(&mut self.service.blocked) {
                self.attempt(transaction, now);
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        let due = |blocked: &mut Blocked| blocked.deadline.is_some_and(|deadline| deadline <= now);
        let expired: Vec<Blocked> = self.service.blocked.extract_if(.., due).collect();
        for transaction in expired {
            self.attempt(transaction, now);
        }
    }

    fn answer(&self, transaction: &Blocked, results: &[OpResult]) {
        let Some(session) = self.service.sessions.get(&transaction.session) else { return };
        let results: Vec<Told<'_>> = results.iter().map(Told).collect();
        let frame = match raw(&results) {
            Ok(results) => answer(&transaction.id, Ok(&results)),
            Err(refusal) => answer(&transaction.id, Err(&refusal)),
        };
        session.outbox.answer(frame);
    }

    /// Takes a waiting transaction back, and answers so.
    pub(super) fn cancel(&mut self, session: u64, id: &str) {
        let wanted = |blocked: &mut Blocked| blocked.session == session && blocked.id.get() == id;
        let canceled: Vec<Blocked> = self.service.blocked.extract_if(.., wanted).collect();
        for transaction in canceled {
            if let Some(session) = self.service.sessions.get(&session) {
                session.outbox.answer(answer(&transaction.id, Err(&Refusal::Word("canceled"))));
            }
        }
    }
}
