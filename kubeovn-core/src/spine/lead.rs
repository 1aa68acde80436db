//! Gateways are chosen when addresses are settled: a node is one by its address.

use super::Spine;
use crate::{decide, index::objects::Name, rows::Replica};

impl Spine {
    /// Chooses again for marked subnets. Of one that can't be used as it stands the choice stays as it is.
    pub(super) fn choose_gateways(&mut self, have: &dyn Replica) {
        let mut marked = std::mem::take(&mut self.world.dirty.gateways);
        for subnet in &marked {
            self.recall_silence(subnet, have);
        }
        marked.append(&mut self.world.dirty.gateways);
        for subnet in marked {
            let lead = self.world.plan(&subnet).map(|plan| decide::lead(&self.world, plan));
            if let Some(lead) = lead {
                self.world.follow(&subnet, lead);
            }
        }
    }

    /// After a start it is not known yet who answers. Whom the rows leave out stays out until he is heard, or the start
    /// would send packets to him once more.
    fn recall_silence(&mut self, subnet: &Name, have: &dyn Replica) {
        let unknown = self.asking && self.world.lead(subnet).is_none();
        let Some(plan) = self.world.plan(subnet).filter(|_| unknown) else { return };
        let hops = self.model.next_hops(plan, have);
        if hops.is_empty() {
            return;
        }
        let left_out = decide::asked_of(&self.world, plan).into_iter().filter(|ip| !hops.contains(ip));
        let silent = self.world.silent().iter().copied().chain(left_out).collect();
        self.world.hear(silent);
    }
}
