//! Connections that end in the middle of a transaction, at many places.

use std::sync::Arc;

use kubeovn_ovn::ovsdb::connect::ConnectConfig;

use crate::{
    proxy::{Cut, Plan, serve},
    raft::{Raft, others},
    server::{DATABASE, wait_for},
};

/// Byte positions: around the beginning, inside the fence, inside the first rows and the last.
const PLACES: [usize; 14] = [0, 1, 9, 10, 11, 40, 100, 200, 350, 600, 1000, 2000, 3500, 6000];

#[test]
fn a_connection_that_is_cut_in_a_transaction_leaves_nothing_half_done() {
    let mut raft = Raft::settled("cut");
    let plan = Arc::new(Plan::default());
    let served = others(0).into_iter().map(|member| {
        let at = raft.directory.path(&format!("p{member}.sock"));
        serve(raft.runtime().handle(), at.clone(), raft.server(member).socket().to_owned(), plan.clone());
        format!("unix:{}", at.display())
    });
    let endpoints: Vec<String> = served.collect();
    raft.drive(ConnectConfig::new(endpoints.join(",").parse().unwrap(), DATABASE));
    raft.move_crowd();
    for _ in 0..2 {
        for place in PLACES {
            for cut in [Cut::Request(place), Cut::Answer(place)] {
                plan.arm(cut);
                let made = wait_for("the cut", || plan.made());
                raft.resumes("cut", &format!("{cut:?}"), made);
            }
        }
    }
    raft.verify();
}
