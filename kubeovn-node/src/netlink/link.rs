//! Links: create, change, look up, delete.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd};

use futures_util::TryStreamExt;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use nix::errno::Errno;
use rtnetlink::{LinkBridge, LinkGeneve, LinkMessageBuilder, LinkUnspec, LinkVeth, LinkVxlan};

use super::error::Context;
use super::{Netlink, NetlinkError};
use crate::netns::NetNs;

/// The longest name that the kernel takes for a link.
const NAME_MAX: usize = 15;

/// What the kernel says about a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Unique in the namespace, for the life of the link.
    pub index: u32,
    /// Hardware address; zero for links that have none.
    pub mac: [u8; 6],
    /// Largest packet in bytes, without the Ethernet header.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub up: bool,
    /// The bridge that it is a port of, by index.
    pub master: Option<u32>,
    /// The free text of `ip link set alias`.
    pub alias: Option<String>,
    /// Whether it is one end of a veth pair.
    pub veth: bool,
}

/// A veth pair to be made, one end in the connection's namespace and the other in `peer_ns`.
#[derive(Clone, Copy, Debug)]
pub struct Veth<'a> {
    /// The end in the namespace of the connection.
    pub name: &'a str,
    /// The end in `peer_ns`.
    pub peer: &'a str,
    /// Where the peer is born; it is never seen anywhere else.
    pub peer_ns: &'a NetNs,
    /// Of both ends.
    pub mtu: u32,
}

/// What should be different about a link.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkChange<'a> {
    /// The free text of `ip link set alias`.
    pub alias: Option<&'a str>,
    /// Hardware address.
    pub mac: Option<[u8; 6]>,
    /// Largest packet in bytes.
    pub mtu: Option<u32>,
    /// It is set administratively up, after all the rest.
    pub up: bool,
}

impl Netlink {
    /// Creates a veth pair across two namespaces in one step, both ends down.
    pub async fn add_veth(&self, veth: Veth<'_>) -> Result<(), NetlinkError> {
        check_name(veth.name)?;
        check_name(veth.peer)?;
        let peer = LinkUnspec::new_with_name(veth.peer)
            .mtu(veth.mtu)
            .setns_by_fd(veth.peer_ns.as_fd().as_raw_fd())
            .build();
        let pair = LinkVeth::new(veth.name, veth.peer)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .mtu(veth.mtu);
        self.add(pair, "add veth", veth.name).await
    }

    /// Creates a Linux bridge without forwarding delay and multicast snooping, down.
    pub async fn add_bridge(&self, name: &str) -> Result<(), NetlinkError> {
        check_name(name)?;
        let bridge = LinkBridge::new(name).down().forward_delay(0).mcast_snooping(false);
        self.add(bridge, "add bridge", name).await
    }

    /// Creates a geneve link that takes its far ends from what is sent, as OVS makes it, down.
    pub async fn add_geneve(&self, name: &str) -> Result<(), NetlinkError> {
        check_name(name)?;
        let link = LinkMessageBuilder::<LinkGeneve>::new(name).collect_metadata();
        self.add(link, "add geneve", name).await
    }

    /// Creates a VXLAN link that takes its far ends from what is sent, as OVS makes it, down.
    pub async fn add_vxlan(&self, name: &str) -> Result<(), NetlinkError> {
        check_name(name)?;
        let link = LinkMessageBuilder::<LinkVxlan>::new(name).collect_metadata(true).port(4789);
        self.add(link, "add vxlan", name).await
    }

    /// Makes a link a port of a bridge.
    pub async fn set_master(&self, name: &str, master: &str) -> Result<(), NetlinkError> {
        let index = self.index(master, "find bridge").await?;
        self.change(name, "set master of", |link| link.controller(index)).await
    }

    /// Sets a link administratively up.
    pub async fn set_up(&self, name: &str) -> Result<(), NetlinkError> {
        self.change(name, "set up", LinkMessageBuilder::up).await
    }

    /// Sets a link's MTU in bytes.
    pub async fn set_mtu(&self, name: &str, mtu: u32) -> Result<(), NetlinkError> {
        self.change(name, "set mtu of", |link| link.mtu(mtu)).await
    }

    /// Sets a link's hardware address.
    pub async fn set_mac(&self, name: &str, mac: [u8; 6]) -> Result<(), NetlinkError> {
        self.change(name, "set mac of", |link| link.address(mac.to_vec())).await
    }

    /// Sets the free text that goes with a link.
    pub async fn set_alias(&self, name: &str, alias: &str) -> Result<(), NetlinkError> {
        self.change(name, "set alias of", |link| link.alias(alias)).await
    }

    /// Changes several things of a link in one step. What the kernel did of it before it refused the next stays.
    pub async fn set_link(&self, name: &str, wanted: LinkChange<'_>) -> Result<(), NetlinkError> {
        let LinkChange { alias, mac, mtu, up } = wanted;
        self.change(name, "change", |mut link| {
            if let Some(alias) = alias {
                link = link.alias(alias);
            }
            if let Some(mac) = mac {
                link = link.address(mac.to_vec());
            }
            if let Some(mtu) = mtu {
                link = link.mtu(mtu);
            }
            if up { link.up() } else { link }
        })
        .await
    }

    /// Renames a link; most drivers require it to be down.
    pub async fn rename(&self, name: &str, to: &str) -> Result<(), NetlinkError> {
        check_name(to)?;
        self.change(name, "rename", |link| link.name(to)).await
    }

    /// Moves a link into another namespace, where it arrives down and without addresses.
    pub async fn move_to_ns(&self, name: &str, ns: &NetNs) -> Result<(), NetlinkError> {
        let fd = ns.as_fd().as_raw_fd();
        self.change(name, "move", |link| link.setns_by_fd(fd)).await
    }

    /// Deletes a link, and the other end with it if it is a veth. A link that is not there is fine.
    pub async fn delete_link(&self, name: &str) -> Result<(), NetlinkError> {
        match self.link(name).await? {
            Some(link) => self.delete(name, &link).await,
            None => Ok(()),
        }
    }

    /// The same, but a link of any other kind stays: a card's own can't be deleted, and nobody here made it.
    pub async fn delete_veth(&self, name: &str) -> Result<(), NetlinkError> {
        match self.link(name).await? {
            Some(link) if link.veth => self.delete(name, &link).await,
            Some(_) => {
                tracing::info!(link = name, "it is no veth, and stays");
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn delete(&self, name: &str, link: &Link) -> Result<(), NetlinkError> {
        match self.handle.link().del(link.index).execute().await.context("delete link", &name) {
            Err(error) if error.is_not_found() => Ok(()),
            done => done,
        }
    }

    /// Looks a link up by name.
    pub async fn link(&self, name: &str) -> Result<Option<Link>, NetlinkError> {
        if check_name(name).is_err() {
            return Ok(None);
        }
        let found = self.handle.link().get().match_name(name).execute().try_next().await;
        match found.context("look up link", &name) {
            Ok(message) => Ok(message.as_ref().map(link_of)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All links of the namespace, by name.
    pub async fn links(&self) -> Result<BTreeMap<String, Link>, NetlinkError> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let pick = |message: RouteNetlinkMessage| {
            let RouteNetlinkMessage::NewLink(message) = message else { return None };
            let name = message.attributes.iter().find_map(|attribute| match attribute {
                LinkAttribute::IfName(name) => Some(name.clone()),
                _ => None,
            })?;
            Some((name, link_of(&message)))
        };
        Ok(self.dump(request, pick, "list", &"links").await?.into_iter().collect())
    }

    /// The index of a link that must be there.
    pub(super) async fn index(&self, name: &str, op: &'static str) -> Result<u32, NetlinkError> {
        let link = self.link(name).await?.ok_or_else(|| NetlinkError::new(op, name, Errno::ENODEV))?;
        Ok(link.index)
    }

    async fn add<T>(
        &self,
        link: LinkMessageBuilder<T>,
        op: &'static str,
        name: &str,
    ) -> Result<(), NetlinkError> {
        self.handle.link().add(link.build()).execute().await.context(op, &name)
    }

    async fn change(
        &self,
        name: &str,
        op: &'static str,
        edit: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>,
    ) -> Result<(), NetlinkError> {
        let index = self.index(name, op).await?;
        let message = edit(LinkUnspec::new_with_index(index)).build();
        self.handle.link().set(message).execute().await.context(op, &name)
    }
}

/// Refuses a name that the kernel would refuse with a bare `EINVAL`, or worse, cut off.
fn check_name(name: &str) -> Result<(), NetlinkError> {
    let fits = !name.is_empty() && name.len() <= NAME_MAX && !name.contains(['/', ' ', '\0']);
    if fits { Ok(()) } else { Err(NetlinkError::new("use as a link name", name, Errno::ENAMETOOLONG)) }
}

fn link_of(message: &LinkMessage) -> Link {
    let mut link = Link {
        index: message.header.index,
        mac: [0; 6],
        mtu: 0,
        up: message.header.flags.contains(LinkFlags::Up),
        master: None,
        alias: None,
        veth: false,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Address(mac) => link.mac = mac.as_slice().try_into().unwrap_or_default(),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Controller(master) => link.master = Some(*master),
            LinkAttribute::IfAlias(alias) => link.alias = Some(alias.clone()),
            LinkAttribute::LinkInfo(info) => link.veth = info.contains(&LinkInfo::Kind(InfoKind::Veth)),
            _ => {}
        }
    }
    link
}
