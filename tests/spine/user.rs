//! What users do, and what somebody does to the database behind our back.

use kubeovn_core::{
    annotations::{self, nic},
    index::objects::{
        Kind, Meta, NETWORKS as NETWORKS_KEY, Namespace, Networks, Node, Object, ObjectKey, Pod, PolicyRoute,
        Selector, StatefulSet, Subnet, SubnetAcl, SubnetSpec, VirtualMachine, VirtualMachineInstance, Vpc,
        VpcPeering, VpcSpec, Workload,
    },
    rows::Replica as _,
};
use kubeovn_ovn::{
    nb,
    ovsdb::wire::{Atom, Condition, Datum, Function, Mutation, Mutator, Operation},
};

use crate::{database::Database, random::Rng, sim::Sim};

const NAMESPACES: [&str; 4] = ["red", "blue", "green", "ul"];
const NODES: [&str; 3] = ["n1", "n2", "n3"];
const VPCS: [&str; 2] = ["va", "vb"];
// The last has the name of a VPC: its port may be called as that of a connection to it.
const SUBNETS: [&str; 7] = ["s1", "s2", "s3", "ul", "a-b", "vb", "far"];
/// Members of the StatefulSet `st` of their namespace, if there is one.
const MEMBERS: [&str; 3] = ["st-0", "st-1", "st-2"];
const PODS: [&str; 5] = ["p0", "p1", "p2", "p3", "localnet"];
const CIDRS: [&str; 8] = [
    "10.1.0.0/28",
    "10.1.0.0/27,fd01::/124",
    "10.2.0.0/29",
    "fd03::/125",
    "10.1.0.8/29",
    "10.4.0.0/24,fd04::/64",
    "10.4.0.0/33",
    "224.0.0.0/8",
];

/// Nodes that a centralized subnet may leave by; with none, those with a label.
const GATEWAYS: [&str; 5] = ["", "n1", "n2,n1", "n3: 172.18.0.4, n1,n3", "nowhere"];

/// Providers of subnets of further networks, one of them of another plugin's.
const FURTHER: [&str; 3] = ["lan.red.ovn", "lan.red.ovn", "phys.red"];

/// What pods ask for in them.
const NETWORKS: [&str; 6] = ["lan", "lan,phys", "lan@a,lan@b", "phys", "theirs", "a/b/c"];

const TINY: [&str; 3] = ["10.2.0.0/30", "10.1.0.0/29", "fd03::/126"];

/// What kind of users there are in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// Subnets are tiny: addresses run out and go from hand to hand.
    crowded: bool,
    /// How many of a hundred pods ask for an address of their own.
    wishes: usize,
}

impl Habits {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        Habits { crowded: rng.chance(40), wishes: rng.pick(&[5, 25, 70]) }
    }
}

/// One thing that a user does.
pub(crate) fn act(sim: &mut Sim, habits: Habits, rng: &mut Rng) {
    match rng.below(33) {
        0 => sim.apply(namespace(rng.pick(&NAMESPACES))),
        1 => sim.delete(Kind::Namespace, "", rng.pick(&NAMESPACES)),
        2 => {
            let (i, moved) = (rng.below(NODES.len()), rng.chance(20));
            let ip = format!("172.18.{}.{}", u8::from(moved), i + 2);
            let (ready, exit) = (rng.chance(60), rng.chance(50));
            sim.apply(node_that(NODES[i], &ip, ready, exit));
        }
        3 if rng.chance(30) => sim.delete(Kind::Node, "", rng.pick(&NODES)),
        4 => {
            let matches = rng.pick(&[
                &[][..],
                &["ip4.dst == 10.9.0.0/16"],
                &["ip4.dst == 10.8.0.0/16", "outport != x"],
            ]);
            let Object::Vpc(mut vpc) = vpc(rng.pick(&VPCS), matches) else { return };
            vpc.spec.vpc_peerings = (0..rng.below(3)).map(|_| some_peering(rng)).collect();
            sim.apply(Object::Vpc(vpc));
        }
        5 if rng.chance(40) => sim.delete(Kind::Vpc, "", rng.pick(&VPCS)),
        6..=9 => some_subnet(sim, habits, rng),
        10 => sim.delete(Kind::Subnet, "", rng.pick(&SUBNETS)),
        11..=15 => some_pod(sim, habits, rng),
        // Gone and back at once, under the same name.
        16 => {
            let (ns, name) = (rng.pick(&NAMESPACES), rng.pick(&PODS));
            sim.delete(Kind::Pod, ns, name);
            sim.apply(pod(ns, name, rng.pick(&NODES), &[]));
        }
        17 if rng.chance(50) => {
            let (ns, name) = (rng.pick(&NAMESPACES), rng.pick(&PODS));
            let Object::Pod(mut done) = pod(ns, name, rng.pick(&NODES), &[]) else { return };
            done.finished = true;
            sim.apply(Object::Pod(done));
        }
        18 => {
            let replicas = rng.below(4) as u64;
            let chosen = rng.pick(&["", "", "s1", "s2"]);
            sim.apply(stateful_set(rng.pick(&NAMESPACES), replicas, chosen));
        }
        19 if rng.chance(30) => sim.delete(Kind::StatefulSet, rng.pick(&NAMESPACES), SET),
        20..=22 => {
            if let Some(member) = member(sim, rng.pick(&NAMESPACES), rng.pick(&MEMBERS), rng.pick(&NODES)) {
                sim.apply(member);
            }
        }
        23 | 24 => sim.delete(Kind::Pod, rng.pick(&NAMESPACES), rng.pick(&MEMBERS)),
        25 if rng.chance(30) => {
            let name = format!("{}.{}", rng.pick(&["st-0", "st-1", "st-2", MACHINE]), rng.pick(&NAMESPACES));
            sim.delete(Kind::Ip, "", &name);
        }
        26 => sim.apply(machine(rng.pick(&NAMESPACES))),
        27 if rng.chance(40) => sim.delete(Kind::VirtualMachine, rng.pick(&NAMESPACES), MACHINE),
        28 if rng.chance(60) => sim.apply(instance(rng.pick(&NAMESPACES))),
        28 => sim.delete(Kind::VirtualMachineInstance, rng.pick(&NAMESPACES), MACHINE),
        29 | 30 => {
            let wishes = if rng.chance(40) { vec![JOB] } else { Vec::new() };
            let (namespace, name) = (rng.pick(&NAMESPACES), rng.pick(&LAUNCHERS));
            let Object::Pod(mut pod) = launcher(namespace, name, rng.pick(&NODES), &wishes) else { return };
            pod.finished = rng.chance(15);
            sim.apply(Object::Pod(pod));
        }
        31 => sim.delete(Kind::Pod, rng.pick(&NAMESPACES), rng.pick(&LAUNCHERS)),
        _ => sim.delete(Kind::Pod, rng.pick(&NAMESPACES), rng.pick(&PODS)),
    }
}

/// The one StatefulSet of a namespace.
const SET: &str = "st";

pub(crate) fn stateful_set(namespace: &str, replicas: u64, subnet: &str) -> Object {
    let meta = Meta { namespace: namespace.into(), ..Meta::named(SET) };
    let subnet = (!subnet.is_empty()).then(|| subnet.into());
    Object::StatefulSet(StatefulSet { meta, replicas, subnet, ..StatefulSet::default() })
}

/// A pod as the StatefulSet that is there makes it.
pub(crate) fn member(sim: &Sim, namespace: &str, name: &str, node: &str) -> Option<Object> {
    let key = ObjectKey { kind: Kind::StatefulSet, namespace: namespace.into(), name: SET.into() };
    let Some(Object::StatefulSet(set)) = sim.shop.cluster.get(&key) else { return None };
    let wishes = set.subnet.as_deref().map(|subnet| (nic::LOGICAL_SWITCH.ovn(), subnet));
    let Object::Pod(mut pod) = pod(namespace, name, node, wishes.as_slice()) else { return None };
    let workload = Workload::StatefulSet { name: SET.into(), uid: set.meta.uid };
    pod.workload = Some(Box::new(workload));
    Some(Object::Pod(pod))
}

/// The one virtual machine of a namespace, and names of pods that run it.
const MACHINE: &str = "vm";
const LAUNCHERS: [&str; 3] = ["vl-0", "vl-1", "vl-2"];
/// What a pod carries to which a machine moves.
pub(crate) const JOB: (&str, &str) = (annotations::pod::MIGRATION_JOB, "move");

fn of_machine(namespace: &str) -> Meta {
    Meta { namespace: namespace.into(), ..Meta::named(MACHINE) }
}

pub(crate) fn machine(namespace: &str) -> Object {
    Object::VirtualMachine(VirtualMachine { meta: of_machine(namespace) })
}

pub(crate) fn instance(namespace: &str) -> Object {
    Object::VirtualMachineInstance(VirtualMachineInstance { meta: of_machine(namespace) })
}

/// A pod that runs the machine.
pub(crate) fn launcher(namespace: &str, name: &str, node: &str, annotations: &[(&str, &str)]) -> Object {
    let Object::Pod(mut pod) = pod(namespace, name, node, annotations) else { unreachable!() };
    pod.workload = Some(Box::new(Workload::VirtualMachine { name: MACHINE.into() }));
    Object::Pod(pod)
}

fn some_peering(rng: &mut Rng) -> VpcPeering {
    let networks = ["169.254.0.1/30", "169.254.0.2/30,fd0f::2/126", "169.254.0.2", "10.1.0.9/28", ""];
    VpcPeering {
        remote_vpc: rng.pick(&["va", "vb", "ovn-cluster", "nowhere"]).into(),
        local_connect_ip: rng.pick(&networks).into(),
    }
}

/// Rules and answers, half of them such as can't be read.
fn some_wishes(spec: &mut SubnetSpec, rng: &mut Rng) {
    if rng.chance(40) {
        let rule = |rng: &mut Rng| SubnetAcl {
            direction: rng.pick(&["to-lport", "from-lport", "to-lport", "up"]).into(),
            priority: rng.pick(&[10, 20, 20, 1900, 40_000]),
            r#match: rng.pick(&["ip4.src == 10.9.0.0/16", "ip4", "tcp.dst == 80", "ip4.src = 1", ""]).into(),
            action: rng.pick(&["drop", "allow-related", "allow-stateless", "reject", "deny"]).into(),
        };
        spec.acls = (0..=rng.below(3)).map(|_| rule(rng)).collect();
        spec.allow_ew_traffic = rng.chance(50);
    }
    if rng.chance(40) {
        spec.enable_dhcp = true;
        spec.dhcp_v4_options =
            rng.pick(&["", "lease_time=60", "lease_time=60,mtu=1300", "unreadable"]).into();
        spec.dhcp_v6_options = rng.pick(&["", "dns_server=fd00::1", "dns_server=8.8.8.8"]).into();
    }
    if rng.chance(30) {
        spec.enable_ipv6_ra = true;
        spec.ipv6_ra_configs = rng.pick(&["", "address_mode=slaac", "address_mode=none"]).into();
    }
}

fn some_subnet(sim: &mut Sim, habits: Habits, rng: &mut Rng) {
    let place = ["", "va", "vb", "nowhere"][rng.below(4)];
    let (namespace, private) = (rng.pick(&NAMESPACES), rng.chance(30));
    let cidr = rng.pick(if habits.crowded { &TINY[..] } else { &CIDRS[..] });
    let exclude = rng.pick(&["", "10.1.0.2..10.1.0.5", "10.1.0.9", "nonsense"]);
    let central = rng.chance(40).then(|| (rng.pick(&GATEWAYS), rng.chance(30)));
    let name = rng.pick(&SUBNETS);
    // The others are of the cluster's own network, or not, from one moment to the next.
    let provider = if name == "far" || rng.chance(10) { rng.pick(&FURTHER) } else { "" };
    sim.apply(subnet(name, place, cidr, |spec| {
        spec.provider = provider.into();
        if let Some((nodes, all)) = central {
            spec.gateway_type = "centralized".into();
            spec.gateway_node = nodes.into();
            spec.gateway_node_selectors = vec![with_exit()];
            spec.enable_ecmp = all;
        }
        spec.namespaces = vec![namespace.into()];
        spec.private = private;
        spec.allow_subnets = if private { vec!["10.2.0.0/29".into()] } else { Vec::new() };
        spec.exclude_ips = if exclude.is_empty() { Vec::new() } else { vec![exclude.into()] };
        spec.route_table = if private { "t1".into() } else { String::new() };
        some_wishes(spec, rng);
    }));
}

fn some_pod(sim: &mut Sim, habits: Habits, rng: &mut Rng) {
    let ip = rng.pick(&["10.1.0.3", "10.1.0.4,fd01::9", "10.2.0.2", "10.99.0.1", "10.1.0.1", "10.4.0.7"]);
    let mut wishes = Vec::new();
    if rng.chance(habits.wishes) {
        wishes.push((nic::IP_ADDRESS.ovn(), ip));
    }
    if rng.chance(15) {
        let mac = rng.pick(&["0a:00:00:00:00:01", "02:00:00:00:00:02", "bad"]);
        wishes.push((nic::MAC_ADDRESS.ovn(), mac));
    }
    if rng.chance(20) {
        wishes.push((nic::LOGICAL_SWITCH.ovn(), rng.pick(&SUBNETS)));
    }
    if rng.chance(8) {
        wishes
            .push((annotations::pod::NORTH_GATEWAY, rng.pick(&["172.31.0.1", "172.31.0.2,fd31::2", "bad"])));
    }
    if rng.chance(10) {
        wishes.push((nic::PORT_SECURITY.ovn(), "true"));
    }
    if rng.chance(10) {
        wishes.push((nic::PORT_VIPS.ovn(), rng.pick(&["10.1.0.200", "10.1.0.200,bad"])));
    }
    if rng.chance(10) {
        wishes.push((nic::LAYER2_FORWARD.ovn(), "true"));
    }
    if rng.chance(15) {
        wishes.push((nic::DHCP_V4_OPTIONS.ovn(), rng.pick(&["lease_time=61", "router=10.1.0.7", "bad"])));
    }
    let networks = if rng.chance(25) { rng.pick(&NETWORKS) } else { "" };
    let Object::Pod(mut pod) = pod(rng.pick(&NAMESPACES), rng.pick(&PODS), rng.pick(&NODES), &wishes) else {
        return;
    };
    pod.networks = asked(networks);
    sim.apply(Object::Pod(pod));
}

/// What an annotation of Multus' asks for.
fn asked(networks: &str) -> Option<Box<Networks>> {
    Networks::read("red", &[(NETWORKS_KEY.into(), networks.into())].into())
}

/// A pod of namespace `red` that asks for these networks.
pub(crate) fn pod_in(namespace: &str, name: &str, node: &str, networks: &str) -> Object {
    let Object::Pod(mut pod) = pod(namespace, name, node, &[]) else { unreachable!() };
    pod.networks = asked(networks);
    Object::Pod(pod)
}

/// One thing that somebody does to the database.
pub(crate) fn meddle(db: &mut Database, rng: &mut Rng) {
    let mut ours = Vec::new();
    db.replica.ours(&mut |row, _| ours.push(row.clone()));
    if ours.is_empty() {
        return;
    }
    let row = rng.one_of(&ours).clone();
    let Some(uuid) = db.replica.uuid(&row) else { return };
    let here =
        vec![Condition { column: "_uuid".into(), function: Function::Equal, value: one(Atom::Uuid(uuid)) }];
    let table = row.table.into();
    let op = match (row.table, rng.below(3)) {
        (nb::LOGICAL_SWITCH, 0) => Operation::Update {
            table,
            r#where: here,
            row: [("ports".into(), Datum::set([]))].into_iter().collect(),
        },
        (nb::LOGICAL_SWITCH_PORT, 0) => {
            let row = [("addresses".into(), one(Atom::String("unknown".into())))].into_iter().collect();
            Operation::Update { table, r#where: here, row }
        }
        (nb::DHCP_OPTIONS, 0) => {
            let text = |text: &str| Atom::String(text.into());
            let options = [("lease_time", "1"), ("theirs", "1")].map(|(key, value)| (text(key), text(value)));
            let row = [("options".into(), Datum::map(options))].into_iter().collect();
            Operation::Update { table, r#where: here, row }
        }
        (nb::LOGICAL_ROUTER | nb::LOGICAL_SWITCH, 1) => Operation::Delete { table, r#where: here },
        _ => {
            let mark = (Atom::String("mine".into()), Atom::String("yes".into()));
            let mutation = Mutation {
                column: "external_ids".into(),
                mutator: Mutator::Insert,
                value: Datum::map([mark]),
            };
            Operation::Mutate { table, r#where: here, mutations: vec![mutation] }
        }
    };
    db.transact(&[op]);
}

fn one(atom: Atom) -> Datum {
    Datum::set([atom])
}

pub(crate) fn namespace(name: &str) -> Object {
    Object::Namespace(Namespace { meta: Meta::named(name) })
}

/// A node that is ready or not, with a label by which gateways are selected, or without.
pub(crate) fn node_that(name: &str, ip: &str, ready: bool, exit: bool) -> Object {
    let labels = if exit { vec![EXIT] } else { Vec::new() };
    let labels = labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    let meta = Meta { labels, ..Meta::named(name) };
    Object::Node(Node { meta, internal: ip.parse().unwrap(), ready, ..Node::default() })
}

/// The label of nodes that subnets may leave by.
const EXIT: (&str, &str) = ("exit", "yes");

/// Who carries it.
pub(crate) fn with_exit() -> Selector {
    Selector { match_labels: [(EXIT.0.into(), EXIT.1.into())].into(), ..Selector::default() }
}

pub(crate) fn vpc(name: &str, drops: &[&str]) -> Object {
    let policy = |text: &&str| PolicyRoute {
        priority: 31_500,
        r#match: (*text).into(),
        action: "drop".into(),
        ..PolicyRoute::default()
    };
    let spec = VpcSpec { policy_routes: drops.iter().map(policy).collect(), ..VpcSpec::default() };
    Object::Vpc(Vpc { meta: Meta::named(name), spec, ..Vpc::default() })
}

pub(crate) fn subnet(name: &str, vpc: &str, cidr: &str, change: impl FnOnce(&mut SubnetSpec)) -> Object {
    let mut spec = SubnetSpec { vpc: vpc.into(), cidr_block: cidr.into(), ..SubnetSpec::default() };
    change(&mut spec);
    Object::Subnet(Subnet { meta: Meta::named(name), spec, ..Subnet::default() })
}

pub(crate) fn pod(namespace: &str, name: &str, node: &str, annotations: &[(&str, &str)]) -> Object {
    let annotations = annotations.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let meta = Meta { namespace: namespace.into(), annotations, ..Meta::named(name) };
    Object::Pod(Pod { meta, node: (!node.is_empty()).then(|| node.into()), ..Pod::default() })
}
