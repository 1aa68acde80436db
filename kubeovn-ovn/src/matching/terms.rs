//! The terms that Kube-OVN's rules are made of.

use std::{
    fmt::{self, Write as _},
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;
use kubeovn_core::addr::{Cidr, Family};

use super::build::{Match, SetName};

/// One end of a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Where it comes from.
    Src,
    /// Where it goes to.
    Dst,
}

/// An address or a prefix, written as it was given: `10.0.0.1` and `10.0.0.1/32` are the same packets, but two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// One address, without a prefix length.
    Ip(IpAddr),
    /// A prefix. Host bits are kept in the text; OVN ignores them.
    Net(IpNet),
}

impl Address {
    /// The family, which decides between `ip4` and `ip6`.
    pub fn family(self) -> Family {
        match self {
            Address::Ip(ip) => Family::of(ip),
            Address::Net(net) => Family::of(net.addr()),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Address::Ip(ip)
    }
}

impl From<IpNet> for Address {
    fn from(net: IpNet) -> Self {
        Address::Net(net)
    }
}

impl From<Cidr> for Address {
    fn from(cidr: Cidr) -> Self {
        Address::Net(cidr.net())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(ip) => ip.fmt(f),
            Address::Net(net) => net.fmt(f),
        }
    }
}

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum L4 {
    Tcp,
    Udp,
    Sctp,
}

impl Side {
    /// `ip4.src == 10.0.0.0/8`
    pub fn is(self, address: impl Into<Address>) -> Match {
        let address = address.into();
        Match::term(format!("{} == {address}", self.field(address.family())))
    }

    /// `ip4.src == $set`
    pub fn in_set(self, family: Family, set: &SetName) -> Match {
        Match::term(format!("{} == ${set}", self.field(family)))
    }

    /// `ip4.src != $set`: packets of this family only.
    pub fn not_in_set(self, family: Family, set: &SetName) -> Match {
        Match::term(format!("{} != ${set}", self.field(family)))
    }

    /// `ip4.src != {10.1.0.0/16, 10.2.0.0/16}`: packets of this family only. Prefixes of the other family are left
    /// out, as they can't be met; `None` when none is left.
    pub fn none_of(self, family: Family, nets: impl IntoIterator<Item = IpNet>) -> Option<Match> {
        let nets = nets.into_iter().filter(|net| Family::of(net.addr()) == family);
        let list = set_of(nets)?;
        Some(Match::term(format!("{} != {list}", self.field(family))))
    }

    fn field(self, family: Family) -> &'static str {
        match (family, self) {
            (Family::V4, Side::Src) => "ip4.src",
            (Family::V4, Side::Dst) => "ip4.dst",
            (Family::V6, Side::Src) => "ip6.src",
            (Family::V6, Side::Dst) => "ip6.dst",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Src => "src",
            Side::Dst => "dst",
        })
    }
}

impl L4 {
    /// `tcp`
    pub fn any(self) -> Match {
        Match::term(self.to_string())
    }

    /// `tcp.dst == 80`
    pub fn port(self, side: Side, port: u16) -> Match {
        Match::term(format!("{self}.{side} == {port}"))
    }

    /// `8000 <= tcp.dst <= 8080`, also when both ends are the same; `None` when they are the wrong way round.
    pub fn ports(self, side: Side, first: u16, last: u16) -> Option<Match> {
        (first <= last).then(|| Match::term(format!("{first} <= {self}.{side} <= {last}")))
    }
}

impl fmt::Display for L4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            L4::Tcp => "tcp",
            L4::Udp => "udp",
            L4::Sctp => "sctp",
        })
    }
}

impl Match {
    /// `inport == "name"`
    pub fn inport(name: &str) -> Match {
        Match::term(format!("inport == {}", quoted(name)))
    }

    /// `outport == "name"`: not in from-lport ACLs, where the way out is not known yet.
    pub fn outport(name: &str) -> Match {
        Match::term(format!("outport == {}", quoted(name)))
    }

    /// `inport == @group`
    pub fn inport_group(group: &SetName) -> Match {
        Match::term(format!("inport == @{group}"))
    }

    /// `outport == @group`: not in from-lport ACLs, where the way out is not known yet.
    pub fn outport_group(group: &SetName) -> Match {
        Match::term(format!("outport == @{group}"))
    }

    /// `ip4.src == 10.0.0.0/8`
    pub fn src(address: impl Into<Address>) -> Match {
        Side::Src.is(address)
    }

    /// `ip4.dst == 10.0.0.0/8`
    pub fn dst(address: impl Into<Address>) -> Match {
        Side::Dst.is(address)
    }

    /// `ip4.src == $set`
    pub fn src_set(family: Family, set: &SetName) -> Match {
        Side::Src.in_set(family, set)
    }

    /// `ip4.dst == $set`
    pub fn dst_set(family: Family, set: &SetName) -> Match {
        Side::Dst.in_set(family, set)
    }

    /// `ip`: IPv4 and IPv6.
    pub fn ip() -> Match {
        Match::term("ip".to_owned())
    }

    /// `ip4`
    pub fn ip4() -> Match {
        Match::family(Family::V4)
    }

    /// `ip6`
    pub fn ip6() -> Match {
        Match::family(Family::V6)
    }

    /// `ip4` or `ip6`
    pub fn family(family: Family) -> Match {
        Match::term(if family == Family::V4 { "ip4" } else { "ip6" }.to_owned())
    }

    /// `icmp4`
    pub fn icmp4() -> Match {
        Match::icmp(Family::V4)
    }

    /// `icmp6`, neighbour discovery included.
    pub fn icmp6() -> Match {
        Match::icmp(Family::V6)
    }

    /// `icmp4` or `icmp6`
    pub fn icmp(family: Family) -> Match {
        Match::term(if family == Family::V4 { "icmp4" } else { "icmp6" }.to_owned())
    }

    /// `arp`
    pub fn arp() -> Match {
        Match::term("arp".to_owned())
    }

    /// `arp.op == 1 && arp.tpa == 10.0.0.1`: who has this address?
    pub fn arp_request(target: Ipv4Addr) -> Match {
        Match::term("arp.op == 1".to_owned()).and(Match::term(format!("arp.tpa == {target}")))
    }

    /// `icmp6.type == {135, 136} && icmp6.code == 0 && ip.ttl == 255`: ICMPv6 that no router has forwarded;
    /// `None` without types.
    pub fn icmp6_on_link(types: impl IntoIterator<Item = u8>) -> Option<Match> {
        let types = set_of(types)?;
        let terms =
            [format!("icmp6.type == {types}"), "icmp6.code == 0".to_owned(), "ip.ttl == 255".to_owned()];
        Match::all_of(terms.map(Match::term))
    }

    /// `ip.proto == 112`
    pub fn ip_proto(number: u8) -> Match {
        Match::term(format!("ip.proto == {number}"))
    }
}

/// `{a, b}`
fn set_of(items: impl IntoIterator<Item = impl fmt::Display>) -> Option<String> {
    let list = items.into_iter().map(|item| item.to_string()).reduce(|list, item| list + ", " + &item)?;
    Some(format!("{{{list}}}"))
}

/// A string as OVN reads it, which is JSON's way.
fn quoted(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    text.push('"');
    for c in name.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            // no row can hold it, so no port is named so: neither may the match name another one
            '\0' => text.push(char::REPLACEMENT_CHARACTER),
            // writing to a string can't fail
            c if c < ' ' => _ = write!(text, "\\u{:04x}", u32::from(c)),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
