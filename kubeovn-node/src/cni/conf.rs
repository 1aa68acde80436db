//! The network configuration that a container runtime hands to the plugin.

use kubeovn_core::cni::{AttachmentId, CniError, Dns, Environment, PluginCode, or_default, some_or_default};
use serde::Deserialize;
use serde_json::Value;

use super::protocol::{PROVIDER_OVN, PodRequest, RouteConfig};

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
    #[serde(rename = "cni.dev/valid-attachments", deserialize_with = "some_or_default")]
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

    /// The request that a call makes of the daemon.
    ///
    /// # Errors
    /// [`PluginCode::InvalidEnvironment`] without a sandbox or an interface, [`PluginCode::InvalidConfig`] when
    /// `CNI_ARGS` does not name the pod.
    pub fn request(self, env: &Environment) -> Result<PodRequest, CniError> {
        env.check()?;
        Ok(PodRequest {
            cni_type: self.cni_type,
            pod_name: needed(env, "K8S_POD_NAME")?,
            pod_namespace: needed(env, "K8S_POD_NAMESPACE")?,
            pod_uid: env.arg("K8S_POD_UID").unwrap_or_default().to_owned(),
            container_id: env.container_id.clone(),
            net_ns: env.net_ns.clone(),
            if_name: env.if_name.clone(),
            provider: self.provider,
            routes: self.routes,
            dns: self.dns,
            vf_driver: self.vf_driver,
            device_id: self.device_id,
            vhost_user_socket_volume_name: self.vhost_user_socket_volume_name,
            vhost_user_socket_name: self.vhost_user_socket_name,
            vhost_user_socket_consumption: self.vhost_user_socket_consumption,
        })
    }
}

fn needed(env: &Environment, key: &str) -> Result<String, CniError> {
    env.arg(key).map(str::to_owned).ok_or_else(|| {
        CniError::new(
            PluginCode::InvalidConfig,
            format!("CNI_ARGS does not contain {key}"),
            "the runtime must pass the pod's name and namespace, as Kubernetes runtimes do",
        )
    })
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
        let request = conf.request(&environment("ADD")).expect("complete");
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
            assert_eq!(conf.clone().request(&env).expect_err("refused").code, wanted, "{env:?}");
        }
        let mut env = environment("DEL");
        env.net_ns.clear();
        assert!(conf.request(&env).is_ok(), "the sandbox may be gone when it is torn down");
    }
}
