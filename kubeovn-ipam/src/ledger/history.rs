//! Who had an address in the past.

use std::{collections::VecDeque, fmt, net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::DualStack,
    rows::{Millis, OwnerKey},
    time::rfc3339,
};

use super::{Ledger, book::Record};

/// That somebody had an address, and when. `Display` is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenancy {
    /// Who.
    pub owner: OwnerKey,
    /// Which object of that name.
    pub uid: Arc<str>,
    /// For which interface.
    pub nic: Arc<str>,
    /// From which subnet.
    pub subnet: Arc<str>,
    /// The address.
    pub ip: IpAddr,
    /// From then on.
    pub since: Millis,
    /// Until then; `None` when it is held still.
    pub until: Option<Millis>,
}

impl fmt::Display for Tenancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tenancy { owner, uid, subnet, ip, since, until, .. } = self;
        write!(f, "{ip} (subnet {subnet}) was held by {owner} (uid {uid}) from {}", rfc3339(*since))?;
        match until {
            Some(until) => write!(f, " to {}", rfc3339(*until)),
            None => f.write_str(" on"),
        }
    }
}

/// The last tenancies that ended.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    most: usize,
    past: VecDeque<Tenancy>,
}

impl Ledger {
    /// Remembers the last `most` tenancies that ended, some 200 bytes each. None by default.
    #[must_use]
    pub fn with_history(mut self, most: usize) -> Self {
        self.history.most = most;
        self.history.past.truncate(most);
        self
    }

    /// Who had an address of a subnet at a time: more than one if it was shared, none if nobody had it, or if it is
    /// too long ago (see [`Ledger::history_since`]).
    pub fn who_had(&self, subnet: &str, ip: IpAddr, at: Millis) -> Vec<Tenancy> {
        let Some((id, known)) = self.subnet(subnet) else { return Vec::new() };
        let space = self.spaces.get(known.space);
        let now = space.into_iter().flat_map(|space| space.holders(ip)).filter_map(|id| self.book.record(id));
        let now = now.filter(|record| record.subnet() == id && record.since() <= at);
        let past = self.history.past.iter().filter(|past| past.ip == ip && *past.subnet == *subnet);
        let past = past.filter(|past| past.since <= at && past.until.is_none_or(|until| at < until));
        now.map(|record| self.tenancy(record, ip, None)).chain(past.cloned()).collect()
    }

    /// Of tenancies that ended before this time nothing need be known any more; `None` while all are.
    pub fn history_since(&self) -> Option<Millis> {
        let full = self.history.past.len() >= self.history.most;
        full.then(|| self.history.past.front().and_then(|past| past.until).unwrap_or(Millis::MAX))
    }

    /// A grant goes.
    pub(super) fn remember(&mut self, record: &Record, ips: &DualStack<IpAddr>, now: Millis) {
        if self.history.most == 0 {
            return;
        }
        for ip in ips.iter() {
            if self.history.past.len() >= self.history.most {
                self.history.past.pop_front();
            }
            let past = self.tenancy(record, *ip, Some(now));
            self.history.past.push_back(past);
        }
    }

    fn tenancy(&self, record: &Record, ip: IpAddr, until: Option<Millis>) -> Tenancy {
        Tenancy {
            owner: self.book.key(record),
            uid: self.book.uid(record),
            nic: self.book.nic(record),
            subnet: self.subnets.get(record.subnet()).map(|subnet| subnet.name.clone()).unwrap_or_default(),
            ip,
            since: record.since(),
            until,
        }
    }
}
