//! Where a database is served, in the notation of OVS: `unix:/run/ovn/ovnnb_db.sock`, `tcp:10.0.0.1:6641`, `ssl:[::1]:6641`.

use std::{fmt, path::PathBuf, str::FromStr};

/// One place where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// A name or an address, IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A TCP port behind TLS.
    #[cfg(feature = "tls")]
    Ssl {
        /// A name or an address, IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

/// At least one endpoint; all serve the same database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    first: Endpoint,
    others: Vec<Endpoint>,
}

/// A text that names no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// None of the kinds there are.
    #[error(
        "OVSDB-ENDPOINT-SCHEME: {text:?} is none of unix:PATH, tcp:HOST:PORT and ssl:HOST:PORT; write one of them"
    )]
    Scheme {
        /// The text.
        text: String,
    },
    /// The part after `unix:` is empty, or that after `tcp:` or `ssl:` is no `HOST:PORT`.
    #[error(
        "OVSDB-ENDPOINT-ADDRESS: {text:?} has no address; \
         write unix:/path, tcp:10.0.0.1:6641, tcp:[::1]:6641 or ssl:10.0.0.1:6641"
    )]
    Address {
        /// The text.
        text: String,
    },
    /// An `ssl:` endpoint, of which this build knows nothing.
    #[cfg(not(feature = "tls"))]
    #[error(
        "OVSDB-ENDPOINT-NO-TLS: {text:?} needs TLS, which this build has not; enable feature \"tls\" of kubeovn-ovn"
    )]
    NoTls {
        /// The text.
        text: String,
    },
}

impl Endpoints {
    /// How many.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// All but one; `None` when there is no other.
    pub fn without(&self, endpoint: &Endpoint) -> Option<Self> {
        let mut left =
            std::iter::once(&self.first).chain(&self.others).filter(|other| *other != endpoint).cloned();
        Some(Self { first: left.next()?, others: left.collect() })
    }

    /// The endpoint whose turn it is, counting round and round.
    pub fn get(&self, turn: usize) -> &Endpoint {
        match turn % self.len() {
            0 => &self.first,
            number => self.others.get(number - 1).unwrap_or(&self.first),
        }
    }
}

impl FromStr for Endpoints {
    type Err = EndpointError;

    /// A list separated by commas.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let mut parts = text.split(',').map(|part| part.trim().parse());
        // splitting gives at least one part, be it empty, and that is no endpoint
        let first = parts.next().unwrap_or_else(|| text.parse())?;
        Ok(Self { first, others: parts.collect::<Result<_, _>>()? })
    }
}

impl From<Endpoint> for Endpoints {
    fn from(endpoint: Endpoint) -> Self {
        Self { first: endpoint, others: Vec::new() }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let no_address = || EndpointError::Address { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(no_address()) } else { Ok(Self::Unix(path.into())) };
        }
        if let Some(address) = text.strip_prefix("tcp:") {
            let (host, port) = host_and_port(address).ok_or_else(no_address)?;
            return Ok(Self::Tcp { host, port });
        }
        #[cfg(feature = "tls")]
        if let Some(address) = text.strip_prefix("ssl:") {
            let (host, port) = host_and_port(address).ok_or_else(no_address)?;
            return Ok(Self::Ssl { host, port });
        }
        #[cfg(not(feature = "tls"))]
        if text.starts_with("ssl:") {
            return Err(EndpointError::NoTls { text: text.to_owned() });
        }
        Err(EndpointError::Scheme { text: text.to_owned() })
    }
}

/// Both parts of `HOST:PORT`, the host without brackets.
fn host_and_port(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    // colons belong to IPv6, which wants brackets so that the port can be told apart
    let host = bare.or_else(|| (!host.contains(':')).then_some(host))?;
    let port = port.parse().ok()?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } => ("tcp", host, port),
            #[cfg(feature = "tls")]
            Self::Ssl { host, port } => ("ssl", host, port),
        };
        if host.contains(':') {
            write!(f, "{scheme}:[{host}]:{port}")
        } else {
            write!(f, "{scheme}:{host}:{port}")
        }
    }
}
