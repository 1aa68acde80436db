//! What is deleted in the wrong order, and what is moved while it is in use.

use kubeovn_core::{
    annotations::nic,
    index::objects::{Kind, ObjectKey},
};
use tokio::time::{Duration, Instant};

use crate::{
    controller::Controller,
    ground::{Ground, InMemory},
    kill::{finds_nothing, rest},
    objects::{namespace, node, pod, pod_key, subnet, vpc},
    seen::Raw,
    view::View,
};

const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until it is so.
pub(crate) async fn until(ground: &dyn Ground, what: &str, so: impl Fn(&View) -> bool) -> View {
    let began = Instant::now();
    loop {
        let view = View::of(ground).await;
        if so(&view) {
            return view;
        }
        let subnets: Vec<_> = view.objects.values().filter(|object| object.kind() == Kind::Subnet).collect();
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}: {subnets:#?}");
        ground.moment().await;
    }
}

fn subnet_key(name: &str) -> ObjectKey {
    ObjectKey::cluster(Kind::Subnet, name)
}

fn vpc_key(name: &str) -> ObjectKey {
    ObjectKey::cluster(Kind::Vpc, name)
}

/// Does any row know of it?
fn knows(rows: &Raw, name: &str) -> bool {
    format!("{rows:?}").contains(name)
}

pub(crate) async fn nodes(ground: &dyn Ground) -> Controller {
    ground.apply(node("n1", "172.18.0.2")).await;
    let controller = Controller::start(ground);
    rest(ground, &controller).await;
    controller
}

/// A VPC with two subnets, and three pods in them.
async fn company(ground: &dyn Ground, controller: &Controller) {
    ground.apply(vpc("blau", &["blau"])).await;
    ground.apply(subnet("blau-one", "blau", "10.0.1.0/24", "blau")).await;
    ground.apply(subnet("blau-two", "blau", "10.0.2.0/24", "blau")).await;
    for (name, subnet) in [("a", "blau-one"), ("b", "blau-one"), ("c", "blau-two")] {
        ground.apply(pod("blau", name, "n1", &[(nic::LOGICAL_SWITCH.ovn(), subnet)])).await;
    }
    rest(ground, controller).await;
}

/// First the VPC, then its subnets, then the pods: each says what keeps it, and goes when that is gone.
pub(crate) async fn the_wrong_order_says_what_keeps_whom(ground: &dyn Ground, controller: &Controller) {
    ground.apply(namespace("blau")).await;
    let before = View::of(ground).await;
    company(ground, controller).await;
    let full = View::of(ground).await;
    let (blue, one, two) = (vpc_key("blau"), subnet_key("blau-one"), subnet_key("blau-two"));

    ground.delete(&blue).await;
    let says = |view: &View, key: &ObjectKey, parts: &[&str]| {
        let told = view.condition(key, "Ready");
        parts.iter().all(|part| told.contains(part))
    };
    let parts = ["VPC-IN-USE: ", "2 of its subnets", "blau-one,blau-two"];
    until(ground, "the VPC to name both subnets", |view| says(view, &blue, &parts)).await;
    ground.delete(&one).await;
    ground.delete(&two).await;
    let parts = ["SUBNET-IN-USE: ", "2 still hold", "pod/blau/a,pod/blau/b"];
    until(ground, "the subnet to name both pods", |view| says(view, &one, &parts)).await;
    let view =
        until(ground, "the other one, too", |view| says(view, &two, &["SUBNET-IN-USE: ", "pod/blau/c"]))
            .await;
    assert_eq!(view.plain_rows(), full.plain_rows(), "nothing is taken from who is there");

    // Nobody new gets in.
    ground.apply(pod("blau", "late", "n1", &[(nic::LOGICAL_SWITCH.ovn(), "blau-one")])).await;
    let late = pod_key("blau", "late");
    until(ground, "the newcomer to be told", |view| {
        let error = view.get(&late).and_then(|pod| pod.meta().annotation(nic::ERROR.ovn()));
        error.is_some_and(|error| error.starts_with("IPAM-NO-SUBNET"))
    })
    .await;
    ground.delete(&late).await;

    ground.delete(&pod_key("blau", "c")).await;
    let parts = ["VPC-IN-USE: ", "1 of its subnets", ": blau-one."];
    let view = until(ground, "the VPC to name the one", |view| says(view, &blue, &parts)).await;
    assert_eq!(view.get(&two), None);
    ground.delete(&pod_key("blau", "a")).await;
    until(ground, "the other pod", |view| says(view, &one, &["1 still hold", ": pod/blau/b."])).await;
    ground.delete(&pod_key("blau", "b")).await;
    rest(ground, controller).await;
    let view = View::of(ground).await;
    assert_eq!((view.get(&blue), view.get(&one)), (None, None));
    assert_eq!(view.plain_rows(), before.plain_rows(), "something is left");

    // All at once.
    company(ground, controller).await;
    for key in [&blue, &one, &two] {
        ground.delete(key).await;
    }
    for name in ["a", "b", "c"] {
        ground.delete(&pod_key("blau", name)).await;
    }
    rest(ground, controller).await;
    let view = View::of(ground).await;
    assert_eq!((view.get(&blue), view.get(&one), view.get(&two)), (None, None, None));
    assert_eq!(view.plain_rows(), before.plain_rows(), "something is left");
}

/// A subnet is moved to another VPC: not while somebody is in it, and by itself when he is gone. Answers the controller,
/// which is another one.
pub(crate) async fn a_subnet_moves_when_it_is_empty(
    ground: &dyn Ground,
    controller: Controller,
) -> Controller {
    for object in [
        namespace("reise"),
        vpc("ziel", &[]),
        subnet("reise", "", "10.77.0.0/24", "reise"),
        pod("reise", "stays", "n1", &[]),
    ] {
        ground.apply(object).await;
    }
    rest(ground, &controller).await;
    let (before, key) = (View::of(ground).await, subnet_key("reise"));
    ground.set_vpc("reise", "ziel").await.unwrap();
    let refused =
        "False IPAM-SPACE-FIXED: subnet reise can't move from ovn-cluster to ziel while 1 addresses are held";
    until(ground, "the refusal", |view| view.condition(&key, "Ready").starts_with(refused)).await;
    ground.apply(pod("reise", "late", "n1", &[])).await;
    let late = pod_key("reise", "late");
    let view = until(ground, "the newcomer to be told", |view| {
        let error = view.get(&late).and_then(|pod| pod.meta().annotation(nic::ERROR.ovn()));
        error.is_some_and(|error| error.starts_with("IPAM-NO-SUBNET"))
    })
    .await;
    assert_eq!(view.plain_rows(), before.plain_rows(), "who is there stays as he is");
    ground.delete(&late).await;
    rest(ground, &controller).await;
    // The next controller comes to the same.
    controller.kill().await;
    let controller = finds_nothing(ground).await;
    let told = View::of(ground).await.condition(&key, "Ready");
    assert!(told.starts_with(refused), "{told}");

    // The way back that the sentence speaks of. By the name of the default VPC it would be a move to an API server.
    if let Err(error) = ground.set_vpc("reise", "ovn-cluster").await {
        assert!(error.contains("leave vpc empty again"), "{error}");
    }
    ground.set_vpc("reise", "").await.unwrap();
    until(ground, "it to be as it was", |view| view.condition(&key, "Ready").starts_with("True")).await;
    ground.apply(pod("reise", "again", "n1", &[])).await;
    rest(ground, &controller).await;
    ground.set_vpc("reise", "ziel").await.unwrap();
    let two = |view: &View| view.condition(&key, "Ready").contains("while 2 addresses are held");
    until(ground, "the refusal", two).await;
    ground.delete(&pod_key("reise", "again")).await;
    ground.delete(&pod_key("reise", "stays")).await;
    until(ground, "it to move", |view| view.condition(&key, "Ready").starts_with("True")).await;
    rest(ground, &controller).await;
    let view = View::of(ground).await;
    assert!(knows(&view.rows, "ziel-reise") && !knows(&view.rows, "ovn-cluster-reise"), "{:#?}", view.rows);
    ground.apply(pod("reise", "there", "n1", &[])).await;
    rest(ground, &controller).await;
    let view = View::of(ground).await;
    assert_eq!(view.ports.0["there.reise"].0, "ziel");
    for key in [&vpc_key("ziel"), &key, &pod_key("reise", "there")] {
        ground.delete(key).await;
    }
    rest(ground, &controller).await;
    controller
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_in_the_wrong_order_says_what_keeps_it() {
    let ground = InMemory::new();
    let controller = nodes(&ground).await;
    the_wrong_order_says_what_keeps_whom(&ground, &controller).await;
}

#[tokio::test(start_paused = true)]
async fn a_subnet_moves_to_another_vpc_when_nobody_is_in_it() {
    let ground = InMemory::new();
    let controller = nodes(&ground).await;
    a_subnet_moves_when_it_is_empty(&ground, controller).await;
}
