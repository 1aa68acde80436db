//! The way through: facts in, effects out.
//!
//! ```text
//! feed(Object | Rows | Committed | Resynced …)      marks, nothing else
//! run(now) ─> decide subnets ─> settle addresses ─> render and plan ─> one transaction ─> tell the cluster
//! ```
//!
//! A driver feeds whatever has come in, runs, and carries the effects out; it decides nothing. The spine reads no clock
//! and does no I/O, so the same inputs give the same effects: a bad day can be replayed.
//!
//! # Gates
//! Nothing is settled, planned, released or swept before every kind has been listed and the replica is complete: what
//! is merely not known yet must not look as if it were gone.

mod clock;
mod lead;
mod parked;
mod recover;
mod settle;
mod tell;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::{
    contract::{
        cluster::{Event, Write},
        ipam::Ipam,
        model::Model,
    },
    engine::{RowEngine, Verdict},
    error::Problem,
    hash::FixedMap,
    index::{
        Dirty, Settings, World,
        objects::{Kind, Name, Object, ObjectKey},
    },
    rows::{Change, Millis, Outcome, OwnerKey, Replica, RowChange, Schema, Txn},
};

/// How often everything is compared although nothing seems to have changed.
pub const AUDIT_EVERY: Millis = 300_000;
/// Batches that are compared in one step, when nothing of them is to be written.
const BATCHES: usize = 10;
/// Who deletes more than this many rows at once may have deleted all of them.
const MANY: usize = 100;
/// Pause before a write that the cluster did not take is tried again.
const REWRITE_AFTER: Millis = 1_000;
/// The same where the cluster refused it: only somebody else can change that.
const REFUSED_AFTER: Millis = 60_000;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The cluster tells of an object.
    Object(Event),
    /// Rows of the database changed; the replica holds the changes already.
    Rows(Vec<RowChange>),
    /// What became of a transaction.
    Committed {
        /// [`Txn::id`].
        id: u64,
        /// The outcome.
        outcome: Outcome,
    },
    /// The replica is complete and new.
    Resynced,
    /// Which addresses of gateways do not answer, all of them.
    Silent(BTreeSet<IpAddr>),
    /// A write about this object did not happen, see [`Effect::Write`].
    WriteFailed(ObjectKey),
    /// The same, and it would not be taken at once either.
    WriteRefused(ObjectKey),
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send this to the database.
    Commit(Txn),
    /// Ask this of the cluster. Those about one object in this order.
    Write {
        /// About which object it is; a failure is reported with it. Not always the object that is written: the
        /// record of what a pod was given is about the pod.
        about: ObjectKey,
        /// What to ask.
        write: Write,
    },
}

/// See the [module](self).
#[allow(clippy::struct_excessive_bools, reason = "each is about something else")]
pub struct Spine {
    world: World,
    ipam: Box<dyn Ipam>,
    model: Box<dyn Model>,
    engine: RowEngine,
    listed: BTreeSet<Kind>,
    /// Whose addresses could not be taken back at the start, for another one has them.
    recovery_conflicts: BTreeSet<OwnerKey>,
    /// Of these, who has got nothing since: what the database has by their names may be in use.
    unsettled: BTreeSet<OwnerKey>,
    replica_complete: bool,
    open: bool,
    defined: BTreeSet<Name>,
    closing: BTreeSet<Name>,
    /// Subnets that the ledger does not take as they are now because of what is held in them, with their VPC.
    unoffered: BTreeMap<Name, Name>,
    /// Owners that wait for somebody else's release, in the order in which they came.
    parked: parked::Parked,
    /// What was last asked of the cluster and has not been seen yet, by object.
    sent: FixedMap<ObjectKey, Vec<Write>>,
    rewrite: BTreeMap<ObjectKey, Millis>,
    noted: BTreeMap<ObjectKey, Vec<Problem>>,
    /// Objects that are not told yet what their rows wait for: it may be there in a moment.
    waiting: BTreeSet<ObjectKey>,
    /// Gateways are asked whether they answer: [`Input::Silent`] comes.
    asking: bool,
    clock: clock::Clock,
    audit_due: bool,
    next_audit: Millis,
}

impl Spine {
    /// A spine that knows nothing yet.
    pub fn new(
        settings: Settings,
        ipam: Box<dyn Ipam>,
        model: Box<dyn Model>,
        schema: &'static Schema,
    ) -> Self {
        Spine {
            world: World::new(settings),
            ipam,
            model,
            engine: RowEngine::new(schema),
            listed: BTreeSet::new(),
            recovery_conflicts: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            replica_complete: false,
            open: false,
            defined: BTreeSet::new(),
            closing: BTreeSet::new(),
            unoffered: BTreeMap::new(),
            parked: parked::Parked::default(),
            sent: FixedMap::default(),
            rewrite: BTreeMap::new(),
            noted: BTreeMap::new(),
            waiting: BTreeSet::new(),
            asking: false,
            clock: clock::Clock::default(),
            audit_due: false,
            next_audit: 0,
        }
    }

    /// Owners in one transaction, at most.
    #[must_use]
    pub fn with_batch(mut self, owners: usize) -> Self {
        self.engine = self.engine.with_batch(owners);
        self
    }

    /// Somebody asks gateways whether they answer, and tells it by [`Input::Silent`].
    #[must_use]
    pub fn with_asking(mut self) -> Self {
        self.asking = true;
        self
    }

    /// The facts.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Where an owner's rows stand; `None` when all is well.
    pub fn verdict(&self, owner: &OwnerKey) -> Option<&Verdict> {
        self.engine.verdict(owner)
    }

    /// Problems that hold now, by object.
    pub fn problems(&self) -> &BTreeMap<ObjectKey, Vec<Problem>> {
        &self.noted
    }

    /// Whose addresses could not be taken back at the start, since another one had them too. Each was told by an event.
    pub fn recovery_conflicts(&self) -> &BTreeSet<OwnerKey> {
        &self.recovery_conflicts
    }

    /// Everything has been told and taken back, so that what is due is done.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// All is as it should be, as far as it can be: nothing to plan, nothing on its way.
    pub fn idle(&self) -> bool {
        self.open
            && self.engine.idle()
            && !self.audit_due
            && !self.engine.sweep_due()
            && self.world.dirty == Dirty::default()
            && self.sent.is_empty()
    }

    /// The rows are as they should be, as far as they can be: nothing of them to plan, nothing on its way.
    pub fn written(&self) -> bool {
        self.open && self.engine.idle() && !self.engine.sweep_due() && self.world.dirty.rows.is_empty()
    }

    /// All that is ours has vanished from the database, and is being made anew in one transaction: whoever acts on what
    /// the database holds should wait until it is through.
    pub fn rebuilding(&self) -> bool {
        self.engine.rebuilding()
    }

    /// What is left to do, in words; empty when [`idle`](Self::idle).
    pub fn unfinished(&self) -> String {
        if self.idle() {
            return String::new();
        }
        format!(
            "open {}, audit due {}, marked {:?}, asked {:?}, engine {}",
            self.open,
            self.audit_due,
            self.world.dirty,
            self.sent,
            self.engine.unfinished()
        )
    }

    /// Takes something in. Only marks: call [`run`](Self::run) when all that has come in is fed.
    pub fn feed(&mut self, now: Millis, input: Input, have: &dyn Replica) {
        let now = self.clock.at(now);
        match input {
            Input::Object(Event::Applied(object)) => self.world.apply(object),
            Input::Object(Event::Deleted { key, uid }) => {
                // What was asked for is void: a successor of the name has to be asked anew.
                self.sent.remove(&key);
                self.world.remove(&key, &uid);
            }
            Input::Object(Event::Listed(kind)) => {
                self.listed.insert(kind);
                self.world.listed(kind);
            }
            Input::Object(Event::Absent(kind)) => {
                self.listed.insert(kind);
            }
            Input::Rows(changes) => {
                for change in &changes {
                    self.engine.changed(change, have);
                    self.world.mark_objects(change.owner.as_ref());
                }
                let mut deleted = changes.iter().filter(|change| change.what == Change::Deleted);
                if deleted.nth(MANY).is_some() {
                    self.engine.look_for_loss(have);
                }
            }
            Input::Committed { id, outcome } => {
                self.engine.committed(now, id, outcome, have);
            }
            Input::Resynced => {
                self.replica_complete = true;
                self.engine.resynced(have);
                if self.open {
                    self.find_again(have);
                }
            }
            Input::Silent(silent) => self.world.hear(silent),
            Input::WriteFailed(key) => {
                self.rewrite.insert(key, now + REWRITE_AFTER);
            }
            Input::WriteRefused(key) => {
                self.rewrite.insert(key, now + REFUSED_AFTER);
            }
        }
    }

    /// Does all that can be done now: [`plan`](Self::plan), then [`follow`](Self::follow). The clock may be set back
    /// meanwhile: time goes on from where it was.
    pub fn run(&mut self, now: Millis, have: &dyn Replica, out: &mut Vec<Effect>) {
        while self.plan(now, have, out) {}
        self.follow(now, have, out);
    }

    /// The first half of [`run`](Self::run): up to the next transaction. Carry its effects out before the second half,
    /// so that the database has something to do meanwhile.
    ///
    /// After a start everything is compared, and nothing of it is to be written as a rule. That takes a while; so a part is
    /// done, and `true` is answered when there is more: call it again, before the second half. Whatever has come in
    /// meanwhile can be fed in between.
    #[must_use]
    pub fn plan(&mut self, now: Millis, have: &dyn Replica, out: &mut Vec<Effect>) -> bool {
        let now = self.clock.at(now);
        self.ask_again(now);
        if !self.open {
            if !self.replica_complete || !Kind::ALL.iter().all(|k| self.listed.contains(k)) {
                return false;
            }
            // Pods that fall back to the default subnet must not be refused because it is only about to be made.
            if self.ensure_built_in(out) {
                return false;
            }
            self.open = true;
            self.open_gates(now, have, out);
        }
        if now >= self.next_audit {
            self.audit_due |= self.next_audit != 0;
            self.next_audit = now + AUDIT_EVERY;
        }
        self.ensure_built_in(out);
        self.settle_all(now, have);
        self.choose_gateways(have);
        for owner in std::mem::take(&mut self.world.dirty.rows) {
            self.engine.mark(owner);
        }
        let (world, model) = (&self.world, &self.model);
        let mut render = |owner: &OwnerKey| model.render(world, owner);
        let mut txn = self.engine.plan_some(BATCHES, now, &mut render, have);
        if txn.is_none() && (self.audit_due || self.engine.sweep_due()) && self.engine.idle() {
            self.audit_due = false;
            self.engine.sweep(have);
            txn = self.engine.plan(now, &mut render, have);
        }
        out.extend(txn.map(Effect::Commit));
        self.engine.more()
    }

    /// The second half of [`run`](Self::run): what objects should say, and the transaction after the one on its way
    /// made ready.
    pub fn follow(&mut self, now: Millis, have: &dyn Replica, out: &mut Vec<Effect>) {
        if !self.open {
            return;
        }
        let judged = self.engine.take_judged();
        self.world.mark_objects(&judged);
        if self.engine.idle() {
            // What they wait for is not on its way.
            self.world.dirty.status.extend(std::mem::take(&mut self.waiting));
        }
        let now = self.clock.at(now);
        self.tell(now, have, out);
        let (world, model) = (&self.world, &self.model);
        self.engine.plan_ahead(BATCHES, &mut |owner| model.render(world, owner), have);
    }

    /// When [`run`](Self::run) should be called though nothing happens.
    pub fn next_wake(&self) -> Option<Millis> {
        let audit = self.open.then_some(self.next_audit);
        let due = [audit, self.engine.next_wake(), self.rewrite.values().min().copied()];
        due.into_iter().flatten().min().map(|at| self.clock.given(at))
    }

    /// The default VPC, the default subnet and the join subnet exist by themselves. Answers whether one is missing.
    fn ensure_built_in(&mut self, out: &mut Vec<Effect>) -> bool {
        let mut missing = false;
        let (vpc, [subnet, join]) = self.world.settings().built_in();
        for object in [Object::Vpc(vpc), Object::Subnet(subnet), Object::Subnet(join)] {
            let key = object.key();
            let create = vec![Write::Create(object)];
            if self.world.uid_of(&key).is_none() {
                missing = true;
                if self.sent.get(&key) != Some(&create) {
                    self.ask(key, create, out);
                }
            }
        }
        missing
    }
}
