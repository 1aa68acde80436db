//! Who holders are: kind, name and uid of each as one run of bytes, in chunks, so that a million of them are no
//! million allocations.

use std::{collections::BTreeMap, sync::Arc};

use kubeovn_core::rows::{OwnerKey, OwnerKind};

use super::hash;

/// Bytes per chunk; a longer identity has one for itself.
const CHUNK: usize = 1 << 16;
/// Places are counted in units of so many bytes.
const UNIT: usize = 8;
/// Units per chunk.
const UNITS: u32 = 1 << 13;
/// Length of kind, form of the uid and the two lengths.
const HEAD: usize = 10;

/// Identities by id. What is removed leaves room for the next of about that length.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identities {
    chunks: Vec<Vec<u8>>,
    /// Room that was left, by its length in units.
    vacant: BTreeMap<u32, Vec<u32>>,
}

/// An identity taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts<'a> {
    kind: u8,
    packed: bool,
    name: &'a [u8],
    uid: &'a [u8],
}

impl Identities {
    pub(crate) fn insert(&mut self, key: &OwnerKey, uid: &str) -> u32 {
        let packed = pack(uid);
        let uid = packed.as_ref().map_or(uid.as_bytes(), |bytes| bytes.as_slice());
        let name = key.name.as_bytes();
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let ([a, b, c, d], [e, f, g, h]) = (length(name), length(uid));
        let head = [kind_number(key.kind), u8::from(packed.is_some()), a, b, c, d, e, f, g, h];
        let (id, mut room) = self.room(HEAD + name.len() + uid.len());
        for part in [&head[..], name, uid] {
            let Some((place, rest)) = room.split_at_mut_checked(part.len()) else { break };
            place.copy_from_slice(part);
            room = rest;
        }
        id
    }

    pub(crate) fn remove(&mut self, id: u32) {
        if let Some(length) = self.parts(id).map(|parts| HEAD + parts.name.len() + parts.uid.len()) {
            let units = u32::try_from(length.div_ceil(UNIT)).unwrap_or(u32::MAX);
            self.vacant.entry(units).or_default().push(id);
        }
    }

    /// The hash of an owner, whatever the uid.
    pub(crate) fn hash_of(key: &OwnerKey) -> u64 {
        hash((kind_number(key.kind), key.name.as_bytes()))
    }

    /// The same of one that is in.
    pub(crate) fn hash(&self, id: u32) -> u64 {
        self.parts(id).map_or(0, |parts| hash((parts.kind, parts.name)))
    }

    /// Is this the identity of that owner, whatever the uid?
    pub(crate) fn is(&self, id: u32, key: &OwnerKey) -> bool {
        self.parts(id)
            .is_some_and(|parts| parts.kind == kind_number(key.kind) && parts.name == key.name.as_bytes())
    }

    /// Has it this uid?
    pub(crate) fn has_uid(&self, id: u32, uid: &str) -> bool {
        let packed = pack(uid);
        let bytes = packed.as_ref().map_or(uid.as_bytes(), |bytes| bytes.as_slice());
        self.parts(id).is_some_and(|parts| parts.packed == packed.is_some() && parts.uid == bytes)
    }

    pub(crate) fn key(&self, id: u32) -> Option<OwnerKey> {
        self.kind_and_name(id).map(|(kind, name)| OwnerKey::new(kind, name))
    }

    pub(crate) fn kind_and_name(&self, id: u32) -> Option<(OwnerKind, &str)> {
        let parts = self.parts(id)?;
        let kind = OwnerKind::ALL.get(usize::from(parts.kind))?;
        Some((*kind, str::from_utf8(parts.name).ok()?))
    }

    pub(crate) fn uid(&self, id: u32) -> Option<Arc<str>> {
        let parts = self.parts(id)?;
        if parts.packed { unpack(parts.uid) } else { str::from_utf8(parts.uid).ok().map(Arc::from) }
    }

    fn parts(&self, id: u32) -> Option<Parts<'_>> {
        let at = (id % UNITS) as usize * UNIT;
        let bytes = self.chunks.get((id / UNITS) as usize)?.get(at..)?;
        let (head, bytes) = bytes.split_first_chunk::<HEAD>()?;
        let [kind, packed, a, b, c, d, e, f, g, h] = *head;
        let name_length = u32::from_le_bytes([a, b, c, d]) as usize;
        let uid_length = u32::from_le_bytes([e, f, g, h]) as usize;
        let (name, bytes) = bytes.split_at_checked(name_length)?;
        Some(Parts { kind, packed: packed != 0, name, uid: bytes.get(..uid_length)? })
    }

    /// Finds room for so many bytes.
    fn room(&mut self, length: usize) -> (u32, &mut [u8]) {
        let units = u32::try_from(length.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let length = length.next_multiple_of(UNIT);
        let id = self.vacant.get_mut(&units).and_then(Vec::pop).unwrap_or_else(|| self.open(length));
        let at = (id % UNITS) as usize * UNIT;
        let chunk = self.chunks.get_mut((id / UNITS) as usize);
        (id, chunk.and_then(|chunk| chunk.get_mut(at..at + length)).unwrap_or_default())
    }

    /// Adds room behind all others.
    fn open(&mut self, length: usize) -> u32 {
        let fits = self.chunks.last().is_some_and(|chunk| chunk.len() + length <= CHUNK);
        if !fits {
            // The first one grows as it is filled: most ledgers are small.
            let room = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(room));
        }
        let number = u32::try_from(self.chunks.len() - 1).unwrap_or(u32::MAX);
        let Some(chunk) = self.chunks.last_mut() else { return u32::MAX };
        let at = u32::try_from(chunk.len() / UNIT).unwrap_or(u32::MAX);
        chunk.resize(chunk.len() + length, 0);
        number.saturating_mul(UNITS).saturating_add(at)
    }
}

fn kind_number(kind: OwnerKind) -> u8 {
    let place = OwnerKind::ALL.iter().position(|known| *known == kind);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
}

/// The value of a hexadecimal digit as Kubernetes writes it; 255 for all else.
fn digit(c: u8) -> u8 {
    let (decimal, letter) = (c.wrapping_sub(b'0'), c.wrapping_sub(b'a'));
    let beyond = if letter < 6 { letter + 10 } else { 255 };
    if decimal < 10 { decimal } else { beyond }
}

/// A UUID as Kubernetes writes it, in 16 bytes. Without branches for its digits: this is on the way of every grant.
fn pack(uid: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = uid.as_bytes().try_into().ok()?;
    let (first, rest) = text.split_first_chunk::<8>()?;
    let [b'-', rest @ ..] = rest else { return None };
    let (groups, last) = rest.split_first_chunk::<15>()?;
    let [a, b, c, d, b'-', e, f, g, h, b'-', i, j, k, l, b'-'] = *groups else { return None };
    let mut digits = [0; 32];
    digits.first_chunk_mut()?.clone_from(first);
    digits.get_mut(8..)?.first_chunk_mut()?.clone_from(&[a, b, c, d, e, f, g, h, i, j, k, l]);
    digits.last_chunk_mut::<12>()?.copy_from_slice(last);
    let digits = digits.map(digit);
    let wrong = digits.iter().fold(0, |wrong, digit| wrong | digit) & 0xf0 != 0;
    let mut packed = [0; 16];
    let (pairs, _) = digits.as_chunks::<2>();
    packed.iter_mut().zip(pairs).for_each(|(byte, [high, low])| *byte = high << 4 | low);
    (!wrong).then_some(packed)
}

fn unpack(bytes: &[u8]) -> Option<Arc<str>> {
    let mut text = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16)?);
        }
    }
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "6f1a8c32-00aa-4bcd-8e9f-0123456789ab";

    fn read(identities: &Identities, id: u32) -> (String, String) {
        (identities.key(id).unwrap().to_string(), identities.uid(id).unwrap().to_string())
    }

    #[test]
    fn what_goes_in_comes_out() {
        let (mut identities, long) = (Identities::default(), "x".repeat(200_000));
        let all = [
            (OwnerKey::pod("default", "web-0"), UUID),
            (OwnerKey::new(OwnerKind::Node, "n1"), ""),
            (OwnerKey::new(OwnerKind::Attachment, "ä"), "6F1A8C32-00aa-4bcd-8e9f-0123456789ab"),
            (OwnerKey::pod("", &long), "6f1a8c32+00aa-4bcd-8e9f-0123456789ab"),
            (OwnerKey::pod("", "after a long one"), "u"),
        ];
        let ids: Vec<u32> = all.iter().map(|(key, uid)| identities.insert(key, uid)).collect();
        for (id, (key, uid)) in ids.iter().zip(&all) {
            assert_eq!(read(&identities, *id), (key.to_string(), (*uid).to_owned()));
            assert!(identities.is(*id, key) && identities.has_uid(*id, uid));
            assert!(!identities.has_uid(*id, "other"));
            assert_eq!(identities.hash(*id), Identities::hash_of(key));
        }
        assert!(!identities.is(ids[0], &all[1].0));
    }

    #[test]
    fn room_is_used_again() {
        let mut identities = Identities::default();
        for round in 0..20 {
            let name = |i: u32| OwnerKey::pod("default", &format!("web-{round:02}-{i:05}"));
            let ids: Vec<u32> = (0..5_000).map(|i| identities.insert(&name(i), UUID)).collect();
            assert_eq!(read(&identities, ids[4_321]), (name(4_321).to_string(), UUID.to_owned()));
            ids.into_iter().for_each(|id| identities.remove(id));
        }
        assert!(identities.chunks.len() < 6, "{}", identities.chunks.len());
    }
}
