//! The records of a file: `OVSDB <magic> <length> <sha1>`, a line end, and so many bytes.

use sha1_smol::Sha1;

use super::error::FileError;

/// A first line is shorter than this, whatever its numbers.
const LONGEST_HEADER: usize = 128;

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Magic {
    Json,
    Cluster,
}

/// One record whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    /// Where it begins.
    pub(super) offset: u64,
    /// Its number, from 0.
    pub(super) number: usize,
    /// Its second line.
    pub(super) body: &'a [u8],
}

/// The records of a file, one after the other.
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    number: usize,
    magic: Magic,
    cut: Option<u64>,
}

/// A first line, as far as it is there.
enum Header<'a> {
    Whole {
        magic: Magic,
        length: usize,
        sha1: &'a str,
        size: usize,
    },
    /// The file ends within it.
    Cut,
    Broken,
}

impl<'a> Records<'a> {
    /// The records of a file that begins as one should.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, FileError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let magic = match header(bytes) {
            Header::Whole { magic, .. } => magic,
            Header::Cut => return Err(FileError::Empty { bytes: size }),
            Header::Broken => return Err(FileError::Format { begins: excerpt(bytes) }),
        };
        Ok(Records { bytes, at: 0, number: 0, magic, cut: None })
    }

    pub(super) fn magic(&self) -> Magic {
        self.magic
    }

    /// Where a record begins that is cut off; known when all have been read.
    pub(super) fn cut(&self) -> Option<u64> {
        self.cut
    }

    /// The first record, without which there is no database.
    pub(super) fn first(&mut self) -> Result<Record<'a>, FileError> {
        let size = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        self.next()?.ok_or(FileError::Empty { bytes: size })
    }

    /// The next whole record; `None` at the end, or where the last one is cut off.
    pub(super) fn next(&mut self) -> Result<Option<Record<'a>>, FileError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let offset = u64::try_from(self.at).unwrap_or(u64::MAX);
        let (length, sha1, size) = match header(rest) {
            Header::Whole { magic, length, sha1, size } if magic == self.magic => (length, sha1, size),
            Header::Cut => {
                self.cut = Some(offset);
                return Ok(None);
            }
            Header::Whole { .. } | Header::Broken => {
                return Err(FileError::Record { offset, records: self.number, found: excerpt(rest) });
            }
        };
        let Some(body) = rest.get(size..).and_then(|rest| rest.get(..length)) else {
            self.cut = Some(offset);
            return Ok(None);
        };
        let actual = Sha1::from(body).digest().to_string();
        if !actual.eq_ignore_ascii_case(sha1) {
            let expected = sha1.to_owned();
            return Err(FileError::Checksum { offset, record: self.number, expected, actual });
        }
        let record = Record { offset, number: self.number, body };
        self.at += size + length;
        self.number += 1;
        Ok(Some(record))
    }
}

impl Record<'_> {
    /// The error that this record cannot be understood.
    pub(super) fn problem(&self, problem: impl ToString) -> FileError {
        FileError::Content { offset: self.offset, record: self.number, problem: problem.to_string() }
    }
}

fn header(bytes: &[u8]) -> Header<'_> {
    let window = bytes.get(..LONGEST_HEADER).unwrap_or(bytes);
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        // the file may end within the line, if what is there could be the beginning of one
        let begins = |magic: &[u8]| window.starts_with(magic) || magic.starts_with(window);
        let could = begins(b"OVSDB JSON ") || begins(b"OVSDB CLUSTER ");
        return if could && window.len() < LONGEST_HEADER { Header::Cut } else { Header::Broken };
    };
    let line = window.get(..end).and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    whole(line, end + 1).unwrap_or(Header::Broken)
}

fn whole(line: &str, size: usize) -> Option<Header<'_>> {
    let mut words = line.strip_prefix("OVSDB ")?.split(' ');
    let magic = match words.next()? {
        "JSON" => Magic::Json,
        "CLUSTER" => Magic::Cluster,
        _ => return None,
    };
    let length = words.next()?.parse().ok().filter(|length| *length > 0)?;
    let sha1 = words.next().filter(|sha1| sha1.len() == 40 && sha1.bytes().all(|b| b.is_ascii_hexdigit()))?;
    words.next().is_none().then_some(Header::Whole { magic, length, sha1, size })
}

/// The first bytes, for people.
fn excerpt(bytes: &[u8]) -> String {
    let bytes = bytes.get(..24).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}
