//! Two electors and what stands in a lease, with clocks that disagree.

mod release;

use k8s_openapi::jiff::Timestamp;

use super::*;

const DURATION: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(20);

fn elector(identity: &str) -> Elector {
    Elector::new(identity.to_owned(), DURATION, DEADLINE)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The lease, and whose turn it is to write into it.
#[derive(Default)]
struct Store {
    record: Option<Record>,
    writes: i64,
}

impl Store {
    /// One attempt of an elector at a time of its own, with a wall clock of its own, in seconds.
    fn attempt(&mut self, elector: &mut Elector, now: Duration, wall: i64) -> Leadership {
        if let Step::Take(wanted) = elector.look(now, self.record.clone()) {
            self.writes += 1;
            // The clock of who writes stands in it; two writes in one second differ all the same.
            let at = Timestamp::from_nanosecond(i128::from(wall) * 1_000_000_000 + i128::from(self.writes))
                .unwrap();
            let acquired = wanted.acquired.or(Some(at));
            self.record = Some(Record { renewed: Some(at), acquired, ..wanted.clone() });
            elector.taken(now, wanted);
        }
        elector.stands(now)
    }
}

fn held_by(holder: &str) -> Leadership {
    Leadership::Waiting { holder: Some(holder.to_owned()) }
}

#[test]
fn the_first_one_gets_it_and_keeps_it_as_long_as_it_renews() {
    let (mut store, mut a, mut b) = (Store::default(), elector("a"), elector("b"));
    assert_eq!(a.stands(secs(0)), Leadership::Waiting { holder: None });
    for turn in 0..100 {
        let now = secs(6 * turn);
        assert_eq!(store.attempt(&mut a, now, 0), Leadership::Leading { term: 0 });
        assert_eq!(store.attempt(&mut b, now, 0), held_by("a"));
    }
    let record = store.record.unwrap();
    assert_eq!((record.holder.as_str(), record.duration, record.transitions), ("a", DURATION, 0));
    assert!(record.acquired < record.renewed, "since when it is held stays");
}

#[test]
fn what_stands_in_the_lease_is_never_compared_with_a_clock() {
    // a's clock is a year ahead, then a year behind; b's own time has only just begun.
    for wall in [31_536_000, -31_536_000] {
        let (mut store, mut a, mut b) = (Store::default(), elector("a"), elector("b"));
        store.attempt(&mut a, secs(1_000_000), wall);
        for now in 0..30 {
            assert_eq!(store.attempt(&mut b, secs(now), 0), held_by("a"), "{now} s after it was first seen");
        }
        assert_eq!(store.attempt(&mut b, secs(30), 0), Leadership::Leading { term: 1 });
    }
}

#[test]
fn the_holder_has_stopped_before_anybody_takes_over() {
    let (mut store, mut a, mut b) = (Store::default(), elector("a"), elector("b"));
    store.attempt(&mut a, secs(100), 0);
    // b sees it at once, which is the earliest.
    store.attempt(&mut b, secs(100), 0);
    let ends = (100..200).find(|now| a.stands(secs(*now)) == Leadership::Lost).unwrap();
    let taken = (100..200)
        .find(|now| store.attempt(&mut b, secs(*now), 0) == Leadership::Leading { term: 1 })
        .unwrap();
    assert_eq!((ends, taken), (120, 130));
    // What is lost is lost, whatever stands in the lease.
    assert_eq!(store.attempt(&mut a, secs(1_000), 0), Leadership::Lost);
    assert_eq!(store.record.unwrap().holder, "b");
}

#[test]
fn a_holder_of_long_ago_that_wakes_up_loses_it_and_writes_nothing() {
    let (mut store, mut a, mut b) = (Store::default(), elector("a"), elector("b"));
    store.attempt(&mut a, secs(0), 0);
    store.attempt(&mut b, secs(0), 0);
    store.attempt(&mut b, secs(40), 0);
    let before = store.record.clone();
    // Its clock stood still: by it nothing has happened.
    assert!(a.leads(secs(6)));
    assert_eq!(store.attempt(&mut a, secs(6), 0), Leadership::Lost);
    assert_eq!(store.record, before);
}

#[test]
fn what_is_let_go_of_may_be_taken_at_once() {
    let (mut store, mut a, mut b) = (Store::default(), elector("a"), elector("b"));
    store.attempt(&mut a, secs(0), 0);
    assert_eq!(store.attempt(&mut b, secs(1), 0), held_by("a"));
    store.record = store.record.map(Record::released);
    assert_eq!(store.attempt(&mut b, secs(2), 0), Leadership::Leading { term: 1 });
    assert!(b.is_handed_over() && !a.is_handed_over());
}

#[test]
fn what_is_taken_from_one_that_was_silent_is_not_handed_over() {
    let (mut store, mut a, mut b) = (Store::default(), elector("a"), elector("b"));
    store.attempt(&mut a, secs(0), 0);
    store.attempt(&mut b, secs(0), 0);
    assert_eq!(store.attempt(&mut b, secs(30), 0), Leadership::Leading { term: 1 });
    assert!(!b.is_handed_over());
}

#[test]
fn a_lease_that_is_deleted_is_lost_and_the_terms_go_on() {
    let (mut store, mut a, mut b) = (Store::default(), elector("a"), elector("b"));
    store.attempt(&mut a, secs(0), 0);
    store.attempt(&mut b, secs(0), 0);
    store.record = None;
    assert_eq!(store.attempt(&mut b, secs(1), 0), Leadership::Leading { term: 1 });
    assert_eq!(store.attempt(&mut a, secs(2), 0), Leadership::Lost);
    let mut alone = elector("c");
    let mut store = Store::default();
    store.attempt(&mut alone, secs(0), 0);
    store.record = None;
    assert_eq!(
        store.attempt(&mut alone, secs(1), 0),
        Leadership::Lost,
        "another one may have had it in between"
    );
}

#[test]
fn one_of_the_same_name_in_the_lease_is_a_predecessor() {
    let (mut store, mut a) = (Store::default(), elector("a"));
    store.attempt(&mut a, secs(0), 0);
    let mut again = elector("a");
    assert_eq!(store.attempt(&mut again, secs(0), 0), Leadership::Leading { term: 1 });
    assert_eq!(store.attempt(&mut a, secs(1), 0), Leadership::Lost);
}

#[test]
fn a_renewal_that_was_asked_for_late_counts_from_when_it_was() {
    let mut a = elector("a");
    let Step::Take(record) = a.look(secs(0), None) else { panic!("not free") };
    a.taken(secs(0), record.clone());
    assert_eq!(a.ends(), Some(DEADLINE));
    assert!(a.leads(secs(19)) && !a.leads(secs(20)));
    let Step::Take(record) = a.look(secs(12), Some(record)) else { panic!("not ours") };
    // The answer came at 19.
    a.taken(secs(12), record);
    assert_eq!(a.ends(), Some(secs(32)));
}

#[test]
fn a_record_is_written_as_it_was_read() {
    let (mut store, mut a) = (Store::default(), elector("a"));
    store.attempt(&mut a, secs(0), 1_000);
    let record = store.record.unwrap();
    let lease = Lease { spec: Some(record.spec()), ..Lease::default() };
    let text = serde_json::to_string(&lease).unwrap();
    let mut read = Record::of(&serde_json::from_str(&text).unwrap());
    // Kubernetes knows microseconds.
    read.renewed = record.renewed;
    read.acquired = record.acquired;
    assert_eq!(read, record);
    assert_eq!(Record::of(&Lease::default()), Record::default());
}
