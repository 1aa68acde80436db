//! What is used of the database of the virtual switch on a node.

use kubeovn_core::rows::{ColumnKind::Keys, EXTERNAL_IDS, KEY_OWNER, KEY_ROW, KEY_VENDOR, Schema, Table};

use super::{column, seen, strong, value};

/// Table of the one row about the whole switch.
pub const OPEN_VSWITCH: &str = "Open_vSwitch";
/// Table of bridges.
pub const BRIDGE: &str = "Bridge";
/// Table of ports of bridges.
pub const PORT: &str = "Port";
/// Table of the interfaces of ports.
pub const INTERFACE: &str = "Interface";

/// What is used of the database `Open_vSwitch`.
///
/// `ovn-installed` in an interface's `external_ids` is written by ovn-controller: it can be read, but is not ours.
pub static VSWITCH: Schema = Schema {
    database: "Open_vSwitch",
    tables: &[
        Table {
            name: OPEN_VSWITCH,
            root: true,
            natural: None,
            columns: &[
                strong("bridges", BRIDGE),
                seen("ovs_version"),
                seen("other_config"),
                seen(EXTERNAL_IDS),
            ],
        },
        Table {
            name: BRIDGE,
            root: false,
            natural: Some("name"),
            columns: &[
                value("name"),
                seen("datapath_type"),
                strong("ports", PORT),
                column(EXTERNAL_IDS, Keys(&[KEY_VENDOR, KEY_OWNER, KEY_ROW])),
            ],
        },
        Table {
            name: PORT,
            root: false,
            natural: Some("name"),
            columns: &[
                value("name"),
                value("tag"),
                strong("interfaces", INTERFACE),
                column(EXTERNAL_IDS, Keys(&[KEY_VENDOR, KEY_OWNER, KEY_ROW])),
            ],
        },
        Table {
            name: INTERFACE,
            root: false,
            natural: Some("name"),
            columns: &[
                value("name"),
                value("type"),
                value("ingress_policing_rate"),
                value("ingress_policing_burst"),
                value("mtu_request"),
                seen("ofport"),
                seen("error"),
                seen("mac_in_use"),
                column(EXTERNAL_IDS, Keys(INTERFACE_IDS)),
            ],
        },
    ],
};

const INTERFACE_IDS: &[&str] =
    &[KEY_VENDOR, KEY_OWNER, KEY_ROW, "iface-id", "ip", "pod_name", "pod_namespace", "pod_netns"];
