//! In which order a store is used, and what its failures are told as.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use kubeovn_core::cni::Printed;
use serde_json::{Value, json};

use super::{environment, error, run, subnet, with};
use crate::{
    Entry,
    store::{Memory, Store, StoreError, Ticket},
};

/// A store that notes what is done with it.
#[derive(Default)]
struct Spy {
    store: Memory,
    seen: Mutex<Vec<&'static str>>,
    wasteful: bool,
    broken: &'static str,
}

impl Spy {
    fn seen(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.seen.lock().unwrap()
    }

    fn note(&self, what: &'static str) -> Result<(), StoreError> {
        self.seen().push(what);
        if self.broken == what { Err(failure()) } else { Ok(()) }
    }

    /// What a call about a container does.
    fn call(&self, command: &str, conf: &Value) -> (Printed, Vec<&'static str>) {
        self.seen().clear();
        let env = environment(command, "a", "");
        let unlock = |spy: &&Spy| {
            spy.seen().push("unlock");
            Ok(())
        };
        let printed = run(&env, conf.to_string().as_bytes(), 1, |_| Ok(self), unlock);
        (printed, self.seen().clone())
    }
}

impl Store for &Spy {
    fn load(&self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreError> {
        self.note("load")?;
        self.store.load(each)
    }

    fn append(&self, entry: &Entry) -> Result<Ticket, StoreError> {
        self.note("append")?;
        self.store.append(entry)
    }

    fn sync(&self, ticket: Ticket) -> Result<(), StoreError> {
        self.note("sync")?;
        self.store.sync(ticket)
    }

    fn tip(&self) -> Ticket {
        self.store.tip()
    }

    fn is_wasteful(&self) -> bool {
        self.wasteful
    }

    fn compact(&self, snapshot: &mut dyn Iterator<Item = Entry>) -> Result<(), StoreError> {
        self.note("compact")?;
        self.store.compact(snapshot)
    }
}

fn conf() -> Value {
    subnet("10.0.0.0/24", "")
}

#[test]
fn the_lock_is_given_back_before_the_disk_is_waited_for() {
    let spy = Spy::default();
    assert_eq!(spy.call("ADD", &conf()).1, ["load", "append", "unlock", "sync"]);
    assert_eq!(spy.call("ADD", &conf()).1, ["load", "unlock", "sync"], "what is answered is durable");
    assert_eq!(spy.call("STATUS", &conf()).1, ["load", "unlock"]);
    assert_eq!(spy.call("DEL", &conf()).1, ["load", "append", "unlock", "sync"]);
    assert_eq!(spy.call("VERSION", &conf()).1, [""; 0]);
    assert_eq!(
        spy.call("ADD", &with(conf(), "/ipam/subnets", json!([]))).1,
        [""; 0],
        "refused before it is opened"
    );
}

#[test]
fn a_wasteful_store_is_compacted_under_the_lock_if_that_can_be_done() {
    let mut spy = Spy { wasteful: true, ..Spy::default() };
    let (added, seen) = spy.call("ADD", &conf());
    assert_eq!(seen, ["load", "append", "compact", "unlock", "sync"]);
    assert_eq!(spy.call("ADD", &conf()), (added.clone(), vec!["load", "compact", "unlock", "sync"]));
    let spoiled = with(conf(), "/ipam/subnets", json!([]));
    assert_eq!(
        spy.call("DEL", &spoiled).1,
        ["load", "append", "unlock", "sync"],
        "not by who knows no subnet"
    );
    spy.broken = "compact";
    assert!(spy.call("ADD", &conf()).0.success);
    assert!(spy.call("DEL", &conf()).0.success && spy.call("ADD", &conf()).0.success);
}

#[test]
fn what_the_store_cannot_do_is_told_with_its_code() {
    for broken in ["load", "append", "sync"] {
        let spy = Spy { broken, ..Spy::default() };
        let (printed, seen) = spy.call("ADD", &conf());
        assert_eq!(seen.last(), Some(&broken));
        assert_eq!(error(printed), (5, text(&failure())), "{broken}");
    }
    let spy = Spy { broken: "load", ..Spy::default() };
    assert_eq!(error(spy.call("STATUS", &conf()).0), (50, text(&failure())));
    let (code, msg) = error(spy.call("STATUS", &with(conf(), "/ipam/dataDir", "here")).0);
    assert!(code == 50 && msg.starts_with("CNI-CONF-DATA-DIR: "), "{msg}");
}

#[test]
fn a_store_that_is_in_use_is_tried_again_later() {
    for (command, code) in [("ADD", 11), ("DEL", 11), ("STATUS", 50)] {
        let open = |_: &Path| Err::<Memory, _>(busy());
        let printed = run(&environment(command, "a", ""), conf().to_string().as_bytes(), 1, open, |_| Ok(()));
        assert_eq!(error(printed), (code, text(&busy())), "{command}");
    }
}

#[test]
fn entries_that_contradict_each_other_are_told_and_not_written_to() {
    let (node, other) = (super::Node::default(), super::Node::default());
    node.add("a", &conf());
    other.add("b", &conf());
    other.store.load(&mut |entry| _ = node.store.append(&entry).unwrap()).unwrap();
    let spy = Spy { store: node.store, ..Spy::default() };
    let (printed, seen) = spy.call("DEL", &conf());
    assert_eq!(seen, ["load"]);
    let (code, msg) = error(printed);
    let start = "CNI-LEDGER-BROKEN: the ledger in /var/lib/cni/kubeovn-ipam contradicts itself: 10.0.0.1";
    assert!(code == 5 && msg.starts_with(start), "{msg}");
}

fn text(error: &StoreError) -> String {
    format!("{}: {error}", error.code())
}

fn busy() -> StoreError {
    StoreError::Busy { path: "/d/lock".into(), waited: Duration::from_secs(10), holder: Some(7) }
}

fn failure() -> StoreError {
    let source = Arc::new(io::ErrorKind::StorageFull.into());
    StoreError::Io { doing: "write to", path: "/d/journal".into(), source }
}
