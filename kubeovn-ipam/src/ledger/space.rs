//! An address space: in it an address, and a MAC, belongs to one grant at most.

use std::{net::IpAddr, sync::Arc};

use kubeovn_core::addr::{Family, Mac};

use super::book::Record;
use crate::table::{Index, Slab, hash};

/// Finds grants by what must be unique among them.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) name: Arc<str>,
    /// Its subnets, in the order in which they came to be known.
    pub(crate) subnets: Vec<u32>,
    by_v4: Index,
    by_v6: Index,
    by_mac: Index,
}

impl Space {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Space {
            name,
            subnets: Vec::new(),
            by_v4: Index::default(),
            by_v6: Index::default(),
            by_mac: Index::default(),
        }
    }

    /// The grant that has an address.
    pub(crate) fn holder<'a>(&self, grants: &'a Slab<Record>, ip: IpAddr) -> Option<(u32, &'a Record)> {
        let index = if ip.is_ipv4() { &self.by_v4 } else { &self.by_v6 };
        let is = |id| grants.get(id).is_some_and(|record| record.ips().get(Family::of(ip)) == Some(&ip));
        let id = index.find(hash(ip), is)?;
        Some((id, grants.get(id)?))
    }

    /// The grant that has a MAC.
    pub(crate) fn mac_holder<'a>(&self, grants: &'a Slab<Record>, mac: Mac) -> Option<(u32, &'a Record)> {
        let id = self.by_mac.find(hash(mac), |id| grants.get(id).is_some_and(|record| record.mac == mac))?;
        Some((id, grants.get(id)?))
    }

    /// A grant came in.
    pub(crate) fn enter(&mut self, grants: &Slab<Record>, id: u32) {
        let Some(record) = grants.get(id) else { return };
        for ip in record.ips().iter().copied() {
            self.index(ip).insert(hash(ip), id);
        }
        self.by_mac.insert(hash(record.mac), id);
    }

    /// A grant goes; its record is still there.
    pub(crate) fn leave(&mut self, grants: &Slab<Record>, id: u32) {
        let Some(record) = grants.get(id) else { return };
        for ip in record.ips().iter().copied() {
            self.index(ip).remove(hash(ip), id);
        }
        self.by_mac.remove(hash(record.mac), id);
    }

    fn index(&mut self, ip: IpAddr) -> &mut Index {
        if ip.is_ipv4() { &mut self.by_v4 } else { &mut self.by_v6 }
    }
}
