//! What is rendered can be read back: ports tell what was granted.

use std::{collections::BTreeMap, sync::Arc};

use kubeovn_core::{
    contract::model::{Model, Recovered},
    index::{World, objects::SubnetSpec, objects::VpcSpec},
    rows::{Elem, OwnerKey, Render, Replica, RowKey, RowSpec, Value},
};

use super::world::Facts;
use crate::{nb, render::Fabric};

/// A row and whose it is.
type Owned = (Option<OwnerKey>, RowSpec);

/// A database that holds just what was rendered.
#[derive(Default)]
struct Rows(BTreeMap<RowKey, Owned>);

impl Rows {
    fn of(world: &World) -> Self {
        let mut rows = Rows::default();
        for owner in world.owners() {
            let Render::Want(rendered) = Fabric.render(world, &owner) else { panic!("{owner} has no rows") };
            rows.0.extend(rendered.rows.into_iter().map(|(key, row)| (key, (Some(owner.clone()), row))));
        }
        rows
    }

    fn port(&mut self, name: &str) -> &mut Owned {
        self.0.get_mut(&RowKey::new(nb::LOGICAL_SWITCH_PORT, name)).unwrap()
    }
}

impl Replica for Rows {
    fn has(&self, row: &RowKey) -> bool {
        self.0.contains_key(row)
    }
    fn value(&self, row: &RowKey, column: &str) -> Option<&Value> {
        self.0.get(row)?.1.values.get(column)
    }
    fn pair(&self, row: &RowKey, column: &str, key: &str) -> Option<&Arc<str>> {
        self.0.get(row)?.1.pairs.get(column)?.get(key)
    }
    fn holds(&self, _: &RowKey, _: &str, _: &Elem) -> bool {
        false
    }
    fn elements(&self, _: &RowKey, _: &str, _: &mut dyn FnMut(Elem)) {}
    fn parents(&self, _: &RowKey, _: &mut dyn FnMut(RowKey, &'static str)) {}
    fn ours(&self, f: &mut dyn FnMut(&RowKey, Option<&OwnerKey>)) {
        self.0.iter().for_each(|(row, (owner, _))| f(row, owner.as_ref()));
    }
}

fn world() -> World {
    Facts::new()
        .vpc("shop", VpcSpec::default())
        .subnet("shop-a", "shop", "10.1.0.0/24", SubnetSpec::default())
        .node("n1", "192.168.0.1", "100.64.0.2,fd00:100:64::2")
        .pod("db-0", &[], &[("", "shop-a", "10.1.0.5"), ("net1.default.ovn", "ovn-default", "fd00:10:16::6")])
        .done()
}

#[test]
fn every_grant_is_read_back_from_its_port() {
    let world = world();
    let recovered = Fabric.recover(&Rows::of(&world));
    let mut expected = Vec::new();
    for owner in world.owners() {
        for grant in world.grants(&owner) {
            let row = RowKey::new(nb::LOGICAL_SWITCH_PORT, kubeovn_core::index::ip_name(&owner, &grant.nic));
            let grant = kubeovn_core::contract::ipam::Grant { generation: 0, since: 0, ..grant.clone() };
            expected.push(Recovered { owner: owner.clone(), uid: world.uid(&owner), grant, row });
        }
    }
    expected.sort_by(|a, b| a.row.cmp(&b.row));
    assert_eq!(expected.len(), 3);
    assert_eq!(recovered, expected);
}

#[test]
fn ports_that_tell_too_little_are_passed_over() {
    let all = ["db-0.default", "db-0.default.net1.default.ovn", "node-n1"];
    let left = |change: &dyn Fn(&mut Owned)| {
        let mut rows = Rows::of(&world());
        change(rows.port("db-0.default"));
        Fabric.recover(&rows).iter().map(|r| r.row.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(left(&|_| ()), all);
    let without = |key: &'static str| {
        move |port: &mut Owned| {
            port.1.pairs.or_default("external_ids").remove(key);
        }
    };
    assert_eq!(left(&without("ls")), all[1..]);
    // Kube-OVN did not write these.
    assert_eq!(left(&without("uid")), all);
    assert_eq!(left(&without("space")), all);
    for addresses in ["", "router", "dynamic", "0a:58:00:00:00:05", "0a:58:00:00:00:05 dynamic", "x 10.1.0.5"]
    {
        let write = |port: &mut Owned| {
            port.1.values.insert("addresses", Value::str(addresses));
        };
        assert_eq!(left(&write), all[1..], "addresses {addresses:?}");
    }
    assert_eq!(left(&|port| port.0 = None), all[1..], "nobody's");
}

#[test]
fn kube_ovns_ports_tell_their_network_by_their_names() {
    let mut rows = Rows::of(&world());
    for port in ["db-0.default", "db-0.default.net1.default.ovn"] {
        rows.port(port).1.pairs.or_default("external_ids").remove("nic");
    }
    let nics = |recovered: &Recovered| (recovered.row.id.to_string(), recovered.grant.nic.to_string());
    let nics: Vec<_> = Fabric.recover(&rows).iter().map(nics).collect();
    let pair = |port: &str, nic: &str| (port.to_owned(), nic.to_owned());
    let all = [
        pair("db-0.default", ""),
        pair("db-0.default.net1.default.ovn", "net1.default.ovn"),
        pair("node-n1", ""),
    ];
    assert_eq!(nics, all);
}
