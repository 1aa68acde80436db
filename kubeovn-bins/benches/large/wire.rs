//! A socket between the controller and its server that counts what passes.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

#[derive(Clone, Default)]
pub(crate) struct Passed {
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
}

impl Passed {
    /// Bytes to the server and from it.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.sent.load(Ordering::SeqCst), self.received.load(Ordering::SeqCst))
    }
}

/// Listens at `here` and passes on what comes to the server at `there`.
pub(crate) fn between(here: &Path, there: &Path) -> Passed {
    let (listener, there) = (UnixListener::bind(here).unwrap(), there.to_owned());
    let passed = Passed::default();
    let counts = passed.clone();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), UnixStream::connect(&there).unwrap());
            pass(client.try_clone().unwrap(), server.try_clone().unwrap(), counts.sent.clone());
            pass(server, client, counts.received.clone());
        }
    });
    passed
}

fn pass(mut from: UnixStream, mut to: UnixStream, count: Arc<AtomicU64>) {
    thread::spawn(move || {
        let mut chunk = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            count.fetch_add(length as u64, Ordering::SeqCst);
            if to.write_all(&chunk[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
