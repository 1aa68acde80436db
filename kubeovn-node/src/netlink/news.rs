//! News: what the kernel tells of a namespace without being asked.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressScope;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::MulticastGroup;
use tokio::runtime::Handle as Runtime;
use tokio::task::JoinHandle;

use super::NetlinkError;
use crate::netns::NetNs;

/// Tells that a link is new, another or gone, or that the namespace has other addresses. With each of these the kernel may have
/// dropped routes.
pub struct News {
    events: BoxStream<'static, NetlinkMessage<RouteNetlinkMessage>>,
    driver: JoinHandle<()>,
    link: String,
}

impl News {
    /// Of this link in a namespace, from now on. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the namespace cannot be entered or the socket not created.
    pub fn of(ns: &NetNs, link: &str) -> Result<Self, NetlinkError> {
        let runtime = Runtime::current();
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
        let connect = || {
            let _inside = runtime.enter();
            rtnetlink::new_multicast_connection(&groups)
        };
        let (connection, _, events) = ns
            .run(connect)
            .map_err(|e| NetlinkError::from_ns("listen to", &link, &e))?
            .map_err(|e| NetlinkError::from_io("listen to", &link, &e))?;
        let events = events.map(|(message, _)| message).boxed();
        Ok(Self { events, driver: runtime.spawn(connection), link: link.to_owned() })
    }

    /// Waits for news; false when there will be none any more. Some may have been missed then.
    pub async fn next(&mut self) -> bool {
        while let Some(message) = self.events.next().await {
            if self.concerns(&message.payload) {
                return true;
            }
        }
        false
    }

    fn concerns(&self, payload: &NetlinkPayload<RouteNetlinkMessage>) -> bool {
        use RouteNetlinkMessage::{DelAddress, DelLink, NewAddress, NewLink};
        let named = |link: &LinkMessage| {
            link.attributes.iter().any(|a| matches!(a, LinkAttribute::IfName(name) if *name == self.link))
        };
        match payload {
            NetlinkPayload::InnerMessage(NewLink(link) | DelLink(link)) => named(link),
            // Every new link has one of that scope by itself.
            NetlinkPayload::InnerMessage(NewAddress(address) | DelAddress(address)) => {
                address.header.scope != AddressScope::Link
            }
            NetlinkPayload::Overrun(_) => true,
            _ => false,
        }
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
