//! How facts become rows: what the spine asks of a fabric.

use std::{net::IpAddr, sync::Arc};

use super::ipam::Grant;
use crate::{
    addr::{DualStack, Mac},
    decide::SubnetPlan,
    index::World,
    rows::{OwnerKey, Render, Replica, RowKey},
};

/// Turns facts into rows. Pure: the same world gives the same rows.
pub trait Model: Send {
    /// What the owner should have in the database.
    fn render(&self, world: &World, owner: &OwnerKey) -> Render;

    /// What the rows themselves tell about addresses given before a restart.
    fn recover(&self, replica: &dyn Replica) -> Vec<Recovered>;

    /// The MAC of a subnet's gateway: nobody in the subnet may have it, or what leaves would go to him.
    fn gateway_mac(&self, plan: &SubnetPlan, replica: &dyn Replica) -> Option<Mac>;

    /// Where the rows send what leaves a centralized subnet.
    fn next_hops(&self, plan: &SubnetPlan, replica: &dyn Replica) -> Vec<IpAddr>;

    /// UUIDs of the rows that answer DHCP in a subnet, where they are there.
    fn dhcp_answers(&self, subnet: &str, replica: &dyn Replica) -> DualStack<String>;
}

/// The name under which an address is exclusive (`Rendered::exclusive`).
pub fn exclusive_address(space: &str, ip: std::net::IpAddr) -> Arc<str> {
    format!("{ip} in {space}").into()
}

/// A grant read back from a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Who held it.
    pub owner: OwnerKey,
    /// The owner's uid at that time; an older writer did not note it.
    pub uid: Option<Arc<str>>,
    /// What was held.
    pub grant: Grant,
    /// The row that tells it.
    pub row: RowKey,
}
