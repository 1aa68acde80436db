//! What every plugin of the [container network interface](https://www.cni.dev/docs/spec/) needs, and no more.
//!
//! ```text
//!  runtime ── variables ──────> Environment ─┐
//!          ── standard input ─> (yours) ─────┴─> verbs (yours) ─┬─> CniResult ──> render(version) ─┐
//!                                                               └─> CniError ───> render(version) ─┤
//!          <── standard output, exit code ───────────────────────────────────────── Printed <──────┘
//! ```
//! What a plugin reads of its configuration and where its addresses come from is its own affair.
//!
//! ```
//! use kubeovn_core::cni::{CniIp, CniResult, Environment, Printed, check_version};
//!
//! let env = Environment {
//!     command: "ADD".into(),
//!     container_id: "c0ffee".into(),
//!     net_ns: "/run/netns/web".into(),
//!     if_name: "eth0".into(),
//!     args: String::new(),
//! };
//! let address = "10.0.0.9/24".parse()?;
//! let add = |version: &str| {
//!     check_version(version)?;
//!     env.check()?;
//!     let ip = CniIp { address, gateway: None, interface: None };
//!     Ok(Some(CniResult { ips: vec![ip], ..CniResult::default() }.render(version)))
//! };
//! assert!(Printed::new(add("1.0.0"), "1.0.0").success);
//! assert_eq!(Printed::new(add("0.1.0"), "0.1.0").output.map(|error| error["code"].clone()), Some(1.into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod environment;
mod error;
mod result;
mod version;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use self::{
    environment::Environment,
    error::{CniError, PluginCode},
    result::{CniInterface, CniIp, CniResult, CniRoute, Dns},
    version::{NEWEST, VERSIONS, check_version, need_version, render_versions},
};

/// What a plugin prints, and whether it is a success.
#[derive(Clone, Debug, PartialEq)]
pub struct Printed {
    /// The object for standard output; verbs without a result print nothing.
    pub output: Option<Value>,
    /// The exit code is 0 iff this is true.
    pub success: bool,
}

impl Printed {
    /// What a verb answers: its result, nothing, or its error in the version asked for.
    pub fn new(outcome: Result<Option<Value>, CniError>, version: &str) -> Self {
        match outcome {
            Ok(output) => Self { output, success: true },
            Err(error) => Self { output: Some(error.render(version)), success: false },
        }
    }

    /// What VERSION answers. It needs no readable configuration.
    pub fn versions() -> Self {
        Self { output: Some(render_versions()), success: true }
    }
}

/// Identity of an attachment: a sandbox and the interface in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttachmentId {
    /// The runtime's id of the sandbox.
    #[serde(alias = "containerID")]
    pub container_id: String,
    /// Interface name inside it.
    #[serde(alias = "ifname")]
    pub if_name: String,
}

/// Reads `null` as the default, for `deserialize_with`: programs in Go write absent lists so.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// The same for what may be missing, which is something else than `null`.
pub fn some_or_default<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    or_default(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_printed_as_the_runtime_reads_it() {
        let nothing = Printed::new(Ok(None), "1.0.0");
        assert_eq!(nothing, Printed { output: None, success: true });
        let refused = Printed::new(Err(CniError::new(PluginCode::TryAgainLater, "later", "")), "0.4.0");
        assert!(!refused.success);
        let error = refused.output.unwrap();
        assert_eq!((&error["cniVersion"], &error["code"]), (&"0.4.0".into(), &11.into()));
        assert!(Printed::versions().success);
    }

    #[test]
    fn attachments_are_read_as_cni_writes_them_and_as_the_daemon_does() {
        for text in
            [r#"{"containerID":"c0ffee","ifname":"eth0"}"#, r#"{"container_id":"c0ffee","if_name":"eth0"}"#]
        {
            let id: AttachmentId = serde_json::from_str(text).unwrap();
            assert_eq!((id.container_id.as_str(), id.if_name.as_str()), ("c0ffee", "eth0"));
        }
    }
}
