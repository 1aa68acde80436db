//! Telling: what objects should say and don't is asked of the cluster.

use super::{Effect, Spine};
use crate::{
    contract::cluster::{Note, Write},
    decide::publish::{self, Seat},
    engine::Standing,
    error::Problem,
    index::objects::ObjectKey,
    rows::{Millis, OwnerKey, OwnerKind, Replica},
};

/// So long what was asked of the cluster may take to be seen; then it is asked again.
const SEEN_WITHIN: Millis = 10_000;

impl Spine {
    /// Compares with what objects say, and asks for what they lack. What was asked already and has not come back yet
    /// is not asked again at once: it may be on its way. For ever it is not waited for, for somebody else may have
    /// changed it back before we saw it.
    pub(super) fn tell(&mut self, now: Millis, have: &dyn Replica, out: &mut Vec<Effect>) {
        let mut keys: Vec<ObjectKey> = std::mem::take(&mut self.world.dirty.status).into_iter().collect();
        keys.sort_unstable();
        for key in keys {
            // Comes again when it is known where its rows stand: half a truth would only be taken back.
            let owner = self.world.owner_of(&key);
            if owner.as_ref().is_some_and(|owner| self.engine.pending(owner)) {
                // Who has nothing in the database is not looked at again when it has been read.
                if self.engine.unsure() {
                    self.world.dirty.status.insert(key);
                }
                continue;
            }
            let waits = owner
                .and_then(|owner| self.engine.verdict(&owner))
                .is_some_and(|verdict| verdict.standing == Standing::Waiting);
            let idle = self.engine.idle();
            if waits && !idle {
                self.waiting.insert(key.clone());
            }
            let seat = |owner: &OwnerKey| {
                let verdict = self.engine.verdict(owner);
                let problems =
                    verdict.filter(|v| idle || v.standing != Standing::Waiting).map(|v| v.problems.clone());
                let answers =
                    (owner.kind == OwnerKind::Subnet).then(|| self.model.dhcp_answers(&owner.name, have));
                Seat {
                    ready: self.engine.settled(owner),
                    problems: problems.unwrap_or_default(),
                    dhcp_answers: answers.unwrap_or_default(),
                }
            };
            let telling = publish::tell(&self.world, &key, &seat);
            self.note(&key, telling.problems, out);
            if telling.writes.is_empty() {
                self.sent.remove(&key);
                self.rewrite.remove(&key);
            } else if self.sent.get(&key) != Some(&telling.writes) {
                self.ask(key, telling.writes, out);
            } else {
                self.rewrite.entry(key).or_insert(now.saturating_add(SEEN_WITHIN));
            }
        }
    }

    /// What the cluster did not take is asked again when its time has come.
    pub(super) fn ask_again(&mut self, now: Millis) {
        let due: Vec<ObjectKey> =
            self.rewrite.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.rewrite.remove(&key);
            self.sent.remove(&key);
            self.world.dirty.status.insert(key);
        }
    }

    pub(super) fn ask(&mut self, about: ObjectKey, writes: Vec<Write>, out: &mut Vec<Effect>) {
        out.extend(writes.iter().map(|write| Effect::Write { about: about.clone(), write: write.clone() }));
        self.sent.insert(about, writes);
    }

    /// An event for each problem that was not there before.
    fn note(&mut self, key: &ObjectKey, problems: Vec<Problem>, out: &mut Vec<Effect>) {
        let before = self.noted.get(key).map_or(&[][..], Vec::as_slice);
        for problem in problems.iter().filter(|p| !before.contains(p)) {
            let note = Note {
                key: key.clone(),
                uid: self.world.uid_of(key).cloned().unwrap_or_default(),
                warning: true,
                reason: problem.code.into(),
                message: problem.message.as_str().into(),
            };
            out.push(Effect::Write { about: key.clone(), write: Write::Note(note) });
        }
        if problems.is_empty() {
            self.noted.remove(key);
        } else {
            self.noted.insert(key.clone(), problems);
        }
    }
}
