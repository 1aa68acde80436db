//! The JSON of atoms and data: `"a"`, `1`, `true`, `["uuid",u]`, `["set",[…]]`, `["map",[[k,v],…]]`.
//!
//! Decoding takes the long and the short form of everything. Encoding writes a set of one element as the bare atom,
//! which a server reads for scalars, optionals and sets alike.

use std::{fmt, marker::PhantomData, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Unexpected, Visitor},
};
use uuid::Uuid;

use super::{Atom, Datum, Real};

/// The first word of an array that stands for a value.
enum Tag {
    Set,
    Map,
    Uuid,
    Named,
}

/// Something that an OVSDB value can be decoded into: an atom, or a datum (which is an atom, a set or a map).
trait Value: Sized {
    const EXPECTED: &'static str;

    fn atom(atom: Atom) -> Self;

    fn tagged<'de, A: SeqAccess<'de>>(tag: &Tag, seq: &mut A) -> Result<Self, A::Error>;
}

struct ValueVisitor<T>(PhantomData<T>);

impl Serialize for Atom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::String(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Real(Real(number)) => serializer.serialize_f64(*number),
            Self::Boolean(truth) => serializer.serialize_bool(*truth),
            Self::Uuid(uuid) => {
                ("uuid", &*uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer())).serialize(serializer)
            }
            Self::Named(name) => ("named-uuid", &**name).serialize(serializer),
        }
    }
}

impl Serialize for Datum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(set) => match set.as_slice() {
                [atom] => atom.serialize(serializer),
                set => ("set", set).serialize(serializer),
            },
            Self::Map(map) => ("map", map).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Atom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Datum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor(PhantomData))
    }
}

impl Value for Atom {
    const EXPECTED: &'static str = "an OVSDB atom";

    fn atom(atom: Atom) -> Self {
        atom
    }

    fn tagged<'de, A: SeqAccess<'de>>(tag: &Tag, seq: &mut A) -> Result<Self, A::Error> {
        match tag {
            Tag::Uuid => Ok(Self::Uuid(body::<UuidText, A>(seq)?.0)),
            Tag::Named => Ok(Self::Named(body::<Arc<str>, A>(seq)?)),
            Tag::Set | Tag::Map => Err(de::Error::custom("a set or map where one atom belongs")),
        }
    }
}

impl Value for Datum {
    const EXPECTED: &'static str = "an OVSDB atom, set or map";

    fn atom(atom: Atom) -> Self {
        Self::from(atom)
    }

    fn tagged<'de, A: SeqAccess<'de>>(tag: &Tag, seq: &mut A) -> Result<Self, A::Error> {
        match tag {
            Tag::Set => Ok(Self::set(body::<Vec<Atom>, A>(seq)?)),
            Tag::Map => Ok(Self::map(body::<Vec<(Atom, Atom)>, A>(seq)?)),
            Tag::Uuid | Tag::Named => Atom::tagged(tag, seq).map(Self::from),
        }
    }
}

fn body<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| de::Error::custom("a value with a tag but no content"))
}

impl<'de, T: Value> Visitor<'de> for ValueVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok(T::atom(Atom::from(text)))
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<T, E> {
        Ok(T::atom(Atom::Boolean(truth)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        Ok(T::atom(Atom::Integer(number)))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        let number = i64::try_from(number)
            .map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &"a signed 64-bit integer"))?;
        self.visit_i64(number)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        Ok(T::atom(Atom::Real(Real(number))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        let tag = seq.next_element::<Tag>()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
        let value = T::tagged(&tag, &mut seq)?;
        match seq.next_element::<de::IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(de::Error::invalid_length(3, &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TagVisitor;
        impl Visitor<'_> for TagVisitor {
            type Value = Tag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one of \"set\", \"map\", \"uuid\", \"named-uuid\"")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Tag, E> {
                match word {
                    "set" => Ok(Tag::Set),
                    "map" => Ok(Tag::Map),
                    "uuid" => Ok(Tag::Uuid),
                    "named-uuid" => Ok(Tag::Named),
                    _ => Err(E::invalid_value(Unexpected::Str(word), &self)),
                }
            }
        }
        deserializer.deserialize_str(TagVisitor)
    }
}

/// A uuid in its text form, decoded without an intermediate string.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ovsdb::wire) struct UuidText(pub(in crate::ovsdb::wire) Uuid);

impl<'de> Deserialize<'de> for UuidText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UuidVisitor;
        impl Visitor<'_> for UuidVisitor {
            type Value = UuidText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a uuid")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<UuidText, E> {
                Uuid::try_parse(text)
                    .map(UuidText)
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(UuidVisitor)
    }
}
