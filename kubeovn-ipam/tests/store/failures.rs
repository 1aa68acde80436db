//! What a journal refuses, on a real disk and on one that fails.

use std::{
    fs,
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use kubeovn_ipam::store::{Journal, Options, Store, StoreError, Ticket};

use crate::{
    help::{TempDir, load, settled, uid},
    lineage::open,
    sim::{Fault, Sim},
};

fn options(wait: u64) -> Options {
    Options { wait: Duration::from_millis(wait), ..Options::default() }
}

fn uids(journal: &Journal) -> Vec<String> {
    load(journal).iter().map(uid).collect()
}

#[test]
fn after_a_failure_only_the_past_is_confirmed() {
    // The write, the sync.
    for call in [1, 2] {
        let sim = Sim::new(call as u64);
        let journal = open(&sim).unwrap();
        let before = journal.append(&settled("a")).unwrap();
        journal.sync(before).unwrap();
        let failed = journal.append(&settled("b")).unwrap();
        sim.plan(call, Fault::Error);
        assert_eq!(journal.sync(failed).unwrap_err().code(), "IPAM-STORE-IO");
        journal.sync(before).unwrap();
        let refused = [
            journal.sync(failed),
            journal.append(&settled("c")).map(|_| ()),
            journal.compact(&mut std::iter::empty()),
            journal.unlock(),
        ];
        for result in refused {
            let error = result.unwrap_err();
            assert_eq!(error.code(), "IPAM-STORE-FAILED");
            assert!(error.to_string().contains("injected failure"), "{error}");
        }
        drop(journal);
        assert!(uids(&open(&sim).unwrap()).starts_with(&["a".into()]));
    }
}

#[test]
fn all_that_wait_learn_of_a_failure() {
    for seed in 0..20 {
        let sim = Sim::new(seed);
        let journal = open(&sim).unwrap();
        sim.plan(1 + usize::try_from(seed).unwrap(), Fault::Error);
        let start = Barrier::new(8);
        let acknowledged = thread::scope(|scope| {
            let work = || {
                start.wait();
                let each =
                    || journal.append(&settled("a")).and_then(|ticket| journal.sync(ticket).map(|()| ticket));
                std::iter::from_fn(|| each().ok()).last()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).max()
        });
        drop(journal);
        sim.power_cut();
        let Ticket(last) = open(&sim).unwrap().tip();
        assert!(last >= acknowledged.map_or(0, |ticket| ticket.0));
    }
}

#[test]
fn a_released_journal_takes_nothing_more() {
    let dir = TempDir::new();
    let journal = Journal::open(dir.path(), options(0)).unwrap();
    let ticket = journal.append(&settled("a")).unwrap();
    journal.unlock().unwrap();
    journal.unlock().expect("again is no error");
    let error = journal.append(&settled("b")).unwrap_err();
    assert_eq!(error.code(), "IPAM-STORE-UNLOCKED");
    assert!(matches!(journal.compact(&mut std::iter::empty()), Err(StoreError::Unlocked { .. })));

    let next = Journal::open(dir.path(), options(0)).unwrap();
    assert_eq!((uids(&next), next.tip()), (vec!["a".into()], ticket));
    let behind = next.append(&settled("b")).unwrap();
    next.unlock().unwrap();
    next.sync(behind).unwrap();
    journal.sync(ticket).unwrap();
    drop((journal, next));
    assert_eq!(uids(&Journal::open(dir.path(), options(0)).unwrap()), ["a", "b"]);
}

/// Processes that only ever append once would leave a file of which nobody knows what was durable.
#[test]
fn a_sync_after_the_release_leaves_a_mark() {
    let dir = TempDir::new();
    for name in ["a", "b"] {
        let journal = Journal::open(dir.path(), options(0)).unwrap();
        let ticket = journal.append(&settled(name)).unwrap();
        journal.unlock().unwrap();
        journal.sync(ticket).unwrap();
    }
    let text = fs::read_to_string(dir.path().join("ledger.journal")).unwrap();
    assert!(text.ends_with(" 0 2 mark\n"), "{text}");
    fs::write(dir.path().join("ledger.journal"), text.replace(" b ", " x ")).unwrap();
    assert!(matches!(Journal::open(dir.path(), options(0)), Err(StoreError::Corrupt { .. })));
}

#[test]
fn a_journal_that_is_open_here_is_busy() {
    let dir = TempDir::new();
    let journal = Journal::open(dir.path(), options(0)).unwrap();
    let error = Journal::open(dir.path(), options(30)).unwrap_err();
    let StoreError::Busy { path, waited, holder } = &error else { panic!("{error}") };
    assert_eq!((path, *holder), (&dir.path().join("ledger.lock"), Some(std::process::id())));
    assert!(*waited >= Duration::from_millis(30));
    drop(journal);
    Journal::open(dir.path(), options(0)).unwrap();
}

#[test]
fn one_that_waits_gets_it() {
    let dir = Arc::new(TempDir::new());
    let journal = Journal::open(dir.path(), options(0)).unwrap();
    journal.append(&settled("a")).unwrap();
    let waiting = thread::spawn({
        let dir = dir.clone();
        move || Journal::open(dir.path(), options(60_000)).map(|journal| uids(&journal))
    });
    drop(journal);
    assert_eq!(waiting.join().unwrap().unwrap(), ["a"]);
}

#[test]
fn a_newer_version_is_left_alone() {
    let dir = TempDir::new();
    let path = dir.path().join("ledger.journal");
    // printf 'kubeovn-ipam-journal 2 zstd' | crc32 /dev/stdin
    let newer = "b0e259f8 kubeovn-ipam-journal 2 zstd\n\0\x01\x02";
    fs::write(&path, newer).unwrap();
    let error = Journal::open(dir.path(), options(0)).unwrap_err();
    assert!(matches!(error, StoreError::Version { version: 2, known: 1, .. }), "{error}");
    assert_eq!(error.code(), "IPAM-STORE-VERSION");
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
}

#[test]
fn leftovers_of_a_killed_compaction_go() {
    let dir = TempDir::new();
    let next = dir.path().join("ledger.journal.new");
    drop(Journal::open(dir.path(), options(0)).unwrap());
    fs::write(&next, "half of a snap").unwrap();
    let journal = Journal::open(dir.path(), options(0)).unwrap();
    assert!(!next.exists());
    journal.compact(&mut [settled("a")].into_iter()).unwrap();
    assert!(!next.exists());
}

#[test]
fn a_lock_file_that_was_removed_is_made_again() {
    let dir = TempDir::new();
    let journal = Journal::open(dir.path(), options(0)).unwrap();
    let ticket = journal.append(&settled("a")).unwrap();
    journal.sync(ticket).unwrap();
    drop(journal);
    fs::remove_file(dir.path().join("ledger.lock")).unwrap();
    assert_eq!(uids(&Journal::open(dir.path(), options(0)).unwrap()), ["a"]);
}

#[test]
fn where_no_directory_can_be_the_path_is_told() {
    let dir = TempDir::new();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Journal::open(file.join("ledger"), options(0)).unwrap_err();
    assert_eq!(error.code(), "IPAM-STORE-IO");
    let expected = format!("can't create {}: ", file.join("ledger").display());
    assert!(error.to_string().starts_with(&expected), "{error}");
}
