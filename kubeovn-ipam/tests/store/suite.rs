//! What every store promises.

use std::{
    collections::BTreeSet,
    sync::{Arc, Barrier},
    thread,
};

use kubeovn_ipam::{
    Entry,
    store::{Journal, Memory, Options, Store, StoreError, Ticket},
};

use crate::help::{TempDir, all_kinds, load, settled, uid};

/// Opens the same store again and again; the last one is gone by then.
type Opener<S> = Box<dyn Fn() -> S>;

fn uids(store: &impl Store) -> Vec<String> {
    load(store).iter().map(uid).collect()
}

fn append_all(store: &impl Store, names: &[&str]) -> Ticket {
    names.iter().map(|name| store.append(&settled(name)).unwrap()).last().unwrap()
}

fn keeps_order<S: Store>(open: Opener<S>) {
    let store = open();
    assert_eq!(uids(&store), [""; 0], "new and empty");
    let (a, b) = (append_all(&store, &["a"]), append_all(&store, &["b"]));
    assert!(a < b);
    store.sync(b).unwrap();
    store.sync(a).unwrap();
    drop(store);
    let store = open();
    assert_eq!(uids(&store), ["a", "b"]);
    let c = append_all(&store, &["c"]);
    assert!(b < c, "also in the next process");
    store.sync(c).unwrap();
    drop(store);
    assert_eq!(uids(&open()), ["a", "b", "c"]);
}

fn keeps_all_kinds<S: Store>(open: Opener<S>) {
    let store = open();
    let last = all_kinds().iter().map(|entry| store.append(entry).unwrap()).last();
    store.sync(last.unwrap()).unwrap();
    drop(store);
    let store = open();
    assert_eq!(load(&store), all_kinds());
    store.compact(&mut all_kinds().into_iter()).unwrap();
    drop(store);
    assert_eq!(load(&open()), all_kinds());
}

fn replaces_by_a_snapshot<S: Store>(open: Opener<S>) {
    let store = open();
    append_all(&store, &["a", "b", "c"]);
    let before = append_all(&store, &["d"]);
    store.compact(&mut [settled("abcd")].into_iter()).unwrap();
    store.sync(before).expect("it is in the snapshot");
    let after = append_all(&store, &["e"]);
    assert!(before < after);
    store.sync(after).unwrap();
    drop(store);
    let store = open();
    assert_eq!(uids(&store), ["abcd", "e"]);
    assert!(after < append_all(&store, &["f"]));
    // What is not synced is in a snapshot all the same.
    store.compact(&mut [settled("abcdef")].into_iter()).unwrap();
    drop(store);
    let store = open();
    assert_eq!(uids(&store), ["abcdef"]);
    store.compact(&mut std::iter::empty()).unwrap();
    let again = append_all(&store, &["g"]);
    assert!(after < again);
    store.sync(again).unwrap();
    drop(store);
    assert_eq!(uids(&open()), ["g"]);
}

fn refuses_a_snapshot_that_lacks_something<S: Store>(open: Opener<S>) {
    let store = open();
    append_all(&store, &["a"]);
    let mut late = ["a"].iter().map(|name| {
        append_all(&store, &["b"]);
        settled(name)
    });
    let error = store.compact(&mut late).unwrap_err();
    assert!(matches!(error, StoreError::Outpaced { appended: 1 }), "{error}");
    store.sync(append_all(&store, &["c"])).unwrap();
    drop(store);
    assert_eq!(uids(&open()), ["a", "b", "c"]);
}

fn refuses_foreign_tickets<S: Store>(open: Opener<S>) {
    let store = open();
    let Ticket(last) = append_all(&store, &["a"]);
    let error = store.sync(Ticket(last + 1)).unwrap_err();
    assert_eq!(error.code(), "IPAM-STORE-TICKET");
    store.sync(Ticket(last)).unwrap();
}

fn tells_waste<S: Store>(open: Opener<S>) {
    let store = open();
    let fill = |count: usize| (0..count).map(|_| store.append(&settled("x")).unwrap()).last().unwrap();
    store.sync(fill(1000)).unwrap();
    assert!(!store.is_wasteful());
    store.sync(fill(1)).unwrap();
    assert!(store.is_wasteful());
    store.compact(&mut (0..100).map(|_| settled("y"))).unwrap();
    store.sync(fill(1400)).unwrap();
    assert!(!store.is_wasteful());
    store.sync(fill(1)).unwrap();
    assert!(store.is_wasteful());
    drop(store);
    assert!(open().is_wasteful(), "the next process knows it too");
}

fn serves_many_threads<S: Store>(open: Opener<S>) {
    const THREADS: usize = 16;
    const EACH: usize = 50;
    let (store, start) = (open(), Barrier::new(THREADS));
    let (store_ref, start) = (&store, &start);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                start.wait();
                for i in 0..EACH {
                    store_ref.sync(store_ref.append(&settled(&format!("{thread}:{i}"))).unwrap()).unwrap();
                }
            });
        }
    });
    drop(store);
    let found = uids(&open());
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), THREADS * EACH);
    for thread in 0..THREADS {
        let mark = format!("{thread}:");
        let own = found.iter().filter(|uid| uid.starts_with(&mark));
        assert!(own.eq((0..EACH).map(|i| format!("{thread}:{i}")).collect::<Vec<_>>().iter()));
    }
}

/// Threads append and sync while another one compacts whenever it gets a word in.
fn serves_threads_through_compactions<S: Store>(open: Opener<S>) {
    let (store, done) = (open(), std::sync::Mutex::new(Vec::new()));
    let append = |i: usize| {
        // As a ledger does: order of entries and state under one lock.
        let mut done = done.lock().unwrap();
        done.push(format!("{i}"));
        store.append(&settled(&format!("{i}"))).unwrap()
    };
    let compact = || {
        let done = done.lock().unwrap();
        store.compact(&mut done.iter().map(|uid| settled(uid))).unwrap();
        done.len()
    };
    thread::scope(|scope| {
        for thread in 0..4 {
            let (append, store) = (&append, &store);
            scope.spawn(move || (0..40).for_each(|i| store.sync(append(thread * 40 + i)).unwrap()));
        }
        scope.spawn(|| while compact() < 160 {});
    });
    drop(store);
    assert_eq!(uids(&open()), *done.lock().unwrap());
}

fn works_behind_an_arc<S: Store + 'static>(open: Opener<S>) {
    let store: Arc<dyn Store> = Arc::new(open());
    let ticket = append_all(&store, &["a"]);
    store.sync(ticket).unwrap();
    assert!(!store.is_wasteful());
    store.compact(&mut [settled("b")].into_iter()).unwrap();
    drop(store);
    assert_eq!(uids(&open()), ["b"]);
}

/// Every store passes all of them.
macro_rules! suite {
    ($($test:ident),* $(,)?) => {
        mod of_memory {
            $(#[test] fn $test() { super::$test(super::memory()); })*
        }
        mod of_the_journal {
            $(#[test] fn $test() { super::$test(super::journal()); })*
        }
    };
}

fn memory() -> Opener<Memory> {
    let memory = Memory::new();
    Box::new(move || memory.clone())
}

fn journal() -> Opener<Journal> {
    let dir = TempDir::new();
    let options = Options { small: 0, ..Options::default() };
    Box::new(move || Journal::open(dir.path().join("a/b"), options.clone()).unwrap())
}

suite!(
    keeps_order,
    keeps_all_kinds,
    replaces_by_a_snapshot,
    refuses_a_snapshot_that_lacks_something,
    refuses_foreign_tickets,
    tells_waste,
    serves_many_threads,
    serves_threads_through_compactions,
    works_behind_an_arc,
);

#[test]
fn a_small_journal_is_never_wasteful() {
    let dir = TempDir::new();
    let journal = Journal::open(dir.path(), Options::default()).unwrap();
    let mut last = Ticket(0);
    for _ in 0..1200 {
        last = journal.append(&Entry::Generation(1)).unwrap();
    }
    journal.sync(last).unwrap();
    assert!(!journal.is_wasteful(), "1200 lines of about 30 bytes");
    for _ in 0..3000 {
        last = journal.append(&Entry::Generation(1)).unwrap();
    }
    journal.sync(last).unwrap();
    assert!(journal.is_wasteful());
}
