//! What a command comes to, and how it speaks.

use std::io::Write;

/// What a command found; errors end with [`ExitCode::FAILURE`](std::process::ExitCode::FAILURE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// All is as it should be: exit code 0.
    Nothing,
    /// There are differences or findings: exit code 2.
    Something,
    /// There are warnings alone, and it was asked to be strict: exit code 1.
    Warnings,
}

/// A line on standard output. Answers whether anybody reads on.
pub(super) fn print(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// A line on standard error.
pub(super) fn say(text: &str) {
    // There is nobody else to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}
