//! The result of ADD, in the shape of every supported version of the specification.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{or_default, version::is_at_least};
use crate::addr::{AddrParseError, Cidr, Family, IpNet, parse_ip};

/// What ADD made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CniResult {
    /// Links; none when another plugin makes them.
    pub interfaces: Vec<CniInterface>,
    /// Addresses.
    pub ips: Vec<CniIp>,
    /// Routes through the interfaces.
    pub routes: Vec<CniRoute>,
    /// Resolver settings.
    pub dns: Dns,
}

/// A link that the plugin made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CniInterface {
    /// Its name in the sandbox.
    pub name: String,
    /// Hardware address.
    pub mac: String,
    /// In bytes; 0 when it is not told. Results say it from 1.1.0 on.
    pub mtu: u32,
    /// File that names the sandbox's network namespace.
    pub sandbox: String,
}

/// An address with its prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CniIp {
    /// Like `10.16.0.9/16`: the host's bits are set.
    pub address: IpNet,
    /// The subnet's gateway.
    pub gateway: Option<IpAddr>,
    /// Place in [`CniResult::interfaces`]; none when another plugin makes the interface.
    pub interface: Option<usize>,
}

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CniRoute {
    /// Destination.
    pub dst: Cidr,
    /// Next hop.
    pub gw: Option<IpAddr>,
}

impl CniRoute {
    /// The default route by a next hop.
    pub fn default_by(gw: IpAddr) -> Self {
        let everything = match Family::of(gw) {
            Family::V4 => IpNet::V4(<_>::default()),
            Family::V6 => IpNet::V6(<_>::default()),
        };
        Self { dst: Cidr::new(everything), gw: Some(gw) }
    }

    /// A route as configurations write it: without a destination it is the default route of the next hop's family.
    pub fn parse(dst: &str, gw: &str) -> Result<Self, AddrParseError> {
        let gw = if gw.is_empty() { None } else { Some(parse_ip(gw)?) };
        match gw {
            Some(gw) if dst.is_empty() => Ok(Self::default_by(gw)),
            _ => Ok(Self { dst: dst.parse()?, gw }),
        }
    }
}

/// Resolver settings, as CNI defines them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// Servers.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// Local domain.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Domains that short names are tried in.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Options of `resolv.conf`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// Nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl CniResult {
    /// The JSON object of the specification in one of the [`VERSIONS`](super::VERSIONS).
    pub fn render(&self, version: &str) -> Value {
        let ips: Vec<_> = self.ips.iter().map(|ip| ip.render(version)).collect();
        let mut result = json!({"cniVersion": version, "ips": ips, "dns": self.dns});
        let interfaces: Vec<_> = self.interfaces.iter().map(|nic| nic.render(version)).collect();
        if !interfaces.is_empty() {
            put(&mut result, "interfaces", Value::Array(interfaces));
        }
        let routes: Vec<_> = self.routes.iter().map(CniRoute::render).collect();
        if !routes.is_empty() {
            put(&mut result, "routes", Value::Array(routes));
        }
        result
    }
}

impl CniInterface {
    fn render(&self, version: &str) -> Value {
        let mut nic = json!({"name": self.name, "mac": self.mac, "sandbox": self.sandbox});
        if is_at_least("1.1.0", version) && self.mtu > 0 {
            put(&mut nic, "mtu", json!(self.mtu));
        }
        nic
    }
}

impl CniIp {
    fn render(&self, version: &str) -> Value {
        let mut entry = json!({"address": self.address.to_string()});
        if let Some(interface) = self.interface {
            put(&mut entry, "interface", json!(interface));
        }
        if let Some(gateway) = self.gateway {
            put(&mut entry, "gateway", json!(gateway.to_string()));
        }
        if !is_at_least("1.0.0", version) {
            let family = if self.address.addr().is_ipv6() { "6" } else { "4" };
            put(&mut entry, "version", json!(family));
        }
        entry
    }
}

impl CniRoute {
    fn render(&self) -> Value {
        let mut entry = json!({"dst": self.dst.to_string()});
        if let Some(gw) = self.gw {
            put(&mut entry, "gw", json!(gw.to_string()));
        }
        entry
    }
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::VERSIONS, *};

    fn result() -> CniResult {
        let ip = |address: &str, gateway: &str| CniIp {
            address: address.parse().unwrap(),
            gateway: gateway.parse().ok(),
            interface: Some(0),
        };
        CniResult {
            interfaces: vec![CniInterface {
                name: "eth0".into(),
                mac: "0a:00:00:00:00:01".into(),
                mtu: 1400,
                sandbox: "/run/netns/x".into(),
            }],
            ips: vec![ip("10.16.0.2/16", "10.16.0.1"), ip("fd00::2/112", "fd00::1")],
            routes: vec![],
            dns: Dns::default(),
        }
    }

    #[test]
    fn each_version_has_its_own_shape() {
        for version in VERSIONS {
            let result = result().render(version);
            assert_eq!(result["cniVersion"], *version);
            assert_eq!(result["interfaces"][0]["sandbox"], "/run/netns/x");
            assert_eq!(result["ips"][1]["address"], "fd00::2/112");
            assert_eq!(result["ips"][0]["interface"], 0);
            let old = version.starts_with("0.");
            assert_eq!(result["ips"][1].get("version"), old.then(|| json!("6")).as_ref(), "{version}");
            let mtu = (*version == "1.1.0").then(|| json!(1400));
            assert_eq!(result["interfaces"][0].get("mtu"), mtu.as_ref(), "{version}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_named() {
        let ip = CniIp { address: "10.16.0.2/16".parse().unwrap(), gateway: None, interface: None };
        let only_ips = CniResult { ips: vec![ip], ..CniResult::default() };
        assert_eq!(
            only_ips.render("1.0.0"),
            json!({"cniVersion": "1.0.0", "ips": [{"address": "10.16.0.2/16"}], "dns": {}})
        );
    }

    #[test]
    fn a_route_without_a_destination_is_the_default_one() {
        let told = |dst, gw| CniRoute::parse(dst, gw).map(|route| route.render());
        assert_eq!(told("", "10.16.0.1"), Ok(json!({"dst": "0.0.0.0/0", "gw": "10.16.0.1"})));
        assert_eq!(told("", "fd00::1"), Ok(json!({"dst": "::/0", "gw": "fd00::1"})));
        assert_eq!(told("10.0.0.0/8", ""), Ok(json!({"dst": "10.0.0.0/8"})));
        for (dst, gw) in [("", ""), ("10.0.0.0", "10.16.0.1"), ("10.0.0.0/8", "here")] {
            assert!(told(dst, gw).is_err(), "{dst:?} {gw:?}");
        }
    }

    #[test]
    fn resolver_settings_are_echoed_and_null_is_empty() {
        let dns: Dns = serde_json::from_str(r#"{"nameservers":["10.96.0.10"],"search":null}"#).unwrap();
        assert!(!dns.is_empty());
        let result = CniResult { dns, ..CniResult::default() };
        assert_eq!(result.render("1.0.0")["dns"], json!({"nameservers": ["10.96.0.10"]}));
    }
}
