//! What is made of what a pod was given: an interface, its port, and the answer to the plugin.

use kubeovn_core::addr::Family;
use kubeovn_core::error::Problem;

use super::given::Given;
use super::refusals::failed;
use crate::attach::PodNic;
use crate::cni::nic::NicNames;
use crate::cni::protocol::{IpConfig, PROVIDER_OVN, PodRequest, PodResponse, RouteConfig};
use crate::cni::server::Refusal;
use crate::ovs::{Pod, Port, PortKind};

pub(super) fn pod_nic(
    request: &PodRequest,
    given: &Given,
    names: NicNames,
    userspace: bool,
) -> Result<PodNic, Refusal> {
    let Some(mac) = given.mac else {
        let text = format!(
            "pod {}/{} was given addresses in network {} but no hardware address",
            request.pod_namespace, request.pod_name, given.provider
        );
        return Err(failed(&Problem::new("CNI-NO-MAC", text)));
    };
    Ok(PodNic {
        names,
        if_name: request.if_name.clone(),
        mac,
        mtu: given.mtu,
        addresses: given.addresses(),
        defaults: given.defaults(&request.if_name),
        extras: given.extras.clone(),
        userspace,
    })
}

pub(super) fn port(request: &PodRequest, given: &Given, nic: &PodNic) -> Port {
    let (pod, namespace) = (&given.pod, &request.pod_namespace);
    let logical = match given.provider.as_str() {
        PROVIDER_OVN => format!("{pod}.{namespace}"),
        provider => format!("{pod}.{namespace}.{provider}"),
    };
    Port {
        link: nic.names.host.clone(),
        kind: PortKind::Plugged,
        iface_id: Some(logical),
        ips: given.ips,
        pod: Some(Pod { name: pod.clone(), namespace: namespace.clone(), netns: request.net_ns.clone() }),
    }
}

/// Addresses and hardware address; routes and what an interface of ours has come on top.
pub(super) fn response(given: &Given) -> PodResponse {
    let ips = given.ips.iter().map(|ip| {
        let family = Family::of(*ip);
        IpConfig {
            protocol: family.to_string(),
            ip: ip.to_string(),
            cidr: given.cidrs.get(family).map(ToString::to_string).unwrap_or_default(),
            gateway: given.gateways.get(family).map(ToString::to_string).unwrap_or_default(),
        }
    });
    let mac = given.mac.map(|mac| mac.to_string()).unwrap_or_default();
    PodResponse { ips: ips.collect(), mac_address: mac, ..PodResponse::default() }
}

pub(super) fn route_config(route: &crate::netlink::Route) -> RouteConfig {
    RouteConfig { dst: route.dst.to_string(), gw: route.via.map(|via| via.to_string()).unwrap_or_default() }
}
