//! Random runs: users do things, faults happen; then the faults stop, and all must be well.
//!
//! Each seed draws which faults can happen in its run at all: a run with few kinds of them goes deeper than one in
//! which everything breaks all the time.

use std::{
    collections::BTreeMap,
    num::NonZero,
    ops::Range,
    panic::catch_unwind,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use kubeovn_core::{index::objects::Kind, rows::Millis};

use crate::{
    cluster::Luck,
    database::{Fate, Late},
    heal, oracle,
    sim::{HOUR, Sim},
    user::{self, Habits},
};

/// A small generator: the same seed gives the same run, on every machine.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 16) % n as u64).unwrap()
    }

    fn time(&mut self, below: Millis) -> Millis {
        self.below(usize::try_from(below).unwrap()) as Millis
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// What can go wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// An event is told twice.
    Twice,
    /// A watch begins again a little earlier.
    Again,
    /// A single old version comes late.
    OldVersion,
    /// A watch loses what it had not told, and lists anew.
    Relist,
    /// The connection to the database breaks.
    Lost,
    /// Somebody edits rows of ours.
    Meddler,
    /// The database is replaced by its older self.
    Backup,
    /// The database is emptied.
    Emptied,
    /// The server refuses one row again and again.
    Hated,
    /// The controller dies and starts again.
    Restart,
    /// The clock is set to a later time.
    Forward,
    /// The clock is set back.
    Back,
    /// A transaction is refused for no good reason.
    Refused,
    /// Writes to the cluster fail, or are said to.
    Writes,
}

const FAULTS: [Fault; 14] = [
    Fault::Twice,
    Fault::Again,
    Fault::OldVersion,
    Fault::Relist,
    Fault::Lost,
    Fault::Meddler,
    Fault::Backup,
    Fault::Emptied,
    Fault::Hated,
    Fault::Restart,
    Fault::Forward,
    Fault::Back,
    Fault::Refused,
    Fault::Writes,
];

/// A run of this seed.
struct Run {
    sim: Sim,
    rng: Rng,
    faults: Vec<Fault>,
    habits: Habits,
    trace: bool,
}

impl Run {
    fn step(&mut self) {
        let Run { sim, rng, .. } = self;
        match rng.below(100) {
            0..=28 => user::act(sim, self.habits, rng),
            29..=43 => {
                for _ in 0..=rng.below(4) {
                    let waiting = sim.watch.waiting();
                    if !waiting.is_empty() {
                        sim.hear_of(rng.pick(&waiting));
                    }
                }
            }
            44..=56 => sim.run(),
            57..=65 => self.arrive(),
            66..=75 => {
                let pieces = 1 + rng.below(3);
                sim.hear_database(pieces);
            }
            76..=84 => self.write(),
            85..=88 => match rng.below(3) {
                0 => sim.db.read(),
                1 => sim.db.haunt(),
                _ => drop(sim.reconnect()),
            },
            89..=94 if !self.faults.is_empty() => {
                let fault = rng.pick(&self.faults);
                self.fail(fault);
            }
            95 | 96 if rng.chance(20) => {
                sim.db.hated = None;
                sim.settle();
            }
            _ => sim.now += 700,
        }
    }

    fn arrive(&mut self) {
        let fate = match self.rng.below(10) {
            0 | 1 if self.faults.contains(&Fault::Refused) => Fate::Rejected { named: self.rng.chance(40) },
            2 if self.faults.contains(&Fault::Lost) => Fate::Lost(self.late()),
            _ => Fate::Done,
        };
        self.sim.db.arrive(fate);
    }

    fn late(&mut self) -> Late {
        self.rng.pick(&[Late::Applied, Late::Never, Late::Ghost])
    }

    fn write(&mut self) {
        let nth = self.rng.below(4);
        let luck = match self.rng.below(10) {
            0 if self.faults.contains(&Fault::Writes) => Luck::Failed,
            1 if self.faults.contains(&Fault::Writes) => Luck::DoneInSecret,
            2 if self.faults.contains(&Fault::Writes) => Luck::Refused,
            _ => Luck::Done,
        };
        self.sim.write(nth, luck);
    }

    fn fail(&mut self, fault: Fault) {
        if self.trace {
            eprintln!("  {fault:?}");
        }
        let kind = self.rng.below(Kind::ALL.len());
        let late = self.late();
        let Run { sim, rng, .. } = self;
        match fault {
            Fault::Twice => sim.watch.repeat(kind),
            Fault::Again => sim.watch.again(kind, 1 + rng.below(8)),
            Fault::OldVersion => sim.watch.late(kind, rng.below(12)),
            Fault::Relist => sim.watch.relist(&sim.shop.cluster, kind),
            Fault::Lost => sim.db.lose(late),
            Fault::Meddler => (0..=rng.below(2)).for_each(|_| user::meddle(&mut sim.db, rng)),
            Fault::Backup if rng.chance(50) => sim.db.back_up(),
            Fault::Backup => sim.db.replace(true, late),
            Fault::Emptied if rng.chance(60) => {}
            Fault::Emptied => sim.db.replace(false, late),
            Fault::Hated => {
                let mut rows = Vec::new();
                kubeovn_core::rows::Replica::ours(&sim.db.replica, &mut |row, _| rows.push(row.clone()));
                sim.db.hated = (!rows.is_empty()).then(|| rng.one_of(&rows).clone());
            }
            Fault::Restart => {
                sim.restart(late);
                (0..rng.below(3)).for_each(|_| sim.shop.haunt());
                if rng.chance(50) {
                    // All is there soon, but for one kind.
                    (0..Kind::ALL.len()).filter(|other| *other != kind).for_each(|k| while sim.hear_of(k) {});
                    while sim.hear_database(1) {}
                    sim.reconnect();
                    sim.run();
                }
            }
            Fault::Forward => sim.now += rng.time(2 * HOUR),
            Fault::Back => sim.now = sim.now.saturating_sub(rng.time(HOUR)),
            Fault::Refused | Fault::Writes => {}
        }
    }
}

/// What may happen in the run of this seed, and what is drawn next.
fn draw(seed: u64) -> (Vec<Fault>, Rng) {
    let mut rng = Rng::new(seed);
    let share = rng.pick(&[0, 15, 30, 50]);
    (FAULTS.into_iter().filter(|_| rng.chance(share)).collect(), rng)
}

fn play(seed: u64, steps: usize, trace: bool) {
    let (faults, mut rng) = draw(seed);
    let habits = Habits::draw(&mut rng);
    let mut run = Run { sim: Sim::new(), rng, faults, habits, trace };
    for step in 0..steps {
        if run.trace {
            eprintln!("{step} at {}", run.sim.now);
        }
        run.step();
    }
    let Run { mut sim, .. } = run;
    sim.db.hated = None;
    sim.shop.haunt();
    sim.settle();
    oracle::at_rest(&sim);
    oracle::a_restart_serves_nobody_else(&sim);
    heal::heal(&mut sim);
    oracle::at_rest(&sim);
    oracle::all_is_well(&sim);
    oracle::a_restart_writes_nothing(&sim);
    oracle::equals_from_scratch(&sim);
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

/// Plays seeds and answers which failed, with the words of the first panic.
fn play_all(seeds: Range<u64>, steps: usize, trace: bool) -> BTreeMap<u64, String> {
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(BTreeMap::new());
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return;
                }
                if let Err(panic) = catch_unwind(|| play(seed, steps, trace)) {
                    let text = panic.downcast_ref::<String>().cloned();
                    let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                    failed
                        .lock()
                        .unwrap()
                        .insert(seed, format!("with {:?}: {}", draw(seed).0, text.unwrap_or_default()));
                }
            }
        };
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    failed.into_inner().unwrap()
}

#[test]
fn whatever_happens_in_the_end_all_is_well() {
    let (first, seeds) = (number("SEED", 0), number("SEEDS", 2_000));
    let (steps, trace) =
        (usize::try_from(number("STEPS", 160)).unwrap(), std::env::var_os("TRACE").is_some());
    let began = Instant::now();
    let failed = play_all(first..first + seeds, steps, trace);
    eprintln!("{seeds} seeds of {steps} steps in {:.1} s", began.elapsed().as_secs_f64());
    if std::env::var_os("LIST").is_some() {
        failed.iter().for_each(|(seed, why)| eprintln!("FAIL {seed} {why:.400}"));
    }
    if let Some((seed, why)) = failed.first_key_value() {
        panic!(
            "{} of {seeds} seeds fail: {:?}\nThe first one says: {why}\nIt is played again by\n  \
             TRACE=1 SEED={seed} SEEDS=1 cargo test --release --test spine whatever_happens",
            failed.len(),
            failed.keys().take(20).collect::<Vec<_>>(),
        );
    }
}
