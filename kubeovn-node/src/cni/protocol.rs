//! What plugin and daemon say to each other: JSON bodies of HTTP requests over a unix socket.
//!
//! Field names and meanings are Kube-OVN's. Its programs write absent lists as `null`, so `null` is read as empty
//! everywhere.

use kubeovn_core::cni::{AttachmentId, Dns, or_default};
use serde::{Deserialize, Serialize};

/// The default network's provider; multus networks are `<attachment>.<namespace>.ovn`.
pub const PROVIDER_OVN: &str = "ovn";

/// `POST`: wire a pod's interface. 200 with a [`PodResponse`].
pub const PATH_ADD: &str = "/api/v1/add";
/// `POST`: remove it. 204, also when there was nothing.
pub const PATH_DEL: &str = "/api/v1/del";
/// `POST`: is it as ADD left it? 204.
pub const PATH_CHECK: &str = "/api/v1/check";
/// `POST` of a [`GcRequest`]: remove what is not listed. 204.
pub const PATH_GC: &str = "/api/v1/gc";
/// `GET`: can pods be wired now? 204, or 503 with the reason.
pub const PATH_STATUS: &str = "/api/v1/status";

/// One interface of one pod, as the runtime named it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodRequest {
    /// `type` of the network configuration: `kube-ovn`, or another plugin that uses Kube-OVN for addresses only.
    #[serde(deserialize_with = "or_default")]
    pub cni_type: String,
    /// Pod name.
    #[serde(deserialize_with = "or_default")]
    pub pod_name: String,
    /// Its namespace.
    #[serde(deserialize_with = "or_default")]
    pub pod_namespace: String,
    /// The pod's uid, if the runtime tells it: a successor of the same name has another. (Kube-OVN's plugin doesn't.)
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub pod_uid: String,
    /// The runtime's id of the sandbox.
    #[serde(deserialize_with = "or_default")]
    pub container_id: String,
    /// File that names the sandbox's network namespace; empty in a DEL when it is gone.
    #[serde(deserialize_with = "or_default")]
    pub net_ns: String,
    /// Name of the interface inside the sandbox.
    #[serde(deserialize_with = "or_default")]
    pub if_name: String,
    /// Logical network; empty means [`PROVIDER_OVN`].
    #[serde(deserialize_with = "or_default")]
    pub provider: String,
    /// Routes asked for in the network configuration.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteConfig>,
    /// Resolver settings of the network configuration.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Dns::is_empty")]
    pub dns: Dns,
    /// Driver of an SR-IOV function: `vfio-pci` or empty.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub vf_driver: String,
    /// PCI address of an SR-IOV function.
    #[serde(rename = "deviceID", deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub device_id: String,
    /// Volume with a DPDK vhost-user socket.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub vhost_user_socket_volume_name: String,
    /// Name of that socket.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub vhost_user_socket_name: String,
    /// Who uses that socket: `kubevirt` or empty.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub vhost_user_socket_consumption: String,
}

/// What a pod's interface was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodResponse {
    /// One per family.
    #[serde(deserialize_with = "or_default")]
    pub ips: Vec<IpConfig>,
    /// `aa:bb:cc:dd:ee:ff`; empty when another plugin makes the interface.
    #[serde(deserialize_with = "or_default")]
    pub mac_address: String,
    /// Routes through the interface.
    #[serde(deserialize_with = "or_default")]
    pub routes: Vec<RouteConfig>,
    /// In bytes; 0 when another plugin makes the interface.
    #[serde(deserialize_with = "or_default")]
    pub mtu: u32,
    /// Its name in the pod; empty when another plugin makes it.
    #[serde(deserialize_with = "or_default")]
    pub nicname: String,
    /// Resolver settings.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Dns::is_empty")]
    pub dns: Dns,
    /// Why the request was refused: a stable code, the cause, and what to do.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// An address of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IpConfig {
    /// `IPv4` or `IPv6`.
    pub protocol: String,
    /// The address, without prefix.
    pub ip: String,
    /// The subnet's prefix.
    pub cidr: String,
    /// Next hop of the default route; empty on an interface that has none.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub gateway: String,
}

/// A route as configurations write it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteConfig {
    /// Prefix; empty means the default route of the gateway's family.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub dst: String,
    /// Next hop.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub gw: String,
}

/// What the runtime still knows of one network: all else of it may go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcRequest {
    /// The network; attachments of other networks are not touched.
    pub provider: String,
    /// Attachments that stay.
    pub valid: Vec<AttachmentId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kube_ovn_requests_are_read_with_their_nulls() {
        let text = r#"{"cni_type":"kube-ovn","pod_name":"web-0","pod_namespace":"default",
            "container_id":"c0ffee","net_ns":"/run/netns/x","if_name":"eth0","provider":"ovn","routes":null,
            "dns":{"nameservers":null},"vf_driver":"","deviceID":"0000:3b:00.1","vhost_user_socket_volume_name":""}"#;
        let request: PodRequest = serde_json::from_str(text).expect("readable");
        assert_eq!(request.pod_name, "web-0");
        assert_eq!(request.device_id, "0000:3b:00.1");
        assert!(request.routes.is_empty() && request.dns.is_empty());
    }

    #[test]
    fn a_response_is_written_as_kube_ovn_does() {
        let response = PodResponse {
            ips: vec![IpConfig {
                protocol: "IPv4".into(),
                ip: "10.16.0.2".into(),
                cidr: "10.16.0.0/16".into(),
                gateway: "10.16.0.1".into(),
            }],
            mac_address: "0a:00:00:00:00:01".into(),
            mtu: 1400,
            nicname: "eth0".into(),
            ..PodResponse::default()
        };
        assert_eq!(
            serde_json::to_string(&response).expect("writable"),
            r#"{"ips":[{"protocol":"IPv4","ip":"10.16.0.2","cidr":"10.16.0.0/16","gateway":"10.16.0.1"}],"#
                .to_owned()
                + r#""mac_address":"0a:00:00:00:00:01","routes":[],"mtu":1400,"nicname":"eth0"}"#
        );
    }
}
