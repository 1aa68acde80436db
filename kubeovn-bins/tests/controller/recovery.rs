//! What a start can't take back.

use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::rig::{Controller, Rig, until};

const CONFLICTS: &str = "kubeovn_recovery_conflicts{component=\"controller\"}";

async fn conflicts(controller: &Controller) -> String {
    until("the metric", async || controller.metric(CONFLICTS)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_two_had_is_counted_and_told() {
    let rig = Rig::start().await;
    let mut first = rig.controller("first", &[]);
    first.works().await;
    for pod in ["a", "b"] {
        rig.pod(pod, json!({})).await;
    }
    let (a, b) = (rig.address("a").await, rig.address("b").await);
    first.works().await;
    assert_eq!(conflicts(&first).await, "0.0");
    first.signal(Signal::SIGTERM);
    first.ends().await;

    // Somebody gives b's port the address of a.
    let addresses = rig.northbound.nbctl(&["lsp-get-addresses", "b.default"]);
    let wrong = addresses.trim().replace(&b, &a);
    let wrong = format!("addresses=\"{wrong}\"");
    rig.northbound.nbctl(&["set", "Logical_Switch_Port", "b.default", &wrong]);
    let mut second = rig.controller("second", &[]);
    second.works().await;
    assert_eq!(conflicts(&second).await, "1.0");
    let events: Api<Event> = Api::namespaced(rig.client.clone(), "default");
    let told = until("the event", async || {
        let all = events.list(&ListParams::default()).await.unwrap();
        all.into_iter().find(|event| event.reason.as_deref() == Some("IPAM-RECOVERY-CONFLICT"))
    })
    .await;
    let message = told.message.unwrap();
    assert_eq!(told.involved_object.kind.as_deref(), Some("Pod"));
    assert!(
        message.contains(&format!("could not take back {a} in subnet ovn-default, as its port has it")),
        "{message}"
    );

    // Both have what they were told, and the next start finds nothing.
    assert_eq!((rig.address("a").await, rig.address("b").await), (a, b));
    assert_eq!(rig.northbound.nbctl(&["lsp-get-addresses", "b.default"]), addresses);
    second.signal(Signal::SIGTERM);
    second.ends().await;
    let third = rig.controller("third", &[]);
    third.works().await;
    assert_eq!(conflicts(&third).await, "0.0");
}
