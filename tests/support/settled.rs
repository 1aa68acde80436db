//! When a controller is done with what a cluster wants, and what else its suites need.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use kubeovn_core::{
    annotations::nic,
    cluster::memory::MemoryCluster,
    index::objects::{Kind, Object},
};

use crate::seen::Seen;

/// What is still to be done until every pod and node has been told its addresses and has its port, nothing is left of
/// others, and the subnets have been counted.
pub(crate) fn unsettled(cluster: &MemoryCluster, seen: &Seen) -> Vec<String> {
    let mut left = Vec::new();
    let ports = seen.ports();
    let mut wanted = BTreeSet::new();
    for object in Kind::ALL.iter().flat_map(|kind| cluster.objects(*kind)) {
        let meta = object.meta();
        if meta.deleting {
            left.push(format!("{} is still being deleted", object.key()));
        }
        let port = match &object {
            Object::Pod(_) => format!("{}.{}", meta.name, meta.namespace),
            Object::Node(_) => format!("node-{}", meta.name),
            _ => continue,
        };
        let told = meta.annotation(nic::ALLOCATED.ovn()) == Some("true");
        let ips = meta.annotation(nic::IP_ADDRESS.ovn()).unwrap_or_default();
        let there =
            ports.get(&port).is_some_and(|text| ips.split(',').all(|ip| text.split(' ').any(|t| t == ip)));
        if !told || !there {
            left.push(format!("{}: told {told} {ips:?}, port {:?}", object.key(), ports.get(&port)));
        }
        wanted.insert(port);
    }
    let records: Vec<Object> = cluster.objects(Kind::Ip);
    let recorded: BTreeSet<String> = records.iter().map(|ip| ip.meta().name.to_string()).collect();
    let named: BTreeSet<String> = ports.into_keys().collect();
    for (what, names) in [("ports", named), ("records", recorded)] {
        left.extend(names.symmetric_difference(&wanted).map(|name| format!("{what}: {name}")));
    }
    for object in cluster.objects(Kind::Subnet) {
        let Object::Subnet(subnet) = object else { continue };
        let of_it = |ip: &&Object| matches!(ip, Object::Ip(ip) if ip.spec.subnet == subnet.meta.name);
        let used = records.iter().filter(of_it).count();
        if subnet.status.v4usingIPs.0 != used as u128 {
            left.push(format!("{}: {used} used, status says {}", subnet.meta.name, subnet.status.v4usingIPs));
        }
    }
    left
}

/// What pods and nodes were told.
pub(crate) fn addresses(cluster: &MemoryCluster) -> BTreeMap<String, String> {
    let objects = [Kind::Pod, Kind::Node].into_iter().flat_map(|kind| cluster.objects(kind));
    let told = |object: &Object| {
        let told = |key| object.meta().annotation(key).unwrap_or_default().to_owned();
        told(nic::IP_ADDRESS.ovn()) + " " + &told(nic::MAC_ADDRESS.ovn())
    };
    objects.map(|object| (object.key().to_string(), told(&object))).collect()
}

/// Asks again and again until it is so; `false` when it is not so for too long.
pub(crate) fn in_time(patience: Duration, mut so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !so() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// A cluster that holds these objects.
pub(crate) fn cluster_of(objects: impl IntoIterator<Item = Object>) -> Arc<MemoryCluster> {
    let cluster = MemoryCluster::new();
    for object in objects {
        cluster.apply(object).unwrap();
    }
    Arc::new(cluster)
}

/// The output of a program that must succeed.
pub(crate) fn tool(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let (text, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && !text.contains("\"error\""),
        "{program} {arguments:?}: {errors} {text}"
    );
    text
}
