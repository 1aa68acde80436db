//! What goes in comes out: no field lost, none invented.

mod crds;
mod foreign;
mod refusals;
mod samples;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn round_trip<K: DeserializeOwned + Serialize>(text: &str) {
    let kind: K = serde_json::from_str(text).unwrap();
    let original: Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_value(&kind).unwrap(), original);
    // text again, since a value tree and text take different ways through serde
    let again: K = serde_json::from_str(&serde_json::to_string(&kind).unwrap()).unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), original);
}

#[test]
fn absent_and_empty_stay_different() {
    let sparse = r#"{"apiVersion":"kubeovn.io/v1","kind":"Subnet","metadata":{"name":"a"},
        "spec":{"vlan":"","private":false,"vips":[],"mtu":0,"u2oFeatures":{}},"status":{}}"#;
    round_trip::<Subnet>(sparse);
    let subnet: Subnet = serde_json::from_str(sparse).unwrap();
    assert_eq!((subnet.spec.vlan.as_deref(), subnet.spec.gateway), (Some(""), None));
    assert_eq!(subnet.status, Some(SubnetStatus::default()));
}

#[test]
fn null_counts_as_absent() {
    let subnet: Subnet = serde_json::from_value(json!({
        "metadata": { "name": "a", "creationTimestamp": null },
        "spec": { "vlan": null, "vips": null, "mtu": null },
        "status": null,
    }))
    .unwrap();
    assert_eq!((subnet.spec, subnet.status), (SubnetSpec::default(), None));
}

/// A server keeps bare numbers as they were written, and so are they to be read.
#[test]
fn quantities_are_read_in_every_form() {
    let gateway: VpcEgressGateway = serde_json::from_value(json!({
        "metadata": { "name": "a" },
        "spec": { "resources": { "limits": { "cpu": 2, "memory": 4_294_967_296_i64 }, "requests": { "cpu": "500m" } } },
    }))
    .unwrap();
    let resources = serde_json::to_value(gateway.spec.resources).unwrap();
    let wanted = json!({ "limits": { "cpu": "2", "memory": "4294967296" }, "requests": { "cpu": "500m" } });
    assert_eq!(resources, wanted);
}

#[test]
fn an_object_without_spec_has_an_empty_one() {
    for object in
        [json!({ "metadata": { "name": "v" } }), json!({ "metadata": { "name": "v" }, "spec": null })]
    {
        let vpc: Vpc = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(vpc.spec, VpcSpec::default());
        let ip: Ip = serde_json::from_str(&object.to_string()).unwrap();
        assert_eq!(ip.spec, IpSpec::default());
    }
}

#[test]
fn counts_are_read_in_every_form() {
    for (text, count) in [
        ("0", 0),
        ("65533", 65_533),
        ("18446744073709551615", u128::from(u64::MAX)),
        ("\"18446744073709551613\"", (1 << 64) - 3),
        ("\"340282366920938463463374607431768211455\"", u128::MAX),
        ("253.0", 253),
        ("\"253.0\"", 253),
        ("1.8446744073709552e+19", 1 << 64),
        ("1.2089258196146292e+24", 1 << 80),
        ("1208925819614629174706176", 1 << 80),
        ("1.9", 1),
        ("-1", 0),
        ("-0.5", 0),
    ] {
        assert_eq!(serde_json::from_str::<Count>(text).unwrap(), Count(count), "{text}");
    }
    for text in ["\"\"", "\"many\"", "\"NaN\"", "\"inf\"", "true", "[]", "{}"] {
        assert!(serde_json::from_str::<Count>(text).is_err(), "{text}");
    }
}

#[test]
fn counts_are_written_as_bare_integers() {
    for count in [0, 253, u128::from(u64::MAX), 1 << 64, u128::MAX] {
        assert_eq!(serde_json::to_string(&Count(count)).unwrap(), count.to_string());
    }
}

#[test]
fn a_stored_count_comes_back_as_itself() {
    let exact = i64::MAX as u128;
    assert_eq!(Count(exact).as_stored(), Count(exact));
    assert_eq!(Count(exact + 1026).as_stored(), Count((1 << 63) + 2048));
    for count in [0, 254, exact, (1 << 64) - 3, (1 << 80) - 12_345, u128::MAX] {
        let stored = Count(count).as_stored();
        assert_eq!(stored.as_stored(), stored);
        let answer = if count > exact { format!("{:e}", to_f64(stored)) } else { stored.to_string() };
        assert_eq!(serde_json::from_str::<Count>(&answer).unwrap(), stored, "{answer}");
    }
}

fn to_f64(count: Count) -> f64 {
    count.to_string().parse().unwrap()
}
