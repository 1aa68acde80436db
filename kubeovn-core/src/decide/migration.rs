//! Virtual machines that move to another node while they run.

use crate::{
    annotations::pod::MIGRATION_JOB,
    index::{
        World,
        objects::{Name, Pod},
    },
    rows::OwnerKey,
};

/// Which nodes the port of a virtual machine is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// It was moved here, and nobody else may have it.
    Moved(Name),
    /// It moves from the first node to the second one, where nothing gets through before the machine has said, by a RARP
    /// packet, that it runs there.
    Moving(Name, Name),
}

/// Where the port of a virtual machine belongs that moves, or has moved; `None` for all others, whose ports are where they
/// were plugged.
///
/// It is told from the pods alone: the one that a machine moves to carries the migration's name, and the one that it comes
/// from leads for as long as it runs. So a migration that fails is undone with its pod.
pub fn binding(world: &World, owner: &OwnerKey) -> Option<Binding> {
    let is_target = |pod: &Pod| pod.meta.annotation(MIGRATION_JOB).is_some();
    let leader = world.pod_of(owner).filter(|pod| pod.machine().is_some() && pod.needs_network())?;
    let from = leader.node.clone().filter(|_| world.settings().help_migrations)?;
    let targets = world.pods_of(owner).filter(|pod| {
        pod.meta.uid != leader.meta.uid && pod.needs_network() && !pod.meta.deleting && is_target(pod)
    });
    let target = targets.max_by_key(|pod| pod.meta.created).and_then(|pod| pod.node.clone());
    match target.filter(|to| *to != from) {
        Some(to) => Some(Binding::Moving(from, to)),
        None => is_target(leader).then_some(Binding::Moved(from)),
    }
}
