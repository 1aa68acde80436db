//! Access rules that users write into a subnet, read and checked as far as no OVN is needed for it: matches are parsed
//! where they are rendered.

use crate::{
    decide::vpc::priority,
    error::Problem,
    index::objects::{Name, Subnet, SubnetAcl},
};

/// The access rules of a subnet. What of them can't be used is left out and reported, the rest is in effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubnetRules {
    /// In the order in which they are given.
    pub rules: Vec<SubnetRule>,
    /// What stays in the subnet is let through, above most rules.
    pub east_west: bool,
    /// What could not be used, and why.
    pub problems: Vec<Problem>,
}

/// An access rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetRule {
    /// Its place among `acls`, from 0: what it is called in messages.
    pub number: usize,
    /// Which way the traffic goes.
    pub direction: RuleDirection,
    /// 0 to 32767, higher wins.
    pub priority: u16,
    /// OVN match, as given.
    pub r#match: Name,
    /// What to do.
    pub action: RuleAction,
}

/// Which way traffic goes, seen from the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleDirection {
    /// To a port.
    To,
    /// From a port.
    From,
}

impl RuleDirection {
    /// Its word in manifests and in OVN.
    pub fn word(self) -> &'static str {
        match self {
            RuleDirection::To => "to-lport",
            RuleDirection::From => "from-lport",
        }
    }
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// Let through, with its answers.
    AllowRelated,
    /// Let through without remembering it.
    AllowStateless,
    /// Let through.
    Allow,
    /// Drop.
    Drop,
    /// Drop, and say so to the sender.
    Reject,
}

impl RuleAction {
    const ALL: [RuleAction; 5] = [
        RuleAction::AllowRelated,
        RuleAction::AllowStateless,
        RuleAction::Allow,
        RuleAction::Drop,
        RuleAction::Reject,
    ];

    /// Its word in manifests and in OVN.
    pub fn word(self) -> &'static str {
        match self {
            RuleAction::AllowRelated => "allow-related",
            RuleAction::AllowStateless => "allow-stateless",
            RuleAction::Allow => "allow",
            RuleAction::Drop => "drop",
            RuleAction::Reject => "reject",
        }
    }
}

/// Reads a subnet's access rules.
pub fn decide_rules(subnet: &Subnet) -> SubnetRules {
    let (name, spec) = (&subnet.meta.name, &subnet.spec);
    // Without rules nothing is forbidden that would have to be allowed: as in Kube-OVN.
    let east_west = spec.allow_ew_traffic && !spec.acls.is_empty();
    let mut read = SubnetRules { east_west, ..SubnetRules::default() };
    for (number, given) in spec.acls.iter().enumerate() {
        match rule(number, given) {
            Ok(rule) => read.rules.push(rule),
            Err(text) => read.problems.push(Problem::new(
                "SUBNET-ACL-INVALID",
                format!("subnet {name}: acls[{number}] is not in effect: {text}"),
            )),
        }
    }
    read
}

fn rule(number: usize, given: &SubnetAcl) -> Result<SubnetRule, String> {
    let direction = [RuleDirection::To, RuleDirection::From]
        .into_iter()
        .find(|direction| direction.word() == given.direction)
        .ok_or_else(|| {
            format!(
                "direction {:?} is neither to-lport (to pods) nor from-lport (from pods)",
                given.direction
            )
        })?;
    let action =
        RuleAction::ALL.into_iter().find(|action| action.word() == given.action).ok_or_else(|| {
            let words = RuleAction::ALL.map(RuleAction::word).join(", ");
            format!("action {:?} is none of {words}", given.action)
        })?;
    if given.r#match.trim().is_empty() {
        return Err("match is empty. Write an OVN match, like ip4.src == 10.0.1.0/24".into());
    }
    let priority = priority(given.priority)?;
    Ok(SubnetRule { number, direction, priority, r#match: given.r#match.trim().into(), action })
}
