//! What is told about a subnet.

use super::super::{Condition, Count, sparse};

sparse! {
    /// What a subnet is.
    pub struct SubnetStatus {
        /// What is, or is not, so about the subnet.
        pub conditions: Option<Vec<Condition>>,
        /// How many IPv4 addresses pods can still get.
        #[serde(rename = "v4availableIPs")]
        pub v4_available_ips: Option<Count>,
        /// Which ones, as ranges separated by commas.
        #[serde(rename = "v4availableIPrange")]
        pub v4_available_ip_range: Option<String>,
        /// How many IPv4 addresses are held.
        #[serde(rename = "v4usingIPs")]
        pub v4_using_ips: Option<Count>,
        /// Which ones, as ranges separated by commas.
        #[serde(rename = "v4usingIPrange")]
        pub v4_using_ip_range: Option<String>,
        /// How many IPv6 addresses pods can still get.
        #[serde(rename = "v6availableIPs")]
        pub v6_available_ips: Option<Count>,
        /// Which ones, as ranges separated by commas.
        #[serde(rename = "v6availableIPrange")]
        pub v6_available_ip_range: Option<String>,
        /// How many IPv6 addresses are held.
        #[serde(rename = "v6usingIPs")]
        pub v6_using_ips: Option<Count>,
        /// Which ones, as ranges separated by commas.
        #[serde(rename = "v6usingIPrange")]
        pub v6_using_ip_range: Option<String>,
        /// The node that is the gateway of a centralized subnet now.
        pub activate_gateway: Option<String>,
        /// The row of the DHCPv4 answers in OVN.
        #[serde(rename = "dhcpV4OptionsUUID")]
        pub dhcp_v4_options_uuid: Option<String>,
        /// The row of the DHCPv6 answers in OVN.
        #[serde(rename = "dhcpV6OptionsUUID")]
        pub dhcp_v6_options_uuid: Option<String>,
        /// The router's address between underlay and overlay, one per family, separated by a comma.
        #[serde(rename = "u2oInterconnectionIP")]
        pub u2o_interconnection_ip: Option<String>,
        /// The router's hardware address between underlay and overlay.
        #[serde(rename = "u2oInterconnectionMAC")]
        pub u2o_interconnection_mac: Option<String>,
        /// The VPC whose overlay the underlay is connected to.
        #[serde(rename = "u2oInterconnectionVPC")]
        pub u2o_interconnection_vpc: Option<String>,
        /// The exceptions from natOutgoing that are in force.
        pub nat_outgoing_policy_rules: Option<Vec<NatPolicyRuleStatus>>,
        /// The address that asks for multicast members.
        #[serde(rename = "mcastQuerierIP")]
        pub mcast_querier_ip: Option<String>,
        /// The hardware address that asks for multicast members.
        #[serde(rename = "mcastQuerierMAC")]
        pub mcast_querier_mac: Option<String>,
    }
}

sparse! {
    /// A NAT rule that is in force.
    pub struct NatPolicyRuleStatus {
        /// What the rule is known by on the nodes; it depends on the subnet, the rule's place and its content.
        #[serde(rename = "ruleID")]
        pub rule_id: Option<String>,
        /// Which packets the rule is for.
        #[serde(rename = "match")]
        pub match_: Option<NatPolicyMatchStatus>,
        /// What becomes of them: nat or forward.
        pub action: Option<String>,
    }
}

sparse! {
    /// Which packets a NAT rule that is in force is for.
    pub struct NatPolicyMatchStatus {
        /// Where they come from.
        #[serde(rename = "srcIPs")]
        pub src_ips: Option<String>,
        /// Where they go.
        #[serde(rename = "dstIPs")]
        pub dst_ips: Option<String>,
    }
}
