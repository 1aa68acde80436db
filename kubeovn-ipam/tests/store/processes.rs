//! Several processes: this test program starts itself again, in a role.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Mutex,
    thread,
    time::Duration,
};

use kubeovn_ipam::store::{Journal, Options, Store, StoreError};

use crate::help::{Chance, TempDir, load, settled, uid};

const ROLE: &str = "IPAM_STORE_TEST_ROLE";
const DIR: &str = "IPAM_STORE_TEST_DIR";
const NAME: &str = "IPAM_STORE_TEST_NAME";

/// A process that does not outlive its test.
struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    fn start(role: &str, dir: &Path, name: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "processes::child", "--nocapture"])
            .envs([(ROLE, role), (NAME, name)])
            .env(DIR, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Process { child, lines }
    }

    /// The next thing that it says; none when it is gone.
    fn said(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // The last line of one that was killed may be cut. It counts as not said.
            if let Some(said) = line.strip_prefix("> ").and_then(|line| line.strip_suffix('\n')) {
                return Some(said.to_owned());
            }
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(what: &str) {
    // In one write, behind what the test harness says.
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n> {what}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn open(dir: &Path) -> Journal {
    Journal::open(dir, Options { wait: Duration::from_mins(1), ..Options::default() }).unwrap()
}

/// What the processes do that the tests start. No test by itself.
#[test]
fn child() {
    let Ok(role) = env::var(ROLE) else { return };
    let (dir, name) = (PathBuf::from(env::var_os(DIR).unwrap()), env::var(NAME).unwrap());
    match role.as_str() {
        "hold" => {
            let _journal = open(&dir);
            say("held");
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        }
        "once" => {
            let journal = open(&dir);
            let ticket = journal.append(&settled(&name)).unwrap();
            journal.unlock().unwrap();
            journal.sync(ticket).unwrap();
            say("done");
        }
        "churn" => churn(&dir, &name),
        other => panic!("no role {other}"),
    }
}

/// Appends with several threads until it is killed, compacts now and then, and says what is durable.
fn churn(dir: &Path, name: &str) {
    let journal = open(dir);
    let state = Mutex::new(load(&journal));
    thread::scope(|scope| {
        for thread in 0..3 {
            let (journal, state) = (&journal, &state);
            scope.spawn(move || {
                for i in 0.. {
                    let entry = settled(&format!("{name} {thread} {i}"));
                    let ticket = {
                        let mut state = state.lock().unwrap();
                        state.push(entry.clone());
                        journal.append(&entry).unwrap()
                    };
                    journal.sync(ticket).unwrap();
                    say(&uid(&entry));
                    if i % 16 == 9 {
                        let state = state.lock().unwrap();
                        journal.compact(&mut state.iter().cloned()).unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn a_killed_process_loses_nothing_it_was_promised() {
    let dir = TempDir::new();
    let mut chance = Chance(7);
    let mut promised = BTreeSet::new();
    for round in 0..15 {
        let mut process = Process::start("churn", dir.path(), &round.to_string());
        for _ in 0..=chance.below(60) {
            promised.insert(process.said().expect("it goes on until it is killed"));
        }
        process.kill();
        // What it said before it died.
        promised.extend(std::iter::from_fn(|| process.said()));
        let found: Vec<String> = load(&open(dir.path())).iter().map(uid).collect();
        let lost: Vec<_> = promised.iter().filter(|uid| !found.contains(uid)).collect();
        assert!(lost.is_empty(), "{lost:?} lost in round {round}");
        // Each thread's entries are there in order, without a gap.
        let mut next = BTreeMap::new();
        for uid in &found {
            let (thread, i) = uid.rsplit_once(' ').unwrap();
            let next = next.entry(thread).or_insert(0);
            assert_eq!(i.parse(), Ok(*next), "{uid}");
            *next += 1;
        }
    }
    assert!(promised.len() > 100);
}

#[test]
fn thirty_processes_share_a_journal() {
    let dir = TempDir::new();
    let names: Vec<String> = (0..30).map(|i| format!("{i:02}")).collect();
    let mut processes: Vec<Process> =
        names.iter().map(|name| Process::start("once", dir.path(), name)).collect();
    for process in &mut processes {
        assert_eq!(process.said().as_deref(), Some("done"));
        assert!(process.child.wait().unwrap().success());
    }
    let mut found: Vec<String> = load(&open(dir.path())).iter().map(uid).collect();
    found.sort();
    assert_eq!(found, names);
}

#[test]
fn the_process_that_has_it_is_named() {
    let dir = TempDir::new();
    let mut holder = Process::start("hold", dir.path(), "");
    assert_eq!(holder.said().as_deref(), Some("held"));
    let wait = Duration::from_millis(50);
    let error = Journal::open(dir.path(), Options { wait, ..Options::default() }).unwrap_err();
    let StoreError::Busy { holder: pid, waited, .. } = error else { panic!("{error}") };
    assert_eq!(pid, Some(holder.child.id()));
    assert!(waited >= wait);

    let next = thread::scope(|scope| {
        let waiting = scope.spawn(|| load(&open(dir.path())));
        holder.kill();
        waiting.join().unwrap()
    });
    assert_eq!(next, [], "a lock dies with its process");
}
