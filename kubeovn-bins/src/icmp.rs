//! Echo requests and their answers (ICMP and ICMPv6), as the kernel's sockets take and give them.

use std::{
    io,
    net::{IpAddr, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
};

use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket},
};

/// Of an echo request and its answer, without the payload.
pub(crate) const LENGTH: usize = 8;

/// Tells our questions apart: all answers arrive at every raw socket of their namespace.
static NEXT_ID: AtomicU16 = AtomicU16::new(1);

/// How one socket asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    id: [u8; 2],
    v4: bool,
    raw: bool,
}

/// A socket for questions to this address, not connected, and how to ask by it. It does not block.
///
/// The kind of socket that needs no right is taken where the system lets anybody ping (`net.ipv4.ping_group_range`), else
/// the raw one, for which `CAP_NET_RAW` is needed.
///
/// # Errors
/// The system's, where it allows neither.
pub(crate) fn open(to: IpAddr) -> io::Result<(UdpSocket, Question)> {
    match open_as(SockType::Datagram, to) {
        Err(Errno::EACCES | Errno::EPERM | Errno::EPROTONOSUPPORT) => Ok(open_as(SockType::Raw, to)?),
        opened => Ok(opened?),
    }
}

fn open_as(kind: SockType, to: IpAddr) -> nix::Result<(UdpSocket, Question)> {
    let (family, protocol) = match to {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let made = socket(family, kind, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, protocol)?;
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // The standard library's sockets send and receive on any kind of socket; these have no port.
    Ok((UdpSocket::from(made), Question { id, v4: to.is_ipv4(), raw: kind == SockType::Raw }))
}

impl Question {
    /// The request with this number.
    pub(crate) fn request(self, sequence: u32) -> [u8; LENGTH] {
        let [.., high, low] = sequence.to_be_bytes();
        let kind = if self.v4 { 8 } else { 128 };
        let mut packet = [kind, 0, 0, 0, self.id[0], self.id[1], high, low];
        if self.v4 {
            // For IPv6 the kernel fills it in.
            [packet[2], packet[3]] = checksum(&packet);
        }
        packet
    }

    /// Is this an answer to one of our requests?
    pub(crate) fn is_answer(self, packet: &[u8]) -> bool {
        // A raw IPv4 socket hands over that header too; its length is in the low half of the first byte, in words.
        let header = |first: &u8| usize::from(first & 0xf) * 4;
        let skip = if self.raw && self.v4 { packet.first().map_or(0, header) } else { 0 };
        let icmp = packet.get(skip..).unwrap_or_default();
        let reply = if self.v4 { 0 } else { 129 };
        // Of a socket that is not raw the kernel chooses the id, and hands over nobody else's.
        icmp.first() == Some(&reply) && (!self.raw || icmp.get(4..6) == Some(self.id.as_slice()))
    }
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
mod tests;
