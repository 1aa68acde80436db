//! How many addresses: a number that a v6 subnet makes larger than most number types hold.

use std::fmt;

/// A count of addresses, exact up to a whole v6 space less one address.
///
/// It is written as a bare integer of any length, since the schema says `number`. It is read from integers,
/// from floating-point numbers (what Kube-OVN 1.10 wrote, and what an API server answers, see
/// [`Count::as_stored`]) and from both in quotes. Fractions are cut off and negative numbers read as 0: these
/// stand in a status, and a bad one must not make its object unreadable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(pub u128);

impl Count {
    /// What an API server makes of this count.
    ///
    /// It keeps integers up to `i64::MAX` and turns larger ones into the nearest double. Compare a count to be
    /// written with one that was read through this, or a difference that cannot be written away looks like a
    /// change for ever.
    ///
    /// ```
    /// use kubeovn_core::count::Count;
    ///
    /// assert_eq!(Count(65_533).as_stored(), Count(65_533));
    /// assert_eq!(Count((1 << 64) - 3).as_stored(), Count(1 << 64));
    /// ```
    #[must_use]
    pub fn as_stored(self) -> Self {
        if i64::try_from(self.0).is_ok() { self } else { from_double(to_double(self.0)) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "the rounding to the nearest double is what is asked for")]
fn to_double(count: u128) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such a cast cuts off fractions, stops at the ends of the range and turns NaN to 0"
)]
fn from_double(count: f64) -> Count {
    Count(count as u128)
}

impl From<u128> for Count {
    fn from(count: u128) -> Self {
        Self(count)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "serde")]
mod wire {
    //! Every form in which a count comes back.

    use std::fmt;

    use serde::{
        Deserialize, Deserializer, Serialize, Serializer,
        de::{Error, Unexpected, Visitor},
    };

    use super::{Count, from_double};

    impl Serialize for Count {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            // Not every format knows 128-bit integers, and those of a JSON value tree end at 64.
            match u64::try_from(self.0) {
                Ok(count) => serializer.serialize_u64(count),
                Err(_) => serializer.serialize_u128(self.0),
            }
        }
    }

    impl<'de> Deserialize<'de> for Count {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(CountVisitor)
        }
    }

    struct CountVisitor;

    impl Visitor<'_> for CountVisitor {
        type Value = Count;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a count, bare or in quotes")
        }

        fn visit_u64<E: Error>(self, count: u64) -> Result<Count, E> {
            Ok(Count(count.into()))
        }

        fn visit_u128<E: Error>(self, count: u128) -> Result<Count, E> {
            Ok(Count(count))
        }

        fn visit_i64<E: Error>(self, count: i64) -> Result<Count, E> {
            self.visit_i128(count.into())
        }

        fn visit_i128<E: Error>(self, count: i128) -> Result<Count, E> {
            Ok(Count(count.try_into().unwrap_or(0)))
        }

        fn visit_f64<E: Error>(self, count: f64) -> Result<Count, E> {
            Ok(from_double(count))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Count, E> {
            if let Ok(count) = text.parse() {
                return Ok(Count(count));
            }
            match text.parse::<f64>() {
                Ok(count) if count.is_finite() => Ok(from_double(count)),
                _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
            }
        }
    }
}
