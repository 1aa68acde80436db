//! The in-memory server over a socket: whoever speaks OVSDB finds there what a real server would tell.
#![cfg(feature = "client")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test may panic and print"
)]

#[path = "serve/bounds.rs"]
mod bounds;
#[path = "serve/clients.rs"]
mod clients;
#[path = "serve/monitors.rs"]
mod monitors;
#[path = "serve/programs.rs"]
mod programs;
#[path = "serve/protocol.rs"]
mod protocol;
#[path = "serve/raw.rs"]
mod raw;
#[path = "support/server.rs"]
mod server;
#[path = "serve/waits.rs"]
mod waits;

use kubeovn_ovn::memory::{
    self,
    serve::{ServeConfig, Served},
};

use raw::Raw;
use server::{Directory, SCHEMA, Server};

/// The in-memory server with the whole schema of Northbound, on a socket.
fn northbound() -> memory::Server {
    memory::Server::read(&std::fs::read_to_string(SCHEMA).unwrap()).unwrap()
}

fn serve(directory: &Directory) -> Served {
    Served::bind(northbound(), directory.path("memory.sock"), ServeConfig::default()).unwrap()
}

/// A real server and ours, both empty.
struct Pair {
    real: Server,
    served: Served,
    directory: Directory,
}

impl Pair {
    fn start() -> Self {
        let directory = Directory::new();
        Self { real: Server::standalone(&directory, &[]), served: serve(&directory), directory }
    }

    /// The sockets of both.
    fn endpoints(&self) -> [String; 2] {
        [self.real.endpoint(), self.served.endpoint().to_string()]
    }

    /// A client of each.
    fn connect(&self) -> [Raw; 2] {
        self.endpoints().map(|endpoint| Raw::connect(&endpoint))
    }
}
