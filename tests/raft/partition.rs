//! Members that can't hear each other, while we hear all of them.

use std::time::Instant;

use crate::{
    network::Network,
    raft::{MEMBERS, Raft, others},
};

#[test]
fn members_that_are_cut_off_come_back() {
    let mut raft = Raft::stopped("partition", Some(Network::new(MEMBERS)));
    raft.drive(raft.config());
    raft.settle();
    raft.move_crowd();
    for of_leader in [true, false, true] {
        raft.writes_go_on(5);
        let leader = raft.leader();
        let victim = if of_leader { leader } else { others(leader)[1] };
        raft.network.as_ref().unwrap().cut(victim);
        let (fault, since) = if of_leader {
            ("the leader was cut off", raft.led_by(&others(victim)).1)
        } else {
            ("a follower was cut off", Instant::now())
        };
        raft.resumes("partition", fault, since);
        raft.writes_go_on(20);
        raft.network.as_ref().unwrap().mend(victim);
        raft.caught_up(victim);
        // who was alone asked for votes all the time, and its term is too high for the leader that there is
        let (_, since) = raft.led_by(&others(0));
        raft.resumes("mended", "", since);
    }
    raft.verify();
}
