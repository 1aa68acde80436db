//! What a pod was given for one of its interfaces, read from its annotations.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use kubeovn_core::addr::{Cidr, DualStack, Family, Mac};
use kubeovn_core::annotations::{self, NicKey, nic};
use kubeovn_core::error::Problem;
use kubeovn_core::index::objects::{Kind, Pod};

use super::facts::{Facts, MIRROR};
use crate::cni::protocol::{PROVIDER_OVN, PodRequest, RouteConfig};
use crate::netlink::Route;

/// What an interface was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// Logical network, with the interface's name if the pod is in it twice.
    pub(super) provider: String,
    /// Name that stands for the pod: its own, or its virtual machine's.
    pub(super) pod: String,
    /// Addresses; none when the pod gets them by DHCP.
    pub(super) ips: DualStack<IpAddr>,
    /// The subnet's prefixes.
    pub(super) cidrs: DualStack<Cidr>,
    /// Next hops of its default routes: only of the families it has, and only if its default route is here.
    pub(super) gateways: DualStack<IpAddr>,
    /// Hardware address.
    pub(super) mac: Option<Mac>,
    /// In bytes.
    pub(super) mtu: u32,
    /// Routes that pod and network configuration ask for.
    pub(super) extras: Vec<Route>,
    /// A virtual machine is on its way to this pod, and runs elsewhere until it is here.
    pub(super) awaits_machine: bool,
}

/// Why nothing is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotGiven {
    /// Not yet: it may come.
    Wait(String),
    /// Never, as things stand.
    Refused(String),
}

impl Given {
    /// Addresses with the length of the subnet's prefix.
    pub(super) fn addresses(&self) -> Vec<IpNet> {
        let net = |ip: &IpAddr| {
            let length = self.cidrs.get(Family::of(*ip)).map(|cidr| cidr.prefix_len());
            length.and_then(|length| IpNet::new(*ip, length).ok()).unwrap_or_else(|| IpNet::from(*ip))
        };
        self.ips.iter().map(net).collect()
    }

    /// The default routes, but for destinations that an extra route takes.
    pub(super) fn defaults(&self, dev: &str) -> Vec<Route> {
        let routes = self.gateways.iter().map(|gateway| Route {
            dst: everything(*gateway),
            via: Some(*gateway),
            dev: dev.to_owned(),
            src: None,
            mtu: None,
        });
        routes.filter(|route| self.extras.iter().all(|extra| extra.dst != route.dst)).collect()
    }
}

/// What the interface of a request was given, or why it was not.
pub(super) fn given(facts: &Facts, request: &PodRequest, default_mtu: u32) -> Result<Given, NotGiven> {
    let refused = |code: &'static str, text: String| NotGiven::Refused(Problem::new(code, text).to_string());
    let wait = |code: &'static str, text: String| NotGiven::Wait(Problem::new(code, text).to_string());
    let who = format!("{}/{}", request.pod_namespace, request.pod_name);
    if !facts.knows(Kind::Pod) || !facts.knows(Kind::Subnet) {
        return Err(wait(
            "NODE-NOT-SYNCED",
            "the daemon has not read pods and subnets from the cluster yet".into(),
        ));
    }
    check_provider(facts, request)?;
    if facts.has_ended(&request.pod_uid) {
        return Err(refused("CNI-POD-UNKNOWN", format!("pod {who} was deleted while its sandbox was made")));
    }
    let Some(pod) = pod_of(facts, request) else {
        let text = format!(
            "pod {who} is not known on node {}: it was deleted, or is not bound here yet",
            facts.name()
        );
        return Err(wait("CNI-POD-UNKNOWN", text));
    };
    let provider = provider_on(pod, request);
    let note = |key: NicKey| pod.meta.annotation(&key.of(&provider));
    let on_pod = |key: NicKey, error: String| {
        refused("CNI-BAD-ANNOTATION", format!("annotation {} of pod {who}: {error}", key.of(&provider)))
    };
    let ours = annotations::is_ovn(bare_provider(&provider, &request.if_name));
    if ours && let Some(kind @ ("offload-port" | "dpdk-port")) = note(nic::POD_NIC_TYPE) {
        return Err(unsupported(kind));
    }
    let ips: DualStack<IpAddr> = read(note(nic::IP_ADDRESS)).map_err(|e| on_pod(nic::IP_ADDRESS, e))?;
    let mac: Option<Mac> = note(nic::MAC_ADDRESS)
        .map(str::parse)
        .transpose()
        .map_err(|e: <Mac as FromStr>::Err| on_pod(nic::MAC_ADDRESS, e.to_string()))?;
    let told = || note(nic::ERROR).or_else(|| pod.meta.annotation(nic::ERROR.ovn())).map(str::to_owned);
    if !note(nic::ALLOCATED).is_some_and(annotations::is_true) || (ips.is_empty() && mac.is_none()) {
        return Err(
            told().map_or_else(|| wait("CNI-NO-ADDRESS", no_address(&who, &provider)), NotGiven::Wait)
        );
    }
    let cidrs: DualStack<Cidr> = read(note(nic::CIDR)).map_err(|e| on_pod(nic::CIDR, e))?;
    // Without a prefix and a gateway the pod would be wired, and cut off.
    if ips.families().any(|family| cidrs.get(family).is_none()) {
        let subnet = note(nic::LOGICAL_SWITCH).unwrap_or_default();
        let text =
            format!("pod {who} has {ips}, but its subnet {subnet} is not in effect; its status tells why");
        return Err(told().map_or_else(|| wait("CNI-NO-SUBNET", text), NotGiven::Wait));
    }
    let mut gateways: DualStack<IpAddr> = read(note(nic::GATEWAY)).map_err(|e| on_pod(nic::GATEWAY, e))?;
    if !has_default_route(note(nic::DEFAULT_ROUTE), &request.if_name) {
        gateways = DualStack::default();
    }
    for family in Family::BOTH {
        if ips.get(family).is_none() {
            *gateways.slot(family) = None;
        }
    }
    let asked: Vec<RouteConfig> = match note(nic::ROUTES) {
        Some(text) => serde_json::from_str(text).map_err(|e| on_pod(nic::ROUTES, e.to_string()))?,
        None => Vec::new(),
    };
    let mut extras = routes(&asked, &request.if_name).map_err(|e| on_pod(nic::ROUTES, e))?;
    let conf = routes(&request.routes, &request.if_name)
        .map_err(|error| refused("CNI-BAD-ROUTE", format!("routes of the network configuration: {error}")))?;
    extras.extend(conf);
    let subnet = note(nic::LOGICAL_SWITCH).and_then(|name| facts.subnet(name));
    let mtu = subnet.map_or(0, |subnet| subnet.spec.mtu);
    Ok(Given {
        pod: note(nic::VIRTUAL_MACHINE).unwrap_or(&pod.meta.name).to_owned(),
        ips,
        cidrs,
        gateways,
        mac,
        mtu: if mtu > 0 { mtu } else { default_mtu },
        extras,
        awaits_machine: pod.meta.annotation(annotations::pod::MIGRATION_JOB).is_some(),
        provider,
    })
}

/// The pod of a request, if it is known.
pub(super) fn pod_of<'a>(facts: &'a Facts, request: &PodRequest) -> Option<&'a Pod> {
    let same = |pod: &&Pod| {
        let uid = &*request.pod_uid;
        uid.is_empty() || *pod.meta.uid == *uid || pod.meta.annotation(MIRROR) == Some(uid)
    };
    facts.pod(&request.pod_namespace, &request.pod_name).filter(same)
}

/// Refuses interfaces that are not veth pairs: plugging one as if it was would be wrong in silence.
pub(super) fn check_kind(request: &PodRequest) -> Result<(), NotGiven> {
    if !request.device_id.is_empty() {
        return Err(unsupported("offload-port (deviceID)"));
    }
    if !request.vhost_user_socket_volume_name.is_empty() {
        return Err(unsupported("dpdk-port (vhost_user_socket_volume_name)"));
    }
    Ok(())
}

fn unsupported(kind: &str) -> NotGiven {
    let text = format!("interfaces of type {kind} are not supported; use veth-pair");
    NotGiven::Refused(Problem::new("CNI-NIC-TYPE-UNSUPPORTED", text).to_string())
}

fn no_address(who: &str, provider: &str) -> String {
    format!(
        "pod {who} has no address in network {provider} yet (annotation {} is not \"true\"); its events tell why, \
         and kube-ovn-controller must be running",
        nic::ALLOCATED.of(provider)
    )
}

/// Another network than the default one must have a subnet.
fn check_provider(facts: &Facts, request: &PodRequest) -> Result<(), NotGiven> {
    let provider = request.provider.as_str();
    let bare = bare_provider(provider, &request.if_name);
    if matches!(provider, "" | PROVIDER_OVN) || facts.has_provider(bare) {
        return Ok(());
    }
    let text =
        format!("network {provider} is not bound to any subnet: create a Subnet with spec.provider {bare}");
    Err(NotGiven::Refused(Problem::new("CNI-PROVIDER-UNKNOWN", text).to_string()))
}

/// A provider without the name of the interface, which stands behind it for pods that are in a network twice.
pub(super) fn bare_provider<'a>(provider: &'a str, if_name: &str) -> &'a str {
    provider.strip_suffix(if_name).and_then(|rest| rest.strip_suffix('.')).unwrap_or(provider)
}

/// The provider whose annotations are for this interface.
fn provider_on(pod: &Pod, request: &PodRequest) -> String {
    let provider = if request.provider.is_empty() { PROVIDER_OVN } else { &request.provider };
    let own = format!("{provider}.{}", request.if_name);
    if pod.meta.annotation(&nic::IP_ADDRESS.of(&own)).is_some() { own } else { provider.to_owned() }
}

fn has_default_route(told: Option<&str>, if_name: &str) -> bool {
    match told {
        Some("true") => true,
        Some("false") => false,
        _ => if_name == "eth0",
    }
}

fn read<T: FromStr<Err: ToString> + Default>(text: Option<&str>) -> Result<T, String> {
    text.map_or_else(|| Ok(T::default()), |text| text.parse().map_err(|e: T::Err| e.to_string()))
}

/// Routes as configurations write them: without a destination they are the default route of the next hop's family.
fn routes(configs: &[RouteConfig], dev: &str) -> Result<Vec<Route>, String> {
    let route = |config: &RouteConfig| {
        let via: Option<IpAddr> = match config.gw.as_str() {
            "" => None,
            gw => Some(gw.parse().map_err(|_| format!("gw {gw:?} is no IP address"))?),
        };
        let dst = match (config.dst.as_str(), via) {
            ("", Some(via)) => everything(via),
            ("", None) => return Err("a route needs dst or gw".to_owned()),
            (dst, _) => dst.parse::<IpNet>().map_err(|_| format!("dst {dst:?} is no prefix"))?.trunc(),
        };
        if via.is_some_and(|via| via.is_ipv4() != dst.addr().is_ipv4()) {
            return Err(format!("dst {dst} and gw {} are of different families", config.gw));
        }
        Ok(Route { dst, via, dev: dev.to_owned(), src: None, mtu: None })
    };
    configs.iter().map(route).collect()
}

/// The prefix that contains every address of the gateway's family.
fn everything(gateway: IpAddr) -> IpNet {
    match gateway {
        IpAddr::V4(_) => IpNet::V4(Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(Ipv6Net::default()),
    }
}

#[cfg(test)]
mod tests;
