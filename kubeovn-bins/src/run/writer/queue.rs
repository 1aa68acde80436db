//! Which write is next.

use std::collections::{BTreeSet, HashMap, VecDeque};

use kubeovn_core::{contract::cluster::Write, index::objects::ObjectKey};
use tokio::time::Instant;

use super::Limits;

/// Of how many objects it is remembered when their status was written, before those of long ago are dropped.
const REMEMBERED: usize = 1_000;

/// A write that was asked; later ones have larger numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(u64);

/// To be carried out now.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) ticket: Ticket,
    pub(super) write: Write,
}

/// What was asked and is not done.
#[derive(Debug)]
pub(super) struct Queue {
    limits: Limits,
    last: u64,
    asked: HashMap<Ticket, Asked>,
    /// What is about an object or goes to it, in the order in which it was asked. The first of all its lanes may start.
    lanes: HashMap<ObjectKey, VecDeque<Ticket>>,
    /// First in all their lanes, not begun.
    ready: BTreeSet<Ticket>,
    /// The same, but too early.
    later: BTreeSet<(Instant, Ticket)>,
    notes: VecDeque<Write>,
    /// On their way.
    flying: usize,
    notes_flying: usize,
    /// When the status of an object was last written.
    statuses: HashMap<ObjectKey, Instant>,
}

#[derive(Debug)]
struct Asked {
    about: ObjectKey,
    to: ObjectKey,
    /// `None` when it has begun.
    write: Option<Write>,
    /// Not before.
    due: Option<Instant>,
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Queue {
            limits,
            last: 0,
            asked: HashMap::new(),
            lanes: HashMap::new(),
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            notes: VecDeque::new(),
            flying: 0,
            notes_flying: 0,
            statuses: HashMap::new(),
        }
    }

    /// Takes in all that is due about some objects.
    pub(super) fn ask(&mut self, writes: Vec<(ObjectKey, Write)>) {
        let first = self.last;
        for (about, write) in writes {
            if matches!(write, Write::Note(_)) {
                self.notes.push_back(write);
                if self.notes.len() > self.limits.notes {
                    self.notes.pop_front();
                }
                continue;
            }
            self.withdraw(&about, Ticket(first));
            self.last += 1;
            let ticket = Ticket(self.last);
            let to = write.key();
            for lane in lanes(&about, &to) {
                self.lanes.entry(lane.clone()).or_default().push_back(ticket);
            }
            self.asked.insert(ticket, Asked { about, to, write: Some(write), due: None });
            self.try_ready(ticket);
        }
    }

    /// What may start now, if something may.
    pub(super) fn start(&mut self, now: Instant) -> Option<Start> {
        if self.flying >= self.limits.in_flight {
            return None;
        }
        while let Some((_, ticket)) = self.later.first().copied().filter(|(due, _)| *due <= now) {
            self.later.pop_first();
            self.ready.insert(ticket);
        }
        while let Some(ticket) = self.ready.pop_first() {
            let Some(asked) = self.asked.get_mut(&ticket) else { continue };
            if matches!(asked.write, Some(Write::Status { .. })) {
                let before = self.statuses.get(&asked.to);
                if let Some(due) =
                    before.map(|at| self.limits.status_due(*at, now, self.flying)).filter(|due| *due > now)
                {
                    asked.due = Some(due);
                    self.later.insert((due, ticket));
                    continue;
                }
                self.statuses.insert(asked.to.clone(), now);
                if self.statuses.len() > REMEMBERED {
                    let latest = self.limits.status_latest;
                    self.statuses.retain(|_, at| *at + latest > now);
                }
            }
            if let Some(write) = asked.write.take() {
                self.flying += 1;
                return Some(Start { ticket, write });
            }
        }
        if self.notes_flying >= self.limits.notes_in_flight {
            return None;
        }
        let write = self.notes.pop_front()?;
        self.flying += 1;
        self.notes_flying += 1;
        // Nobody waits for it.
        Some(Start { ticket: Ticket(0), write })
    }

    /// When something may start that may not now.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.later.first().map(|(due, _)| *due).filter(|_| self.flying < self.limits.in_flight)
    }

    /// Answers about which object it was, unless it was a note.
    pub(super) fn done(&mut self, ticket: Ticket) -> Option<ObjectKey> {
        self.flying = self.flying.saturating_sub(1);
        if ticket == Ticket(0) {
            self.notes_flying = self.notes_flying.saturating_sub(1);
            return None;
        }
        self.remove(ticket).map(|asked| asked.about)
    }

    /// Takes back what was asked about an object up to a ticket and has not begun.
    fn withdraw(&mut self, about: &ObjectKey, up_to: Ticket) {
        let lane = self.lanes.get(about).into_iter().flatten();
        let old: Vec<Ticket> = lane.copied().filter(|ticket| *ticket <= up_to).collect();
        for ticket in old {
            let waits = |asked: &Asked| asked.about == *about && asked.write.is_some();
            if self.asked.get(&ticket).is_some_and(waits) {
                self.remove(ticket);
            }
        }
    }

    /// Removes a write, so that what is behind it may start.
    fn remove(&mut self, ticket: Ticket) -> Option<Asked> {
        let asked = self.asked.remove(&ticket)?;
        self.ready.remove(&ticket);
        if let Some(due) = asked.due {
            self.later.remove(&(due, ticket));
        }
        for key in lanes(&asked.about, &asked.to) {
            let Some(lane) = self.lanes.get_mut(key) else { continue };
            lane.retain(|other| *other != ticket);
            match lane.front().copied() {
                Some(next) => self.try_ready(next),
                None => drop(self.lanes.remove(key)),
            }
        }
        Some(asked)
    }

    /// Makes a write ready if it is first wherever it stands.
    fn try_ready(&mut self, ticket: Ticket) {
        let Some(asked) = self.asked.get(&ticket) else { return };
        let is_first = |key| self.lanes.get(key).and_then(VecDeque::front) == Some(&ticket);
        if asked.write.is_some() && asked.due.is_none() && lanes(&asked.about, &asked.to).all(is_first) {
            self.ready.insert(ticket);
        }
    }
}

impl Limits {
    /// When a status may be written that was last written then.
    fn status_due(&self, before: Instant, now: Instant, flying: usize) -> Instant {
        let due = before + self.status_every;
        // Looked at again soon: it may be quiet by then.
        let later = (now + self.status_every).min(before + self.status_latest);
        if flying >= self.busy && due <= now { later } else { due }
    }
}

/// Where a write stands.
fn lanes<'a>(about: &'a ObjectKey, to: &'a ObjectKey) -> impl Iterator<Item = &'a ObjectKey> {
    std::iter::once(about).chain((about != to).then_some(to))
}
