//! The rules of a plan in iptables and ipset, with the chains and sets of Kube-OVN.
//!
//! What is there is read (`iptables-save`, `ipset save`) and compared; the difference goes out as one `ipset restore` and
//! one `iptables-restore --noflush` per family, which for each table is atomic. Sets come before the rules that name them
//! and go after them. In chains of others, ours is what names a set or a chain of Kube-OVN's.
//!
//! Without rules to write this is how all that Kube-OVN left is taken away.

mod compare;
mod ipset;
mod save;
mod spell;

use std::path::PathBuf;

use async_trait::async_trait;
use kubeovn_core::addr::{DualStack, Family};

use self::ipset::Sets;
use self::save::Saved;
use self::spell::Wanted;
use super::error::GatewayError;
use super::firewall::{Change, HostFirewall, Traffic};
use super::plan::Rules;
use super::takeover;
use super::tool::{Tool, ToolError};
use crate::netns::NetNs;

/// The programs of one variant of iptables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// Prints the rules, IPv4 and IPv6.
    pub save: [PathBuf; 2],
    /// Changes them, IPv4 and IPv6.
    pub restore: [PathBuf; 2],
    /// Prints and changes sets.
    pub ipset: PathBuf,
}

impl Default for Programs {
    /// Those that the host has chosen.
    fn default() -> Self {
        Self::variant("")
    }
}

impl Programs {
    /// Those that keep rules in the kernel's old tables.
    pub fn legacy() -> Self {
        Self::variant("-legacy")
    }

    fn variant(variant: &str) -> Self {
        let program = |family: &str, verb: &str| format!("{family}tables{variant}-{verb}").into();
        Programs {
            save: [program("ip", "save"), program("ip6", "save")],
            restore: [program("ip", "restore"), program("ip6", "restore")],
            ipset: "ipset".into(),
        }
    }
}

/// Writes rules to iptables and ipset.
#[derive(Debug)]
pub struct Iptables {
    save: DualStack<Tool>,
    restore: DualStack<Tool>,
    ipset: Tool,
    /// Rules that accept stay.
    spare: bool,
}

impl Iptables {
    /// Writes with the programs of the path, in a namespace.
    pub fn new(ns: &NetNs) -> Self {
        Self::with_programs(ns, &Programs::default())
    }

    /// The same with other programs.
    pub fn with_programs(ns: &NetNs, programs: &Programs) -> Self {
        let both =
            |[v4, v6]: &[PathBuf; 2]| DualStack { v4: Some(Tool::new(ns, v4)), v6: Some(Tool::new(ns, v6)) };
        Iptables {
            save: both(&programs.save),
            restore: both(&programs.restore),
            ipset: Tool::new(ns, &programs.ipset),
            spare: false,
        }
    }

    /// Rules that accept, and the sets that they name, are left where they are.
    pub(super) fn sparing(self, spare: bool) -> Self {
        Iptables { spare, ..self }
    }

    /// The chains that drop what they have no rule for.
    pub(super) async fn dropping(&self) -> Result<Vec<String>, GatewayError> {
        let mut chains = Vec::new();
        for family in Family::BOTH {
            let saved = Self::read(self.save.get(family), &["-t", "filter"], false).await?;
            chains.extend(save::dropping(&saved).into_iter().map(|chain| match family {
                Family::V4 => format!("iptables {chain}"),
                Family::V6 => format!("ip6tables {chain}"),
            }));
        }
        Ok(chains)
    }

    /// Makes the rules of one family be these. What one refuses keeps the other from nothing.
    async fn family(&self, family: Family, rules: Option<&Rules>) -> Result<Vec<Change>, GatewayError> {
        let saved = Self::read(self.save.get(family), &[], rules.is_some()).await?;
        let wanted = Wanted { spare: self.spare, ..rules.map_or_else(Wanted::default, spell::wanted) };
        let (lines, edits) = compare::difference(family, &Saved::parse(&saved), &wanted);
        if let Some(restore) = self.restore.get(family).filter(|_| !lines.is_empty()) {
            restore.run(&["--noflush", "-w", "20"], &lines).await?;
            return Ok(edits);
        }
        Ok(Vec::new())
    }

    /// What a program prints. Where nothing is wanted, who can't show anything has nothing.
    async fn read(tool: Option<&Tool>, arguments: &[&str], wanted: bool) -> Result<String, GatewayError> {
        let Some(tool) = tool else { return Ok(String::new()) };
        match tool.run(arguments, "").await {
            Err(error) if error.is_nothing_there() && !wanted => Ok(String::new()),
            done => Ok(done?),
        }
    }
}

#[async_trait]
impl HostFirewall for Iptables {
    async fn apply(&self, wanted: &DualStack<Rules>) -> Result<Vec<Change>, GatewayError> {
        let any = !wanted.is_empty();
        let mut changes = Vec::new();

        let present = Sets::parse(&Self::read(Some(&self.ipset), &["save"], any).await?);
        let sets = ipset::wanted(wanted).beside(&present, wanted);
        let (fill, fill_changes) = present.fill(&sets);
        if !fill.is_empty() {
            self.ipset.run(&["restore", "-exist"], &fill).await?;
            changes.extend(fill_changes);
        }

        let mut failure = None;
        for family in Family::BOTH {
            match self.family(family, wanted.get(family)).await {
                Ok(edits) => changes.extend(edits),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if let Some(error) = failure {
            // The next time nothing tells of them.
            changes.iter().for_each(|change| tracing::info!(%change, "changed on the host"));
            return Err(error);
        }

        // No rule names them any more.
        let present = Self::read(Some(&self.ipset), &["save"], any).await?;
        for (name, gone) in Sets::parse(&present).strays(&sets) {
            match self.ipset.run(&["destroy", name], "").await {
                // A rule that is not ours names it, or one that is spared. It does no harm.
                Err(ToolError::Refused { said, .. }) if said.contains("in use") => {}
                done => {
                    done?;
                    changes.push(gone);
                }
            }
        }
        Ok(changes)
    }

    async fn traffic(&self) -> Result<Vec<Traffic>, GatewayError> {
        let mut all = Vec::new();
        for family in Family::BOTH {
            let saved = Self::read(self.save.get(family), &["-c", "-t", "filter"], false).await?;
            all.extend(saved.lines().filter_map(save::counted));
        }
        all.sort_unstable();
        Ok(all)
    }

    fn rivals(&self, ns: &NetNs, _spare: bool) -> Vec<Box<dyn HostFirewall>> {
        takeover::nft(ns)
    }
}

#[cfg(test)]
mod tests;
