//! The part of the Open_vSwitch database that a node reads and writes.

use kubeovn_core::rows::{Column, ColumnKind, EXTERNAL_IDS, KEY_OWNER, KEY_ROW, KEY_VENDOR, Schema, Table};

/// Table with one row, about the node.
pub(super) const OPEN_VSWITCH: &str = "Open_vSwitch";
/// Table of bridges.
pub(super) const BRIDGE: &str = "Bridge";
/// Table of ports of bridges.
pub(super) const PORT: &str = "Port";
/// Table of interfaces of ports.
pub(super) const INTERFACE: &str = "Interface";

/// OVN's name of the node; the installation's.
pub(super) const SYSTEM_ID: &str = "system-id";
/// Addresses of the node's end of tunnels, separated by commas.
pub(super) const ENCAP_IP: &str = "ovn-encap-ip";
/// Which of them is taken where nothing is said.
pub(super) const ENCAP_IP_DEFAULT: &str = "ovn-encap-ip-default";
/// Whether tunnel packets have a checksum.
pub(super) const ENCAP_CSUM: &str = "ovn-encap-csum";
/// Logical switch port that an interface realises: OVN's own key.
pub(super) const IFACE_ID: &str = "iface-id";
/// Set to `true` by ovn-controller once all flows of the port are in; not ours.
pub(super) const OVN_INSTALLED: &str = "ovn-installed";
/// Addresses, separated by commas.
pub(super) const IP: &str = "ip";
/// Pod of an interface.
pub(super) const POD_NAME: &str = "pod_name";
/// Its namespace.
pub(super) const POD_NAMESPACE: &str = "pod_namespace";
/// File that names its network namespace.
pub(super) const POD_NETNS: &str = "pod_netns";

/// What a node uses of the database `Open_vSwitch`: connect with it.
///
/// Bridges are made by the installation; only their ports are ours. Keys of `external_ids` that are not listed, such
/// as ovn-controller's, can be read but are never touched.
pub static SCHEMA: Schema = Schema::new(
    "Open_vSwitch",
    &[
        Table {
            name: OPEN_VSWITCH,
            root: true,
            natural: None,
            columns: &[column(
                EXTERNAL_IDS,
                ColumnKind::Keys(&[ENCAP_IP, ENCAP_IP_DEFAULT, ENCAP_CSUM, SYSTEM_ID]),
            )],
        },
        Table {
            name: BRIDGE,
            root: false,
            natural: Some("name"),
            columns: &[
                column("name", ColumnKind::Seen),
                column("datapath_type", ColumnKind::Seen),
                column("ports", ColumnKind::Refs { table: PORT, strong: true }),
            ],
        },
        Table {
            name: PORT,
            root: false,
            natural: Some("name"),
            columns: &[
                column("name", ColumnKind::Value),
                column("interfaces", ColumnKind::Refs { table: INTERFACE, strong: true }),
                column(EXTERNAL_IDS, ColumnKind::Keys(&[KEY_VENDOR, KEY_OWNER, KEY_ROW])),
            ],
        },
        Table {
            name: INTERFACE,
            root: false,
            natural: Some("name"),
            columns: &[
                column("name", ColumnKind::Value),
                column("type", ColumnKind::Value),
                column("mtu_request", ColumnKind::Value),
                column("ofport", ColumnKind::Seen),
                column("error", ColumnKind::Seen),
                column(
                    EXTERNAL_IDS,
                    ColumnKind::Keys(&[
                        KEY_VENDOR,
                        KEY_OWNER,
                        KEY_ROW,
                        IFACE_ID,
                        IP,
                        POD_NAME,
                        POD_NAMESPACE,
                        POD_NETNS,
                    ]),
                ),
            ],
        },
    ],
);

const fn column(name: &'static str, kind: ColumnKind) -> Column {
    Column { name, kind }
}
