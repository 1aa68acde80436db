//! A packet filter that is only remembered, for simulations and tests.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use kubeovn_core::addr::{DualStack, Family};

use super::{Change, HostFirewall, What};
use crate::gateway::error::GatewayError;
use crate::gateway::plan::Rules;
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
                let what = match (state.rules.get(family), wanted.get(family)) {
                    (None, Some(_)) => What::Made,
                    (Some(_), None) => What::Removed,
                    (Some(present), Some(wanted)) if present != wanted => What::Replaced,
                    _ => continue,
                };
                changes.push(Change::new(format!("rules for {family}"), what));
                *state.rules.slot(family) = wanted.get(family).cloned();
            }
            state.writes += usize::from(!changes.is_empty());
            Ok(changes)
        })
    }
}
