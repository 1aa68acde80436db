//! Whose addresses outlive the pod: members of StatefulSets, and virtual machines.

use std::net::IpAddr;

use crate::{
    addr::{Cidr, DualStack, Family},
    index::objects::{Name, StatefulSet, member},
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

/// Decides for an interface of a StatefulSet's pod; `set` is the one of that name, if there is one. `namespace` are the
/// subnets that the pod's namespace has now, `cidrs` the prefixes of the address's subnet, where they are known.
pub fn of_stateful_set(
    gone: &Member,
    set: Option<&StatefulSet>,
    namespace: &[Name],
    cidrs: Option<&DualStack<Cidr>>,
) -> Retention {
    let Some(set) = set else { return Retention::Release(Reason::Gone) };
    let past_the_end = |(_, number): (&str, u64)| number >= set.start.saturating_add(set.replicas);
    let left = set.subnet.is_none() && !namespace.contains(&gone.subnet);
    let reason = if set.meta.deleting {
        Reason::Deleting
    } else if set.meta.uid != gone.set {
        Reason::Replaced
    } else if member(&gone.pod).is_none_or(past_the_end) {
        Reason::ScaledDown
    } else if left {
        Reason::SubnetLeft
    } else if set.subnet.as_ref().is_some_and(|chosen| *chosen != gone.subnet) {
        Reason::SubnetChosen
    } else if !are_inside(&gone.ips, cidrs) {
        Reason::Outside
    } else {
        return Retention::Keep;
    };
    Retention::Release(reason)
}

/// Are the addresses those of a subnet with these prefixes, as far as they are known?
pub(super) fn are_inside(ips: &DualStack<IpAddr>, cidrs: Option<&DualStack<Cidr>>) -> bool {
    let inside = |cidrs: &DualStack<Cidr>, ip: &IpAddr| {
        cidrs.get(Family::of(*ip)).is_some_and(|cidr| cidr.contains(*ip))
    };
    cidrs.is_none_or(|cidrs| ips.iter().all(|ip| inside(cidrs, ip)))
}

/// Decides for the addresses of a virtual machine (KubeVirt), of which pods come and go: kept while its instance
/// lives, or the machine exists and is not being deleted. Each is given by whether its deletion was asked for. What is not
/// known of them is no reason to release.
pub fn of_virtual_machine(machine: Lookup<bool>, instance: Lookup<bool>) -> Retention {
    match (machine, instance) {
        (Lookup::Unknown | Lookup::Found(false), _) | (_, Lookup::Unknown | Lookup::Found(false)) => {
            Retention::Keep
        }
        (Lookup::Found(true), _) | (_, Lookup::Found(true)) => Retention::Release(Reason::Deleting),
        (Lookup::Absent, Lookup::Absent) => Retention::Release(Reason::Gone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::objects::Meta;

    fn pod() -> Member {
        let ips = "10.0.0.7".parse().unwrap();
        Member { pod: "web-2".into(), set: "u1".into(), subnet: "a".into(), ips }
    }

    fn set() -> StatefulSet {
        StatefulSet { meta: meta("u1"), replicas: 3, ..StatefulSet::default() }
    }

    fn meta(uid: &str) -> Meta {
        Meta { uid: uid.into(), ..Meta::default() }
    }

    fn decide(member: &Member, set: StatefulSet, namespace: &[&str], cidr: &str) -> Retention {
        let namespace: Vec<Name> = namespace.iter().map(|name| Name::from(*name)).collect();
        of_stateful_set(member, Some(&set), &namespace, Some(&cidr.parse().unwrap()))
    }

    #[test]
    fn a_stateful_sets_pod_keeps_its_address_while_it_may_come_back() {
        use Reason::{Deleting, Gone, Outside, Replaced, ScaledDown, SubnetChosen, SubnetLeft};
        use Retention::{Keep, Release};
        let (pod, cidr) = (pod(), "10.0.0.0/24");
        assert_eq!(decide(&pod, set(), &["b", "a"], cidr), Keep);
        let from_one = StatefulSet { start: 1, replicas: 2, ..set() };
        assert_eq!(decide(&pod, from_one, &["a"], cidr), Keep);
        assert_eq!(
            of_stateful_set(&pod, Some(&set()), &["a".into()], None),
            Keep,
            "its subnet can't be read"
        );
        let chosen = |subnet: &str| StatefulSet { subnet: Some(subnet.into()), ..set() };
        assert_eq!(decide(&pod, chosen("a"), &[], cidr), Keep, "the template's choice counts");
        for (set, namespace, cidr, reason) in [
            (StatefulSet { replicas: 2, ..set() }, &["a"][..], cidr, ScaledDown),
            (StatefulSet { meta: Meta { deleting: true, ..meta("u1") }, ..set() }, &["a"], cidr, Deleting),
            (StatefulSet { meta: meta("u2"), ..set() }, &["a"], cidr, Replaced),
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
        assert_eq!(of_stateful_set(&pod, None, &[], None), Release(Gone));
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
}
