//! How much of each subnet has passed the host.

use std::collections::BTreeMap;
use std::sync::Arc;

use kubeovn_core::addr::{Cidr, DualStack};
use kubeovn_core::index::objects::Name;
use tokio::sync::watch;

use super::facts::Facts;
use crate::gateway::{Gateway, GatewayError, Traffic};

/// Reads what has passed the host, from the counters in its packet filter. Clones read the same.
#[derive(Clone, Debug)]
pub struct Passed {
    pub(super) facts: watch::Receiver<Facts>,
    /// `None` where no gateway is kept on the host.
    pub(super) gateway: Option<Arc<Gateway>>,
}

/// What has passed of a prefix of a subnet, since it was last begun to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetTraffic {
    /// The subnet's name.
    pub subnet: Name,
    /// How much.
    pub traffic: Traffic,
}

impl Passed {
    /// As of now. Starts a few programs, so it is for whom asks every some seconds.
    ///
    /// # Errors
    /// `GATEWAY-FIREWALL`.
    pub async fn read(&self) -> Result<Vec<SubnetTraffic>, GatewayError> {
        let Some(gateway) = &self.gateway else { return Ok(Vec::new()) };
        let counted = gateway.traffic().await?;
        let facts = self.facts.borrow();
        let mut names: BTreeMap<Cidr, &Name> = BTreeMap::new();
        for subnet in facts.subnets() {
            let cidrs = subnet.spec.cidr_block.parse::<DualStack<Cidr>>().unwrap_or_default();
            // Of two with one prefix the first by name has it.
            for cidr in cidrs.iter() {
                names.entry(*cidr).or_insert(&subnet.meta.name);
            }
        }
        let of_subnet = |traffic: Traffic| {
            let subnet = (*names.get(&traffic.prefix)?).clone();
            Some(SubnetTraffic { subnet, traffic })
        };
        Ok(counted.into_iter().filter_map(of_subnet).collect())
    }
}
