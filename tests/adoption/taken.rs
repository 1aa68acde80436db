//! What a takeover must be like, for a Northbound of either age. Each is done once, and looked at by all tests.

use std::collections::BTreeSet;

use kubeovn_core::{annotations::nic, index::objects::Object};
use kubeovn_ovn::ovsdb::wire::Datum;

use crate::{
    film::{LEFT_OF_MOVES, lost, pair, row_of, touched},
    fixture::{Age, row::Fate},
    takeover::{Takeover, less_than_fresh},
};

macro_rules! in_both_ages {
    ($($test:ident)*) => {
        mod of_1_14 { $(#[test] fn $test() { super::$test(super::Age::V1_14) })* }
        mod of_1_15 { $(#[test] fn $test() { super::$test(super::Age::V1_15) })* }
    };
}

in_both_ages! {
    every_row_of_ours_keeps_its_uuid
    no_port_is_ever_cut_off
    gateways_keep_their_macs
    exactly_these_rows_go
    rows_of_others_stay_as_they_are
    only_what_differs_is_written
    what_others_put_into_our_rows_stays
    in_the_end_all_is_as_after_a_fresh_start
    another_start_writes_nothing
    addresses_and_records_stay
}

const NOTHING: [&str; 0] = [];

fn every_row_of_ours_keeps_its_uuid(age: Age) {
    let takeover = Takeover::of(age);
    assert!(takeover.left.is_empty(), "{:#?}", takeover.left);
}

fn no_port_is_ever_cut_off(age: Age) {
    let takeover = Takeover::of(age);
    assert_eq!(takeover.film.ports_cut_off(&takeover.objects[0]).iter().collect::<Vec<_>>(), NOTHING);
}

fn gateways_keep_their_macs(age: Age) {
    assert_eq!(Takeover::of(age).film.gateways_moved().iter().collect::<Vec<_>>(), NOTHING);
}

fn exactly_these_rows_go(age: Age) {
    let takeover = Takeover::of(age);
    let gone: BTreeSet<String> = takeover.film.gone().into_values().collect();
    let expected = [
        // a prefix that has no meaning in a custom VPC
        "ACL/blue-b 3000 ip4.src == 100.64.0.0/16",
        // a node that was deleted
        "Logical_Router_Policy/30000 ip4.dst == 172.18.0.9",
        "Logical_Switch_Port/node-n9",
        // what leads pods out where there are none
        "Logical_Router_Policy/29000 ip4.src == $attach.n2_ip4",
        "Logical_Router_Policy/29000 ip4.src == $attach.n3.example.org_ip4",
        "Logical_Router_Policy/29000 ip4.src == $ovn.default.n3.example.org_ip4",
        "Logical_Router_Policy/29000 ip4.src == $vault.n3.example.org_ip4",
        "Port_Group/attach.n2",
        "Port_Group/attach.n3.example.org",
        "Port_Group/ovn.default.n3.example.org",
        "Port_Group/vault.n3.example.org",
        // routing hits of a custom VPC, which a routing hit of ours has taken the place of
        "Logical_Router_Static_Route/src-ip 10.30.0.0/24 10.30.0.1",
        "Logical_Router_Static_Route/src-ip 10.31.0.0/24 10.31.0.1",
        // a user's route by source, which has become a policy
        "Logical_Router_Static_Route/src-ip 10.31.0.0/24 10.30.0.252",
        // a pod that was deleted
        "Logical_Switch_Port/gone.shop",
    ];
    assert_eq!(gone, expected.into_iter().map(ToOwned::to_owned).collect());
    assert_eq!(expected.len(), takeover.northbound.named(|fate| *fate == Fate::Goes).len());
}

fn rows_of_others_stay_as_they_are(age: Age) {
    let Takeover { northbound, film, .. } = Takeover::of(age);
    let stays: BTreeSet<_> =
        northbound.rows.iter().filter(|row| row.fate == Fate::Stays).map(|row| row.uuid).collect();
    let expected_gone = film.gone().into_iter().filter(|((_, uuid), _)| !stays.contains(uuid)).collect();
    let touched = touched(&film.before, &film.after(), |_, uuid| stays.contains(uuid), &expected_gone);
    assert_eq!(touched.iter().collect::<Vec<_>>(), NOTHING);
}

/// Marks aside. References are looked at by the next test.
fn only_what_differs_is_written(age: Age) {
    const MARKS: [&str; 7] = ["nic", "node", "owner", "row", "space", "uid", "vendor"];
    let Takeover { northbound, film, .. } = Takeover::of(age);
    let after = film.after();
    let mut written = BTreeSet::new();
    for row in northbound.rows.iter().filter(|row| matches!(row.fate, Fate::Ours { .. })) {
        let (Some(was), Some(is)) =
            (row_of(&film.before, row.table, row.uuid), row_of(&after, row.table, row.uuid))
        else {
            continue;
        };
        for (column, is) in is.iter().filter(|(column, _)| !column.starts_with('_')) {
            let was = was.get(column);
            if let (Datum::Map(pairs), Some(was)) = (is, was) {
                let new = pairs.iter().filter(|(key, value)| was.get(key) != Some(value));
                let keys = new.filter_map(|(key, _)| key.as_str()).filter(|key| !MARKS.contains(key));
                written.extend(keys.map(|key| format!("{row}: {column}:{key}")));
            } else if !is.elements().iter().any(|atom| atom.as_uuid().is_some()) && Some(is) != was {
                written.insert(format!("{row}: {column}"));
            }
        }
    }
    let mut expected: BTreeSet<String> = [
        // Go writes a single address without a length
        "Logical_Router_Static_Route/ovn-cluster//dst-ip/192.0.2.9/10.16.0.251: ip_prefix",
        // what answers come from is derived, and no more random
        "DHCP_Options/dual/4: options:server_mac",
        "DHCP_Options/dual/6: options:server_id",
        "DHCP_Options/legacy.shop/4: options:server_mac",
        // a MAC in upper case, as before 1.13
        "Logical_Switch_Port/legacy.shop: addresses",
    ]
    .map(ToOwned::to_owned)
    .into();
    if age == Age::V1_14 {
        let policies = ["172.18.0.2", "172.18.0.3", "172.18.0.4"];
        expected.extend(policies.map(|ip| {
            format!("Logical_Router_Policy/ovn-cluster/30000/ip4.dst == {ip}: external_ids:address-family")
        }));
    }
    assert_eq!(written, expected);
}

/// References, and pairs of features that this version does not have.
fn what_others_put_into_our_rows_stays(age: Age) {
    let Takeover { northbound, film, .. } = Takeover::of(age);
    let (after, gone) = (film.after(), film.gone());
    let ours: BTreeSet<_> = northbound
        .rows
        .iter()
        .filter(|row| matches!(row.fate, Fate::Ours { .. }))
        .map(|row| row.uuid)
        .collect();
    let lost = lost(&film.before, &after, |_, uuid| ours.contains(uuid), &gone);
    assert_eq!(lost, LEFT_OF_MOVES.map(ToOwned::to_owned).into());
    // the fixture has such things at all
    let guarded = northbound.uuid("Logical_Switch_Port", "guarded.shop");
    let guarded = row_of(&after, "Logical_Switch_Port", guarded).unwrap();
    assert_eq!(pair(guarded, "security_groups"), Some("web"));
}

fn in_the_end_all_is_as_after_a_fresh_start(age: Age) {
    let takeover = Takeover::of(age);
    assert_eq!(less_than_fresh(&takeover.fresh, &takeover.rows), NOTHING);
}

fn another_start_writes_nothing(age: Age) {
    assert_eq!(Takeover::of(age).again, None);
}

/// Pods and nodes are told what they were told before, and every record is still there.
fn addresses_and_records_stay(age: Age) {
    let told = |objects: &[Object]| -> BTreeSet<String> {
        let objects = objects.iter().filter_map(|object| match object {
            Object::Ip(ip) => Some(format!(
                "{}: {} {} of {:?}",
                object.key(),
                ip.spec.ip_address,
                ip.spec.mac_address.to_lowercase(),
                ip.spec.pod_type
            )),
            Object::Pod(_) | Object::Node(_) => {
                let told = |key| object.meta().annotation(key).unwrap_or_default().to_lowercase();
                let [ip, mac] = [nic::IP_ADDRESS.ovn(), nic::MAC_ADDRESS.ovn()].map(told);
                Some(format!("{}: {ip} {mac}", object.key()))
            }
            _ => None,
        });
        objects.collect()
    };
    let [before, after] = &Takeover::of(age).objects;
    let (before, after) = (told(before), told(after));
    let lost: Vec<_> = before.difference(&after).collect();
    let new: Vec<_> = after.difference(&before).collect();
    assert!(lost.is_empty() && new.is_empty(), "lost {lost:#?}, instead {new:#?}");
}
