//! What other writers left on the host.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use kubeovn_core::addr::DualStack;

use super::error::GatewayError;
use super::firewall::{Change, HostFirewall};
use super::iptables::{Iptables, Programs};
use super::nft::Nft;
use crate::netns::NetNs;

/// Where the kernel lists the old tables that are in use in a namespace.
const LEGACY: [&str; 2] = ["/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names"];

/// Takes away what other writers left.
#[derive(Debug)]
pub(super) struct Takeover {
    ns: NetNs,
    done: AtomicBool,
}

impl Takeover {
    pub(super) fn new(ns: &NetNs) -> Self {
        Takeover { ns: ns.clone(), done: AtomicBool::new(false) }
    }

    /// Call it when the rules of `firewall` are in effect: between it and what is left of others no packet is without.
    /// Rules that accept are left for the next time when they are to be spared.
    pub(super) async fn apply(
        &self,
        firewall: &dyn HostFirewall,
        spare: bool,
    ) -> Result<Vec<Change>, GatewayError> {
        if self.done.load(Ordering::Acquire) {
            return Ok(Vec::new());
        }
        let mut changes = Vec::new();
        for other in firewall.rivals(&self.ns, spare) {
            changes.extend(other.apply(&DualStack::default()).await?);
        }
        self.done.store(!spare, Ordering::Release);
        Ok(changes)
    }
}

/// All that nftables' predecessors keep in a namespace. Asking for old tables would make the kernel load them, so only
/// those in use are asked for.
pub(super) fn iptables(ns: &NetNs, spare: bool) -> Vec<Box<dyn HostFirewall>> {
    let writers = [Some(Iptables::new(ns)), old_tables(ns)].into_iter().flatten();
    writers.map(|writer| -> Box<dyn HostFirewall> { Box::new(writer.sparing(spare)) }).collect()
}

/// The kernel's old tables, where they are in use.
pub(super) fn old_tables(ns: &NetNs) -> Option<Iptables> {
    let in_use = |file: &&str| fs::read_to_string(file).is_ok_and(|names| !names.trim().is_empty());
    let any = ns.run(|| LEGACY.iter().any(in_use)).unwrap_or(false);
    any.then(|| Iptables::with_programs(ns, &Programs::legacy()))
}

/// Our tables.
pub(super) fn nft(ns: &NetNs) -> Vec<Box<dyn HostFirewall>> {
    vec![Box::new(Nft::new(ns))]
}
