//! Neighbours: who answers on a link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Netlink, NetlinkError};
use crate::netns::NetNs;

/// Where nobody listens (RFC 863): what is sent there only makes the kernel look for the neighbour.
const DISCARD: u16 = 9;

impl Netlink {
    /// Does the kernel know the hardware address of a neighbour, and has it not given up on it?
    pub async fn knows_neighbour(&self, dev: &str, ip: IpAddr) -> Result<bool, NetlinkError> {
        let index = self.index(dev, "list neighbours of").await?;
        let family = if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let mut request = NeighbourMessage::default();
        request.header.family = family;
        let pick = |message: RouteNetlinkMessage| match message {
            RouteNetlinkMessage::NewNeighbour(message) => Some(message),
            _ => None,
        };
        let request = RouteNetlinkMessage::GetNeighbour(request);
        let messages = self.dump(request, pick, "list neighbours of", &dev).await?;
        let of = |message: &&NeighbourMessage| {
            message.header.ifindex == index && message.attributes.iter().any(|a| destination(a) == Some(ip))
        };
        Ok(messages.iter().find(of).is_some_and(|message| {
            !matches!(
                message.header.state,
                NeighbourState::Failed | NeighbourState::Incomplete | NeighbourState::None
            )
        }))
    }
}

/// Makes the kernel of a namespace look for a neighbour: by ARP, or by neighbour discovery.
///
/// # Errors
/// The system's.
pub fn look_for(ns: &NetNs, ip: IpAddr) -> Result<(), NetlinkError> {
    let from: SocketAddr = match ip {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let send = || UdpSocket::bind(from)?.send_to(&[0], (ip, DISCARD)).map(drop);
    ns.run(send)
        .map_err(|error| NetlinkError::from_ns("look for", &ip, &error))?
        .map_err(|error| NetlinkError::from_io("look for", &ip, &error))
}

fn destination(attribute: &NeighbourAttribute) -> Option<IpAddr> {
    match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => Some((*ip).into()),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => Some((*ip).into()),
        _ => None,
    }
}
