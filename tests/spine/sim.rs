//! A cluster, a controller and a database in one thread.

use kubeovn_core::{
    engine::Standing,
    index::{
        Settings,
        objects::{Kind, Object},
    },
    rows::{Millis, OwnerKey, Txn},
    spine::{Effect, Input, Spine},
};
use kubeovn_ovn::{nb::NORTHBOUND, render::Fabric};

use crate::{
    cluster::{Luck, Shop},
    database::{Database, Fate, Told},
    ledger::Shared,
    oracle,
    watch::Watch,
};

pub(crate) const SECOND: Millis = 1_000;
pub(crate) const MINUTE: Millis = 60 * SECOND;
pub(crate) const HOUR: Millis = 60 * MINUTE;

/// So long after the last fault everything is as it should be. The longest pause before a refused owner is tried again
/// is five minutes, and so is the time between two audits.
pub(crate) const CONVERGES_WITHIN: Millis = 11 * MINUTE;

pub(crate) struct Sim {
    pub(crate) shop: Shop,
    pub(crate) watch: Watch,
    pub(crate) db: Database,
    pub(crate) spine: Spine,
    pub(crate) ledger: Shared,
    pub(crate) now: Millis,
    /// Transactions of this controller.
    pub(crate) txns: usize,
    /// The last of them.
    pub(crate) last: Option<Txn>,
}

impl Sim {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    /// One that an installation of its own has.
    pub(crate) fn with(settings: Settings) -> Self {
        Self::begun(settings, Shop::new(), Database::new(), 10 * HOUR)
    }

    /// A controller that starts on a cluster and a database that are there already.
    pub(crate) fn on(shop: Shop, db: Database, now: Millis) -> Self {
        Self::begun(Settings::default(), shop, db, now)
    }

    fn begun(settings: Settings, shop: Shop, db: Database, now: Millis) -> Self {
        let ledger = Shared::new();
        let spine = Spine::new(settings, Box::new(ledger.clone()), Box::new(Fabric), &NORTHBOUND);
        let watch = Watch::new(&shop.cluster);
        let mut sim = Sim { shop, watch, db, spine: spine.with_batch(7), ledger, now, txns: 0, last: None };
        // Live already: nothing of ours is on its way there.
        if sim.db.is_live() {
            sim.feed(Input::Resynced);
        }
        sim
    }

    /// Gateways are asked whether they answer.
    pub(crate) fn asking(self) -> Self {
        Self { spine: self.spine.with_asking(), ..self }
    }

    pub(crate) fn feed(&mut self, input: Input) {
        self.spine.feed(self.now, input, &self.db.replica);
    }

    pub(crate) fn run(&mut self) {
        let mut out = Vec::new();
        self.spine.run(self.now, &self.db.replica, &mut out);
        self.carry_out(out);
    }

    pub(crate) fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Commit(txn) => {
                    self.txns += 1;
                    oracle::cuts_nobody_off(self, &txn);
                    self.last = Some(txn.clone());
                    self.db.submit(txn);
                }
                Effect::Write { about, write } => self.shop.ask(about, write),
            }
        }
    }

    /// The next thing is told of this kind of objects.
    pub(crate) fn hear_of(&mut self, kind: usize) -> bool {
        let event = self.watch.next(kind);
        let heard = event.is_some();
        event.into_iter().for_each(|event| self.feed(Input::Object(event)));
        heard
    }

    /// Everything is told that there is to tell.
    pub(crate) fn hear_all(&mut self) -> bool {
        let mut heard = false;
        for kind in 0..Kind::ALL.len() {
            while self.hear_of(kind) {
                heard = true;
            }
        }
        heard
    }

    /// The next message of the database, in so many pieces at most, with a look at things between them.
    pub(crate) fn hear_database(&mut self, pieces: usize) -> bool {
        match self.db.hear() {
            None => return false,
            Some(Told::Committed(id, outcome)) => self.feed(Input::Committed { id, outcome }),
            Some(Told::Rows(mut changes)) => {
                let size = changes.len().div_ceil(pieces).max(1);
                while changes.len() > size {
                    let rest = changes.split_off(size);
                    self.feed(Input::Rows(std::mem::replace(&mut changes, rest)));
                    self.run();
                }
                self.feed(Input::Rows(changes));
            }
        }
        true
    }

    /// A connection that is gone comes back.
    pub(crate) fn reconnect(&mut self) -> bool {
        self.db.read();
        let claimed = self.db.claim();
        if claimed {
            self.feed(Input::Resynced);
        }
        claimed
    }

    pub(crate) fn write(&mut self, nth: usize, luck: Luck) -> bool {
        let Some((about, done)) = self.shop.write(nth, luck) else { return false };
        if !done {
            let refused = luck == Luck::Refused;
            self.feed(if refused { Input::WriteRefused(about) } else { Input::WriteFailed(about) });
        }
        true
    }

    /// The controller dies, and another one starts.
    pub(crate) fn restart(&mut self, late: crate::database::Late) {
        self.shop.orphan();
        let shop = self.shop.clone();
        let mut db = std::mem::replace(&mut self.db, Database::new());
        db.restart(late);
        *self = Sim::on(shop, db, self.now);
    }

    /// Lets everything go well until nothing is left to do, and answers how long that took.
    pub(crate) fn settle(&mut self) -> Millis {
        let began = self.now;
        loop {
            assert!(
                self.now - began <= CONVERGES_WITHIN,
                "does not come to rest within {} minutes: {}; refused {:?}; next {:?} now {}",
                CONVERGES_WITHIN / MINUTE,
                self.spine.unfinished(),
                self.refused(),
                self.spine.next_wake(),
                self.now,
            );
            self.run();
            self.db.arrive(Fate::Done);
            let mut busy = false;
            while self.hear_database(1) {
                busy = true;
            }
            busy |= self.reconnect();
            while self.write(0, Luck::Done) {
                busy = true;
            }
            busy |= self.hear_all();
            if !busy && !self.sleep() {
                return self.now - began;
            }
        }
    }

    /// Sleeps until there is something to do; `false` if there is nothing. The next audit is no reason to wait, unless
    /// the database refused something.
    fn sleep(&mut self) -> bool {
        let refused = !self.refused().is_empty();
        let due = self.spine.next_wake();
        match due.filter(|at| refused || *at < self.now + 3 * MINUTE) {
            Some(at) if at > self.now => self.now = at,
            _ if self.spine.idle() && !refused => return false,
            _ => self.now += 50,
        }
        true
    }

    /// Who waits because the database refused its rows.
    fn refused(&self) -> Vec<OwnerKey> {
        let verdict = |owner: &OwnerKey| self.spine.verdict(owner).map(|v| v.standing.clone());
        let owners = self.spine.world().owners().into_iter();
        owners.filter(|owner| verdict(owner) == Some(Standing::Refused)).collect()
    }

    pub(crate) fn apply(&mut self, object: Object) {
        self.shop.apply(object);
    }

    pub(crate) fn delete(&mut self, kind: Kind, namespace: &str, name: &str) {
        self.shop.delete(kind, namespace, name);
    }
}
