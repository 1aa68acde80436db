//! The JSON of atoms and data: `"a"`, `1`, `true`, `["uuid",u]`, `["set",[…]]`, `["map",[[k,v],…]]`.
//!
//! Decoding takes the long and the short form of everything. Encoding writes a set of one element as the bare atom,
//! which a server reads for scalars, optionals and sets alike.

use std::{fmt, marker::PhantomData, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, SeqAccess, Unexpected, Visitor},
};
use uuid::Uuid;

use super::{Atom, Datum, Real};
use crate::ovsdb::wire::words::Words;

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

    fn tagged<'de, A: SeqAccess<'de>>(tag: &Tag, seq: &mut A, words: &mut Words) -> Result<Self, A::Error>;
}

/// Decodes a `T` of which texts may be shared.
pub(in crate::ovsdb::wire) struct Sharing<'w, T> {
    words: &'w mut Words,
    what: PhantomData<T>,
}

impl<'w, T> Sharing<'w, T> {
    pub(in crate::ovsdb::wire) fn new(words: &'w mut Words) -> Self {
        Self { words, what: PhantomData }
    }
}

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
        Sharing::new(&mut Words::none()).deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Datum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Sharing::new(&mut Words::none()).deserialize(deserializer)
    }
}

impl<'de, T: Value> DeserializeSeed<'de> for Sharing<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Value for Atom {
    const EXPECTED: &'static str = "an OVSDB atom";

    fn atom(atom: Atom) -> Self {
        atom
    }

    fn tagged<'de, A: SeqAccess<'de>>(tag: &Tag, seq: &mut A, _: &mut Words) -> Result<Self, A::Error> {
        match tag {
            Tag::Uuid => Ok(Self::Uuid(body(seq, PhantomData::<UuidText>)?.0)),
            Tag::Named => Ok(Self::Named(body(seq, PhantomData::<Arc<str>>)?)),
            Tag::Set | Tag::Map => Err(de::Error::custom("a set or map where one atom belongs")),
        }
    }
}

impl Value for Datum {
    const EXPECTED: &'static str = "an OVSDB atom, set or map";

    fn atom(atom: Atom) -> Self {
        Self::from(atom)
    }

    fn tagged<'de, A: SeqAccess<'de>>(tag: &Tag, seq: &mut A, words: &mut Words) -> Result<Self, A::Error> {
        match tag {
            Tag::Set => Ok(Self::set(body(seq, List::<Atom>(Sharing::new(words)))?)),
            Tag::Map => Ok(Self::map(body(seq, List::<(Atom, Atom)>(Sharing::new(words)))?)),
            Tag::Uuid | Tag::Named => Atom::tagged(tag, seq, words).map(Self::from),
        }
    }
}

fn body<'de, T: DeserializeSeed<'de>, A: SeqAccess<'de>>(seq: &mut A, what: T) -> Result<T::Value, A::Error> {
    seq.next_element_seed(what)?.ok_or_else(|| de::Error::custom("a value with a tag but no content"))
}

/// Any number of atoms, or of pairs of them.
struct List<'w, T>(Sharing<'w, T>);

impl<'de, 'w, T> DeserializeSeed<'de> for List<'w, T>
where
    List<'w, T>: Visitor<'de>,
{
    type Value = <Self as Visitor<'de>>::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, Atom> {
    type Value = Vec<Atom>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of atoms")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Atom>, A::Error> {
        let mut atoms = Vec::new();
        while let Some(atom) = seq.next_element_seed(Sharing::new(self.0.words))? {
            atoms.push(atom);
        }
        Ok(atoms)
    }
}

impl<'de> Visitor<'de> for List<'_, (Atom, Atom)> {
    type Value = Vec<(Atom, Atom)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of pairs of atoms")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<(Atom, Atom)>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = seq.next_element_seed(Pair(self.0.words))? {
            pairs.push(pair);
        }
        // There is one of these per row, and a dump has all rows at once.
        pairs.shrink_to_fit();
        Ok(pairs)
    }
}

/// A key and its value.
struct Pair<'w>(&'w mut Words);

impl<'de> DeserializeSeed<'de> for Pair<'_> {
    type Value = (Atom, Atom);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(Atom, Atom), D::Error> {
        deserializer.deserialize_tuple(2, self)
    }
}

impl<'de> Visitor<'de> for Pair<'_> {
    type Value = (Atom, Atom);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key and its value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(Atom, Atom), A::Error> {
        let mut next = || -> Result<Option<Atom>, A::Error> { seq.next_element_seed(Sharing::new(self.0)) };
        match (next()?, next()?) {
            (Some(key), Some(value)) => Ok((key, value)),
            _ => Err(de::Error::custom("a pair of a map that is none")),
        }
    }
}

impl<'de, T: Value> Visitor<'de> for Sharing<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok(T::atom(Atom::String(self.words.share(text))))
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
        let value = T::tagged(&tag, &mut seq, self.words)?;
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
