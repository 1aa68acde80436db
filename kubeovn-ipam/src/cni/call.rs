//! A call of the runtime, read whole: what it asks for, or why it can't be done, before a file is opened.

use std::{collections::BTreeSet, net::IpAddr, path::PathBuf, sync::Arc};

use kubeovn_core::{
    addr::{Cidr, DualStack, Family, IpNet},
    cni::{
        AttachmentId, CniError, CniIp, CniResult, CniRoute, Dns, Environment, PluginCode, check_version,
        need_version,
    },
};

use super::{
    ConfError, DATA_DIR,
    conf::{NetConf, PrevResult, Settings},
    fixed, network,
};
use crate::{Grant, MacWish, Offer, OwnerKey, OwnerKind, Want};

/// A call of the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where the ledger is kept.
    pub dir: PathBuf,
    /// Subnets to define in it.
    pub offers: Vec<Offer>,
    /// What to do.
    pub verb: Verb,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verb {
    /// Addresses for an interface.
    Add {
        /// For whom.
        who: Who,
        /// Which.
        want: Want,
        /// How the answer looks.
        answer: Answer,
    },
    /// Takes back what an interface has.
    Del(Who),
    /// Does an interface have what ADD answered?
    Check {
        /// Who.
        who: Who,
        /// The addresses that ADD answered.
        told: BTreeSet<IpAddr>,
    },
    /// Takes back what is not in use.
    Gc {
        /// Of this network only.
        network: String,
        /// What is in use.
        valid: BTreeSet<AttachmentId>,
    },
    /// Would ADD have an address?
    Status(Want),
}

/// Whose interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The pod, or the container when the runtime names no pod, and its interface.
    pub owner: OwnerKey,
    /// The container: the pod's next one is another object.
    pub uid: Arc<str>,
    /// Its interface, behind the name of the network and a slash: two networks may be on one subnet.
    pub nic: Arc<str>,
}

/// What an answer has beside the addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Prefixes of the subnet.
    pub cidrs: DualStack<Cidr>,
    /// Its gateways.
    pub gateways: DualStack<IpAddr>,
    /// Routes of the configuration.
    pub routes: Vec<CniRoute>,
    /// Resolver settings of the configuration.
    pub dns: Dns,
}

impl Call {
    /// Reads variables and configuration.
    ///
    /// # Errors
    /// By the codes of the specification: 1 (version), 4 (variables), 6 (no JSON), 7 (a configuration that can't
    /// work).
    pub fn read(env: &Environment, input: &[u8]) -> Result<Self, CniError> {
        let (conf, settings) = NetConf::parse(input)?;
        check_version(&conf.cni_version)?;
        let dir = dir(&settings)?;
        if env.command == "DEL" {
            // What is held is in the store. A subnet that can't be read any more must not keep it.
            let offers = network::subnets(&settings).map(|(offers, _)| offers).unwrap_or_default();
            return Ok(Call { dir, offers, verb: Verb::Del(who(env, &conf)?) });
        }
        let read = match env.command.as_str() {
            "ADD" => add,
            "CHECK" => check,
            "GC" => gc,
            "STATUS" => status,
            other => {
                return Err(CniError::new(
                    PluginCode::InvalidEnvironment,
                    format!("CNI_COMMAND is {other:?}"),
                    "it must be ADD, DEL, CHECK, GC, STATUS or VERSION",
                ));
            }
        };
        let (offers, subnet) = network::subnets(&settings)?;
        let verb = read(&Read { env, conf: &conf, settings: &settings, offers: &offers, subnet })?;
        Ok(Call { dir, offers, verb })
    }
}

/// What a verb is made from.
struct Read<'r> {
    env: &'r Environment,
    conf: &'r NetConf,
    settings: &'r Settings,
    offers: &'r [Offer],
    subnet: Arc<str>,
}

fn add(read: &Read<'_>) -> Result<Verb, CniError> {
    let who = who(read.env, read.conf)?;
    let ips = fixed::fixed(read.conf, read.env)?;
    let want = Want { nic: who.nic.clone(), from: ips.into(), ..any_of(read.subnet.clone()) };
    let offer = read.offers.iter().find(|offer| offer.subnet == read.subnet);
    let dns = if read.settings.dns.is_empty() { &read.conf.dns } else { &read.settings.dns };
    let answer = Answer {
        cidrs: offer.map(|offer| offer.cidrs).unwrap_or_default(),
        gateways: offer.map(|offer| offer.gateways).unwrap_or_default(),
        routes: network::routes(read.settings)?,
        dns: dns.clone(),
    };
    Ok(Verb::Add { who, want, answer })
}

fn check(read: &Read<'_>) -> Result<Verb, CniError> {
    need_version("0.4.0", &read.conf.cni_version)?;
    let told = read.conf.prev_result.as_ref().ok_or(ConfError::NoPrevResult)?;
    Ok(Verb::Check { who: who(read.env, read.conf)?, told: told.addresses()? })
}

fn gc(read: &Read<'_>) -> Result<Verb, CniError> {
    need_version("1.1.0", &read.conf.cni_version)?;
    let valid = read.conf.valid_attachments.as_ref().ok_or(ConfError::NoAttachments)?;
    Ok(Verb::Gc { network: read.conf.name.clone(), valid: valid.iter().cloned().collect() })
}

fn status(read: &Read<'_>) -> Result<Verb, CniError> {
    need_version("1.1.0", &read.conf.cni_version)?;
    network::routes(read.settings)?;
    Ok(Verb::Status(any_of(read.subnet.clone())))
}

/// Any addresses of a subnet, and no MAC: the main plugin makes the interface.
fn any_of(subnet: Arc<str>) -> Want {
    Want { subnets: vec![subnet], mac: MacWish::Without, ..Want::default() }
}

/// The name by which the ledger knows an interface: GC is about one network, and two may be on one subnet.
pub(super) fn nic_of(network: &str, if_name: &str) -> String {
    format!("{network}/{if_name}")
}

fn who(env: &Environment, conf: &NetConf) -> Result<Who, CniError> {
    env.check()?;
    let pod = env.arg("K8S_POD_UID").unwrap_or(&env.container_id);
    let nic = nic_of(&conf.name, &env.if_name);
    Ok(Who {
        owner: OwnerKey::new(OwnerKind::Pod, format!("{pod}/{nic}")),
        uid: env.container_id.as_str().into(),
        nic: nic.into(),
    })
}

fn dir(settings: &Settings) -> Result<PathBuf, ConfError> {
    match settings.data_dir.as_str() {
        "" => Ok(DATA_DIR.into()),
        path if path.starts_with('/') => Ok(path.into()),
        path => Err(ConfError::DataDir { path: path.to_owned() }),
    }
}

impl PrevResult {
    fn addresses(&self) -> Result<BTreeSet<IpAddr>, ConfError> {
        let unreadable = |error| ConfError::Address { field: "prevResult.ips".to_owned(), error };
        self.ips.iter().map(|ip| fixed::address(&ip.address).map_err(unreadable)).collect()
    }
}

impl Answer {
    /// The result of ADD. An address that lies in no prefix of the subnet any more stands alone.
    pub fn result<'g>(&self, grants: impl Iterator<Item = &'g Grant>) -> CniResult {
        let ip = |ip: &IpAddr| {
            let family = Family::of(*ip);
            let length =
                self.cidrs.get(family).filter(|cidr| cidr.contains(*ip)).map(|cidr| cidr.prefix_len());
            let address = IpNet::new(*ip, length.unwrap_or(family.bits())).unwrap_or_else(|_| (*ip).into());
            CniIp { address, gateway: self.gateways.get(family).copied(), interface: None }
        };
        CniResult {
            ips: grants.flat_map(|grant| grant.ips.iter().map(ip)).collect(),
            routes: self.routes.clone(),
            dns: self.dns.clone(),
            ..CniResult::default()
        }
    }
}
