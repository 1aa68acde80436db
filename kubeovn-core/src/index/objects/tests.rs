//! Slim records from the JSON that an API server answers. (Under feature `api`, which brings a JSON parser along.)

#![cfg(feature = "api")]

mod core_kinds;
mod network_kinds;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Reads an object both from a text, as a watch does, and from a tree.
fn read<T: DeserializeOwned + PartialEq + std::fmt::Debug>(object: &Value) -> T {
    let from_text = serde_json::from_str(&object.to_string()).unwrap_or_else(|e| panic!("{object}: {e}"));
    let from_tree: T = serde_json::from_value(object.clone()).unwrap_or_else(|e| panic!("{object}: {e}"));
    assert_eq!(from_tree, from_text);
    from_text
}

/// Metadata with all that an API server adds.
fn metadata(name: &str) -> Value {
    json!({
        "name": name,
        "uid": "5b1b4c4e-7c1e-4e4e-9a55-3f9f6c1d2e3a",
        "resourceVersion": "123456",
        "generation": 3,
        "creationTimestamp": "2026-03-01T12:00:00Z",
        "labels": { "app": "web", "kubernetes.io/metadata.name": "x" },
        "annotations": { "ovn.kubernetes.io/ip_address": " 10.16.0.9 ", "empty": " " },
        "finalizers": ["kubeovn.io/kube-ovn-controller"],
        "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "1", "controller": true }],
        "managedFields": [{ "manager": "kubelet", "operation": "Update", "fieldsType": "FieldsV1",
            "fieldsV1": { "f:status": { "f:conditions": { ".": {}, "k:{\"type\":\"Ready\"}": {} } } } }],
        "selfLink": null,
    })
}
