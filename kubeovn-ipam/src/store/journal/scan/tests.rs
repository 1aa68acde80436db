use super::{
    super::format::{header, lines, mark, push_body},
    *,
};

/// Bodies of entries that say which ones they are.
fn bodies(numbers: std::ops::RangeInclusive<u64>) -> String {
    let mut bodies = String::new();
    numbers.for_each(|number| push_body(&Entry::Generation(number), &mut bodies));
    bodies
}

/// Three entries, of which two are known to be durable.
fn three() -> Vec<u8> {
    (header(Header::default()) + &lines(&bodies(1..=2), 1, 0) + &lines(&bodies(3..=3), 3, 2)).into_bytes()
}

fn numbers(scan: &Scan) -> Vec<u64> {
    let number = |entry: &Entry| if let Entry::Generation(number) = entry { *number } else { 0 };
    scan.entries.iter().map(number).collect()
}

#[test]
fn a_sound_journal_is_read_whole() {
    let scan = scan(&three()).unwrap();
    assert_eq!((numbers(&scan), scan.last, scan.durable, scan.sound), (vec![1, 2, 3], 3, 2, three().len()));
}

#[test]
fn an_unfinished_write_is_left_out() {
    let zeros = [three(), vec![0; 512]].concat();
    assert_eq!(scan(&zeros).unwrap().sound, three().len());
    // The fourth is gone and the fifth is there: nobody was told that either is durable.
    let hole = [three(), vec![0; 100], b"\n".to_vec(), lines(&bodies(5..=5), 5, 3).into()].concat();
    let read = scan(&hole).unwrap();
    assert_eq!((numbers(&read), read.durable, read.sound), (vec![1, 2, 3], 3, three().len()));
    let jump = [three(), lines(&bodies(5..=5), 5, 3).into()].concat();
    assert_eq!(scan(&jump).unwrap().sound, three().len());
}

#[test]
fn what_was_durable_is_missed() {
    for told in [lines(&bodies(5..=5), 5, 4), mark(4)] {
        let hole = [three(), b"\0\0\n".to_vec(), told.into()].concat();
        let damage = Damage::Entry { missing: 4, problem: LineError::Checksum, durable: 4 };
        assert_eq!(scan(&hole), Err(Unusable::Damaged { offset: three().len(), damage }));
    }
}

#[test]
fn a_snapshot_is_missed_to_its_last_line() {
    let head = header(Header { base: 7, durable: 8, snapshot: 1 });
    let damage = Damage::Entry { missing: 8, problem: LineError::Cut, durable: 8 };
    assert_eq!(scan(head.as_bytes()), Err(Unusable::Damaged { offset: head.len(), damage }));
    let read = scan((head + &lines(&bodies(8..=8), 8, 8)).as_bytes()).unwrap();
    assert_eq!((numbers(&read), read.last, read.snapshot), (vec![8], 8, 1));
}

#[test]
fn what_is_whole_and_not_understood_is_no_crash() {
    let offset = three().len();
    let bytes = [three(), lines("released everything\n", 4, 3).into()].concat();
    let problem = LineError::Field { field: "kind", text: "released".into() };
    let damage = Damage::Meaning { sequence: 4, problem };
    assert_eq!(scan(&bytes), Err(Unusable::Damaged { offset, damage }));
}

#[test]
fn there_is_no_journal_without_a_header() {
    for bytes in [&b""[..], &[0; 512], b"ledger\n"] {
        assert!(matches!(scan(bytes), Err(Unusable::Damaged { offset: 0, damage: Damage::Header { .. } })));
    }
}

#[test]
fn an_end_of_line_that_is_gone_takes_one_entry_only() {
    for told in [lines(&bodies(5..=5), 5, 4), mark(4)] {
        let fourth = lines(&bodies(4..=4), 4, 3).replace('\n', "?");
        let merged = [three(), fourth.into(), told.into()].concat();
        let damage = Damage::Entry { missing: 4, problem: LineError::Checksum, durable: 4 };
        assert_eq!(scan(&merged), Err(Unusable::Damaged { offset: three().len(), damage }));
    }
}
