//! From rows back to ports, after a restart or after Kube-OVN.

use kubeovn_core::rows::{
    Atom, EXTERNAL_IDS, Elem, KEY_ROW, KEY_VENDOR, OwnerKey, OwnerKind, Replica, RowKey, VENDOR, Value,
};

use super::port::{Pod, Port, PortKind};
use super::render::bridge_row;
use super::schema::{IFACE_ID, INTERFACE, IP, POD_NAME, POD_NAMESPACE, POD_NETNS, PORT};

/// The ports that the interface rows of a bridge describe, by owner.
///
/// Kube-OVN's own rows tell the pod, but not the container: their owner has the name of the link. Those of a type that is
/// not made here (DPDK) are not among them: what is known of a port here would not make such a one again.
pub(super) fn recover(bridge: &str, have: &dyn Replica) -> Vec<(OwnerKey, Port)> {
    let mut found = Vec::new();
    have.ours(&mut |row, owner| {
        if let Some(owner) = owner.filter(|_| row.table == INTERFACE) {
            found.push((owner.clone(), port_of(row, have)));
        }
    });
    have.elements(&bridge_row(bridge), "ports", &mut |elem| {
        let Elem::Item(Atom::Row(port)) = elem else { return };
        let row = RowKey::new(INTERFACE, port.id.clone());
        let text = |key: &str| have.pair(&row, EXTERNAL_IDS, key).map(|text| &**text);
        let marked = text(KEY_ROW).is_some() || have.pair(&port, EXTERNAL_IDS, KEY_ROW).is_some();
        let kind = have.value(&row, "type").and_then(|kind| kind.texts().next());
        let known = kind.is_none_or(|kind| ["", "internal"].contains(&&**kind));
        if port.table == PORT
            && known
            && !marked
            && text(KEY_VENDOR) == Some(VENDOR)
            && text(POD_NAME).is_some()
        {
            let port = port_of(&row, have);
            found.push((OwnerKey::new(OwnerKind::Attachment, port.link.as_str()), port));
        }
    });
    found
}

fn port_of(row: &RowKey, have: &dyn Replica) -> Port {
    let text = |key: &str| have.pair(row, EXTERNAL_IDS, key).map(ToString::to_string);
    let only = |column: &str| have.value(row, column).and_then(|value| value.texts().next());
    let mtu = have.value(row, "mtu_request").and_then(Value::as_int);
    Port {
        link: only("name").map(ToString::to_string).unwrap_or_default(),
        kind: match only("type").map(|kind| &**kind) {
            Some("internal") => {
                PortKind::Internal { mtu: mtu.and_then(|mtu| mtu.try_into().ok()).unwrap_or_default() }
            }
            _ => PortKind::Plugged,
        },
        iface_id: text(IFACE_ID),
        // Only for people: what can't be read is written anew with the next ADD.
        ips: text(IP).and_then(|ips| ips.parse().ok()).unwrap_or_default(),
        pod: text(POD_NAME).map(|name| Pod {
            name,
            namespace: text(POD_NAMESPACE).unwrap_or_default(),
            netns: text(POD_NETNS).unwrap_or_default(),
        }),
    }
}
