//! What a CNI plugin prints: results of every supported version of the specification, and errors.

use serde::Serialize;
use serde_json::{Value, json};

use super::protocol::{IpConfig, PodResponse, RouteConfig};

/// Versions of the CNI specification that results can be written for, oldest first.
pub const VERSIONS: &[&str] = &["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
/// The newest of [`VERSIONS`].
pub const NEWEST: &str = "1.1.0";

/// Error codes of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum PluginCode {
    /// We can't answer in that version.
    IncompatibleVersion = 1,
    /// A variable is missing or wrong.
    InvalidEnvironment = 4,
    /// Reading our input or the daemon's answer failed.
    Io = 5,
    /// Text that is not what it should be.
    Decode = 6,
    /// A configuration that can't work.
    InvalidConfig = 7,
    /// It may work later.
    TryAgainLater = 11,
    /// STATUS: no pods can be wired now.
    NotAvailable = 50,
}

/// An error as the runtime reads it; it ends up in the pod's events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CniError {
    /// A [`PluginCode`].
    pub code: u32,
    /// What failed.
    pub msg: String,
    /// Why, and what to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub details: String,
}

impl CniError {
    /// An error by code and texts.
    pub fn new(code: PluginCode, msg: impl Into<String>, details: impl Into<String>) -> Self {
        Self { code: code as u32, msg: msg.into(), details: details.into() }
    }

    /// The JSON object of the specification, in the version asked for.
    pub fn render(&self, version: &str) -> Value {
        let version = if version.is_empty() { NEWEST } else { version };
        json!({"cniVersion": version, "code": self.code, "msg": self.msg, "details": self.details})
    }
}

/// The answer to VERSION.
pub fn render_versions() -> Value {
    json!({"cniVersion": NEWEST, "supportedVersions": VERSIONS})
}

/// Refuses a version that we can't answer in.
pub fn check_version(version: &str) -> Result<(), CniError> {
    if VERSIONS.contains(&version) {
        return Ok(());
    }
    let details = format!("cniVersion is {version:?}, supported are {}", VERSIONS.join(", "));
    Err(CniError::new(PluginCode::IncompatibleVersion, "incompatible CNI versions", details))
}

/// The result of ADD in one of the [`VERSIONS`].
///
/// Without an interface of ours (another plugin makes it) there is no `interfaces` list to refer to.
pub fn render_result(response: &PodResponse, version: &str, sandbox: &str) -> Value {
    let ours = !response.nicname.is_empty();
    let ips: Vec<_> = response.ips.iter().map(|ip| render_ip(ip, version, ours)).collect();
    let mut result = json!({"cniVersion": version, "ips": ips, "dns": response.dns});
    if ours {
        let mut nic = json!({"name": response.nicname, "mac": response.mac_address, "sandbox": sandbox});
        if version == NEWEST && response.mtu > 0 {
            put(&mut nic, "mtu", json!(response.mtu));
        }
        put(&mut result, "interfaces", json!([nic]));
    }
    let routes = render_routes(response);
    if !routes.is_empty() {
        put(&mut result, "routes", Value::Array(routes));
    }
    result
}

fn render_ip(ip: &IpConfig, version: &str, ours: bool) -> Value {
    let prefix = ip
        .cidr
        .rsplit_once('/')
        .map_or_else(|| if is_v6(&ip.ip) { "128" } else { "32" }, |(_, length)| length);
    let mut entry = json!({"address": format!("{}/{prefix}", ip.ip)});
    if ours {
        put(&mut entry, "interface", json!(0));
    }
    if !ip.gateway.is_empty() {
        put(&mut entry, "gateway", json!(ip.gateway));
    }
    if version.starts_with("0.") {
        put(&mut entry, "version", json!(if is_v6(&ip.ip) { "6" } else { "4" }));
    }
    entry
}

/// The routes that the daemon told, else one default route per family that has a gateway.
fn render_routes(response: &PodResponse) -> Vec<Value> {
    let render = |route: &RouteConfig| {
        let everything = if is_v6(&route.gw) { "::/0" } else { "0.0.0.0/0" };
        let dst = if route.dst.is_empty() { everything } else { &route.dst };
        let mut entry = json!({"dst": dst});
        if !route.gw.is_empty() {
            put(&mut entry, "gw", json!(route.gw));
        }
        entry
    };
    if !response.routes.is_empty() {
        return response.routes.iter().map(render).collect();
    }
    let gateways = response.ips.iter().filter(|ip| !ip.gateway.is_empty());
    gateways.map(|ip| render(&RouteConfig { dst: String::new(), gw: ip.gateway.clone() })).collect()
}

fn is_v6(address: &str) -> bool {
    address.contains(':')
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
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
    fn each_version_has_its_own_shape() {
        for version in VERSIONS {
            let result = render_result(&response(), version, "/run/netns/x");
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
    fn routes_default_to_one_per_gateway() {
        let result = render_result(&response(), "1.0.0", "");
        assert_eq!(
            result["routes"],
            json!([{"dst": "0.0.0.0/0", "gw": "10.16.0.1"}, {"dst": "::/0", "gw": "fd00::1"}])
        );
        let mut told = response();
        told.routes = vec![RouteConfig { dst: "10.0.0.0/8".into(), gw: "10.16.0.9".into() }];
        let result = render_result(&told, "1.0.0", "");
        assert_eq!(result["routes"], json!([{"dst": "10.0.0.0/8", "gw": "10.16.0.9"}]));
    }

    #[test]
    fn an_address_plugin_names_no_interface() {
        let mut only_ips = response();
        only_ips.nicname.clear();
        let result = render_result(&only_ips, "1.0.0", "");
        assert!(result.get("interfaces").is_none());
        assert!(result["ips"][0].get("interface").is_none());
    }

    #[test]
    fn errors_and_versions_follow_the_specification() {
        let error = check_version("0.1.0").expect_err("too old");
        assert_eq!(error.render("")["code"], 1);
        assert_eq!(error.render("")["cniVersion"], NEWEST);
        assert!(check_version("1.0.0").is_ok());
        assert_eq!(render_versions()["supportedVersions"][0], "0.3.0");
    }
}
