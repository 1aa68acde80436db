//! What an installation chose: flags and environment, read and checked once.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use kubeovn_core::{
    addr::{Cidr, DualStack},
    index::{NetworkType, Settings},
};
use kubeovn_ovn::ovsdb::connect::{ClientCertificate, ConnectConfig, Endpoints, TlsConfig, Verify};

use super::error::ControllerError;
use crate::{
    flags::{FlagError, Flags},
    run::lease,
    serve::{Place, Port},
};

/// Where the certificates for OVN's databases are mounted.
const TLS: &str = "/var/run/tls";

/// The environment variables that are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `POD_NAME`: who we are in the lease.
    pub pod_name: String,
    /// `POD_NAMESPACE`: where the lease is.
    pub pod_namespace: String,
    /// Where and as whom we answer.
    pub place: Place,
    /// `ENABLE_SSL=true`: certificates are in /var/run/tls.
    pub ssl: bool,
    /// `OVN_DB_IPS`: where the databases are, if no flag says it.
    pub database_ips: String,
}

/// What was chosen.
#[derive(Debug)]
pub struct Installation {
    /// Names and prefixes of the built-in network.
    pub settings: Settings,
    /// How to reach the Northbound.
    pub northbound: ConnectConfig,
    /// The lease.
    pub lease: lease::Config,
    /// Where health checks and metrics are.
    pub port: Port,
    /// The access to the API server; that of the pod where it is not given.
    pub kubeconfig: Option<PathBuf>,
    /// Flags that nothing acts on yet, as they were given.
    pub in_vain: Vec<String>,
    /// Kinds whose objects nothing shall act on, by what flags say: they are told nothing.
    pub unwanted: Vec<&'static str>,
}

impl Environment {
    /// Reads it by a function that knows variables by their names.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| variable(name).unwrap_or_default();
        Environment {
            pod_name: text("POD_NAME"),
            pod_namespace: text("POD_NAMESPACE"),
            place: Place::read(&variable),
            ssl: text("ENABLE_SSL") == "true",
            database_ips: text("OVN_DB_IPS"),
        }
    }
}

impl Installation {
    /// Puts flags and environment together. `start` tells this start of the process from all others.
    ///
    /// # Errors
    /// A value that can't be read, prefixes that overlap, or no word of where the database is.
    pub fn new(flags: &Flags, environment: &Environment, start: &str) -> Result<Self, ControllerError> {
        disjoint(flags)?;
        Ok(Installation {
            settings: settings(flags)?,
            northbound: northbound(flags, environment)?,
            lease: lease_config(flags, environment, start)?,
            port: Port::chosen(flags, &environment.place, &environment.pod_name)?,
            kubeconfig: Some(flags.text("kubeconfig")).filter(|path| !path.is_empty()).map(PathBuf::from),
            in_vain: flags.in_vain(),
            unwanted: [("enable-np", "NetworkPolicy"), ("enable-lb", "Service")]
                .into_iter()
                .filter(|(flag, _)| !flags.is_on(flag))
                .map(|(_, kind)| kind)
                .collect(),
        })
    }
}

fn settings(flags: &Flags) -> Result<Settings, FlagError> {
    let text = |name: &str| flags.text(name).to_owned();
    let listed = flags.text("default-exclude-ips").split(',').map(str::trim).filter(|item| !item.is_empty());
    Ok(Settings {
        vpc: flags.text("cluster-router").into(),
        subnet: flags.text("default-ls").into(),
        cidr: text("default-cidr"),
        gateway: text("default-gateway"),
        exclude_ips: listed.map(str::to_owned).collect(),
        join: flags.text("node-switch").into(),
        join_cidr: text("node-switch-cidr"),
        join_gateway: text("node-switch-gateway"),
        network_type: network_type(flags)?,
        keep_vm_ip: flags.is_on("keep-vm-ip"),
        help_migrations: flags.is_on("enable-live-migration-optimize"),
        ..Settings::default()
    })
}

fn network_type(flags: &Flags) -> Result<NetworkType, FlagError> {
    match flags.text("network-type") {
        "geneve" => Ok(NetworkType::Geneve),
        "vxlan" => Ok(NetworkType::Vxlan),
        "stt" => Ok(NetworkType::Stt),
        "vlan" => {
            let problem = "an underlay as the default network is not done yet. Write geneve, vxlan or stt";
            Err(flags.wrong("network-type", problem))
        }
        _ => Err(flags.wrong("network-type", "write geneve, vxlan or stt")),
    }
}

/// The prefixes of pods, nodes and Services must be apart.
fn disjoint(flags: &Flags) -> Result<(), ControllerError> {
    const PREFIXES: [&str; 3] = ["default-cidr", "node-switch-cidr", "service-cluster-ip-range"];
    let mut known: Vec<(&'static str, DualStack<Cidr>)> = Vec::new();
    for flag in PREFIXES {
        let prefixes: DualStack<Cidr> =
            flags.text(flag).parse().map_err(|error| flags.wrong(flag, format!("{error}")))?;
        if prefixes.is_empty() {
            return Err(flags.wrong(flag, "write a prefix such as 10.16.0.0/16").into());
        }
        for (other, theirs) in &known {
            if prefixes.iter().any(|one| theirs.iter().any(|two| one.overlaps(*two))) {
                return Err(ControllerError::Overlap {
                    one: other,
                    first: flags.text(other).to_owned(),
                    other: flag,
                    second: flags.text(flag).to_owned(),
                });
            }
        }
        known.push((flag, prefixes));
    }
    Ok(())
}

fn northbound(flags: &Flags, environment: &Environment) -> Result<ConnectConfig, ControllerError> {
    let scheme = if environment.ssl { "ssl" } else { "tcp" };
    let ips = environment.database_ips.split(',').map(str::trim).filter(|ip| !ip.is_empty());
    let built: Vec<String> =
        ips.map(|ip| {
            if ip.contains(':') { format!("{scheme}:[{ip}]:6641") } else { format!("{scheme}:{ip}:6641") }
        })
        .collect();
    let text = match flags.text("ovn-nb-addr") {
        "" if built.is_empty() => return Err(ControllerError::NoDatabase),
        "" => built.join(","),
        given => given.to_owned(),
    };
    let endpoints: Endpoints = text.parse()?;
    let mut config = ConnectConfig::new(endpoints, "OVN_Northbound");
    config.connect_timeout = seconds(flags, "ovsdb-con-timeout")?;
    config.session.transact_timeout = seconds(flags, "ovn-timeout")?;
    // Silence is noticed after a probe that stays without an answer.
    config.session.probe = seconds(flags, "ovsdb-inactivity-timeout")? / 2;
    config.tls = environment.ssl.then(|| tls(Path::new(TLS)));
    Ok(config)
}

/// Kube-OVN's certificates, which are made out to nobody.
fn tls(folder: &Path) -> TlsConfig {
    let client = ClientCertificate { private_key: folder.join("key"), certificate: folder.join("cert") };
    TlsConfig { client: Some(client), ca: folder.join("cacert"), verify: Verify::Chain }
}

fn seconds(flags: &Flags, name: &'static str) -> Result<Duration, FlagError> {
    match flags.number(name)? {
        0 => Err(flags.wrong(name, "write a number of seconds above 0")),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

fn lease_config(
    flags: &Flags,
    environment: &Environment,
    start: &str,
) -> Result<lease::Config, ControllerError> {
    let named =
        |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
    let namespace = named(&environment.pod_namespace, "kube-system");
    let identity = format!("{}_{start}", named(&environment.pod_name, "kube-ovn-controller"));
    let config = lease::Config {
        duration: flags.time("leader-elect-lease-duration"),
        deadline: flags.time("leader-elect-renew-deadline"),
        retry: flags.time("leader-elect-retry-period"),
        ..lease::Config::new(namespace, identity)
    };
    if config.retry.is_zero() {
        return Err(flags.wrong("leader-elect-retry-period", "write a duration above 0").into());
    }
    if config.deadline <= config.retry.mul_f64(1.2) {
        let problem =
            "must be more than 1.2 times --leader-elect-retry-period, or one lost packet costs the lease";
        return Err(flags.wrong("leader-elect-renew-deadline", problem).into());
    }
    if config.duration <= config.deadline {
        let problem = "must be more than --leader-elect-renew-deadline, or two work at once";
        return Err(flags.wrong("leader-elect-lease-duration", problem).into());
    }
    Ok(config)
}

#[cfg(test)]
mod tests;
