//! The one error of this module: what was tried on which object, and the kernel's errno.

use std::fmt::Display;
use std::io;

use nix::errno::Errno;

use crate::netns::NetNsError;

/// A change of the host's network that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {op} {object}: {}", errno.desc())]
pub struct NetlinkError {
    /// What was tried, as a verb that reads before the object.
    pub op: &'static str,
    /// The link, address or route it was tried on.
    pub object: String,
    /// What the kernel answered.
    pub errno: Errno,
}

impl NetlinkError {
    pub(crate) fn new(op: &'static str, object: impl Display, errno: Errno) -> Self {
        Self { op, object: object.to_string(), errno }
    }

    /// True when the object is there already.
    pub fn is_exists(&self) -> bool {
        self.errno == Errno::EEXIST
    }

    /// True when the object is not there (any more).
    pub fn is_not_found(&self) -> bool {
        matches!(self.errno, Errno::ENODEV | Errno::ENOENT | Errno::ESRCH | Errno::EADDRNOTAVAIL)
    }

    pub(crate) fn from_io(op: &'static str, object: &impl Display, error: &io::Error) -> Self {
        Self::new(op, object, Errno::from_raw(error.raw_os_error().unwrap_or_default()))
    }

    pub(super) fn from_ns(op: &'static str, object: &impl Display, error: &NetNsError) -> Self {
        match error {
            NetNsError::Io { source, .. } => Self::from_io(op, object, source),
            NetNsError::BadName { .. } => Self::new(op, object, Errno::EINVAL),
        }
    }
}

/// Names the operation that a netlink request was part of.
pub(super) trait Context<T> {
    fn context(self, op: &'static str, object: &impl Display) -> Result<T, NetlinkError>;
}

impl<T> Context<T> for Result<T, rtnetlink::Error> {
    fn context(self, op: &'static str, object: &impl Display) -> Result<T, NetlinkError> {
        self.map_err(|error| {
            let errno = match error {
                rtnetlink::Error::NetlinkError(answer) => Errno::from_raw(answer.raw_code().saturating_neg()),
                // The connection is gone: its driver ended with the runtime.
                rtnetlink::Error::RequestFailed => Errno::ENOTCONN,
                // The rest are requests or replies that do not parse.
                _ => Errno::EPROTO,
            };
            NetlinkError::new(op, object, errno)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_a_sentence() {
        let error = NetlinkError::new("delete link", "eth0", Errno::EPERM);
        assert_eq!(error.to_string(), "cannot delete link eth0: Operation not permitted");
        assert!(!error.is_exists() && !error.is_not_found());
    }

    #[test]
    fn a_closed_connection_is_not_a_missing_object() {
        let closed: Result<(), _> = Err(rtnetlink::Error::RequestFailed);
        let error = closed.context("set up", &"eth0").expect_err("closed");
        assert_eq!((error.errno, error.is_not_found()), (Errno::ENOTCONN, false));
    }
}
