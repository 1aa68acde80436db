//! The daemon's answer as a CNI result.

use std::net::IpAddr;

use kubeovn_core::addr::{AddrParseError, Family, IpNet, parse_ip};
use kubeovn_core::cni::{CniError, CniInterface, CniIp, CniResult, CniRoute, PluginCode};

use super::protocol::{IpConfig, PodResponse, RouteConfig};

/// The result of ADD.
///
/// Without an interface of ours (another plugin makes it) there is none that the addresses could refer to.
///
/// # Errors
/// [`PluginCode::Decode`] when the daemon names something that is no address.
pub(super) fn result_of(response: PodResponse, sandbox: &str) -> Result<CniResult, CniError> {
    let ours = !response.nicname.is_empty();
    let unreadable = |error: AddrParseError| {
        CniError::new(PluginCode::Decode, "failed to parse the daemon's answer", error.to_string())
    };
    let ips: Result<Vec<_>, _> = response.ips.iter().map(|ip| ip_of(ip, ours)).collect();
    let ips = ips.map_err(unreadable)?;
    let routes = routes_of(&response.routes, &ips).map_err(unreadable)?;
    let nic = ours.then(|| CniInterface {
        name: response.nicname,
        mac: response.mac_address,
        mtu: response.mtu,
        sandbox: sandbox.to_owned(),
    });
    Ok(CniResult { interfaces: nic.into_iter().collect(), ips, routes, dns: response.dns })
}

fn ip_of(ip: &IpConfig, ours: bool) -> Result<CniIp, AddrParseError> {
    let address = parse_ip(&ip.ip)?;
    let gateway = if ip.gateway.is_empty() { None } else { Some(parse_ip(&ip.gateway)?) };
    Ok(CniIp { address: net_of(address, &ip.cidr)?, gateway, interface: ours.then_some(0) })
}

/// An address with the prefix length of its subnet; by itself without one.
fn net_of(address: IpAddr, cidr: &str) -> Result<IpNet, AddrParseError> {
    let Some((_, length)) = cidr.rsplit_once('/') else { return Ok(address.into()) };
    let length = length.parse().ok().filter(|length| *length <= Family::of(address).bits());
    let net = length.and_then(|length| IpNet::new(address, length).ok());
    net.ok_or_else(|| AddrParseError::Cidr { text: cidr.to_owned() })
}

/// The routes that the daemon told, else one default route per address that has a gateway.
fn routes_of(told: &[RouteConfig], ips: &[CniIp]) -> Result<Vec<CniRoute>, AddrParseError> {
    if told.is_empty() {
        return Ok(ips.iter().filter_map(|ip| ip.gateway).map(CniRoute::default_by).collect());
    }
    told.iter().map(|route| CniRoute::parse(&route.dst, &route.gw)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn response() -> PodResponse {
        let ip = |protocol: &str, ip: &str, cidr: &str, gateway: &str| IpConfig {
            protocol: protocol.into(),
            ip: ip.into(),
            cidr: cidr.into(),
            gateway: gateway.into(),
        };
        PodResponse {
            ips: vec![
                ip("IPv4", "10.16.0.2", "10.16.0.0/16", "10.16.0.1"),
                ip("IPv6", "fd00::2", "fd00::/112", "fd00::1"),
            ],
            mac_address: "0a:00:00:00:00:01".into(),
            mtu: 1400,
            nicname: "eth0".into(),
            ..PodResponse::default()
        }
    }

    #[test]
    fn the_answer_is_told_whole() {
        let result = result_of(response(), "/run/netns/x").expect("readable").render("1.1.0");
        assert_eq!(
            result["interfaces"],
            json!([{"name": "eth0", "mac": "0a:00:00:00:00:01", "mtu": 1400, "sandbox": "/run/netns/x"}])
        );
        assert_eq!(result["ips"][1], json!({"address": "fd00::2/112", "gateway": "fd00::1", "interface": 0}));
    }

    #[test]
    fn routes_default_to_one_per_gateway() {
        let result = result_of(response(), "").expect("readable").render("1.0.0");
        assert_eq!(
            result["routes"],
            json!([{"dst": "0.0.0.0/0", "gw": "10.16.0.1"}, {"dst": "::/0", "gw": "fd00::1"}])
        );
        let mut told = response();
        told.routes = vec![RouteConfig { dst: "10.0.0.0/8".into(), gw: "10.16.0.9".into() }];
        let result = result_of(told, "").expect("readable").render("1.0.0");
        assert_eq!(result["routes"], json!([{"dst": "10.0.0.0/8", "gw": "10.16.0.9"}]));
    }

    #[test]
    fn an_address_plugin_names_no_interface() {
        let mut only_ips = response();
        only_ips.nicname.clear();
        let result = result_of(only_ips, "").expect("readable").render("1.0.0");
        assert!(result.get("interfaces").is_none());
        assert!(result["ips"][0].get("interface").is_none());
    }

    #[test]
    fn an_address_without_a_prefix_stands_alone_and_an_unreadable_one_is_refused() {
        let mut bare = response();
        bare.ips[1].cidr.clear();
        let result = result_of(bare, "").expect("readable").render("1.0.0");
        assert_eq!(result["ips"][1]["address"], "fd00::2/128");
        for edit in [
            (|r| r.ips[0].ip.clear()) as fn(&mut PodResponse),
            |r| r.ips[0].cidr = "10.16.0.0/33".into(),
            |r| r.ips[1].gateway = "there".into(),
            |r| r.routes = vec![RouteConfig { dst: "all".into(), gw: String::new() }],
        ] {
            let mut wrong = response();
            edit(&mut wrong);
            assert_eq!(result_of(wrong, "").expect_err("unreadable").code, 6);
        }
    }
}
