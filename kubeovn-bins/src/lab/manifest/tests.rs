//! What a probe's fields must agree on.

use serde_json::{Value, json};

use super::*;

fn parse(spec: Value) -> Result<ProbeSpec, String> {
    serde_json::from_value(spec).map_err(|error| error.to_string())
}

/// A sound spec with one field replaced, or removed where the value is null.
fn with(field: &str, value: Value) -> Result<ProbeSpec, String> {
    let mut spec = json!({
        "from": { "namespace": "shop", "pod": "web-0" },
        "to": { "namespace": "shop", "pod": "db-0" },
        "protocol": "tcp",
        "port": 5432,
        "expect": "allow",
    });
    let fields = spec.as_object_mut().unwrap();
    if value.is_null() {
        fields.remove(field);
    } else {
        fields.insert(field.to_owned(), value);
    }
    parse(spec)
}

fn pod(namespace: &str, name: &str) -> PodName {
    PodName { namespace: namespace.to_owned(), name: name.to_owned() }
}

#[test]
fn every_form_of_end_is_read() {
    let spec = with("family", json!("v6")).unwrap();
    assert_eq!(spec.from, Source::Pod(pod("shop", "web-0")));
    assert_eq!(spec.to, Target::Pod(pod("shop", "db-0")));
    assert_eq!(spec.traffic, Traffic::Tcp(NonZeroU16::new(5432).unwrap()));
    assert_eq!((spec.family, spec.expect), (Some(Family::V6), Expect::Allow));

    assert_eq!(with("from", json!({ "node": "n1" })).unwrap().from, Source::Node("n1".to_owned()));
    assert_eq!(with("to", json!({ "node": "n2" })).unwrap().to, Target::Node("n2".to_owned()));
    assert_eq!(with("to", json!({ "ip": "fd00::9" })).unwrap().to, Target::Ip("fd00::9".parse().unwrap()));
    assert_eq!(with("to", json!({ "pod": "db-0" })).unwrap().to, Target::Pod(pod("default", "db-0")));
}

#[test]
fn an_end_names_exactly_one_thing() {
    for end in [json!({}), json!({ "namespace": "shop" }), json!({ "pod": "a", "node": "b" })] {
        assert!(with("to", end).unwrap_err().contains("`to` must name exactly one of pod, node and ip"));
    }
    assert!(with("from", json!({ "ip": "10.0.0.1" })).unwrap_err().contains("exactly one of pod and node"));
    assert!(
        with("to", json!({ "ip": "10.0.0.1", "namespace": "x" })).unwrap_err().contains("`to.namespace`")
    );
    assert!(with("to", json!({ "ip": "10.0.0.300" })).is_err());
}

#[test]
fn a_port_goes_with_tcp_and_udp_only() {
    assert!(with("port", Value::Null).unwrap_err().contains("required for protocol tcp"));
    assert!(with("port", json!(0)).unwrap_err().contains("required for protocol tcp"));
    assert!(with("port", json!(70_000)).is_err());
    assert!(with("protocol", json!("icmp")).unwrap_err().contains("leave it out"));
    assert_eq!(with("protocol", json!("udp")).unwrap().traffic, Traffic::Udp(NonZeroU16::new(5432).unwrap()));
}

#[test]
fn the_family_is_that_of_the_address() {
    let probe = |family: &str, ip: &str| {
        parse(json!({
            "from": { "node": "n1" }, "to": { "ip": ip }, "protocol": "icmp", "family": family, "expect": "deny",
        }))
    };
    assert_eq!(probe("v4", "10.0.0.1").unwrap().expect, Expect::Deny);
    assert!(probe("v6", "fd00::1").is_ok());
    assert!(probe("v6", "10.0.0.1").unwrap_err().contains("as `family` asks for"));
    assert!(probe("v4", "fd00::1").unwrap_err().contains("as `family` asks for"));
}

#[test]
fn typos_are_refused() {
    assert!(with("prot", json!("tcp")).unwrap_err().contains("prot"));
    assert!(with("to", json!({ "pood": "db-0" })).unwrap_err().contains("pood"));
    assert!(with("expect", json!("Allow")).is_err());
    assert!(with("expect", Value::Null).unwrap_err().contains("expect"));
}
