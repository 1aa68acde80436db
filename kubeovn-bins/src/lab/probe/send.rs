//! Asking: echo requests, TCP connections, datagrams, until the first answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use kubeovn_node::netns::NetNs;
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::listen::bind;
use crate::{icmp, lab::manifest::Traffic};

/// Asks up to `attempts` times, each time waiting at most `each`. How long the first answer took; none if none came.
///
/// # Errors
/// When no packet can be sent at all.
pub(super) async fn send(
    from: &NetNs,
    to: IpAddr,
    traffic: Traffic,
    attempts: u32,
    each: Duration,
) -> Result<Option<Duration>, String> {
    let answered = match traffic {
        Traffic::Icmp => echo(from, to, attempts, each).await,
        Traffic::Tcp(port) => connect(from, SocketAddr::new(to, port.get()), attempts, each).await,
        Traffic::Udp(port) => datagram(from, SocketAddr::new(to, port.get()), attempts, each).await,
    };
    answered.map_err(|error| format!("cannot send: {error}"))
}

/// Echo requests.
pub(super) async fn echo(
    from: &NetNs,
    to: IpAddr,
    attempts: u32,
    each: Duration,
) -> io::Result<Option<Duration>> {
    let (raw, question) = bind(from, move || icmp::open(to)).await?;
    let raw = tokio::net::UdpSocket::from_std(raw)?;
    let ask = |sequence: u32| question.request(sequence);
    exchange(&raw, SocketAddr::new(to, 0), attempts, each, ask, |packet| question.is_answer(packet)).await
}

/// Datagrams that must come back as they are.
async fn datagram(
    from: &NetNs,
    to: SocketAddr,
    attempts: u32,
    each: Duration,
) -> io::Result<Option<Duration>> {
    let local = SocketAddr::new(
        if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() },
        0,
    );
    let socket = bind(from, move || UdpSocket::bind(local)).await?;
    socket.set_nonblocking(true)?;
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    exchange(&socket, to, attempts, each, |_| *b"are you?", |answer| answer == b"are you?").await
}

/// Sends what `ask` says and waits for what `is_answer` knows, again and again.
async fn exchange(
    socket: &tokio::net::UdpSocket,
    to: SocketAddr,
    attempts: u32,
    each: Duration,
    ask: impl Fn(u32) -> [u8; icmp::LENGTH],
    is_answer: impl Fn(&[u8]) -> bool,
) -> io::Result<Option<Duration>> {
    // Without a route there is nothing to wait for, and it is an answer too: the packets do not arrive.
    if socket.connect(to).await.is_err() {
        return Ok(None);
    }
    let mut packet = [0; 256];
    for sequence in 0..attempts {
        let asked = Instant::now();
        let deadline = asked + each;
        // What the last packet met on its way (no such host, nobody listens) is reported by the next call.
        if socket.send(&ask(sequence)).await.is_err() {
            sleep_until(deadline).await;
            continue;
        }
        while let Ok(received) = timeout_at(deadline, socket.recv(&mut packet)).await {
            match received {
                Ok(length) if is_answer(packet.get(..length).unwrap_or_default()) => {
                    return Ok(Some(asked.elapsed()));
                }
                Ok(_) => {}
                Err(_) => sleep_until(deadline).await,
            }
        }
    }
    Ok(None)
}

/// TCP connections, closed as soon as they stand.
async fn connect(
    from: &NetNs,
    to: SocketAddr,
    attempts: u32,
    each: Duration,
) -> io::Result<Option<Duration>> {
    for _ in 0..attempts {
        let make = move || if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = bind(from, make).await?;
        let asked = Instant::now();
        let deadline = asked + each;
        match timeout_at(deadline, socket.connect(to)).await {
            Ok(Ok(_connected)) => return Ok(Some(asked.elapsed())),
            // Refused: not so fast again, the other side may be about to listen.
            Ok(Err(_)) => sleep_until(deadline).await,
            Err(_) => {}
        }
    }
    Ok(None)
}
