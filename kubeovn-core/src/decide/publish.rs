//! What is told back to the cluster: pure differences between what an object says and what it should say.
//!
//! Nothing is remembered here. What was granted, what the database holds and what the object carries decide together;
//! so a step that was lost is made up for, and a step that was seen is never repeated.

mod ip;
mod namespace;
mod node;
mod pod;
mod status;

use crate::{
    contract::cluster::Write,
    error::Problem,
    index::{
        World,
        objects::{Kind, Labels, Name, ObjectKey},
    },
    rows::OwnerKey,
};

/// How an owner's rows stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seat {
    /// They are in the database as wanted.
    pub ready: bool,
    /// What hinders.
    pub problems: Vec<Problem>,
}

/// What to tell about one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telling {
    /// Changes to make; empty when the object says what it should.
    pub writes: Vec<Write>,
    /// Problems that hold now; an event is due for each that is new.
    pub problems: Vec<Problem>,
}

/// What should be told about an object.
pub fn tell(world: &World, key: &ObjectKey, seat: &dyn Fn(&OwnerKey) -> Seat) -> Telling {
    match key.kind {
        Kind::Pod => pod::tell(world, key, seat),
        Kind::Node => node::tell(world, key, seat),
        Kind::Namespace => namespace::tell(world, key),
        Kind::Subnet => status::tell_subnet(world, key, seat),
        Kind::Vpc => status::tell_vpc(world, key, seat),
        Kind::Ip => ip::tell(world, key),
    }
}

/// The annotations of `want` that differ from what is there, as a patch has them.
fn differing(
    have: &Labels,
    want: impl IntoIterator<Item = (&'static str, Option<String>)>,
) -> std::collections::BTreeMap<Name, Option<Name>> {
    want.into_iter()
        .filter(|(key, value)| have.get(*key).map(|v| &**v) != value.as_deref())
        .map(|(key, value)| (Name::from(key), value.map(Name::from)))
        .collect()
}
