//! A Northbound that is emptied, lost or restored from an old backup, while two pods on two nodes ping each other: it
//! becomes what it was, no address is in two ports meanwhile, and how long packets do not get through is printed
//! beside the time in which the database was empty.
//!
//! Real ovsdb-server, ovn-northd, Open vSwitch and ovn-controller. `WIPE_PODS=10000` says how many ports there are; `make
//! soak` does so. One test, since a second one beside it would be measured, too.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking and prints what it measured"
)]

mod bindings;
mod ping;
mod rig;
#[path = "../../../kubeovn-ovn/tests/support/seen.rs"]
mod seen;
#[path = "../../../kubeovn-ovn/tests/support/server.rs"]
mod server;
#[path = "../../benches/northbound/size.rs"]
mod size;

use std::{
    fs,
    time::{Duration, Instant},
};

use rig::{Outage, Rig};
use seen::without;

/// As many as a busy machine of two cores does in less than a minute.
const PODS: usize = 1_000;

/// How much longer than Northbound is empty packets may not get through; less than this when northd was paused.
const ALLOWED: Duration = Duration::from_secs(2);

/// The machine may have other things to do: the best of so many counts.
const TRIES: usize = 3;

/// Pods that come and go between a backup and its return.
const EXCHANGED: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn northbound_emptied_lost_and_restored_under_pods_that_ping() {
    let pods = std::env::var("WIPE_PODS").map_or(PODS, |pods| pods.parse().unwrap());
    let mut rig = Rig::settled(pods).await;
    let told = rig.told();
    println!(
        "{pods} pods: seconds that the server was away, that Northbound lacked ports, that packets did not get through"
    );
    // northd has seen it, so OVN carries nothing over and then everything. What that takes grows with the network and is
    // OVN's: with more ports it is printed beside ours.
    let ours = |o: &Outage| pods > PODS || o.gap <= o.empty + ALLOWED;
    best("every row deleted", emptied, ours, &mut rig).await;
    best("server and file lost", lost, |o| o.gap <= ALLOWED, &mut rig).await;
    assert_eq!(rig.told(), told, "nobody was told another address");
    restored(&mut rig).await;
    assert_eq!(rig.seen.doubles(), [].into(), "addresses in two ports");
    assert!(!rig.northd().is_paused().await.unwrap(), "northd was left behind");
    rig.stop().await;
}

/// Does it until the outage is short enough.
async fn best(
    what: &str,
    does: impl AsyncFn(&mut Rig) -> Outage,
    good: impl Fn(&Outage) -> bool,
    rig: &mut Rig,
) {
    for left in (0..TRIES).rev() {
        let outage = does(&mut *rig).await;
        print(what, &outage);
        if good(&outage) {
            return;
        }
        assert!(left > 0, "{what}: packets did not get through for too long: {outage:?}");
    }
}

fn print(what: &str, Outage { away, empty, gap }: &Outage) {
    let [away, empty, gap] = [away, empty, gap].map(Duration::as_secs_f64);
    println!("{what:<24}away {away:>7.3}   incomplete {empty:>7.3}   longest gap {gap:>7.3}");
}

/// Somebody deletes every row in one transaction. northd sees it as early as we do.
async fn emptied(rig: &mut Rig) -> Outage {
    let before = rig.rows();
    let start = Instant::now();
    rig.delete_all_rows();
    let outage = rig.outage(start, &before).await;
    rig.watch_bindings().await;
    outage
}

/// The server is killed, and the next one has an empty file. northd never acts on that.
async fn lost(rig: &mut Rig) -> Outage {
    let before = rig.rows();
    rig.make_empty_file("empty.db");
    let start = Instant::now();
    rig.replace_file("empty.db").await;
    let outage = rig.outage(start, &before).await;
    assert_eq!(rig.bindings.deleted(), 0, "northd has carried the empty Northbound over");
    outage
}

/// An old file comes back: pods that are gone are in it, pods that came with their addresses are not.
async fn restored(rig: &mut Rig) {
    rig.nbctl("ls-add theirs -- lsp-add theirs their-port -- lsp-add net-0 guest -- lsp-set-addresses guest unknown");
    rig.nbctl("acl-add net-1 from-lport 500 ip4.src==9.9.9.9 drop -- lr-route-add ovn-cluster 192.168.77.0/24 10.100.0.9");
    let old_token = token(rig);
    fs::copy(rig.beside("nb.db"), rig.beside("backup.db")).unwrap();
    // The next controller has a token of its own, so that the one in the backup is an old one.
    rig.restart().await;
    rig.exchange(EXCHANGED.min(rig.size.pods / 4));
    rig.settle().await;
    rig.carried_over().await;
    let token_before = token(rig);
    assert_ne!(token_before, old_token);
    let before = rig.rows();
    rig.nbctl("ls-add later -- lsp-add net-2 late-guest");
    rig.carried_over().await;
    let start = Instant::now();
    rig.replace_file("backup.db").await;
    let outage = rig.outage(start, &before).await;
    print("an old backup restored", &outage);
    assert!(outage.gap <= ALLOWED, "packets did not get through for too long: {outage:?}");
    assert_eq!(rig.bindings.deleted(), 0, "ports that nothing had happened to were gone for a while");
    let theirs = without(rig.rows(), |seat| seat.owner.is_some());
    for name in ["Logical_Switch/@theirs", "Logical_Switch_Port/@their-port", "Logical_Switch_Port/@guest"] {
        assert!(theirs.contains_key(name), "{name} was in the backup");
    }
    assert!(!theirs.contains_key("Logical_Switch/@later"), "nobody can know what came after the backup");
    let now = token(rig);
    assert!(
        now != old_token && now != token_before,
        "a token that came back from the dead was taken for ours"
    );
}

/// The token of the writer that Northbound is held by.
fn token(rig: &Rig) -> String {
    rig.nbctl("get NB_Global . external_ids:kubeovn-writer")
}
