//! Annotations that a tenant wrote himself, as if we had: found at a start, when there is no port yet that says otherwise.

use kubeovn_core::{
    annotations::nic,
    index::objects::{Kind, Object, ObjectKey},
};

use crate::{
    controller::Controller,
    ground::{Ground, InMemory},
    kill::rest,
    objects::{namespace, node, pod, subnet, vpc},
    view::View,
};

/// A pod that says that it was given this, in this subnet of this VPC.
fn forged(name: &str, switch: &str, router: &str, ip: &str, mac: &str) -> Object {
    let told = [
        (nic::ALLOCATED.ovn(), "true"),
        (nic::ROUTED.ovn(), "true"),
        (nic::LOGICAL_SWITCH.ovn(), switch),
        (nic::LOGICAL_ROUTER.ovn(), router),
        (nic::IP_ADDRESS.ovn(), ip),
        (nic::MAC_ADDRESS.ovn(), mac),
    ];
    pod("evil", name, "n1", &told)
}

const OWN: &str = "ovn-cluster";
const MAC: &str = "0a:58:0a:00:00:66";

/// Each with what is to be said to it.
fn forgeries() -> Vec<(Object, &'static str)> {
    vec![
        (forged("gateway", "evil-net", OWN, "10.66.0.1", MAC), "IPAM-ADDR-GATEWAY"),
        (forged("outside", "evil-net", OWN, "10.99.0.9", MAC), "IPAM-ADDR-OUT-OF-RANGE"),
        (forged("others", "blue-net", "blue", "10.0.0.10", MAC), "IPAM-ADDR-TAKEN"),
        (forged("mac", "blue-net", "blue", "10.0.0.77", "0a:58:00:00:00:0a"), "IPAM-MAC-TAKEN"),
        (forged("nowhere", "no-such-net", OWN, "10.66.0.9", MAC), "IPAM-NO-SUBNET"),
    ]
}

async fn stage() -> (InMemory, Controller) {
    let ground = InMemory::new();
    for object in [
        namespace("blue"),
        namespace("evil"),
        node("n1", "172.18.0.2"),
        vpc("blue", &["blue"]),
        subnet("blue-net", "blue", "10.0.0.0/24", "blue"),
        subnet("evil-net", "", "10.66.0.0/24", "evil"),
        subnet("empty-net", "", "10.67.0.0/24", "empty"),
    ] {
        ground.apply(object).await;
    }
    let victim = [(nic::IP_ADDRESS.ovn(), "10.0.0.10"), (nic::MAC_ADDRESS.ovn(), "0a:58:00:00:00:0a")];
    ground.apply(pod("blue", "victim", "n1", &victim)).await;
    let controller = Controller::start(&ground);
    rest(&ground, &controller).await;
    (ground, controller)
}

#[tokio::test(start_paused = true)]
async fn what_a_pod_says_of_itself_is_a_wish_until_it_has_a_record() {
    for (forgery, code) in forgeries() {
        let name = forgery.meta().name.clone();
        let (ground, controller) = stage().await;
        let before = View::of(&ground).await;
        controller.kill().await;
        ground.apply(forgery.clone()).await;
        let controller = Controller::start(&ground);
        for _ in 0..20 {
            ground.moment().await;
        }
        assert!(controller.is_idle().await);
        let after = View::of(&ground).await;
        assert_eq!(after.rows, before.rows, "{name}: rows changed");
        let there = after.get(&forgery.key()).unwrap().meta();
        let said = there.annotation(nic::ERROR.ovn()).unwrap_or_default();
        assert!(said.starts_with(code), "{name}: is told {said:?}");
        ground.delete(&forgery.key()).await;
        ground.apply(pod("evil", "good", "n1", &[])).await;
        rest(&ground, &controller).await;
    }
}

/// A subnet would be bound to the wrong VPC by it.
#[tokio::test(start_paused = true)]
async fn a_pod_that_names_another_vpc_takes_no_subnet_from_anybody() {
    let (ground, controller) = stage().await;
    controller.kill().await;
    ground.apply(forged("mover", "empty-net", "blue", "10.67.0.9", MAC)).await;
    let controller = Controller::start(&ground);
    rest(&ground, &controller).await;
    let view = View::of(&ground).await;
    let Some(Object::Subnet(subnet)) = view.get(&ObjectKey::cluster(Kind::Subnet, "empty-net")) else {
        panic!("no subnet")
    };
    let ready = subnet.status.conditions.iter().find(|condition| &*condition.r#type == "Ready").unwrap();
    assert_eq!(&*ready.status, "True", "{ready:?}");
    assert_eq!(view.ports.0["mover.evil"], (OWN.to_owned(), format!("{MAC} 10.67.0.9")));
}
