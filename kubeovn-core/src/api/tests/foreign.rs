//! Kinds of others, as they come from a server: with much that we do not read.

use kube::Resource;
use serde_json::json;

use super::super::foreign::*;

#[test]
fn what_is_read_is_there() {
    let network: NetworkAttachmentDefinition = serde_json::from_value(json!({
        "metadata": { "name": "storage", "namespace": "shop" },
        "spec": { "config": "{\"cniVersion\":\"0.3.1\",\"type\":\"kube-ovn\",\"provider\":\"storage.shop.ovn\"}" },
    }))
    .unwrap();
    assert!(network.spec.config.unwrap().contains("storage.shop.ovn"));

    let machine: VirtualMachine = serde_json::from_value(json!({
        "metadata": { "name": "db", "deletionTimestamp": "2026-05-04T03:02:01Z" },
        "spec": { "runStrategy": "Always", "template": { "spec": { "domain": {} } } },
        "status": { "created": true },
    }))
    .unwrap();
    assert_eq!((machine.spec.run_strategy.as_deref(), machine.spec.running), (Some("Always"), None));
    assert!(machine.metadata.deletion_timestamp.is_some());

    let instance: VirtualMachineInstance = serde_json::from_value(json!({
        "metadata": { "name": "db", "ownerReferences":
            [{ "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "db", "uid": "u" }] },
        "spec": { "domain": { "devices": {} } },
        "status": { "phase": "Running", "nodeName": "n1", "migrationState":
            { "migrationUid": "m", "sourceNode": "n1", "targetNode": "n2", "completed": false } },
    }))
    .unwrap();
    assert_eq!(instance.metadata.owner_references.unwrap()[0].kind, "VirtualMachine");
    let status = instance.status.unwrap();
    assert_eq!((status.phase.as_deref(), status.node_name.as_deref()), (Some("Running"), Some("n1")));
    let wanted = MigrationState {
        migration_uid: Some("m".to_owned()),
        source_node: Some("n1".to_owned()),
        target_node: Some("n2".to_owned()),
    };
    assert_eq!(status.migration_state, Some(wanted));

    let migration: VirtualMachineInstanceMigration = serde_json::from_value(json!({
        "metadata": { "name": "move", "uid": "m" },
        "spec": { "vmiName": "db" },
        "status": { "phase": "Scheduling", "phaseTransitionTimestamps": [] },
    }))
    .unwrap();
    assert_eq!(migration.spec.vmi_name.as_deref(), Some("db"));
    assert_eq!(migration.status.unwrap().phase.as_deref(), Some("Scheduling"));
}

/// Under which path a server has them.
#[test]
fn they_are_found() {
    assert_eq!(
        NetworkAttachmentDefinition::url_path(&(), Some("shop")),
        "/apis/k8s.cni.cncf.io/v1/namespaces/shop/network-attachment-definitions"
    );
    let paths = [
        VirtualMachine::url_path(&(), None),
        VirtualMachineInstance::url_path(&(), None),
        VirtualMachineInstanceMigration::url_path(&(), None),
    ];
    let plurals = ["virtualmachines", "virtualmachineinstances", "virtualmachineinstancemigrations"];
    assert_eq!(paths, plurals.map(|plural| format!("/apis/kubevirt.io/v1/{plural}")));
}
