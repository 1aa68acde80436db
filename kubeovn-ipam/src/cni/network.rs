//! The subnets of a configuration: read, checked, one of them chosen.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::{AddrParseError, Cidr, DualStack, Family},
    cni::CniRoute,
};

use super::{
    ConfError,
    conf::{RouteConf, Settings, SubnetConf},
};
use crate::{Millis, Offer};

/// One space for all subnets of a directory: what they share is given once.
const SPACE: &str = "cni";
/// How long a freed address rests.
const REST: Millis = 5_000;
/// Host bits from which on a subnet has addresses to spare for that: 64 of them.
const ROOMY: u8 = 6;

/// All subnets of a configuration, and the name of the one to take from.
pub(super) fn subnets(settings: &Settings) -> Result<(Vec<Offer>, Arc<str>), ConfError> {
    let mut names = BTreeSet::new();
    for (place, subnet) in settings.subnets.iter().enumerate() {
        if subnet.name.is_empty() {
            return Err(ConfError::NoName { place: place + 1 });
        }
        if !names.insert(subnet.name.as_str()) {
            return Err(ConfError::Twice { subnet: subnet.name.clone() });
        }
    }
    let listed = || names.iter().copied().collect::<Vec<_>>().join(", ");
    let chosen = match settings.subnets.as_slice() {
        [] => return Err(ConfError::NoSubnets),
        [only] if settings.subnet.is_empty() => &only.name,
        all if settings.subnet.is_empty() => {
            return Err(ConfError::Unchosen { count: all.len(), listed: listed() });
        }
        _ if names.contains(settings.subnet.as_str()) => &settings.subnet,
        _ => return Err(ConfError::Unlisted { subnet: settings.subnet.clone(), listed: listed() }),
    };
    let offers = settings.subnets.iter().map(offer).collect::<Result<_, _>>()?;
    Ok((offers, chosen.as_str().into()))
}

/// The routes of a configuration.
pub(super) fn routes(settings: &Settings) -> Result<Vec<CniRoute>, ConfError> {
    let route = |(place, conf): (usize, &RouteConf)| {
        let field = || format!("route {}", place + 1);
        let route = CniRoute::parse(&conf.dst, &conf.gw)
            .map_err(|error| ConfError::Address { field: field(), error })?;
        match route.gw {
            Some(gw) if Family::of(gw) != route.dst.family() => {
                Err(ConfError::RouteFamilies { place: place + 1, dst: route.dst, gw })
            }
            _ => Ok(route),
        }
    };
    settings.routes.iter().enumerate().map(route).collect()
}

fn offer(conf: &SubnetConf) -> Result<Offer, ConfError> {
    let unreadable = |field: &'static str| {
        move |error: AddrParseError| {
            let field = format!("{field} of subnet {}", conf.name);
            ConfError::Address { field, error }
        }
    };
    let cidrs: DualStack<Cidr> = conf.cidr_block.parse().map_err(unreadable("cidrBlock"))?;
    if cidrs.is_empty() {
        return Err(ConfError::NoPrefix { subnet: conf.name.clone() });
    }
    let gateways: DualStack<IpAddr> = conf.gateway.parse().map_err(unreadable("gateway"))?;
    if let Some(gateway) = gateways.iter().find(|gateway| !reaches(&cidrs, **gateway)) {
        let subnet = conf.name.clone();
        return Err(ConfError::Gateway { subnet, gateway: *gateway, cidrs });
    }
    let excludes = conf.exclude_ips.iter().map(|text| text.parse()).collect::<Result<_, _>>();
    let roomy = |cidr: &Cidr| cidr.family().bits() - cidr.prefix_len() >= ROOMY;
    Ok(Offer {
        subnet: conf.name.as_str().into(),
        space: SPACE.into(),
        cidrs,
        gateways,
        excludes: excludes.map_err(unreadable("excludeIps"))?,
        rest: if cidrs.iter().all(roomy) { REST } else { 0 },
        ..Offer::default()
    })
}

/// Can a host of these prefixes speak to the gateway? With a link-local one it can, whatever its prefix.
fn reaches(cidrs: &DualStack<Cidr>, gateway: IpAddr) -> bool {
    let link_local = matches!(gateway, IpAddr::V6(ip) if ip.is_unicast_link_local());
    cidrs.get(Family::of(gateway)).is_some_and(|cidr| link_local || cidr.usable().contains(gateway))
}
