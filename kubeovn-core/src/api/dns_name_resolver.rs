//! The DNSNameResolver kind: the addresses of a name that policies speak of.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;

use super::{kind, rules::rules, sparse};

/// A name with a dot at its end; *. before it is all names below.
const NAME: &str = r"^(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.){2,}$";

sparse! {
    /// Which name it is.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "DNSNameResolver",
        root = "DnsNameResolver",
        plural = "dnsnameresolvers",
        singular = "dnsnameresolver",
        shortname = "dnr",
        doc = "The kind `DNSNameResolver` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "DnsNameResolverStatus",
        derive = "PartialEq",
        derive = "Default"
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("required" = ["name"]))]
    pub struct DnsNameResolverSpec {
        /// The name, with a dot at its end; *. before it is all names one step below. It cannot be changed.
        #[schemars(extend(
            "pattern" = NAME,
            "maxLength" = 254,
            "x-kubernetes-validations" = rules![
                "self == oldSelf" => "the name cannot be changed: create another DNSNameResolver"
            ],
        ))]
        pub name: Option<String>,
    }
}

kind!(
    DnsNameResolver,
    "The addresses that a name has, for policies that speak of the name. The controller makes it, a name server fills in \
     the status.",
    spec: DnsNameResolverSpec,
    status: DnsNameResolverStatus,
    "required": ["spec"],
);

sparse! {
    /// What is known of the name.
    pub struct DnsNameResolverStatus {
        /// The names that were asked for: the name itself, or those below it.
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["dnsName"]))]
        pub resolved_names: Option<Vec<ResolvedName>>,
    }
}

sparse! {
    /// What is known of one name.
    #[schemars(extend("required" = ["dnsName", "resolvedAddresses"]))]
    pub struct ResolvedName {
        /// What is, or is not, so about it.
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
        pub conditions: Option<Vec<ResolvedCondition>>,
        /// The name.
        #[schemars(extend("pattern" = NAME, "maxLength" = 254))]
        pub dns_name: Option<String>,
        /// Its addresses.
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["ip"]))]
        pub resolved_addresses: Option<Vec<ResolvedAddress>>,
        /// How often in a row no answer came; after five the addresses go once they are stale.
        pub resolution_failures: Option<i32>,
    }
}

sparse! {
    /// An address of a name.
    #[schemars(extend("required" = ["ip", "lastLookupTime", "ttlSeconds"]))]
    pub struct ResolvedAddress {
        /// The address.
        pub ip: Option<String>,
        /// How long it was said to be good, in seconds.
        pub ttl_seconds: Option<i32>,
        /// When it was said.
        pub last_lookup_time: Option<Time>,
    }
}

sparse! {
    /// One thing that is, or is not, so about a name. As everywhere in Kubernetes, and stricter than the condition of
    /// the other kinds.
    #[schemars(extend("required" = ["lastTransitionTime", "message", "reason", "status", "type"]))]
    pub struct ResolvedCondition {
        /// What the condition is about.
        #[serde(rename = "type")]
        #[schemars(extend(
            "maxLength" = 316,
            "pattern" = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        ))]
        pub type_: Option<String>,
        /// Whether it is so: True, False or Unknown.
        #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
        pub status: Option<String>,
        /// Why it is so, in one word for programs to compare.
        #[schemars(extend(
            "minLength" = 1,
            "maxLength" = 1024,
            "pattern" = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        ))]
        pub reason: Option<String>,
        /// Why it is so, for people.
        #[schemars(extend("maxLength" = 32768))]
        pub message: Option<String>,
        /// The generation of the object that was looked at.
        #[schemars(extend("minimum" = 0))]
        pub observed_generation: Option<i64>,
        /// When status last became another one.
        pub last_transition_time: Option<Time>,
    }
}
