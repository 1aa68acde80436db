//! The Probe manifest: one sentence about traffic that the lab shall find true.
//!
//! A Probe stands in the same YAML files as the network it is about, so that a fabric and what is expected of
//! it travel together. It is no cluster object: nothing is programmed for it, the lab only sends its packets.
//!
//! ```yaml
//! apiVersion: lab.kubeovn.io/v1
//! kind: Probe
//! metadata: { name: web-reaches-db }
//! spec:
//!   from: { namespace: shop, pod: web-0 }
//!   to: { namespace: shop, pod: db-0 }
//!   protocol: tcp
//!   port: 5432
//!   expect: allow
//! ```

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use serde::Deserialize;
use thiserror::Error;

/// The `apiVersion` of a Probe.
pub const API_VERSION: &str = "lab.kubeovn.io/v1";

/// The `kind` of a Probe.
pub const KIND: &str = "Probe";

/// The namespace of a pod that names none, as in Kubernetes.
const DEFAULT_NAMESPACE: &str = "default";

/// A probe with its name and the place it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// `metadata.name`; unique among the probes that were read together.
    pub name: String,
    /// The file it stands in, as given by the one who read it.
    pub file: String,
    /// The line of its document's first key, counted from 1.
    pub line: u64,
    /// What to send and what to expect.
    pub spec: ProbeSpec,
}

/// What a probe sends, from where to where, and what must become of it.
///
/// Deserialising checks what the fields must agree on, so a value of this type can always be sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Fields")]
pub struct ProbeSpec {
    /// Where the packets start.
    pub from: Source,
    /// Where they go.
    pub to: Target,
    /// What they are.
    pub traffic: Traffic,
    /// The address family to use; absent means every family that both ends have.
    pub family: Option<Family>,
    /// What must become of them.
    pub expect: Expect,
}

/// Where a probe starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Inside a pod's network namespace.
    Pod(PodName),
    /// On a node itself.
    Node(String),
}

/// Where a probe goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The addresses of a pod.
    Pod(PodName),
    /// The addresses of a node.
    Node(String),
    /// An address as it stands, such as a service's or one outside the fabric.
    Ip(IpAddr),
}

/// The name of a pod within the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name in there.
    pub name: String,
}

/// What a probe sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Echo requests.
    Icmp,
    /// A TCP connection to this port.
    Tcp(NonZeroU16),
    /// A UDP datagram to this port, which must be answered.
    Udp(NonZeroU16),
}

/// An address family, in the short form of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What must become of a probe's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// They arrive and are answered.
    Allow,
    /// They do not arrive.
    Deny,
}

/// Why the fields of a probe do not make a probe.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// An end names nothing, or more than one thing.
    #[error("`{end}` must name exactly one of {choices}")]
    End {
        /// `from` or `to`.
        end: &'static str,
        /// The fields of which one is to be given.
        choices: &'static str,
    },
    /// A namespace stands beside something that has none.
    #[error("`{end}.namespace` goes with `{end}.pod` only")]
    StrayNamespace {
        /// `from` or `to`.
        end: &'static str,
    },
    /// TCP or UDP without a port.
    #[error("`port` (1-65535) is required for protocol {protocol}")]
    PortMissing {
        /// The protocol as written.
        protocol: &'static str,
    },
    /// ICMP with a port.
    #[error("`port` {port} has no meaning for protocol icmp: leave it out")]
    PortRefused {
        /// The port as written.
        port: u16,
    },
    /// The wanted family is not that of the address.
    #[error("`to.ip` {ip} is no IP{family} address, as `family` asks for")]
    FamilyMismatch {
        /// The family as written.
        family: Family,
        /// The address as written.
        ip: IpAddr,
    },
}

impl fmt::Display for Family {
    /// `v4` or `v6`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        })
    }
}

impl fmt::Display for PodName {
    /// `namespace/name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

// ===== the manifest's shape =====

/// The fields of `spec` as they stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    from: End,
    to: End,
    protocol: Protocol,
    port: Option<u16>,
    family: Option<Family>,
    expect: Expect,
}

/// `from` or `to` as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    namespace: Option<String>,
    pod: Option<String>,
    node: Option<String>,
    ip: Option<IpAddr>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Icmp,
    Tcp,
    Udp,
}

impl TryFrom<Fields> for ProbeSpec {
    type Error = ProbeError;

    fn try_from(fields: Fields) -> Result<Self, ProbeError> {
        let Fields { from, to, protocol, port, family, expect } = fields;
        let from = match from.target("from", "pod and node")? {
            Target::Pod(pod) => Source::Pod(pod),
            Target::Node(node) => Source::Node(node),
            Target::Ip(_) => return Err(ProbeError::End { end: "from", choices: "pod and node" }),
        };
        let to = to.target("to", "pod, node and ip")?;
        let traffic = protocol.with_port(port)?;
        if let (Some(family), Target::Ip(ip)) = (family, &to)
            && (family == Family::V4) != ip.is_ipv4()
        {
            return Err(ProbeError::FamilyMismatch { family, ip: *ip });
        }
        Ok(Self { from, to, traffic, family, expect })
    }
}

impl End {
    fn target(self, end: &'static str, choices: &'static str) -> Result<Target, ProbeError> {
        let Self { namespace, pod, node, ip } = self;
        let target = match (pod, node, ip) {
            (Some(name), None, None) => {
                let namespace = namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
                return Ok(Target::Pod(PodName { namespace, name }));
            }
            (None, Some(node), None) => Target::Node(node),
            (None, None, Some(ip)) => Target::Ip(ip),
            _ => return Err(ProbeError::End { end, choices }),
        };
        if namespace.is_some() { Err(ProbeError::StrayNamespace { end }) } else { Ok(target) }
    }
}

impl Protocol {
    fn with_port(self, port: Option<u16>) -> Result<Traffic, ProbeError> {
        let number = port.and_then(NonZeroU16::new);
        match self {
            Self::Icmp => match port {
                None => Ok(Traffic::Icmp),
                Some(port) => Err(ProbeError::PortRefused { port }),
            },
            Self::Tcp => number.map(Traffic::Tcp).ok_or(ProbeError::PortMissing { protocol: "tcp" }),
            Self::Udp => number.map(Traffic::Udp).ok_or(ProbeError::PortMissing { protocol: "udp" }),
        }
    }
}

#[cfg(test)]
mod tests;
