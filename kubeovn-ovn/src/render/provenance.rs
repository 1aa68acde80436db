//! Where rows come from: which feature made a row or a column, and which fields of objects the feature read for it.
//!
//! A feature renders an owner alone as it does among others, so asking each of them who made a row is all there is to
//! it. Fields are declared beside the feature that reads them; the tests of this folder change one after the other and
//! see whether just the rows change that a field says it is about.

use std::fmt;

use kubeovn_core::{
    error::Problem,
    index::World,
    rows::{OwnerKey, OwnerKind, Rendered, RowKey},
};

use super::{FEATURES, Fabric, Feature, Presence, presence};

/// A field of an object, or an annotation, that a feature reads.
#[derive(Clone, Copy)]
pub struct Field {
    path: &'static str,
    /// Of the feature's rows, which depend on it.
    concerns: fn(&RowKey) -> bool,
    read: fn(&World, &OwnerKey) -> Option<String>,
}

impl Field {
    /// A field on which all rows of the feature depend.
    pub(super) const fn new(path: &'static str, read: fn(&World, &OwnerKey) -> Option<String>) -> Self {
        Field { path, concerns: |_| true, read }
    }

    /// A field on which only some of them depend.
    pub(super) const fn only(mut self, concerns: fn(&RowKey) -> bool) -> Self {
        self.concerns = concerns;
        self
    }

    /// Its path, such as `Subnet.spec.private`.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Does this row of the feature depend on it?
    pub fn concerns(&self, row: &RowKey) -> bool {
        (self.concerns)(row)
    }

    /// Its value, as the object has it; `None` where it is not set.
    pub fn value(&self, world: &World, owner: &OwnerKey) -> Option<String> {
        (self.read)(world, owner).filter(|text| !text.is_empty())
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path)
    }
}

/// A feature, as far as it is of interest to who asks where a row comes from.
#[derive(Clone, Copy)]
pub struct Origin(&'static Feature);

impl Origin {
    /// The feature's name.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Whose rows it adds to.
    pub fn kind(self) -> OwnerKind {
        self.0.kind
    }

    /// The tables in which it has rows.
    pub fn tables(self) -> &'static [&'static str] {
        self.0.tables
    }

    /// What it reads, what decides most first.
    pub fn fields(self) -> &'static [Field] {
        self.0.fields
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

/// What one feature made for an owner.
#[derive(Clone, Debug)]
pub struct Part {
    /// The feature.
    pub origin: Origin,
    /// Its rows, and the elements that it gives to rows of others.
    pub rendered: Rendered,
}

/// Why there is nothing to explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The owner is gone.
    Gone,
    /// It is not decided what it wants, and why not.
    Held(Vec<Problem>),
}

impl Fabric {
    /// The features that may have made a row of this table for an owner of this kind, without asking them. All there
    /// is to say when the objects are not at hand.
    pub fn origins(kind: OwnerKind, table: &str) -> impl Iterator<Item = Origin> {
        FEATURES.iter().filter(move |f| f.kind == kind && f.tables.contains(&table)).map(Origin)
    }

    /// What each feature makes for an owner; those that make nothing are left out.
    ///
    /// # Errors
    /// When there is nothing to render.
    pub fn explain(self, world: &World, owner: &OwnerKey) -> Result<Vec<Part>, Absent> {
        let rank = match presence(world, owner) {
            Presence::Gone => return Err(Absent::Gone),
            Presence::Unclear(problems) => return Err(Absent::Held(problems)),
            Presence::There { rank } => rank,
        };
        let parts = FEATURES.iter().filter(|feature| feature.kind == owner.kind).map(|feature| {
            let mut rendered = Rendered { rank, ..Rendered::default() };
            (feature.render)(world, owner, &mut rendered);
            Part { origin: Origin(feature), rendered }
        });
        Ok(parts.filter(|part| !part.rendered.rows.is_empty() || !part.rendered.gives.is_empty()).collect())
    }
}
