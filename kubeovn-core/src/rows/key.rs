//! Names of owners and rows.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    sync::Arc,
};

use crate::error::Problem;

macro_rules! owner_kinds {
    ($($(#[$doc:meta])* $kind:ident = $text:literal,)*) => {
        /// What kinds of things own rows. Their order is the order of planning: parents before children.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum OwnerKind { $($(#[$doc])* $kind,)* }

        impl OwnerKind {
            /// Every kind, in planning order.
            pub const ALL: &[OwnerKind] = &[$(OwnerKind::$kind,)*];

            /// The word that stands for it in texts.
            pub fn word(self) -> &'static str {
                match self { $(OwnerKind::$kind => $text,)* }
            }
        }
    };
}

owner_kinds! {
    /// A virtual private cloud: a logical router.
    Vpc = "vpc",
    /// A connection of a VPC to another one: a port of its logical router.
    Peering = "peering",
    /// A subnet: a logical switch and its port pair to the router.
    Subnet = "subnet",
    /// A node: its port on the join switch.
    Node = "node",
    /// What leads a subnet's pods out by the node that they are on: `subnet/node`.
    Local = "local-gateway",
    /// A pod: its logical switch ports.
    Pod = "pod",
    /// An interface plugged into a node's integration bridge.
    Attachment = "attachment",
}

/// Who owns rows: a kind and a name (`name`, or `namespace/name`). Its text form, like `pod/default/web-0`, stands
/// in the `external_ids` of every row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerKey {
    /// The kind; compared first, so that a sorted set is in planning order.
    pub kind: OwnerKind,
    /// The name within the kind.
    pub name: Arc<str>,
}

impl OwnerKey {
    /// An owner by kind and name.
    pub fn new(kind: OwnerKind, name: impl Into<Arc<str>>) -> Self {
        OwnerKey { kind, name: name.into() }
    }

    /// What leads the pods of a subnet out that are on a node.
    pub fn local(subnet: &str, node: &str) -> Self {
        Self::new(OwnerKind::Local, format!("{subnet}/{node}"))
    }

    /// The pod `namespace/name`.
    pub fn pod(namespace: &str, name: &str) -> Self {
        Self::new(OwnerKind::Pod, format!("{namespace}/{name}"))
    }
}

impl fmt::Display for OwnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.word(), self.name)
    }
}

impl FromStr for OwnerKey {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('/')
            .and_then(|(word, name)| {
                let kind = OwnerKind::ALL.iter().find(|k| k.word() == word)?;
                (!name.is_empty()).then(|| OwnerKey::new(*kind, name))
            })
            .ok_or_else(|| Problem::new("OWNER-UNREADABLE", format!("{text:?} names no owner of rows")))
    }
}

/// Which row: a table and an id that a person can read. Not an identity of objects: a pod's successor of the same
/// name has the same row. Never release an address by it.
#[derive(Clone, Debug)]
pub struct RowKey {
    /// Table of the database.
    pub table: &'static str,
    /// Readable id, unique in the table.
    pub id: Arc<str>,
}

// By table, then id. Tables are few and static: most often the same text at the same place, and that is looked at first.
impl Ord for RowKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let tables =
            if std::ptr::eq(self.table, other.table) { Ordering::Equal } else { self.table.cmp(other.table) };
        tables.then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for RowKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for RowKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && (std::ptr::eq(self.table, other.table) || self.table == other.table)
    }
}

impl Eq for RowKey {}

impl Hash for RowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Ids of different tables are seldom the same.
        self.id.hash(state);
    }
}

impl RowKey {
    /// A row of ours.
    pub fn new(table: &'static str, id: impl Into<Arc<str>>) -> Self {
        RowKey { table, id: id.into() }
    }

    /// A name in the register of port names: no row of any database, but claimed like one.
    pub fn name(name: impl Into<Arc<str>>) -> Self {
        RowKey { table: "port name", id: name.into() }
    }

    /// Something that only one owner's rows may have at a time, see `Rendered::exclusive`. No row of any database.
    pub fn exclusive(what: impl Into<Arc<str>>) -> Self {
        RowKey { table: "exclusive", id: what.into() }
    }

    /// A row that is not ours, by its natural name (the `name` column of its table): `@br-int`.
    pub fn named(table: &'static str, name: &str) -> Self {
        RowKey { table, id: format!("@{name}").into() }
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.table, self.id)
    }
}
