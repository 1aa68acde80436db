//! Values from bytes: few names and close addresses, so that much collides; now and then something far out.

use std::{net::IpAddr, sync::Arc};

use kubeovn_ipam::{
    Cidr, DualStack, Entry, Family, Grant, Granted, IpRange, Mac, MacWish, NamedPool, Offer, Order, OwnerKey,
    OwnerKind, Released, Role, Settlement, Shelves, Source, Want,
};

/// Bytes that are used up; zeros from then on.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl Input<'_> {
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn below(&mut self, n: u8) -> u8 {
        self.byte() % n
    }

    fn once_in(&mut self, n: u8) -> bool {
        self.below(n) == n - 1
    }

    fn some<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (!self.once_in(3)).then(|| value(self))
    }

    fn list<T>(&mut self, most: u8, mut value: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| value(self)).collect()
    }

    /// Most often a small number, never one that a record has no room for (2^48).
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            255 => 1 << 40,
            n => n.into(),
        }
    }

    pub(crate) fn name(&mut self) -> Arc<str> {
        ["a", "b", "c", ""][usize::from(self.below(4))].into()
    }

    fn space(&mut self) -> Arc<str> {
        if self.once_in(8) { "w" } else { "v" }.into()
    }

    pub(crate) fn nic(&mut self) -> Arc<str> {
        ["", "", "", "net1"][usize::from(self.below(4))].into()
    }

    pub(crate) fn owner(&mut self) -> OwnerKey {
        let kind = if self.once_in(8) { OwnerKind::Node } else { OwnerKind::Pod };
        OwnerKey::new(kind, ["x/1", "x/2", "y/1", "y/2", "z"][usize::from(self.below(5))])
    }

    pub(crate) fn uid(&mut self) -> Arc<str> {
        if self.once_in(8) { "6f1a8c32-00aa-4bcd-8e9f-0123456789ab" } else { "u" }.into()
    }

    fn ip(&mut self, family: Family) -> IpAddr {
        let (n, far) = (self.below(18), self.once_in(16));
        match (family, far) {
            (Family::V4, false) => IpAddr::from([10, 0, 0, n]),
            (Family::V4, true) => IpAddr::from([u8::MAX - n; 4]),
            (Family::V6, false) => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, n.into()]),
            (Family::V6, true) => IpAddr::from([u16::MAX - u16::from(n); 8]),
        }
    }

    fn any_ip(&mut self) -> IpAddr {
        let family = Family::BOTH[usize::from(self.below(2))];
        self.ip(family)
    }

    fn ips(&mut self) -> DualStack<IpAddr> {
        // Also an address in the place of the other family.
        let families = if self.once_in(16) { [Family::V6, Family::V4] } else { Family::BOTH };
        let [v4, v6] = families.map(|family| self.some(|input| input.ip(family)));
        DualStack { v4, v6 }
    }

    fn range(&mut self) -> IpRange {
        let first = self.any_ip();
        IpRange::new(first, self.any_ip()).unwrap_or(first.into())
    }

    pub(crate) fn mac(&mut self) -> Mac {
        Mac::local([0, 0, 0, 0, 0, self.below(5)])
    }

    pub(crate) fn offer(&mut self) -> Offer {
        let mut cidr = |family: Family| {
            self.some(|input| {
                let bits = family.bits();
                let length = if input.once_in(16) { input.below(bits + 1) } else { bits - input.below(6) };
                format!("{}/{length}", input.ip(family)).parse::<Cidr>().unwrap()
            })
        };
        let cidrs = DualStack { v4: cidr(Family::V4), v6: cidr(Family::V6) };
        let orders = [Order::Lowest, Order::NextFit, Order::Random { seed: 5 }];
        Offer {
            subnet: self.name(),
            space: self.space(),
            cidrs,
            gateways: self.ips(),
            gateway_mac: self.some(Self::mac),
            excludes: self.list(2, Self::range),
            pools: ["x", "y"]
                .into_iter()
                .filter_map(|name| self.some(|input| (name, input.list(2, Self::range))))
                .map(|(name, ranges)| NamedPool { name: name.into(), ranges })
                .collect(),
            order: orders[usize::from(self.below(3))],
            rest: if self.once_in(2) { self.number() } else { 0 },
        }
    }

    pub(crate) fn want(&mut self) -> Want {
        Want {
            nic: self.nic(),
            subnets: self.list(3, Self::name),
            from: match self.below(4) {
                0 => Source::OneOf(self.list(2, Self::ips)),
                1 => Source::Pools(self.list(2, |input| ["x", "y"][usize::from(input.below(2))].into())),
                _ => Source::Any,
            },
            family: if self.once_in(6) { Some(Family::BOTH[usize::from(self.below(2))]) } else { None },
            mac: match self.below(6) {
                0 => MacWish::Without,
                1 => MacWish::Is(self.mac()),
                _ => MacWish::Any,
            },
            skip: self.list(2, Self::any_ip).into(),
            share: self.list(2, Self::owner),
        }
    }

    pub(crate) fn wants(&mut self) -> Vec<Want> {
        self.list(2, Self::want)
    }

    pub(crate) fn grant(&mut self) -> Grant {
        Grant {
            nic: self.nic(),
            subnet: self.name(),
            space: self.space(),
            ips: self.ips(),
            mac: self.some(Self::mac),
            role: if self.once_in(4) { Role::Standby } else { Role::Active },
            generation: self.number(),
            since: self.number(),
        }
    }

    pub(crate) fn entry(&mut self) -> Entry {
        match self.below(6) {
            0 => Entry::Activated { owner: self.owner(), nic: self.nic() },
            1 => Entry::Generation(self.number()),
            2 => Entry::Shelved(Shelves {
                subnet: self.name(),
                pool: ["", "x"][usize::from(self.below(2))].into(),
                family: Family::BOTH[usize::from(self.below(2))],
                released: self.list(3, Self::range),
                resting: self.list(3, |input| (input.any_ip(), input.number())),
                closed_from: self.some(Self::any_ip),
                cursor: self.some(Self::any_ip),
                draws: self.number(),
            }),
            _ => Entry::Settled(Settlement {
                owner: self.owner(),
                uid: self.uid(),
                at: self.number(),
                released: self.list(2, |input| {
                    let (subnet, nic) = (input.name(), input.nic());
                    Released { subnet, nic, generation: input.number() }
                }),
                granted: self.list(2, |input| {
                    let (picked_v4, picked_v6) = (input.once_in(2), input.once_in(2));
                    Granted { grant: input.grant(), picked_v4, picked_v6 }
                }),
            }),
        }
    }
}
