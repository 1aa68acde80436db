//! What is with one address, and which grants no longer fit.

use std::{fmt, net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::{Family, number},
    contract::ipam::Grant,
    rows::{Millis, OwnerKey},
    time::rfc3339,
};

use super::{Ledger, book::Record};
use crate::pools::Pools;

/// The state of an address, seen from a subnet. `Display` is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressState {
    /// Somebody in the subnet's space holds it.
    Held {
        /// Who; of several that share it the one that uses it.
        owner: OwnerKey,
        /// With what.
        grant: Grant,
        /// Who stands by.
        standby: Vec<OwnerKey>,
        /// Why it would not be granted like that today.
        misfit: Option<Misfit>,
    },
    /// It can be granted.
    Free,
    /// The same, but only to who names this pool.
    InPool {
        /// Name of the pool.
        pool: Arc<str>,
    },
    /// It was freed a short while ago and is given last until this time.
    Resting {
        /// End of its rest.
        until: Millis,
    },
    /// It is given only to who asks for it by number.
    Excluded,
    /// It is the gateway, and given to nobody.
    Gateway,
    /// The subnet does not offer it.
    Outside,
}

/// Why a grant would not be made today: the subnet was changed since. It is kept until its owner gives it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Misfit {
    /// The address lies outside of the subnet's prefixes.
    Outside,
    /// It is the subnet's gateway.
    Gateway,
    /// The MAC is that of the gateway.
    GatewayMac,
    /// The subnet is closed, or was never defined.
    Closed,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Misfit::Outside => "it lies outside of the subnet's prefixes",
            Misfit::Gateway => "it is the subnet's gateway",
            Misfit::GatewayMac => "its MAC is the gateway's",
            Misfit::Closed => "the subnet is closed",
        })
    }
}

impl fmt::Display for AddressState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressState::Held { owner, grant, standby, misfit } => {
                let Grant { subnet, since, generation, .. } = grant;
                let since = rfc3339(*since);
                write!(f, "held by {owner} from subnet {subnet} since {since} (generation {generation}")?;
                if let Some(mac) = grant.mac {
                    write!(f, ", MAC {mac}")?;
                }
                f.write_str(")")?;
                standby.iter().try_for_each(|owner| write!(f, ", {owner} stands by"))?;
                misfit.iter().try_for_each(|why| write!(f, "; would not be granted today: {why}"))
            }
            AddressState::Free => f.write_str("free"),
            AddressState::InPool { pool } => write!(f, "free, for who names pool {pool}"),
            AddressState::Resting { until } => write!(f, "free, but given last until {}", rfc3339(*until)),
            AddressState::Excluded => f.write_str("excluded: given only to who asks for it by number"),
            AddressState::Gateway => f.write_str("the gateway: given to nobody"),
            AddressState::Outside => f.write_str("not offered by the subnet"),
        }
    }
}

impl Ledger {
    /// What is with an address, and if it can't be had, why.
    pub fn explain(&self, subnet: &str, ip: IpAddr) -> AddressState {
        let Some((id, subnet)) = self.subnet(subnet) else { return AddressState::Outside };
        let space = self.space_of(id);
        if let Some((active, record)) = space.and_then(|space| space.holder(&self.book, ip)) {
            let others = space.into_iter().flat_map(|space| space.holders(ip)).filter(|id| *id != active);
            let mut standby: Vec<_> =
                others.filter_map(|id| self.book.record(id)).map(|record| self.book.key(record)).collect();
            standby.sort_unstable();
            let (owner, grant) = (self.book.key(record), self.grant(record));
            return AddressState::Held { owner, misfit: self.misfit(record), grant, standby };
        }
        let n = number(ip);
        let pools = subnet.pools(Family::of(ip));
        let Some((prefix, (name, pool))) = pools.and_then(|pools| Some((pools.prefix(), pools.of(n)?)))
        else {
            return AddressState::Outside;
        };
        if prefix.is_gateway(n) {
            AddressState::Gateway
        } else if prefix.is_excluded(n) {
            AddressState::Excluded
        } else if let Some(until) = pool.rests_until(n) {
            AddressState::Resting { until }
        } else if name.is_empty() {
            AddressState::Free
        } else {
            AddressState::InPool { pool: name.clone() }
        }
    }

    /// The grants of a subnet that would not be made today, by owner and interface, and why.
    pub fn misfits(&self, subnet: &str) -> Vec<(OwnerKey, Grant, Misfit)> {
        let Some((id, _)) = self.subnet(subnet) else { return Vec::new() };
        let records = self.book.records().map(|(_, record)| record).filter(|record| record.subnet() == id);
        let with_reason = records.filter_map(|record| Some((record, self.misfit(record)?)));
        let mut misfits: Vec<_> =
            with_reason.map(|(record, why)| (self.book.key(record), self.grant(record), why)).collect();
        misfits.sort_unstable_by(|(a, x, _), (b, y, _)| (a, &x.nic).cmp(&(b, &y.nic)));
        misfits
    }

    fn misfit(&self, record: &Record) -> Option<Misfit> {
        let subnet = self.subnets.get(record.subnet())?;
        let ips = self.book.ips(record);
        let gateway = |ip: &IpAddr| {
            let prefix = subnet.pools(Family::of(*ip)).map(Pools::prefix);
            prefix.is_some_and(|prefix| prefix.is_gateway(number(*ip)))
        };
        if !subnet.is_open() {
            Some(Misfit::Closed)
        } else if ips.iter().any(|ip| subnet.is_outside(*ip)) {
            Some(Misfit::Outside)
        } else if ips.iter().any(gateway) {
            Some(Misfit::Gateway)
        } else {
            record.mac().filter(|mac| subnet.is_gateway_mac(*mac)).map(|_| Misfit::GatewayMac)
        }
    }
}
