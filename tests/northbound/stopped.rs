//! A server that stands still for half a minute, with the time-outs that the controller ships with.

use std::time::{Duration, Instant};

use crate::{
    objects::{pod, tenants},
    rig::Rig,
    server::wait_for,
    silence::does_one_thing,
};

const STOPPED: Duration = Duration::from_secs(30);
/// From when the server goes on until what was due is written: one pause between two attempts, and the work. Less than
/// the 30 s after which a transaction without an answer is given up.
const BACK: Duration = Duration::from_secs(20);

#[test]
fn after_a_server_stood_still_for_30_s_all_is_written_once_and_nothing_else() {
    let rig = Rig::settled(tenants());
    let told = rig.addresses();
    rig.server.signal("STOP");
    let stopped = Instant::now();
    // One is on its way when the server stops to answer, so nobody knows what became of it; the others wait.
    for n in 0..20 {
        rig.apply(pod("web", &format!("late-{n}"), "n1", &[]));
        std::thread::sleep(STOPPED / 20);
    }
    std::thread::sleep(STOPPED.saturating_sub(stopped.elapsed()));
    rig.server.signal("CONT");
    let goes_on = Instant::now();
    let late = || (0..20).all(|n| rig.rows().contains_key(&format!("Logical_Switch_Port/late-{n}.web")));
    wait_for("the ports", || late().then_some(()));
    let took = goes_on.elapsed();
    eprintln!("20 pods of a stop of 30 s were written {took:.2?} after the server went on");
    assert!(took < BACK, "{took:?}");

    rig.settle();
    assert!(told.iter().all(|(who, address)| rig.addresses().get(who) == Some(address)));
    assert_eq!((rig.seen.doubles(), rig.refused()), ([].into(), Vec::new()));
    let mark = rig.now();
    rig.stays_silent_since(mark);
    does_one_thing(&rig);
}
