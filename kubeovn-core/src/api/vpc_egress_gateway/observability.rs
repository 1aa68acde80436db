//! What of an egress gateway's traffic is measured and logged.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::super::{
    core,
    rules::{self, rules},
    sparse,
};

sparse! {
    /// What of a gateway's traffic is measured and logged.
    pub struct Observability {
        /// Counters of its interfaces.
        pub interface_metrics: Option<InterfaceMetrics>,
        /// Its connections.
        pub conntrack: Option<Conntrack>,
        /// What Prometheus is told, where its operator runs.
        pub service_monitor: Option<ServiceMonitor>,
        /// What the container that does it needs, and what it may take.
        #[serde(deserialize_with = "core::read_resources")]
        #[schemars(schema_with = "core::resources")]
        pub resources: Option<ResourceRequirements>,
    }
}

sparse! {
    /// Counters of a gateway's interfaces.
    pub struct InterfaceMetrics {
        /// Whether they are there to be read.
        pub enabled: Option<bool>,
    }
}

sparse! {
    /// A gateway's connections.
    pub struct Conntrack {
        /// How many there are.
        pub metrics: Option<ConntrackMetrics>,
        /// Which ones there were.
        pub log: Option<ConntrackLog>,
    }
}

sparse! {
    /// How many connections there are.
    pub struct ConntrackMetrics {
        /// Whether that is there to be read.
        pub enabled: Option<bool>,
    }
}

sparse! {
    /// Which connections there were.
    pub struct ConntrackLog {
        /// Whether it is logged.
        pub enabled: Option<bool>,
        /// When: as a connection starts, and as it ends.
        #[schemars(schema_with = "events")]
        pub events: Option<Vec<String>>,
        /// Of which connections.
        pub filters: Option<FlowFilters>,
        /// How much at most.
        pub rate_limit: Option<LogRate>,
    }
}

sparse! {
    /// Which connections are logged: those that an include matches, or all where there is none, and no exclude.
    pub struct FlowFilters {
        /// Connections that are logged.
        #[schemars(extend("maxItems" = 64))]
        pub include: Option<Vec<FlowFilter>>,
        /// Connections that are not.
        #[schemars(extend("maxItems" = 64))]
        pub exclude: Option<Vec<FlowFilter>>,
    }
}

sparse! {
    /// Connections to which all of this applies.
    pub struct FlowFilter {
        /// Their families: ipv4, ipv6.
        #[schemars(schema_with = "families")]
        pub address_families: Option<Vec<String>>,
        /// Their protocols: tcp, udp, sctp, icmp, icmpv6, other.
        #[schemars(schema_with = "protocols")]
        pub protocols: Option<Vec<String>>,
        /// Which of their addresses were exchanged: snat, dnat, snat_dnat.
        #[schemars(schema_with = "nat_types")]
        pub nat_types: Option<Vec<String>>,
        /// Addresses and ports before the exchange.
        pub original: Option<FlowTuple>,
        /// Addresses and ports after the exchange.
        pub translated: Option<FlowTuple>,
    }
}

sparse! {
    /// Addresses and ports of a connection.
    pub struct FlowTuple {
        /// Where it comes from.
        #[serde(rename = "sourceCIDRs")]
        #[schemars(schema_with = "cidrs")]
        pub source_cidrs: Option<Vec<String>>,
        /// Where it goes.
        #[serde(rename = "destinationCIDRs")]
        #[schemars(schema_with = "cidrs")]
        pub destination_cidrs: Option<Vec<String>>,
        /// The ports that it comes from.
        #[schemars(extend("maxItems" = 64))]
        pub source_ports: Option<Vec<PortRange>>,
        /// The ports that it goes to.
        #[schemars(extend("maxItems" = 64))]
        pub destination_ports: Option<Vec<PortRange>>,
    }
}

sparse! {
    /// Ports from one to another, both included.
    #[schemars(extend("x-kubernetes-validations" = rules![
        "self.start <= self.end" => "set start to the lower port and end to the higher one"
    ]))]
    pub struct PortRange {
        /// The lowest one.
        #[schemars(extend("minimum" = 0, "maximum" = 65535))]
        pub start: Option<i32>,
        /// The highest one.
        #[schemars(extend("minimum" = 0, "maximum" = 65535))]
        pub end: Option<i32>,
    }
}

sparse! {
    /// How much is logged at most.
    pub struct LogRate {
        /// How many connections in a second.
        #[schemars(extend("minimum" = 1, "maximum" = 100_000))]
        pub records_per_second: Option<i32>,
        /// How many at once.
        #[schemars(extend("minimum" = 1, "maximum" = 1_000_000))]
        pub burst: Option<i32>,
    }
}

sparse! {
    /// The ServiceMonitor that is made.
    pub struct ServiceMonitor {
        /// Its labels.
        pub labels: Option<BTreeMap<String, String>>,
        /// Its annotations.
        pub annotations: Option<BTreeMap<String, String>>,
    }
}

/// A list that may have each of some words once.
fn words(words: &[&str]) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": words.len(),
        "x-kubernetes-list-type": "set",
        "items": { "type": "string", "enum": words },
    })
}

fn events(_: &mut SchemaGenerator) -> Schema {
    words(&["start", "end"])
}

fn families(_: &mut SchemaGenerator) -> Schema {
    words(&["ipv4", "ipv6"])
}

fn protocols(_: &mut SchemaGenerator) -> Schema {
    words(&["tcp", "udp", "sctp", "icmp", "icmpv6", "other"])
}

fn nat_types(_: &mut SchemaGenerator) -> Schema {
    words(&["snat", "dnat", "snat_dnat"])
}

fn cidrs(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "set",
        "items": {
            "type": "string",
            "maxLength": 128,
            (rules::KEY): rules![rules::ADDRESS_OR_CIDR => rules::ADDRESS_OR_CIDR_MESSAGE],
        },
    })
}
