//! Which tables and columns of Northbound are used, and how each is written.
//!
//! Only what is listed here is asked of a server, so an older or newer OVN is fine as long as it has these columns;
//! one that it lacks is left out ([`crate::ovsdb::replica::Replica::columns`]), and told of ([`crate::capability`]).
//!
//! A key of a shared map is declared when a feature renders it, not before: declared keys that nobody wants are taken
//! out of our rows, and until then they are those of others, who may have set them in rows that we adopted.
//!
//! Columns that refer to rows are `Refs`, also optional ones: a reference is never part of a plain value.

mod shape;
#[cfg(test)]
mod tests;

use kubeovn_core::rows::{
    Column,
    ColumnKind::{self, Born, Elements, Implied, Keys, Refs, Seen, Value},
    EXTERNAL_IDS, KEY_OWNER, KEY_ROW, KEY_VENDOR, Schema, Table,
};

pub(crate) use shape::column_of;
pub use shape::server_schema;

/// Table of the one row about the whole database: tokens and settings.
pub const NB_GLOBAL: &str = "NB_Global";
/// Table of routers.
pub const LOGICAL_ROUTER: &str = "Logical_Router";
/// Table of router ports.
pub const LOGICAL_ROUTER_PORT: &str = "Logical_Router_Port";
/// Table of routing policies.
pub const LOGICAL_ROUTER_POLICY: &str = "Logical_Router_Policy";
/// Table of static routes.
pub const LOGICAL_ROUTER_STATIC_ROUTE: &str = "Logical_Router_Static_Route";
/// Table of switches.
pub const LOGICAL_SWITCH: &str = "Logical_Switch";
/// Table of switch ports.
pub const LOGICAL_SWITCH_PORT: &str = "Logical_Switch_Port";
/// Table of watched next hops.
pub const BFD: &str = "BFD";
/// Table of what DHCP requests are answered.
pub const DHCP_OPTIONS: &str = "DHCP_Options";
/// Table of access rules.
pub const ACL: &str = "ACL";
/// Tier of most access rules: below what administrators say, above what they leave to be said. Never 0, Kube-OVN moves
/// those here.
pub const TIER: i64 = 2;
/// Table of named sets of addresses.
pub const ADDRESS_SET: &str = "Address_Set";
/// Table of groups of switch ports.
pub const PORT_GROUP: &str = "Port_Group";

/// What is used of the database `OVN_Northbound`.
pub static NORTHBOUND: Schema = Schema {
    database: "OVN_Northbound",
    adopt: crate::render::recognise,
    tables: &[
        Table {
            name: NB_GLOBAL,
            root: true,
            natural: None,
            columns: &[seen("name"), seen("options"), seen(EXTERNAL_IDS)],
        },
        Table {
            name: LOGICAL_ROUTER,
            root: true,
            natural: Some("name"),
            columns: &[
                value("name"),
                strong("ports", LOGICAL_ROUTER_PORT),
                strong("static_routes", LOGICAL_ROUTER_STATIC_ROUTE),
                strong("policies", LOGICAL_ROUTER_POLICY),
                column("options", Keys(ROUTER_OPTIONS)),
                column(EXTERNAL_IDS, Keys(&[KEY_VENDOR, KEY_OWNER, KEY_ROW])),
            ],
        },
        Table {
            name: LOGICAL_ROUTER_PORT,
            root: false,
            natural: Some("name"),
            columns: &[
                value("name"),
                // Every pod behind it has learned it: a port that Kube-OVN made keeps the one that it drew.
                column("mac", Born),
                value("networks"),
                value("peer"),
                value("ipv6_prefix"),
                column("ipv6_ra_configs", Elements),
                column("options", Keys(&["route_table"])),
                column(EXTERNAL_IDS, Keys(&[KEY_VENDOR, KEY_OWNER, KEY_ROW, "lr"])),
            ],
        },
        Table {
            name: LOGICAL_ROUTER_POLICY,
            root: false,
            natural: None,
            columns: &[
                value("priority"),
                value("match"),
                value("action"),
                value("nexthops"),
                column(
                    EXTERNAL_IDS,
                    Keys(&[KEY_VENDOR, KEY_OWNER, KEY_ROW, "address-family", "node", "subnet"]),
                ),
            ],
        },
        Table {
            name: LOGICAL_ROUTER_STATIC_ROUTE,
            root: false,
            natural: None,
            columns: &[
                value("route_table"),
                value("ip_prefix"),
                value("policy"),
                value("nexthop"),
                seen("options"),
                column("bfd", Refs { table: BFD, strong: false }),
                column(EXTERNAL_IDS, Keys(&[KEY_VENDOR, KEY_OWNER, KEY_ROW])),
            ],
        },
        // Only to be referred to: whose next hop is watched is not ours to route.
        Table { name: BFD, root: true, natural: None, columns: &[seen("logical_port"), seen("dst_ip")] },
        Table {
            name: LOGICAL_SWITCH,
            root: true,
            natural: Some("name"),
            columns: &[
                value("name"),
                strong("ports", LOGICAL_SWITCH_PORT),
                strong("acls", ACL),
                column(EXTERNAL_IDS, Keys(&[KEY_VENDOR, KEY_OWNER, KEY_ROW])),
            ],
        },
        Table {
            name: LOGICAL_SWITCH_PORT,
            root: false,
            natural: Some("name"),
            columns: &[
                value("name"),
                value("type"),
                value("addresses"),
                value("port_security"),
                value("enabled"),
                column("dhcpv4_options", Refs { table: DHCP_OPTIONS, strong: false }),
                column("dhcpv6_options", Refs { table: DHCP_OPTIONS, strong: false }),
                column("options", Keys(&["router-port", "requested-chassis", "activation-strategy"])),
                column(EXTERNAL_IDS, Keys(SWITCH_PORT_IDS)),
            ],
        },
        Table {
            name: DHCP_OPTIONS,
            root: true,
            natural: None,
            columns: &[
                value("cidr"),
                column("options", Elements),
                column(EXTERNAL_IDS, Keys(&[KEY_VENDOR, KEY_OWNER, KEY_ROW, "ls", "port", "protocol"])),
            ],
        },
        Table {
            name: ACL,
            root: false,
            natural: None,
            columns: &[
                value("name"),
                value("priority"),
                // Where there are no tiers, all rules are in the one of most.
                column("tier", Implied(TIER)),
                value("direction"),
                value("match"),
                value("action"),
                value("log"),
                value("severity"),
                column(EXTERNAL_IDS, Keys(&[KEY_VENDOR, KEY_OWNER, KEY_ROW, "parent", "subnet"])),
            ],
        },
        Table {
            name: ADDRESS_SET,
            root: true,
            natural: Some("name"),
            columns: &[
                value("name"),
                column("addresses", Elements),
                column(EXTERNAL_IDS, Keys(&[KEY_VENDOR, KEY_OWNER, KEY_ROW])),
            ],
        },
        Table {
            name: PORT_GROUP,
            root: true,
            natural: Some("name"),
            columns: &[
                value("name"),
                column("ports", Refs { table: LOGICAL_SWITCH_PORT, strong: false }),
                strong("acls", ACL),
                column(EXTERNAL_IDS, Keys(&[KEY_VENDOR, KEY_OWNER, KEY_ROW, "node", "np", "subnet"])),
            ],
        },
    ],
};

const ROUTER_OPTIONS: &[&str] =
    &["always_learn_from_arp_request", "dynamic_neigh_routers", "mac_binding_age_threshold"];
/// Kube-OVN's keys, by which users and tools find ports, and ours: `uid`, `space` and `nic` are what addresses are
/// recovered from after a restart.
const SWITCH_PORT_IDS: &[&str] =
    &[KEY_VENDOR, KEY_OWNER, KEY_ROW, "attach-vips", "ls", "nic", "node", "pod", "space", "uid", "vips"];

const fn column(name: &'static str, kind: ColumnKind) -> Column {
    Column { name, kind }
}

const fn value(name: &'static str) -> Column {
    column(name, Value)
}

const fn seen(name: &'static str) -> Column {
    column(name, Seen)
}

const fn strong(name: &'static str, table: &'static str) -> Column {
    column(name, Refs { table, strong: true })
}
