//! Members that stand still with a write of ours in their sockets, and go on later.

use std::time::Duration;

use kubeovn_ovn::ovsdb::connect::ConnectConfig;

use crate::{
    crowd::{bring, port, remove},
    raft::{Raft, others},
    server::{DATABASE, wait_for},
};

/// A client of a member first, leader or not, then of the others, with little patience.
fn beginning_with(raft: &Raft, member: u32, leader_only: bool) -> ConnectConfig {
    let members = [vec![member], others(member)].concat();
    let endpoints: Vec<String> = members.iter().map(|member| raft.server(*member).endpoint()).collect();
    let mut config = ConnectConfig::new(endpoints.join(",").parse().unwrap(), DATABASE);
    config.leader_only = leader_only;
    config.connect_timeout = Duration::from_secs(1);
    config.session.probe = Duration::from_millis(500);
    config.session.call_timeout = Duration::from_secs(1);
    config
}

/// Lets a write lie in the socket of a member that stands still until nobody wants it any more.
fn freeze(raft: &mut Raft, member: u32, leader_only: bool, ghost: &str) {
    raft.rest();
    raft.drive(beginning_with(raft, member, leader_only));
    // it holds the fence, by way of this member
    bring(&raft.cluster, &format!("before-{ghost}"));
    raft.settle();
    raft.server(member).signal("STOP");
    let (sent, unknown, resynced) = (raft.journal.sent(), raft.journal.unknown(), raft.journal.resynced());
    bring(&raft.cluster, ghost);
    wait_for("the write to be sent", || (raft.journal.sent() > sent).then_some(()));
    remove(&raft.cluster, ghost);
    wait_for("the write to be given up", || (raft.journal.unknown() > unknown).then_some(()));
    wait_for("another member to serve", || (raft.journal.resynced() > resynced).then_some(()));
    // nothing is written meanwhile, but for the fence: any other write would make the cluster itself refuse the late one
    raft.server(member).signal("CONT");
    raft.caught_up(member);
    // what lay in its sockets was read before this
    raft.server(member).nbctl(&["ls-add", "marker"]);
    raft.server(member).nbctl(&["ls-del", "marker"]);
    // somebody gets the address that the ghost had
    bring(&raft.cluster, &format!("heir-of-{ghost}"));
    raft.rest();
    for member in others(0) {
        assert!(!raft.eye(member).ever(&port(ghost)), "member {member} had {ghost}, which was given up");
    }
}

#[test]
fn a_write_that_a_frozen_follower_passes_on_late_is_not_done() {
    let mut raft = Raft::settled("follower frozen");
    for round in 0..3 {
        let follower = others(raft.leader())[round % 2];
        freeze(&mut raft, follower, false, &format!("ghost-{round}"));
    }
    raft.verify();
}

#[test]
fn a_write_that_a_frozen_leader_reads_late_is_not_done() {
    let mut raft = Raft::settled("leader frozen");
    for round in 0..3 {
        let leader = raft.leader();
        freeze(&mut raft, leader, true, &format!("ghost-{round}"));
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
