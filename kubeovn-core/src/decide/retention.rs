//! Whose addresses outlive the pod: members of StatefulSets, and virtual machines.

use std::net::IpAddr;

use super::ip_pool::ordinal;
use crate::{
    addr::{Cidr, DualStack, Family},
    index::objects::Name,
};

/// What is known of an object that a decision depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// It could not be asked for: what is kept stays.
    Unknown,
    /// It is not there.
    Absent,
    /// It is there.
    Found(T),
}

/// What becomes of the address of a pod that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// It waits for the pod's successor.
    Keep,
    /// It is released.
    Release(Reason),
}

/// Why an address is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The pod belongs to nothing that brings it back.
    Plain,
    /// What it belongs to is gone.
    Gone,
    /// What it belongs to is being deleted.
    Deleting,
    /// What it belongs to was made anew under the same name.
    Replaced,
    /// Its ordinal is no longer among the replicas.
    ScaledDown,
    /// Its namespace no longer has the subnet.
    SubnetLeft,
    /// The template names another subnet now.
    SubnetChosen,
    /// The subnet's prefix no longer has the address.
    Outside,
}

/// A StatefulSet, as far as its pods' addresses depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatefulSet {
    /// Identity.
    pub uid: Name,
    /// Deletion was asked for.
    pub deleting: bool,
    /// `spec.replicas`.
    pub replicas: u64,
    /// `spec.ordinals.start`.
    pub start: u64,
    /// The subnet that the pod template names for the interface, if it names one.
    pub subnet: Option<Name>,
}

/// A pod that is gone, and what one of its interfaces held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Name of the pod.
    pub pod: Name,
    /// Identity of the StatefulSet that it belonged to.
    pub set: Name,
    /// The subnet of the address.
    pub subnet: Name,
    /// The addresses.
    pub ips: DualStack<IpAddr>,
}

/// Decides for an interface of a StatefulSet's pod. `namespace` are the subnets that the pod's namespace has now,
/// `cidrs` the prefixes of the address's subnet.
pub fn of_stateful_set(
    member: &Member,
    set: &Lookup<StatefulSet>,
    namespace: &[Name],
    cidrs: &DualStack<Cidr>,
) -> Retention {
    let set = match set {
        Lookup::Unknown => return Retention::Keep,
        Lookup::Absent => return Retention::Release(Reason::Gone),
        Lookup::Found(set) => set,
    };
    let past_the_end = |ordinal: u64| ordinal >= set.start.saturating_add(set.replicas);
    let left = set.subnet.is_none() && !namespace.contains(&member.subnet);
    let inside = |ip: &IpAddr| cidrs.get(Family::of(*ip)).is_some_and(|cidr| cidr.contains(*ip));
    let reason = if set.deleting {
        Reason::Deleting
    } else if set.uid != member.set {
        Reason::Replaced
    } else if ordinal(&member.pod).is_none_or(past_the_end) {
        Reason::ScaledDown
    } else if left {
        Reason::SubnetLeft
    } else if set.subnet.as_ref().is_some_and(|chosen| *chosen != member.subnet) {
        Reason::SubnetChosen
    } else if !member.ips.iter().all(inside) {
        Reason::Outside
    } else {
        return Retention::Keep;
    };
    Retention::Release(reason)
}

/// Decides for the addresses of a virtual machine (KubeVirt), of which pods come and go: kept while its instance
/// lives, or the machine exists and is not being deleted. Each is given by whether its deletion was asked for.
pub fn of_virtual_machine(machine: Lookup<bool>, instance: Lookup<bool>) -> Retention {
    match (machine, instance) {
        (Lookup::Unknown | Lookup::Found(false), _) | (_, Lookup::Unknown | Lookup::Found(false)) => {
            Retention::Keep
        }
        (Lookup::Found(true), _) | (_, Lookup::Found(true)) => Retention::Release(Reason::Deleting),
        (Lookup::Absent, Lookup::Absent) => Retention::Release(Reason::Gone),
    }
}

/// What a pod belongs to that may bring it back with its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Nothing: the address is released with the pod.
    Plain,
    /// A StatefulSet, by name and identity.
    StatefulSet(Name, Name),
    /// A virtual machine's instance, by name: its pods have that name for addresses.
    VirtualMachine(Name),
}

impl Workload {
    /// From one of a pod's owner references; a pod's name must begin with that of its StatefulSet.
    pub fn of(pod: &str, api_version: &str, kind: &str, name: &Name, uid: &Name) -> Self {
        let group = api_version.split('/').next().unwrap_or_default();
        match (group, kind) {
            ("apps", "StatefulSet") if pod.starts_with(&**name) => {
                Workload::StatefulSet(name.clone(), uid.clone())
            }
            ("kubevirt.io", "VirtualMachineInstance") => Workload::VirtualMachine(name.clone()),
            _ => Workload::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Member {
        let ips = "10.0.0.7".parse().unwrap();
        Member { pod: "web-2".into(), set: "u1".into(), subnet: "a".into(), ips }
    }

    fn set() -> StatefulSet {
        StatefulSet { uid: "u1".into(), replicas: 3, ..StatefulSet::default() }
    }

    fn decide(member: &Member, set: StatefulSet, namespace: &[&str], cidr: &str) -> Retention {
        let namespace: Vec<Name> = namespace.iter().map(|name| Name::from(*name)).collect();
        of_stateful_set(member, &Lookup::Found(set), &namespace, &cidr.parse().unwrap())
    }

    #[test]
    fn a_stateful_sets_pod_keeps_its_address_while_it_may_come_back() {
        use Reason::{Deleting, Gone, Outside, Replaced, ScaledDown, SubnetChosen, SubnetLeft};
        use Retention::{Keep, Release};
        let (pod, cidr) = (member(), "10.0.0.0/24");
        assert_eq!(decide(&pod, set(), &["b", "a"], cidr), Keep);
        let from_one = StatefulSet { start: 1, replicas: 2, ..set() };
        assert_eq!(decide(&pod, from_one, &["a"], cidr), Keep);
        let chosen = |subnet: &str| StatefulSet { subnet: Some(subnet.into()), ..set() };
        assert_eq!(decide(&pod, chosen("a"), &[], cidr), Keep, "the template's choice counts");
        for (set, namespace, cidr, reason) in [
            (StatefulSet { replicas: 2, ..set() }, &["a"][..], cidr, ScaledDown),
            (StatefulSet { deleting: true, ..set() }, &["a"], cidr, Deleting),
            (StatefulSet { uid: "u2".into(), ..set() }, &["a"], cidr, Replaced),
            (set(), &["b"], cidr, SubnetLeft),
            (chosen("b"), &["a"], cidr, SubnetChosen),
            (set(), &["a"], "10.1.0.0/24", Outside),
            (set(), &["a"], "fd00::/64", Outside),
        ] {
            assert_eq!(
                decide(&pod, set.clone(), namespace, cidr),
                Release(reason),
                "{set:?} {namespace:?} {cidr}"
            );
        }
        let of = |lookup| of_stateful_set(&pod, &lookup, &[], &DualStack::default());
        assert_eq!((of(Lookup::Absent), of(Lookup::Unknown)), (Release(Gone), Keep));
    }

    #[test]
    fn a_machines_address_lives_as_long_as_it_or_its_instance() {
        use Lookup::{Absent, Found, Unknown};
        use Retention::{Keep, Release};
        for (machine, instance, retention) in [
            (Found(false), Absent, Keep),
            (Found(false), Found(true), Keep),
            (Absent, Found(false), Keep),
            (Found(true), Found(false), Keep),
            (Found(true), Absent, Release(Reason::Deleting)),
            (Absent, Found(true), Release(Reason::Deleting)),
            (Absent, Absent, Release(Reason::Gone)),
            (Unknown, Absent, Keep),
            (Absent, Unknown, Keep),
        ] {
            assert_eq!(of_virtual_machine(machine, instance), retention, "{machine:?} {instance:?}");
        }
    }

    #[test]
    fn owners_are_told_by_group_and_kind() {
        let of = |pod: &str, api: &str, kind: &str| Workload::of(pod, api, kind, &"web".into(), &"u".into());
        assert_eq!(of("web-0", "apps/v1", "StatefulSet"), Workload::StatefulSet("web".into(), "u".into()));
        assert_eq!(
            of("virt-x", "kubevirt.io/v1", "VirtualMachineInstance"),
            Workload::VirtualMachine("web".into())
        );
        for plain in [
            ("db-0", "apps/v1", "StatefulSet"),
            ("web-0", "apps.kruise.io/v1", "StatefulSet"),
            ("web-0", "apps/v1", "ReplicaSet"),
        ] {
            assert_eq!(of(plain.0, plain.1, plain.2), Workload::Plain, "{plain:?}");
        }
    }
}
