//! What was found.

use serde_json::{Value, json};

use crate::ctl::{cluster::text::wrapped, paint::Paint};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// As it should be.
    Ok,
    /// It works, or may work, but somebody should look at it.
    Warn,
    /// It does not work.
    Fail,
}

impl Severity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Warn => "warn",
            Severity::Fail => "fail",
        }
    }

    pub(super) fn sign(self) -> char {
        match self {
            Severity::Ok => '+',
            Severity::Warn => '~',
            Severity::Fail => '-',
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// What it would be called if it were not as it should be.
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    /// What it is about, in a word or two.
    pub(super) subject: String,
    /// What there is, with numbers.
    pub(super) text: String,
    /// What to do; empty where nothing has to be done.
    pub(super) next: String,
}

impl Finding {
    pub(super) fn ok(code: &'static str, subject: impl Into<String>, text: impl Into<String>) -> Self {
        let (subject, text) = (subject.into(), text.into());
        Finding { code, severity: Severity::Ok, subject, text, next: String::new() }
    }

    pub(super) fn warn(
        code: &'static str,
        subject: impl Into<String>,
        text: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        let (subject, text, next) = (subject.into(), text.into(), next.into());
        Finding { code, severity: Severity::Warn, subject, text, next }
    }

    pub(super) fn fail(
        code: &'static str,
        subject: impl Into<String>,
        text: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Finding { severity: Severity::Fail, ..Finding::warn(code, subject, text, next) }
    }

    /// The code, and below it what there is and what to do.
    pub(super) fn to_text(&self, paint: Paint) -> String {
        let head = format!("{}  {}\n", paint.signed(self.severity.sign(), self.code), self.subject);
        head + &wrapped(&format!("{}. {}", self.text, self.next), 2)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "code": self.code,
            "severity": self.severity.name(),
            "subject": self.subject,
            "text": self.text,
            "next": self.next,
        })
    }
}
