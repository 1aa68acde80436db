//! The objects of a test.

use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kubeovn_core::rows::Millis;
use kubeovn_core::time::{millis, rfc3339};
use serde_json::{Value, json};

use super::probe::{PORT, SERVICE_PORT};

/// The label of namespaces that are ours, and its value.
pub(super) const LABEL: &str = "app.kubernetes.io/managed-by";
pub(super) const OURS: &str = "kubeovn-ctl-test";
/// Until when the run that made a namespace goes on at the longest.
const UNTIL: &str = "kubeovn-ctl-test/until";
/// What a pod is for.
pub(super) const ROLE: &str = "role";
/// The Service of all pods that answer.
pub(super) const SERVICE: &str = "servers";

/// What a pod does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Prober,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Server => "server",
            Role::Prober => "prober",
        }
    }
}

/// The namespace of a run.
pub(super) fn namespace(name: &str, until: Millis) -> Result<Namespace, serde_json::Error> {
    serde_json::from_value(json!({
        "metadata": {
            "name": name,
            // Pods of the most restricted kind may not send echo requests.
            "labels": { LABEL: OURS, "pod-security.kubernetes.io/enforce": "baseline" },
            "annotations": { UNTIL: rfc3339(until) },
        }
    }))
}

/// Is this one left over from a run that has ended?
pub(super) fn is_left(namespace: &Namespace, now: Millis) -> bool {
    let meta = &namespace.metadata;
    let until = meta.annotations.as_ref().and_then(|all| all.get(UNTIL)).and_then(|text| millis(text));
    meta.deletion_timestamp.is_none() && until.is_none_or(|until| until < now)
}

/// The name of a node's pod, by the node's number: names of nodes may be too long.
pub(super) fn pod_name(role: Role, number: usize) -> String {
    format!("{}-{number}", role.name())
}

/// The pod that answers on a node: with the node's name, so that it is known who answered.
pub(super) fn server(number: usize, node: &str, image: &str) -> Result<Pod, serde_json::Error> {
    let command = format!(
        "mkdir -p /tmp/www && echo server-{node} > /tmp/www/index.html && exec httpd -f -p {PORT} -h /tmp/www"
    );
    pod(Role::Server, number, node, image, &command)
}

/// The pod that asks.
pub(super) fn prober(number: usize, node: &str, image: &str, script: &str) -> Result<Pod, serde_json::Error> {
    pod(Role::Prober, number, node, image, script)
}

fn pod(role: Role, number: usize, node: &str, image: &str, command: &str) -> Result<Pod, serde_json::Error> {
    serde_json::from_value(json!({
        "metadata": {
            "name": pod_name(role, number),
            "labels": { LABEL: OURS, ROLE: role.name() },
        },
        "spec": {
            // Not by the scheduler: it is this node that is tested, also where no pods are wanted.
            "nodeName": node,
            "tolerations": [{ "operator": "Exists" }],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "containers": [container(image, command)],
        },
    }))
}

fn container(image: &str, command: &str) -> Value {
    json!({
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", command],
        "resources": { "requests": { "cpu": "10m", "memory": "16Mi" } },
    })
}

/// The Service in front of all pods that answer.
pub(super) fn service() -> Result<Service, serde_json::Error> {
    serde_json::from_value(json!({
        "metadata": { "name": SERVICE, "labels": { LABEL: OURS } },
        "spec": {
            "selector": { ROLE: Role::Server.name() },
            "ipFamilyPolicy": "PreferDualStack",
            "ports": [{ "port": SERVICE_PORT, "targetPort": PORT }],
        },
    }))
}

#[cfg(test)]
mod tests;
