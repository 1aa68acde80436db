//! Which comparisons of a field with constants make sense: types, widths, operators, negation.

use std::borrow::Cow;

use super::{
    error::Problem,
    lex::{Format, Number},
    symbols::{Kind, Level, Symbol, Where},
};

/// A field, or some bits of one, as it stands in the text.
pub(super) struct Field {
    pub(super) symbol: Symbol,
    /// How many bits are tested; 0 for strings.
    pub(super) bits: u32,
    pub(super) at: usize,
    pub(super) end: usize,
}

/// What a field is compared with.
#[derive(Clone, Copy)]
pub(super) enum Constant {
    Number(Number),
    Quoted,
    PortGroup,
    AddressSet,
}

/// The constants of one comparison.
pub(super) struct Constants {
    pub(super) braces: bool,
    /// Never empty. Each with its extent in the text.
    pub(super) items: Vec<(Constant, usize, usize)>,
}

/// A mistake and its extent in the text.
pub(super) struct Fault {
    pub(super) problem: Problem,
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) expected: Cow<'static, str>,
}

impl Field {
    fn fault(&self, problem: Problem, expected: String) -> Fault {
        Fault { problem, at: self.at, end: self.end, expected: expected.into() }
    }
}

/// Is it `<`, `<=`, `>` or `>=`?
pub(super) fn is_ordering(op: &str) -> bool {
    op.starts_with(['<', '>'])
}

/// May these constants be compared in this way with this field, inside an odd number of negations or not?
pub(super) fn comparison(
    field: &Field,
    op: &str,
    constants: &Constants,
    place: Where,
    negated: bool,
) -> Result<(), Fault> {
    for &(constant, at, end) in &constants.items {
        let fault = |problem, expected: Cow<'static, str>| Fault { problem, at, end, expected };
        if matches!(constant, Constant::PortGroup) && place == Where::RouterPolicy {
            return Err(fault(Problem::Place, "the name of a router port in quotes".into()));
        }
        suits(field, constant).map_err(|expected| fault(Problem::Type, expected.into()))?;
        let (value, masked) = match constant {
            Constant::Number(number) => (number.value, number.mask.is_some()),
            _ => (1, false),
        };
        if let Constant::Number(number) = constant
            && width(number) > field.bits
        {
            let expected =
                format!("at most {} bits, not {}, for {}", field.bits, width(number), field.symbol.name);
            return Err(fault(Problem::Range, expected.into()));
        }
        if is_ordering(op) {
            let reason = if constants.braces || masked || !matches!(constant, Constant::Number(_)) {
                "the constant is no single number"
            } else if field.symbol.level == Level::Ordinal {
                continue;
            } else {
                "the field has no order"
            };
            return Err(field.fault(Problem::Operator, format!("== or !=, as {reason}")));
        }
        sign(field, value, op, negated)?;
    }
    Ok(())
}

/// Refuses tests that are negative, with all the negations around them, where OVN has only positive ones.
pub(super) fn sign(field: &Field, value: u128, op: &str, negated: bool) -> Result<(), Fault> {
    let inverted = (op == "!=") != negated;
    let negative = match field.symbol.level {
        Level::Ordinal | Level::BooleanPredicate => false,
        Level::Nominal => inverted,
        Level::NominalPredicate | Level::ConditionalPredicate => (value == 0) != inverted,
    };
    if negative {
        return Err(field.fault(Problem::Negation, format!("{} tested positively", field.symbol.name)));
    }
    Ok(())
}

/// Does a range hold a number, when so many of its ends are not part of it?
pub(super) fn has_members((low, high): (&Constants, &Constants), excluded: u128) -> bool {
    match (low.items.first(), high.items.first()) {
        (Some((Constant::Number(low), ..)), Some((Constant::Number(high), ..))) => {
            high.value.checked_sub(low.value).is_some_and(|distance| distance >= excluded)
        }
        _ => false,
    }
}

/// Is the constant of the field's type and family? Otherwise what is expected.
fn suits(field: &Field, constant: Constant) -> Result<(), &'static str> {
    let kind = field.symbol.kind;
    let (wanted, format) = match kind {
        Kind::Port => ("a port name in quotes or a port group", None),
        Kind::Plain => ("a number", None),
        Kind::V4 => ("an IPv4 address or an address set", Some(Format::V4)),
        Kind::V6 => ("an IPv6 address or an address set", Some(Format::V6)),
        Kind::Mac => ("an Ethernet address or an address set", Some(Format::Mac)),
    };
    let suits = match constant {
        Constant::Quoted | Constant::PortGroup => kind == Kind::Port,
        // a set holds whole addresses, which are too wide for some bits of one
        Constant::AddressSet => format.is_some() && field.bits == field.symbol.bits,
        Constant::Number(number) => match number.format {
            Format::Decimal | Format::Hex => kind != Kind::Port,
            // OVN would take an IPv4 address for an IPv6 field, as ::1.2.3.4
            address => kind == Kind::Plain || format == Some(address),
        },
    };
    if suits { Ok(()) } else { Err(wanted) }
}

/// The bits that a field must have to hold the number.
fn width(number: Number) -> u32 {
    match number.format {
        Format::Decimal | Format::Hex => 128 - number.mask.unwrap_or(number.value).leading_zeros(),
        Format::V4 => 32,
        Format::V6 => 128,
        Format::Mac => 48,
    }
}
