//! Routes of the main table.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteProtocol, RouteScope,
    RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{IpVersion, RouteMessageBuilder};

use super::error::Context;
use super::{Netlink, NetlinkError};

/// A unicast route of the main table through one link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Where packets go; host bits are ignored.
    pub dst: IpNet,
    /// The next hop; `None` when the destination is on the link itself.
    pub via: Option<IpAddr>,
    /// The link's name.
    pub dev: String,
    /// Source address that the host picks for its own packets.
    pub src: Option<IpAddr>,
    /// Largest packet in bytes on this route; `None` takes the link's.
    pub mtu: Option<u32>,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.dst)?;
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        write!(f, " dev {}", self.dev)
    }
}

impl Netlink {
    /// Adds a route, or replaces the one with the same destination. The link must be up.
    pub async fn replace_route(&self, route: &Route) -> Result<(), NetlinkError> {
        let index = self.index(&route.dev, "add route to").await?;
        let message = message_of(route, index);
        self.handle.route().add(message).replace().execute().await.context("add route", route)
    }

    /// Deletes a route, whoever made it; one that is not there (any more) is fine.
    pub async fn delete_route(&self, route: &Route) -> Result<(), NetlinkError> {
        let Some(link) = self.link(&route.dev).await? else { return Ok(()) };
        let mut message = message_of(route, link.index);
        // Left open, or only a route that this program made would be found.
        message.header.protocol = RouteProtocol::Unspec;
        message.header.scope = RouteScope::NoWhere;
        match self.handle.route().del(message).execute().await.context("delete route", route) {
            Err(error) if error.is_not_found() => Ok(()),
            done => done,
        }
    }

    /// Makes the routes through a link be exactly these; what is there already is not written.
    ///
    /// # Errors
    /// The first failure, after every route was tried.
    pub async fn replace_routes(&self, dev: &str, wanted: &[Route]) -> Result<(), NetlinkError> {
        let mut done = self.delete_other_routes(dev, wanted).await;
        let present = self.routes(dev).await?;
        for route in wanted.iter().filter(|route| !present.contains(route)) {
            let replaced = self.replace_route(route).await;
            done = done.and(replaced);
        }
        done
    }

    /// Deletes the routes through a link that are not among `wanted`; adds nothing.
    pub async fn delete_other_routes(&self, dev: &str, wanted: &[Route]) -> Result<(), NetlinkError> {
        for route in self.routes(dev).await?.iter().filter(|route| !wanted.contains(route)) {
            self.delete_route(route).await?;
        }
        Ok(())
    }

    /// The unicast routes of the main table that are not through a link, the kernel's own left out.
    pub async fn routes_elsewhere(&self, dev: &str) -> Result<Vec<Route>, NetlinkError> {
        let links = self.links().await?.into_iter().filter(|(name, _)| name != dev);
        let names: BTreeMap<u32, String> = links.map(|(name, link)| (link.index, name)).collect();
        let mut found = Vec::new();
        for message in self.route_messages(dev).await? {
            let oif = message.attributes.iter().find_map(|a| match a {
                RouteAttribute::Oif(index) => Some(*index),
                _ => None,
            });
            let on = oif.and_then(|index| Some((index, names.get(&index)?)));
            found.extend(on.and_then(|(index, name)| route_of(&message, index, name)));
        }
        Ok(found)
    }

    /// The unicast routes of the main table through a link, sorted.
    ///
    /// Routes that the kernel makes by itself (connected prefixes, link-local) are left out.
    pub async fn routes(&self, dev: &str) -> Result<Vec<Route>, NetlinkError> {
        let index = self.index(dev, "list routes of").await?;
        let messages = self.route_messages(dev).await?;
        let mut found: Vec<_> = messages.iter().filter_map(|message| route_of(message, index, dev)).collect();
        found.sort_unstable();
        Ok(found)
    }

    async fn route_messages(&self, dev: &str) -> Result<Vec<RouteMessage>, NetlinkError> {
        let mut found = Vec::new();
        for family in [IpVersion::V4, IpVersion::V6] {
            let filter = match family {
                IpVersion::V4 => RouteMessageBuilder::<Ipv4Addr>::new().build(),
                IpVersion::V6 => RouteMessageBuilder::<Ipv6Addr>::new().build(),
            };
            found.extend(self.dump_routes(filter, "list routes of", &dev).await?);
        }
        Ok(found)
    }

    pub(super) async fn dump_routes(
        &self,
        filter: RouteMessage,
        op: &'static str,
        object: &(impl fmt::Display + Sync),
    ) -> Result<Vec<RouteMessage>, NetlinkError> {
        let pick = |message: RouteNetlinkMessage| match message {
            RouteNetlinkMessage::NewRoute(message) => Some(message),
            _ => None,
        };
        self.dump(RouteNetlinkMessage::GetRoute(filter), pick, op, object).await
    }
}

fn message_of(route: &Route, index: u32) -> RouteMessage {
    let mut message = match route.dst.trunc() {
        IpNet::V4(dst) => {
            RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(dst.addr(), dst.prefix_len()).build()
        }
        IpNet::V6(dst) => {
            RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(dst.addr(), dst.prefix_len()).build()
        }
    };
    message.attributes.push(RouteAttribute::Oif(index));
    match route.via {
        Some(via) => message.attributes.push(RouteAttribute::Gateway(via.into())),
        // An IPv4 next hop that is no router must be in reach of the link itself.
        None if route.dst.addr().is_ipv4() => message.header.scope = RouteScope::Link,
        None => {}
    }
    message.attributes.extend(route.src.map(|src| RouteAttribute::PrefSource(src.into())));
    message.attributes.extend(route.mtu.map(|mtu| RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)])));
    message
}

fn route_of(message: &RouteMessage, index: u32, dev: &str) -> Option<Route> {
    let header = &message.header;
    if header.kind != RouteType::Unicast || header.protocol == RouteProtocol::Kernel {
        return None;
    }
    let unspecified = match header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let (mut oif, mut table, mut dst) = (None, u32::from(header.table), unspecified);
    let (mut via, mut src, mut mtu) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(link) => oif = Some(*link),
            RouteAttribute::Table(id) => table = *id,
            RouteAttribute::Destination(address) => dst = ip_of(address)?,
            RouteAttribute::Gateway(address) => via = ip_of(address),
            RouteAttribute::PrefSource(address) => src = ip_of(address),
            RouteAttribute::Metrics(metrics) => {
                mtu = metrics.iter().find_map(|m| if let RouteMetric::Mtu(v) = m { Some(*v) } else { None });
            }
            _ => {}
        }
    }
    if oif != Some(index) || table != u32::from(RouteHeader::RT_TABLE_MAIN) {
        return None;
    }
    let dst = IpNet::new(dst, header.destination_prefix_length).ok()?;
    Some(Route { dst, via, dev: dev.to_owned(), src, mtu })
}

pub(super) fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}
