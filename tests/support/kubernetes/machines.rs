//! Kinds of KubeVirt, with nothing in them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::json;

/// Virtual machines, and those that run.
pub(crate) fn crds() -> Vec<CustomResourceDefinition> {
    let kinds =
        [("VirtualMachine", "virtualmachines"), ("VirtualMachineInstance", "virtualmachineinstances")];
    let crd = |(kind, plural): (&str, &str)| {
        let anything = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let definition = json!({
            "metadata": { "name": format!("{plural}.kubevirt.io") },
            "spec": {
                "group": "kubevirt.io",
                "scope": "Namespaced",
                "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase() },
                "versions": [{
                    "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": anything },
                }],
            },
        });
        serde_json::from_value(definition).unwrap()
    };
    kinds.into_iter().map(crd).collect()
}
