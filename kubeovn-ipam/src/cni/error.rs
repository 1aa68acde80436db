//! What is wrong with a configuration, and how the ledger's and the store's refusals reach the runtime.

use std::net::IpAddr;

use kubeovn_core::{
    addr::{AddrParseError, Cidr, DualStack, Family},
    cni::{CniError, PluginCode},
    error::Problem,
};
use thiserror::Error;

use super::DATA_DIR;
use crate::{AddrError, store::StoreError};

/// CHECK: something is not as ADD left it. The specification leaves codes from 100 on to plugins.
pub const NOT_AS_ADDED: u32 = 100;

/// What is wrong with a network configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfError {
    /// No JSON, or a field of another type than ours.
    #[error("the network configuration can't be read: {reason}. Correct what stands there")]
    Unreadable {
        /// What the parser expected, and where.
        reason: String,
    },
    /// Another plugin's configuration without a part for us.
    #[error(
        "the configuration of plugin {plugin:?} has no ipam. Add \"ipam\": {{\"type\": \"kubeovn-ipam\", \"subnets\": […]}}"
    )]
    NoIpam {
        /// Its `type`.
        plugin: String,
    },
    /// A directory that depends on where the runtime was started.
    #[error("dataDir {path:?} does not begin with a slash. Write it like {DATA_DIR}, or leave it out")]
    DataDir {
        /// What was given.
        path: String,
    },
    /// Nothing to take addresses from.
    #[error(
        "subnets is empty. List one at least, like {{\"name\": \"net1\", \"cidrBlock\": \"10.0.0.0/24\"}}"
    )]
    NoSubnets,
    /// A subnet without a name.
    #[error("subnet {place} of the list has no name. Give it one, and never to another prefix")]
    NoName {
        /// Its place, from 1.
        place: usize,
    },
    /// A subnet without prefixes.
    #[error("subnet {subnet} has no cidrBlock. Write one like 10.0.0.0/24 or 10.0.0.0/24,fd00::/64")]
    NoPrefix {
        /// Its name.
        subnet: String,
    },
    /// Two subnets of one name.
    #[error(
        "subnets has more than one of the name {subnet}. Rename one, or put both families in one cidrBlock"
    )]
    Twice {
        /// The name.
        subnet: String,
    },
    /// Several subnets, and none is chosen.
    #[error("subnets lists {count}: {listed}. Choose one by subnet")]
    Unchosen {
        /// How many.
        count: usize,
        /// Their names.
        listed: String,
    },
    /// The one that is chosen is not there.
    #[error("subnet is {subnet}, and subnets lists {listed}. Choose one of these, or add it")]
    Unlisted {
        /// What was chosen.
        subnet: String,
        /// The names that are there.
        listed: String,
    },
    /// A gateway that hosts of the subnet can't reach.
    #[error(
        "gateway {gateway} is no usable address of subnet {subnet} ({cidrs}). Choose one inside, or leave it out"
    )]
    Gateway {
        /// The subnet.
        subnet: String,
        /// What was given.
        gateway: IpAddr,
        /// The prefixes of the subnet.
        cidrs: DualStack<Cidr>,
    },
    /// A route from one family into the other.
    #[error("route {place} leads to {dst} by {gw}, which is of the other family. Give both of one")]
    RouteFamilies {
        /// Its place, from 1.
        place: usize,
        /// Destination.
        dst: Cidr,
        /// Next hop.
        gw: IpAddr,
    },
    /// Two addresses of one family are asked for.
    #[error("{place} asks for {first} and {second}: an interface has one {family} address. Leave one out")]
    TwoFixed {
        /// Where.
        place: &'static str,
        /// The family.
        family: Family,
        /// The first one.
        first: IpAddr,
        /// The second one.
        second: IpAddr,
    },
    /// A text that is no address, prefix or range.
    #[error("{field}: {error}")]
    Address {
        /// Where it stands.
        field: String,
        /// What was expected.
        error: AddrParseError,
    },
    /// CHECK without what ADD answered.
    #[error("CHECK needs prevResult, what ADD answered. It is the runtime that adds it")]
    NoPrevResult,
    /// GC without the list of what stays.
    #[error("GC needs cni.dev/valid-attachments, what is in use. It is the runtime that adds it")]
    NoAttachments,
}

impl ConfError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            ConfError::Unreadable { .. } => "CNI-CONF-UNREADABLE",
            ConfError::NoIpam { .. } => "CNI-CONF-NO-IPAM",
            ConfError::DataDir { .. } => "CNI-CONF-DATA-DIR",
            ConfError::NoSubnets | ConfError::NoName { .. } | ConfError::NoPrefix { .. } => {
                "CNI-CONF-INCOMPLETE"
            }
            ConfError::Twice { .. } => "CNI-CONF-SUBNET-TWICE",
            ConfError::Unchosen { .. } | ConfError::Unlisted { .. } => "CNI-CONF-SUBNET-UNKNOWN",
            ConfError::Gateway { .. } => "CNI-CONF-GATEWAY",
            ConfError::RouteFamilies { .. } => "CNI-CONF-ROUTE",
            ConfError::TwoFixed { .. } => "CNI-CONF-TWO-ADDRESSES",
            ConfError::Address { .. } => "CNI-CONF-ADDRESS",
            ConfError::NoPrevResult | ConfError::NoAttachments => "CNI-CONF-NOT-TOLD",
        }
    }
}

impl From<ConfError> for CniError {
    fn from(error: ConfError) -> Self {
        let code = match error {
            ConfError::Unreadable { .. } => PluginCode::Decode,
            _ => PluginCode::InvalidConfig,
        };
        CniError::new(code, Problem::new(error.code(), error.to_string()).to_string(), "")
    }
}

/// Why the ledger refused. The runtime tries again what a release could mend.
pub(super) fn of_addr(error: &AddrError) -> CniError {
    let later = error.waits_for_release();
    let code = if later { PluginCode::TryAgainLater } else { PluginCode::InvalidConfig };
    CniError::new(code, Problem::from(error).to_string(), "")
}

/// Why the store failed. The runtime tries again when somebody else has it for too long.
pub(super) fn of_store(error: &StoreError) -> CniError {
    let busy = matches!(error, StoreError::Busy { .. });
    let code = if busy { PluginCode::TryAgainLater } else { PluginCode::Io };
    CniError::new(code, Problem::new(error.code(), error.to_string()).to_string(), "")
}
