//! The SecurityGroup kind: what members of a group may send and receive.

use kube::CustomResource;

use super::{
    kind,
    rules::{self, rules},
    schema, sparse,
};

sparse! {
    /// What members of the group may send and receive.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "SecurityGroup",
        plural = "security-groups",
        singular = "security-group",
        shortname = "sg",
        doc = "The kind `SecurityGroup` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "SecurityGroupStatus",
        derive = "PartialEq",
        derive = "Default"
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = rules![
        no_pass("ingressRules") => PASS,
        no_pass("egressRules") => PASS,
    ]))]
    pub struct SecurityGroupSpec {
        /// What members may receive. What no rule allows they do not.
        #[schemars(extend("maxItems" = MAX_RULES))]
        pub ingress_rules: Option<Vec<SecurityGroupRule>>,
        /// What members may send. What no rule allows they may not.
        #[schemars(extend("maxItems" = MAX_RULES))]
        pub egress_rules: Option<Vec<SecurityGroupRule>>,
        /// Whether members reach each other whatever the rules say.
        pub allow_same_group_traffic: Option<bool>,
        /// When the group is asked: 0 with network policies, 1 after all others.
        #[schemars(schema_with = "schema::integer", extend("minimum" = 0, "maximum" = 1))]
        pub tier: Option<i64>,
    }
}

kind!(
    SecurityGroup,
    "Rules about what its members, pods that name the group, may send and receive.",
    spec: SecurityGroupSpec,
    status: SecurityGroupStatus
);

/// So that a server can reckon what the rules about rules cost.
const MAX_RULES: u32 = 4096;

/// Behind tier 1 there is nobody to pass a packet to.
const PASS: &str = "in tier 1 a rule cannot say pass: use allow or drop, or tier 0";

fn no_pass(list: &str) -> String {
    format!(
        "!has(self.tier) || self.tier != 1 || !has(self.{list}) || \
         !self.{list}.exists(rule, has(rule.policy) && rule.policy == 'pass')"
    )
}

/// Ports of a rule about TCP or UDP are there and are a range.
fn ports(when: &str, low: &str, high: &str) -> String {
    format!(
        "!(has(self.protocol) && self.protocol in ['tcp', 'udp'] && {when}) || has(self.{low}) && \
         has(self.{high}) && self.{low} >= 1 && self.{low} <= self.{high}"
    )
}

sparse! {
    /// A rule about packets of the group's members.
    #[schemars(extend("x-kubernetes-validations" = rules![
        "has(self.ipVersion) && self.ipVersion in ['ipv4', 'ipv6']" => "set ipVersion to ipv4 or ipv6",
        "has(self.priority) && self.priority >= 1 && self.priority <= 16384" => "set priority to 1 to 16384",
        "has(self.policy) && self.policy in ['allow', 'drop', 'pass']" => "set policy to allow, drop or pass",
        "has(self.remoteType) && self.remoteType in ['address', 'securityGroup']" =>
            "set remoteType to address or securityGroup",
        "!has(self.remoteType) || self.remoteType != 'address' || has(self.remoteAddress) && \
         self.remoteAddress != ''" => "set remoteAddress to the address or CIDR of the other side",
        "!has(self.remoteType) || self.remoteType != 'securityGroup' || has(self.remoteSecurityGroup) && \
         self.remoteSecurityGroup != ''" => "set remoteSecurityGroup to the group of the other side",
        ports("true", "portRangeMin", "portRangeMax") =>
            "set portRangeMin and portRangeMax to the ports, 1 to 65535, the lower one first",
        ports("has(self.localAddress) && self.localAddress != ''", "sourcePortRangeMin", "sourcePortRangeMax") =>
            "where localAddress is set, set sourcePortRangeMin and sourcePortRangeMax too, 1 to 65535, the lower one \
             first",
    ]))]
    pub struct SecurityGroupRule {
        /// The family: ipv4 or ipv6.
        pub ip_version: Option<String>,
        /// The protocol: all, icmp, tcp or udp.
        #[schemars(extend("enum" = ["", "all", "icmp", "tcp", "udp"]))]
        pub protocol: Option<String>,
        /// The rule with the lowest number that matches decides: 1 to 16384.
        #[schemars(schema_with = "schema::integer")]
        pub priority: Option<i64>,
        /// Who the other side is: address (remoteAddress) or securityGroup (remoteSecurityGroup).
        pub remote_type: Option<String>,
        /// The other side's address or CIDR.
        #[schemars(extend(
            "maxLength" = 128,
            "x-kubernetes-validations" = rules![rules::ADDRESS_OR_CIDR_IF_ANY => rules::ADDRESS_OR_CIDR_MESSAGE],
        ))]
        pub remote_address: Option<String>,
        /// The other side's security group.
        pub remote_security_group: Option<String>,
        /// The lowest port of the receiver, of tcp and udp.
        #[schemars(schema_with = "schema::integer", extend("minimum" = 0, "maximum" = 65535))]
        pub port_range_min: Option<i64>,
        /// The highest port of the receiver, of tcp and udp.
        #[schemars(schema_with = "schema::integer", extend("minimum" = 0, "maximum" = 65535))]
        pub port_range_max: Option<i64>,
        /// The member's own address or CIDR, for rules about one of several.
        #[schemars(extend(
            "maxLength" = 128,
            "x-kubernetes-validations" = rules![rules::ADDRESS_OR_CIDR_IF_ANY => rules::ADDRESS_OR_CIDR_MESSAGE],
        ))]
        pub local_address: Option<String>,
        /// The lowest port of the sender, where localAddress is given.
        #[schemars(schema_with = "schema::integer", extend("minimum" = 0, "maximum" = 65535))]
        pub source_port_range_min: Option<i64>,
        /// The highest port of the sender, where localAddress is given.
        #[schemars(schema_with = "schema::integer", extend("minimum" = 0, "maximum" = 65535))]
        pub source_port_range_max: Option<i64>,
        /// What becomes of the packets: allow, drop, or pass to leave it to the next tier.
        pub policy: Option<String>,
    }
}

sparse! {
    /// What of the group is in force.
    pub struct SecurityGroupStatus {
        /// The group's port group in OVN.
        pub port_group: Option<String>,
        /// Whether members reach each other whatever the rules say.
        pub allow_same_group_traffic: Option<bool>,
        /// The digest of the rules about what members receive.
        pub ingress_md5: Option<String>,
        /// The digest of the rules about what members send.
        pub egress_md5: Option<String>,
        /// Whether the rules about what members receive were last written without error.
        pub ingress_last_sync_success: Option<bool>,
        /// Whether the rules about what members send were last written without error.
        pub egress_last_sync_success: Option<bool>,
    }
}
