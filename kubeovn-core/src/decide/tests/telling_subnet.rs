//! What subnets are told: numbers, conditions and our finalizer.

use super::facts::{Facts, finalizer};
use crate::{
    addr::DualStack,
    contract::{
        cluster::{FINALIZER, Status, Write},
        ipam::Usage,
    },
    count::Count,
    decide::publish::{Seat, Telling, tell},
    error::Problem,
    index::objects::{
        Condition, Kind, NatMatch, NatRule, NatRuleStatus, ObjectKey, Subnet, SubnetSpec, SubnetStatus,
    },
};

fn key() -> ObjectKey {
    ObjectKey::cluster(Kind::Subnet, "a")
}

fn facts(spec: SubnetSpec) -> Facts {
    let mut facts = Facts::new();
    facts.subnet("a", "", "10.1.0.0/24,fd00:1::/64", spec);
    facts.decide();
    facts
}

fn usage(owners: usize) -> Usage {
    let text = |v4: &str, v6: &str| DualStack { v4: Some(v4.to_owned()), v6: Some(v6.to_owned()) };
    Usage {
        used: DualStack { v4: Some(2), v6: Some(1) },
        available: DualStack { v4: Some(250), v6: Some((1 << 64) - 5) },
        used_ranges: text("10.1.0.2-10.1.0.3", "fd00:1::2"),
        available_ranges: text("10.1.0.4-10.1.0.253", "fd00:1::3-fd00:1::ffff:ffff:ffff:fffe"),
        owners,
        ..Usage::default()
    }
}

fn status(telling: &Telling) -> &SubnetStatus {
    let mut all = telling.writes.iter().filter_map(|write| match write {
        Write::Status { status: Status::Subnet(status), .. } => Some(status),
        _ => None,
    });
    all.next().unwrap_or_else(|| panic!("{telling:?}"))
}

fn conditions(status: &SubnetStatus) -> Vec<(&str, &str, &str)> {
    status.conditions.iter().map(|c| (&*c.r#type, &*c.status, &*c.reason)).collect()
}

#[test]
fn numbers_are_told_as_the_cluster_will_store_them() {
    let mut facts = facts(SubnetSpec::default());
    facts.world.count(&"a".into(), Some(usage(2)));
    let telling = facts.tell(&key(), true);
    let status = status(&telling);
    assert_eq!((status.v4usingIPs, status.v6usingIPs), (Count(2), Count(1)));
    assert_eq!((status.v4availableIPs, status.v6availableIPs), (Count(250), Count(1 << 64)));
    assert_eq!((&*status.v4usingIPrange, &*status.v6usingIPrange), ("10.1.0.2-10.1.0.3", "fd00:1::2"));
    assert_eq!(status.v4availableIPrange, "10.1.0.4-10.1.0.253");
    assert_eq!(status.v6availableIPrange, "fd00:1::3-fd00:1::ffff:ffff:ffff:fffe");
    facts.settle(&key(), true);
    facts.world.count(&"a".into(), Some(usage(3)));
    assert_eq!(facts.tell(&key(), true), Telling::default(), "the number of owners is not told");
}

#[test]
fn an_accepted_subnet_is_validated_and_ready_with_its_rows() {
    let mut facts = facts(SubnetSpec::default());
    let waiting = facts.tell(&key(), false);
    assert_eq!(
        conditions(status(&waiting)),
        [("Validated", "True", "Accepted"), ("Ready", "False", "Programmed")]
    );
    assert_eq!(finalizer(&waiting), Some(true));
    facts.obey(&waiting.writes);
    let ready = facts.tell(&key(), true);
    assert_eq!(finalizer(&ready), None, "it has it");
    let expected = Condition {
        r#type: "Ready".into(),
        status: "True".into(),
        reason: "Programmed".into(),
        message: "".into(),
        observed_generation: 1,
    };
    assert!(status(&ready).conditions.contains(&expected), "{ready:?}");
    facts.settle(&key(), true);
    facts.change(&key(), |s: &mut Subnet| s.meta.generation = 2);
    let told = facts.tell(&key(), true);
    assert!(status(&told).conditions.iter().all(|c| c.observed_generation == 2));
}

#[test]
fn a_refused_subnet_is_told_why_once_and_is_not_held_back() {
    let mut facts = facts(SubnetSpec { gateway: "10.9.9.9".into(), ..SubnetSpec::default() });
    facts.world.count(&"a".into(), Some(usage(1)));
    let why = facts.world.decision("a").unwrap().problems.clone();
    // The renderer repeats what it was refused with.
    let other = Problem::new("ROWS", "more");
    let seat = Seat { ready: true, problems: vec![why[0].clone(), other.clone()], ..Seat::default() };
    let telling = tell(&facts.world, &key(), &|_| seat.clone());
    assert_eq!(telling.problems, [why[0].clone(), other]);
    let code = "SUBNET-GATEWAY-INVALID";
    let expected = [("Validated", "False", code), ("Ready", "False", code), ("Error", "True", code)];
    assert_eq!(conditions(status(&telling)), expected);
    assert!(status(&telling).conditions.iter().all(|c| c.message.contains("10.9.9.9")), "{telling:?}");
    assert_eq!(finalizer(&telling), None);
    let status = status(&telling);
    assert_eq!((status.v4usingIPs, status.v4availableIPs), (Count(2), Count(0)), "nothing more is given");
    assert_eq!(&*status.v4availableIPrange, "");
}

#[test]
fn what_is_not_acted_upon_is_told_and_hinders_nothing() {
    let facts = facts(SubnetSpec { inert: vec!["vips".into()], ..SubnetSpec::default() });
    let telling = facts.tell(&key(), true);
    let code = "FIELD-NOT-SUPPORTED";
    assert_eq!(conditions(status(&telling)), [("Validated", "True", code), ("Ready", "True", code)]);
    assert_eq!(telling.problems.len(), 1);
}

#[test]
fn a_subnet_that_goes_waits_for_its_last_address() {
    let mut facts = facts(SubnetSpec::default());
    facts.world.count(&"a".into(), Some(usage(1)));
    facts.settle(&key(), true);
    facts.change(&key(), |s: &mut Subnet| s.meta.deleting = true);
    facts.decide();
    let held = facts.tell(&key(), true);
    assert_eq!(finalizer(&held), None);
    assert_eq!(status(&held).v4availableIPs, Count(0), "nothing more is given");
    facts.settle(&key(), true);
    assert!(facts.world.subnet("a").unwrap().meta.finalizers.iter().any(|f| **f == *FINALIZER));
    facts.world.count(&"a".into(), Some(Usage::default()));
    assert_eq!(finalizer(&facts.tell(&key(), true)), Some(false));
    facts.settle(&key(), true);
    assert_eq!(facts.world.subnet("a").unwrap().meta.finalizers.len(), 0);
}

#[test]
fn one_that_goes_before_we_held_it_is_not_held_back() {
    let mut facts = facts(SubnetSpec::default());
    facts.change(&key(), |s: &mut Subnet| s.meta.deleting = true);
    facts.decide();
    facts.world.count(&"a".into(), Some(usage(1)));
    assert_eq!(finalizer(&facts.tell(&key(), true)), None, "the cluster takes no new finalizer now");
}

#[test]
fn nothing_is_told_before_it_is_decided() {
    let mut facts = Facts::new();
    facts.subnet("a", "", "10.1.0.0/24", SubnetSpec::default());
    assert_eq!(facts.tell(&key(), true), Telling::default());
}

#[test]
fn the_rows_that_answer_dhcp_are_told_as_the_database_calls_them() {
    let mut facts = facts(SubnetSpec::default());
    let answers = DualStack { v4: Some("4e1b".to_owned()), v6: None };
    let seat = Seat { ready: true, dhcp_answers: answers, ..Seat::default() };
    let telling = tell(&facts.world, &key(), &|_| seat.clone());
    let told = status(&telling);
    assert_eq!((&*told.dhcpV4OptionsUUID, &*told.dhcpV6OptionsUUID), ("4e1b", ""));
    facts.obey(&telling.writes);
    assert_eq!(tell(&facts.world, &key(), &|_| seat.clone()), Telling::default());
    let gone = facts.tell(&key(), true);
    assert_eq!(status(&gone).dhcpV4OptionsUUID, "");
}

#[test]
fn exceptions_from_nat_are_told_as_long_as_they_are_in_force() {
    let rule = |dst: &str, action: &str| NatRule {
        r#match: NatMatch { src: String::new(), dst: dst.into() },
        action: action.into(),
    };
    let spec = SubnetSpec {
        nat_outgoing: true,
        nat_outgoing_policy_rules: vec![rule("192.168.0.0/16", "forward"), rule("8.8.8.8", "snat")],
        ..SubnetSpec::default()
    };
    let mut facts = facts(spec);
    let telling = facts.tell(&key(), true);
    let told = &status(&telling).natOutgoingPolicyRules;
    let [NatRuleStatus { id, r#match, action }] = told.as_slice() else { panic!("{told:?}") };
    // sha256sum(1) of `a0{"match":{"dstIPs":"192.168.0.0/16"},"action":"forward"}`
    assert_eq!((&**id, &*r#match.dst, &**action), ("b8f6095904cb", "192.168.0.0/16", "forward"));
    assert_eq!(telling.problems.iter().map(|p| p.code).collect::<Vec<_>>(), ["SUBNET-NAT-RULE"]);
    let ready = ("Ready", "True", "SUBNET-NAT-RULE");
    assert!(conditions(status(&telling)).contains(&ready), "the rest is in effect");
    facts.settle(&key(), true);

    let before = facts.world.subnet("a").unwrap().status.natOutgoingPolicyRules.clone();
    facts.change(&key(), |subnet: &mut Subnet| subnet.spec.cidr_block = "x".into());
    facts.decide();
    assert_eq!(
        status(&facts.tell(&key(), true)).natOutgoingPolicyRules,
        before,
        "a refused edit changes nothing"
    );
    facts.change(&key(), |subnet: &mut Subnet| {
        subnet.spec.cidr_block = "10.1.0.0/24,fd00:1::/64".into();
        subnet.spec.nat_outgoing = false;
    });
    facts.decide();
    let off = facts.tell(&key(), true);
    assert_eq!((status(&off).natOutgoingPolicyRules.len(), off.problems), (0, Vec::new()));
}
