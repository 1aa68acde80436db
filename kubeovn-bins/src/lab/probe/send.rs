//! Asking: echo requests, TCP connections, datagrams, until the first answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use kubeovn_node::netns::NetNs;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::listen::bind;
use crate::lab::manifest::Traffic;

/// Tells our echo requests apart, as all of them arrive at every raw socket of their namespace.
static NEXT_ID: AtomicU16 = AtomicU16::new(1);

/// Of an echo request and its answer, without the payload.
const ECHO_HEADER: usize = 8;

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

/// Echo requests over a raw socket.
pub(super) async fn echo(
    from: &NetNs,
    to: IpAddr,
    attempts: u32,
    each: Duration,
) -> io::Result<Option<Duration>> {
    let (family, protocol, request, reply) = match to {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp, 8, 0),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6, 128, 129),
    };
    let make =
        move || socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, protocol);
    // The standard library's sockets send and receive on any kind of socket; a raw one has no port.
    let raw = bind(from, move || Ok(UdpSocket::from(make()?))).await?;
    let raw = tokio::net::UdpSocket::from_std(raw)?;
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let is_ours = |packet: &[u8]| {
        // IPv4 hands over its own header too; its length is in the low half of the first byte, in words.
        let skip =
            if to.is_ipv4() { packet.first().map_or(0, |first| usize::from(first & 0xf) * 4) } else { 0 };
        let icmp = packet.get(skip..).unwrap_or_default();
        icmp.first() == Some(&reply) && icmp.get(4..6) == Some(id.as_slice())
    };
    let ask = |sequence: u32| {
        let [.., high, low] = sequence.to_be_bytes();
        let mut packet = [request, 0, 0, 0, id[0], id[1], high, low];
        if to.is_ipv4() {
            // For IPv6 the kernel fills it in.
            [packet[2], packet[3]] = checksum(&packet);
        }
        packet
    };
    exchange(&raw, SocketAddr::new(to, 0), attempts, each, ask, is_ours).await
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
    ask: impl Fn(u32) -> [u8; ECHO_HEADER],
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

/// The Internet checksum (RFC 1071) of a packet of even length.
fn checksum(packet: &[u8]) -> [u8; 2] {
    let words =
        packet.chunks_exact(2).map(|word| word.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [.., high, low] = (!sum).to_be_bytes();
    [high, low]
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn a_packet_with_its_checksum_sums_to_nothing() {
        let mut packet = [8, 0, 0, 0, 0xab, 0xcd, 0xff, 0x01];
        [packet[2], packet[3]] = checksum(&packet);
        assert_ne!(packet[2..4], [0, 0]);
        assert_eq!(checksum(&packet), [0, 0]);
    }
}
