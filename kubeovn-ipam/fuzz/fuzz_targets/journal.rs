//! Any bytes as the journal: it is opened or refused, and what it says is taken by a ledger.
//!
//! The first byte says what is made from the others: nothing; right checksums; right numbers in front of bodies.
#![no_main]

mod check;
mod disk;

use std::{path::Path, sync::Arc, time::Duration};

use disk::InMemory;
use kubeovn_ipam::{
    Entry, Ledger, NamedPool, Offer, Order,
    store::{Journal, Options, Store, StoreError},
};
use libfuzzer_sys::fuzz_target;

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn mended(mode: u8, bytes: &[u8]) -> Vec<u8> {
    let line = |rest: &[u8]| [format!("{:08x} ", crc32(rest)).as_bytes(), rest, b"\n"].concat();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    match mode % 3 {
        0 => bytes.to_vec(),
        1 => lines.flat_map(line).collect(),
        _ => {
            let numbered = lines.zip(1..).map(|(body, n)| [format!("{n} 0 ").as_bytes(), body].concat());
            let header = line(b"kubeovn-ipam-journal 1 0 0 0");
            header.into_iter().chain(numbered.flat_map(|rest| line(&rest))).collect()
        }
    }
}

fn open(disk: &Arc<InMemory>) -> Result<(Journal, Vec<Entry>), StoreError> {
    let (mut entries, options) = (Vec::new(), Options { wait: Duration::ZERO, small: 0 });
    let journal = Journal::open_on(disk.clone(), "/j", options)?;
    journal.load(&mut |entry| entries.push(entry))?;
    Ok((journal, entries))
}

fn ledger(entries: &[Entry]) -> Ledger {
    let mut ledger = Ledger::new();
    let orders = [Order::Lowest, Order::NextFit, Order::Random { seed: 1 }];
    for (name, order) in ["net1", "net2", "net3"].into_iter().zip(orders) {
        let pools = vec![NamedPool { name: "x".into(), ranges: vec!["10.0.0.4..10.0.0.5".parse().unwrap()] }];
        let cidrs = "10.0.0.0/28,fd00::/64".parse().unwrap();
        let offer = Offer { subnet: name.into(), space: "v".into(), cidrs, pools, order, ..Offer::default() };
        ledger.define(&offer).unwrap();
    }
    for entry in entries {
        _ = ledger.apply(entry).map_err(|error| error.to_string());
    }
    check::check(&ledger);
    ledger
}

fuzz_target!(|data: &[u8]| {
    let Some((mode, bytes)) = data.split_first() else { return };
    let (disk, path) = (Arc::new(InMemory::default()), Path::new("/j/ledger.journal"));
    disk.put(path, &mended(*mode, bytes));
    let content = disk.content(path);
    let (journal, entries) = match open(&disk) {
        Ok(opened) => opened,
        Err(error) => {
            assert_eq!(disk.content(path), content, "nothing is changed where it says {error}");
            assert_eq!(open(&disk).map(|_| ()).unwrap_err().to_string(), error.to_string());
            return;
        }
    };
    drop(journal);
    let (journal, again) = open(&disk).unwrap();
    assert_eq!(again, entries);
    let ledger = ledger(&entries);
    let snapshot = ledger.snapshot();
    journal.sync(journal.append(&Entry::Generation(7)).unwrap()).unwrap();
    drop(journal);
    let (journal, more) = open(&disk).unwrap();
    assert_eq!(more.split_last(), Some((&Entry::Generation(7), &*entries)));
    journal.compact(&mut snapshot.iter().cloned()).unwrap();
    drop(journal);
    assert_eq!(open(&disk).unwrap().1, snapshot);
});
