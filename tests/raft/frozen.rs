//! Members that stand still with a write of ours in their sockets, and go on later.

use std::time::Duration;

use kubeovn_ovn::ovsdb::connect::ConnectConfig;

use crate::{
    crowd::{bring, port, remove},
    raft::{Raft, others},
    server::{DATABASE, wait_for},
};

/// How often a member is frozen until it is the one that serves us.
const ATTEMPTS: usize = 5;

/// A client of a member first, leader or not, then of the others, with little patience for silence.
fn beginning_with(raft: &Raft, member: u32, leader_only: bool) -> ConnectConfig {
    let members = [vec![member], others(member)].concat();
    let endpoints: Vec<String> = members.iter().map(|member| raft.server(*member).endpoint()).collect();
    let mut config = ConnectConfig::new(endpoints.join(",").parse().unwrap(), DATABASE);
    config.leader_only = leader_only;
    config.connect_timeout = Duration::from_secs(5);
    config.session.probe = Duration::from_secs(1);
    config.session.call_timeout = Duration::from_secs(5);
    config
}

/// Lets a write lie in the socket of a member that stands still until nobody wants it any more, see [`froze`].
fn freeze(raft: &mut Raft, member: impl Fn(&Raft) -> u32, leader_only: bool, ghost: &str) {
    for attempt in 0..ATTEMPTS {
        let member = member(raft);
        if froze(raft, member, leader_only, &format!("{ghost}-{attempt}")) {
            return;
        }
        raft.say(&format!("member {member} did not serve us when it was frozen, once more"));
    }
    panic!("whoever is frozen, another member serves us\n{}", raft.journal.shown());
}

/// The same once. Answers whether the write lay there: on a machine that does other things, too, the member may take too
/// long to take us in, or no longer lead, and then another one serves us and does it.
fn froze(raft: &mut Raft, member: u32, leader_only: bool, ghost: &str) -> bool {
    raft.rest();
    raft.drive(beginning_with(raft, member, leader_only));
    // it holds the fence, by way of this member
    let answered = raft.journal.done() + raft.journal.unknown();
    bring(&raft.cluster, &format!("before-{ghost}"));
    raft.settle();
    // an answer that comes later would be taken for that to the next one
    wait_for("the answer", || (raft.journal.done() + raft.journal.unknown() > answered).then_some(()));
    raft.server(member).signal("STOP");
    let (sent, done, unknown) = (raft.journal.sent(), raft.journal.done(), raft.journal.unknown());
    let resynced = raft.journal.resynced();
    bring(&raft.cluster, ghost);
    wait_for("the write to be sent", || (raft.journal.sent() > sent).then_some(()));
    remove(&raft.cluster, ghost);
    let is_done = || raft.journal.done() > done;
    wait_for("the write to be given up", || (is_done() || raft.journal.unknown() > unknown).then_some(()));
    wait_for("another member to serve", || (is_done() || raft.journal.resynced() > resynced).then_some(()));
    // as long as the member stands still nobody has what lies in its sockets
    let went_elsewhere =
        is_done() || others(member).into_iter().any(|other| raft.eye(other).ever(&port(ghost)));
    // nothing is written meanwhile, but for the fence: any other write would make the cluster itself refuse the late one
    raft.server(member).signal("CONT");
    raft.caught_up(member);
    if went_elsewhere {
        return false;
    }
    // what lay in its sockets was read before this
    raft.server(member).nbctl(&["ls-add", "marker"]);
    raft.server(member).nbctl(&["ls-del", "marker"]);
    // somebody gets the address that the ghost had
    bring(&raft.cluster, &format!("heir-of-{ghost}"));
    raft.rest();
    for member in others(0) {
        assert!(!raft.eye(member).ever(&port(ghost)), "member {member} had {ghost}, which was given up");
    }
    true
}

#[test]
fn a_write_that_a_frozen_follower_passes_on_late_is_not_done() {
    let mut raft = Raft::settled("follower frozen");
    for round in 0..3 {
        let follower = |raft: &Raft| others(raft.leader())[round % 2];
        freeze(&mut raft, follower, false, &format!("ghost-{round}"));
    }
    raft.verify();
}

#[test]
fn a_write_that_a_frozen_leader_reads_late_is_not_done() {
    let mut raft = Raft::settled("leader frozen");
    for round in 0..3 {
        freeze(&mut raft, Raft::leader, true, &format!("ghost-{round}"));
    }
    raft.verify();
}

/// With the patience that a controller has when it is told nothing of patience.
#[test]
fn writes_go_on_soon_after_a_leader_stood_still() {
    let mut raft = Raft::settled("leader stood still");
    raft.move_crowd();
    for _ in 0..2 {
        raft.writes_go_on(5);
        let leader = raft.leader();
        raft.server(leader).signal("STOP");
        let (_, since) = raft.led_by(&others(leader));
        raft.resumes("frozen", "", since);
        raft.server(leader).signal("CONT");
        raft.caught_up(leader);
    }
    raft.verify();
}
