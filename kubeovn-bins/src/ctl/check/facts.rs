//! What there is on a node, and what is asked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kubeovn_core::addr::Cidr;
use kubeovn_core::index::NetworkType;
use kubeovn_node::netlink::Route;
use kubeovn_node::tunnel::Interface;

/// What an installation asks of the node.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// Prefixes of pods.
    pub(super) pods: Vec<Cidr>,
    /// Those that connect nodes.
    pub(super) join: Vec<Cidr>,
    /// Those of Services.
    pub(super) services: Vec<Cidr>,
    /// The interface of tunnels, as the daemon's flag has it; empty: the one that the default route leaves by.
    pub(super) iface: String,
    /// MTU of pods; 0: what the interface leaves.
    pub(super) mtu: u32,
    /// What tunnels are made of.
    pub(super) network: NetworkType,
    /// The file by which container runtimes find us.
    pub(super) conf_name: String,
    /// Under which name the cluster knows this node.
    pub(super) node: String,
}

impl Wish {
    /// All prefixes, each with the option that names it.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = (&'static str, Cidr)> {
        let all =
            [("--pod-cidr", &self.pods), ("--join-cidr", &self.join), ("--service-cidr", &self.services)];
        all.into_iter().flat_map(|(option, list)| list.iter().map(move |cidr| (option, *cidr)))
    }
}

/// What came of trying something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// It works.
    Works,
    /// The kernel refused, in these words.
    Refused(String),
    /// It could not be tried.
    Untried(String),
}

/// Where a module of the kernel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Module {
    /// In the kernel.
    Loaded,
    /// Among the files of this kernel: it comes when it is needed.
    Available,
    /// Nowhere.
    Absent,
    /// There is no list of modules for this kernel.
    Unknown(String),
}

/// A kernel setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// Its value; `None` where the kernel has no such setting.
    pub(super) value: Option<String>,
    /// Whether it may be set from here.
    pub(super) writable: bool,
}

/// TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    pub(super) fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        }
    }
}

/// Who has a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    /// A process: its name and id.
    Process(String, u32),
    /// No process that is seen from here: the kernel, for a tunnel, or one of another container.
    Unseen,
}

/// A configuration of a container network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conf {
    /// The file's name.
    pub(super) file: String,
    /// The first plugin that it names, or what is wrong with it.
    pub(super) plugin: String,
}

/// What the cluster says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cluster {
    /// How far the server's clock is before ours, in milliseconds; `None` if it does not say.
    pub(super) ahead: Option<i64>,
    /// Its nodes, by name.
    pub(super) nodes: BTreeMap<String, Member>,
}

/// A node, as the cluster knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) machine: String,
    pub(super) system: String,
    pub(super) addresses: Vec<IpAddr>,
}

/// What there is on the node.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// The kernel's release.
    pub(super) kernel: String,
    pub(super) openvswitch: Module,
    /// Whether `/dev/net/tun` is there.
    pub(super) tun: bool,
    pub(super) veth: Tried,
    /// A tunnel of the kind that is asked for.
    pub(super) tunnel: Tried,
    pub(super) nft: Tried,
    pub(super) ipset: Tried,
    pub(super) iptables: Tried,
    /// By path below `/proc/sys`.
    pub(super) settings: BTreeMap<String, Setting>,
    /// What programs say that they are; `None` where they are not installed.
    pub(super) programs: BTreeMap<&'static str, Option<String>>,
    /// Ports that somebody listens on, of those that are looked at.
    pub(super) ports: BTreeMap<(Protocol, u16), BTreeSet<Holder>>,
    /// All links.
    pub(super) links: BTreeSet<String>,
    /// Links that are Linux bridges.
    pub(super) bridges: BTreeSet<String>,
    pub(super) interfaces: Vec<Interface>,
    pub(super) routes: Vec<Route>,
    /// The files of the folder of networks, by name; or why it can't be read.
    pub(super) confs: Result<Vec<Conf>, String>,
    /// Chains on the way of forwarded packets that drop what they have no rule for.
    pub(super) drops: Vec<String>,
    /// What could not be looked at, and why.
    pub(super) unknown: Vec<(&'static str, String)>,
    pub(super) cluster: Option<Cluster>,
}
