//! The strict parser for matches that users write.
//!
//! OVN's northbound database takes any string; what ovn-controller can't parse it skips, so that a broken `drop`
//! lets everything through. What this parser accepts OVN accepts. The reverse is not true: it also refuses what
//! OVN takes but reads otherwise than its author (negated groups, constants of the wrong family, empty ranges),
//! and what OVN takes but then crashes or hangs over (some raw fields, ports of later fragments).

use std::{borrow::Cow, collections::BTreeSet, fmt};

use super::{
    check::{self, Constant, Constants, Fault, Field},
    error::{MatchError, Problem},
    lex::{Format, Lexer, Number, Token, quote},
    symbols::{self, Level, Where},
};

/// Levels of parentheses. OVN allows 100, and northd puts the match of an ACL into some more.
const MAX_DEPTH: u32 = 64;

/// A match that OVN will understand, as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserMatch {
    text: String,
    compound: bool,
    address_sets: BTreeSet<String>,
    port_groups: BTreeSet<String>,
}

impl UserMatch {
    /// The text, verbatim.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names behind `$`. OVN skips a rule while one of them doesn't exist.
    pub fn address_sets(&self) -> &BTreeSet<String> {
        &self.address_sets
    }

    /// Names behind `@`. OVN skips a rule while one of them doesn't exist.
    pub fn port_groups(&self) -> &BTreeSet<String> {
        &self.port_groups
    }

    /// Does it have `&&` or `||` outside of parentheses?
    pub(super) fn is_compound(&self) -> bool {
        self.compound
    }
}

impl fmt::Display for UserMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Checks a match that a user wrote.
///
/// # Errors
/// The first mistake, with its position.
///
/// ```
/// use kubeovn_ovn::matching::{Problem, Where, parse};
/// assert!(parse("ip4.src == 10.0.0.0/8 && tcp.dst == {80, 443}", Where::ToLport).is_ok());
/// let error = parse("ip4 && !tcp", Where::ToLport).unwrap_err();
/// assert_eq!((error.problem, error.at), (Problem::Negation, 8));
/// ```
pub fn parse(text: &str, place: Where) -> Result<UserMatch, MatchError> {
    let mut lexer = Lexer::new(text);
    let (token, start) = lexer.next()?;
    let found = UserMatch {
        text: text.to_owned(),
        compound: false,
        address_sets: BTreeSet::new(),
        port_groups: BTreeSet::new(),
    };
    let mut parser =
        Parser { lexer, token, start, place, negated: false, depth: 0, fragment: None, ports: false, found };
    parser.expression()?;
    if parser.token != Token::End {
        return parser.unexpected("&&, || or the end");
    }
    if let (Some((at, end)), true) = (parser.fragment, parser.ports) {
        let expected = "no test of later fragments beside one of ports or TCP flags";
        return Err(parser.error(Problem::Fragment, at, end, expected));
    }
    Ok(parser.found)
}

/// The condition that OVN adds to the terms of an expression, which matters when they are negated together.
#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Same(&'static str),
    Various,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    start: usize,
    place: Where,
    /// Inside an odd number of negations?
    negated: bool,
    depth: u32,
    /// Where the match speaks of later fragments, and whether it speaks of ports.
    fragment: Option<(usize, usize)>,
    ports: bool,
    found: UserMatch,
}

impl Parser<'_> {
    /// Terms joined by `&&` only, or by `||` only.
    fn expression(&mut self) -> Result<Needs, MatchError> {
        let mut needs = self.unary()?;
        let Token::Sign(sign @ ("&&" | "||")) = self.token else { return Ok(needs) };
        self.found.compound |= self.depth == 0;
        while self.eat(sign)? {
            if self.unary()? != needs {
                needs = Needs::Various;
            }
        }
        if matches!(self.token, Token::Sign("&&" | "||")) {
            let expected = format!("{sign} or parentheses");
            return Err(self.error(Problem::Mixed, self.start, self.lexer.at(), expected));
        }
        Ok(needs)
    }

    /// A term or its negation.
    fn unary(&mut self) -> Result<Needs, MatchError> {
        let at = self.start;
        if !self.eat("!")? {
            return Ok(self.primary()?.0);
        }
        self.negated = !self.negated;
        let operand = self.start;
        let (needs, atomic) = self.primary()?;
        self.negated = !self.negated;
        if !atomic {
            return Err(self.error(
                Problem::Syntax,
                operand,
                self.start,
                "parentheses around what ! applies to",
            ));
        }
        if needs == Needs::Various {
            let expected = "terms about the same kind of packet inside a negation";
            return Err(self.error(Problem::Prerequisite, at, self.start, expected));
        }
        Ok(needs)
    }

    /// A group, a function, a comparison or a literal, and whether `!` may stand before it.
    fn primary(&mut self) -> Result<(Needs, bool), MatchError> {
        if matches!(self.token, Token::Sign("(")) {
            if self.depth == MAX_DEPTH {
                let expected = format!("at most {MAX_DEPTH} levels of parentheses");
                return Err(self.error(Problem::Depth, self.start, self.lexer.at(), expected));
            }
            self.advance()?;
            self.depth += 1;
            let needs = self.expression()?;
            self.depth -= 1;
            self.expect(")", "&&, || or )")?;
            return Ok((needs, true));
        }
        match self.token {
            Token::Id("is_chassis_resident") => {
                self.advance()?;
                self.expect("(", "(")?;
                if self.token != Token::Quoted {
                    return self.unexpected("a port name in quotes");
                }
                self.advance()?;
                self.expect(")", ")")?;
                Ok((Needs::Same(""), true))
            }
            Token::Id(_) => {
                let field = self.field()?;
                let needs = Needs::Same(field.symbol.needs);
                if let Some(op) = self.operator()? {
                    let constants = self.constants()?;
                    self.check(&field, op, &constants)?;
                    return Ok((needs, false));
                }
                if field.bits != 1 {
                    let expected = format!("a comparison, as {} is no single bit", field.symbol.name);
                    return Err(self.error(Problem::Operator, field.at, field.end, expected));
                }
                self.judge(check::sign(&field, 1, "==", self.negated))?;
                Ok((needs, true))
            }
            _ => self.constant_first(),
        }
    }

    /// `0`, `1`, `80 == tcp.dst` or `1 <= tcp.dst <= 9`.
    fn constant_first(&mut self) -> Result<(Needs, bool), MatchError> {
        let low = self.constants()?;
        let Some(first) = self.operator()? else {
            let literal = match low.items.first() {
                Some(&(Constant::Number(n), ..)) => {
                    n.format == Format::Decimal && n.mask.is_none() && n.value <= 1
                }
                _ => false,
            };
            return if literal && !low.braces {
                Ok((Needs::Same(""), true))
            } else {
                self.unexpected("==, != or another comparison")
            };
        };
        let field = self.field()?;
        self.check(&field, first, &low)?;
        let at = self.start;
        if let Some(second) = self.operator()? {
            if !check::is_ordering(first) || first.get(..1) != second.get(..1) {
                let expected = "a range as low <= field <= high or high >= field >= low";
                return Err(self.error(Problem::Operator, at, at + second.len(), expected));
            }
            let (from, high) = (self.start, self.constants()?);
            self.check(&field, second, &high)?;
            let bounds = if first.starts_with('<') { (&low, &high) } else { (&high, &low) };
            let excluded = u128::from(first.len() == 1) + u128::from(second.len() == 1);
            if !check::has_members(bounds, excluded) {
                let end = high.items.last().map_or(from, |&(_, _, end)| end);
                return Err(self.error(Problem::Range, from, end, "a range with at least one member"));
            }
        }
        Ok((Needs::Same(field.symbol.needs), false))
    }

    fn field(&mut self) -> Result<Field, MatchError> {
        let Token::Id(name) = self.token else { return self.unexpected("the name of a field") };
        let (at, end) = (self.start, self.lexer.at());
        if symbols::internal(name) {
            return Err(self.error(Problem::Internal, at, end, "a field of the packet"));
        }
        let Some(symbol) = symbols::find(name) else {
            return Err(self.error(Problem::Symbol, at, end, "the name of a field"));
        };
        if symbol.name == "outport" && self.place == Where::FromLport {
            let expected = "inport, as the way out is not known yet in a from-lport ACL";
            return Err(self.error(Problem::Place, at, end, expected));
        }
        if ["ip.frag", "ip.later_frag"].contains(&symbol.name) {
            self.fragment = Some((at, end));
        }
        self.ports |= ["tcp", "udp", "sctp"].contains(&symbol.needs);
        self.advance()?;
        let mut field = Field { symbol, bits: symbol.bits, at, end };
        let open = self.start;
        if self.eat("[")? {
            let low = self.bit()?;
            let high = if self.eat("..")? { self.bit()? } else { low };
            field.end = self.lexer.at();
            self.expect("]", "..high] or ]")?;
            let whole = low == 0 && high.checked_add(1) == Some(symbol.bits);
            if low > high || high >= symbol.bits {
                let expected = format!("bits of 0..{} of {}", symbol.bits.saturating_sub(1), symbol.name);
                return Err(self.error(Problem::Range, open, field.end, expected));
            }
            if symbol.level != Level::Ordinal && !whole {
                let expected = format!("all of {}, which has no separate bits", symbol.name);
                return Err(self.error(Problem::Operator, open, field.end, expected));
            }
            field.bits = high - low + 1;
        }
        Ok(field)
    }

    fn bit(&mut self) -> Result<u32, MatchError> {
        match self.token {
            Token::Number(Number { value, mask: None, format: Format::Decimal }) => {
                self.advance()?;
                // a number too large for a bit index is out of range of any field
                Ok(u32::try_from(value).unwrap_or(u32::MAX))
            }
            _ => self.unexpected("the number of a bit"),
        }
    }

    /// A relational operator, if there is one.
    fn operator(&mut self) -> Result<Option<&'static str>, MatchError> {
        match self.token {
            Token::Sign(op @ ("==" | "!=" | "<" | "<=" | ">" | ">=")) => self.advance().map(|()| Some(op)),
            Token::Sign("=") => self.unexpected("=="),
            _ => Ok(None),
        }
    }

    /// One constant, or some in braces; commas between and after them are optional.
    fn constants(&mut self) -> Result<Constants, MatchError> {
        let braces = self.eat("{")?;
        let mut items = vec![self.constant()?];
        if braces {
            loop {
                self.eat(",")?;
                if self.eat("}")? {
                    break;
                }
                items.push(self.constant()?);
            }
        }
        Ok(Constants { braces, items })
    }

    fn constant(&mut self) -> Result<(Constant, usize, usize), MatchError> {
        let constant = match self.token {
            Token::Number(number) => Constant::Number(number),
            Token::Quoted => Constant::Quoted,
            Token::AddressSet(name) => {
                self.found.address_sets.insert(name.to_owned());
                Constant::AddressSet
            }
            Token::PortGroup(name) => {
                self.found.port_groups.insert(name.to_owned());
                Constant::PortGroup
            }
            _ => return self.unexpected("a field or a constant"),
        };
        let (at, end) = (self.start, self.lexer.at());
        self.advance()?;
        Ok((constant, at, end))
    }

    fn check(&self, field: &Field, op: &'static str, constants: &Constants) -> Result<(), MatchError> {
        self.judge(check::comparison(field, op, constants, self.place, self.negated))
    }

    fn judge(&self, verdict: Result<(), Fault>) -> Result<(), MatchError> {
        verdict.map_err(|Fault { problem, at, end, expected }| self.error(problem, at, end, expected))
    }

    fn advance(&mut self) -> Result<(), MatchError> {
        (self.token, self.start) = self.lexer.next()?;
        Ok(())
    }

    fn eat(&mut self, sign: &'static str) -> Result<bool, MatchError> {
        let there = self.token == Token::Sign(sign);
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    fn expect(&mut self, sign: &'static str, expected: &'static str) -> Result<(), MatchError> {
        if self.eat(sign)? { Ok(()) } else { self.unexpected(expected) }
    }

    fn unexpected<T>(&self, expected: &'static str) -> Result<T, MatchError> {
        Err(self.error(Problem::Syntax, self.start, self.lexer.at(), expected))
    }

    fn error(
        &self,
        problem: Problem,
        at: usize,
        end: usize,
        expected: impl Into<Cow<'static, str>>,
    ) -> MatchError {
        let found = quote(self.lexer.slice(at, end).trim_end());
        MatchError { problem, at, found, expected: expected.into() }
    }
}
