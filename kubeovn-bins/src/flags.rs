//! Flags of Kube-OVN's programs, each program's in one table: what is parsed, what is said of each, what acts.
//!
//! All of them are taken, so that a manifest that was written for Kube-OVN starts. What is asked for in vain is said
//! ([`Flags::in_vain`]).

mod logger;
#[cfg(test)]
pub(crate) mod table_in_docs;
#[cfg(test)]
mod tests;

use std::{ffi::OsString, fmt, str::FromStr, time::Duration};

use clap::{Arg, ArgAction, ArgMatches, Command, error::ErrorKind};
use thiserror::Error;

/// A program and its flags.
#[derive(Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Its own flags; those of the logger, which every program has, are not among them.
    pub flags: &'static [Flag],
}

impl Program {
    /// Every flag that it takes.
    pub fn all(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        self.flags.iter().chain(logger::FLAGS)
    }
}

/// A flag.
#[derive(Debug)]
pub struct Flag {
    /// Its name, behind two dashes.
    pub name: &'static str,
    /// What its value is.
    pub value: ValueKind,
    /// The value that it has when it is not given.
    pub default: &'static str,
    /// What becomes of it.
    pub fate: Fate,
    /// What it is for.
    pub help: &'static str,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `true` or `false`; the flag alone is `true`.
    Switch,
    /// A whole number.
    Number,
    /// A duration as Go writes it: `30s`, `1m30s`.
    Time,
    /// Any text.
    Text,
}

/// What becomes of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It does what it says.
    Acts,
    /// It is for something that is not needed here.
    Needless,
    /// It is for something that is not done yet.
    Later,
}

/// The flags of a command line. Every flag of the program has a readable value.
#[derive(Clone, Debug)]
pub struct Flags {
    program: &'static Program,
    matches: ArgMatches,
}

/// Why a command line can't be used.
#[derive(Debug, Error)]
pub enum FlagError {
    /// It is no command line of this program, or asks for help.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// A value can't be read.
    #[error("FLAG-INVALID: --{flag}={text}: {problem}")]
    Value {
        /// The flag.
        flag: &'static str,
        /// Its value.
        text: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

impl Flags {
    /// Reads a command line, the program's name first. Of a flag that is given twice the last one counts.
    ///
    /// # Errors
    /// A flag that there is not, or a value that can't be read.
    pub fn parse(
        program: &'static Program,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, FlagError> {
        let flags = Flags { program, matches: command(program).try_get_matches_from(arguments)? };
        for flag in program.all() {
            flags.check(flag)?;
        }
        Ok(flags)
    }

    fn check(&self, flag: &'static Flag) -> Result<(), FlagError> {
        let text = self.text(flag.name);
        let fine = match flag.value {
            ValueKind::Switch => switch(text).map(drop).ok_or("write true or false"),
            ValueKind::Number => text.parse::<i64>().map(drop).map_err(|_| "write a whole number"),
            ValueKind::Time => {
                text.parse::<GoDuration>().map(drop).map_err(|()| "write a duration like 30s or 1m30s")
            }
            ValueKind::Text => Ok(()),
        };
        fine.map_err(|problem| FlagError::Value {
            flag: flag.name,
            text: text.to_owned(),
            problem: problem.to_owned(),
        })
    }

    /// The value of a flag as it was written; empty for one that there is not.
    pub fn text(&self, name: &str) -> &str {
        self.matches.try_get_one::<String>(name).ok().flatten().map_or("", String::as_str)
    }

    /// The value of a switch.
    pub fn is_on(&self, name: &str) -> bool {
        switch(self.text(name)).unwrap_or(false)
    }

    /// The value of a number.
    ///
    /// # Errors
    /// It is out of the range of its type.
    pub fn number<T: FromStr>(&self, name: &'static str) -> Result<T, FlagError> {
        let text = self.text(name);
        text.parse().map_err(|_| self.wrong(name, "is out of range"))
    }

    /// The value of a duration.
    pub fn time(&self, name: &str) -> Duration {
        self.text(name).parse::<GoDuration>().map_or(Duration::ZERO, |time| time.0)
    }

    /// That a value is wrong in itself.
    pub fn wrong(&self, flag: &'static str, problem: impl Into<String>) -> FlagError {
        FlagError::Value { flag, text: self.text(flag).to_owned(), problem: problem.into() }
    }

    /// Flags that are given another value than their default, and that nothing acts on yet.
    pub fn in_vain(&self) -> Vec<String> {
        let given = |flag: &&'static Flag| flag.fate == Fate::Later && self.text(flag.name) != flag.default;
        let flags = self.program.all().filter(given);
        flags.map(|flag| format!("--{}={}", flag.name, self.text(flag.name))).collect()
    }
}

fn command(program: &'static Program) -> Command {
    let fate = |flag: &Flag| match flag.fate {
        Fate::Acts => "",
        Fate::Needless => " (not needed here: taken, without effect)",
        Fate::Later => " (not done yet: taken, without effect)",
    };
    let arg = |flag: &'static Flag| {
        let switch = flag.value == ValueKind::Switch;
        let arg = Arg::new(flag.name)
            .long(flag.name)
            .action(ArgAction::Set)
            .default_value(flag.default)
            .hide_default_value(flag.default.is_empty())
            .allow_hyphen_values(true)
            .help(format!("{}{}", flag.help, fate(flag)));
        let arg = if flag.name == "v" { arg.short('v') } else { arg };
        if switch { arg.num_args(0..=1).require_equals(true).default_missing_value("true") } else { arg }
    };
    Command::new(program.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about(program.about)
        .args_override_self(true)
        .args(program.all().map(arg))
}

/// As Go reads it.
fn switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A duration as Go writes it.
struct GoDuration(Duration);

impl FromStr for GoDuration {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "0" {
            return Ok(GoDuration(Duration::ZERO));
        }
        let (mut left, mut sum) = (text, Duration::ZERO);
        if left.is_empty() {
            return Err(());
        }
        while !left.is_empty() {
            let digits = left.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(())?;
            let (number, rest) = left.split_at(digits);
            let number: f64 = number.parse().map_err(|_| ())?;
            let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let (unit, rest) = rest.split_at(unit);
            let seconds = match unit {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(()),
            };
            let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| ())?;
            sum = sum.checked_add(part).ok_or(())?;
            left = rest;
        }
        Ok(GoDuration(sum))
    }
}

impl FlagError {
    /// Asks for help or the version: no error, to be printed as it is.
    pub fn is_help(&self) -> bool {
        let FlagError::Usage(error) = self else { return false };
        matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fate::Acts => "acts",
            Fate::Needless => "not needed here",
            Fate::Later => "not yet",
        })
    }
}
