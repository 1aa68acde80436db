//! Tokens of OVN's expression language.

use std::{
    borrow::Cow,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::error::{MatchError, Problem};

/// One token. Borrowed from the text, so that an error can quote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Id(&'a str),
    Number(Number),
    /// A quoted string. What it says doesn't matter: ports may come and go.
    Quoted,
    AddressSet(&'a str),
    PortGroup(&'a str),
    Sign(&'static str),
    End,
}

/// A numeric constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) value: u128,
    pub(super) mask: Option<u128>,
    pub(super) format: Format,
}

/// How a number was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Decimal,
    Hex,
    V4,
    V6,
    Mac,
}

/// Longer signs before their prefixes.
const SIGNS: [&str; 18] =
    ["==", "!=", "<=", ">=", "&&", "||", "..", "(", ")", "{", "}", "[", "]", ",", "<", ">", "!", "="];

/// Cuts a text into tokens.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Lexer { text, at: 0 }
    }

    /// The text between two offsets.
    pub(super) fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// The end of the last token.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next token and where it starts; [`Token::End`] for ever at the end.
    pub(super) fn next(&mut self) -> Result<(Token<'a>, usize), MatchError> {
        self.skip_blanks()?;
        let (start, rest) = (self.at, self.rest());
        let Some(first) = rest.chars().next() else { return Ok((Token::End, start)) };
        let token = match first {
            '$' => Token::AddressSet(self.name(rest)?),
            '@' => Token::PortGroup(self.name(rest)?),
            '"' => self.quoted(rest)?,
            '^' => return Err(self.error(Problem::Template, 1, "a constant")),
            _ if starts_number(rest) => Token::Number(self.number()?),
            'a'..='z' | 'A'..='Z' | '_' => Token::Id(self.take(id_len(rest))),
            _ => match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
                Some(sign) => {
                    self.at += sign.len();
                    Token::Sign(sign)
                }
                None => {
                    return Err(self.error(
                        Problem::Character,
                        first.len_utf8(),
                        "a field, a constant or an operator",
                    ));
                }
            },
        };
        Ok((token, start))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, len: usize) -> &'a str {
        let from = self.at;
        self.at = self.text.len().min(from + len);
        self.slice(from, self.at)
    }

    fn error(&self, problem: Problem, len: usize, expected: impl Into<Cow<'static, str>>) -> MatchError {
        let found = quote(self.slice(self.at, self.at + len));
        MatchError { problem, at: self.at, found, expected: expected.into() }
    }

    fn skip_blanks(&mut self) -> Result<(), MatchError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
            self.at += rest.len() - trimmed.len();
            let Some(body) = trimmed.strip_prefix("/*") else {
                return if trimmed.starts_with("//") {
                    Err(self.error(Problem::Comment, 2, "an expression"))
                } else {
                    Ok(())
                };
            };
            let line = body.lines().next().unwrap_or_default();
            let end =
                line.find("*/").ok_or_else(|| self.error(Problem::Comment, 2, "*/ on the same line"))?;
            self.at += "/*".len() + end + "*/".len();
        }
    }

    /// The name after `$` or `@`.
    fn name(&mut self, rest: &'a str) -> Result<&'a str, MatchError> {
        let name = rest.get(1..).unwrap_or_default();
        let len = id_len(name);
        if !is_set_name(name.get(..len).unwrap_or_default()) {
            return Err(self.error(Problem::Name, 1, "a name right behind it"));
        }
        self.at += 1;
        Ok(self.take(len))
    }

    fn quoted(&mut self, rest: &'a str) -> Result<Token<'a>, MatchError> {
        let mut chars = rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            let fine = match c {
                '"' => {
                    self.at += at + 1;
                    return Ok(Token::Quoted);
                }
                '\\' => match chars.next() {
                    Some((_, 'u')) => {
                        let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                        // half of a surrogate pair is refused too: whoever needs it can write the character itself
                        digits.len() == 4
                            && u32::from_str_radix(&digits, 16)
                                .ok()
                                .filter(|&n| n != 0)
                                .and_then(char::from_u32)
                                .is_some()
                    }
                    escaped => escaped.is_some_and(|(_, c)| "\"\\/bfnrt".contains(c)),
                },
                c => c >= ' ',
            };
            if !fine {
                self.at += at;
                return Err(self.error(Problem::Quote, c.len_utf8(), "a character or an escape as in JSON"));
            }
        }
        Err(self.error(Problem::Quote, 1, "a closing quote"))
    }

    fn number(&mut self) -> Result<Number, MatchError> {
        let (value, format) = self.plain_number()?;
        if !self.rest().starts_with('/') {
            return Ok(Number { value, mask: None, format });
        }
        self.at += 1;
        let start = self.at;
        let (mask, mask_format) = self.plain_number()?;
        let prefix = |bits: u32| {
            let hosts = u32::try_from(mask).ok().and_then(|len| bits.checked_sub(len))?;
            Some((u128::MAX >> (128 - bits)) & u128::MAX.checked_shl(hosts).unwrap_or(0))
        };
        let (mask, format) = match (format, mask_format) {
            (a, b) if a == b => (Some(mask), format),
            (Format::V4, Format::Decimal) => (prefix(32), format),
            (Format::V6, Format::Decimal) => (prefix(128), format),
            (Format::Decimal, Format::Hex) if value == 0 => (Some(mask), Format::Hex),
            _ => (None, format),
        };
        let Some(mask) = mask else {
            let len = self.at - start;
            self.at = start;
            return Err(self.error(Problem::Constant, len, "a mask in the same form, or a prefix length"));
        };
        Ok(Number { value: value & mask, mask: Some(mask), format })
    }

    fn plain_number(&mut self) -> Result<(u128, Format), MatchError> {
        let len = number_len(self.rest());
        let parsed = parse_number(self.slice(self.at, self.at + len));
        let number = parsed.ok_or_else(|| self.error(Problem::Constant, len, "a number or an address"))?;
        self.at += len;
        Ok(number)
    }
}

/// How an error names a piece of text.
pub(super) fn quote(text: &str) -> String {
    if text.is_empty() { "the end".to_owned() } else { format!("{text:?}") }
}

/// May it follow `@` or `$`? Letters, digits, `_` and `.`, not starting with a digit.
pub(super) fn is_set_name(name: &str) -> bool {
    id_len(name) == name.len() && name.starts_with(|c: char| c == '_' || c == '.' || c.is_ascii_alphabetic())
}

fn id_len(text: &str) -> usize {
    text.bytes().take_while(|&b| b == b'_' || b == b'.' || b.is_ascii_alphanumeric()).count()
}

/// Addresses such as `fd00::1` and `fe:...` start like names, but only they have a colon behind the hex digits.
fn starts_number(rest: &str) -> bool {
    let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
    rest.starts_with(|c: char| c.is_ascii_digit())
        || rest.starts_with("::")
        || (digits > 0 && rest.as_bytes().get(digits) == Some(&b':'))
}

/// How far a number reaches: up to `..` (a bit range), or a colon after a dot (an address and a port).
fn number_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut dotted = false;
    let reaches = |(at, byte): &(usize, &u8)| match byte {
        b':' => !dotted,
        b'.' if bytes.get(at + 1) == Some(&b'.') => false,
        b'.' => {
            dotted = true;
            true
        }
        byte => byte.is_ascii_alphanumeric(),
    };
    bytes.iter().enumerate().take_while(reaches).count()
}

fn parse_number(text: &str) -> Option<(u128, Format)> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let leading_zero = text.len() > 1 && text.starts_with('0');
        return text.parse::<u64>().ok().filter(|_| !leading_zero).map(|n| (n.into(), Format::Decimal));
    }
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u128::from_str_radix(digits, 16).ok().map(|n| (n, Format::Hex));
    }
    let v4 = || text.parse::<Ipv4Addr>().ok().map(|ip| (u32::from(ip).into(), Format::V4));
    let v6 = || text.parse::<Ipv6Addr>().ok().map(|ip| (u128::from(ip), Format::V6));
    parse_mac(text).map(|mac| (mac, Format::Mac)).or_else(v4).or_else(v6)
}

fn parse_mac(text: &str) -> Option<u128> {
    let octets: Vec<&str> = text.split(':').collect();
    let well_formed = octets.len() == 6 && octets.iter().all(|octet| octet.len() == 2);
    well_formed.then(|| u128::from_str_radix(&octets.concat(), 16).ok()).flatten()
}
