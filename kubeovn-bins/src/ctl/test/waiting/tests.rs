#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use super::{Stage, stage};

fn pod(status: Value) -> Stage {
    let pod = json!({ "spec": { "nodeName": "n1", "containers": [] }, "status": status });
    stage(&serde_json::from_value(pod).unwrap())
}

fn container(state: Value) -> Value {
    json!([{ "name": "main", "ready": false, "restartCount": 0, "image": "", "imageID": "", "state": state }])
}

#[test]
fn a_pod_says_what_it_waits_for() {
    let waits = |text: &str, why: Option<&str>| Stage::Waits(text.to_owned(), why.map(str::to_owned));
    let pulling = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "no such image" } });
    let cases = [
        (json!({ "phase": "Pending" }), waits("no kubelet started the pod on n1", None)),
        (
            json!({ "phase": "Pending", "startTime": "2026-11-28T00:00:00Z" }),
            waits("the pod on n1 had no container", None),
        ),
        (
            json!({ "phase": "Pending", "startTime": "2026-11-28T00:00:00Z", "containerStatuses": container(pulling) }),
            waits("the pod on n1 was not up", Some("ImagePullBackOff: no such image")),
        ),
        (
            json!({ "phase": "Running", "podIPs": [{ "ip": "10.16.0.2" }], "containerStatuses": container(json!({ "running": {} })) }),
            Stage::Runs(vec!["10.16.0.2".parse().unwrap()]),
        ),
        (
            json!({ "phase": "Succeeded", "containerStatuses": container(json!({ "terminated": { "exitCode": 0, "message": "+0 1\n" } })) }),
            Stage::Ended("+0 1\n".to_owned()),
        ),
        (
            json!({ "phase": "Failed", "containerStatuses": container(json!({ "terminated": { "exitCode": 127, "reason": "StartError", "message": "no sh" } })) }),
            Stage::Failed("the pod on n1 failed: StartError: exit code 127 no sh".to_owned()),
        ),
    ];
    for (status, expected) in cases {
        assert_eq!(pod(status.clone()), expected, "{status}");
    }
}
