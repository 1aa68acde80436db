//! The files of a folder: which have changed, and what each says.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::document::{Item, Reading, read};
use super::rejected::{self as code, Rejected, Severity};
use super::yaml::YamlError;

/// Endings of files that are manifests.
const ENDINGS: &[&str] = &["yaml", "yml", "json"];

/// A file that was changed this shortly before it was read may change again without a new time of change: clocks
/// of file systems are coarse.
const COARSE: Duration = Duration::from_secs(2);

/// The files of a folder, or a single one.
#[derive(Debug)]
pub(super) struct Files {
    path: PathBuf,
    /// By name, which is their order.
    known: BTreeMap<String, File>,
    /// Why the folder itself could not be read the last time.
    trouble: Option<Rejected>,
}

/// A file as it was last taken up, and what has been seen of it since.
#[derive(Debug, Default)]
struct File {
    stamp: Option<Stamp>,
    /// Hash of the content that was taken up.
    taken: Option<u64>,
    /// Hash of another content, seen once.
    seen: Option<u64>,
    /// It was not there at the last look.
    missing: bool,
    /// What it said when it could last be read.
    reading: Reading,
    /// Why it cannot be read now.
    broken: Option<Rejected>,
    /// It could never be read, or something in it is unknown that may well exist.
    unknown: bool,
}

/// Tells whether a file may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    changed: SystemTime,
    length: u64,
    inode: u64,
    /// It had just been changed when it was read, so that the same stamp proves nothing.
    fresh: bool,
}

impl Files {
    /// Reads all there is, at once.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut files = Self { path: path.to_owned(), known: BTreeMap::new(), trouble: None };
        for (name, (path, metadata)) in list(path)? {
            let mut file = File::default();
            file.look(&name, &path, &metadata, true);
            files.known.insert(name, file);
        }
        Ok(files)
    }

    /// Looks for changes. Answers whether something was taken up.
    pub(super) fn look(&mut self) -> bool {
        let present = match list(&self.path) {
            Ok(present) => present,
            Err(error) => {
                let trouble = unreadable(&self.path.to_string_lossy(), &error);
                return self.trouble.replace(trouble.clone()) != Some(trouble);
            }
        };
        let mut changed = self.trouble.take().is_some();
        self.known.retain(|name, file| {
            let gone = file.missing && !present.contains_key(name);
            file.missing = !present.contains_key(name);
            changed |= gone;
            !gone
        });
        for (name, (path, metadata)) in present {
            changed |= match self.known.entry(name) {
                Entry::Occupied(file) => {
                    let name = file.key().clone();
                    file.into_mut().look(&name, &path, &metadata, false)
                }
                Entry::Vacant(new) => {
                    let name = new.key().clone();
                    new.insert(File::default()).look(&name, &path, &metadata, false)
                }
            };
        }
        changed
    }

    /// What the files say, in the order of their names.
    pub(super) fn items(&self) -> impl Iterator<Item = (&str, &[Item])> {
        self.known.iter().map(|(name, file)| (name.as_str(), file.reading.items.as_slice()))
    }

    /// What is wrong with each file, and with the folder itself.
    pub(super) fn trouble(&self) -> Vec<Rejected> {
        let files = self.known.values().flat_map(|file| match &file.broken {
            Some(broken) => std::slice::from_ref(broken),
            None => file.reading.rejected.as_slice(),
        });
        self.trouble.iter().chain(files).cloned().collect()
    }

    /// Whether the files may hold objects that could not be read so far.
    pub(super) fn unknown(&self) -> bool {
        self.known.values().any(|file| file.unknown)
    }
}

impl File {
    /// Looks at a file that is there. Takes a new content up when it is seen twice, or `at_once`.
    fn look(&mut self, name: &str, path: &Path, metadata: &Metadata, at_once: bool) -> bool {
        let same = self.stamp.is_some_and(|stamp| !stamp.fresh && stamp.is_of(metadata));
        if same && self.seen.is_none() {
            return false;
        }
        // until it is read, nothing is known of it: rights may change without a trace in the stamp
        self.stamp = None;
        let text = match fs::read(path) {
            Ok(text) => text,
            // it was removed meanwhile; the next look will tell
            Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
            Err(error) => {
                let broken = unreadable(name, &error);
                self.unknown |= self.taken.is_none();
                return self.broken.replace(broken.clone()) != Some(broken);
            }
        };
        self.stamp = Stamp::of(metadata);
        let hash = hash(&text);
        let readable_again = self.broken.as_ref().is_some_and(|broken| broken.code == code::UNREADABLE);
        if self.taken == Some(hash) && !readable_again {
            self.seen = None;
            return false;
        }
        if !at_once && self.seen.replace(hash) != Some(hash) {
            return false;
        }
        self.seen = None;
        self.take_up(name, &text);
        self.taken = Some(hash);
        true
    }

    fn take_up(&mut self, name: &str, text: &[u8]) {
        let first = self.taken.is_none() || self.unknown;
        let reading = str::from_utf8(text)
            .map_err(|error| {
                let sound = text.iter().take(error.valid_up_to());
                YamlError {
                    line: sound.fold(1, |line, byte| line + u64::from(*byte == b'\n')),
                    message: format!("it is no text in UTF-8: {error}"),
                }
            })
            .and_then(|text| read(name, text));
        match reading {
            Ok(mut reading) => {
                let lost = keep_hidden(&mut reading, &self.reading);
                self.unknown = first && lost;
                self.reading = reading;
                self.broken = None;
            }
            Err(error) => {
                self.unknown = first;
                self.broken = Some(broken(name, error.line, code::YAML_INVALID, &error.message));
            }
        }
    }
}

/// Puts what an object was before in the place of one that cannot be read. Answers whether there is one for which
/// nothing is known.
fn keep_hidden(reading: &mut Reading, before: &Reading) -> bool {
    let mut lost = false;
    for hidden in &reading.hidden {
        match before.items.iter().find(|item| item.key() == hidden.key) {
            Some(item) => {
                reading.items.push(Item { place: hidden.place, content: item.content.clone() });
            }
            None => lost = true,
        }
    }
    reading.items.sort_by_key(|item| item.place.position);
    lost
}

impl Stamp {
    fn of(metadata: &Metadata) -> Option<Self> {
        let changed = metadata.modified().ok()?;
        let age = SystemTime::now().duration_since(changed).unwrap_or_default();
        Some(Self { changed, length: metadata.len(), inode: metadata.ino(), fresh: age < COARSE })
    }

    fn is_of(&self, metadata: &Metadata) -> bool {
        metadata.modified().is_ok_and(|changed| changed == self.changed)
            && (self.length, self.inode) == (metadata.len(), metadata.ino())
    }
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The manifests below a path by name, hidden files left out: editors and ConfigMap volumes keep theirs there.
fn list(path: &Path) -> io::Result<BTreeMap<String, (PathBuf, Metadata)>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        return Ok(BTreeMap::from([(name, (path.to_owned(), metadata))]));
    }
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if name.starts_with('.') || !ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
            continue;
        }
        // through links; one that leads nowhere is as good as removed
        if let Ok(metadata) = fs::metadata(&path)
            && metadata.is_file()
        {
            found.insert(name, (path, metadata));
        }
    }
    Ok(found)
}

fn unreadable(file: &str, error: &io::Error) -> Rejected {
    broken(file, 0, code::UNREADABLE, &format!("it cannot be read: {error}"))
}

fn broken(file: &str, line: u64, code: &'static str, reason: &str) -> Rejected {
    Rejected {
        file: file.to_owned(),
        line,
        severity: Severity::Error,
        kind: String::new(),
        name: String::new(),
        code,
        message: format!("{reason}. What it defined before stays in force until it can be read"),
    }
}
