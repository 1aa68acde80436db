//! What somebody else put into the database stays, also inside our rows.

use kubeovn_core::index::objects::{Kind, ObjectKey};

use crate::{
    objects::{node, pod, pod_key, private, subnet, tenants, vpc},
    rig::Rig,
    seen::{Rows, Seat, difference},
    server::wait_for,
};

/// Rows without our mark.
fn strangers(rows: &Rows) -> Rows {
    rows.iter()
        .filter(|(_, seat)| seat.owner.is_none())
        .map(|(name, seat)| (name.clone(), seat.clone()))
        .collect()
}

/// Elements of a column that name rows of somebody else.
fn theirs(rows: &Rows, row: &str, column: &str) -> Vec<String> {
    let seat: &Seat = &rows[row];
    seat.columns[column].iter().filter(|element| element.contains("/@")).cloned().collect()
}

/// Where they are inside ours.
fn guests(rows: &Rows) -> Vec<Vec<String>> {
    let places = [
        ("Logical_Switch/web", "ports"),
        ("Logical_Switch/web", "acls"),
        ("Logical_Switch/db", "acls"),
        ("Logical_Router/ovn-cluster", "static_routes"),
        ("Logical_Router/ovn-cluster", "policies"),
        ("Logical_Router/ovn-cluster", "ports"),
    ];
    places.map(|(row, column)| theirs(rows, row, column)).into()
}

#[test]
fn rows_of_others_stay_whatever_happens_around_them() {
    let mut rig = Rig::settled(tenants());
    for line in [
        "ls-add theirs -- lsp-add theirs their-port",
        "lr-add their-router -- lr-route-add their-router 0.0.0.0/0 10.9.9.9",
        "lsp-add web guest -- lsp-set-addresses guest unknown",
        "acl-add web from-lport 500 ip4.src==9.9.9.9 drop",
        "acl-add db to-lport 500 ip4.src==9.9.9.8 drop",
        "lr-route-add ovn-cluster 192.168.77.0/24 10.20.0.9",
        "lr-policy-add ovn-cluster 500 ip4.src==9.9.9.7 drop",
        "lrp-add ovn-cluster their-uplink 02:00:00:00:00:99 172.31.0.1/24",
        "set Logical_Switch web external_ids:theirs=yes other_config:theirs=yes",
        "create Address_Set name=their_set addresses=10.9.9.9",
        "pg-add their_group guest",
    ] {
        rig.server.nbctl(&line.split(' ').collect::<Vec<_>>());
    }
    let before = wait_for("the eye to see all of them", || {
        let rows = rig.rows();
        let all = rows.contains_key("Port_Group/@their_group")
            && guests(&rows).iter().all(|guests| guests.len() == 1);
        all.then_some(rows)
    });
    let stay = |rig: &Rig, when: &str| {
        let rows = rig.rows();
        let changes = difference(&strangers(&before), &strangers(&rows));
        assert!(changes.is_empty(), "{when}: {changes}");
        assert_eq!(guests(&rows), guests(&before), "{when}");
        let web = &rows["Logical_Switch/web"].columns;
        assert!(
            web["external_ids"].contains("theirs=yes") && web["other_config"].contains("theirs=yes"),
            "{when}"
        );
    };

    rig.apply(private(subnet("db", "", "10.30.0.0/24", "db"), &["10.20.0.0/24", "10.16.0.0/16"]));
    rig.apply(private(subnet("web", "", "10.20.0.0/24,fd00:10:20::/64", "web"), &[]));
    rig.apply(node("n4", "172.18.0.5"));
    rig.apply(pod("web", "neighbour", "n2", &[]));
    rig.settle();
    stay(&rig, "edits");

    rig.restart_on(rig.cluster.clone());
    rig.apply(vpc("red", &["red"]));
    rig.apply(subnet("red-net", "red", "10.0.0.0/24", "red"));
    rig.apply(subnet("web", "", "10.20.0.0/24,fd00:10:20::/64", "web"));
    rig.settle();
    stay(&rig, "a restart");

    for key in [
        pod_key("web", "neighbour"),
        pod_key("web", "shop-0"),
        pod_key("default", "tool"),
        ObjectKey::cluster(Kind::Node, "n4"),
        ObjectKey::cluster(Kind::Subnet, "red-net"),
        ObjectKey::cluster(Kind::Vpc, "red"),
    ] {
        rig.cluster.delete(&key).unwrap();
    }
    rig.settle();
    stay(&rig, "deletions");
}
