//! The network configuration as JSON has it, reduced to what we read. What its texts mean is decided elsewhere.

use kubeovn_core::cni::{AttachmentId, Dns, or_default, some_or_default};
use serde::Deserialize;

use super::{CNI_TYPE, ConfError};

/// The configuration of the main plugin, of which ours is a part.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NetConf {
    #[serde(rename = "cniVersion", deserialize_with = "or_default")]
    pub(super) cni_version: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) name: String,
    #[serde(rename = "type", deserialize_with = "or_default")]
    cni_type: String,
    ipam: Option<Settings>,
    #[serde(deserialize_with = "or_default")]
    pub(super) dns: Dns,
    #[serde(deserialize_with = "or_default")]
    pub(super) args: Args,
    #[serde(rename = "runtimeConfig", deserialize_with = "or_default")]
    pub(super) runtime_config: Ips,
    #[serde(rename = "prevResult")]
    pub(super) prev_result: Option<PrevResult>,
    #[serde(rename = "cni.dev/valid-attachments", deserialize_with = "some_or_default")]
    pub(super) valid_attachments: Option<Vec<AttachmentId>>,
}

/// What is meant for us.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Settings {
    #[serde(deserialize_with = "or_default")]
    pub(super) data_dir: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) subnet: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) subnets: Vec<SubnetConf>,
    #[serde(deserialize_with = "or_default")]
    pub(super) routes: Vec<RouteConf>,
    #[serde(deserialize_with = "or_default")]
    pub(super) dns: Dns,
}

/// A subnet.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SubnetConf {
    #[serde(deserialize_with = "or_default")]
    pub(super) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) cidr_block: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) gateway: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) exclude_ips: Vec<String>,
}

/// A route to tell in the result.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RouteConf {
    #[serde(deserialize_with = "or_default")]
    pub(super) dst: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) gw: String,
}

/// Arguments that the user gives beside the configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Args {
    #[serde(deserialize_with = "or_default")]
    pub(super) cni: Ips,
}

/// Addresses asked for by number.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ips {
    #[serde(deserialize_with = "or_default")]
    pub(super) ips: Vec<String>,
}

/// What ADD answered, as far as we had a part in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PrevResult {
    #[serde(deserialize_with = "or_default")]
    pub(super) ips: Vec<PrevIp>,
}

/// An address of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PrevIp {
    pub(super) address: String,
}

impl NetConf {
    /// Reads a configuration and settles which part of it is meant for us.
    pub(super) fn parse(text: &[u8]) -> Result<(Self, Settings), ConfError> {
        let mut conf: Self = parse(text)?;
        let settings = if conf.cni_type == CNI_TYPE {
            parse(text)?
        } else {
            conf.ipam.take().ok_or_else(|| ConfError::NoIpam { plugin: conf.cni_type.clone() })?
        };
        Ok((conf, settings))
    }
}

/// The version that an answer must follow, of a configuration that may be refused otherwise; empty if it tells none.
pub(super) fn version_of(text: &[u8]) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Versioned {
        #[serde(rename = "cniVersion", deserialize_with = "or_default")]
        cni_version: String,
    }
    parse::<Versioned>(text).unwrap_or_default().cni_version
}

fn parse<'t, T: Deserialize<'t>>(text: &'t [u8]) -> Result<T, ConfError> {
    serde_json::from_slice(text).map_err(|error| ConfError::Unreadable { reason: error.to_string() })
}
