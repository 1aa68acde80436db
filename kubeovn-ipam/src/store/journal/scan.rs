//! What a journal says, and where it ends to say something.

use super::format::{Header, HeaderError, VERSION, read_header, read_line};
use crate::{
    Entry,
    store::error::{Damage, LineError},
};

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) entries: Vec<Entry>,
    /// Number of the last entry.
    pub(super) last: u64,
    /// The highest entry known to be durable.
    pub(super) durable: u64,
    /// How many entries the last snapshot had.
    pub(super) snapshot: u64,
    /// How many bytes of it are sound. What follows was never durable.
    pub(super) sound: usize,
}

/// Why a journal can't be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// A later version wrote it.
    Version { version: u64, known: u64 },
    /// Something is gone that was durable.
    Damaged { offset: usize, damage: Damage },
}

/// Reads a journal.
///
/// The first line that is cut, has a wrong checksum or another number than the next one ends the list. It is the end
/// of what was written and never synced before a crash, unless a line that can be read says that this entry was
/// durable. An entry that is whole but not understood is never taken for such an end.
pub(super) fn scan(bytes: &[u8]) -> Result<Scan, Unusable> {
    let mut lines = lines(bytes);
    let Header { base, durable, snapshot } = first(lines.next())?;
    let mut scan = Scan { last: base, durable, snapshot, ..Scan::default() };
    let mut problem = None;
    for (offset, line) in lines {
        let read = line.clone().and_then(read_line);
        let told = match &read {
            Ok(line) => Some(line.durable),
            Err(_) => line.ok().and_then(salvage),
        };
        scan.durable = scan.durable.max(told.unwrap_or(0));
        if problem.is_some() {
            continue;
        }
        match read {
            Ok(line) if line.sequence == 0 || line.sequence == scan.last + 1 => {
                let sequence = line.sequence;
                let entry = line.entry().map_err(|problem| {
                    let damage = Damage::Meaning { sequence, problem };
                    Unusable::Damaged { offset, damage }
                })?;
                scan.last = sequence.max(scan.last);
                scan.entries.extend(entry);
            }
            Ok(line) => problem = Some((offset, LineError::Sequence { found: line.sequence })),
            Err(error) => problem = Some((offset, error)),
        }
    }
    let (offset, problem) = problem.unwrap_or((bytes.len(), LineError::Cut));
    if scan.durable > scan.last {
        let damage = Damage::Entry { missing: scan.last + 1, problem, durable: scan.durable };
        return Err(Unusable::Damaged { offset, damage });
    }
    scan.sound = offset;
    Ok(scan)
}

fn first(line: Option<(usize, Result<&[u8], LineError>)>) -> Result<Header, Unusable> {
    // A journal gets its name when it has a durable header: there is no crash that leaves one without.
    let (offset, line) = line.unwrap_or((0, Err(LineError::Cut)));
    line.map_err(HeaderError::Line).and_then(read_header).map_err(|error| match error {
        HeaderError::Version(version) => Unusable::Version { version, known: VERSION },
        HeaderError::Line(problem) => Unusable::Damaged { offset, damage: Damage::Header { problem } },
    })
}

/// What a line says is durable that lost the end of the line before it, and so its own beginning.
fn salvage(line: &[u8]) -> Option<u64> {
    let begins = |at: &[u8]| {
        let (sum, rest) = at.split_at_checked(8)?;
        (rest.starts_with(b" ") && sum.iter().all(u8::is_ascii_hexdigit)).then_some(())
    };
    let ends = (1..line.len()).filter_map(|start| line.get(start..).filter(|end| begins(end).is_some()));
    ends.filter_map(|end| read_line(end).ok()).map(|line| line.durable).max()
}

/// Lines without their ends, and where they begin.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, Result<&[u8], LineError>)> {
    let mut offset = 0;
    bytes.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let start = offset;
        offset += line.len();
        (start, line.strip_suffix(b"\n").ok_or(LineError::Cut))
    })
}

#[cfg(test)]
mod tests;
