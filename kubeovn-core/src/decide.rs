//! Decisions: pure functions of the facts.
//!
//! What a subnet is with all defaults filled in, which subnets a namespace offers, what a pod should be given, what
//! is told back. The controller, a webhook and a command line call the same functions.

mod acl;
mod gateway;
mod hearing;
mod in_vain;
mod inside;
pub mod ip_pool;
mod kept;
mod migration;
mod namespace;
mod nat;
mod networks;
mod options;
mod peering;
mod pools;
pub mod publish;
pub mod retention;
mod subnet;
mod vpc;
mod wants;

pub use acl::{RuleAction, RuleDirection, SubnetRule, SubnetRules, decide_rules};
pub(crate) use gateway::asked_of;
pub use gateway::{Central, Exit, Lead, asked, lead};
pub use hearing::Hearing;
pub use in_vain::in_vain;
pub use kept::is_kept;
pub use migration::{Binding, binding};
pub use namespace::subnets_for;
pub use nat::{NatAction, NatException, NatExceptions, nat_exceptions};
pub use networks::{Network, has_own, networks};
pub use options::{Options, dhcp_options, ra_configs};
pub use peering::{Peering, Peerings, decide_peerings};
pub use pools::pools_for;
pub use subnet::{SubnetPlan, decide_subnets};
pub use vpc::{Policy, PolicyAction, Route, VpcPlan, decide_vpc};
pub use wants::{Wanting, wants};

#[cfg(test)]
mod tests;
