//! What a request would change, decided on the unchanged ledger: here it is refused or not.

mod choose;

use std::{net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::Family,
    contract::ipam::{AddrError, Grant, MacWish, Source, Want},
    rows::{Millis, OwnerKey},
};
use smallvec::SmallVec;

use self::choose::Planner;
use super::{
    Ledger,
    book::{Found, MOST, Record},
};
use crate::{
    entry::{Entry, Released, Settlement},
    table::Ids,
};

/// A change that can be made: decided, but nothing has changed yet.
///
/// Make its [`Plan::entry`] durable, then hand it to [`Ledger::commit`].
#[derive(Clone, Debug)]
pub struct Plan {
    /// Of the ledger that it was made from.
    pub(super) version: u64,
    /// The owner, before the change.
    pub(super) owner: Found,
    /// Grants that go, by their ids.
    pub(super) dropped: Ids,
    /// Subnets of the grants that come.
    pub(super) subnets: Ids,
    pub(super) settlement: Settlement,
    /// Grants that were asked about and stay.
    kept: Vec<Grant>,
    answers: Answers,
}

/// What is answered to the wants, in their order.
type Answers = SmallVec<[Answer; 2]>;

/// What is answered to one want: a grant that stays or one that comes, by its place among these.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Kept(usize),
    New(usize),
}

impl Plan {
    /// What is to be made durable; `None` when nothing changes.
    pub fn entry(&self) -> Option<Entry> {
        (!self.is_empty()).then(|| Entry::Settled(self.settlement.clone()))
    }

    /// Does nothing change?
    pub fn is_empty(&self) -> bool {
        self.settlement.released.is_empty() && self.settlement.granted.is_empty()
    }

    /// What the owner holds of what was asked about, once this is committed; in the order of the wants.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.answers.iter().filter_map(|answer| match answer {
            Answer::Kept(place) => self.kept.get(*place),
            Answer::New(place) => self.settlement.granted.get(*place).map(|granted| &granted.grant),
        })
    }

    /// The same, taken out.
    pub(super) fn into_grants(mut self) -> Vec<Grant> {
        if let (1, Some(Answer::New(0))) = (self.answers.len(), self.answers.first()) {
            // By far the most frequent one.
            return self.settlement.granted.pop().map(|granted| vec![granted.grant]).unwrap_or_default();
        }
        let mut kept: Vec<Option<Grant>> = self.kept.into_iter().map(Some).collect();
        let mut new: Vec<Option<Grant>> =
            self.settlement.granted.into_iter().map(|granted| Some(granted.grant)).collect();
        let all = self.answers.into_iter().filter_map(|answer| match answer {
            Answer::Kept(place) => kept.get_mut(place)?.take(),
            Answer::New(place) => new.get_mut(place)?.take(),
        });
        all.collect()
    }
}

impl Ledger {
    /// Plans that an owner holds exactly `wants`; see [`Ledger::settle`].
    pub fn plan(
        &self,
        owner: &OwnerKey,
        uid: &Arc<str>,
        wants: &[Want],
        now: Millis,
    ) -> Result<Plan, AddrError> {
        self.plan_wants(owner, uid, wants, false, now)
    }

    /// Plans that one interface of an owner gets what it wants; its others keep what they hold.
    ///
    /// An owner known under another `uid` is another object: all that it holds goes.
    pub fn plan_nic(
        &self,
        owner: &OwnerKey,
        uid: &Arc<str>,
        want: &Want,
        now: Millis,
    ) -> Result<Plan, AddrError> {
        self.plan_wants(owner, uid, std::slice::from_ref(want), true, now)
    }

    /// Plans that one interface's grant goes, if it is of that generation; of whichever, when none is given.
    pub fn plan_release(&self, owner: &OwnerKey, nic: &str, generation: Option<u64>, now: Millis) -> Plan {
        let matches = |record: &Record| {
            self.book.is_for(record, nic) && generation.is_none_or(|wanted| record.generation() == wanted)
        };
        let found = self.book.find(owner);
        let dropped: Ids =
            self.book.all_of(found).filter(|(_, record)| matches(record)).map(|(id, _)| id).collect();
        let uid = found.one.and_then(|id| self.book.record(id)).map(|record| self.book.uid(record));
        let (released, uid) = (self.released(&dropped), uid.unwrap_or_default());
        Plan {
            version: self.version,
            owner: found,
            dropped,
            subnets: Ids::new(),
            settlement: Settlement { owner: owner.clone(), uid, at: now, released, granted: Vec::new() },
            kept: Vec::new(),
            answers: Answers::new(),
        }
    }

    fn plan_wants(
        &self,
        owner: &OwnerKey,
        uid: &Arc<str>,
        wants: &[Want],
        others_stay: bool,
        now: Millis,
    ) -> Result<Plan, AddrError> {
        let (book, now) = (&self.book, now.min(MOST));
        let found = book.find(owner);
        let same = found.one.and_then(|id| book.record(id)).is_some_and(|known| book.has_uid(known, uid));
        let held_for =
            |want: &Want| book.all_of(found).find(|(_, record)| same && book.is_for(record, &want.nic));
        let is_first =
            |(i, want): (usize, &Want)| wants.iter().take(i).all(|earlier| earlier.nic != want.nic);
        let wanted = || wants.iter().enumerate().filter(|item| is_first(*item)).map(|(_, want)| want);

        let stays =
            |want: &Want| held_for(want).filter(|(_, record)| self.fits(want, record)).map(|(id, _)| id);
        let kept: Ids = wanted().filter_map(stays).collect();
        let goes = |id: &u32, record: &Record| {
            let asked_about =
                !same || !others_stay || wants.iter().any(|want| book.is_for(record, &want.nic));
            asked_about && !kept.contains(id)
        };
        let dropped = book.all_of(found).filter(|(id, record)| goes(id, record)).map(|(id, _)| id).collect();

        let mut planner = Planner::new(self, owner, uid, wants, dropped, now);
        let mut answers = Answers::new();
        let mut asked: SmallVec<[(usize, &Want); 2]> = SmallVec::new();
        let mut staying = Vec::new();
        for (place, want) in wanted().enumerate() {
            answers.push(Answer::Kept(staying.len()));
            match held_for(want).filter(|(id, _)| kept.contains(id)) {
                Some((_, record)) => staying.push(self.grant(record)),
                None => asked.push((place, want)),
            }
        }
        // Who has less choice first: what the others take does not matter to them.
        asked.sort_by_key(|(_, want)| choose::latitude(want));
        for (number, (place, want)) in asked.into_iter().enumerate() {
            planner.choose(want, held_for(want).map(|(_, record)| record))?;
            if let Some(answer) = answers.get_mut(place) {
                *answer = Answer::New(number);
            }
        }
        let Planner { dropped, granted, subnets, .. } = planner;
        let released = self.released(&dropped);
        let settlement = Settlement { owner: owner.clone(), uid: uid.clone(), at: now, released, granted };
        Ok(Plan { version: self.version, owner: found, dropped, subnets, settlement, kept: staying, answers })
    }

    /// What is told of grants that go.
    fn released(&self, dropped: &[u32]) -> Vec<Released> {
        let released = |id: &u32| {
            let record = self.book.record(*id)?;
            let subnet = self.subnets.get(record.subnet())?.name.clone();
            Some(Released { subnet, nic: self.book.nic(record), generation: record.generation() })
        };
        dropped.iter().filter_map(released).collect()
    }

    /// Is what is held what is wanted? A prefix that was changed since is no reason to change what an interface runs
    /// with.
    fn fits(&self, want: &Want, record: &Record) -> bool {
        let Some(subnet) = self.subnets.get(record.subnet()) else { return false };
        let ips = self.book.ips(record);
        let families = match want.family {
            Some(only) => ips.families().eq([only]),
            None => !subnet.is_open() || subnet.families().all(|family| ips.get(family).is_some()),
        };
        let source = match &want.from {
            Source::Any => true,
            Source::OneOf(items) => {
                let is_held = |ip: &IpAddr| ips.get(Family::of(*ip)) == Some(ip);
                items.is_empty() || items.iter().any(|item| item.iter().all(is_held))
            }
            Source::Pools(names) => {
                let in_pool = |ip: &IpAddr| {
                    subnet.pool_name(*ip).is_some_and(|name| names.iter().any(|one| **one == *name))
                };
                !ips.is_empty() && ips.iter().all(in_pool)
            }
        };
        let mac = match want.mac {
            MacWish::Any => record.mac().is_some(),
            MacWish::Is(mac) => record.mac() == Some(mac),
            MacWish::Without => true,
        };
        families
            && source
            && mac
            && want.subnets.contains(&subnet.name)
            && !ips.iter().any(|ip| want.skip.contains(ip) && !choose::names(want, *ip))
    }
}
