//! Pods, nodes and namespaces.

use serde_json::{Value, json};

use super::{metadata, read};
use crate::{
    index::objects::{Meta, Namespace, Node, Pod, VirtualMachine, VirtualMachineInstance, Workload},
    rows::OwnerKey,
};

#[test]
fn metadata_is_read() {
    let namespace: Namespace =
        read(&json!({ "metadata": metadata("dev"), "spec": { "finalizers": ["kubernetes"] },
        "status": { "phase": "Active" } }));
    let meta = &namespace.meta;
    assert_eq!((&*meta.name, &*meta.namespace, &*meta.revision), ("dev", "", "123456"));
    assert_eq!(&*meta.uid, "5b1b4c4e-7c1e-4e4e-9a55-3f9f6c1d2e3a");
    assert_eq!((meta.created, meta.generation, meta.deleting), (1_772_366_400_000, 3, false));
    assert_eq!(meta.finalizers.iter().map(|f| &**f).collect::<Vec<_>>(), ["kubeovn.io/kube-ovn-controller"]);
    assert_eq!(meta.labels.get("app").map(|v| &**v), Some("web"));
    assert_eq!(meta.annotation("ovn.kubernetes.io/ip_address"), Some("10.16.0.9"));
    assert_eq!((meta.annotation("empty"), meta.annotation("absent")), (None, None));
}

#[test]
fn sparse_metadata_is_read() {
    let nulls = json!({ "name": "dev", "labels": null, "annotations": null, "finalizers": null,
        "creationTimestamp": null, "deletionTimestamp": null, "generation": null });
    assert_eq!(read::<Namespace>(&json!({ "metadata": nulls })).meta, Meta::named("dev"));
    assert_eq!(read::<Namespace>(&json!({ "metadata": { "name": "dev" } })).meta, Meta::named("dev"));
    let deleting = json!({ "name": "dev", "deletionTimestamp": "2026-03-01T12:00:00Z", "deletionGracePeriodSeconds": 30 });
    assert!(read::<Namespace>(&json!({ "metadata": deleting })).meta.deleting);
}

fn pod(spec: Value, status: Value) -> Pod {
    let mut meta = metadata("web-0");
    meta["namespace"] = "dev".into();
    meta["generateName"] = "web-".into();
    read(&json!({ "apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status }))
}

#[test]
fn a_running_pod_is_read() {
    let spec = json!({
        "containers": [{ "name": "web", "image": "nginx", "ports": [{ "containerPort": 80, "protocol": "TCP" }],
            "resources": { "limits": { "cpu": "1" } }, "volumeMounts": [{ "name": "t", "mountPath": "/t", "readOnly": true }] }],
        "nodeName": "n1", "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "tolerations": [{ "key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300 }],
    });
    let status = json!({ "phase": "Running", "podIP": "10.16.0.9", "podIPs": [{ "ip": "10.16.0.9" }],
        "containerStatuses": [{ "name": "web", "ready": true, "restartCount": 0, "state": { "running": {} } }] });
    let pod = pod(spec, status);
    assert_eq!((&*pod.meta.namespace, &*pod.meta.name), ("dev", "web-0"));
    assert_eq!(pod.node.as_deref(), Some("n1"));
    assert!(pod.needs_network());
}

#[test]
fn a_pod_that_was_only_just_made_is_read() {
    let pod = read::<Pod>(&json!({ "metadata": { "name": "web-0", "namespace": "dev" } }));
    assert_eq!((pod.node.clone(), pod.needs_network()), (None, true));
    assert_eq!(self::pod(json!({ "nodeName": "" }), json!({})).node, None);
}

#[test]
fn pods_on_the_nodes_network_need_none() {
    assert!(!pod(json!({ "hostNetwork": true }), json!({})).needs_network());
    assert!(pod(json!({ "hostNetwork": false }), json!({})).needs_network());
}

#[test]
fn a_pod_is_finished_when_it_will_not_start_again() {
    for (phase, policy, reason, finished) in [
        ("Succeeded", "Always", "", false),
        ("Succeeded", "OnFailure", "", true),
        ("Succeeded", "Never", "", true),
        ("Failed", "Never", "", true),
        ("Failed", "OnFailure", "", false),
        ("Failed", "Always", "", false),
        ("Failed", "Always", "Evicted", true),
        ("Running", "Never", "Evicted", false),
        ("Pending", "Never", "", false),
        ("Unknown", "Never", "", false),
    ] {
        let pod = pod(json!({ "restartPolicy": policy }), json!({ "phase": phase, "reason": reason }));
        assert_eq!(pod.finished, finished, "{phase} {policy} {reason}");
    }
    assert!(!pod(json!({}), json!({ "phase": "Succeeded" })).finished, "the default is Always");
}

#[test]
fn a_node_has_the_first_internal_address_of_each_family() {
    let status = json!({
        "addresses": [
            { "type": "Hostname", "address": "n1" },
            { "type": "ExternalIP", "address": "203.0.113.1" },
            { "type": "InternalIP", "address": "fd00:192::1" },
            { "type": "InternalIP", "address": "192.168.0.1" },
            { "type": "InternalIP", "address": "192.168.7.7" },
            { "type": "InternalIP", "address": "unreadable" },
        ],
        "capacity": { "cpu": "8" }, "conditions": [{ "type": "Ready", "status": "True" }],
        "nodeInfo": { "kernelVersion": "6.1" }, "images": [{ "names": ["a"], "sizeBytes": 7 }],
    });
    let node: Node =
        read(&json!({ "metadata": metadata("n1"), "spec": { "podCIDR": "10.0.0.0/24" }, "status": status }));
    assert_eq!((&*node.meta.name, node.internal.to_string()), ("n1", "192.168.0.1,fd00:192::1".into()));
    assert!(read::<Node>(&json!({ "metadata": { "name": "n1" } })).internal.is_empty());
    assert!(read::<Node>(&json!({ "metadata": { "name": "n1" }, "status": {} })).internal.is_empty());
}

#[test]
fn a_node_is_ready_when_it_says_so_and_its_network_is_there() {
    let node = |conditions: &[(&str, &str)]| {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(kind, status)| json!({ "type": kind, "status": status, "reason": "x" }))
            .collect();
        read::<Node>(&json!({ "metadata": metadata("n1"), "status": { "conditions": conditions } })).ready
    };
    for (conditions, ready) in [
        (&[("Ready", "True")][..], true),
        (&[("Ready", "True"), ("NetworkUnavailable", "False")], true),
        (&[("Ready", "True"), ("NetworkUnavailable", "Unknown"), ("DiskPressure", "True")], true),
        (&[("Ready", "True"), ("NetworkUnavailable", "True")], false),
        (&[("Ready", "False")], false),
        (&[("Ready", "Unknown")], false),
        (&[("DiskPressure", "False")], false),
    ] {
        assert_eq!(node(conditions), ready, "{conditions:?}");
    }
    assert!(node(&[]), "nobody says how it is");
    assert!(read::<Node>(&json!({ "metadata": { "name": "n1" } })).ready);
}

#[test]
fn what_brings_a_pod_back_is_read_from_its_owners() {
    let owned = |pod: &str, version: &str, kind: &str, name: &str| {
        let owners = json!([
            { "apiVersion": "example.org/v1", "kind": "Anything", "name": "x", "uid": "u-0" },
            { "apiVersion": version, "kind": kind, "name": name, "uid": "u-1", "controller": true },
        ]);
        read::<Pod>(&json!({ "metadata": { "name": pod, "namespace": "dev", "ownerReferences": owners } }))
    };
    let launcher = owned("virt-launcher-db-x7k2p", "kubevirt.io/v1", "VirtualMachineInstance", "db");
    assert_eq!(launcher.workload.as_deref(), Some(&Workload::VirtualMachine { name: "db".into() }));
    assert_eq!(launcher.owner(), OwnerKey::pod("dev", "db"));
    let member = owned("web-0", "apps/v1", "StatefulSet", "web");
    assert_eq!(member.workload.as_ref().map(|workload| workload.pod_type()), Some("StatefulSet"));
    assert_eq!(member.owner(), OwnerKey::pod("dev", "web-0"));
    for (version, kind, name) in [
        ("kubevirt.io/v1", "VirtualMachine", "db"),
        ("example.org/v1", "VirtualMachineInstance", "db"),
        ("kubevirt.io/v1alpha3", "VirtualMachineInstance", ""),
        ("apps/v1", "ReplicaSet", "web"),
    ] {
        assert_eq!(owned("web-0", version, kind, name).workload, None, "{version} {kind} {name:?}");
    }
    let old = owned("virt-launcher-db-x7k2p", "kubevirt.io/v1alpha3", "VirtualMachineInstance", "db");
    assert_eq!(old.owner(), OwnerKey::pod("dev", "db"));
}

#[test]
fn of_a_virtual_machine_the_metadata_is_read() {
    let object = json!({
        "metadata": { "name": "db", "namespace": "dev", "uid": "u-1", "deletionTimestamp": "2026-03-01T12:00:00Z" },
        "spec": { "runStrategy": "Halted", "template": { "spec": { "domain": {} } } },
        "status": { "printableStatus": "Stopped", "ready": false },
    });
    let machine: VirtualMachine = read(&object);
    assert_eq!((&*machine.meta.name, &*machine.meta.uid, machine.meta.deleting), ("db", "u-1", true));
    let instance: VirtualMachineInstance = read(&json!({ "metadata": { "name": "db" } }));
    assert_eq!(instance.meta, Meta::named("db"));
}
