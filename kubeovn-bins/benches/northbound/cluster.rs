//! The same on a cluster of three servers, and how long it takes to read a whole database again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kubeovn_core::contract::database::{Database as _, DbEvent};
use kubeovn_ovn::{
    nb::NORTHBOUND,
    ovsdb::{
        client::Client,
        connect::{ConnectConfig, Connector},
        txn::Identity,
    },
};
use tokio::runtime::Builder;
use uuid::Uuid;

use crate::{
    counted::CountedCluster,
    row, run,
    server::{DATABASE, Directory, Server, wait_for},
    size::Size,
};

/// Runs the controller on three members of a cluster, all on this machine.
pub(crate) fn report(size: &Size) {
    let directory = Directory::new();
    let members: Vec<Server> = (1..=3)
        .map(|number| {
            let server = Server::member(&directory, number);
            wait_for("the member to join", || server.is_cluster_member().then_some(()));
            server
        })
        .collect();
    let endpoints: Vec<String> = members.iter().map(Server::endpoint).collect();
    let cluster = Arc::new(CountedCluster::new(size.objects()));
    let stage = run(&endpoints.join(","), &cluster, |counts| counts.committed_ports() >= size.ports());
    row("the same on a cluster of three", size.pods, &stage);
}

/// Prints how long a client takes from nothing to a replica of all that a server holds.
pub(crate) fn resync(server: &Server) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let took = (0..3).map(|_| runtime.block_on(whole(&server.endpoint()))).min().unwrap();
    println!("{:<44}{:>10.3}", "  all read again by a new client", took.as_secs_f64());
}

async fn whole(endpoint: &str) -> Duration {
    let start = Instant::now();
    let config = ConnectConfig::new(endpoint.parse().unwrap(), DATABASE);
    let connector = Connector::new(config, Box::new(|| 0.0));
    let mut client = Client::new(&NORTHBOUND, connector, Identity::Given(Uuid::nil()), None);
    assert_eq!(client.next().await, DbEvent::Resynced);
    start.elapsed()
}
