//! The rules of a plan as one nftables table per family, `ip kube-ovn` and `ip6 kube-ovn`.
//!
//! What is there is read (`nft -j list table`), compared with what should be, and the difference goes out as one atomic
//! transaction (`nft -j -f -`) for both families. A set that changes is changed by the element. A chain that changes is
//! written anew, which the transaction hides: the chains are short, and what there is one of per subnet is in sets and
//! maps.
//!
//! Rules are compared as nft prints them, and versions print differently. So what nft made of a rule of ours is
//! remembered when it was just written; after a restart a rule that is printed in an unknown way is written once more.
//!
//! A table cannot let through what another one drops. So no rule that accepts is written, and a foreign chain that drops
//! what it does not know is [told](HostFirewall::warnings) of.

mod compare;
mod read;
mod spell;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use kubeovn_core::addr::{DualStack, Family};
use kubeovn_core::error::Problem;
use serde_json::{Value, json};

use self::compare::Difference;
use self::read::{Gate, Table};
use super::error::GatewayError;
use super::firewall::{Change, HostFirewall, Side, Traffic, What};
use super::plan::Rules;
use super::takeover;
use super::tool::{Tool, ToolError};
use crate::netns::NetNs;

/// Name of our tables.
pub const TABLE: &str = "kube-ovn";

/// As JSON, and tersely: elements are not asked for.
const WITHOUT_ELEMENTS: &str = "-jt";

/// Writes rules to nftables.
#[derive(Debug)]
pub struct Nft {
    tool: Tool,
    /// How nft prints rules that it was given in other words.
    spelling: Mutex<Spelling>,
}

/// From a rule as we write it to the rule as it is printed.
type Spelling = HashMap<String, Value>;

impl Nft {
    /// Writes with the program `nft` of the path, in a namespace.
    pub fn new(ns: &NetNs) -> Self {
        Self::with_program(ns, "nft")
    }

    /// The same with another program.
    pub fn with_program(ns: &NetNs, program: impl Into<PathBuf>) -> Self {
        Nft { tool: Tool::new(ns, program), spelling: Mutex::default() }
    }

    async fn read(&self, family: Family, options: &str, wanted: bool) -> Result<Option<Table>, GatewayError> {
        let listed = self.tool.run(&[options, "list", "table", word(family), TABLE], "").await;
        match listed {
            Ok(text) => Table::parse(&text).map(Some),
            Err(ToolError::Refused { said, .. }) if said.contains("No such file or directory") => Ok(None),
            // Where nothing is wanted, who can't show anything has nothing.
            Err(error) if error.is_nothing_there() && !wanted => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What is to be done for both families.
    async fn difference(
        &self,
        wanted: &DualStack<Table>,
        anew: bool,
    ) -> Result<(Vec<Value>, Vec<Change>), GatewayError> {
        let (mut commands, mut changes) = (Vec::new(), Vec::new());
        for family in Family::BOTH {
            let present = self.read(family, "-j", !wanted.is_empty()).await?;
            let wanted = wanted.get(family);
            let beside = present.as_ref().and_then(|present| Some(wanted?.beside(present)));
            let spelling = self.spelling.lock().unwrap_or_else(PoisonError::into_inner);
            let found = Difference { family: word(family), spelling: &spelling, anew }
                .between(present.as_ref(), beside.as_ref().or(wanted));
            commands.extend(found.0);
            changes.extend(found.1);
        }
        Ok((commands, changes))
    }

    /// Does a chain drop at its end what no rule of it let through? One that has just gone, or that nft can't show, is taken not to:
    /// a warning is no reason to leave all else undone.
    async fn refuses_the_rest(&self, gate: &Gate) -> Result<bool, GatewayError> {
        let [family, table, chain] = &gate.place;
        match self.tool.run(&["-j", "list", "chain", family, table, chain], "").await {
            Ok(text) => read::refuses_the_rest(&text),
            Err(ToolError::Refused { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn write(&self, commands: Vec<Value>) -> Result<(), GatewayError> {
        let text = json!({ "nftables": commands }).to_string();
        self.tool.run(&["-j", "-f", "-"], &text).await?;
        Ok(())
    }

    /// Remembers how what was just written is printed, where that differs from how we write it.
    async fn learn(&self, wanted: &DualStack<Table>) -> Result<(), GatewayError> {
        for family in wanted.families() {
            let (Some(present), Some(wanted)) =
                (self.read(family, WITHOUT_ELEMENTS, true).await?, wanted.get(family))
            else {
                continue;
            };
            let mut spelling = self.spelling.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, chain) in &wanted.chains {
                let Some(printed) = present.chains.get(name) else { continue };
                note(&mut spelling, &chain.head, &printed.head);
                if printed.rules.len() == chain.rules.len() {
                    let pairs = chain.rules.iter().zip(&printed.rules);
                    pairs.for_each(|(wanted, printed)| note(&mut spelling, wanted, printed));
                }
            }
            for (name, set) in &wanted.sets {
                let printed = present.sets.get(name);
                printed.into_iter().for_each(|printed| note(&mut spelling, &set.head, &printed.head));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl HostFirewall for Nft {
    async fn apply(&self, wanted: &DualStack<Rules>) -> Result<Vec<Change>, GatewayError> {
        let wanted = wanted.map(spell::table);
        let (commands, changes) = self.difference(&wanted, false).await?;
        if commands.is_empty() {
            return Ok(changes);
        }
        let changes = match self.write(commands).await {
            Ok(()) => changes,
            // Somebody was faster, or left what can't be changed into what it should be: all of ours is made anew,
            // which again is one transaction.
            Err(GatewayError::Tool(ToolError::Refused { .. })) => {
                let (commands, changes) = self.difference(&wanted, true).await?;
                self.write(commands).await?;
                changes
            }
            Err(error) => return Err(error),
        };
        if changes.iter().any(|change| !matches!(change.what, What::Edited { .. })) {
            self.learn(&wanted).await?;
        }
        Ok(changes)
    }

    fn rivals(&self, ns: &NetNs, spare: bool) -> Vec<Box<dyn HostFirewall>> {
        takeover::iptables(ns, spare)
    }

    async fn traffic(&self) -> Result<Vec<Traffic>, GatewayError> {
        let mut all = Vec::new();
        for family in Family::BOTH {
            for (side, set) in [(Side::From, spell::COUNT_SRC), (Side::To, spell::COUNT_DST)] {
                match self.tool.run(&["-j", "list", "set", word(family), TABLE, set], "").await {
                    Ok(text) => all.extend(read::counted(&text, side)?),
                    Err(ToolError::Refused { said, .. }) if said.contains("No such file or directory") => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    async fn warnings(&self) -> Result<Vec<Problem>, GatewayError> {
        let text = self.tool.run(&["-j", "list", "chains"], "").await?;
        let mut dropping = Vec::new();
        for gate in read::gates(&text)? {
            if gate.drops || self.refuses_the_rest(&gate).await? {
                dropping.push(gate.place.join(" "));
            }
        }
        if let Some(old) = takeover::old_tables(self.tool.ns()) {
            dropping.extend(old.dropping().await?);
        }
        let problem = |chain: String| {
            let text = format!(
                "chain {chain} drops packets of pods that it has no rule for, and rules of nftables can't overrule it. \
                 What Kube-OVN's own rules in iptables let through passes by them, and they stay. Set the policy of the chain to \
                 accept and take its last rule away, or use the iptables writer"
            );
            Problem::new("GATEWAY-FORWARD-DROPS", text)
        };
        Ok(dropping.into_iter().map(problem).collect())
    }
}

fn note(spelling: &mut Spelling, wanted: &Value, printed: &Value) {
    if wanted != printed {
        spelling.insert(wanted.to_string(), printed.clone());
    }
}

fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

#[cfg(test)]
mod tests;
