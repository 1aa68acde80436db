//! What must hold at any moment, when nothing is left to do, and when nothing stands against it any more.

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_core::{
    annotations::{NicKey, nic},
    contract::ipam::{Grant, Ipam as _},
    decide::{is_kept, subnets_for},
    engine::Standing,
    error::Problem,
    index::{
        ip_name,
        objects::{Kind, Object, ObjectKey, Pod, VIRTUAL_MACHINE, Workload},
    },
    rows::{Act, ColumnKind, EXTERNAL_IDS, Op, OwnerKey, OwnerKind, Replica as _, RowKey, Txn},
};
use kubeovn_ovn::{
    memory::Server,
    nb::{self, NORTHBOUND},
    ovsdb::{
        replica::Replica,
        wire::{Atom, Datum, Row},
    },
};

use crate::{database::Database, gateways, sim::Sim};

/// What holds after every change of the database: an address is live once, and what is somebody else's is there.
pub(crate) fn at_any_moment(server: &Server) {
    addresses_are_live_once(server);
    strangers_are_there(server);
}

fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column)
        .and_then(|datum| match datum.scalar() {
            Some(Atom::String(text)) => Some(&**text),
            _ => None,
        })
        .unwrap_or("")
}

fn addresses_are_live_once(server: &Server) {
    let mut live: BTreeMap<(String, String), String> = BTreeMap::new();
    for port in server.rows(nb::LOGICAL_SWITCH_PORT) {
        let Some(space) = port.get("external_ids").and_then(|ids| ids.get_str("space")) else { continue };
        let addresses: Vec<Atom> =
            port.get("addresses").map(Datum::elements).into_iter().flatten().cloned().collect();
        let texts = addresses.iter().filter_map(Atom::as_str);
        for address in texts.flat_map(|text| text.split_whitespace().skip(1)) {
            let name = text(&port, "name").to_owned();
            let before = live.insert((space.to_owned(), address.to_owned()), name.clone());
            assert_eq!(before, None, "{address} in {space} is live twice, second at {name}");
        }
    }
}

fn strangers_are_there(server: &Server) {
    let mut switches = server.rows(nb::LOGICAL_SWITCH).into_iter();
    assert!(switches.any(|row| text(&row, "name") == "not-ours"), "somebody else's row is gone");
}

/// No transaction of ours takes the port from a pod that lives, whatever is known of it at the moment. But for a pod with
/// the name of a port of the infrastructure.
pub(crate) fn cuts_nobody_off(sim: &Sim, txn: &Txn) {
    for op in txn.ops.iter().filter(|op| op.act == Act::Delete && op.row.table == nb::LOGICAL_SWITCH_PORT) {
        let id = |key| sim.db.replica.pair(&op.row, EXTERNAL_IDS, key);
        let (Some(pod), Some(uid)) = (id("pod"), id("uid")) else { continue };
        let (namespace, name) = pod.split_once('/').unwrap();
        if **uid == *VIRTUAL_MACHINE {
            let owner = OwnerKey::pod(namespace, name);
            let running = runs(sim, &owner);
            assert!(
                running.is_empty(),
                "{owner} runs and loses its port: {running:?} {}",
                state(sim, &owner)
            );
            continue;
        }
        let key = ObjectKey { kind: Kind::Pod, namespace: namespace.into(), name: name.into() };
        let Some(Object::Pod(pod)) = sim.shop.cluster.get(&key) else { continue };
        let holder = match pod.workload.as_deref() {
            Some(Workload::StatefulSet { uid, .. }) => uid,
            Some(Workload::VirtualMachine { .. }) | None => &pod.meta.uid,
        };
        // A member of a set that was scaled down and up again: what its predecessor had went before this one was heard of.
        let unheard = pod.workload.is_some()
            && sim.spine.world().pod_of(&OwnerKey::pod(namespace, name)).is_none()
            && pod.meta.annotation(nic::ALLOCATED.ovn()).is_none();
        let ours = *holder == *uid && !unheard && !pod.meta.name.starts_with("localnet");
        // Who leaves a further network loses the port in it.
        let network = id("nic").map(|nic| &**nic).unwrap_or_default();
        let mut asked = pod.networks.iter().flat_map(|networks| networks.all());
        let stays = network.is_empty() || asked.any(|asked| network.starts_with(&asked.ovn_provider()));
        let lives = ours && stays && pod.needs_network();
        assert!(!lives, "{key} lives and loses its port: {}", state(sim, &OwnerKey::pod(namespace, name)));
    }
}

/// The pods of a virtual machine that were told its address and need it.
fn runs(sim: &Sim, owner: &OwnerKey) -> Vec<Pod> {
    let pods = sim.shop.cluster.objects(Kind::Pod).into_iter().filter_map(|object| match object {
        Object::Pod(pod) => Some(pod),
        _ => None,
    });
    let told = |pod: &Pod| pod.meta.annotation(nic::ALLOCATED.ovn()).is_some();
    pods.filter(|pod| pod.owner() == *owner && pod.needs_network() && told(pod)).collect()
}

/// What holds whenever nothing is left to do.
pub(crate) fn at_rest(sim: &Sim) {
    let mut holders = BTreeSet::new();
    sim.ledger.owners(&mut |owner, uid| {
        holders.insert((owner.clone(), uid.clone()));
    });
    let world = sim.spine.world();
    for (owner, uid) in &holders {
        assert_eq!(world.uid(owner).as_ref(), Some(uid), "{owner} is gone and holds something");
        assert_eq!(sim.ledger.held(owner), world.grants(owner), "two minds on what {owner} holds");
    }
    for owner in world.owners() {
        let held = sim.ledger.held(&owner);
        assert_eq!(held, world.grants(&owner), "two minds on what {owner} holds");
        if let Some(pod) = world.pod_of(&owner) {
            if !pod.needs_network() {
                let kept = held.iter().all(|grant| is_kept(world, &owner, grant));
                assert!(kept, "{owner} needs nothing and holds {held:?}");
                continue;
            }
            for pod in world.pods_of(&owner).filter(|pod| pod.needs_network()) {
                has_an_answer(sim, &owner, &pod.meta.name);
            }
        }
    }
    knows_the_cluster(sim);
}

/// A pod is told what it has, and it has that, or it is told why not.
fn has_an_answer(sim: &Sim, owner: &OwnerKey, name: &str) {
    let (namespace, _) = owner.name.split_once('/').unwrap();
    let key = ObjectKey { kind: Kind::Pod, namespace: namespace.into(), name: name.into() };
    let Some(Object::Pod(pod)) = sim.shop.cluster.get(&key) else { panic!("{key} is not there") };
    if let Some(error) = pod.meta.annotation(nic::ERROR.ovn()) {
        assert!(sim.spine.problems().contains_key(&key), "{key} is told of what is no problem: {error}");
        return;
    }
    assert!(!sim.spine.problems().contains_key(&key), "{key} is not told of {:?}", sim.spine.problems());
    let held = sim.ledger.held(owner);
    assert!(held.iter().any(|grant| grant.nic.is_empty()), "{key} has no answer");
    for grant in &held {
        is_told(sim, owner, &pod, grant);
    }
}

/// Annotations, port and record of one of its interfaces.
fn is_told(sim: &Sim, owner: &OwnerKey, pod: &Pod, grant: &Grant) {
    let key = &owner.name;
    let told = |key: NicKey| pod.meta.annotation(&key.of(&grant.nic)).unwrap_or("").to_owned();
    assert_eq!(told(nic::ALLOCATED), "true", "{key} has an address and is not told: {}", state(sim, owner));
    assert_eq!(told(nic::IP_ADDRESS), grant.ips.to_string(), "{key}");
    let Some(Object::Ip(record)) =
        sim.shop.cluster.get(&ObjectKey::cluster(Kind::Ip, ip_name(owner, &grant.nic)))
    else {
        panic!("{key} has no record")
    };
    assert_eq!(*record.spec.ip_address, grant.ips.to_string(), "the record of {key}");
    let port = RowKey::new(nb::LOGICAL_SWITCH_PORT, ip_name(owner, &grant.nic));
    let Some(mac) = grant.mac else {
        assert!(!sim.db.replica.has(&port), "{key} has a port in another plugin's network");
        return;
    };
    assert_eq!(told(nic::MAC_ADDRESS), mac.to_string(), "{key}");
    assert_eq!(told(nic::LOGICAL_SWITCH), &*grant.subnet, "{key}");
    let Some(addresses) = sim.db.replica.value(&port, "addresses") else {
        panic!("{key} has no port: {}", state(sim, owner))
    };
    let told = grant.ips.iter().fold(mac.to_string(), |text, ip| format!("{text} {ip}"));
    // Beside them what layer2_forward asks for.
    assert!(
        addresses.texts().map(|t| &**t).filter(|t| *t != "unknown").eq([&*told]),
        "{key}: its port has something else"
    );
}

/// All that there is to know about an owner, for whoever looks for the cause.
fn state(sim: &Sim, owner: &OwnerKey) -> String {
    let world = sim.spine.world();
    let held = sim.ledger.held(owner);
    let subnets =
        held.iter().map(|grant| (&grant.subnet, world.subnet(&grant.subnet), world.decision(&grant.subnet)));
    format!(
        "pod {:#?}, for {:?}, holds {held:#?}, verdict {:?}, refusal {:?}, subnet {:#?}",
        world.pod_of(owner),
        owner.name.split_once('/').map(|(namespace, _)| subnets_for(world, namespace)),
        sim.spine.verdict(owner),
        world.refusal(owner),
        subnets.collect::<Vec<_>>(),
    )
}

/// The controller knows what is there, and nothing else.
fn knows_the_cluster(sim: &Sim) {
    let world = sim.spine.world();
    for kind in Kind::ALL {
        let there: BTreeSet<_> = (sim.shop.cluster.objects(*kind).iter())
            .map(|object| {
                (object.key().full_name(), object.meta().uid.clone(), object.meta().revision.clone())
            })
            .collect();
        let entry = |meta: &kubeovn_core::index::objects::Meta| {
            let key = ObjectKey { kind: *kind, namespace: meta.namespace.clone(), name: meta.name.clone() };
            (key.full_name(), meta.uid.clone(), meta.revision.clone())
        };
        let known: BTreeSet<_> = match kind {
            Kind::Namespace => world.namespaces().map(|o| entry(&o.meta)).collect(),
            Kind::Node => world.nodes().map(|o| entry(&o.meta)).collect(),
            Kind::Vpc => world.vpcs().map(|o| entry(&o.meta)).collect(),
            Kind::Subnet => world.subnets().map(|o| entry(&o.meta)).collect(),
            Kind::Ip => world.ips().map(|o| entry(&o.meta)).collect(),
            Kind::Pod => world.pods().map(|o| entry(&o.meta)).collect(),
            Kind::IpPool => world.ip_pools().map(|o| entry(&o.meta)).collect(),
            Kind::StatefulSet => world.stateful_sets().map(|o| entry(&o.meta)).collect(),
            Kind::VirtualMachine => world.virtual_machines().map(|o| entry(&o.meta)).collect(),
            Kind::VirtualMachineInstance => {
                world.virtual_machine_instances().map(|o| entry(&o.meta)).collect()
            }
        };
        assert_eq!(known, there, "what the controller knows is not what is there");
    }
}

/// What holds when users have taken away what cannot be.
pub(crate) fn all_is_well(sim: &Sim) {
    assert_eq!(sim.db.replica.len(), replica_of(&sim.db).len(), "the replica is not what the server has");
    // One record for each grant, and one port.
    let world = sim.spine.world();
    let (mut grants, mut ours) = (BTreeSet::new(), BTreeSet::new());
    sim.ledger.owners(&mut |owner, _| {
        for grant in sim.spine.world().grants(owner) {
            let name = ip_name(owner, &grant.nic).to_string();
            // Other plugins' interfaces have no port.
            ours.extend(grant.mac.map(|_| name.clone()));
            grants.insert(name);
        }
    });
    let records: BTreeSet<String> = world.ips().map(|ip| ip.meta.name.to_string()).collect();
    assert_eq!(records, grants, "records and grants");
    let mut ports = BTreeSet::new();
    sim.db.replica.ours(&mut |row, owner| {
        let owned = owner.is_some_and(|o| matches!(o.kind, OwnerKind::Pod | OwnerKind::Node));
        if owned && row.table == nb::LOGICAL_SWITCH_PORT {
            ports.insert(row.id.to_string());
        }
    });
    assert_eq!(ports, ours, "ports and grants");
    gateways::every_pod_leaves_by_one_way(sim);
}

fn replica_of(db: &Database) -> Replica {
    Database::on(db.server.clone()).replica
}

/// A restart gives nothing to anybody who did not have it: nobody was forgotten in a line. Some things are left out of
/// this. Names that a refused subnet had are not known after a restart; nor is all of an address that was granted but has
/// no port yet: it may be lost or be another one, and let a subnet move that could not before.
pub(crate) fn a_restart_serves_nobody_else(sim: &Sim) {
    let world = sim.spine.world();
    let stands = |owner: &OwnerKey| sim.spine.verdict(owner).map(|verdict| verdict.standing.clone());
    let waits = |owner| matches!(stands(owner), Some(Standing::Beaten | Standing::Waiting));
    let moving = |problem: &Problem| problem.code == "IPAM-SPACE-FIXED";
    let decisions = || world.subnets().filter_map(|subnet| world.decision(&subnet.meta.name));
    if world.owners().iter().any(waits) || decisions().any(|d| d.problems.iter().any(moving)) {
        return;
    }
    let mut again = Sim::on(sim.shop.clone(), Database::on(sim.db.server.clone()), sim.now);
    again.settle();
    for owner in world.owners() {
        let held = |sim: &Sim| {
            sim.ledger.held(&owner).into_iter().map(|g| (g.subnet, g.ips, g.mac)).collect::<Vec<_>>()
        };
        assert_eq!(
            held(sim),
            held(&again),
            "{owner} holds something else after a restart: {}",
            state(sim, &owner)
        );
    }
    // A policy that a refused subnet shares with one that went may have that one's mark, and goes with the restart.
    let shared = |op: &Op| match op.row.table {
        nb::LOGICAL_ROUTER_POLICY => op.act == Act::Delete,
        table => table == nb::LOGICAL_ROUTER,
    };
    let refused = decisions().any(|decision| decision.plan.is_none());
    let excused = refused && again.txns == 1 && again.last.iter().all(|txn| txn.ops.iter().all(shared));
    assert!(again.txns == 0 || excused, "a restart wrote {:#?}", again.last);
}

/// A restart on what is there writes nothing, neither here nor there.
pub(crate) fn a_restart_writes_nothing(sim: &Sim) {
    let mut shop = sim.shop.clone();
    shop.written.clear();
    let mut again = Sim::on(shop, Database::on(sim.db.server.clone()), sim.now);
    again.settle();
    assert_eq!((again.txns, &again.shop.written), (0, &Vec::new()), "a restart wrote {:#?}", again.last);
}

/// A start on an empty database comes to the same rows.
pub(crate) fn equals_from_scratch(sim: &Sim) {
    let mut scratch = Sim::on(sim.shop.clone(), Database::new(), sim.now);
    scratch.settle();
    let (left, right) = (dump(&sim.db.replica), dump(&scratch.db.replica));
    let differing: Vec<_> = left.symmetric_difference(&right).collect();
    assert!(differing.is_empty(), "differs from a fresh start:\n{differing:#?}");
}

/// Every row as text, references resolved to the names of rows.
pub(crate) fn dump(replica: &Replica) -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    replica.ours(&mut |row, owner| {
        let mut text = format!("{row} of {}", owner.map_or_else(|| "?".into(), ToString::to_string));
        for column in NORTHBOUND.table(row.table).unwrap().columns {
            match column.kind {
                ColumnKind::Value | ColumnKind::Born | ColumnKind::Implied(_) => {
                    let value = replica.value(row, column.name).map(|v| v.atoms().to_vec());
                    text += &format!("\n  {}={value:?}", column.name);
                }
                ColumnKind::Keys(keys) => {
                    for key in keys {
                        if let Some(value) = replica.pair(row, column.name, key) {
                            text += &format!("\n  {}:{key}={value}", column.name);
                        }
                    }
                }
                ColumnKind::Refs { .. } | ColumnKind::Elements => {
                    let mut elems = Vec::new();
                    replica.elements(row, column.name, &mut |elem| elems.push(format!("{elem:?}")));
                    elems.sort();
                    text += &format!("\n  {}=[{}]", column.name, elems.join(", "));
                }
                ColumnKind::Seen => {}
            }
        }
        rows.insert(text);
    });
    rows
}
