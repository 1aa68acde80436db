//! A ledger of one subnet, and owners for it.

use std::{hint::black_box, net::IpAddr, sync::Arc};

use kubeovn_ipam::{DualStack, Family, Ledger, Offer, Order, OwnerKey, Source, Want};

pub(crate) struct Setting {
    ledger: Ledger,
    owners: Vec<(OwnerKey, Arc<str>)>,
    pub(crate) want: Want,
}

impl Setting {
    pub(crate) fn new(cidr: &str, order: Order, owners: u32) -> Self {
        let mut ledger = Ledger::new();
        let cidrs = cidr.parse().unwrap();
        let offer = Offer { subnet: "net".into(), space: "vpc".into(), cidrs, order, ..Offer::default() };
        ledger.define(&offer).unwrap();
        let uid = |i: u32| format!("6f1a8c32-00aa-4bcd-8e9f-0000{i:08x}").into();
        let owner = |i: u32| (OwnerKey::pod("default", &format!("web-7d4b9c-{i:06}")), uid(i));
        let want = Want { subnets: vec!["net".into()], ..Want::default() };
        Setting { ledger, owners: (0..owners).map(owner).collect(), want }
    }

    pub(crate) fn allocate(&mut self, i: u32) {
        let (owner, uid) = &self.owners[i as usize];
        black_box(self.ledger.settle(owner, uid, std::slice::from_ref(&self.want), 0).unwrap());
    }

    pub(crate) fn ask(&mut self, i: u32, want: &Want) {
        let (owner, uid) = &self.owners[i as usize];
        black_box(self.ledger.settle(owner, uid, std::slice::from_ref(want), 0).unwrap());
    }

    /// An address by number.
    pub(crate) fn take(&mut self, i: u32, ip: Option<IpAddr>) {
        let mut ips = DualStack::default();
        ips.slot(ip.map_or(Family::V4, Family::of)).clone_from(&ip);
        let any = std::mem::replace(&mut self.want.from, Source::from(ips));
        self.allocate(i);
        self.want.from = any;
    }

    pub(crate) fn release(&mut self, i: u32) {
        let (owner, uid) = &self.owners[i as usize];
        black_box(self.ledger.settle(owner, uid, &[], 0).unwrap());
    }
}
