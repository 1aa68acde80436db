//! Packets between two namespaces.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use crate::{machine::bare, pods::Pod};

/// Every address of one pod reaches that of its family of the other, and is what the other sees.
pub(crate) fn pass(from: &Pod, to: &Pod) {
    let (ours, theirs) = (from.shown(), to.shown());
    assert!(!ours.is_empty() && ours.len() == theirs.len(), "{ours:?}, {theirs:?}");
    for pod in [from, to] {
        pod.ns.settle(&pod.if_name);
    }
    for (own, other) in ours.iter().zip(&theirs) {
        let (own, other) = (bare(own), bare(other));
        let seen = talk(from, to, other).unwrap_or_else(|error| panic!("{own} to {other}: {error}"));
        assert_eq!(seen, own, "who asks {other}");
    }
}

/// A word over TCP and back; who the other one thinks it spoke to.
fn talk(from: &Pod, to: &Pod, other: IpAddr) -> io::Result<IpAddr> {
    let server = to.ns.ns.run(|| TcpListener::bind((other, 0))).unwrap()?;
    let address: SocketAddr = server.local_addr()?;
    let patience = Some(Duration::from_secs(10));
    // The kernel takes the connection before the listener does.
    let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(10));
    let mut asking = from.ns.ns.run(connect).unwrap()?;
    let (mut answering, peer) = server.accept()?;
    for stream in [&asking, &answering] {
        stream.set_read_timeout(patience)?;
    }
    let mut word = [0; 4];
    asking.write_all(b"ping")?;
    answering.read_exact(&mut word)?;
    answering.write_all(&word)?;
    asking.read_exact(&mut word)?;
    assert_eq!(&word, b"ping");
    Ok(peer.ip())
}
