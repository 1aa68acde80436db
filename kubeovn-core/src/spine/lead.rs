//! Gateways are chosen when addresses are settled: a node is one by its address.

use super::Spine;
use crate::decide;

impl Spine {
    /// Chooses again for marked subnets. Of one that can't be used as it stands the choice stays as it is.
    pub(super) fn choose_gateways(&mut self) {
        for subnet in std::mem::take(&mut self.world.dirty.gateways) {
            let lead = self.world.plan(&subnet).map(|plan| decide::lead(&self.world, plan));
            if let Some(lead) = lead {
                self.world.follow(&subnet, lead);
            }
        }
    }
}
