//! What a subnet cannot be, as rules for an API server.

use serde_json::Value;

use super::super::rules::{self, rules};

/// Prefixes that no subnet may touch: not routable, or with a meaning of their own.
const RESERVED: [&str; 9] = [
    "255.255.255.255/32",
    "224.0.0.0/4",
    "127.0.0.0/8",
    "0.0.0.0/32",
    "169.254.0.0/16",
    "::/128",
    "::1/128",
    "ff00::/8",
    "fe80::/10",
];

/// Rules about cidrBlock alone.
pub(super) fn cidr_block() -> Value {
    rules![
        rules::cidrs() => rules::CIDRS,
        rules::LOWER => rules::LOWER_MESSAGE,
        both("self", |cidr| format!("!isCIDR({cidr}) || cidr({cidr}).prefixLength() < {}", bits(cidr))) =>
            "a subnet has more than one address: write a shorter prefix than /32 or /128",
        both("self", apart) => "the CIDR must not touch one that has a meaning of its own, such as 127.0.0.0/8, \
            169.254.0.0/16, 224.0.0.0/4, fe80::/10 or ff00::/8: choose another one",
    ]
}

/// Rules about addresses that are one, or one per family.
pub(super) fn addresses() -> Value {
    rules![rules::addresses() => rules::ADDRESSES, rules::LOWER => rules::LOWER_MESSAGE]
}

/// Rules about a subnet's spec as a whole.
pub(super) fn spec() -> Value {
    rules![
        format!("{} || {}", rules::given("cidrBlock"), rules::given("vlan")) =>
            "set cidrBlock; only an underlay, where vlan is set, can do without",
        // The controller would have to take from pods what they have, or give them what they were started without.
        "(has(self.cidrBlock) && self.cidrBlock != '') == (has(oldSelf.cidrBlock) && oldSelf.cidrBlock != '')" =>
            "a subnet cannot get its first CIDR later, nor lose it: delete the subnet and create it anew",
        inside("gateway") => "set gateway to addresses in cidrBlock",
        inside("u2oInterconnectionIP") => "set u2oInterconnectionIP to addresses in cidrBlock",
        format!(
            "!(has(self.natOutgoing) && self.natOutgoing) || !({})",
            rules::given("externalEgressGateway")
        ) => "use either natOutgoing or externalEgressGateway",
        "!(has(self.logicalGateway) && self.logicalGateway) || !(has(self.u2oInterconnection) && \
         self.u2oInterconnection)" => "use either logicalGateway or u2oInterconnection",
        "!has(self.mtu) || self.mtu == 0 || self.mtu >= 1280 || !has(self.cidrBlock) || !self.cidrBlock.contains(':')" =>
            "IPv6 needs an mtu of 1280 or more: set that, or leave it out",
    ]
}

/// So many exceptions from natOutgoing there may be, and so long their lists may be: a server must be able to walk them.
pub(super) const NAT_RULES: u32 = 64;
pub(super) const NAT_LIST: u32 = 4096;

/// Addresses and CIDRs of one family with commas between, by their looks: taken apart, a list is too dear for a server.
/// The controller tells what looks like an address and is none.
pub(super) fn nat_list() -> Value {
    let list = |item: &str| format!("^ *{item} *(, *{item} *)*$");
    let v4 = list("[0-9]{1,3}([.][0-9]{1,3}){3}(/[0-9]{1,2})?");
    let v6 = list("[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(/[0-9]{1,3})?");
    rules![
        format!("self == '' || self.matches('{v4}') || self.matches('{v6}')") =>
            "write addresses and CIDRs of one family with commas between, such as 10.0.0.9,10.1.0.0/16"
    ]
}

/// A rule about packets from one family to the other is about none.
pub(super) fn nat_match() -> Value {
    let given = |field| rules::given(field);
    rules![
        format!(
            "!({}) || !({}) || self.srcIPs.contains(':') == self.dstIPs.contains(':')",
            given("srcIPs"),
            given("dstIPs")
        ) => "write srcIPs and dstIPs of the same family"
    ]
}

/// What holds for both parts of a pair.
fn both(text: &str, holds: impl Fn(&str) -> String) -> String {
    format!("({}) && ({})", holds(&rules::first(text)), holds(&rules::rest(text)))
}

/// How long a prefix of one address is.
fn bits(cidr: &str) -> String {
    format!("(cidr({cidr}).ip().family() == 4 ? 32 : 128)")
}

/// A CIDR that touches no reserved one.
fn apart(cidr: &str) -> String {
    let apart = RESERVED.map(|reserved| {
        format!("cidr('{reserved}').containsCIDR({cidr}) || cidr({cidr}).containsCIDR('{reserved}')")
    });
    format!("!isCIDR({cidr}) || !({})", apart.join(" || "))
}

/// Addresses, one or one per family, are in cidrBlock. What is malformed is told by the rules of the field itself.
fn inside(field: &str) -> String {
    let (cidr, address) = ("self.cidrBlock", format!("self.{field}"));
    let (one, other) = (rules::first(cidr), rules::rest(cidr));
    let inside = both(&address, |address| {
        format!(
            "!isIP({address}) || cidr({one}).containsIP({address}) || cidr({other}).containsIP({address})"
        )
    });
    format!(
        "!has({address}) || {address} == '' || !has({cidr}) || !isCIDR({one}) || !isCIDR({other}) || {inside}"
    )
}
