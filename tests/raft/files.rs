//! The database files: written anew under load, and lost.

use crate::raft::{Raft, others};

#[test]
fn compaction_under_load_disturbs_nothing() {
    let mut raft = Raft::settled("compaction");
    raft.move_crowd();
    for _ in 0..6 {
        for member in others(0) {
            raft.server(member).control_command(&["ovsdb-server/compact"]);
            raft.writes_go_on(2);
        }
    }
    raft.verify();
}
