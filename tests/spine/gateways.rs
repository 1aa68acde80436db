//! How pods leave the default VPC.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use kubeovn_core::{
    addr::Family,
    contract::ipam::{Grant, Ipam as _},
    index::{
        ip_name,
        objects::{Name, Node, Object, ObjectKey, Pod, Subnet},
    },
    rows::{Act, Atom, Elem, OwnerKey, OwnerKind, Replica as _, RowKey, Txn},
};
use kubeovn_ovn::nb;

use crate::{
    sim::{MINUTE, Sim},
    user::{node_that, pod, subnet, with_exit},
};

/// A policy that leads out: its match and where to.
type Way = (String, BTreeSet<String>);

fn ways(sim: &Sim) -> Vec<Way> {
    let mut ways = Vec::new();
    let replica = &sim.db.replica;
    replica.ours(&mut |row, _| {
        let priority = replica.value(row, "priority").filter(|_| row.table == nb::LOGICAL_ROUTER_POLICY);
        if priority.is_some_and(|p| p.atoms() == [Atom::Int(29_000)]) {
            let texts = |column| -> Vec<String> {
                replica.value(row, column).unwrap().texts().map(ToString::to_string).collect()
            };
            ways.push((texts("match").remove(0), texts("nexthops").into_iter().collect()));
        }
    });
    ways
}

/// The groups that a port is in, by name.
fn groups_of(sim: &Sim, port: &RowKey) -> BTreeSet<String> {
    let mut groups = BTreeSet::new();
    let replica = &sim.db.replica;
    replica.ours(&mut |row, _| {
        let member = Elem::Item(Atom::Row(port.clone()));
        if row.table == nb::PORT_GROUP && replica.holds(row, "ports", &member) {
            groups.extend(replica.value(row, "name").unwrap().texts().map(ToString::to_string));
        }
    });
    groups
}

/// In each family, if there is a node that may lead it; to where, says the subnet.
pub(crate) fn every_pod_leaves_by_one_way(sim: &Sim) {
    let ways = ways(sim);
    let world = sim.spine.world();
    let settings = world.settings();
    for pod in world.pods() {
        let owner = pod.owner();
        // A machine that moves leaves by the node that it comes from.
        if world.pod_of(&owner).is_none_or(|leader| leader.meta.uid != pod.meta.uid) {
            continue;
        }
        for grant in sim.ledger.held(&owner) {
            let inside = grant.space == settings.vpc && grant.subnet != settings.join;
            let Some(subnet) = world.subnet(&grant.subnet).filter(|_| inside) else { continue };
            let groups = groups_of(sim, &RowKey::new(nb::LOGICAL_SWITCH_PORT, ip_name(&owner, &grant.nic)));
            // An address outside of a prefix that was changed is nobody's any more.
            let cidrs = world.plan(&grant.subnet).map(|plan| plan.cidrs).unwrap_or_default();
            for ip in grant.ips.iter().filter(|ip| cidrs.iter().any(|cidr| cidr.contains(**ip))) {
                let family = Family::of(*ip);
                let own: Vec<&Way> = ways.iter().filter(|way| takes(way, ip, &groups, subnet)).collect();
                let hops: Vec<_> = own.iter().map(|(_, hops)| hops.clone()).collect();
                let expected = hops_of(sim, subnet, pod, family);
                let expected: Vec<_> = Some(expected).into_iter().filter(|hops| !hops.is_empty()).collect();
                assert_eq!(hops, expected, "{owner} with {ip} in {:?} of {groups:?}", subnet.spec);
            }
            in_the_group_of_its_node(sim, pod, &groups);
        }
    }
}

fn in_the_group_of_its_node(sim: &Sim, pod: &Pod, groups: &BTreeSet<String>) {
    let Some(node) = &pod.node else { return };
    let has_address = !address(sim, node, Family::V4).is_empty();
    assert_eq!(groups.contains(&format!("node.{node}")), has_address, "{} on {node}", pod.meta.name);
}

/// Does a policy take packets of this pod?
fn takes((text, _): &Way, ip: &IpAddr, groups: &BTreeSet<String>, subnet: &Subnet) -> bool {
    let family = if ip.is_ipv4() { "ip4" } else { "ip6" };
    let Some(source) = text.strip_prefix(&format!("{family}.src == ")) else { return false };
    match source.strip_prefix('$') {
        Some(set) => set.strip_suffix(&format!("_{family}")).is_some_and(|group| groups.contains(group)),
        None => subnet.spec.cidr_block.split(',').any(|cidr| cidr == source),
    }
}

fn address(sim: &Sim, node: &str, family: Family) -> BTreeSet<String> {
    let held = sim.ledger.held(&OwnerKey::new(OwnerKind::Node, node));
    held.first()
        .and_then(|grant: &Grant| grant.ips.get(family))
        .map(ToString::to_string)
        .into_iter()
        .collect()
}

/// Where packets of this pod must be sent to; nowhere where nobody can lead.
fn hops_of(sim: &Sim, subnet: &Subnet, pod: &Pod, family: Family) -> BTreeSet<String> {
    let (world, spec) = (sim.spine.world(), &subnet.spec);
    if spec.gateway_type != "centralized" {
        return pod.node.as_ref().map(|node| address(sim, node, family)).unwrap_or_default();
    }
    let mut listed: BTreeSet<Name> =
        spec.gateway_node.split(',').map(|item| item.split(':').next().unwrap().trim().into()).collect();
    if spec.gateway_node.is_empty() {
        let labelled = world.nodes().filter(|node| with_exit().matches(&node.meta.labels));
        listed = labelled.map(|node| node.meta.name.clone()).collect();
    }
    let there: Vec<_> = listed.iter().filter_map(|name| world.node(name)).collect();
    let there: BTreeMap<&Name, _> = there
        .into_iter()
        .map(|node| (&node.meta.name, (node.ready, address(sim, &node.meta.name, family))))
        .filter(|(_, (_, address))| !address.is_empty())
        .collect();
    let any_ready = there.values().any(|(ready, _)| *ready);
    let able = there.into_iter().filter(|(_, (ready, _))| *ready || !any_ready);
    let able: BTreeMap<&Name, BTreeSet<String>> = able.map(|(name, (_, address))| (name, address)).collect();
    if spec.enable_ecmp || able.is_empty() {
        return able.into_values().flatten().collect();
    }
    let active: Name = subnet.status.activateGateway.as_str().into();
    able.get(&active).cloned().unwrap_or_else(|| panic!("{active:?} leads, and may not: {able:?}"))
}

const CIDR: &str = "10.1.0.0/24";

fn central(nodes: &str) -> Object {
    subnet("s1", "", CIDR, |spec| {
        spec.gateway_type = "centralized".into();
        spec.gateway_node = nodes.into();
        spec.namespaces = vec!["red".into()];
    })
}

fn distributed() -> Object {
    subnet("s1", "", CIDR, |spec| spec.namespaces = vec!["red".into()])
}

fn ready(name: &str, ready: bool) -> Object {
    let last = name.trim_start_matches('n');
    node_that(name, &format!("172.18.0.{last}"), ready, false)
}

/// Three nodes and a pod on the second of them.
fn town(subnet: Object) -> Sim {
    let mut sim = Sim::new();
    ["n1", "n2", "n3"].iter().for_each(|name| sim.apply(ready(name, true)));
    sim.apply(subnet);
    sim.apply(pod("red", "p0", "n2", &[]));
    sim.settle();
    every_pod_leaves_by_one_way(&sim);
    sim
}

fn active(sim: &Sim) -> String {
    sim.spine.world().subnet("s1").unwrap().status.activateGateway.clone()
}

/// Where pods of the subnet are sent to.
fn hops(sim: &Sim) -> Vec<String> {
    ways(sim).into_iter().filter(|(text, _)| text.contains(CIDR)).flat_map(|(_, hops)| hops).collect()
}

fn join_address(sim: &Sim, node: &str) -> String {
    address(sim, node, Family::V4).into_iter().next().unwrap()
}

/// Lets everything go well, and counts the transactions that it takes.
fn transactions(sim: &mut Sim) -> usize {
    let before = sim.txns;
    sim.settle();
    sim.txns - before
}

#[test]
fn a_node_that_comes_back_does_not_take_over() {
    let mut sim = town(central("n1,n2"));
    assert_eq!((active(&sim), hops(&sim)), ("n1".into(), vec![join_address(&sim, "n1")]));
    sim.apply(ready("n1", false));
    assert_eq!(transactions(&mut sim), 1);
    assert_eq!((active(&sim), hops(&sim)), ("n2".into(), vec![join_address(&sim, "n2")]));
    sim.apply(ready("n1", true));
    assert_eq!(transactions(&mut sim), 0, "n2 leads on");
    assert_eq!(active(&sim), "n2");
    let mut again = Sim::on(sim.shop.clone(), crate::database::Database::on(sim.db.server.clone()), sim.now);
    assert_eq!(transactions(&mut again), 0, "also after a restart");
    assert_eq!(active(&again), "n2");
}

#[test]
fn a_gateway_does_not_move_back_before_its_subnet_was_told() {
    let mut sim = town(central("n1,n2"));
    sim.apply(ready("n1", false));
    sim.hear_all();
    sim.run();
    // The write to the status is still on its way.
    assert_eq!(active(&sim), "n1");
    sim.apply(ready("n1", true));
    sim.settle();
    assert_eq!((active(&sim), hops(&sim)), ("n2".into(), vec![join_address(&sim, "n2")]));
}

#[test]
fn a_dead_gateway_is_not_replaced_by_nothing_and_the_subnet_says_so() {
    let mut sim = town(central("n1,n2"));
    let reason = |sim: &Sim| {
        let subnet = sim.spine.world().subnet("s1").unwrap();
        let ready = subnet.status.conditions.iter().find(|c| &*c.r#type == "Ready").unwrap();
        (ready.status.to_string(), ready.reason.to_string())
    };
    assert_eq!(reason(&sim), ("True".into(), "Programmed".into()));
    sim.apply(ready("n1", false));
    sim.apply(ready("n2", false));
    sim.settle();
    assert_eq!(reason(&sim), ("False".into(), "SUBNET-GATEWAY-DOWN".into()));
    assert_eq!(hops(&sim).len(), 1, "somebody leads all the same");
    sim.delete(kubeovn_core::index::objects::Kind::Node, "", "n1");
    sim.delete(kubeovn_core::index::objects::Kind::Node, "", "n2");
    sim.settle();
    assert_eq!(reason(&sim), ("False".into(), "SUBNET-GATEWAY-NONE".into()));
    assert_eq!((active(&sim), hops(&sim)), (String::new(), Vec::new()), "its address may be another's now");
    sim.apply(ready("n2", true));
    sim.settle();
    assert_eq!(reason(&sim), ("True".into(), "Programmed".into()));
    assert_eq!((active(&sim), hops(&sim)), ("n2".into(), vec![join_address(&sim, "n2")]));
}

#[test]
fn a_heartbeat_is_not_even_looked_at() {
    let mut sim = town(central("n1,n2"));
    let node = |sim: &Sim| match sim
        .shop
        .cluster
        .get(&ObjectKey::cluster(kubeovn_core::index::objects::Kind::Node, "n1"))
    {
        Some(Object::Node(node)) => node,
        other => panic!("{other:?}"),
    };
    let mut beat: Node = node(&sim);
    beat.meta.revision = format!("{}0", beat.meta.revision).into();
    sim.feed(kubeovn_core::spine::Input::Object(kubeovn_core::contract::cluster::Event::Applied(
        Object::Node(beat),
    )));
    assert!(sim.spine.idle(), "{}", sim.spine.unfinished());
}

#[test]
fn a_subnet_changes_its_way_in_one_transaction() {
    let mut sim = town(distributed());
    assert_eq!(hops(&sim), Vec::<String>::new());
    for (object, leads) in [(central("n3"), "n3"), (distributed(), ""), (central("n1"), "n1")] {
        sim.apply(object);
        assert_eq!(transactions(&mut sim), 1);
        every_pod_leaves_by_one_way(&sim);
        assert_eq!(active(&sim), leads);
    }
}

/// The rows that a transaction makes.
fn made(txn: &Txn) -> BTreeSet<String> {
    let made = txn.ops.iter().filter(|op| matches!(op.act, Act::Insert(..)));
    made.map(|op| op.row.to_string()).collect()
}

#[test]
fn the_first_pod_on_a_node_comes_with_its_way_and_the_last_one_takes_it_along() {
    let mut sim = town(distributed());
    sim.apply(pod("red", "p1", "n3", &[]));
    assert_eq!(transactions(&mut sim), 1);
    let rows = made(sim.last.as_ref().unwrap());
    let expected = [
        "Logical_Router_Policy/ovn-cluster/29000/s1/n3/ip4",
        "Logical_Switch_Port/p1.red",
        "Port_Group/s1/n3",
    ];
    assert_eq!(rows, expected.map(ToOwned::to_owned).into());
    sim.apply(pod("red", "p2", "n3", &[]));
    sim.settle();
    assert_eq!(made(sim.last.as_ref().unwrap()), ["Logical_Switch_Port/p2.red".to_owned()].into());
    sim.delete(kubeovn_core::index::objects::Kind::Pod, "red", "p1");
    sim.settle();
    assert!(sim.db.replica.has(&RowKey::new(nb::PORT_GROUP, "s1/n3")), "p2 is still there");
    sim.delete(kubeovn_core::index::objects::Kind::Pod, "red", "p2");
    sim.settle();
    assert!(!sim.db.replica.has(&RowKey::new(nb::PORT_GROUP, "s1/n3")));
    assert!(sim.db.replica.has(&RowKey::new(nb::PORT_GROUP, "s1/n2")), "p0 is on n2");
}

#[test]
fn a_refused_edit_leaves_the_way_as_it_is() {
    let mut sim = town(distributed());
    let before = ways(&sim);
    sim.apply(subnet("s1", "", CIDR, |spec| spec.gateway_type = "central".into()));
    assert_eq!(transactions(&mut sim), 0);
    assert_eq!(ways(&sim), before);
    sim.now += MINUTE;
    crate::oracle::a_restart_serves_nobody_else(&sim);
    sim.apply(distributed());
    assert_eq!(transactions(&mut sim), 0);
    every_pod_leaves_by_one_way(&sim);
}

#[test]
fn groups_whose_names_fold_to_one_are_never_mixed_up() {
    let mut sim = Sim::new();
    for node in ["c", "b-c"] {
        sim.apply(node_that(node, if node == "c" { "172.18.0.2" } else { "172.18.0.3" }, true, false));
    }
    sim.apply(subnet("a-b", "", "10.1.0.0/24", |spec| spec.namespaces = vec!["red".into()]));
    sim.apply(subnet("a", "", "10.2.0.0/24", |spec| spec.namespaces = vec!["blue".into()]));
    sim.apply(pod("red", "p0", "c", &[]));
    sim.settle();
    sim.apply(pod("blue", "p1", "b-c", &[]));
    sim.settle();
    // Both groups would be a.b.c.
    let port = |name: &str| RowKey::new(nb::LOGICAL_SWITCH_PORT, name);
    assert!(groups_of(&sim, &port("p0.red")).contains("a.b.c"));
    assert!(!sim.db.replica.has(&port("p1.blue")), "it would leave by the other's node");
    let conditions = &sim.spine.world().subnet("a").unwrap().status.conditions;
    assert!(conditions.iter().any(|c| &*c.reason == "NAME-TAKEN"), "{conditions:?}");
    sim.delete(kubeovn_core::index::objects::Kind::Pod, "red", "p0");
    sim.settle();
    assert!(groups_of(&sim, &port("p1.blue")).contains("a.b.c"), "it comes up by itself");
}

fn together(nodes: &str) -> Object {
    let Object::Subnet(mut subnet) = central(nodes) else { panic!("no subnet") };
    subnet.spec.enable_ecmp = true;
    Object::Subnet(subnet)
}

fn silence(sim: &mut Sim, nodes: &[&str]) {
    let silent = nodes.iter().map(|node| join_address(sim, node).parse().unwrap()).collect();
    sim.feed(kubeovn_core::spine::Input::Silent(silent));
}

fn join_addresses(sim: &Sim, nodes: &[&str]) -> BTreeSet<String> {
    nodes.iter().map(|node| join_address(sim, node)).collect()
}

fn says(sim: &Sim) -> (String, String) {
    let conditions = &sim.spine.world().subnet("s1").unwrap().status.conditions;
    let ready = conditions.iter().find(|c| &*c.r#type == "Ready").unwrap();
    (ready.status.to_string(), ready.reason.to_string())
}

#[test]
fn of_gateways_that_lead_together_those_that_do_not_answer_are_left_out() {
    let mut sim = town(together("n1,n2,n3"));
    let all = join_addresses(&sim, &["n1", "n2", "n3"]);
    let told = |word: &str, reason: &str| (word.to_owned(), reason.to_owned());
    assert_eq!(
        (hops(&sim).into_iter().collect::<BTreeSet<_>>(), says(&sim)),
        (all.clone(), told("True", "Programmed"))
    );
    for (silent, lead, txns, word, reason) in [
        (&["n2"][..], &["n1", "n3"][..], 1, "True", "SUBNET-GATEWAY-SILENT"),
        (&["n2"], &["n1", "n3"], 0, "True", "SUBNET-GATEWAY-SILENT"),
        (&["n2", "n3"], &["n1"], 1, "True", "SUBNET-GATEWAY-SILENT"),
        // Nobody else is there.
        (&["n1", "n2", "n3"], &["n1", "n2", "n3"], 1, "False", "SUBNET-GATEWAY-SILENT"),
        (&["n3"], &["n1", "n2"], 1, "True", "SUBNET-GATEWAY-SILENT"),
        (&[], &["n1", "n2", "n3"], 1, "True", "Programmed"),
    ] {
        silence(&mut sim, silent);
        assert_eq!(transactions(&mut sim), txns, "{silent:?}");
        let lead = join_addresses(&sim, lead);
        assert_eq!(
            (hops(&sim).into_iter().collect::<BTreeSet<_>>(), says(&sim)),
            (lead, told(word, reason)),
            "{silent:?}"
        );
    }
    // Who is not ready is out anyway; of those that are ready one answers.
    sim.apply(ready("n1", false));
    silence(&mut sim, &["n1", "n2"]);
    sim.settle();
    assert_eq!(hops(&sim), [join_address(&sim, "n3")]);
    // The last that answers falls: better one that is ready than none.
    sim.apply(ready("n3", false));
    sim.settle();
    assert_eq!((hops(&sim), says(&sim).0), (vec![join_address(&sim, "n2")], "False".to_owned()));
}

#[test]
fn one_that_leads_alone_is_not_asked_and_stays() {
    let mut sim = town(central("n1,n2"));
    silence(&mut sim, &["n1"]);
    assert_eq!(transactions(&mut sim), 0);
    assert_eq!((active(&sim), says(&sim)), ("n1".to_owned(), ("True".to_owned(), "Programmed".to_owned())));
}

#[test]
fn after_a_restart_who_was_left_out_stays_so_until_he_is_heard() {
    let mut sim = town(together("n1,n2,n3"));
    silence(&mut sim, &["n2"]);
    sim.settle();
    let again =
        |sim: &Sim| Sim::on(sim.shop.clone(), crate::database::Database::on(sim.db.server.clone()), sim.now);
    let mut heir = again(&sim).asking();
    heir.shop.written.clear();
    assert_eq!((transactions(&mut heir), &heir.shop.written), (0, &Vec::new()), "a restart wrote");
    silence(&mut heir, &[]);
    assert_eq!(transactions(&mut heir), 1);
    assert_eq!(hops(&heir).len(), 3);
    // Where nobody asks, whether nodes are ready decides alone.
    silence(&mut heir, &["n3"]);
    heir.settle();
    let mut deaf = again(&heir);
    deaf.settle();
    assert_eq!(hops(&deaf).len(), 3);
}
