//! Rows of ours that somebody removes or edits come back; so does the whole database.

use crate::{objects::tenants, rig::Rig};

/// Somebody does this to the database, and soon it is as before.
fn undone(rig: &Rig, line: &str) {
    let (before, updates) = (rig.rows(), rig.seen.updates());
    rig.server.nbctl(&line.split(' ').collect::<Vec<_>>());
    crate::server::wait_for("the edit to be seen", || (rig.seen.updates() > updates).then_some(()));
    rig.becomes(line, &before);
}

#[test]
fn rows_that_somebody_removed_come_back() {
    let rig = Rig::settled(tenants());
    undone(&rig, "lsp-del shop-0.web");
    undone(&rig, "acl-del db");
    undone(&rig, "lr-policy-del ovn-cluster 31000");
    undone(&rig, "lr-route-del ovn-cluster");
    undone(&rig, "ls-del blue-net");
    undone(&rig, "lr-del green");
    undone(&rig, "lrp-del ovn-cluster-web");
    undone(&rig, "clear Logical_Switch web ports");
    undone(&rig, "--all destroy Logical_Router -- --all destroy Logical_Switch");
}

#[test]
fn columns_that_somebody_edited_become_ours_again() {
    let rig = Rig::settled(tenants());
    undone(&rig, "lsp-set-addresses shop-0.web unknown");
    undone(&rig, "lsp-set-type shop-0.web localport");
    undone(&rig, "set Logical_Router_Port ovn-cluster-web networks=10.99.0.1/24");
    undone(&rig, "clear Logical_Switch_Port web-ovn-cluster options");
    undone(&rig, "set ACL db action=allow -- set ACL db priority=7");
    undone(&rig, "set Logical_Switch web name=renamed");
}

/// Pods have learned it: whoever chose it, another one would cut them off.
#[test]
fn a_router_port_keeps_the_mac_that_it_has() {
    let rig = Rig::settled(tenants());
    let mac = || rig.rows()["Logical_Router_Port/ovn-cluster-web"].columns["mac"].clone();
    let drawn = mac();
    rig.server.nbctl(&["set", "Logical_Router_Port", "ovn-cluster-web", "mac=\"02:00:00:00:00:01\""]);
    crate::server::wait_for("the edit to be seen", || (mac() != drawn).then_some(()));
    // This comes later and is undone, so that was looked at.
    undone(&rig, "set Logical_Router_Port ovn-cluster-web networks=10.99.0.1/24 mac=\"02:00:00:00:00:01\"");
    assert!(mac().contains("02:00:00:00:00:01"));
}

#[test]
fn marks_that_somebody_removed_come_back() {
    let rig = Rig::settled(tenants());
    undone(&rig, "remove Logical_Switch web external_ids owner");
    undone(&rig, "remove Logical_Switch_Port shop-1.web external_ids owner");
    undone(&rig, "set Logical_Switch_Port shop-1.web external_ids:owner=pod/web/nobody");
    undone(&rig, "remove Logical_Switch_Port shop-1.web external_ids uid");
}

/// A row is who its UUID says, whatever became of its mark.
#[test]
fn rows_that_lost_their_mark_are_still_ours() {
    let rig = Rig::settled(tenants());
    undone(&rig, "remove Logical_Switch_Port shop-2.web external_ids vendor");
    undone(&rig, "remove Logical_Switch_Port shop-2.web external_ids row");
    undone(&rig, "clear Logical_Switch_Port shop-0.web external_ids");
    undone(&rig, "remove ACL db external_ids vendor");
    undone(&rig, "remove Logical_Router blue external_ids vendor");
    undone(&rig, "clear Logical_Switch green-net external_ids");
}

#[test]
fn an_emptied_database_is_built_again_with_the_same_addresses() {
    let rig = Rig::settled(tenants());
    let (before, told) = (rig.rows(), rig.addresses());
    rig.empty();
    rig.becomes("everything to come back", &before);
    rig.settle();
    assert_eq!(rig.addresses(), told);
}

#[test]
fn a_server_that_lost_everything_is_filled_again_with_the_same_addresses() {
    let mut rig = Rig::settled(tenants());
    let (before, told) = (rig.rows(), rig.addresses());
    rig.lose_everything();
    rig.becomes("everything to come back", &before);
    rig.settle();
    assert_eq!(rig.addresses(), told);
}
