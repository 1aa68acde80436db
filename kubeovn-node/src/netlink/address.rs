//! Addresses of a link, as desired state.

use std::collections::BTreeMap;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};

use super::error::Context;
use super::{Netlink, NetlinkError, whole};
use crate::tunnel::Interface;

impl Netlink {
    /// The addresses of a link with their prefix, sorted; link-local ones are the kernel's and left out.
    pub async fn addresses(&self, link: &str) -> Result<Vec<IpNet>, NetlinkError> {
        let mut found: Vec<_> = self.address_messages(link).await?.into_iter().map(|(net, _)| net).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Gives a link exactly these addresses: deletes others first, then adds what is missing.
    ///
    /// Link-local addresses stay. IPv6 addresses are usable at once, without duplicate address detection: an
    /// address that an allocator handed out has one owner.
    pub async fn replace_addresses(&self, link: &str, wanted: &[IpNet]) -> Result<(), NetlinkError> {
        let index = self.index(link, "set addresses of").await?;
        let present = self.address_messages(link).await?;
        for (net, message) in &present {
            if !wanted.contains(net) {
                let deleted = self.handle.address().del(message.clone()).execute().await;
                match deleted.context("delete address", &on(net, link)) {
                    // Deleting a primary IPv4 address takes its secondaries along.
                    Err(error) if error.is_not_found() => {}
                    done => done?,
                }
            }
        }
        let present = self.addresses(link).await?;
        for net in wanted.iter().filter(|net| !present.contains(net)) {
            let mut request = self.handle.address().add(index, net.addr(), net.prefix_len());
            if net.addr().is_ipv6() {
                request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
            }
            match request.execute().await.context("add address", &on(net, link)) {
                Err(error) if error.is_exists() => {}
                done => done?,
            }
        }
        Ok(())
    }

    /// All addresses of the namespace, sorted; link-local ones and the loopback's are left out.
    pub async fn local_addresses(&self) -> Result<Vec<IpAddr>, NetlinkError> {
        let messages = self.all_address_messages().await?;
        let found = messages.iter().filter_map(net_of).map(|net| net.addr());
        let mut found: Vec<_> = found.filter(|ip| !ip.is_loopback()).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// All links that have addresses, with them, by name; link-local ones are left out.
    pub async fn interfaces(&self) -> Result<Vec<Interface>, NetlinkError> {
        let messages = self.all_address_messages().await?;
        let mut found: BTreeMap<u32, Vec<IpNet>> = BTreeMap::new();
        for message in &messages {
            found.entry(message.header.index).or_default().extend(net_of(message));
        }
        let mut all = Vec::new();
        for (name, link) in self.links().await? {
            let Some(addresses) = found.remove(&link.index).filter(|nets| !nets.is_empty()) else { continue };
            all.push(Interface { name, mtu: link.mtu, addresses });
        }
        Ok(all)
    }

    async fn all_address_messages(&self) -> Result<Vec<AddressMessage>, NetlinkError> {
        whole(|| async {
            let dump = self.handle.address().get().execute();
            dump.try_collect().await.context("list", &"addresses")
        })
        .await
    }

    async fn address_messages(&self, link: &str) -> Result<Vec<(IpNet, AddressMessage)>, NetlinkError> {
        let index = self.index(link, "list addresses of").await?;
        let messages: Vec<_> = whole(|| async {
            let dump = self.handle.address().get().set_link_index_filter(index).execute();
            dump.try_collect().await.context("list addresses of", &link)
        })
        .await?;
        Ok(messages.into_iter().filter_map(|m| net_of(&m).map(|net| (net, m))).collect())
    }
}

/// The address of the link itself: on point-to-point links `Address` is the far end and `Local` ours.
fn net_of(message: &AddressMessage) -> Option<IpNet> {
    let find = |pick: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(pick);
    let local = find(|a| if let AddressAttribute::Local(ip) = a { Some(*ip) } else { None });
    let address = || find(|a| if let AddressAttribute::Address(ip) = a { Some(*ip) } else { None });
    let net = IpNet::new(local.or_else(address)?, message.header.prefix_len).ok()?;
    (!is_link_local(net.addr())).then_some(net)
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn on(net: &IpNet, link: &str) -> String {
    format!("{net} on {link}")
}
