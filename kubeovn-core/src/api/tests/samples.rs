//! A manifest of every kind, with every field.

use super::super::*;
use super::round_trip;

macro_rules! samples {
    ($( $kind:literal $type:ident $file:literal, )*) => {
        /// Kind and text of each.
        pub(super) const ALL: &[(&str, &str)] = &[
            $( ($kind, include_str!(concat!("../../../tests/data/", $file, ".json"))), )*
        ];

        #[test]
        fn full_objects_round_trip() {
            $( round_trip::<$type>(include_str!(concat!("../../../tests/data/", $file, ".json"))); )*
        }

        /// What is stored without what the schema requires is read all the same.
        #[test]
        fn objects_that_lack_everything_are_read() {
            for object in ["{\"metadata\":{}}", "{\"metadata\":{},\"spec\":{}}"] {
                $( assert_eq!(serde_json::from_str::<$type>(object).unwrap(), $type::default()); )*
            }
        }
    };
}

samples! {
    "Vpc" Vpc "vpc",
    "ProviderNetwork" ProviderNetwork "provider-network",
    "Vlan" Vlan "vlan",
    "Subnet" Subnet "subnet",
    "IPPool" IpPool "ippool",
    "IP" Ip "ip",
    "Vip" Vip "vip",
    "SecurityGroup" SecurityGroup "security-group",
    "QoSPolicy" QosPolicy "qos-policy",
    "OvnEip" OvnEip "ovn-eip",
    "OvnFip" OvnFip "ovn-fip",
    "OvnSnatRule" OvnSnatRule "ovn-snat-rule",
    "OvnDnatRule" OvnDnatRule "ovn-dnat-rule",
    "VpcNatGateway" VpcNatGateway "vpc-nat-gateway",
    "IptablesEIP" IptablesEip "iptables-eip",
    "IptablesFIPRule" IptablesFipRule "iptables-fip-rule",
    "IptablesSnatRule" IptablesSnatRule "iptables-snat-rule",
    "IptablesDnatRule" IptablesDnatRule "iptables-dnat-rule",
    "SwitchLBRule" SwitchLbRule "switch-lb-rule",
    "RouterLBRule" RouterLbRule "router-lb-rule",
    "VpcDns" VpcDns "vpc-dns",
    "BgpConf" BgpConf "bgp-conf",
    "EvpnConf" EvpnConf "evpn-conf",
    "VpcEgressGateway" VpcEgressGateway "vpc-egress-gateway",
    "DNSNameResolver" DnsNameResolver "dnsnameresolver",
}
