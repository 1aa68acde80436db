//! Addresses that the user asks for by number.

use std::net::IpAddr;

use kubeovn_core::{
    addr::{AddrParseError, DualStack, Family, IpNet, parse_ip},
    cni::Environment,
};

use super::{ConfError, conf::NetConf};

/// The addresses asked for, at most one of each family. They may stand in three places; the first that has any
/// counts: `args.cni.ips`, `runtimeConfig.ips`, `IP` in `CNI_ARGS`.
pub(super) fn fixed(conf: &NetConf, env: &Environment) -> Result<DualStack<IpAddr>, ConfError> {
    let listed = |ips: &[String]| ips.iter().map(|ip| ip.trim().to_owned()).collect::<Vec<_>>();
    let argument = env.arg("IP").unwrap_or_default().split(',').map(str::trim);
    let argument = argument.filter(|ip| !ip.is_empty()).map(str::to_owned).collect();
    let places = [
        ("args.cni.ips", listed(&conf.args.cni.ips)),
        ("runtimeConfig.ips", listed(&conf.runtime_config.ips)),
        ("IP in CNI_ARGS", argument),
    ];
    let mut fixed = DualStack::default();
    let Some((place, texts)) = places.iter().find(|(_, texts)| !texts.is_empty()) else { return Ok(fixed) };
    for text in texts {
        let ip = address(text).map_err(|error| ConfError::Address { field: (*place).to_owned(), error })?;
        if let Some(other) = fixed.put(ip).filter(|other| *other != ip) {
            return Err(ConfError::TwoFixed { place, family: Family::of(ip), first: other, second: ip });
        }
    }
    Ok(fixed)
}

/// An address, with a prefix length or without one.
pub(super) fn address(text: &str) -> Result<IpAddr, AddrParseError> {
    let bad = |_| AddrParseError::Ip { text: text.to_owned() };
    if text.contains('/') { text.parse().map(|net: IpNet| net.addr()).map_err(bad) } else { parse_ip(text) }
}
