//! The few colours that a terminal gets.

use std::io::IsTerminal;

use clap::ValueEnum;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    /// What fits standard output. Of the environment `NO_COLOR` counts, when it is not empty (no-color.org).
    pub fn choose(when: When) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Paint(match when {
            When::Auto => !plain && std::io::stdout().is_terminal(),
            When::Always => true,
            When::Never => false,
        })
    }

    /// No colours, wherever it goes.
    pub fn none() -> Self {
        Paint(false)
    }

    /// A text in the colour of its sign: `+` green, `-` red, `~` yellow.
    pub fn signed(self, sign: char, text: &str) -> String {
        let code = match sign {
            '+' => "32",
            '-' => "31",
            _ => "33",
        };
        self.wrap(code, text)
    }

    /// A heading.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
