//! Exceptions from `natOutgoing`: what they say, and what hosts call them.

use std::{fmt::Write as _, net::IpAddr};

use hmac_sha256::Hash;
use ipnet::IpNet;

use crate::{
    addr::{Cidr, Family},
    error::Problem,
    index::objects::{NatMatch, NatRule, Subnet},
};

/// An exception from `natOutgoing`: the first that matches decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatException {
    /// What hosts call it, `ruleID` of the subnet's status.
    pub id: String,
    /// Where packets come from; empty is from anywhere in the subnet.
    pub src: Vec<Cidr>,
    /// Where they go; empty is anywhere.
    pub dst: Vec<Cidr>,
    /// What becomes of them.
    pub action: NatAction,
}

/// What an exception does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatAction {
    /// They leave with the node's address.
    Nat,
    /// They leave with their own.
    Forward,
}

/// The exceptions of one subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatExceptions<'a> {
    /// Those in force, each with the rule that it was read from; in the order in which they are asked.
    pub in_force: Vec<(&'a NatRule, NatException)>,
    /// Which do nothing, and why.
    pub problem: Option<Problem>,
}

/// Reads the exceptions of a subnet. Without `natOutgoing` there is nothing to be excepted from.
pub fn nat_exceptions(subnet: &Subnet) -> NatExceptions<'_> {
    let mut exceptions = NatExceptions::default();
    let (name, rules) = (&subnet.meta.name, &subnet.spec.nat_outgoing_policy_rules);
    if !subnet.spec.nat_outgoing {
        return exceptions;
    }
    let mut idle = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        match read(rule) {
            Ok((src, dst, action)) => {
                let exception = NatException { id: id(name, index, rule), src, dst, action };
                exceptions.in_force.push((rule, exception));
            }
            Err(why) => idle.push(format!("natOutgoingPolicyRules[{index}]: {why}")),
        }
    }
    exceptions.problem = (!idle.is_empty()).then(|| {
        let text = format!(
            "subnet {name}: {} of its {} exceptions from natOutgoing do nothing: {}. The others are in effect. Correct them, \
             or remove them",
            idle.len(),
            rules.len(),
            idle.join("; ")
        );
        Problem::new("SUBNET-NAT-RULE", text)
    });
    exceptions
}

fn read(rule: &NatRule) -> Result<(Vec<Cidr>, Vec<Cidr>, NatAction), String> {
    let NatRule { r#match: NatMatch { src, dst }, action } = rule;
    let action = match action.trim() {
        "nat" => NatAction::Nat,
        "forward" => NatAction::Forward,
        other => return Err(format!("action {other:?} is neither nat nor forward")),
    };
    let (src, dst) = (list("srcIPs", src)?, list("dstIPs", dst)?);
    if src.is_empty() && dst.is_empty() {
        return Err("it has neither srcIPs nor dstIPs".to_owned());
    }
    let has = |list: &[Cidr], family| list.is_empty() || list.iter().any(|cidr| cidr.family() == family);
    if !Family::BOTH.into_iter().any(|family| has(&src, family) && has(&dst, family)) {
        return Err("srcIPs and dstIPs are of different families, and so is no packet".to_owned());
    }
    Ok((src, dst, action))
}

/// Addresses and prefixes with commas between.
fn list(field: &str, text: &str) -> Result<Vec<Cidr>, String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let read = |item: &str| {
        let one = item.parse::<IpAddr>().map(|ip| Cidr::new(IpNet::from(ip)));
        one.or_else(|_| item.parse())
            .map_err(|_| format!("{field}: {item:?} is neither an address nor a prefix"))
    };
    items.map(read).collect()
}

/// Kube-OVN's: the first 12 hexadecimal digits of the SHA-256 of name, index and JSON. Hosts call sets by it, and users find
/// it there.
fn id(subnet: &str, index: usize, rule: &NatRule) -> String {
    let digest = Hash::hash(format!("{subnet}{index}{}", json(rule)).as_bytes());
    digest.iter().take(6).fold(String::new(), |mut id, byte| {
        // Writing to a string does not fail.
        let _ = write!(id, "{byte:02x}");
        id
    })
}

/// A rule as Go writes it: what is empty of `match` is left out.
fn json(rule: &NatRule) -> String {
    let NatRule { r#match: NatMatch { src, dst }, action } = rule;
    let fields = [("srcIPs", src), ("dstIPs", dst)].into_iter().filter(|(_, text)| !text.is_empty());
    let fields: Vec<String> = fields.map(|(field, text)| format!("\"{field}\":{}", quoted(text))).collect();
    format!("{{\"match\":{{{}}},\"action\":{}}}", fields.join(","), quoted(action))
}

/// A text as Go quotes it, which escapes what means something in HTML, too.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\0'..'\u{20}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string does not fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
