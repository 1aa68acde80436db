//! Random lives of a journal: processes that come, go and die, power cuts, disks that refuse.

use kubeovn_ipam::store::{Journal, StoreError, Ticket};

use crate::{
    help::Chance,
    lineage::{Lineage, open},
    sim::{Fault, Sim},
};

struct Life {
    sim: Sim,
    chance: Chance,
    lineage: Lineage,
    /// Who has the journal, and its last entry.
    holder: Option<(Journal, Option<(Ticket, usize)>)>,
    /// Those that gave it away and did not sync yet.
    leavers: Vec<(Journal, (Ticket, usize))>,
    faulty: bool,
}

impl Life {
    fn step(&mut self) {
        match self.chance.below(40) {
            0 => self.crash(Sim::power_cut),
            1 => self.crash(Sim::kill),
            2 => {
                let fault = if self.chance.once_in(2) { Fault::Error } else { Fault::Death };
                self.sim.plan(1 + self.chance.below(12), fault);
                self.faulty = true;
            }
            3..=8 => self.holder = None,
            9..=14 => self.leave(),
            15..=18 if !self.leavers.is_empty() => {
                let (journal, at) = self.leavers.swap_remove(self.chance.below(self.leavers.len()));
                let result = self.lineage.sync(&journal, at);
                self.judge(result);
            }
            _ => self.work(),
        }
        if self.sim.is_dead() {
            self.crash(Sim::kill);
        }
    }

    /// The holder does something; where there is none, one opens the journal.
    fn work(&mut self) {
        let Some((journal, last)) = &mut self.holder else {
            match open(&self.sim) {
                Ok(journal) => {
                    self.lineage.check(&journal);
                    self.holder = Some((journal, None));
                }
                Err(error) => self.judge(Err(error)),
            }
            return;
        };
        let result = match (self.chance.below(12), &last) {
            (0, _) => self.lineage.compact(journal),
            (1..=5, Some(at)) => self.lineage.sync(journal, *at),
            _ => self.lineage.append(journal).map(|at| *last = Some(at)),
        };
        if result.is_err() {
            self.holder = None;
        }
        self.judge(result);
    }

    fn leave(&mut self) {
        let Some((journal, last)) = self.holder.take() else { return };
        let result = journal.unlock();
        if let (Ok(()), Some(at)) = (&result, last) {
            self.leavers.push((journal, at));
        }
        self.judge(result);
    }

    fn crash(&mut self, how: fn(&Sim)) {
        how(&self.sim);
        (self.holder, self.faulty) = (None, false);
        self.leavers.clear();
    }

    /// Something may only fail where something went wrong before; and nothing is ever lost.
    fn judge(&mut self, result: Result<(), StoreError>) {
        if let Err(error) = result {
            assert!(self.faulty, "{error}");
            let expected = ["IPAM-STORE-IO", "IPAM-STORE-FAILED"].contains(&error.code());
            assert!(expected, "{error}");
        }
    }
}

#[test]
fn nothing_acknowledged_is_ever_lost() {
    for seed in 0..600 {
        let mut life = Life {
            sim: Sim::new(seed),
            chance: Chance(!seed),
            lineage: Lineage::default(),
            holder: None,
            leavers: Vec::new(),
            faulty: false,
        };
        for _ in 0..150 {
            life.step();
        }
        life.crash(Sim::power_cut);
        life.lineage.check(&open(&life.sim).unwrap());
    }
}
