//! Who held an address when, of a real controller and its log.

use kubeovn_core::index::objects::Kind;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    asked::{Ctl, manifest},
    rig::{Rig, until},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_the_controller_tells_who_held_an_address() {
    let rig = Rig::start().await;
    let mut controller = rig.controller("first", &["--default-cidr=10.16.0.0/24"]);
    controller.works().await;
    let wish = json!({ "ovn.kubernetes.io/ip_address": "10.16.0.77" });
    rig.pod("one", wish.clone()).await;
    assert_eq!(rig.address("one").await, "10.16.0.77");
    rig.pod("refused", wish.clone()).await;
    until("the refusal", async || rig.told("refused", "error").await).await;
    rig.delete(Kind::Pod, "refused").await;
    rig.delete(Kind::Pod, "one").await;
    until("the record to go", async || {
        rig.api(Kind::Ip).get_opt("one.default").await.unwrap().is_none().then_some(())
    })
    .await;
    rig.pod("two", wish).await;
    assert_eq!(rig.address("two").await, "10.16.0.77");
    controller.works().await;
    let ctl = Ctl::of(&rig);

    // Of objects alone only the present one is known, and that is said. An event tells who wanted it.
    let bare = ctl.ask_server(&["ipam", "history", "10.16.0.77"]);
    bare.says(
        0,
        &[
            "pod/default/two",
            "still",
            "annotations, record",
            "events that are still there",
            "Pod default/refused  IPAM-ADDR-TAKEN: ",
            "only what stands now is known",
        ],
    );
    assert!(!bare.out.contains("pod/default/one "), "{}", bare.out);

    let log = manifest(rig.kubernetes.folder(), "first.log", &controller.log());
    let history = |words: &[&str]| -> Value {
        let answer = ctl.ask_server(&[&["ipam", "history", "-o", "json", "--log", &log], words].concat());
        assert_eq!(answer.code, 0, "{}", answer.err);
        serde_json::from_str(&answer.out).unwrap()
    };
    let all = history(&["10.16.0.77"]);
    let held = all["held"].as_array().unwrap();
    assert_eq!(held.len(), 2, "{all:#}");
    assert_eq!(
        (&held[0]["owner"], &held[1]["owner"]),
        (&json!("pod/default/one"), &json!("pod/default/two"))
    );
    assert!(held[0]["from"]["at"].is_string() && held[0]["until"]["at"].is_string(), "{all:#}");
    assert_eq!(held[1]["sources"], json!(["annotations", "log", "record"]));
    assert_eq!(history(&["node/n1"])["held"][0]["until"]["still"], true);
    let past = history(&["default/one"]);
    assert_eq!(past["held"][0]["ips"], "10.16.0.77", "of a pod that is gone: {past:#}");
    assert_eq!(history(&["ovn-default"])["held"].as_array().unwrap().len(), 2);

    // A restart is no change of hands.
    controller.signal(Signal::SIGTERM);
    assert_eq!(controller.ends().await.code(), Some(0));
    let second = rig.controller("second", &["--default-cidr=10.16.0.0/24"]);
    second.works().await;
    let later = manifest(rig.kubernetes.folder(), "second.log", &second.log());
    assert!(!second.log().contains("kubeovn_bins::addresses"), "{}", second.log());
    assert_eq!(history(&["10.16.0.77", "--log", &later])["held"], all["held"]);
}
