//! Routes and policies of a VPC: what is read, what is left out and what is said about it.

use crate::{
    decide::PolicyAction,
    decide::{Policy, VpcPlan, decide_vpc},
    index::objects::{Meta, PolicyRoute, StaticRoute, Vpc, VpcSpec},
};

fn routes(given: &[(&str, &str, &str, &str)]) -> VpcPlan {
    let static_routes = given.iter().map(|(policy, cidr, hop, table)| StaticRoute {
        policy: (*policy).into(),
        cidr: (*cidr).into(),
        next_hop: (*hop).into(),
        table: (*table).into(),
    });
    decide(VpcSpec { static_routes: static_routes.collect(), ..VpcSpec::default() })
}

fn policies(given: &[(i64, &str, &str, &str)]) -> VpcPlan {
    let policy_routes = given.iter().map(|(priority, text, action, hops)| PolicyRoute {
        priority: *priority,
        r#match: (*text).into(),
        action: (*action).into(),
        next_hops: (*hops).into(),
    });
    decide(VpcSpec { policy_routes: policy_routes.collect(), ..VpcSpec::default() })
}

fn decide(spec: VpcSpec) -> VpcPlan {
    decide_vpc(&Vpc { meta: Meta::named("shop"), spec, ..Vpc::default() })
}

#[test]
fn routes_are_read_sorted_and_told_apart() {
    let plan = routes(&[
        ("policyDst", "192.0.2.9", "10.1.0.9", ""),
        ("", "10.0.0.7/8", " 10.1.0.8 ", ""),
        ("policyDst", "10.0.0.0/8", "10.1.0.8", ""),
        ("policyDst", "10.0.0.0/8", "10.1.0.8", "t1"),
        ("policySrc", "fd00::/64", "fd00::9", ""),
    ]);
    let list = |routes: &[crate::decide::Route]| -> Vec<String> {
        routes.iter().map(|r| format!("{}:{} via {}", r.table, r.prefix, r.next_hop)).collect()
    };
    let expected = [":10.0.0.0/8 via 10.1.0.8", ":192.0.2.9/32 via 10.1.0.9", "t1:10.0.0.0/8 via 10.1.0.8"];
    assert_eq!(list(&plan.routes), expected);
    assert_eq!(list(&plan.sources), [":fd00::/64 via fd00::9"]);
    assert_eq!(plan.problems, []);
}

#[test]
fn a_bad_route_is_left_out_and_reported_and_the_others_stay() {
    let good = ("", "10.0.0.0/8", "10.1.0.8", "");
    for (bad, says) in [
        (("policyBoth", "10.0.0.0/8", "10.1.0.8", ""), "\"policyBoth\" is neither policyDst nor policySrc"),
        (("", "10.0.0.0/33", "10.1.0.8", ""), "cidr: \"10.0.0.0/33\" is no CIDR: write it like"),
        (("", "", "10.1.0.8", ""), "cidr: \"\" is no CIDR"),
        (("", "10.0.0.0/8", "10.1.0.8/24", ""), "nextHopIP: \"10.1.0.8/24\" is no IP address"),
        (("", "10.0.0.0/8", "fd00::9", ""), "nextHopIP fd00::9 is not of the family of 10.0.0.0/8"),
    ] {
        let plan = routes(&[good, bad]);
        assert_eq!((plan.routes.len(), plan.sources.len()), (1, 0), "{bad:?}");
        let [problem] = plan.problems.as_slice() else { panic!("{:?}", plan.problems) };
        assert_eq!(problem.code, "VPC-ROUTE-INVALID");
        assert!(problem.message.starts_with("VPC shop: staticRoutes[1] is not in effect: "), "{problem}");
        assert!(problem.message.contains(says), "{problem}");
    }
}

#[test]
fn policies_are_read() {
    let plan = policies(&[
        (32_767, " ip4.src == 10.1.0.0/24 ", "reroute", "10.1.0.9, 10.1.0.8,10.1.0.9"),
        (0, "ip6", "drop", "what drops has no next hop"),
    ]);
    let first = Policy {
        priority: 32_767,
        r#match: "ip4.src == 10.1.0.0/24".into(),
        action: PolicyAction::Reroute,
        next_hops: vec!["10.1.0.8".parse().unwrap(), "10.1.0.9".parse().unwrap()],
    };
    let second = Policy { priority: 0, r#match: "ip6".into(), action: PolicyAction::Drop, next_hops: vec![] };
    assert_eq!(plan.policies, [first, second]);
    assert_eq!(plan.problems, []);
}

#[test]
fn a_bad_policy_is_left_out_and_reported_and_the_others_stay() {
    let good = (1, "ip4", "allow", "");
    for (bad, says) in [
        ((32_768, "ip4", "allow", ""), "priority 32768 is not between 0 and 32767"),
        ((-1, "ip4", "allow", ""), "priority -1 is not between 0 and 32767"),
        ((70_000, "ip4", "allow", ""), "priority 70000"),
        ((1, " ", "drop", ""), "match is empty. Write an OVN match, like ip4.src"),
        ((1, "ip4", "reroute", " , "), "action reroute needs nextHopIP"),
        ((1, "ip4", "Drop", ""), "action \"Drop\" is none of allow, drop and reroute"),
        ((1, "ip4", "reroute", "10.1.0.9,n1"), "nextHopIP: \"n1\" is no IP address"),
        ((1, "ip4", "reroute", "10.1.0.9,fd00::9"), "nextHopIP 10.1.0.9,fd00::9 mixes address families"),
    ] {
        let plan = policies(&[bad, good]);
        assert_eq!(plan.policies.len(), 1, "{bad:?}");
        let [problem] = plan.problems.as_slice() else { panic!("{:?}", plan.problems) };
        assert_eq!(problem.code, "VPC-POLICY-INVALID");
        assert!(problem.message.starts_with("VPC shop: policyRoutes[0] is not in effect: "), "{problem}");
        assert!(problem.message.contains(says), "{problem}");
    }
}

#[test]
fn a_field_that_nothing_acts_on_is_named() {
    let plan = decide(VpcSpec { inert: vec!["enableBfd".into()], ..VpcSpec::default() });
    let [problem] = plan.problems.as_slice() else { panic!("{:?}", plan.problems) };
    assert_eq!(problem.code, "FIELD-NOT-SUPPORTED");
    assert!(problem.message.starts_with("VPC shop: enableBfd set"), "{problem}");
}
