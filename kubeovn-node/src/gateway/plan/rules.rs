//! The language in which a plan says what a packet filter does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kubeovn_core::addr::{Cidr, Family};

/// What the packet filter does with the packets of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The family.
    pub family: Family,
    /// Prefixes by name. None of a set lies within another.
    pub sets: BTreeMap<Set, BTreeSet<Cidr>>,
    /// Prefixes that leave with an address of their own.
    pub snat: BTreeMap<Cidr, IpAddr>,
    /// Prefixes with exceptions from masquerading.
    pub policies: BTreeMap<Cidr, PolicyJump>,
    /// Prefixes whose packets are counted, and the subnets that they are of.
    pub counted: BTreeMap<Cidr, String>,
    /// Ports of services that keep their client's address, where kube-proxy has a set of them.
    pub local_ports: BTreeMap<Protocol, BTreeSet<u16>>,
    /// The chains, and the rules of each in order.
    pub chains: BTreeMap<Chain, Vec<Rule>>,
    /// `None`: this is all there should be. Else there may be other subnets, of which nothing is known: what there is of prefixes
    /// that overlap none of these stays, with the exceptions that it refers to.
    pub known: Option<Vec<Cidr>>,
}

impl Rules {
    /// Nothing, for a family.
    pub fn new(family: Family) -> Self {
        Rules {
            family,
            sets: BTreeMap::new(),
            snat: BTreeMap::new(),
            policies: BTreeMap::new(),
            counted: BTreeMap::new(),
            local_ports: BTreeMap::new(),
            chains: BTreeMap::new(),
            known: None,
        }
    }
}

/// The exceptions of one subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyJump {
    /// The subnet.
    pub subnet: String,
    /// What its chain is called after: the end of its uid.
    pub id: String,
}

/// A set of prefixes, by what it is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    /// Ranges of services.
    Services,
    /// Subnets whose packets pass the host.
    Subnets,
    /// Those that are masqueraded.
    Nat,
    /// Those of them with exceptions.
    NatPolicy,
    /// Subnets that leave by the pod's own node.
    Distributed,
    /// Other nodes.
    OtherNodes,
    /// Sources of an exception, by its id.
    RuleSrc(String),
    /// Destinations of an exception, by its id.
    RuleDst(String),
}

/// A chain: where packets are asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chain {
    /// First packet of a connection, before its route is looked up, and before services are translated.
    Prerouting,
    /// First packet of a connection, before it leaves.
    Postrouting,
    /// Where a packet gets the node's address.
    Masquerade,
    /// Exceptions from masquerading.
    NatPolicy,
    /// Those of one subnet, by the end of its uid.
    NatPolicyOf(String),
    /// Every packet for the host.
    Input,
    /// Every packet that passes the host.
    Forward,
    /// Every packet from the host.
    Output,
    /// Every packet that leaves, before the first one of a connection is translated.
    Guard,
}

/// A rule: all matches must be so, then the action is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What must be so.
    pub matches: Vec<Match>,
    /// What becomes of the packet.
    pub action: Action,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Bits of a packet's mark. They are tested and set together; other bits are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(pub u32);

impl Mark {
    /// To be masqueraded: kube-proxy's own mark.
    pub const MASQUERADE: Mark = Mark(0x4000);
    /// To a node port of a service that keeps its client's address.
    pub const LOCAL_PORT: Mark = Mark(0x80000);
    /// An exception says: masquerade. Shares a bit with `LOCAL_PORT`, which therefore is asked for before.
    pub const NAT: Mark = Mark(0x90001);
    /// An exception says: do not.
    pub const FORWARD: Mark = Mark(0x90002);
}

/// Something that must be so about a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// It came in by this link.
    From(String),
    /// Its source is in the set.
    Src(Set),
    /// Its source is not.
    NotSrc(Set),
    /// Its destination is in the set.
    Dst(Set),
    /// Its destination is not.
    NotDst(Set),
    /// Its source is in one of the prefixes that leave with an address of their own.
    SrcSnat,
    /// Its destination is a service. With IPVS, iptables can ask kube-proxy's own set of addresses and ports.
    Service {
        /// kube-proxy has that set.
        ipvs: bool,
    },
    /// These bits of its mark are set.
    Marked(Mark),
    /// Not all of them are.
    NotMarked(Mark),
    /// Its protocol.
    Is(Protocol),
    /// It is UDP to this port.
    UdpTo(u16),
    /// It is TCP without SYN.
    NoSyn,
    /// It is TCP with RST.
    Rst,
    /// It opens a connection.
    New,
    /// It belongs to no connection that there could be.
    Invalid,
    /// Its destination is an address of the host.
    ToHost,
    /// Its destination is a port of a service that keeps its client's address.
    ToLocalPort(Protocol),
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is let through.
    Accept,
    /// It is dropped.
    Drop,
    /// Its sender is told that nobody is there.
    Reject,
    /// The chain that sent it here goes on.
    Return,
    /// It is looked at by another chain.
    Jump(Chain),
    /// It is looked at by the chain of its subnet's exceptions.
    JumpByPolicy,
    /// Bits of its mark are set, the chain goes on.
    Mark(Mark),
    /// Bits of its mark are set, the chain that sent it here goes on.
    MarkAndReturn(Mark),
    /// Its mark is cleared, the chain goes on.
    Unmark,
    /// It gets the address of the link that it leaves by, and any free port.
    Masquerade,
    /// It gets this address, and any free port.
    Snat(IpAddr),
    /// It gets the address that its prefix leaves with, and any free port.
    SnatByPrefix,
    /// It is counted for the subnet that it comes from, the chain goes on.
    CountSrc,
    /// It is counted for the subnet that it goes to, the chain goes on.
    CountDst,
}
