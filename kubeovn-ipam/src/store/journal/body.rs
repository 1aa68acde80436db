//! Entries as words with blanks between.

use std::{
    fmt::{Display, Write},
    str::{FromStr, Split},
    sync::Arc,
};

use kubeovn_core::{
    addr::{DualStack, Family},
    contract::ipam::{Grant, Role},
    rows::{OwnerKey, OwnerKind},
};

use super::text::{bad, escape, unescape};
use crate::{Entry, Granted, Released, Settlement, Shelves, store::error::LineError};

/// Writes an entry.
pub(super) fn write(entry: &Entry, out: &mut String) {
    let mut out = Words(out);
    match entry {
        Entry::Settled(settlement) => settled(settlement, &mut out),
        Entry::Activated { owner, nic } => {
            out.word("activated").owner(owner).name(nic);
        }
        Entry::Generation(generation) => {
            out.word("generation").word(generation);
        }
        Entry::Shelved(shelves) => shelved(shelves, &mut out),
    }
}

fn settled(settlement: &Settlement, out: &mut Words<'_>) {
    let Settlement { owner, uid, at, released, granted } = settlement;
    out.word("settled").owner(owner).name(uid).word(at);
    for Released { subnet, nic, generation } in released {
        out.word("released").name(subnet).name(nic).word(generation);
    }
    for Granted { grant, picked_v4, picked_v6 } in granted {
        let Grant { nic, subnet, space, ips, mac, role, generation, since } = grant;
        out.word("granted").name(nic).name(subnet).name(space);
        out.option(ips.v4).option(ips.v6).option(*mac);
        out.word(role_word(*role)).word(generation).word(since);
        out.word(picked_word(*picked_v4, *picked_v6));
    }
}

fn shelved(shelves: &Shelves, out: &mut Words<'_>) {
    let Shelves { subnet, pool, family, released, resting, closed_from, cursor, draws } = shelves;
    out.word("shelved").name(subnet).name(pool).word(family_word(*family));
    out.list(released).list(resting.iter().map(|(ip, until)| format!("{ip}@{until}")));
    out.option(*closed_from).option(*cursor).word(draws);
}

/// Reads what [`write`] wrote.
pub(super) fn read(body: &str) -> Result<Entry, LineError> {
    let mut fields = Fields(body.split(' '));
    let entry = match fields.next("kind")? {
        "settled" => return read_settled(&mut fields).map(Entry::Settled),
        "activated" => Entry::Activated { owner: fields.owner()?, nic: fields.name("nic")? },
        "generation" => Entry::Generation(fields.parse("generation")?),
        "shelved" => Entry::Shelved(Shelves {
            subnet: fields.name("subnet")?,
            pool: fields.name("pool")?,
            family: fields.known("family", &Family::BOTH, |family| family_word(*family))?,
            released: fields.list("released", |text| text.parse().ok())?,
            resting: fields.list("resting", |text| {
                let (ip, until) = text.split_once('@')?;
                Some((ip.parse().ok()?, until.parse().ok()?))
            })?,
            closed_from: fields.option("closed_from")?,
            cursor: fields.option("cursor")?,
            draws: fields.parse("draws")?,
        }),
        other => return Err(bad("kind", other)),
    };
    match fields.0.next() {
        None => Ok(entry),
        Some(text) => Err(LineError::Surplus { text: text.chars().take(60).collect() }),
    }
}

fn read_settled(fields: &mut Fields<'_>) -> Result<Settlement, LineError> {
    let mut settlement = Settlement {
        owner: fields.owner()?,
        uid: fields.name("uid")?,
        at: fields.parse("at")?,
        released: Vec::new(),
        granted: Vec::new(),
    };
    while let Some(word) = fields.0.next() {
        match word {
            "released" if settlement.granted.is_empty() => settlement.released.push(Released {
                subnet: fields.name("subnet")?,
                nic: fields.name("nic")?,
                generation: fields.parse("generation")?,
            }),
            "granted" => settlement.granted.push(read_granted(fields)?),
            text => return Err(LineError::Surplus { text: text.chars().take(60).collect() }),
        }
    }
    Ok(settlement)
}

fn read_granted(fields: &mut Fields<'_>) -> Result<Granted, LineError> {
    let grant = Grant {
        nic: fields.name("nic")?,
        subnet: fields.name("subnet")?,
        space: fields.name("space")?,
        ips: DualStack { v4: fields.option("v4")?, v6: fields.option("v6")? },
        mac: fields.option("mac")?,
        role: fields.known("role", &[Role::Active, Role::Standby], |role| role_word(*role))?,
        generation: fields.parse("generation")?,
        since: fields.parse("since")?,
    };
    let all = [(false, false), (true, false), (false, true), (true, true)];
    let (picked_v4, picked_v6) = fields.known("picked", &all, |(v4, v6)| picked_word(*v4, *v6))?;
    Ok(Granted { grant, picked_v4, picked_v6 })
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Active => "active",
        Role::Standby => "standby",
    }
}

fn family_word(family: Family) -> &'static str {
    match family {
        Family::V4 => "v4",
        Family::V6 => "v6",
    }
}

fn picked_word(v4: bool, v6: bool) -> &'static str {
    match (v4, v6) {
        (false, false) => "-",
        (true, false) => "v4",
        (false, true) => "v6",
        (true, true) => "v4,v6",
    }
}

/// Words written one behind the other, with a blank after all but the last.
struct Words<'a>(&'a mut String);

impl Words<'_> {
    fn blank(&mut self) {
        if self.0.chars().next_back().is_some_and(|last| last != '\n') {
            self.0.push(' ');
        }
    }

    fn word(&mut self, word: impl Display) -> &mut Self {
        self.blank();
        let _ = write!(self.0, "{word}");
        self
    }

    fn name(&mut self, name: &str) -> &mut Self {
        self.blank();
        escape(name, self.0);
        self
    }

    fn owner(&mut self, owner: &OwnerKey) -> &mut Self {
        self.word(owner.kind.word());
        self.0.push('/');
        escape(&owner.name, self.0);
        self
    }

    fn option(&mut self, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.word(value),
            None => self.word('-'),
        }
    }

    fn list(&mut self, items: impl IntoIterator<Item = impl Display>) -> &mut Self {
        let mut items = items.into_iter();
        self.option(items.next());
        for item in items {
            let _ = write!(self.0, ",{item}");
        }
        self
    }
}

/// Words to be read.
struct Fields<'a>(Split<'a, char>);

impl<'a> Fields<'a> {
    fn next(&mut self, field: &'static str) -> Result<&'a str, LineError> {
        self.0.next().ok_or(LineError::Missing { field })
    }

    fn name(&mut self, field: &'static str) -> Result<Arc<str>, LineError> {
        unescape(field, self.next(field)?)
    }

    fn owner(&mut self) -> Result<OwnerKey, LineError> {
        let text = self.next("owner")?;
        let kind = |word| OwnerKind::ALL.iter().find(|kind| kind.word() == word);
        let (kind, name) = text
            .split_once('/')
            .and_then(|(word, name)| Some((*kind(word)?, name)))
            .ok_or_else(|| bad("owner", text))?;
        Ok(OwnerKey::new(kind, unescape("owner", name)?))
    }

    fn parse<T: FromStr>(&mut self, field: &'static str) -> Result<T, LineError> {
        let text = self.next(field)?;
        text.parse().map_err(|_| bad(field, text))
    }

    fn option<T: FromStr>(&mut self, field: &'static str) -> Result<Option<T>, LineError> {
        match self.next(field)? {
            "-" => Ok(None),
            text => text.parse().map(Some).map_err(|_| bad(field, text)),
        }
    }

    fn list<T>(
        &mut self,
        field: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, LineError> {
        match self.next(field)? {
            "-" => Ok(Vec::new()),
            text => text.split(',').map(|item| read(item).ok_or_else(|| bad(field, item))).collect(),
        }
    }

    fn known<T: Copy>(
        &mut self,
        field: &'static str,
        all: &[T],
        word: impl Fn(&T) -> &'static str,
    ) -> Result<T, LineError> {
        let text = self.next(field)?;
        all.iter().find(|value| word(value) == text).copied().ok_or_else(|| bad(field, text))
    }
}
