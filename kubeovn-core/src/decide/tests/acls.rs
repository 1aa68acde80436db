//! Access rules of a subnet: what is read, what is left out and what is said about it.

use crate::{
    decide::{RuleAction, RuleDirection, SubnetRules, decide_rules},
    index::objects::{Meta, Subnet, SubnetAcl, SubnetSpec},
};

fn decide(given: &[(&str, i64, &str, &str)], allow_ew_traffic: bool) -> SubnetRules {
    let acls = given.iter().map(|(direction, priority, text, action)| SubnetAcl {
        direction: (*direction).into(),
        priority: *priority,
        r#match: (*text).into(),
        action: (*action).into(),
    });
    let spec = SubnetSpec { acls: acls.collect(), allow_ew_traffic, ..SubnetSpec::default() };
    decide_rules(&Subnet { meta: Meta::named("db"), spec, ..Subnet::default() })
}

#[test]
fn rules_are_read_in_their_order() {
    let read =
        decide(&[("to-lport", 0, " ip ", "drop"), ("from-lport", 32_767, "ip6", "allow-related")], false);
    let rules: Vec<_> =
        read.rules.iter().map(|r| (r.number, r.direction, r.priority, &*r.r#match, r.action)).collect();
    assert_eq!(
        rules,
        [
            (0, RuleDirection::To, 0, "ip", RuleAction::Drop),
            (1, RuleDirection::From, 32_767, "ip6", RuleAction::AllowRelated)
        ]
    );
    assert_eq!(read.problems, []);
}

#[test]
fn a_bad_rule_is_left_out_and_reported_and_the_others_stay() {
    let good = ("to-lport", 1, "ip4", "allow");
    for (bad, says) in [
        (("", 1, "ip4", "drop"), "direction \"\" is neither to-lport (to pods) nor from-lport"),
        (("to-lport", -1, "ip4", "drop"), "priority -1 is not between 0 and 32767"),
        (("to-lport", 32_768, "ip4", "drop"), "priority 32768 is not between 0 and 32767"),
        (("to-lport", 1, "  ", "drop"), "match is empty. Write an OVN match"),
        (
            ("to-lport", 1, "ip4", ""),
            "action \"\" is none of allow-related, allow-stateless, allow, drop, reject",
        ),
        (("to-lport", 1, "ip4", "pass"), "action \"pass\" is none of"),
    ] {
        let read = decide(&[good, bad], false);
        assert_eq!(read.rules.len(), 1, "{bad:?}");
        let [problem] = read.problems.as_slice() else { panic!("{:?}", read.problems) };
        assert_eq!(problem.code, "SUBNET-ACL-INVALID");
        assert!(problem.message.starts_with("subnet db: acls[1] is not in effect: "), "{problem}");
        assert!(problem.message.contains(says), "{problem}");
    }
}

#[test]
fn what_stays_inside_is_only_let_through_where_something_is_forbidden() {
    let rule = [("to-lport", 1, "ip4", "drop")];
    assert!(decide(&rule, true).east_west);
    assert!(!decide(&rule, false).east_west && !decide(&[], true).east_west);
}
