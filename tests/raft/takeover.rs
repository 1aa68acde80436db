//! Members that die, and leaders that hand over.

use std::time::{Duration, Instant};

use crate::{
    raft::{Raft, others},
    server::{DATABASE, wait_for},
};

#[test]
fn writes_go_on_soon_after_a_leader_was_killed() {
    let mut raft = Raft::settled("leader killed");
    raft.move_crowd();
    for _ in 0..5 {
        raft.writes_go_on(5);
        let leader = raft.leader();
        raft.server_mut(leader).kill();
        let (_, since) = raft.led_by(&others(leader));
        raft.resumes("killed", "", since);
        raft.server_mut(leader).run();
        raft.caught_up(leader);
    }
    raft.verify();
}

#[test]
fn leaders_hand_over_fifty_times_in_a_row() {
    let mut raft = Raft::settled("leader handed over");
    raft.move_crowd();
    for round in 0..50 {
        let leader = raft.leader();
        raft.server(leader).control_command(&["cluster/failure-test", "transfer-leadership"]);
        let (_, since) = raft.led_by(&others(leader));
        if round % 10 == 9 {
            raft.resumes("handed over", "", since);
        }
    }
    raft.verify();
}

/// Without a quorum a write waits at the one that is left, which still answers whatever else it is asked.
#[test]
fn a_write_that_waited_for_a_quorum_is_neither_lost_nor_done_twice() {
    let mut raft = Raft::settled("quorum lost");
    raft.move_crowd();
    for outage in [1, 6, 8].map(Duration::from_secs) {
        raft.writes_go_on(5);
        let leader = raft.leader();
        for member in others(leader) {
            raft.server_mut(member).kill();
        }
        wait_for("a write to be pending", || (raft.journal.pending() > 0).then_some(()));
        // what was sent before the others died may still have come through; from here on nothing can
        wait_for("the leader to step down", || {
            // one that answers nothing has not said so
            let status = raft.server(leader).status()?;
            (!status.contains("Role: leader")).then_some(())
        });
        let begun = Instant::now();
        // so that pauses between attempts grow; nothing tells when they have
        std::thread::sleep(outage);
        assert_eq!(raft.journal.done_after(begun), None, "there is no quorum");
        for member in others(leader) {
            raft.server_mut(member).run();
        }
        let (_, since) = raft.led_by(&others(0));
        raft.resumes("no quorum", &format!("for {outage:?}"), since);
        others(leader).into_iter().for_each(|member| raft.caught_up(member));
    }
    raft.verify();
}

#[test]
fn a_member_that_lost_its_disk_comes_back_with_everything() {
    let mut raft = Raft::settled("disk lost");
    raft.move_crowd();
    for of_leader in [false, true] {
        raft.writes_go_on(5);
        let leader = raft.leader();
        let victim = if of_leader { leader } else { others(leader)[0] };
        let id = raft.server(victim).control_command(&["cluster/sid", DATABASE]);
        raft.server_mut(victim).kill();
        let (leader, since) = raft.led_by(&others(victim));
        raft.resumes("disk lost", "", since);
        raft.server(leader).control_command(&["cluster/kick", DATABASE, id.trim()]);
        raft.rejoin(victim);
        raft.caught_up(victim);
        // whose log begins with a snapshot and is as good as the others'
        raft.server(leader).control_command(&["cluster/failure-test", "transfer-leadership"]);
        let (_, since) = raft.led_by(&others(0));
        raft.resumes("rejoined", "", since);
    }
    raft.verify();
}
