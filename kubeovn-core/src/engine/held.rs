//! What owners hold: which rows they claim, and how often each element is given.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    hash::FixedMap,
    rows::{Atom, Elem, Give, OwnerKey, RowKey},
    sorted::SortedSet,
};

/// What one owner holds. The contents of its rows are not kept: whoever is planned is rendered anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holding {
    pub rows: SortedSet<RowKey>,
    /// Sorted, none twice. Most have several, which a [`SortedSet`] would have beside room for one.
    pub gives: Box<[Give]>,
    pub exclusive: SortedSet<RowKey>,
    pub rank: u64,
    /// Has lost a row to an older owner: claims count, so that it is woken when that one leaves; nothing else does.
    pub beaten: bool,
}

impl Holding {
    /// Both, where nobody knows which it is.
    pub(super) fn union(&self, other: &Holding) -> Holding {
        Holding {
            rows: self.rows.iter().chain(&other.rows).cloned().collect(),
            gives: sorted(self.gives.iter().chain(&other.gives).cloned()),
            exclusive: self.exclusive.iter().chain(&other.exclusive).cloned().collect(),
            ..self.clone()
        }
    }
}

/// What an owner gives, as a holding has it.
pub(super) fn sorted(gives: impl Iterator<Item = Give>) -> Box<[Give]> {
    let mut gives: Vec<Give> = gives.collect();
    gives.sort_unstable();
    gives.dedup();
    gives.into()
}

type Elements = FixedMap<Elem, u32>;

/// All holdings, found by owner, by row and by element.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    by_owner: FixedMap<OwnerKey, Arc<Holding>>,
    claims: FixedMap<RowKey, SortedSet<(u64, OwnerKey)>>,
    /// Counted, not collected: two owners may give the same value, and it stays until the last one takes it back.
    given: FixedMap<RowKey, BTreeMap<&'static str, Elements>>,
    exclusive: FixedMap<RowKey, SortedSet<OwnerKey>>,
}

impl Holdings {
    pub(super) fn get(&self, owner: &OwnerKey) -> Option<&Arc<Holding>> {
        self.by_owner.get(owner)
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = &OwnerKey> {
        self.by_owner.keys()
    }

    /// The key of a row as it is held already: a renderer makes it anew each time, and there are several per pod.
    pub(super) fn row(&self, row: RowKey) -> RowKey {
        self.claims.get_key_value(&row).map_or(row, |(held, _)| held.clone())
    }

    /// The same of something exclusive.
    pub(super) fn exclusive(&self, what: RowKey) -> RowKey {
        self.exclusive.get_key_value(&what).map_or(what, |(held, _)| held.clone())
    }

    /// The same of what is given.
    pub(super) fn give(&self, give: &Give) -> Give {
        match &give.elem {
            Elem::Item(Atom::Row(row)) => {
                Give { elem: Elem::Item(Atom::Row(self.row(row.clone()))), ..give.clone() }
            }
            _ => give.clone(),
        }
    }

    /// Who has the row: the claim with the lowest rank, then the lowest owner key.
    pub(super) fn winner(&self, row: &RowKey) -> Option<&OwnerKey> {
        self.claims.get(row).and_then(|c| c.first()).map(|(_, owner)| owner)
    }

    /// All who claim the row.
    pub(super) fn claimants(&self, row: &RowKey) -> impl Iterator<Item = &OwnerKey> {
        self.claims.get(row).into_iter().flatten().map(|(_, owner)| owner)
    }

    /// Who else has something exclusive, or is about to leave it. More than one only after an unknown outcome.
    pub(super) fn rivals(&self, what: &RowKey, owner: &OwnerKey) -> impl Iterator<Item = &OwnerKey> {
        self.exclusive.get(what).into_iter().flatten().filter(move |other| *other != owner)
    }

    /// Should the row be there?
    pub(super) fn wanted(&self, row: &RowKey) -> bool {
        self.winner(row).and_then(|o| self.by_owner.get(o)).is_some_and(|h| !h.beaten)
    }

    /// Should the element be there?
    pub(super) fn gives(&self, row: &RowKey, column: &str, elem: &Elem) -> bool {
        self.given.get(row).and_then(|c| c.get(column)).is_some_and(|e| e.contains_key(elem))
    }

    /// All that is given to a row, by column.
    pub(super) fn given(&self, row: &RowKey) -> impl Iterator<Item = (&'static str, &Elements)> {
        self.given.get(row).into_iter().flatten().map(|(column, elems)| (*column, elems))
    }

    /// Calls `f` for every element that should be somewhere.
    pub(super) fn each_given(&self, f: &mut dyn FnMut(&RowKey, &'static str, &Elem)) {
        for (row, columns) in &self.given {
            for (column, elems) in columns {
                elems.keys().for_each(|elem| f(row, column, elem));
            }
        }
    }

    /// Puts a new holding in the place of the owner's old one, and answers the old one.
    pub(super) fn replace(&mut self, owner: &OwnerKey, new: Option<Arc<Holding>>) -> Option<Arc<Holding>> {
        let old = match &new {
            Some(holding) => self.by_owner.insert(owner.clone(), holding.clone()),
            None => self.by_owner.remove(owner),
        };
        // Add before taking away: what stays must not flicker through zero.
        if let Some(holding) = &new {
            for row in &holding.rows {
                self.claims.entry(row.clone()).or_default().insert((holding.rank, owner.clone()));
            }
            for give in holding.gives.iter().filter(|_| !holding.beaten) {
                let columns = self.given.entry(give.row.clone()).or_default();
                *columns.entry(give.column).or_default().entry(give.elem.clone()).or_default() += 1;
            }
            for what in holding.exclusive.iter().filter(|_| !holding.beaten) {
                self.exclusive.entry(what.clone()).or_default().insert(owner.clone());
            }
        }
        if let Some(holding) = &old {
            let kept = new.as_ref().filter(|n| n.rank == holding.rank);
            for row in holding.rows.iter().filter(|row| !kept.is_some_and(|n| n.rows.contains(*row))) {
                self.unclaim(row, holding.rank, owner);
            }
            for give in holding.gives.iter().filter(|_| !holding.beaten) {
                self.take_back(give);
            }
            let kept = new.as_ref().filter(|n| !n.beaten);
            for what in
                holding.exclusive.iter().filter(|what| !kept.is_some_and(|n| n.exclusive.contains(*what)))
            {
                self.leave(what, owner);
            }
        }
        old
    }

    fn unclaim(&mut self, row: &RowKey, rank: u64, owner: &OwnerKey) {
        if let Some(claims) = self.claims.get_mut(row) {
            claims.remove(&(rank, owner.clone()));
            if claims.is_empty() {
                self.claims.remove(row);
            }
        }
    }

    fn leave(&mut self, what: &RowKey, owner: &OwnerKey) {
        if let Some(owners) = self.exclusive.get_mut(what) {
            owners.remove(owner);
            if owners.is_empty() {
                self.exclusive.remove(what);
            }
        }
    }

    fn take_back(&mut self, give: &Give) {
        let Some(columns) = self.given.get_mut(&give.row) else { return };
        if let Some(elems) = columns.get_mut(give.column) {
            if let Some(count) = elems.get_mut(&give.elem) {
                *count -= 1;
                if *count == 0 {
                    elems.remove(&give.elem);
                }
            }
            if elems.is_empty() {
                columns.remove(give.column);
            }
        }
        if columns.is_empty() {
            self.given.remove(&give.row);
        }
    }
}
