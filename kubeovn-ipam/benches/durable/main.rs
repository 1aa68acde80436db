//! What durability costs, how fast a ledger is back after a restart, and whether subnets wait for each other.
//!
//! `cargo bench -p kubeovn-ipam --bench durable`. Beside the journal stands the plain way, in the same run: a file that
//! is synced for each grant.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise, and prints"
)]

use std::{
    fs::{File, OpenOptions},
    hint::black_box,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Barrier},
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group};
use kubeovn_ipam::{
    Entry, Keeper, Ledger, Offer, OwnerKey, Want,
    store::{Journal, Options, Store, StoreError, Ticket},
};

const THREADS: u64 = 64;
const PROCESSES: u32 = 50;
const GRANTS: u32 = 150_000;
/// Set in processes that this bench starts: number and directory.
const CHILD: &str = "KUBEOVN_BENCH_CHILD";

/// A directory that goes with the value.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("kubeovn-ipam-bench-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn offer(subnet: &str) -> Offer {
    let cidrs = "10.0.0.0/8".parse().unwrap();
    Offer { subnet: subnet.into(), space: subnet.into(), cidrs, ..Offer::default() }
}

fn owner(n: u64) -> (OwnerKey, Arc<str>) {
    (OwnerKey::pod("default", &format!("web-{n}")), format!("6f1a8c32-00aa-4bcd-8e9f-{n:012x}").into())
}

fn want(subnet: &str) -> Want {
    Want { subnets: vec![subnet.into()], ..Want::default() }
}

/// Runs `each` on so many threads at once, `n` times in all; answers how long that took.
fn together(threads: u64, n: u64, each: impl Fn(u64, u64) + Sync) -> Duration {
    let (barrier, share) = (Barrier::new(usize::try_from(threads).unwrap() + 1), n.div_ceil(threads));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (barrier, each) = (&barrier, &each);
            scope.spawn(move || {
                barrier.wait();
                (0..share).for_each(|i| each(thread, thread * share + i));
                barrier.wait();
            });
        }
        barrier.wait();
        let start = Instant::now();
        barrier.wait();
        start.elapsed()
    })
}

fn journal(c: &mut Criterion) {
    let mut group = c.benchmark_group("durable grants");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(4));
    group.bench_function("journal, 64 threads", |b| {
        let dir = Dir::new("threads");
        let keeper =
            Keeper::open(Journal::open(&dir.0, Options::default()).unwrap(), &[offer("net")]).unwrap();
        let mut round = 0;
        b.iter_custom(|n| {
            round += 1;
            together(THREADS, n, |_, i| {
                let (owner, uid) = owner(round << 32 | i);
                black_box(keeper.assign(&owner, &uid, &want("net"), 0).unwrap());
            })
        });
    });
    group.bench_function("a sync for each", |b| {
        let dir = Dir::new("plain");
        let mut file = File::create(dir.0.join("plain")).unwrap();
        b.iter(|| {
            file.write_all(&[b'x'; 120]).unwrap();
            file.sync_data().unwrap();
        });
    });
    group.bench_function("50 processes at once, open to durable", |b| {
        b.iter_custom(|n| {
            let mut took = Duration::ZERO;
            for _ in 0..n.div_ceil(u64::from(PROCESSES)) {
                took += processes() / PROCESSES * u32::try_from(n.min(u64::from(PROCESSES))).unwrap();
            }
            took
        });
    });
}

/// So many processes ask for an address each; answers how long that took until the last one had it.
fn processes() -> Duration {
    let dir = Dir::new("processes");
    let start = Instant::now();
    let children: Vec<_> = (0..PROCESSES)
        .map(|n| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.env(CHILD, format!("{n} {}", dir.0.display())).stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    children.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
    let took = start.elapsed();
    let journal = Journal::open(&dir.0, Options::default()).unwrap();
    let mut entries = 0;
    journal.load(&mut |_| entries += 1).unwrap();
    assert_eq!(entries, PROCESSES);
    took
}

/// What a process that is started once per address does.
fn child(task: &str) {
    let (n, dir) = task.split_once(' ').unwrap();
    let (owner, uid) = owner(n.parse().unwrap());
    let journal =
        Journal::open(dir, Options { wait: Duration::from_secs(20), ..Options::default() }).unwrap();
    let mut ledger = Ledger::new();
    ledger.define(&offer("net")).unwrap();
    journal.load(&mut |entry| _ = ledger.apply(&entry).unwrap()).unwrap();
    let plan = ledger.plan_nic(&owner, &uid, &want("net"), 0).unwrap();
    let ticket = journal.append(&plan.entry().unwrap()).unwrap();
    journal.unlock().unwrap();
    journal.sync(ticket).unwrap();
}

fn restart(c: &mut Criterion) {
    let mut ledger = Ledger::new();
    ledger.define(&offer("net")).unwrap();
    let dir = Dir::new("restart");
    let journal = Journal::open(&dir.0, Options::default()).unwrap();
    for n in 0..GRANTS {
        let (owner, uid) = owner(n.into());
        let plan = ledger.plan_nic(&owner, &uid, &want("net"), 0).unwrap();
        journal.append(&plan.entry().unwrap()).unwrap();
        ledger.commit(plan).unwrap();
    }
    journal.sync(journal.tip()).unwrap();
    drop(journal);
    let entries: Vec<Entry> = ledger.snapshot();
    let mut group = c.benchmark_group("150 000 grants back");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    let empty = || {
        let mut ledger = Ledger::new();
        ledger.define(&offer("net")).unwrap();
        ledger
    };
    group.bench_function("from the journal", |b| {
        b.iter_with_large_drop(|| {
            let journal = Journal::open(&dir.0, Options::default()).unwrap();
            let mut ledger = empty();
            journal.load(&mut |entry| _ = ledger.apply(&entry).unwrap()).unwrap();
            ledger
        });
    });
    group.bench_function("from memory", |b| {
        b.iter_with_large_drop(|| {
            let mut ledger = empty();
            ledger.apply_all(&entries).unwrap();
            ledger
        });
    });
    group.bench_function("a fork", |b| b.iter_with_large_drop(|| black_box(ledger.clone())));
    group.finish();
    let size =
        OpenOptions::new().read(true).open(dir.0.join("ledger.journal")).unwrap().metadata().unwrap().len();
    println!("journal: {} bytes per grant", size / u64::from(GRANTS));
}

/// Nothing is durable: what is timed is the ledger behind its locks.
struct NoStore;

impl Store for NoStore {
    fn load(&self, _: &mut dyn FnMut(Entry)) -> Result<(), StoreError> {
        Ok(())
    }

    fn append(&self, _: &Entry) -> Result<Ticket, StoreError> {
        Ok(Ticket(0))
    }

    fn sync(&self, _: Ticket) -> Result<(), StoreError> {
        Ok(())
    }

    fn tip(&self) -> Ticket {
        Ticket(0)
    }

    fn is_wasteful(&self) -> bool {
        false
    }

    fn compact(&self, _: &mut dyn Iterator<Item = Entry>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Assign and release, on one thread and on two, with two subnets of a space each.
fn parallel(c: &mut Criterion) {
    let mut group = c.benchmark_group("two subnets");
    group.throughput(Throughput::Elements(1)).measurement_time(Duration::from_secs(2));
    let keeper = Keeper::open(NoStore, &[offer("a"), offer("b")]).unwrap();
    let alone = || Keeper::open(NoStore, &[offer("a")]).unwrap();
    let (first, second) = (alone(), alone());
    let work_with = |keeper: &Keeper<NoStore>, thread: u64, subnet: &str| {
        let (owner, uid) = owner(thread);
        keeper.assign(&owner, &uid, &want(subnet), 0).unwrap();
        keeper.look(subnet, |ledger| black_box(ledger.held(&owner).len()));
        keeper.release(subnet, &owner, "", None, 0).unwrap();
    };
    let work = |thread: u64, subnet: &str| work_with(&keeper, thread, subnet);
    group.bench_function("one thread", |b| {
        b.iter_custom(|n| together(1, n, |thread, _| work(thread, "a")));
    });
    group.bench_function("two threads, one subnet", |b| {
        b.iter_custom(|n| together(2, n, |thread, _| work(thread, "a")));
    });
    group.bench_function("two threads, a subnet each", |b| {
        b.iter_custom(|n| together(2, n, |thread, _| work(thread, if thread == 0 { "a" } else { "b" })));
    });
    // Nothing is shared here: what the machine's two cores can do.
    group.bench_function("two threads, a ledger each", |b| {
        b.iter_custom(|n| {
            together(2, n, |thread, _| {
                let keeper = if thread == 0 { &first } else { &second };
                work_with(keeper, thread, "a");
            })
        });
    });
}

criterion_group!(benches, journal, restart, parallel);

fn main() {
    if let Ok(task) = std::env::var(CHILD) {
        return child(&task);
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
