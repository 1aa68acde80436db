//! OVN match expressions: a typed builder for our own, a strict parser for those of users.
//!
//! A match is the one string in the northbound database that can be wrong without anybody noticing: OVN stores
//! any text, and ovn-controller skips the rules it can't parse, so that a broken `drop` is an allow. Therefore
//! every match comes from one of two places:
//!
//! * [`Match`] can only be built right. Its text is byte for byte Kube-OVN's, since the text is part of an ACL's
//!   identity.
//! * [`parse`] checks what a user wrote (`Subnet.spec.acls`, `Vpc.spec.policyRoutes`) before it goes in.
//!
//! ```
//! use kubeovn_ovn::matching::{L4, Match, SetName, Side};
//! let group = SetName::new("ovn.sg.web")?;
//! let web = Match::outport_group(&group).and(Match::ip4()).and(L4::Tcp.port(Side::Dst, 80));
//! assert_eq!(web.to_string(), "outport == @ovn.sg.web && ip4 && tcp.dst == 80");
//! # Ok::<(), kubeovn_ovn::matching::MatchError>(())
//! ```

mod build;
mod check;
mod error;
mod lex;
mod parse;
mod symbols;
mod terms;
#[cfg(test)]
mod tests;

pub use build::{Match, SetName};
pub use error::{MatchError, Problem};
pub use parse::{UserMatch, parse};
pub use symbols::Where;
pub use terms::{Address, L4, Side};
