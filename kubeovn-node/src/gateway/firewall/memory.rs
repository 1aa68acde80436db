//! A packet filter that is only remembered, for simulations and tests.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use kubeovn_core::addr::{Cidr, DualStack, Family};

use super::{Change, HostFirewall, What};
use crate::gateway::error::GatewayError;
use crate::gateway::plan::{Chain, Rules, Set, is_beyond};
use crate::gateway::tool::ToolError;

/// Remembers the rules that it was given.
#[derive(Debug, Default)]
pub struct MemoryFirewall {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rules: DualStack<Rules>,
    writes: usize,
    failures: usize,
}

impl MemoryFirewall {
    /// What is there now.
    pub fn rules(&self) -> DualStack<Rules> {
        self.with(|state| state.rules.clone())
    }

    /// How often something was changed.
    pub fn writes(&self) -> usize {
        self.with(|state| state.writes)
    }

    /// Somebody changes the rules by hand.
    pub fn edit(&self, edit: impl FnOnce(&mut DualStack<Rules>)) {
        self.with(|state| edit(&mut state.rules));
    }

    /// The next so many applies fail and change nothing.
    pub fn fail(&self, times: usize) {
        self.with(|state| state.failures = times);
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is wanted, with what is there of prefixes of which nothing is known.
fn beside(wanted: &Rules, present: &Rules) -> Rules {
    let mut all = wanted.clone();
    let Some(known) = &wanted.known else { return all };
    let stays = |cidr: &Cidr| is_beyond(known, cidr.net());
    for set in [Set::Subnets, Set::Nat, Set::NatPolicy, Set::Distributed] {
        let there = present.sets.get(&set).into_iter().flatten().copied().filter(stays);
        all.sets.entry(set).or_default().extend(there);
    }
    let exceptions = present.sets.iter().filter(|(set, _)| matches!(set, Set::RuleSrc(_) | Set::RuleDst(_)));
    for (set, members) in exceptions {
        all.sets.entry(set.clone()).or_insert_with(|| members.clone());
    }
    for (chain, rules) in present.chains.iter().filter(|(chain, _)| matches!(chain, Chain::NatPolicyOf(_))) {
        all.chains.entry(chain.clone()).or_insert_with(|| rules.clone());
    }
    all.snat.extend(present.snat.iter().filter(|(cidr, _)| stays(cidr)).map(|(cidr, ip)| (*cidr, *ip)));
    all.policies
        .extend(present.policies.iter().filter(|(cidr, _)| stays(cidr)).map(|(c, jump)| (*c, jump.clone())));
    all.counted
        .extend(present.counted.iter().filter(|(cidr, _)| stays(cidr)).map(|(c, name)| (*c, name.clone())));
    all
}

#[async_trait]
impl HostFirewall for MemoryFirewall {
    async fn apply(&self, wanted: &DualStack<Rules>) -> Result<Vec<Change>, GatewayError> {
        self.with(|state| {
            if state.failures > 0 {
                state.failures -= 1;
                let said = "told to".to_owned();
                return Err(ToolError::Refused { program: "memory".to_owned(), said, code: None }.into());
            }
            let mut changes = Vec::new();
            for family in Family::BOTH {
                let beside =
                    wanted.get(family).zip(state.rules.get(family)).map(|(w, there)| beside(w, there));
                let wanted = beside.as_ref().or(wanted.get(family));
                let what = match (state.rules.get(family), wanted) {
                    (None, Some(_)) => What::Made,
                    (Some(_), None) => What::Removed,
                    (Some(present), Some(wanted)) if present != wanted => What::Replaced,
                    _ => continue,
                };
                changes.push(Change::new(format!("rules for {family}"), what));
                *state.rules.slot(family) = wanted.cloned();
            }
            state.writes += usize::from(!changes.is_empty());
            Ok(changes)
        })
    }
}
