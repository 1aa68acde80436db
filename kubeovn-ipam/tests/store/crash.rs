//! A scripted run in which every single call fails, or is the last one of its process.

use std::path::Path;

use kubeovn_ipam::store::{Store, StoreError};

use crate::{
    lineage::{DIR, Lineage, open},
    sim::{Fault, Sim},
};

/// All that a journal does, by one process and by two.
fn script(sim: &Sim, lineage: &mut Lineage) -> Result<(), StoreError> {
    let first = open(sim)?;
    lineage.check(&first);
    lineage.add(&first)?;
    lineage.append(&first)?;
    lineage.add(&first)?;
    drop(first);

    let second = open(sim)?;
    lineage.check(&second);
    lineage.add(&second)?;
    lineage.append(&second)?;
    lineage.compact(&second)?;
    lineage.append(&second)?;
    lineage.add(&second)?;
    lineage.append(&second)?;
    drop(second);

    // One builds on what another has not synced yet.
    let third = open(sim)?;
    lineage.check(&third);
    let of_third = lineage.append(&third)?;
    third.unlock()?;
    let fourth = open(sim)?;
    lineage.check(&fourth);
    lineage.add(&fourth)?;
    fourth.unlock()?;
    // One replaces the file of another.
    let fifth = open(sim)?;
    lineage.check(&fifth);
    let of_fifth = lineage.append(&fifth)?;
    fifth.unlock()?;
    let sixth = open(sim)?;
    lineage.check(&sixth);
    lineage.append(&sixth)?;
    lineage.compact(&sixth)?;
    lineage.sync(&fifth, of_fifth)?;
    lineage.sync(&third, of_third)?;
    lineage.append(&sixth)?;
    lineage.add(&sixth)?;
    lineage.append(&sixth)?;
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// The same system, and what a process that lives on has noted.
    Reopen,
    Kill,
    PowerCut,
}

/// Runs the script until something goes wrong at the `n`-th call, and looks what is left. False when nothing did.
fn run(n: usize, fault: Fault, after: After, seed: u64) -> bool {
    let sim = Sim::new(seed);
    let mut lineage = Lineage::default();
    sim.plan(n, fault);
    let _ = script(&sim, &mut lineage);
    let happened = sim.fault_is_over();
    match after {
        After::Reopen => {}
        After::Kill => sim.kill(),
        After::PowerCut => sim.power_cut(),
    }
    for _ in 0..2 {
        let journal = open(&sim).unwrap();
        assert!(!sim.has(&Path::new(DIR).join("ledger.journal.new")), "nothing is left behind");
        lineage.check(&journal);
        lineage.add(&journal).unwrap();
        lineage.append(&journal).unwrap();
        drop(journal);
        sim.power_cut();
    }
    let journal = open(&sim).unwrap();
    lineage.check(&journal);
    lineage.compact(&journal).unwrap();
    happened
}

#[test]
fn every_call_may_fail_or_be_the_last() {
    let cases = [(Fault::Error, After::Reopen), (Fault::Error, After::Kill), (Fault::Error, After::PowerCut)]
        .into_iter()
        .chain([(Fault::Death, After::Kill), (Fault::Death, After::PowerCut)]);
    for (fault, after) in cases {
        let mut n = 1;
        while (0..6).map(|seed| run(n, fault, after, seed * 1000 + n as u64)).fold(false, |a, b| a | b) {
            n += 1;
        }
        assert!(n > 60, "only {n} calls");
    }
}

#[test]
fn the_power_may_go_at_any_time_without_a_failure() {
    for seed in 0..300 {
        let sim = Sim::new(seed);
        let mut lineage = Lineage::default();
        script(&sim, &mut lineage).unwrap();
        sim.power_cut();
        lineage.check(&open(&sim).unwrap());
    }
}

#[test]
fn what_a_failed_sync_forgot_is_written_anew() {
    for seed in 0..100 {
        let sim = Sim::new(seed);
        let mut lineage = Lineage::default();
        let journal = open(&sim).unwrap();
        // So that the entry lies differently to the ends of blocks.
        (0..=seed % 7).for_each(|_| lineage.add(&journal).unwrap());
        let at = lineage.append(&journal).unwrap();
        // The write, then the sync.
        sim.plan(2, Fault::Error);
        assert_eq!(lineage.sync(&journal, at).unwrap_err().code(), "IPAM-STORE-IO");
        assert_eq!(lineage.sync(&journal, at).unwrap_err().code(), "IPAM-STORE-FAILED");
        drop(journal);
        // The next process sees the entry, though it may never reach the disk. Here it can't write it anew at first.
        for call in 1..=12 {
            sim.plan(call, Fault::Error);
            let _ = open(&sim);
            assert!(sim.fault_is_over());
        }
        let journal = open(&sim).unwrap();
        lineage.check(&journal);
        lineage.add(&journal).unwrap();
        sim.power_cut();
        lineage.check(&open(&sim).unwrap());
    }
}

#[test]
fn a_snapshot_that_finds_no_room_changes_nothing() {
    for call in 1..=5 {
        let sim = Sim::new(call);
        let mut lineage = Lineage::default();
        let journal = open(&sim).unwrap();
        lineage.add(&journal).unwrap();
        sim.plan(usize::try_from(call).unwrap(), Fault::Error);
        let error = lineage.compact(&journal).unwrap_err();
        assert_eq!(error.code(), "IPAM-STORE-IO", "{error}");
        lineage.add(&journal).expect("the old file still takes entries");
        assert!(!sim.has(&Path::new(DIR).join("ledger.journal.new")));
        lineage.compact(&journal).unwrap();
        sim.power_cut();
        lineage.check(&open(&sim).unwrap());
    }
}

#[test]
fn a_cut_tail_is_counted() {
    let sim = Sim::new(1);
    let path = Path::new(DIR).join("ledger.journal");
    let mut lineage = Lineage::default();
    let journal = open(&sim).unwrap();
    lineage.add(&journal).unwrap();
    assert_eq!(journal.dropped(), 0);
    sim.kill();
    drop(journal);
    let torn = [sim.content(&path), b"0badc0de 2 1 settl".to_vec()].concat();
    sim.put(&path, &torn);
    let journal = open(&sim).unwrap();
    assert_eq!(journal.dropped(), 18);
    lineage.check(&journal);
    journal.sync(journal.tip()).unwrap();
    drop(journal);
    let journal = open(&sim).unwrap();
    assert_eq!(journal.dropped(), 0);
    lineage.check(&journal);
}
