//! What is told back to the cluster: pure differences between what an object says and what it should say.
//!
//! Nothing is remembered here. What was granted, what the database holds and what the object carries decide together;
//! so a step that was lost is made up for, and a step that was seen is never repeated.

mod ip;
mod ip_pool;
mod namespace;
mod node;
mod pod;
mod status;

use std::fmt::{self, Display, Write as _};

use crate::{
    addr::DualStack,
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
    /// Of a subnet: the UUIDs of the rows that answer DHCP in it.
    pub dhcp_answers: DualStack<String>,
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
        Kind::IpPool => ip_pool::tell(world, key),
        Kind::StatefulSet | Kind::VirtualMachine | Kind::VirtualMachineInstance => Telling::default(),
    }
}

/// What an annotation should be; `None` for not there.
type Want<'a, K = &'static str> = (K, Option<&'a dyn Display>);

/// The annotations of `want` that differ from what is there, as a patch has them. Nearly all are as they should be
/// nearly always, so that no text is made before it is known to differ.
fn differing<'a, K: AsRef<str>>(
    have: &Labels,
    want: impl IntoIterator<Item = Want<'a, K>>,
) -> std::collections::BTreeMap<Name, Option<Name>> {
    want.into_iter()
        .filter(|(key, value)| match (have.get(key.as_ref()), value) {
            (Some(text), Some(value)) => !reads(text, *value),
            (None, None) => false,
            _ => true,
        })
        .map(|(key, value)| (Name::from(key.as_ref()), value.map(|value| value.to_string().into())))
        .collect()
}

/// Is this the text of the value?
fn reads(text: &str, value: impl Display) -> bool {
    struct Rest<'a>(&'a str);
    impl fmt::Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(text);
    write!(rest, "{value}").is_ok() && rest.0.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_reads_as_a_value_when_all_of_it_does() {
        let dual = crate::addr::DualStack { v4: Some(4), v6: Some(6) };
        assert!(reads("4,6", dual) && reads("", ""));
        for other in ["4,", "4,66", "4,7", "", "4"] {
            assert!(!reads(other, dual), "{other:?}");
        }
    }

    #[test]
    fn what_differs_is_set_or_removed_and_nothing_else() {
        let have: Labels = [("a", "1"), ("b", "2"), ("c", "3")].map(|(k, v)| (k.into(), v.into())).into();
        let want: [Want<'_>; 5] =
            [("a", Some(&1)), ("b", Some(&3)), ("c", None), ("d", Some(&4)), ("e", None)];
        let patch = differing(&have, want);
        let told: Vec<_> = patch.iter().map(|(key, value)| (&**key, value.as_deref())).collect();
        assert_eq!(told, [("b", Some("3")), ("c", None), ("d", Some("4"))]);
    }
}
