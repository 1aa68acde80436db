//! How many durable appends per second a journal takes:
//! `cargo run --release --example journal_rate [directory [microseconds by which each sync takes longer]]`.
#![allow(clippy::print_stdout, reason = "it is what it is for")]

use std::{
    env, fs, io,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kubeovn_ipam::{
    DualStack, Entry, Grant, Granted, Mac, OwnerKey, Role, Settlement,
    store::{
        Journal, Options, Store, StoreError,
        disk::{Disk, LockFile, LogFile, StdDisk},
    },
};

/// The disk of the operating system, as if it were an older one.
#[derive(Clone, Copy, Debug)]
struct Slow(Duration);

impl Disk for Slow {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        StdDisk.create_dir(dir)
    }

    fn open_lock(&self, path: &Path) -> io::Result<Box<dyn LockFile>> {
        StdDisk.open_lock(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        Ok(Arc::new(SlowFile(StdDisk.open(path)?, self.0)))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        Ok(Arc::new(SlowFile(StdDisk.create(path)?, self.0)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        StdDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        StdDisk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        StdDisk.sync_dir(dir)
    }
}

#[derive(Debug)]
struct SlowFile(Arc<dyn LogFile>, Duration);

impl LogFile for SlowFile {
    fn read(&self) -> io::Result<Vec<u8>> {
        self.0.read()
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()?;
        thread::sleep(self.1);
        Ok(())
    }
}

/// What a pod's start appends.
fn entry(n: u32) -> Entry {
    let grant = Grant {
        nic: "".into(),
        subnet: "ovn-default".into(),
        space: "ovn-cluster".into(),
        ips: DualStack { v4: Some([10, 16, 0, 1].into()), v6: Some([0xfd00, 0, 0, 0, 0, 0, 0, 1].into()) },
        mac: Some(Mac::local([10, 0x58, 10, 16, 0, 1])),
        role: Role::Active,
        generation: n.into(),
        since: 1_795_410_120_123,
    };
    Entry::Settled(Settlement {
        owner: OwnerKey::pod("default", &format!("web-{n}")),
        uid: "b6b0a2f4-6d3f-4b0e-9b0b-0e9f5b8a7c11".into(),
        at: 1_795_410_120_123,
        released: Vec::new(),
        granted: vec![Granted { grant, picked_v4: true, picked_v6: true }],
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = env::args_os().nth(1).map_or_else(|| env::temp_dir().join("journal_rate"), Into::into);
    let micros = env::args().nth(2).map_or(Ok(0), |text| text.parse())?;
    let disk = Arc::new(Slow(Duration::from_micros(micros)));
    for threads in [1, 8, 64] {
        let _ = fs::remove_dir_all(&dir);
        let journal = Journal::open_on(disk.clone(), &dir, Options::default())?;
        let (began, time) = (Instant::now(), Duration::from_secs(2));
        let appended = thread::scope(|scope| {
            let work = || -> Result<u32, StoreError> {
                let mut n = 0;
                while began.elapsed() < time {
                    journal.sync(journal.append(&entry(n))?)?;
                    n += 1;
                }
                Ok(n)
            };
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            running.into_iter().map(|thread| thread.join().unwrap_or(Ok(0))).sum::<Result<u32, _>>()
        })?;
        println!(
            "{threads:3} threads: {:8.0} durable appends/s",
            f64::from(appended) / began.elapsed().as_secs_f64()
        );
        drop(journal);
        let began = Instant::now();
        let journal = Journal::open(&dir, Options::default())?;
        println!("             opened again in {:.1?} with {} entries", began.elapsed(), journal.tip().0);
    }
    fs::remove_dir_all(&dir)?;
    Ok(())
}
