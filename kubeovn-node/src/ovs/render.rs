//! From a port to its rows.

use kubeovn_core::rows::{EXTERNAL_IDS, Rendered, RowKey, Value};

use super::port::{Port, PortKind};
use super::schema::{BRIDGE, IFACE_ID, INTERFACE, IP, POD_NAME, POD_NAMESPACE, POD_NETNS, PORT};

/// The interface and port rows of a port, and its place in the bridge.
pub(super) fn render(port: &Port, bridge: &str) -> Rendered {
    let mut rendered = Rendered::default();
    let interface = interface_row(port);
    let (kind, mtu) = match port.kind {
        PortKind::Plugged => ("", Value::EMPTY),
        PortKind::Internal { mtu } => ("internal", Value::int(mtu.into())),
    };
    let row = rendered.row(interface.clone());
    row.set("name", Value::str(port.link.as_str())).set("type", Value::str(kind)).set("mtu_request", mtu);
    if let Some(iface_id) = &port.iface_id {
        row.pair(EXTERNAL_IDS, IFACE_ID, iface_id.as_str());
    }
    if !port.ips.is_empty() {
        row.pair(EXTERNAL_IDS, IP, port.ips.to_string());
    }
    if let Some(pod) = &port.pod {
        row.pair(EXTERNAL_IDS, POD_NAME, pod.name.as_str())
            .pair(EXTERNAL_IDS, POD_NAMESPACE, pod.namespace.as_str())
            .pair(EXTERNAL_IDS, POD_NETNS, pod.netns.as_str());
    }
    let key = port_row(port);
    rendered.row(key.clone()).set("name", Value::str(port.link.as_str()));
    rendered.attach(key.clone(), "interfaces", interface);
    rendered.attach(bridge_row(bridge), "ports", key);
    rendered
}

/// Rows are found by the name of the link, which OVS allows once: so a port that Kube-OVN made is taken over, where
/// a new row beside it would be refused.
pub(super) fn interface_row(port: &Port) -> RowKey {
    RowKey::named(INTERFACE, &port.link)
}

pub(super) fn port_row(port: &Port) -> RowKey {
    RowKey::named(PORT, &port.link)
}

pub(super) fn bridge_row(bridge: &str) -> RowKey {
    RowKey::named(BRIDGE, bridge)
}
