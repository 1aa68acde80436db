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
