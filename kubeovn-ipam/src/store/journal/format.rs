//! The journal as text: one line per entry, to be read with `less` and checked with `grep`.
//!
//! ```text
//! 5cbe4c0b kubeovn-ipam-journal 1 0 0 0
//! 1d60a3c7 1 0 settled pod/shop/web-0 6f1a 1700 granted - net1 vpc1 10.0.0.10 fd00::2 0a:58:… active 1 1700 v4,v6
//! c0b96a5e 2 1 settled pod/shop/web-0 6f1a 2300 released net1 - 1
//! 9b1c6a41 0 2 mark
//! └ checksum of the rest
//!          └ number of the entry; 0 for a mark, which is none
//!            └ highest entry known to be durable when the line was written
//! ```
//!
//! The header has its format, the number before the first entry, the highest entry that was durable when the file
//! was written, and how many entries its snapshot has.

use std::fmt::Write;

use super::{
    body,
    text::{bad, crc32},
};
use crate::{Entry, store::error::LineError};

/// The format written here, and the highest that can be read. Later formats keep the first three fields of the header.
pub(super) const VERSION: u64 = 1;
const MAGIC: &str = "kubeovn-ipam-journal";
const MARK: &str = "mark";
/// Numbers above are never written. So nobody need fear that one more would overflow.
const TOO_HIGH: u64 = 1 << 62;

/// The first line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// The number before that of the first entry.
    pub(super) base: u64,
    /// The highest entry that was durable when the file got its name.
    pub(super) durable: u64,
    /// How many entries the snapshot had.
    pub(super) snapshot: u64,
}

/// Any other line, not understood yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Number of the entry, 0 for a mark.
    pub(super) sequence: u64,
    /// The highest entry known to be durable when it was written.
    pub(super) durable: u64,
    body: &'a str,
}

/// Why a first line is no header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    /// Of a later version.
    Version(u64),
    /// Damaged.
    Line(LineError),
}

impl Line<'_> {
    /// The entry, unless it is a mark.
    pub(super) fn entry(&self) -> Result<Option<Entry>, LineError> {
        match (self.sequence, self.body) {
            (0, MARK) => Ok(None),
            (0, text) => Err(bad("kind", text)),
            (_, body) => body::read(body).map(Some),
        }
    }
}

/// Adds an entry, as it will stand in a line, to others.
pub(super) fn push_body(entry: &Entry, bodies: &mut String) {
    body::write(entry, bodies);
    bodies.push('\n');
}

/// Lines of bodies, with rising numbers.
pub(super) fn lines(bodies: &str, first: u64, durable: u64) -> String {
    let mut out = String::with_capacity(bodies.len() * 5 / 4);
    let mut rest = String::new();
    for (sequence, body) in (first..).zip(bodies.lines()) {
        rest.clear();
        let _ = write!(rest, "{sequence} {durable} {body}");
        push_line(&rest, &mut out);
    }
    out
}

/// A line that says only what is durable.
pub(super) fn mark(durable: u64) -> String {
    let mut out = String::new();
    push_line(&format!("0 {durable} {MARK}"), &mut out);
    out
}

/// The first line.
pub(super) fn header(header: Header) -> String {
    let Header { base, durable, snapshot } = header;
    let mut out = String::new();
    push_line(&format!("{MAGIC} {VERSION} {base} {durable} {snapshot}"), &mut out);
    out
}

fn push_line(rest: &str, out: &mut String) {
    let _ = writeln!(out, "{:08x} {rest}", crc32(rest.as_bytes()));
}

/// Reads a first line, without its end.
pub(super) fn read_header(line: &[u8]) -> Result<Header, HeaderError> {
    let rest = checked(line).map_err(HeaderError::Line)?;
    let mut fields = rest.split(' ');
    let mut read = || {
        let magic = fields.next().unwrap_or_default();
        if magic != MAGIC {
            return Err(bad("header", magic));
        }
        let version = number("version", fields.next())?;
        if version != VERSION {
            return Ok(Err(version));
        }
        let header = Header {
            base: number("base", fields.next())?,
            durable: number("durable", fields.next())?,
            snapshot: number("snapshot", fields.next())?,
        };
        fields.next().map_or(Ok(Ok(header)), |text| Err(LineError::Surplus { text: text.into() }))
    };
    match read().map_err(HeaderError::Line)? {
        Ok(header) => Ok(header),
        Err(0) => Err(HeaderError::Line(bad("version", "0"))),
        Err(version) => Err(HeaderError::Version(version)),
    }
}

/// Reads another line, without its end.
pub(super) fn read_line(line: &[u8]) -> Result<Line<'_>, LineError> {
    let mut fields = checked(line)?.splitn(3, ' ');
    let (sequence, durable) = (number("number", fields.next())?, number("durable", fields.next())?);
    Ok(Line { sequence, durable, body: fields.next().ok_or(LineError::Missing { field: "kind" })? })
}

/// What stands behind the checksum, if it is right.
fn checked(line: &[u8]) -> Result<&str, LineError> {
    let (sum, rest) = line.split_at_checked(8).ok_or(LineError::Checksum)?;
    let rest = rest.strip_prefix(b" ").ok_or(LineError::Checksum)?;
    // A capital letter in it is damage too.
    let sum =
        str::from_utf8(sum).ok().filter(|sum| sum.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    if sum.and_then(|sum| u32::from_str_radix(sum, 16).ok()) != Some(crc32(rest)) {
        return Err(LineError::Checksum);
    }
    str::from_utf8(rest).map_err(|_| LineError::NotText)
}

fn number(field: &'static str, text: Option<&str>) -> Result<u64, LineError> {
    let text = text.ok_or(LineError::Missing { field })?;
    text.parse().ok().filter(|number| *number < TOO_HIGH).ok_or_else(|| bad(field, text))
}

#[cfg(test)]
mod tests;
