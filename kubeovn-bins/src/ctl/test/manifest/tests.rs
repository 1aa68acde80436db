#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{LABEL, OURS, Role, is_left, namespace, pod_name, prober, server, service};

#[test]
fn pods_stand_where_they_should_and_may_not_do_more_than_needed() {
    let long = "n".repeat(200);
    let pods = [
        server(3, &long, "registry.example/tools:1").unwrap(),
        prober(3, &long, "registry.example/tools:1", "echo").unwrap(),
    ];
    for (pod, name) in pods.iter().zip(["server-3", "prober-3"]) {
        let spec = pod.spec.as_ref().unwrap();
        let container = spec.containers.first().unwrap();
        assert_eq!(pod.metadata.name.as_deref(), Some(name));
        assert_eq!(pod.metadata.labels.as_ref().unwrap().get(LABEL).unwrap(), OURS);
        assert_eq!(spec.node_name.as_ref(), Some(&long));
        assert_eq!(spec.restart_policy.as_deref(), Some("Never"));
        assert_eq!(spec.automount_service_account_token, Some(false));
        assert_eq!(spec.host_network, None);
        assert_eq!(spec.tolerations.as_ref().unwrap().len(), 1);
        assert_eq!(container.image.as_deref(), Some("registry.example/tools:1"));
        assert!(container.security_context.is_none());
    }
    assert_eq!(pod_name(Role::Server, 3), "server-3");
}

#[test]
fn a_service_stands_before_the_servers() {
    let spec = service().unwrap().spec.unwrap();
    assert_eq!(spec.selector.unwrap().get("role").unwrap(), Role::Server.name());
}

#[test]
fn a_namespace_is_left_over_when_its_run_must_have_ended() {
    let made = namespace("kubeovn-test-1", 60_000).unwrap();
    assert!(!is_left(&made, 59_000) && is_left(&made, 61_000));
    let mut nameless = made.clone();
    nameless.metadata.annotations = None;
    assert!(is_left(&nameless, 0), "nobody says until when");
}
