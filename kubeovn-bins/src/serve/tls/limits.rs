//! Which TLS is spoken.

use tokio_rustls::rustls::{
    SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    version::{TLS12, TLS13},
};

use crate::flags::{FlagError, Flags};

/// Which TLS is spoken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The only version that is spoken, where it is not both.
    versions: Option<Version>,
    /// Suites for TLS 1.2, by their names; none of them is any of ours. Those of 1.3 are not chosen, as with Go.
    suites: Vec<String>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Tls12,
    Tls13,
}

impl Limits {
    /// Reads `--tls-min-version`, `--tls-max-version` and `--tls-cipher-suites`.
    ///
    /// # Errors
    /// A value that can't be read, or with which there would be no TLS.
    pub fn chosen(flags: &Flags) -> Result<Self, FlagError> {
        const MIN: &str = "tls-min-version";
        const MAX: &str = "tls-max-version";
        const SUITES: &str = "tls-cipher-suites";
        let oldest = match flags.text(MIN) {
            // Older ones are not spoken at all.
            "" | "TLS10" | "TLS11" | "TLS12" => Version::Tls12,
            "TLS13" => Version::Tls13,
            _ => return Err(flags.wrong(MIN, "write TLS12 or TLS13")),
        };
        let newest = match flags.text(MAX) {
            "" | "TLS13" => Version::Tls13,
            "TLS12" => Version::Tls12,
            "TLS10" | "TLS11" => {
                return Err(flags.wrong(MAX, "TLS before 1.2 is not spoken. Write TLS12 or TLS13"));
            }
            _ => return Err(flags.wrong(MAX, "write TLS12 or TLS13")),
        };
        let versions = match (oldest, newest) {
            (Version::Tls12, Version::Tls13) => None,
            (Version::Tls13, Version::Tls12) => {
                return Err(flags.wrong(MIN, "is newer than --tls-max-version"));
            }
            (only, _) => Some(only),
        };
        let listed = flags.text(SUITES).split(',').map(str::trim).filter(|name| !name.is_empty());
        let suites: Vec<String> = listed.map(str::to_owned).collect();
        let known = names();
        if !suites.is_empty() && !suites.iter().any(|name| known.contains(name)) {
            let problem = format!("none of these is spoken. Write some of {}", known.join(","));
            return Err(flags.wrong(SUITES, problem));
        }
        Ok(Limits { versions, suites })
    }

    pub(super) fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        match self.versions {
            None => vec![&TLS13, &TLS12],
            Some(Version::Tls12) => vec![&TLS12],
            Some(Version::Tls13) => vec![&TLS13],
        }
    }

    pub(super) fn provider(&self) -> CryptoProvider {
        let mut provider = ring::default_provider();
        if !self.suites.is_empty() {
            provider.cipher_suites.retain(|suite| {
                suite.version() == &TLS13 || self.suites.contains(&format!("{:?}", suite.suite()))
            });
        }
        provider
    }
}

/// The suites for TLS 1.2 that are spoken; their names are those of Go.
fn names() -> Vec<String> {
    let suites = ring::default_provider().cipher_suites;
    let chosen = suites.iter().filter(|suite| suite.version() == &TLS12);
    chosen.map(|suite| format!("{:?}", suite.suite())).collect()
}
