//! A pod's interface: the veth pair, and all that is set inside the pod's namespace.
//!
//! The interface is desired state: [`up`] makes it be as a [`PodNic`] says, from nothing or from whatever an earlier
//! try left, and doing it again changes nothing. The two ends know each other by the alias of the pod's end, so that
//! an interface of somebody else is never taken for ours.

use ipnet::IpNet;
use kubeovn_core::addr::Mac;
use kubeovn_core::error::Problem;

use crate::cni::nic::NicNames;
use crate::netlink::{Link, LinkChange, Netlink, NetlinkError, Route, Veth};
use crate::netns::{NetNs, NetNsError};
use crate::offload::{OffloadError, disable_offloads};
use crate::sysctl::{self, SysctlError};

/// Inside a pod IPv6 is on, and nobody but us configures it. Settings that are missing (no IPv6 in this kernel) or may not be
/// written are as good as they get.
const POD_SETTINGS: &[(&str, &str)] = &[
    ("net/ipv6/conf/all/disable_ipv6", "0"),
    ("net/ipv6/conf/default/disable_ipv6", "0"),
    ("net/ipv6/conf/all/accept_ra", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
];

/// How an interface of a pod should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodNic {
    /// Names of the two ends on the node.
    pub names: NicNames,
    /// Name in the pod.
    pub if_name: String,
    /// Hardware address.
    pub mac: Mac,
    /// In bytes, of both ends.
    pub mtu: u32,
    /// With the length of the subnet's prefix.
    pub addresses: Vec<IpNet>,
    /// Default routes: without them the pod is cut off.
    pub defaults: Vec<Route>,
    /// Routes that somebody asked for; one that the kernel refuses is left out.
    pub extras: Vec<Route>,
    /// The bridge forwards in user space.
    pub userspace: bool,
}

/// Why an interface is not as it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The pod's namespace is gone or can't be entered.
    #[error(transparent)]
    NetNs(#[from] NetNsError),
    /// The kernel refused a change.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// A setting of the pod's namespace can't be changed.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// Checksum offload can't be turned off.
    #[error(transparent)]
    Offload(#[from] OffloadError),
    /// The pod has an interface of that name that is not ours.
    #[error(
        "the sandbox has an interface {if_name} already that is not ours; is a second main CNI plugin configured in \
         /etc/cni/net.d?"
    )]
    NameTaken {
        /// Its name.
        if_name: String,
    },
    /// Something is not as ADD left it.
    #[error("{what} of {if_name} is {found}, not {wanted}; delete the pod to have it wired again")]
    Differs {
        /// Interface in the pod.
        if_name: String,
        /// What of it.
        what: &'static str,
        /// As it is.
        found: String,
        /// As it should be.
        wanted: String,
    },
}

impl From<&AttachError> for Problem {
    fn from(error: &AttachError) -> Self {
        let code = match error {
            AttachError::NetNs(error) if error.is_not_found() => "CNI-SANDBOX-GONE",
            AttachError::NameTaken { .. } => "CNI-IFNAME-TAKEN",
            AttachError::Differs { .. } => "CNI-NOT-WIRED",
            _ => "CNI-LINK-FAILED",
        };
        Self::new(code, error.to_string())
    }
}

/// Makes the interface be as it should; of the routes that somebody asked for, those that the kernel took. After an error
/// nothing is left of an interface that was not there before.
pub async fn up(host: &Netlink, netns: &NetNs, nic: &PodNic) -> Result<Vec<Route>, AttachError> {
    sysctl::write_possible(netns, POD_SETTINGS)?;
    let pod = Netlink::new(netns)?;
    let fresh = !is_paired(host, &pod, nic).await?;
    if fresh {
        create(host, netns, nic).await?;
    }
    let done = configure(host, &pod, netns, nic, fresh).await;
    if done.is_err() && fresh {
        // The first error is the one to tell.
        let _ = host.delete_link(&nic.names.host).await;
    }
    done
}

/// Tells whoever is on the link which hardware address the pod's addresses have now: who had one of them before had another.
///
/// The kernel says so of each address (by ARP without a question, by an unsolicited neighbour advertisement) whenever the
/// hardware address is set, also to what it is, once it is told to; it stays told.
pub async fn announce(netns: &NetNs, nic: &PodNic) -> Result<(), AttachError> {
    let dev = &nic.if_name;
    let notify = |net: &IpNet| match net {
        IpNet::V4(_) => format!("net/ipv4/conf/{dev}/arp_notify"),
        IpNet::V6(_) => format!("net/ipv6/conf/{dev}/ndisc_notify"),
    };
    for key in nic.addresses.iter().map(notify) {
        sysctl::write(netns, &[(&key, "1")])?;
    }
    if !nic.addresses.is_empty() {
        Netlink::new(netns)?.set_mac(dev, nic.mac.bytes()).await?;
    }
    Ok(())
}

/// Removes the interface, both ends. One that is not there is fine, and one that is no veth was not made here.
pub async fn down(host: &Netlink, names: &NicNames) -> Result<(), NetlinkError> {
    host.delete_veth(&names.host).await
}

/// Is the interface as [`up`] leaves it? More addresses and routes than ours are none of our business, nor are routes that
/// the kernel was free to refuse.
pub async fn check(host: &Netlink, netns: &NetNs, nic: &PodNic) -> Result<(), AttachError> {
    let differs = |what, found: String, wanted: String| AttachError::Differs {
        if_name: nic.if_name.clone(),
        what,
        found,
        wanted,
    };
    let pod = Netlink::new(netns)?;
    if !is_paired(host, &pod, nic).await? {
        return Err(differs("the link", "missing".into(), format!("the peer of {}", nic.names.host)));
    }
    let link = pod.link(&nic.if_name).await?;
    let is_up = |link: &Option<Link>| link.as_ref().is_some_and(|link| link.up);
    // Before addresses and routes, of which a link that goes down takes some along.
    for (what, link) in
        [("the state", &link), ("the state of the node's end", &host.link(&nic.names.host).await?)]
    {
        if !is_up(link) {
            return Err(differs(what, "down".into(), "up".into()));
        }
    }
    let mac = link.map(|link| link.mac).unwrap_or_default();
    if mac != nic.mac.bytes() {
        return Err(differs("the hardware address", format!("{mac:02x?}"), nic.mac.to_string()));
    }
    let present = pod.addresses(&nic.if_name).await?;
    if let Some(wanted) = nic.addresses.iter().find(|wanted| !present.contains(wanted)) {
        return Err(differs("the address", format!("{present:?}"), wanted.to_string()));
    }
    let present = pod.routes(&nic.if_name).await?;
    // Others may give it a source or an MTU.
    let is_there = |wanted: &&Route| present.iter().any(|it| (it.dst, it.via) == (wanted.dst, wanted.via));
    match nic.defaults.iter().find(|wanted| !is_there(wanted)) {
        Some(wanted) => Err(differs("a route", "missing".into(), wanted.to_string())),
        None => Ok(()),
    }
}

/// Are both ends there, and one pair?
async fn is_paired(host: &Netlink, pod: &Netlink, nic: &PodNic) -> Result<bool, NetlinkError> {
    let inside = pod.link(&nic.if_name).await?.and_then(|link| link.alias);
    Ok(inside.as_deref() == Some(nic.names.container.as_str()) && host.link(&nic.names.host).await?.is_some())
}

async fn create(host: &Netlink, netns: &NetNs, nic: &PodNic) -> Result<(), AttachError> {
    // Half of an earlier try, or of a sandbox that died with its peer end elsewhere.
    host.delete_link(&nic.names.host).await?;
    let veth = Veth { name: &nic.names.host, peer: &nic.if_name, peer_ns: netns, mtu: nic.mtu };
    match host.add_veth(veth).await {
        Err(error) if error.is_exists() => Err(AttachError::NameTaken { if_name: nic.if_name.clone() }),
        done => Ok(done?),
    }
}

async fn configure(
    host: &Netlink,
    pod: &Netlink,
    netns: &NetNs,
    nic: &PodNic,
    fresh: bool,
) -> Result<Vec<Route>, AttachError> {
    let dev = nic.if_name.as_str();
    if nic.userspace {
        disable_offloads(netns, dev)?;
    }
    let mtu = Some(nic.mtu);
    host.set_link(&nic.names.host, LinkChange { mtu, up: true, ..LinkChange::default() }).await?;
    let (alias, mac) = (Some(nic.names.container.as_str()), Some(nic.mac.bytes()));
    pod.set_link(dev, LinkChange { alias, mac, mtu, up: true }).await?;
    pod.replace_addresses(dev, &nic.addresses).await?;
    if !fresh {
        let wanted: Vec<Route> = nic.defaults.iter().chain(&nic.extras).cloned().collect();
        pod.delete_other_routes(dev, &wanted).await?;
    }
    for route in &nic.defaults {
        pod.replace_route(route).await?;
    }
    let mut taken = Vec::new();
    for route in &nic.extras {
        match pod.replace_route(route).await {
            Ok(()) => taken.push(route.clone()),
            Err(error) => {
                tracing::warn!(%error, link = nic.names.host, "a route that was asked for is left out");
            }
        }
    }
    Ok(taken)
}
