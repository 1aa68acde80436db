//! Kernel settings under `/proc/sys`, per network namespace.
//!
//! The files of `/proc/sys/net` show the namespace of the thread that opens them. Keys are paths
//! (`net/ipv6/conf/eth0/accept_ra`), since link names may contain the dots that the other spelling splits on.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::netns::{NetNs, NetNsError};

/// A setting that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SysctlError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    NetNs(#[from] NetNsError),
    /// The file of the setting cannot be read or written.
    #[error("cannot {op} kernel setting {key}: {source}")]
    Io {
        /// `read` or `write`.
        op: &'static str,
        /// The setting, as a path below `/proc/sys`.
        key: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// A key that would leave `/proc/sys`.
    #[error("{key:?} is not a kernel setting: it must be a relative path without `..`")]
    BadKey {
        /// The refused key.
        key: String,
    },
}

impl SysctlError {
    /// True when this kernel has no such setting, e.g. `net/ipv6/…` with IPv6 compiled out.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// True when we may not change it: `/proc/sys` is often mounted read-only.
    pub fn is_denied(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem))
    }
}

/// Reads one setting, without the trailing newline.
pub fn read(ns: &NetNs, key: &str) -> Result<String, SysctlError> {
    let path = path_of(key)?;
    ns.run(|| read_file(&path, key))?
}

/// Writes settings in the given order and stops at the first that fails.
///
/// A setting that has the value already is not written: containers often see `/proc/sys` read-only.
pub fn write(ns: &NetNs, settings: &[(&str, &str)]) -> Result<(), SysctlError> {
    ns.run(|| settings.iter().copied().try_for_each(write_file))?
}

/// The same, but passes over what there is not ([`SysctlError::is_not_found`]) and what we may not change
/// ([`SysctlError::is_denied`]).
pub fn write_possible(ns: &NetNs, settings: &[(&str, &str)]) -> Result<(), SysctlError> {
    let apply = || {
        settings.iter().try_for_each(|setting| match write_file(*setting) {
            Err(error) if error.is_not_found() || error.is_denied() => Ok(()),
            done => done,
        })
    };
    ns.run(apply)?
}

fn write_file((key, value): (&str, &str)) -> Result<(), SysctlError> {
    let path = path_of(key)?;
    if read_file(&path, key)? != value {
        fs::write(&path, value).map_err(|source| failed("write", key, source))?;
    }
    Ok(())
}

fn read_file(path: &Path, key: &str) -> Result<String, SysctlError> {
    let text = fs::read_to_string(path).map_err(|source| failed("read", key, source))?;
    Ok(text.trim_end().to_owned())
}

fn path_of(key: &str) -> Result<PathBuf, SysctlError> {
    let plain =
        !key.is_empty() && Path::new(key).components().all(|part| matches!(part, Component::Normal(_)));
    if plain {
        Ok(Path::new("/proc/sys").join(key))
    } else {
        Err(SysctlError::BadKey { key: key.to_owned() })
    }
}

fn failed(op: &'static str, key: &str, source: io::Error) -> SysctlError {
    SysctlError::Io { op, key: key.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_below_proc_sys() {
        let ns = NetNs::current().expect("own namespace");
        for key in ["", "/etc/passwd", "../version", "net/../../version"] {
            assert!(matches!(read(&ns, key), Err(SysctlError::BadKey { .. })), "{key:?}");
        }
        assert!(read(&ns, "kernel/ostype").is_ok_and(|v| v == "Linux"));
        assert!(read(&ns, "net/no/such").is_err_and(|e| e.is_not_found()));
    }
}
