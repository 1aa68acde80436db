//! What an installation chooses once. The defaults are Kube-OVN's.

use super::objects::{Meta, Name, Subnet, SubnetSpec, Vpc};
use crate::rows::Millis;

/// Names and prefixes of the built-in network, as Kube-OVN's flags give them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The default VPC (`--cluster-router`).
    pub vpc: Name,
    /// The default subnet (`--default-ls`).
    pub subnet: Name,
    /// Its prefixes (`--default-cidr`).
    pub cidr: String,
    /// Its gateways (`--default-gateway`); empty for the first addresses.
    pub gateway: String,
    /// Its addresses that are not given by themselves (`--default-exclude-ips`).
    pub exclude_ips: Vec<String>,
    /// The subnet that connects nodes (`--node-switch`).
    pub join: Name,
    /// Its prefixes (`--node-switch-cidr`).
    pub join_cidr: String,
    /// Its gateways (`--node-switch-gateway`); empty for the first addresses.
    pub join_gateway: String,
    /// How packets travel between nodes (`--network-type`).
    pub network_type: NetworkType,
    /// Whether pods of a virtual machine have its address, which outlives them (`--keep-vm-ip`).
    pub keep_vm_ip: bool,
    /// Whether the ports of virtual machines that move are bound to both nodes until they have moved
    /// (`--enable-live-migration-optimize`).
    pub help_migrations: bool,
    /// How long a freed address rests in pools of at least [`Settings::REST_FROM`] addresses.
    pub rest: Millis,
}

/// How packets travel between nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkType {
    /// In Geneve.
    #[default]
    Geneve,
    /// In VXLAN.
    Vxlan,
    /// In STT.
    Stt,
}

impl NetworkType {
    /// Bytes that the tunnel takes of every packet; Kube-OVN's figures.
    pub fn overhead(self) -> u32 {
        match self {
            NetworkType::Geneve => 100,
            NetworkType::Vxlan => 50,
            NetworkType::Stt => 72,
        }
    }
}

impl Settings {
    /// The largest packet of a pod where the subnet says nothing, with Ethernet between the nodes.
    pub fn mtu(&self) -> u32 {
        1500 - self.network_type.overhead()
    }

    /// Smaller pools give a freed address again at once.
    pub const REST_FROM: u128 = 64;

    /// The objects that exist without being in any manifest: the default VPC, the default and the join subnet.
    pub fn built_in(&self) -> (Vpc, [Subnet; 2]) {
        let subnet = |name: &Name, cidr: &str, gateway: &str, exclude_ips: &[String]| Subnet {
            meta: Meta::named(name),
            spec: SubnetSpec {
                vpc: self.vpc.to_string(),
                cidr_block: cidr.to_owned(),
                gateway: gateway.to_owned(),
                exclude_ips: exclude_ips.to_vec(),
                ..SubnetSpec::default()
            },
            ..Subnet::default()
        };
        let vpc = Vpc { meta: Meta::named(&self.vpc), ..Vpc::default() };
        let mut default = subnet(&self.subnet, &self.cidr, &self.gateway, &self.exclude_ips);
        // As Kube-OVN makes it: pods reach the outside.
        default.spec.nat_outgoing = true;
        (vpc, [default, subnet(&self.join, &self.join_cidr, &self.join_gateway, &[])])
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            vpc: "ovn-cluster".into(),
            subnet: "ovn-default".into(),
            cidr: "10.16.0.0/16".into(),
            gateway: String::new(),
            exclude_ips: Vec::new(),
            join: "join".into(),
            join_cidr: "100.64.0.0/16".into(),
            join_gateway: String::new(),
            network_type: NetworkType::Geneve,
            keep_vm_ip: true,
            help_migrations: true,
            rest: 5_000,
        }
    }
}
