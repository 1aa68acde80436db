//! What newer servers can do and older ones can't, by name.

use super::Release;

/// What a feature needs of a server's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// A table.
    Table(&'static str),
    /// A column of a table.
    Column(&'static str, &'static str),
    /// A value that a column must allow.
    Choice(&'static str, &'static str, &'static str),
    /// A column that may be empty.
    Empty(&'static str, &'static str),
    /// Something that no schema tells of.
    Trying,
}

macro_rules! features {
    ($($(#[$doc:meta])* $feature:ident: $name:literal, $since:expr, $needs:expr;)*) => {
        /// Something that a newer server can do and an older one can't.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Feature { $($(#[$doc])* $feature,)* }

        impl Feature {
            /// All of them, the oldest first.
            pub const ALL: &[Feature] = &[$(Feature::$feature,)*];

            /// What it is, in words that fit behind "for".
            pub fn name(self) -> &'static str {
                match self { $(Feature::$feature => $name,)* }
            }

            /// The OVN release that brought it; `None` where it does not depend on OVN.
            pub fn since(self) -> Option<Release> {
                match self { $(Feature::$feature => $since,)* }
            }

            /// By what it is recognised.
            pub fn needs(self) -> Needs {
                match self { $(Feature::$feature => $needs,)* }
            }
        }
    };
}

const fn ovn(year: u8, month: u8) -> Release {
    Release::new(year, month)
}

features! {
    /// UUIDs of new rows that the client gives: ovsdb-server since OVS 2.13, whatever the schema.
    GivenUuid: "UUIDs of our own", None, Needs::Trying;
    /// NAT on one of several distributed gateway ports.
    NatGatewayPort: "NAT on a chosen gateway port", Some(ovn(22, 6)), Needs::Column("NAT", "gateway_port");
    /// MAC addresses that a router need not ask for.
    StaticMacBindings: "static MAC bindings", Some(ovn(22, 6)), Needs::Table("Static_MAC_Binding");
    /// Mirrored ports.
    Mirrors: "mirrored ports", Some(ovn(22, 12)), Needs::Table("Mirror");
    /// Variables in load balancers and rules that every chassis fills in for itself.
    TemplateVars: "template variables", Some(ovn(22, 12)), Needs::Table("Chassis_Template_Var");
    /// Access rules in tiers.
    AclTier: "tiers of access rules", Some(ovn(23, 6)), Needs::Column("ACL", "tier");
    /// Access rules that hand over to the next tier.
    AclPass: "access rules that pass to the next tier", Some(ovn(23, 6)), Needs::Choice("ACL", "action", "pass");
    /// Next hops of routing policies that are watched by BFD.
    PolicyBfdSessions: "BFD of policy next hops", Some(ovn(24, 3)), Needs::Column("Logical_Router_Policy", "bfd_sessions");
    /// DHCP requests relayed to servers outside.
    DhcpRelay: "DHCP relays", Some(ovn(24, 9)), Needs::Table("DHCP_Relay");
    /// NAT rules with a condition and a priority.
    NatMatch: "conditional NAT", Some(ovn(24, 9)), Needs::Column("NAT", "match");
    /// Packets sampled by access rules.
    AclSample: "sampling by access rules", Some(ovn(24, 9)), Needs::Column("ACL", "sample_new");
    /// Which fields choose among the next hops of a route.
    RouteSelectionFields: "hash fields of routes", Some(ovn(25, 3)), Needs::Column("Logical_Router_Static_Route", "selection_fields");
    /// Routing policies in chains.
    PolicyChains: "chains of policies", Some(ovn(25, 3)), Needs::Choice("Logical_Router_Policy", "action", "jump");
    /// Switches that are connected without a router.
    SwitchPeers: "switches connected to switches", Some(ovn(25, 3)), Needs::Column("Logical_Switch_Port", "peer");
    /// Router ports without a network of their own.
    BareRouterPorts: "router ports without networks", Some(ovn(25, 3)), Needs::Empty("Logical_Router_Port", "networks");
    /// Mirrors into a port of the overlay, and rules of what is mirrored.
    MirrorRules: "mirrors with rules", Some(ovn(25, 9)), Needs::Table("Mirror_Rule");
}
