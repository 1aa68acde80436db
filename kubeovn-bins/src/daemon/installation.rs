//! What an installation chose: flags and environment, read and checked once.

use std::path::PathBuf;

use kubeovn_core::{
    addr::{Cidr, DualStack},
    index::NetworkType,
};
use kubeovn_node::{
    daemon::{DaemonConfig, Firewall, TunnelSource},
    netns::NetNsError,
    tunnel::TunnelWish,
};

use super::error::StartError;
use crate::{
    flags::{FlagError, Flags},
    serve::{Place, Port},
};

/// Where the Open_vSwitch database is.
const OVS: &str = "/run/openvswitch/db.sock";

/// The environment variables that are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `KUBE_NODE_NAME`
    pub node: String,
    /// `POD_IP`: the address of the daemon's pod, and so of the node.
    pub pod_ip: String,
    /// Where and as whom we answer.
    pub place: Place,
}

/// What was chosen.
#[derive(Debug)]
pub struct Installation {
    /// What the node's parts are told.
    pub daemon: DaemonConfig,
    /// Socket of the Open_vSwitch database.
    pub ovs: PathBuf,
    /// Where health checks and metrics are.
    pub port: Port,
    /// The access to the API server; that of the pod where it is not given.
    pub kubeconfig: Option<PathBuf>,
    /// Flags that nothing acts on yet, as they were given.
    pub in_vain: Vec<String>,
}

impl Environment {
    /// Reads it by a function that knows variables by their names.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| variable(name).unwrap_or_default();
        Environment { node: text("KUBE_NODE_NAME"), pod_ip: text("POD_IP"), place: Place::read(&variable) }
    }
}

impl Installation {
    /// Puts flags and environment together.
    ///
    /// # Errors
    /// A value that can't be read, or no word of which node this is.
    pub fn new(flags: &Flags, environment: &Environment) -> Result<Self, StartError> {
        let given = |name: &str| Some(flags.text(name)).filter(|text| !text.is_empty());
        let node = given("node-name").unwrap_or(&environment.node);
        if node.is_empty() {
            return Err(StartError::NoNode);
        }
        let own = DaemonConfig::new(node).map_err(|error: NetNsError| {
            let text = error.to_string();
            StartError::Flag(flags.wrong("node-name", text))
        })?;
        let services: DualStack<Cidr> = flags
            .text("service-cluster-ip-range")
            .parse()
            .map_err(|error| flags.wrong("service-cluster-ip-range", format!("{error}")))?;
        let daemon = DaemonConfig {
            socket: flags.text("bind-socket").into(),
            vpc: flags.text("cluster-router").to_owned(),
            tunnel: TunnelSource::Wish(tunnel(flags, environment)?),
            firewall: Some(firewall(flags)?),
            services: services.iter().copied().collect(),
            ..own
        };
        Ok(Installation {
            port: Port::chosen(flags, &environment.place, &daemon.node)?,
            daemon,
            ovs: given("ovs-socket").unwrap_or(OVS).into(),
            kubeconfig: given("kubeconfig").map(PathBuf::from),
            in_vain: flags.in_vain(),
        })
    }
}

fn tunnel(flags: &Flags, environment: &Environment) -> Result<TunnelWish, FlagError> {
    let network = match flags.text("network-type") {
        "geneve" => NetworkType::Geneve,
        "vxlan" => NetworkType::Vxlan,
        "stt" => NetworkType::Stt,
        _ => return Err(flags.wrong("network-type", "write geneve, vxlan or stt; vlan is not done yet")),
    };
    Ok(TunnelWish {
        iface: flags.text("iface").to_owned(),
        host_addresses: flags.is_on("host-tunnel-src"),
        mtu: flags.number("mtu")?,
        network,
        checksum: flags.is_on("encap-checksum"),
        own: environment.pod_ip.parse().into_iter().collect(),
    })
}

fn firewall(flags: &Flags) -> Result<Firewall, FlagError> {
    match flags.text("firewall") {
        "nftables" => Ok(Firewall::Nftables),
        "iptables" => Ok(Firewall::Iptables),
        _ => Err(flags.wrong("firewall", "write nftables or iptables")),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::daemon::flags::PROGRAM;

    fn installed(arguments: &[&str], environment: &Environment) -> Result<Installation, StartError> {
        let flags = Flags::parse(&PROGRAM, ["kubeovn-daemon"].iter().chain(arguments).map(OsString::from))?;
        Installation::new(&flags, environment)
    }

    fn on_n1() -> Environment {
        Environment { node: "n1".into(), pod_ip: "172.18.0.7".into(), ..Environment::default() }
    }

    #[test]
    fn the_installers_command_line_is_taken() {
        let arguments = [
            "--enable-mirror=false",
            "--encap-checksum=true",
            "--service-cluster-ip-range=10.96.0.0/12,fd00:10:96::/108",
            "--iface=",
            "--dpdk-tunnel-iface=br-phy",
            "--network-type=vxlan",
            "--default-interface-name=",
            "--logtostderr=false",
            "--alsologtostderr=true",
            "--log_file=/var/log/kube-ovn/kube-ovn-cni.log",
            "--log_file_max_size=200",
            "--enable-metrics=true",
            "--kubelet-dir=/var/lib/kubelet",
            "--enable-tproxy=false",
            "--ovs-vsctl-concurrency=100",
            "--secure-serving=false",
        ];
        let install = installed(&arguments, &on_n1()).unwrap();
        assert_eq!(install.in_vain, [""; 0]);
        assert_eq!((&*install.daemon.node, install.daemon.services.len()), ("n1", 2));
        let TunnelSource::Wish(wish) = &install.daemon.tunnel else { panic!("{install:?}") };
        assert_eq!((wish.network, wish.mtu, wish.own.len()), (NetworkType::Vxlan, 0, 1));
        assert_eq!(install.port.address.port(), 10_665);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = installed(&[], &Environment::default()).unwrap_err().to_string();
        assert!(error.contains("DAEMON-NO-NODE"), "{error}");
        for (argument, says) in [
            ("--network-type=vlan", "geneve, vxlan or stt"),
            ("--firewall=pf", "nftables or iptables"),
            ("--mtu=x", "a whole number"),
            ("--service-cluster-ip-range=10.96.0.0", "--service-cluster-ip-range"),
        ] {
            let error = installed(&[argument], &on_n1()).unwrap_err().to_string();
            assert!(error.contains(says), "{argument}: {error}");
        }
    }

    #[test]
    fn the_flag_goes_before_the_variable() {
        assert_eq!(installed(&["--node-name=n2"], &on_n1()).unwrap().daemon.node, "n2");
    }
}
