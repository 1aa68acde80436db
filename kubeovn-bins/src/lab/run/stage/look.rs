//! What the stage looks like at the moment.

use std::collections::BTreeMap;

use super::{NodeState, PodState, Stage, problem};
use crate::lab::error::LabError;
use crate::lab::fabric::NodeHandle;
use crate::lab::manifest::PodName;
use crate::lab::pods::Plugged;
use crate::lab::report::Problem;

impl Stage {
    /// What is still on its way, for people; none when everything is as wanted, or as far as it gets. Who was refused an address
    /// may wait for ever.
    pub(in crate::lab::run) fn unfinished(&self, refused: impl Fn(&PodName) -> bool) -> Option<&'static str> {
        let nodes = self.wanted.nodes.iter().filter(|name| match self.nodes.get(*name) {
            Some(NodeState::Up(_) | NodeState::Failed { .. }) => false,
            Some(NodeState::Rising | NodeState::Sinking) | None => true,
        });
        let mut pods = self.wanted.pods.iter().filter(|(name, seat)| match self.pods.get(*name) {
            Some(PodState::Plugged { seat: has, .. }) => has != *seat,
            Some(PodState::Failed { .. }) => false,
            Some(PodState::Plugging { .. }) => !refused(name),
            Some(PodState::Unplugging { .. }) => true,
            None => self.wanted.nodes.contains(&seat.node),
        });
        let mut gone = self.pods.keys().filter(|name| !self.wanted.pods.contains_key(*name));
        let sinking = self.nodes.keys().filter(|name| !self.wanted.nodes.contains(*name));
        if nodes.chain(sinking).next().is_some() {
            Some("bringing nodes up and down")
        } else {
            (pods.next().is_some() || gone.next().is_some()).then_some("wiring pods")
        }
    }

    /// The machines that are up.
    pub(in crate::lab::run) fn hosts(&self) -> impl Iterator<Item = &NodeHandle> {
        self.nodes.values().filter_map(|state| match state {
            NodeState::Up(host) => Some(&host.handle),
            _ => None,
        })
    }

    /// The pods that have a network.
    pub(in crate::lab::run) fn plugged(&self) -> impl Iterator<Item = (&PodName, &Plugged)> {
        self.pods.iter().filter_map(|(name, state)| match state {
            PodState::Plugged { plugged, .. } => Some((name, plugged)),
            _ => None,
        })
    }

    /// What is wrong with pods, as far as it is known here.
    pub(in crate::lab::run) fn trouble(&self) -> BTreeMap<PodName, Problem> {
        let failed = self.pods.iter().filter_map(|(name, state)| match state {
            PodState::Failed { problem, .. } => Some((name.clone(), problem.clone())),
            _ => None,
        });
        let homeless = self.wanted.pods.iter().filter_map(|(name, seat)| {
            let problem = match self.nodes.get(&seat.node) {
                None => problem(&LabError::NodeUnknown { node: seat.node.clone() }),
                Some(NodeState::Failed { problem, .. }) => problem.clone(),
                Some(_) => return None,
            };
            Some((name.clone(), problem))
        });
        homeless.chain(failed).collect()
    }
}
