//! What ports tell about addresses granted before a restart.

use std::{net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::{DualStack, Family, Mac},
    contract::{
        ipam::{Grant, Role},
        model::Recovered,
    },
    index::ip_name,
    rows::{EXTERNAL_IDS, OwnerKey, OwnerKind, Replica, RowKey},
};

use crate::nb;

/// Every grant that a port of a pod or node stands for.
pub(super) fn recover(replica: &dyn Replica) -> Vec<Recovered> {
    let mut ports = Vec::new();
    replica.ours(&mut |row, owner| {
        let owner = owner.filter(|o| matches!(o.kind, OwnerKind::Pod | OwnerKind::Node));
        if let (nb::LOGICAL_SWITCH_PORT, Some(owner)) = (row.table, owner) {
            ports.push((row.clone(), owner.clone()));
        }
    });
    ports.into_iter().filter_map(|(row, owner)| read(replica, &row, owner)).collect()
}

/// Kube-OVN did not note it either: in a further network the port has the provider behind the pod's name.
fn nic_of(port: &str, owner: &OwnerKey) -> Arc<str> {
    let behind = port.strip_prefix(&*ip_name(owner, "")).and_then(|rest| rest.strip_prefix('.'));
    behind.unwrap_or_default().into()
}

fn read(replica: &dyn Replica, row: &RowKey, owner: OwnerKey) -> Option<Recovered> {
    let id = |key| replica.pair(row, EXTERNAL_IDS, key).cloned();
    let addresses = replica.value(row, "addresses")?.texts().next()?;
    let mut words = addresses.split_whitespace();
    let mac: Mac = words.next()?.parse().ok()?;
    let mut ips = DualStack::default();
    for ip in words.filter_map(|word| word.parse::<IpAddr>().ok()) {
        ips.slot(Family::of(ip)).get_or_insert(ip);
    }
    let grant = Grant {
        nic: id("nic").unwrap_or_else(|| nic_of(&row.id, &owner)),
        subnet: id("ls")?,
        // Kube-OVN did not note it: it is that of the subnet.
        space: id("space").unwrap_or_default(),
        ips,
        mac: Some(mac),
        role: Role::Active,
        generation: 0,
        since: 0,
    };
    (!ips.is_empty()).then(|| Recovered { owner, uid: id("uid"), grant, row: row.clone() })
}
