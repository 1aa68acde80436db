//! The IPPool kind: addresses of a subnet that are kept for some.

use kube::CustomResource;

use super::{
    Condition, Count, kind,
    rules::{self, rules},
    schema, sparse,
};

sparse! {
    /// Which addresses are kept, and for whom.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "IPPool",
        root = "IpPool",
        plural = "ippools",
        singular = "ippool",
        shortname = "ippool",
        doc = "The kind `IPPool` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "IpPoolStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "Subnet", type_ = "string", json_path = ".spec.subnet"),
        printcolumn(name = "enableAddressSet", type_ = "boolean", json_path = ".spec.enableAddressSet"),
        printcolumn(name = "IPs", type_ = "string", json_path = ".spec.ips"),
        printcolumn(name = "V4Used", type_ = "number", json_path = ".status.v4UsingIPs"),
        printcolumn(name = "V4Available", type_ = "number", json_path = ".status.v4AvailableIPs"),
        printcolumn(name = "V6Used", type_ = "number", json_path = ".status.v6UsingIPs"),
        printcolumn(name = "V6Available", type_ = "number", json_path = ".status.v6AvailableIPs")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend(
        "required" = ["ips", "subnet"],
        "x-kubernetes-validations" = rules![
            rules::kept(&["subnet"]) =>
                "the subnet of a pool cannot be changed: delete the pool and create it anew"
        ],
    ))]
    pub struct IpPoolSpec {
        /// The subnet that the addresses belong to; it cannot be changed.
        pub subnet: Option<String>,
        /// The addresses: single ones, ranges such as 10.0.0.2..10.0.0.9, and CIDRs. Pools of one subnet have no
        /// address in common.
        #[schemars(schema_with = "schema::ranges_or_cidrs")]
        pub ips: Option<Vec<String>>,
        /// Namespaces whose pods get their addresses from this pool.
        pub namespaces: Option<Vec<String>>,
        /// Whether the addresses are an address set in OVN too, which bears the name of the pool.
        #[schemars(extend("default" = false))]
        pub enable_address_set: Option<bool>,
    }
}

kind!(
    IpPool,
    "Addresses of a subnet that only those get who ask for the pool or whose namespace has it.",
    spec: IpPoolSpec,
    status: IpPoolStatus
);

sparse! {
    /// How full a pool is.
    pub struct IpPoolStatus {
        /// What is, or is not, so about the pool.
        pub conditions: Option<Vec<Condition>>,
        /// How many IPv4 addresses can still be got.
        #[serde(rename = "v4AvailableIPs")]
        pub v4_available_ips: Option<Count>,
        /// Which ones, as ranges separated by commas.
        #[serde(rename = "v4AvailableIPRange")]
        pub v4_available_ip_range: Option<String>,
        /// How many IPv4 addresses are held.
        #[serde(rename = "v4UsingIPs")]
        pub v4_using_ips: Option<Count>,
        /// Which ones, as ranges separated by commas.
        #[serde(rename = "v4UsingIPRange")]
        pub v4_using_ip_range: Option<String>,
        /// How many IPv6 addresses can still be got.
        #[serde(rename = "v6AvailableIPs")]
        pub v6_available_ips: Option<Count>,
        /// Which ones, as ranges separated by commas.
        #[serde(rename = "v6AvailableIPRange")]
        pub v6_available_ip_range: Option<String>,
        /// How many IPv6 addresses are held.
        #[serde(rename = "v6UsingIPs")]
        pub v6_using_ips: Option<Count>,
        /// Which ones, as ranges separated by commas.
        #[serde(rename = "v6UsingIPRange")]
        pub v6_using_ip_range: Option<String>,
    }
}
