//! Values: their types, comparisons and mutations (RFC 7047, sections 5.1 and 5.2.4).

use std::sync::Arc;

use crate::ovsdb::wire::Atomic;

use crate::ovsdb::wire::{Atom, BaseType, ColumnSchema, Datum, Function, Mutator, Real, ServerError};

/// An error with its fixed phrase.
pub(super) fn error(kind: &str, details: impl Into<String>) -> ServerError {
    ServerError { error: kind.to_owned(), details: details.into() }
}

/// The datum as a value of the column: integers become reals where reals are meant.
pub(super) fn typed(kind: &ColumnSchema, datum: &Datum, name: &str) -> Result<Datum, ServerError> {
    let wrong = || error("syntax error", format!("{name}: the value has another type than the column"));
    let datum = match (datum, &kind.value) {
        (Datum::Set(set), None) => {
            let atoms: Option<Vec<Atom>> = set.iter().map(|atom| typed_atom(&kind.key, atom)).collect();
            Datum::set(atoms.ok_or_else(wrong)?)
        }
        (Datum::Map(map), Some(value)) => {
            let pair = |(k, v): &(Atom, Atom)| Some((typed_atom(&kind.key, k)?, typed_atom(value, v)?));
            Datum::map(map.iter().map(pair).collect::<Option<Vec<_>>>().ok_or_else(wrong)?)
        }
        // an empty set is how an empty map may be written
        (Datum::Set(set), Some(_)) if set.is_empty() => Datum::Map(Vec::new()),
        _ => return Err(wrong()),
    };
    Ok(datum)
}

fn typed_atom(base: &BaseType, atom: &Atom) -> Option<Atom> {
    match (base.atom, atom) {
        (Atomic::String, Atom::String(_))
        | (Atomic::Integer, Atom::Integer(_))
        | (Atomic::Real, Atom::Real(_))
        | (Atomic::Boolean, Atom::Boolean(_))
        | (Atomic::Uuid, Atom::Uuid(_)) => Some(atom.clone()),
        #[expect(clippy::cast_precision_loss, reason = "JSON does not tell reals from integers")]
        (Atomic::Real, Atom::Integer(number)) => Some(Atom::Real(Real(*number as f64))),
        _ => None,
    }
}

/// Checks how many elements there are.
pub(super) fn counted(
    kind: &ColumnSchema,
    datum: &Datum,
    name: &str,
    phrase: &str,
) -> Result<(), ServerError> {
    let count = datum.len() as u64;
    if count < kind.min || kind.max.is_some_and(|max| count > max) {
        return Err(error(phrase, format!("{name}: {count} elements are too few or too many")));
    }
    Ok(())
}

/// Whether a condition holds.
pub(super) fn holds(function: Function, held: &Datum, value: &Datum) -> bool {
    let ordered = |wanted: fn(std::cmp::Ordering) -> bool| match (held.scalar(), value.scalar()) {
        (Some(a), Some(b)) => wanted(a.cmp(b)),
        _ => false,
    };
    match function {
        Function::Equal => held == value,
        Function::NotEqual => held != value,
        Function::Less => ordered(std::cmp::Ordering::is_lt),
        Function::LessOrEqual => ordered(std::cmp::Ordering::is_le),
        Function::Greater => ordered(std::cmp::Ordering::is_gt),
        Function::GreaterOrEqual => ordered(std::cmp::Ordering::is_ge),
        Function::Includes => among(held, value).all(|there| there),
        Function::Excludes => !among(held, value).any(|there| there),
    }
}

/// Of each element or pair of `value`, whether `held` has it.
fn among<'a>(held: &'a Datum, value: &'a Datum) -> impl Iterator<Item = bool> + 'a {
    let elements = value.elements().iter().map(|atom| held.contains(atom));
    elements.chain(value.pairs().iter().map(|(key, value)| held.get(key) == Some(value)))
}

/// The datum after a mutation.
pub(super) fn mutated(
    kind: &ColumnSchema,
    held: &Arc<Datum>,
    mutator: Mutator,
    value: &Datum,
    name: &str,
) -> Result<Datum, ServerError> {
    let new = match mutator {
        Mutator::Insert => inserted(held, &typed(kind, value, name)?),
        Mutator::Delete => match value {
            // keys of a map
            Datum::Set(_) if kind.is_map() => {
                Datum::Map(held.pairs().iter().filter(|(key, _)| !value.contains(key)).cloned().collect())
            }
            _ => deleted(held, &typed(kind, value, name)?),
        },
        _ => {
            let operand = value
                .scalar()
                .ok_or_else(|| error("syntax error", format!("{name}: arithmetic needs one number")))?;
            let numbers: Result<Vec<Atom>, ServerError> =
                held.elements().iter().map(|atom| arithmetic(mutator, atom, operand, name)).collect();
            let new = Datum::set(numbers?);
            if new.len() != held.len() {
                return Err(error("constraint violation", format!("{name}: elements became the same")));
            }
            new
        }
    };
    counted(kind, &new, name, "constraint violation")?;
    Ok(new)
}

fn inserted(held: &Datum, value: &Datum) -> Datum {
    match (held, value) {
        (Datum::Set(a), Datum::Set(b)) => {
            let mut all = a.clone();
            all.extend(b.iter().filter(|atom| !held.contains(atom)).cloned());
            // a stable sort merges two sorted runs in one pass, where an unstable one starts from scratch
            all.sort();
            Datum::Set(all)
        }
        // of two pairs with one key the one that is there counts
        (Datum::Map(a), Datum::Map(b)) => Datum::map(b.iter().chain(a).cloned()),
        _ => held.clone(),
    }
}

fn deleted(held: &Datum, value: &Datum) -> Datum {
    match held {
        Datum::Set(set) => Datum::Set(set.iter().filter(|atom| !value.contains(atom)).cloned().collect()),
        Datum::Map(map) => {
            Datum::Map(map.iter().filter(|(key, held)| value.get(key) != Some(held)).cloned().collect())
        }
    }
}

fn arithmetic(mutator: Mutator, atom: &Atom, operand: &Atom, name: &str) -> Result<Atom, ServerError> {
    let domain = || error("domain error", format!("{name}: division by zero"));
    let range = || error("range error", format!("{name}: the result is out of range"));
    match (atom, operand) {
        (Atom::Integer(a), Atom::Integer(b)) => {
            if *b == 0 && matches!(mutator, Mutator::Divide | Mutator::Remainder) {
                return Err(domain());
            }
            let result = match mutator {
                Mutator::Add => a.checked_add(*b),
                Mutator::Subtract => a.checked_sub(*b),
                Mutator::Multiply => a.checked_mul(*b),
                Mutator::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            result.map(Atom::Integer).ok_or_else(range)
        }
        (Atom::Real(Real(a)), Atom::Real(Real(b))) => {
            let result = match mutator {
                Mutator::Add => a + b,
                Mutator::Subtract => a - b,
                Mutator::Multiply => a * b,
                Mutator::Divide if *b == 0.0 => return Err(domain()),
                Mutator::Divide => a / b,
                _ => return Err(error("syntax error", format!("{name}: no remainder of reals"))),
            };
            if result.is_finite() { Ok(Atom::Real(Real(result))) } else { Err(range()) }
        }
        _ => Err(error("syntax error", format!("{name}: arithmetic on what is no number"))),
    }
}
