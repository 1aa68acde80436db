//! Ways of a pod, and of a subnet, on which a controller is killed.

use kubeovn_core::{
    annotations::{self, nic},
    index::objects::{
        Kind, Meta, Object, ObjectKey, Pod, StatefulSet, Subnet, SubnetSpec, VirtualMachine, Workload,
    },
};

use crate::{
    ground::Ground,
    objects::{namespace, node, pod, pod_key, subnet},
    view::View,
};

/// What a user does while the controller dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// A pod is made.
    Pod,
    /// A member of a StatefulSet comes back on another node.
    MemberBack,
    /// It is deleted and made anew in one breath.
    MemberReplaced,
    /// A virtual machine that was stopped starts on another node.
    MachineBack,
    /// A virtual machine moves to another node, and the pod that it comes from ends.
    MachineMoves,
    /// A pod that names its address is made.
    Fixed,
    /// A pod with an address of each family is made.
    Dual,
    /// A pod is deleted.
    PodGone,
    /// A pod of the same name is made the moment one is deleted.
    PodReplaced,
    /// A subnet is deleted, and the pod in it.
    SubnetGone,
}

impl Scene {
    pub(crate) const ALL: [Scene; 10] = [
        Scene::Pod,
        Scene::MemberBack,
        Scene::MemberReplaced,
        Scene::MachineBack,
        Scene::MachineMoves,
        Scene::Fixed,
        Scene::Dual,
        Scene::PodGone,
        Scene::PodReplaced,
        Scene::SubnetGone,
    ];

    /// What there is before: `number` tells rounds on one ground apart. Done when a controller has nothing left to do;
    /// then [`Scene::leave`].
    pub(crate) async fn prepare(self, ground: &dyn Ground, number: usize) {
        match self {
            Scene::Pod | Scene::Fixed | Scene::Dual => {}
            Scene::MemberBack | Scene::MemberReplaced => {
                let meta = Meta { namespace: "web".into(), ..Meta::named(&format!("set{number}")) };
                let set = StatefulSet { meta, replicas: 1, ..StatefulSet::default() };
                ground.apply(Object::StatefulSet(set)).await;
                ground.apply(member(ground, number, "n1").await).await;
            }
            Scene::MachineBack | Scene::MachineMoves => {
                let meta = Meta { namespace: "web".into(), ..Meta::named(&machine_name(number)) };
                ground.apply(Object::VirtualMachine(VirtualMachine { meta })).await;
                ground.apply(launcher(number, "a", "n1")).await;
            }
            Scene::PodGone | Scene::PodReplaced => ground.apply(plain(number)).await,
            Scene::SubnetGone => {
                ground.apply(passing(number)).await;
                ground.apply(guest(number)).await;
            }
        }
    }

    /// What else has to happen before, once that is done.
    pub(crate) async fn leave(self, ground: &dyn Ground, number: usize) {
        match self {
            Scene::MemberBack => ground.delete(&member_key(number)).await,
            Scene::MachineBack => ground.delete(&launcher(number, "a", "n1").key()).await,
            _ => {}
        }
    }

    /// What the controller is to do something about.
    pub(crate) async fn act(self, ground: &dyn Ground, number: usize) {
        match self {
            Scene::Pod => ground.apply(plain(number)).await,
            Scene::MemberBack => ground.apply(member(ground, number, "n2").await).await,
            Scene::MemberReplaced => {
                ground.delete(&member_key(number)).await;
                ground.apply(member(ground, number, "n2").await).await;
            }
            Scene::MachineBack => ground.apply(launcher(number, "b", "n2")).await,
            Scene::MachineMoves => {
                ground.apply(launcher(number, "b", "n2")).await;
                ground.delete(&launcher(number, "a", "n1").key()).await;
            }
            Scene::Fixed => ground.apply(fixed(number)).await,
            Scene::Dual => ground.apply(pod("dual", &format!("p{number}"), "n1", &[])).await,
            Scene::PodGone => ground.delete(&pod_key("web", &format!("p{number}"))).await,
            Scene::PodReplaced => {
                ground.delete(&pod_key("web", &format!("p{number}"))).await;
                ground.apply(plain(number)).await;
            }
            Scene::SubnetGone => {
                ground.delete(&ObjectKey::cluster(Kind::Subnet, passing_name(number))).await;
                ground.delete(&pod_key("web", &format!("guest{number}"))).await;
            }
        }
    }

    /// Name of the port of whom it is about.
    pub(crate) fn port(self, number: usize) -> String {
        match self {
            Scene::Pod | Scene::PodGone | Scene::PodReplaced => format!("p{number}.web"),
            Scene::MemberBack | Scene::MemberReplaced => format!("set{number}-0.web"),
            Scene::MachineBack | Scene::MachineMoves => format!("{}.web", machine_name(number)),
            Scene::Fixed => format!("fixed{number}.web"),
            Scene::Dual => format!("p{number}.dual"),
            Scene::SubnetGone => format!("guest{number}.web"),
        }
    }

    /// Whether he whom it is about has an address in the end, and what that has to be.
    pub(crate) fn check(self, view: &View, number: usize) {
        let said = view.said();
        let said = said.get(&self.port(number));
        match self {
            Scene::PodGone | Scene::SubnetGone => assert_eq!(said, None, "nothing of him is left"),
            _ => assert!(said.is_some_and(|said| said.annotation.is_some()), "{said:?}"),
        }
        let address = said.and_then(|said| said.annotation.clone()).unwrap_or_default();
        match self {
            Scene::Fixed => assert!(address.ends_with(&format!(" {}", fixed_ip(number))), "{address}"),
            Scene::Dual => assert_eq!(address.split(' ').count(), 3, "{address}: one of each family"),
            Scene::SubnetGone => {
                let name = passing_name(number);
                assert_eq!(view.get(&ObjectKey::cluster(Kind::Subnet, name.as_str())), None);
                let rows = format!("{:?}", view.rows);
                assert!(!rows.contains(&name), "rows of {name} are left: {rows}");
            }
            _ => {}
        }
    }
}

/// What all scenes stand on.
pub(crate) async fn stage(ground: &dyn Ground) {
    for object in [
        namespace("web"),
        namespace("dual"),
        node("n1", "172.18.0.2"),
        node("n2", "172.18.0.3"),
        subnet("web", "", "10.20.0.0/24", "web"),
        subnet("dual", "", "10.30.0.0/24,fd00:10:30::/64", "dual"),
    ] {
        ground.apply(object).await;
    }
}

fn plain(number: usize) -> Object {
    pod("web", &format!("p{number}"), "n1", &[])
}

/// Beyond what those who ask for nothing are given, of whom there are well over a hundred on one ground.
fn fixed_ip(number: usize) -> String {
    format!("10.20.0.{}", 250 - number % 100)
}

fn fixed(number: usize) -> Object {
    let wish = [(nic::IP_ADDRESS.ovn(), fixed_ip(number))];
    let wish = wish.each_ref().map(|(key, value)| (*key, value.as_str()));
    pod("web", &format!("fixed{number}"), "n1", &wish)
}

fn passing(number: usize) -> Object {
    let spec = SubnetSpec { cidr_block: format!("10.40.{number}.0/24"), ..SubnetSpec::default() };
    Object::Subnet(Subnet { meta: Meta::named(&passing_name(number)), spec, ..Subnet::default() })
}

/// None of these names is the beginning of another.
fn passing_name(number: usize) -> String {
    format!("passing-{number}-by")
}

fn guest(number: usize) -> Object {
    let wish = [(nic::LOGICAL_SWITCH.ovn(), passing_name(number))];
    let wish = wish.each_ref().map(|(key, value)| (*key, value.as_str()));
    pod("web", &format!("guest{number}"), "n1", &wish)
}

fn member_key(number: usize) -> ObjectKey {
    pod_key("web", &format!("set{number}-0"))
}

async fn member(ground: &dyn Ground, number: usize, node: &str) -> Object {
    let name = format!("set{number}");
    let sets = ground.objects(Kind::StatefulSet).await;
    let set = sets.iter().find(|set| *set.meta().name == *name).unwrap();
    let workload = Workload::StatefulSet { name: name.as_str().into(), uid: set.meta().uid.clone() };
    let Object::Pod(there) = pod("web", &format!("{name}-0"), node, &[]) else { panic!("no pod") };
    Object::Pod(Pod { workload: Some(Box::new(workload)), ..there })
}

fn machine_name(number: usize) -> String {
    format!("machine{number}")
}

/// A pod of the machine, named for a migration like any to which one moves.
fn launcher(number: usize, name: &str, node: &str) -> Object {
    let machine = machine_name(number);
    let job: &[_] = if name == "a" { &[] } else { &[(annotations::pod::MIGRATION_JOB, "move")] };
    let Object::Pod(there) = pod("web", &format!("launcher-{machine}-{name}"), node, job) else {
        panic!("no pod")
    };
    let workload = Workload::VirtualMachine { name: machine.as_str().into() };
    Object::Pod(Pod { workload: Some(Box::new(workload)), ..there })
}
