//! The subnets with what is in force of them: an edit that the controller has not taken changes nothing on the host, as it
//! changes nothing in OVN.

use std::collections::BTreeMap;

use kubeovn_core::index::objects::{Condition, Name, Subnet};

/// All subnets, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Subnets(BTreeMap<Name, Known>);

#[derive(Clone, Debug)]
struct Known {
    /// Its spec is the one that counts, which need not be the one that the object has now.
    subnet: Subnet,
    force: Force,
    /// Something else was in force before this daemon began, and nobody says what.
    unseen: bool,
}

/// What the spec that is kept is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Force {
    /// Nothing: there was never one that the controller took, as far as this daemon knows.
    None,
    /// The controller has yet to say. Until then it counts, but nothing holds on to it.
    Presumed,
    /// The controller has taken it.
    Taken,
}

/// Whether the controller took a spec, and which.
fn validated(subnet: &Subnet) -> Option<&Condition> {
    subnet.status.conditions.iter().find(|condition| &*condition.r#type == "Validated")
}

/// What the controller says of the spec as it stands.
fn force_of(subnet: &Subnet) -> Force {
    let Some(validated) = validated(subnet) else {
        // Pods of an overlay do not wait for the controller's word. To an underlay that it is going to refuse there would be
        // routes until then.
        return if subnet.spec.vlan.is_empty() { Force::Presumed } else { Force::None };
    };
    match (&*validated.status, validated.observed_generation >= subnet.meta.generation) {
        ("True", true) => Force::Taken,
        ("True", false) => Force::Presumed,
        _ => Force::None,
    }
}

/// Was it edited since the controller took it? Where the controller tells no generation that can't be told.
fn is_edited(subnet: &Subnet) -> bool {
    let open = validated(subnet).is_some_and(|said| &*said.status != "True" || said.observed_generation > 0);
    open && subnet.meta.generation > 1 && force_of(subnet) != Force::Taken
}

impl Subnets {
    /// Takes in what an object says now.
    pub(super) fn apply(&mut self, mut subnet: Subnet) {
        let mut force = force_of(&subnet);
        let former = self.0.remove(&subnet.meta.name).filter(|it| it.subnet.meta.uid == subnet.meta.uid);
        let unseen =
            former.as_ref().map_or_else(|| is_edited(&subnet), |it| it.unseen && force != Force::Taken);
        let taken = former.filter(|it| it.force == Force::Taken);
        if let (Some(taken), true) = (taken, force != Force::Taken) {
            (subnet.spec, force) = (taken.subnet.spec, Force::Taken);
        }
        self.0.insert(subnet.meta.name.clone(), Known { subnet, force, unseen });
    }

    /// Those of which something may be in force that this daemon has never seen: what it does not know of them is no reason to
    /// take anything away.
    pub(super) fn unseen(&self) -> impl Iterator<Item = &Subnet> {
        self.0.values().filter(|known| known.unseen).map(|known| &known.subnet)
    }

    /// Forgets one; false when it was not known.
    pub(super) fn remove(&mut self, name: &Name) -> bool {
        self.0.remove(name).is_some()
    }

    /// A subnet, also one that is not in force.
    pub(super) fn get(&self, name: &str) -> Option<&Subnet> {
        self.0.get(name).map(|known| &known.subnet)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Subnet> {
        self.0.values().map(|known| &known.subnet)
    }

    /// Those that are in force, by name.
    pub(super) fn in_force(&self) -> impl Iterator<Item = &Subnet> {
        self.0.values().filter(|known| known.force != Force::None).map(|known| &known.subnet)
    }
}

#[cfg(test)]
mod tests {
    use kubeovn_core::index::objects::{Meta, SubnetSpec};

    use super::*;

    /// A subnet with this prefix. `said` is what the controller says of which generation.
    fn subnet(cidr: &str, generation: i64, said: Option<(&str, i64)>) -> Subnet {
        let meta = Meta { uid: "u".into(), generation, ..Meta::named("shop") };
        let spec = SubnetSpec { cidr_block: cidr.into(), ..SubnetSpec::default() };
        let mut subnet = Subnet { meta, spec, ..Subnet::default() };
        subnet.status.conditions.extend(said.map(|(status, observed_generation)| Condition {
            r#type: "Validated".into(),
            status: status.into(),
            reason: "".into(),
            message: "".into(),
            observed_generation,
        }));
        subnet
    }

    /// The prefixes in force after all that.
    fn after(told: impl IntoIterator<Item = Subnet>) -> Vec<String> {
        let mut subnets = Subnets::default();
        told.into_iter().for_each(|subnet| subnets.apply(subnet));
        subnets.in_force().map(|subnet| subnet.spec.cidr_block.clone()).collect()
    }

    #[test]
    fn what_was_taken_stays_until_something_else_is() {
        let taken = || subnet("10.1.0.0/16", 1, Some(("True", 1)));
        let edited = || subnet("10.2.0.0/16", 2, Some(("True", 1)));
        let refused = || subnet("10.2.0.0/16", 2, Some(("False", 2)));
        assert_eq!(after([taken()]), ["10.1.0.0/16"]);
        assert_eq!(after([taken(), edited()]), ["10.1.0.0/16"], "nobody has looked at it");
        assert_eq!(after([taken(), edited(), refused()]), ["10.1.0.0/16"]);
        let again = subnet("10.3.0.0/16", 3, Some(("False", 2)));
        assert_eq!(after([taken(), refused(), again]), ["10.1.0.0/16"]);
        let at_last = subnet("10.2.0.0/16", 2, Some(("True", 2)));
        assert_eq!(after([taken(), edited(), refused(), at_last]), ["10.2.0.0/16"]);
    }

    #[test]
    fn a_new_overlay_counts_until_it_is_refused() {
        let unseen = || subnet("10.1.0.0/16", 1, None);
        let refused = || subnet("10.1.0.0/16", 1, Some(("False", 1)));
        assert_eq!(after([unseen()]), ["10.1.0.0/16"]);
        assert_eq!(after([unseen(), refused()]), [""; 0]);
        let edited = subnet("10.2.0.0/16", 2, Some(("False", 1)));
        assert_eq!(after([unseen(), refused(), edited]), [""; 0], "nobody has taken that either");
        // Kube-OVN's controller does not say of which generation it speaks.
        assert_eq!(after([subnet("10.1.0.0/16", 4, Some(("True", 0)))]), ["10.1.0.0/16"]);
    }

    #[test]
    fn an_edit_that_was_not_taken_before_the_daemon_began_hides_what_is_in_force() {
        let unseen = |told: Vec<Subnet>| {
            let mut subnets = Subnets::default();
            told.into_iter().for_each(|subnet| subnets.apply(subnet));
            subnets.unseen().count() == 1
        };
        let refused = || subnet("10.2.0.0/16", 2, Some(("False", 2)));
        let pending = || subnet("10.2.0.0/16", 3, Some(("True", 2)));
        assert!(unseen(vec![refused()]) && unseen(vec![pending()]));
        assert!(unseen(vec![pending(), subnet("10.2.0.0/16", 3, Some(("False", 3)))]));
        assert!(unseen(vec![refused(), subnet("10.3.0.0/16", 3, Some(("False", 2)))]));
        assert!(!unseen(vec![refused(), subnet("10.3.0.0/16", 3, Some(("True", 3)))]), "it is known at last");
        // What this daemon has seen itself, what was never in force, and Kube-OVN's controller.
        assert!(!unseen(vec![subnet("10.1.0.0/16", 1, Some(("True", 1))), refused()]));
        assert!(!unseen(vec![subnet("10.1.0.0/16", 1, Some(("False", 1))), refused()]));
        assert!(!unseen(vec![subnet("10.1.0.0/16", 4, Some(("True", 0)))]));
        assert!(!unseen(vec![subnet("10.1.0.0/16", 2, None)]));
    }

    #[test]
    fn an_underlay_waits_until_it_is_taken() {
        let underlay = |said| {
            let mut subnet = subnet("10.1.0.0/16", 1, said);
            subnet.spec.vlan = "v1".into();
            subnet
        };
        assert_eq!(after([underlay(None)]), [""; 0]);
        assert_eq!(after([underlay(Some(("False", 1)))]), [""; 0]);
        assert_eq!(after([underlay(None), underlay(Some(("True", 1)))]), ["10.1.0.0/16"]);
    }

    #[test]
    fn what_is_not_of_the_spec_is_what_the_object_says_now() {
        let mut leaves = subnet("10.2.0.0/16", 2, Some(("False", 2)));
        leaves.meta.deleting = true;
        leaves.status.activateGateway = "n2".into();
        let mut subnets = Subnets::default();
        subnets.apply(subnet("10.1.0.0/16", 1, Some(("True", 1))));
        subnets.apply(leaves);
        let known = subnets.get("shop").expect("it is known");
        assert_eq!((&*known.spec.cidr_block, known.meta.deleting), ("10.1.0.0/16", true));
        assert_eq!(known.status.activateGateway, "n2");
    }

    #[test]
    fn a_successor_of_the_same_name_inherits_nothing() {
        let mut successor = subnet("10.2.0.0/16", 2, Some(("False", 2)));
        successor.meta.uid = "another".into();
        assert_eq!(after([subnet("10.1.0.0/16", 1, Some(("True", 1))), successor]), [""; 0]);
    }
}
