//! Files that were changed by something else than a journal.

use std::path::{Path, PathBuf};

use kubeovn_ipam::store::{Journal, StoreError};

use crate::{
    lineage::{DIR, Lineage, open},
    sim::Sim,
};

fn path() -> PathBuf {
    Path::new(DIR).join("ledger.journal")
}

/// A journal with a snapshot of one and three more entries, all acknowledged, as bytes; and what it must say.
fn small(dropped: bool) -> (Vec<u8>, Vec<String>) {
    let sim = Sim::new(0);
    let (journal, mut lineage) = (open(&sim).unwrap(), Lineage::default());
    lineage.add(&journal).unwrap();
    lineage.compact(&journal).unwrap();
    (0..3).for_each(|_| lineage.add(&journal).unwrap());
    if !dropped {
        sim.kill();
    }
    drop(journal);
    let bytes = sim.content(&path());
    lineage.check(&open(&sim).unwrap());
    (bytes, lines(&open(&sim).unwrap()))
}

/// What was read, to be compared.
fn lines(journal: &Journal) -> Vec<String> {
    crate::help::load(journal).iter().map(|entry| format!("{entry:?}")).collect()
}

/// Opens a journal with this content. Whatever is refused must not be changed.
fn open_with(bytes: &[u8]) -> Result<Journal, StoreError> {
    let sim = Sim::new(0);
    sim.put(&path(), bytes);
    let result = open(&sim);
    if result.is_err() {
        assert_eq!(sim.content(&path()), bytes);
    }
    result
}

#[test]
fn a_file_cut_anywhere_has_nothing_that_was_not_written() {
    for dropped in [true, false] {
        let (bytes, whole) = small(dropped);
        let header = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let first = header + bytes[header..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for len in 0..bytes.len() {
            match open_with(&bytes[..len]) {
                Ok(journal) => {
                    assert!(len >= first, "the snapshot was durable before the file had its name");
                    let found = lines(&journal);
                    assert_eq!(found, whole[..found.len()]);
                }
                Err(error) => {
                    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
                    assert!(len < first, "{error}");
                }
            }
        }
    }
}

#[test]
fn no_changed_bit_goes_unseen() {
    let (bytes, whole) = small(true);
    let mark = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let result = open_with(&changed);
            if at >= mark {
                // Only the mark behind them is gone. Nobody needs it.
                let journal = result.unwrap();
                assert_eq!(
                    (lines(&journal), journal.dropped()),
                    (whole.clone(), (bytes.len() - mark) as u64)
                );
                continue;
            }
            let Err(StoreError::Corrupt { offset, .. }) = result else { panic!("byte {at}: {result:?}") };
            let line = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            assert_eq!(offset, line as u64, "the beginning of the line with byte {at}");
        }
    }
}

/// The exception: the last write of a process that was killed, which nothing follows.
#[test]
fn the_last_write_of_a_killed_process_looks_like_a_crash() {
    let (bytes, whole) = small(false);
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        match open_with(&changed) {
            Ok(journal) => {
                assert!(at >= last, "byte {at}");
                assert_eq!(lines(&journal), whole[..whole.len() - 1]);
            }
            Err(error) => assert!(at < last, "byte {at}: {error}"),
        }
    }
}

#[test]
fn damage_is_told_with_place_and_next_step() {
    let (mut bytes, _) = small(true);
    let third = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0 + 1;
    bytes[third + 40] ^= 4;
    let error = open_with(&bytes).unwrap_err();
    assert_eq!(error.code(), "IPAM-STORE-CORRUPT");
    assert_eq!(
        error.to_string(),
        format!(
            "/ledger/ledger.journal is damaged at byte {third}: entry 4 can't be read (the checksum does not fit the \
             line), but entries up to 5 were durable. Nothing was changed. Bring the file back from a copy. Cutting it \
             there loses what follows, and those addresses may be given twice"
        )
    );
}
