//! All files together: which object of a name counts, and how old each one is.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use kubeovn_core::index::objects::{Object, ObjectKey};

use super::document::{Content, ItemKey, Place};
use super::files::Files;
use super::rejected::{self as code, Rejected, Severity};
use crate::lab::manifest::Probe;

/// How many objects of one file are told apart by age; those behind are told apart by name.
const PLACES: u64 = 1 << 20;

/// What the files say beside objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The probes, in the order of files and lines.
    pub probes: Vec<Probe>,
    /// What has no effect, in the order of files and lines.
    pub rejected: Vec<Rejected>,
    /// Where each object stands: file and line.
    pub places: BTreeMap<ObjectKey, (String, u64)>,
}

/// The objects and findings of all files.
pub(super) fn merge(files: &Files) -> (BTreeMap<ObjectKey, Object>, Findings) {
    let mut objects = BTreeMap::new();
    let mut findings = Findings { rejected: files.trouble(), ..Findings::default() };
    let mut seen = BTreeMap::<ItemKey, (&str, Place)>::new();
    for (rank, (file, items)) in (0..).zip(files.items()) {
        for item in items {
            let key = item.key();
            match seen.entry(key) {
                Entry::Occupied(first) => {
                    let (other, place) = first.get();
                    findings.rejected.push(duplicate(first.key(), file, item.place, other, *place));
                    continue;
                }
                Entry::Vacant(vacant) => vacant.insert((file, item.place)),
            };
            match &item.content {
                Content::Probe(probe) => findings.probes.push(probe.clone()),
                Content::Object(object) => {
                    let mut object = Object::clone(object);
                    if object.meta().created == 0 {
                        object.meta_mut().created = age(rank, item.place);
                    }
                    findings.places.insert(object.key(), (file.to_owned(), item.place.line));
                    objects.insert(object.key(), object);
                }
            }
        }
    }
    findings.rejected.sort();
    (objects, findings)
}

/// The creation time of an object whose manifest tells none: it follows from the place, so that it is the same
/// after a restart, and it is before any real time.
fn age(rank: u64, place: Place) -> u64 {
    rank * PLACES + u64::from(place.position).min(PLACES - 2) + 1
}

fn duplicate(key: &ItemKey, file: &str, place: Place, other: &str, first: Place) -> Rejected {
    Rejected {
        file: file.to_owned(),
        line: place.line,
        severity: Severity::Error,
        kind: key.kind().to_owned(),
        name: key.name(),
        code: code::OBJECT_DUPLICATE,
        message: format!(
            "it is defined in {other}:{} already, and that one counts; remove one of them",
            first.line
        ),
    }
}
