//! The symbols of OVN's expression language as of 23.03 that a user's match may name.
//!
//! Left out on purpose are [`internal`] ones. Newer releases only add symbols, so this set is understood by all.

use self::{
    Kind::{Mac, Plain, Port, V4, V6},
    Level::{BooleanPredicate, ConditionalPredicate, Nominal, NominalPredicate, Ordinal},
};

/// Where a match is evaluated, which decides the ports it can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// An ACL on traffic from a port: `inport` only, the way out is not known yet.
    FromLport,
    /// An ACL on traffic to a port: `inport` and `outport`.
    ToLport,
    /// A routing policy: router ports by name; port groups hold ports of switches only.
    RouterPolicy,
}

/// What OVN lets one do with a symbol (ovn-sb(5), "Level of Measurement").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Bits can be told apart: all operators, subfields.
    Ordinal,
    /// Equality only, and only positively.
    Nominal,
    /// Shorthand for a test of nominal fields: only positively.
    NominalPredicate,
    /// Shorthand for a test that can also be negated.
    BooleanPredicate,
    /// Shorthand for a test of fields with prerequisites. OVN takes its negation too, but negates the nominal
    /// prerequisites with it: `!ip.is_frag` makes a flow that matches every packet, fragments and ARP included.
    ConditionalPredicate,
}

/// What constants make sense for a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A quoted name or a port group.
    Port,
    /// Any number that fits.
    Plain,
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
    /// An Ethernet address.
    Mac,
}

/// One symbol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol {
    pub(super) name: &'static str,
    /// Width; 0 for strings.
    pub(super) bits: u32,
    pub(super) level: Level,
    pub(super) kind: Kind,
    /// The condition that OVN adds wherever the symbol is tested; empty for none.
    pub(super) needs: &'static str,
}

/// Symbols that differ in nothing but the name: names, width, level, kind, prerequisite.
struct Row(&'static [&'static str], u32, Level, Kind, &'static str);

const TABLE: &[Row] = &[
    Row(&["inport", "outport"], 0, Nominal, Port, ""),
    Row(&["pkt.mark", "ct_mark", "ct_state"], 32, Ordinal, Plain, ""),
    Row(&["ct_label"], 128, Ordinal, Plain, ""),
    Row(&["ct.trk", "eth.mcast"], 1, Ordinal, Plain, ""),
    Row(
        &["ct.new", "ct.est", "ct.rel", "ct.rpl", "ct.inv", "ct.snat", "ct.dnat"],
        1,
        Ordinal,
        Plain,
        "ct.trk",
    ),
    Row(&["eth.src", "eth.dst"], 48, Ordinal, Mac, ""),
    Row(&["eth.type"], 16, Nominal, Plain, ""),
    Row(&["eth.bcast", "eth.mcastv6", "vlan.present"], 1, BooleanPredicate, Plain, ""),
    Row(&["vlan.vid"], 12, Ordinal, Plain, "vlan.present"),
    Row(&["vlan.pcp"], 3, Ordinal, Plain, "vlan.present"),
    Row(
        &["ip", "ip4", "ip6", "icmp", "icmp4", "icmp6", "igmp", "arp", "rarp"],
        1,
        NominalPredicate,
        Plain,
        "",
    ),
    Row(&["tcp", "udp", "sctp", "mldv1", "mldv2"], 1, NominalPredicate, Plain, ""),
    Row(&["nd", "nd_ns", "nd_na", "nd_rs", "nd_ra"], 1, NominalPredicate, Plain, ""),
    Row(&["ip.proto", "ip.ttl"], 8, Nominal, Plain, "ip"),
    Row(&["ip.dscp"], 6, Nominal, Plain, "ip"),
    Row(&["ip.ecn"], 2, Nominal, Plain, "ip"),
    Row(&["ip.frag"], 2, Ordinal, Plain, "ip"),
    Row(&["ip.is_frag", "ip.later_frag", "ip.first_frag"], 1, ConditionalPredicate, Plain, ""),
    Row(&["ip4.src", "ip4.dst"], 32, Ordinal, V4, "ip4"),
    Row(&["ip4.src_mcast", "ip4.mcast", "ip6.mcast", "ip6.mcast_rsvd"], 1, ConditionalPredicate, Plain, ""),
    Row(
        &["ip6.mcast_all_nodes", "ip6.mcast_all_rtrs", "ip6.mcast_sol_node", "ip6.mcast_flood"],
        1,
        ConditionalPredicate,
        Plain,
        "",
    ),
    Row(&["ip6.src", "ip6.dst"], 128, Ordinal, V6, "ip6"),
    Row(&["ip6.label"], 20, Ordinal, Plain, "ip6"),
    Row(&["icmp4.type", "icmp4.code"], 8, Nominal, Plain, "icmp4"),
    Row(&["icmp6.type", "icmp6.code"], 8, Nominal, Plain, "icmp6"),
    Row(&["tcp.src", "tcp.dst"], 16, Ordinal, Plain, "tcp"),
    Row(&["tcp.flags"], 12, Ordinal, Plain, "tcp"),
    Row(&["udp.src", "udp.dst"], 16, Ordinal, Plain, "udp"),
    Row(&["sctp.src", "sctp.dst"], 16, Ordinal, Plain, "sctp"),
    Row(&["arp.op"], 16, Nominal, Plain, "arp"),
    Row(&["arp.spa", "arp.tpa"], 32, Ordinal, V4, "arp"),
    Row(&["arp.sha", "arp.tha"], 48, Ordinal, Mac, "arp"),
    Row(&["rarp.op"], 16, Nominal, Plain, "rarp"),
    Row(&["rarp.spa", "rarp.tpa"], 32, Ordinal, V4, "rarp"),
    Row(&["rarp.sha", "rarp.tha"], 48, Ordinal, Mac, "rarp"),
    Row(&["nd.target"], 128, Ordinal, V6, "nd"),
    Row(&["nd.sll"], 48, Ordinal, Mac, "nd_ns"),
    Row(&["nd.tll"], 48, Ordinal, Mac, "nd_na"),
];

/// All symbols, in table order.
pub(super) fn all() -> impl Iterator<Item = Symbol> {
    TABLE.iter().flat_map(|&Row(names, bits, level, kind, needs)| {
        names.iter().map(move |&name| Symbol { name, bits, level, kind, needs })
    })
}

/// The symbol of that name.
pub(super) fn find(name: &str) -> Option<Symbol> {
    all().find(|symbol| symbol.name == name)
}

/// Is it a symbol of OVN that has no business in a rule?
///
/// * Registers, flags and parts of `ct_mark` and `ct_label` mean what the running northd makes of them.
/// * `vlan.tci == 3` (and any other test of all bits without "present") makes a flow that OVS refuses together with
///   all others of its bundle: ovn-controller then retries for ever, and the node gets no more changes.
/// * `icmp4.frag_mtu` and `icmp6.frag_mtu` are meant for actions: in a rule they crash ovn-controller on every node.
pub(super) fn internal(name: &str) -> bool {
    let register = ["reg", "xreg", "xxreg"].into_iter().any(|prefix| {
        name.strip_prefix(prefix).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    });
    register
        || ["flags", "vlan.tci", "icmp4.frag_mtu", "icmp6.frag_mtu"].contains(&name)
        || ["flags.", "ct_mark.", "ct_label."].into_iter().any(|prefix| name.starts_with(prefix))
}
