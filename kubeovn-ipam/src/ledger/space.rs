//! An address space: in it an address, and a MAC, belongs to one grant, or to several that share it.

use std::{net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::{DualStack, Mac, number},
    contract::ipam::{Grant, Role},
};

use super::book::{Book, Record};
use crate::table::{Addresses, FixedMap, Index, hash};

/// Finds grants by what must be unique among them.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) name: Arc<str>,
    /// Its subnets, in the order in which they came to be known.
    pub(crate) subnets: Vec<u32>,
    v4: Addresses,
    v6: Addresses,
    /// The others of those that share an address.
    more: FixedMap<IpAddr, Vec<u32>>,
    by_mac: Index,
}

impl Space {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Space {
            name,
            subnets: Vec::new(),
            v4: Addresses::default(),
            v6: Addresses::default(),
            more: FixedMap::default(),
            by_mac: Index::default(),
        }
    }

    /// Makes room for so many grants more.
    pub(crate) fn reserve(&mut self, grants: usize) {
        self.by_mac.reserve(grants);
    }

    /// Reads where the grants of a MAC are found.
    pub(crate) fn touch(&self, hash: u64) {
        self.by_mac.touch(hash);
    }

    /// The grants that have an address.
    pub(crate) fn holders(&self, ip: IpAddr) -> impl Iterator<Item = u32> + '_ {
        let one = if ip.is_ipv4() { &self.v4 } else { &self.v6 }.get(number(ip));
        // Most often nothing is shared, and the map is not even looked at.
        let shared = one.is_some() && !self.more.is_empty();
        one.into_iter().chain(shared.then(|| self.more.get(&ip)).flatten().into_iter().flatten().copied())
    }

    /// The grant that uses an address.
    pub(crate) fn holder<'a>(&self, book: &'a Book, ip: IpAddr) -> Option<(u32, &'a Record)> {
        active(book, self.holders(ip))
    }

    /// The grants that have a MAC.
    pub(crate) fn mac_holders<'a>(&'a self, book: &'a Book, mac: Mac) -> impl Iterator<Item = u32> + 'a {
        let has = move |id: &u32| book.record(*id).is_some_and(|record| record.mac() == Some(mac));
        self.by_mac.all(hash(mac)).filter(has)
    }

    /// A grant came in. Answers its addresses that nobody else has.
    pub(crate) fn enter(&mut self, id: u32, grant: &Grant) -> DualStack<IpAddr> {
        let mut alone = DualStack::default();
        for ip in grant.ips.iter().copied() {
            match self.addresses(ip).insert(number(ip), id) {
                Some(other) => self.more.entry(ip).or_default().push(other),
                None => _ = alone.put(ip),
            }
        }
        if let Some(mac) = grant.mac {
            self.by_mac.insert(hash(mac), id);
        }
        alone
    }

    /// A grant goes; its record is still there. Answers its addresses that nobody has any more.
    pub(crate) fn leave(&mut self, book: &Book, id: u32) -> DualStack<IpAddr> {
        let mut free = DualStack::default();
        let Some(record) = book.record(id) else { return free };
        for ip in book.ips(record).iter().copied() {
            if let Some(others) = self.more.get_mut(&ip) {
                if let Some(at) = others.iter().position(|other| *other == id) {
                    others.swap_remove(at);
                } else if let Some(heir) = others.pop() {
                    self.addresses(ip).insert(number(ip), heir);
                }
                if self.more.get(&ip).is_some_and(Vec::is_empty) {
                    self.more.remove(&ip);
                }
            } else {
                self.addresses(ip).remove(number(ip));
                free.put(ip);
            }
        }
        if let Some(mac) = record.mac() {
            self.by_mac.remove(hash(mac), id);
        }
        free
    }

    fn addresses(&mut self, ip: IpAddr) -> &mut Addresses {
        if ip.is_ipv4() { &mut self.v4 } else { &mut self.v6 }
    }
}

/// Of some grants the active one; should there be none, the oldest.
fn active(book: &Book, ids: impl Iterator<Item = u32>) -> Option<(u32, &Record)> {
    let records = ids.filter_map(|id| Some((id, book.record(id)?)));
    records.min_by_key(|(_, record)| (record.role() == Role::Standby, record.generation()))
}
