//! Pods of the lab: namespaces that are wired as a container runtime wires them.
//!
//! A runtime makes a namespace, starts the CNI plugin with a handful of `CNI_*` variables and the network's
//! configuration on its standard input, and believes what it prints. That is all that happens here too, so that
//! a pod that works in the lab works by the very code that will wire it in a cluster.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use kubeovn_node::netns::NetNs;
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::error::LabError;
use super::fabric::{self, NodeHandle};
use super::manifest::PodName;
use super::state::StateDir;
use super::tool;

/// What every container id begins with. The host ends of pods' links begin with it too, which is how a node tells
/// them from its own links.
pub const CONTAINER_PREFIX: &str = "lab";

/// As long as a container id is.
const CONTAINER_ID_LEN: usize = 64;

/// The version of the CNI configuration that Kube-OVN installs.
const CNI_VERSION: &str = "0.3.1";

/// A runtime gives a plugin about this long.
const PATIENCE: Duration = Duration::from_mins(2);

/// A pod that has a network.
#[derive(Debug, Clone)]
pub struct Plugged {
    /// Its namespace.
    pub netns: NetNs,
    /// The node it is on.
    pub node: String,
    /// Its addresses, in the plugin's order.
    pub ips: Vec<IpAddr>,
    /// The hardware address of its interface, as the plugin wrote it; empty if it did not say.
    pub mac: String,
}

/// Why a pod has no network.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlugError {
    /// The plugin answered with an error.
    #[error("{message}{}", if details.is_empty() { String::new() } else { format!(": {details}") })]
    Refused {
        /// CNI's number for the kind of error.
        number: u64,
        /// What happened.
        message: String,
        /// More about it; may be empty.
        details: String,
    },
    /// The plugin answered with something that is no CNI answer.
    #[error("LAB-CNI-GARBLED: the CNI plugin ended with {status} and said `{said}`, which is no CNI answer")]
    Garbled {
        /// How it ended.
        status: String,
        /// What it printed.
        said: String,
    },
    /// The plugin did not come to an end.
    #[error("LAB-CNI-TIMEOUT: the CNI plugin took longer than {} s; see the log of node {node}", PATIENCE.as_secs())]
    Timeout {
        /// The node it ran on.
        node: String,
    },
    /// The lab could not do its own part.
    #[error(transparent)]
    Lab(#[from] LabError),
}

impl PlugError {
    /// The stable code: the one the message begins with, else CNI's number.
    pub fn code(&self) -> String {
        let text = self.to_string();
        let words = text.split([' ', ':', '(', ')']);
        let is_code = |word: &&str| {
            word.contains('-')
                && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-')
        };
        match (words.into_iter().find(is_code), self) {
            (Some(code), _) => code.to_owned(),
            (None, Self::Refused { number, .. }) => format!("CNI-{number}"),
            (None, _) => "LAB-CNI".to_owned(),
        }
    }
}

/// The lab's container runtime, as far as networks go.
#[derive(Debug)]
pub struct Runtime {
    state: StateDir,
    plugin: PathBuf,
    pods: Mutex<BTreeMap<PodName, Sandbox>>,
}

/// What is remembered about a pod to take its network away again.
#[derive(Debug, Clone)]
struct Sandbox {
    container: String,
    netns_name: String,
    uid: String,
    node: NodeHandle,
    cni_socket: PathBuf,
}

impl Runtime {
    /// A runtime that uses the CNI plugin at `plugin`.
    pub fn new(state: StateDir, plugin: PathBuf) -> Self {
        Self { state, plugin, pods: Mutex::default() }
    }

    /// Gives a pod a namespace and a network on `node`, whose daemon listens on `cni_socket`.
    /// A pod of that name that is plugged already is unplugged first.
    ///
    /// # Errors
    /// What the plugin said. The namespace is gone then, and the plugin was asked to take back what it had done.
    pub async fn plug(
        &self,
        pod: &PodName,
        uid: &str,
        node: &NodeHandle,
        cni_socket: &Path,
    ) -> Result<Plugged, PlugError> {
        self.unplug(pod).await?;
        let netns_name = self.state.name().pod_netns(&pod.namespace, &pod.name);
        let netns = fabric::make_netns(&self.state, netns_name.clone()).await?;
        let sandbox = Sandbox {
            container: container_id(pod, uid),
            netns_name,
            uid: uid.to_owned(),
            node: node.clone(),
            cni_socket: cni_socket.to_owned(),
        };
        self.pods.lock().await.insert(pod.clone(), sandbox.clone());
        match self.call("ADD", pod, &sandbox).await {
            Ok(answer) => Ok(Plugged {
                netns,
                node: node.name.clone(),
                ips: answer.ips.iter().map(|ip| ip.address.addr()).collect(),
                mac: answer
                    .interfaces
                    .into_iter()
                    .find(|link| !link.sandbox.is_empty())
                    .map(|link| link.mac)
                    .unwrap_or_default(),
            }),
            Err(error) => {
                // The first error tells more than one from taking it back.
                let _ = self.unplug(pod).await;
                Err(error)
            }
        }
    }

    /// Takes a pod's network and namespace away. A pod that is not plugged is fine.
    ///
    /// # Errors
    /// What the plugin said; the namespace is gone even so, and calling again asks the plugin again.
    pub async fn unplug(&self, pod: &PodName) -> Result<(), PlugError> {
        let Some(sandbox) = self.pods.lock().await.get(pod).cloned() else { return Ok(()) };
        let asked = self.call("DEL", pod, &sandbox).await;
        fabric::remove_netns(&self.state, sandbox.netns_name.clone()).await?;
        asked?;
        self.pods.lock().await.remove(pod);
        Ok(())
    }

    /// Removes a pod's namespace without asking the plugin, as when its node is gone.
    pub async fn forget(&self, pod: &PodName) -> Result<(), LabError> {
        match self.pods.lock().await.remove(pod) {
            Some(sandbox) => fabric::remove_netns(&self.state, sandbox.netns_name).await,
            None => Ok(()),
        }
    }

    async fn call(&self, verb: &str, pod: &PodName, sandbox: &Sandbox) -> Result<Answer, PlugError> {
        let mut command = Command::new(&self.plugin);
        let Sandbox { container, netns_name, uid, node, cni_socket } = sandbox;
        let args = [
            "IgnoreUnknown=1".to_owned(),
            format!("K8S_POD_NAMESPACE={}", pod.namespace),
            format!("K8S_POD_NAME={}", pod.name),
            format!("K8S_POD_INFRA_CONTAINER_ID={container}"),
            format!("K8S_POD_UID={uid}"),
        ];
        command.env_clear().envs([
            ("CNI_COMMAND", verb.to_owned()),
            ("CNI_CONTAINERID", container.clone()),
            ("CNI_NETNS", format!("/run/netns/{netns_name}")),
            ("CNI_IFNAME", "eth0".to_owned()),
            ("CNI_ARGS", args.join(";")),
            ("CNI_PATH", self.plugin.parent().unwrap_or(Path::new("/")).display().to_string()),
        ]);
        let config = json!({
            "cniVersion": CNI_VERSION,
            "name": "kube-ovn",
            "type": "kube-ovn",
            "server_socket": cni_socket,
        })
        .to_string();
        let run = tool::run_in(&node.netns, command, config.as_bytes());
        let output =
            timeout(PATIENCE, run).await.map_err(|_| PlugError::Timeout { node: node.name.clone() })?;
        let output = output.map_err(LabError::io("run", &self.plugin))?;
        understand(&output)
    }
}

/// What a plugin says when it has done its work; nothing at all for `DEL`.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    interfaces: Vec<Interface>,
    #[serde(default)]
    ips: Vec<Ip>,
}

#[derive(Debug, Deserialize)]
struct Interface {
    #[serde(default)]
    mac: String,
    #[serde(default)]
    sandbox: String,
}

#[derive(Debug, Deserialize)]
struct Ip {
    address: IpNet,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    code: u64,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    details: String,
}

fn understand(output: &Output) -> Result<Answer, PlugError> {
    let garbled = || {
        let said =
            [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).trim().to_owned());
        PlugError::Garbled { status: output.status.to_string(), said: said.join(" ").trim().to_owned() }
    };
    if !output.status.success() {
        let refusal: Refusal = serde_json::from_slice(&output.stdout).map_err(|_| garbled())?;
        return Err(PlugError::Refused {
            number: refusal.code,
            message: refusal.msg,
            details: refusal.details,
        });
    }
    if output.stdout.trim_ascii().is_empty() {
        return Ok(Answer::default());
    }
    serde_json::from_slice(&output.stdout).map_err(|_| garbled())
}

/// An id that no other sandbox has or had: a pod that is plugged again is another container.
fn container_id(pod: &PodName, uid: &str) -> String {
    let now = SystemTime::now();
    let part = |part: u8| {
        let mut hasher = DefaultHasher::new();
        (pod, uid, now, std::process::id(), part).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    };
    let mut id = CONTAINER_PREFIX.to_owned();
    id.extend((0..4).map(part));
    id.truncate(CONTAINER_ID_LEN);
    id
}

#[cfg(test)]
mod tests;
