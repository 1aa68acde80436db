//! The network configuration and the environment that a container runtime hands to the plugin.

use serde::Deserialize;
use serde_json::Value;

use super::protocol::{AttachmentId, Dns, PROVIDER_OVN, PodRequest, RouteConfig, or_default};
use super::result::{CniError, PluginCode};

/// Our own `type`; under any other we only hand out addresses.
pub const CNI_TYPE: &str = "kube-ovn";

/// Network configuration (the plugin's standard input), reduced to what we read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NetConf {
    /// Version of the specification that the result must follow.
    #[serde(rename = "cniVersion", deserialize_with = "or_default")]
    pub cni_version: String,
    /// Which plugin the runtime started for this network.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub cni_type: String,
    /// The daemon's socket.
    #[serde(deserialize_with = "or_default")]
    pub server_socket: String,
    /// Logical network.
    #[serde(deserialize_with = "or_default")]
    pub provider: String,
    /// Routes to add.
    #[serde(deserialize_with = "or_default")]
    pub routes: Vec<RouteConfig>,
    /// Set when we are the address plugin of another.
    pub ipam: Option<IpamConf>,
    /// Resolver settings to echo.
    #[serde(deserialize_with = "or_default")]
    pub dns: Dns,
    /// PCI address of an SR-IOV function.
    #[serde(rename = "deviceID", deserialize_with = "or_default")]
    pub device_id: String,
    /// Its driver.
    #[serde(deserialize_with = "or_default")]
    pub vf_driver: String,
    /// Volume with a DPDK vhost-user socket.
    #[serde(deserialize_with = "or_default")]
    pub vhost_user_socket_volume_name: String,
    /// Name of that socket.
    #[serde(deserialize_with = "or_default")]
    pub vhost_user_socket_name: String,
    /// Who uses it.
    #[serde(deserialize_with = "or_default")]
    pub vhost_user_socket_consumption: String,
    /// What ADD answered; the runtime hands it to CHECK.
    #[serde(rename = "prevResult")]
    pub prev_result: Option<Value>,
    /// What the runtime still knows of this network; for GC.
    #[serde(rename = "cni.dev/valid-attachments")]
    pub valid_attachments: Option<Vec<AttachmentId>>,
}

/// The `ipam` part of another plugin's configuration.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct IpamConf {
    /// The daemon's socket.
    #[serde(deserialize_with = "or_default")]
    pub server_socket: String,
    /// Logical network.
    #[serde(deserialize_with = "or_default")]
    pub provider: String,
    /// Routes to add.
    #[serde(deserialize_with = "or_default")]
    pub routes: Vec<RouteConfig>,
}

impl NetConf {
    /// Reads a configuration and settles which part of it is meant for us.
    ///
    /// # Errors
    /// [`PluginCode::Decode`] for text that is no configuration, [`PluginCode::InvalidConfig`] without a socket.
    pub fn parse(text: &[u8]) -> Result<Self, CniError> {
        let mut conf: Self = serde_json::from_slice(text).map_err(|error| {
            CniError::new(PluginCode::Decode, "failed to parse network configuration", error.to_string())
        })?;
        if conf.cni_type != CNI_TYPE
            && let Some(ipam) = conf.ipam.take()
        {
            conf.server_socket = ipam.server_socket;
            conf.provider = ipam.provider;
            conf.routes = ipam.routes;
        }
        if conf.provider.is_empty() {
            PROVIDER_OVN.clone_into(&mut conf.provider);
        }
        if conf.server_socket.is_empty() {
            return Err(CniError::new(
                PluginCode::InvalidConfig,
                "server_socket is required in the network configuration",
                "set it to the daemon's socket, by default /run/openvswitch/kube-ovn-daemon.sock",
            ));
        }
        Ok(conf)
    }
}

/// The environment variables that tell the plugin what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `CNI_COMMAND`.
    pub command: String,
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_NETNS`.
    pub net_ns: String,
    /// `CNI_IFNAME`.
    pub if_name: String,
    /// `CNI_ARGS`: `key=value` pairs separated by `;`.
    pub args: String,
}

impl Environment {
    /// Reads the variables by name; an unset one is empty.
    pub fn read(mut variable: impl FnMut(&str) -> Option<String>) -> Self {
        let mut get = |name| variable(name).unwrap_or_default();
        Self {
            command: get("CNI_COMMAND"),
            container_id: get("CNI_CONTAINERID"),
            net_ns: get("CNI_NETNS"),
            if_name: get("CNI_IFNAME"),
            args: get("CNI_ARGS"),
        }
    }

    /// The request that this call makes of the daemon.
    ///
    /// # Errors
    /// [`PluginCode::InvalidEnvironment`] without a sandbox or an interface, [`PluginCode::InvalidConfig`] when
    /// `CNI_ARGS` does not name the pod.
    pub fn request(&self, conf: NetConf) -> Result<PodRequest, CniError> {
        for (name, value) in [("CNI_CONTAINERID", &self.container_id), ("CNI_IFNAME", &self.if_name)] {
            if value.is_empty() {
                return Err(missing(name));
            }
        }
        if self.net_ns.is_empty() && self.command != "DEL" {
            return Err(missing("CNI_NETNS"));
        }
        Ok(PodRequest {
            cni_type: conf.cni_type,
            pod_name: self.needed("K8S_POD_NAME")?,
            pod_namespace: self.needed("K8S_POD_NAMESPACE")?,
            pod_uid: self.arg("K8S_POD_UID").unwrap_or_default(),
            container_id: self.container_id.clone(),
            net_ns: self.net_ns.clone(),
            if_name: self.if_name.clone(),
            provider: conf.provider,
            routes: conf.routes,
            dns: conf.dns,
            vf_driver: conf.vf_driver,
            device_id: conf.device_id,
            vhost_user_socket_volume_name: conf.vhost_user_socket_volume_name,
            vhost_user_socket_name: conf.vhost_user_socket_name,
            vhost_user_socket_consumption: conf.vhost_user_socket_consumption,
        })
    }

    fn arg(&self, key: &str) -> Option<String> {
        let mut pairs = self.args.split(';').filter_map(|pair| pair.split_once('='));
        pairs.find(|(k, v)| *k == key && !v.is_empty()).map(|(_, v)| v.to_owned())
    }

    fn needed(&self, key: &str) -> Result<String, CniError> {
        self.arg(key).ok_or_else(|| {
            CniError::new(
                PluginCode::InvalidConfig,
                format!("CNI_ARGS does not contain {key}"),
                "the runtime must pass the pod's name and namespace, as Kubernetes runtimes do",
            )
        })
    }
}

fn missing(variable: &str) -> CniError {
    CniError::new(PluginCode::InvalidEnvironment, format!("{variable} is not set"), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(command: &str) -> Environment {
        Environment {
            command: command.into(),
            container_id: "c0ffee".into(),
            net_ns: "/run/netns/x".into(),
            if_name: "eth0".into(),
            args: "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_UID=u1".into(),
        }
    }

    #[test]
    fn a_main_plugin_reads_its_own_settings() {
        let conf = NetConf::parse(
            br#"{"cniVersion":"1.0.0","name":"kube-ovn","type":"kube-ovn","server_socket":"/s","routes":null,
                "ipam":{"server_socket":"/other"}}"#,
        )
        .expect("readable");
        assert_eq!((conf.server_socket.as_str(), conf.provider.as_str()), ("/s", "ovn"));
        let request = environment("ADD").request(conf).expect("complete");
        assert_eq!((request.pod_namespace.as_str(), request.pod_name.as_str()), ("default", "web-0"));
        assert_eq!(request.pod_uid, "u1");
    }

    #[test]
    fn an_address_plugin_reads_the_ipam_part() {
        let conf = NetConf::parse(
            br#"{"type":"macvlan","server_socket":"/wrong","ipam":{"type":"kube-ovn","server_socket":"/s",
                "provider":"lan.default","routes":[{"gw":"10.0.0.1"}]}}"#,
        )
        .expect("readable");
        assert_eq!((conf.server_socket.as_str(), conf.provider.as_str()), ("/s", "lan.default"));
        assert_eq!(conf.routes.len(), 1);
    }

    #[test]
    fn what_is_missing_is_named_with_its_code() {
        let code = |text: &[u8]| NetConf::parse(text).expect_err("refused").code;
        assert_eq!(code(b"not json"), 6);
        assert_eq!(code(br#"{"type":"kube-ovn"}"#), 7);
        let conf = NetConf::parse(br#"{"type":"kube-ovn","server_socket":"/s"}"#).expect("readable");
        for (edit, wanted) in [
            (&(|e: &mut Environment| e.container_id.clear()) as &dyn Fn(&mut Environment), 4),
            (&|e| e.if_name.clear(), 4),
            (&|e| e.net_ns.clear(), 4),
            (&|e| e.args = "K8S_POD_NAME=web-0".into(), 7),
        ] {
            let mut env = environment("ADD");
            edit(&mut env);
            assert_eq!(env.request(conf.clone()).expect_err("refused").code, wanted, "{env:?}");
        }
        let mut env = environment("DEL");
        env.net_ns.clear();
        assert!(env.request(conf).is_ok(), "the sandbox may be gone when it is torn down");
    }
}
