//! What the probes say.

use serde_json::json;

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_says_what_is_missing_and_outages_are_survived() {
    let mut rig = Rig::start().await;
    rig.northbound.kill();
    let mut controller = rig.controller("controller", &[]);
    controller.lacks("the Northbound is out of reach").await;
    assert_eq!(controller.get("/livez").map(|(status, _)| status), Some(200), "it lives");
    rig.northbound.run();
    controller.works().await;

    // The lease outlives the outage of its server.
    drop(controller);
    let flags = ["--leader-elect-lease-duration=10m", "--leader-elect-renew-deadline=9m"];
    controller = rig.controller("patient", &flags);
    controller.works().await;
    rig.kubernetes.stop_server();
    controller.lacks("is not followed for").await;
    rig.kubernetes.start_server().await;
    rig.client = rig.kubernetes.client();
    controller.is_ready().await;
    rig.pod("web", json!({})).await;
    rig.address("web").await;
    assert!(controller.runs());
}
