//! Decides who holds a lease. `now` is time since any beginning, by a clock that is never set.

use std::time::Duration;

use super::{Leadership, Record};

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Leave it.
    Wait,
    /// Write this, on condition that nobody else wrote since it was looked at.
    Take(Record),
}

/// Decides who holds a lease; does no I/O.
#[derive(Debug)]
pub struct Elector {
    identity: String,
    duration: Duration,
    deadline: Duration,
    /// What was last seen, and since when it is so.
    observed: Option<(Record, Duration)>,
    /// When what we last wrote with success was asked for, and in which term.
    held: Option<(Duration, u64)>,
    /// It was let go of by the one before us.
    handed_over: bool,
    lost: bool,
}

impl Elector {
    /// One that has seen nothing yet.
    pub fn new(identity: String, duration: Duration, deadline: Duration) -> Self {
        Elector { identity, duration, deadline, observed: None, held: None, handed_over: false, lost: false }
    }

    /// The lease was looked at; `None` when there is none.
    pub fn look(&mut self, now: Duration, found: Option<Record>) -> Step {
        if self.lost {
            return Step::Wait;
        }
        let Some(found) = found else {
            // One that somebody deleted was seen before perhaps: terms never go back as far as we know.
            let transitions = self.observed.as_ref().map_or(0, |(seen, _)| seen.transitions + 1);
            self.lose_if(self.held.is_some());
            return self.take(Record { transitions, ..Record::default() });
        };
        if self.observed.as_ref().is_none_or(|(seen, _)| *seen != found) {
            self.observed = Some((found.clone(), now));
        }
        let ours =
            found.holder == self.identity && self.held.is_some_and(|(_, term)| term == found.transitions);
        if ours {
            return self.take(found);
        }
        self.lose_if(self.held.is_some());
        let since = self.observed.as_ref().map_or(now, |(_, since)| *since);
        // As long as its holder asks for. One that asks for nothing gets what we would.
        let lasts = if found.duration.is_zero() { self.duration } else { found.duration };
        if !found.holder.is_empty() && found.holder != self.identity && now < since + lasts {
            return Step::Wait;
        }
        self.handed_over = found.holder.is_empty();
        let transitions = found.transitions + 1;
        self.take(Record { transitions, ..Record::default() })
    }

    /// What we were to write was written; `asked` is when it was asked for: others may have seen it since.
    pub fn taken(&mut self, asked: Duration, written: Record) {
        if !self.lost {
            self.held = Some((asked, written.transitions));
        }
    }

    /// Do we hold it?
    pub fn leads(&self, now: Duration) -> bool {
        !self.lost && self.ends().is_some_and(|ends| now < ends)
    }

    /// When we hold it no longer unless it is renewed; `None` when we don't hold it.
    pub fn ends(&self) -> Option<Duration> {
        self.held.map(|(asked, _)| asked + self.deadline)
    }

    /// Did the one before us let go of it, so that nothing of that one can be on its way any more?
    pub fn is_handed_over(&self) -> bool {
        self.handed_over
    }

    /// How it stands. Lost is lost.
    pub fn stands(&mut self, now: Duration) -> Leadership {
        self.lose_if(self.ends().is_some_and(|ends| now >= ends));
        if self.lost {
            return Leadership::Lost;
        }
        if let Some((_, term)) = self.held {
            return Leadership::Leading { term };
        }
        let holder = self.observed.as_ref().map(|(seen, _)| seen.holder.clone());
        Leadership::Waiting { holder: holder.filter(|holder| !holder.is_empty()) }
    }

    fn lose_if(&mut self, lost: bool) {
        self.lost |= lost;
    }

    fn take(&self, last: Record) -> Step {
        if self.lost {
            return Step::Wait;
        }
        let (holder, duration) = (self.identity.clone(), self.duration);
        Step::Take(Record { holder, duration, renewed: None, ..last })
    }
}
