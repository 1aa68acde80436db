//! The schemas of OVN's releases, as differences to the one that is installed.
//!
//! A line is a change of Northbound:
//!
//! ```text
//! - Table   - Table.column         gone, seen from the newer side
//! Table: root; index a b           a table; `part` for one whose rows live by references
//! Table.column: TYPE               a column, new or of another type
//! Table.column + word              a text that the column allows, too
//! ```
//!
//! `TYPE` is `string`, `boolean`, `integer 0..3`, `ref Table`, `weak Table` or `a|b|c`, with `?` (optional) or `*` (any
//! number) behind; `TYPE -> TYPE` is a map, and `map` one of string to string.
#![allow(dead_code, reason = "no test file needs all of it")]

use serde_json::{Map, Value, json};

use super::server::SCHEMA;

/// A release of OVN and its Northbound.
pub(crate) struct Release {
    /// The release.
    pub(crate) name: &'static str,
    /// The version of its schema.
    pub(crate) version: &'static str,
    /// Counted from the release beside it that is nearer to the installed one.
    changes: &'static [&'static str],
}

/// What Debian 12 installs.
pub(crate) const INSTALLED: &str = "23.03";

/// All that we promise to run on, the oldest first.
pub(crate) const RELEASES: &[Release] = &[
    Release { name: "22.03", version: "6.1.0", changes: &["- NAT.gateway_port", "- Static_MAC_Binding"] },
    Release { name: "22.06", version: "6.3.0", changes: &[] },
    Release {
        name: "22.09",
        version: "6.3.0",
        changes: &["- Chassis_Template_Var", "- Logical_Switch_Port.mirror_rules", "- Mirror"],
    },
    Release { name: "22.12", version: "7.0.0", changes: &[] },
    Release { name: INSTALLED, version: "7.0.0", changes: &[] },
    Release {
        name: "23.06",
        version: "7.0.4",
        changes: &[
            "ACL.tier: integer 0..3",
            "ACL.action + pass",
            "Mirror.filter + both",
            "Mirror.type + local",
        ],
    },
    Release { name: "23.09", version: "7.1.0", changes: &["Logical_Router_Port.status: map"] },
    Release {
        name: "24.03",
        version: "7.3.0",
        changes: &[
            "DNS.options: map",
            "Logical_Router_Policy.bfd_sessions: weak BFD*",
            "QoS.action: dscp|mark -> integer 0..4294967295",
        ],
    },
    Release {
        name: "24.09",
        version: "7.6.0",
        changes: &[
            "DHCP_Relay: root",
            "DHCP_Relay.name: string",
            "DHCP_Relay.servers: string?",
            "DHCP_Relay.options: map",
            "DHCP_Relay.external_ids: map",
            "Logical_Router_Port.dhcp_relay: ref DHCP_Relay?",
            "NAT.priority: integer 0..32767",
            "NAT.match: string",
            "Sample_Collector: root; index id",
            "Sample_Collector.id: integer 1..255",
            "Sample_Collector.name: string",
            "Sample_Collector.probability: integer 0..65535",
            "Sample_Collector.set_id: integer 1..4294967295",
            "Sample_Collector.external_ids: map",
            "Sample: part; index metadata",
            "Sample.collectors: ref Sample_Collector*",
            "Sample.metadata: integer 1..4294967295",
            "ACL.sample_new: ref Sample?",
            "ACL.sample_est: ref Sample?",
            "Sampling_App: root; index type",
            "Sampling_App.type: drop|acl-new|acl-est",
            "Sampling_App.id: integer 1..255",
            "Sampling_App.external_ids: map",
        ],
    },
    Release {
        name: "25.03",
        version: "7.11.0",
        changes: &[
            "Load_Balancer.selection_fields + ipv6_src",
            "Load_Balancer.selection_fields + ipv6_dst",
            "Logical_Router_Policy.action + jump",
            "Logical_Router_Policy.chain: string?",
            "Logical_Router_Policy.jump_chain: string?",
            "Logical_Router_Port.networks: string*",
            "Logical_Router_Static_Route.selection_fields: \
             eth_src|eth_dst|ip_proto|ip_src|ip_dst|ipv6_src|ipv6_dst|tp_src|tp_dst*",
            "Logical_Switch_Port.peer: string?",
            "SSL.ssl_ciphersuites: string",
        ],
    },
    Release {
        name: "25.09",
        version: "7.12.0",
        changes: &[
            "Mirror_Rule: part",
            "Mirror_Rule.match: string",
            "Mirror_Rule.action: mirror|skip",
            "Mirror_Rule.priority: integer 0..32767",
            "Mirror.mirror_rules: ref Mirror_Rule*",
            "Mirror.type + lport",
        ],
    },
];

/// The release of this name.
pub(crate) fn release(name: &str) -> &'static Release {
    RELEASES.iter().find(|release| release.name == name).unwrap_or_else(|| panic!("no release {name}"))
}

impl Release {
    /// Its Northbound schema, as an `.ovsschema` file has it.
    pub(crate) fn schema(&self) -> Value {
        let mut schema = installed();
        for release in self.steps() {
            release.changes.iter().for_each(|line| patch(&mut schema, line));
        }
        schema["version"] = json!(self.version);
        // of the text of the file, which this is not
        schema.as_object_mut().unwrap().remove("cksum");
        schema
    }

    /// The releases whose changes lead from the installed one to this one, in order.
    fn steps(&self) -> Vec<&'static Release> {
        let at = |name: &str| RELEASES.iter().position(|release| release.name == name).unwrap();
        let (own, middle) = (at(self.name), at(INSTALLED));
        if own < middle {
            RELEASES[own..middle].iter().rev().collect()
        } else {
            RELEASES[middle..=own].iter().collect()
        }
    }
}

/// The installed schema.
pub(crate) fn installed() -> Value {
    let text =
        std::fs::read_to_string(SCHEMA).unwrap_or_else(|e| panic!("{SCHEMA}: {e}; install ovn-common"));
    let schema: Value = serde_json::from_str(&text).unwrap();
    let (found, wanted) = (&schema["version"], release(INSTALLED).version);
    assert_eq!(found, wanted, "{SCHEMA} is not that of OVN {INSTALLED}, from which the others are counted");
    schema
}

/// Makes one change.
pub(crate) fn patch(schema: &mut Value, line: &str) {
    let tables = schema["tables"].as_object_mut().unwrap();
    if let Some(gone) = line.strip_prefix("- ") {
        let gone = match gone.split_once('.') {
            None => tables.remove(gone),
            Some((table, column)) => columns(tables, table).remove(column),
        };
        assert!(gone.is_some(), "{line}: there is none");
    } else if let Some((place, word)) = line.split_once(" + ") {
        let (table, column) = place.split_once('.').unwrap();
        let key = &mut columns(tables, table)[column]["type"]["key"];
        let words = key["enum"][1].as_array_mut().unwrap_or_else(|| panic!("{line}: any text may be there"));
        words.push(json!(word));
    } else {
        let (place, what) = line.split_once(": ").unwrap_or_else(|| panic!("{line}: what is that?"));
        match place.split_once('.') {
            None => drop(tables.insert(place.into(), table(what))),
            Some((table, column)) => {
                columns(tables, table).insert(column.into(), json!({ "type": kind(what) }));
            }
        }
    }
}

fn columns<'a>(tables: &'a mut Map<String, Value>, table: &str) -> &'a mut Map<String, Value> {
    let table = tables.get_mut(table).unwrap_or_else(|| panic!("no table {table}"));
    table["columns"].as_object_mut().unwrap()
}

fn table(what: &str) -> Value {
    let (word, index) = what.split_once("; index ").map_or((what, None), |(word, index)| (word, Some(index)));
    let mut table = json!({"columns": {}, "isRoot": word == "root"});
    if let Some(index) = index {
        table["indexes"] = json!([index.split(' ').collect::<Vec<_>>()]);
    }
    table
}

fn kind(what: &str) -> Value {
    if let Some((key, value)) = what.split_once(" -> ") {
        return json!({"key": kind(key)["key"], "value": kind(value)["key"], "min": 0, "max": "unlimited"});
    }
    let (what, min, max) = match (what.strip_suffix('?'), what.strip_suffix('*')) {
        (Some(what), _) => (what, 0, json!(1)),
        (_, Some(what)) => (what, 0, json!("unlimited")),
        _ => (what, 1, json!(1)),
    };
    let reference = |table: &str, how: &str| json!({"type": "uuid", "refTable": table, "refType": how});
    let key = match what.split_once(' ') {
        Some(("ref", table)) => reference(table, "strong"),
        Some(("weak", table)) => reference(table, "weak"),
        Some(("integer", range)) => {
            let (low, high) = range.split_once("..").unwrap();
            let number = |text: &str| text.parse::<i64>().unwrap();
            json!({"type": "integer", "minInteger": number(low), "maxInteger": number(high)})
        }
        Some(_) => panic!("{what}: what is that?"),
        None if what == "map" => return kind("string -> string"),
        None if what.contains('|') => {
            json!({"type": "string", "enum": ["set", what.split('|').collect::<Vec<_>>()]})
        }
        None => json!(what),
    };
    json!({"key": key, "min": min, "max": max})
}
