//! Decisions: pure functions of the facts.
//!
//! What a subnet is with all defaults filled in, which subnets a namespace offers, what a pod should be given, what
//! is told back. The controller, a webhook and a command line call the same functions.

mod acl;
pub mod ip_pool;
mod namespace;
mod options;
mod peering;
pub mod publish;
pub mod retention;
mod subnet;
mod vpc;
mod wants;

pub use acl::{RuleAction, RuleDirection, SubnetRule, SubnetRules, decide_rules};
pub use namespace::subnets_for;
pub use options::{Options, dhcp_options, ra_configs};
pub use peering::{Peering, Peerings, decide_peerings};
pub use subnet::{SubnetPlan, decide_subnets};
pub use vpc::{Policy, PolicyAction, Route, VpcPlan, decide_vpc};
pub use wants::{Wanting, wants};

#[cfg(test)]
mod tests;
