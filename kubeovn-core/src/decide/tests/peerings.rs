//! Connections between VPCs: which are in effect, what is said about the others, and who hears of it.

use super::facts::Facts;
use crate::{
    decide::{Peering, Peerings, decide_peerings, publish},
    error::Problem,
    index::{
        Dirty,
        objects::{Kind, ObjectKey, SubnetSpec, Vpc, VpcPeering, VpcSpec},
    },
    rows::{OwnerKey, OwnerKind},
};

fn peers(given: &[(&str, &str)]) -> VpcSpec {
    let peer = |(remote, ip): &(&str, &str)| VpcPeering {
        remote_vpc: (*remote).into(),
        local_connect_ip: (*ip).into(),
    };
    VpcSpec { vpc_peerings: given.iter().map(peer).collect(), ..VpcSpec::default() }
}

/// VPC `blue` with these connections, and `green` with these back.
fn facts(blue: &[(&str, &str)], green: &[(&str, &str)]) -> Facts {
    let mut facts = Facts::new();
    facts.vpc("blue", peers(blue));
    facts.vpc("green", peers(green));
    facts.subnet("blue-a", "blue", "10.1.0.0/24", SubnetSpec::default());
    facts.decide();
    facts
}

fn decide(facts: &Facts) -> Peerings {
    decide_peerings(&facts.world, facts.world.vpc("blue").unwrap())
}

const BACK: &[(&str, &str)] = &[("blue", "169.254.0.2/30")];

#[test]
fn both_sides_make_a_connection() {
    let all = decide(&facts(&[("green", " 169.254.0.1/30, fd00:f::1/126 ")], BACK));
    assert_eq!(all.problems, []);
    let [Peering { remote, networks }] = all.peers.as_slice() else { panic!("{all:?}") };
    assert_eq!(
        (&**remote, networks.map(ToString::to_string).to_string()),
        ("green", "169.254.0.1/30,fd00:f::1/126".into())
    );
}

#[test]
fn a_bad_one_is_left_out_and_reported_and_the_others_stay() {
    let good = ("green", "169.254.0.1/30");
    for (bad, code, says) in [
        (("", "169.254.1.1/30"), "VPC-PEERING-INVALID", "remoteVpc is empty"),
        (("blue", "169.254.1.1/30"), "VPC-PEERING-INVALID", "to the VPC itself"),
        (("green", "169.254.1.1/30"), "VPC-PEERING-INVALID", "another one before it leads to green too"),
        (("nowhere", "169.254.1.1/30"), "VPC-PEERING-UNKNOWN", "there is no VPC nowhere"),
        (("ovn-cluster", ""), "VPC-PEERING-INVALID", "localConnectIP is empty"),
        (
            ("ovn-cluster", "169.254.1.1"),
            "VPC-PEERING-INVALID",
            "\"169.254.1.1\" is no address with a prefix length",
        ),
        (("ovn-cluster", "169.254.1.0/30"), "VPC-PEERING-INVALID", "Choose one of 169.254.1.1..169.254.1.2"),
        (
            ("ovn-cluster", "169.254.1.1/30,169.254.2.1/30"),
            "VPC-PEERING-INVALID",
            "two addresses of one family",
        ),
        (("ovn-cluster", "10.1.0.9/30"), "VPC-PEERING-OVERLAP", "overlaps subnet blue-a"),
        (
            ("ovn-cluster", "169.254.0.2/29"),
            "VPC-PEERING-OVERLAP",
            "overlaps that of the connection to green",
        ),
    ] {
        let all = decide(&facts(&[good, bad], BACK));
        assert_eq!(all.peers.iter().map(|peer| &*peer.remote).collect::<Vec<_>>(), ["green"], "{bad:?}");
        let [problem] = all.problems.as_slice() else { panic!("{bad:?}: {:?}", all.problems) };
        assert_eq!(problem.code, code, "{problem}");
        assert!(problem.message.starts_with("VPC blue: vpcPeerings[1] is not in effect: "), "{problem}");
        assert!(problem.message.contains(says) && problem.is_refusal(), "{problem}");
    }
}

#[test]
fn half_a_connection_is_in_effect_and_told() {
    for (green, says) in [
        (&[][..], "VPC green names no connection to blue"),
        (&[("blue", "169.254.9.2/30")], "no other address of the network of 169.254.0.1/30"),
        (&[("blue", "169.254.0.1/30")], "no other address of the network of 169.254.0.1/30"),
        (&[("blue", "unreadable")], "no other address of the network"),
    ] {
        let facts = facts(&[("green", "169.254.0.1/30")], green);
        let all = decide(&facts);
        assert_eq!(all.peers.len(), 1, "{green:?}");
        let [problem] = all.problems.as_slice() else { panic!("{:?}", all.problems) };
        assert_eq!((problem.code, problem.is_refusal()), ("VPC-PEERING-HALF", false), "{problem}");
        assert!(problem.message.contains(says), "{problem}");
    }
}

#[test]
fn a_vpc_is_told_its_connections_and_what_hinders_them() {
    let mut facts = facts(&[("green", "169.254.0.1/30")], BACK);
    let key = ObjectKey::cluster(Kind::Vpc, "blue");
    facts.settle(&key, true);
    assert_eq!(facts.world.vpc("blue").unwrap().status.vpc_peerings, ["green".into()]);
    let taken = Problem::new("NAME-TAKEN", "blue-green is taken");
    let telling = publish::tell(&facts.world, &key, &|owner| publish::Seat {
        ready: true,
        problems: if *owner == Peering::owner("blue", "green") { vec![taken.clone()] } else { Vec::new() },
        ..publish::Seat::default()
    });
    assert_eq!(telling.problems, std::slice::from_ref(&taken));
}

/// Whatever happens to the other side, both sides are looked at again.
#[test]
fn both_sides_are_marked() {
    type Edit = fn(&mut Facts);
    let green = ObjectKey::cluster(Kind::Vpc, "green");
    let changes: [(&str, Edit); 3] = [
        ("comes", |facts| facts.vpc("green", peers(BACK))),
        ("changes", |facts| {
            facts.change(&ObjectKey::cluster(Kind::Vpc, "green"), |vpc: &mut Vpc| {
                vpc.spec.vpc_peerings.clear();
            });
        }),
        ("goes", |facts| facts.world.remove(&ObjectKey::cluster(Kind::Vpc, "green"), "")),
    ];
    for (what, change) in changes {
        let mut facts = facts(&[("green", "169.254.0.1/30")], BACK);
        if what == "comes" {
            facts.world.remove(&green, "");
        }
        facts.world.dirty = Dirty::default();
        change(&mut facts);
        let dirty = &facts.world.dirty;
        for owner in [
            Peering::owner("blue", "green"),
            Peering::owner("green", "blue"),
            OwnerKey::new(OwnerKind::Vpc, "blue"),
        ] {
            assert!(dirty.rows.contains(&owner), "green {what}: {owner} is not marked");
        }
        assert!(dirty.status.contains(&ObjectKey::cluster(Kind::Vpc, "blue")), "green {what}");
    }
    let facts = facts(&[("green", "169.254.0.1/30")], BACK);
    let owners = facts.world.owners();
    assert!(
        owners.contains(&Peering::owner("blue", "green"))
            && owners.contains(&Peering::owner("green", "blue"))
    );
}

/// A subnet that comes may take the network of a connection, or the name of its port.
#[test]
fn subnets_mark_the_connections_of_their_vpc() {
    let mut facts = facts(&[("green", "169.254.0.1/30")], BACK);
    facts.world.dirty = Dirty::default();
    facts.subnet("blue-b", "blue", "10.2.0.0/24", SubnetSpec::default());
    facts.decide();
    assert!(facts.world.dirty.rows.contains(&Peering::owner("blue", "green")));
}

/// What runs must not end because of a subnet that came later; which of the two was there first cannot be told from the
/// objects alone. So nothing is made of a connection that overlaps one, and what there is stays.
#[test]
fn a_connection_whose_network_a_subnet_has_is_told_and_left_as_it_is() {
    let mut facts = facts(&[("green", "10.2.0.1/30")], &[("blue", "10.2.0.2/30")]);
    assert_eq!(decide(&facts).problems, []);
    facts.subnet("blue-b", "blue", "10.2.0.0/24", SubnetSpec::default());
    facts.decide();
    assert!(facts.world.plan("blue-b").is_some());
    let all = decide(&facts);
    assert_eq!((all.peers, all.unclear), (Vec::new(), vec!["green".into()]));
    let [problem] = all.problems.as_slice() else { panic!("{:?}", all.problems) };
    assert_eq!(problem.code, "VPC-PEERING-OVERLAP");
    for part in ["overlaps subnet blue-b", "what was there stays"] {
        assert!(problem.message.contains(part), "{part:?} is not in: {problem}");
    }
}
