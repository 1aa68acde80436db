//! Annotations in, what the interface was given out.

use kubeovn_core::contract::cluster::Event;
use kubeovn_core::index::objects::{Meta, Object, Pod, Subnet, SubnetSpec};

use super::*;

const DUAL: &[(&str, &str)] = &[
    ("ovn.kubernetes.io/allocated", "true"),
    ("ovn.kubernetes.io/ip_address", "10.16.0.9,fd00::9"),
    ("ovn.kubernetes.io/mac_address", "0a:58:0a:10:00:09"),
    ("ovn.kubernetes.io/cidr", "10.16.0.0/16,fd00::/112"),
    ("ovn.kubernetes.io/gateway", "10.16.0.1,fd00::1"),
    ("ovn.kubernetes.io/logical_switch", "ovn-default"),
];

fn facts(annotations: &[(&str, &str)]) -> Facts {
    let mut facts = Facts::new("n1");
    let subnet = |name: &str, provider: &str, mtu| {
        let spec = SubnetSpec { provider: provider.into(), mtu, ..SubnetSpec::default() };
        Event::Applied(Object::Subnet(Subnet { meta: Meta::named(name), spec, ..Subnet::default() }))
    };
    let meta = Meta {
        namespace: "default".into(),
        uid: "u1".into(),
        annotations: annotations.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        ..Meta::named("web-0")
    };
    let pod = Pod { meta, node: Some("n1".into()), ..Pod::default() };
    for event in [
        subnet("ovn-default", "", 0),
        subnet("lan", "lan.default.ovn", 9000),
        Event::Applied(Object::Pod(pod)),
        Event::Listed(Kind::Subnet),
        Event::Listed(Kind::Pod),
    ] {
        facts.apply(event);
    }
    facts
}

fn request(provider: &str, if_name: &str) -> PodRequest {
    PodRequest {
        pod_name: "web-0".into(),
        pod_namespace: "default".into(),
        provider: provider.into(),
        if_name: if_name.into(),
        ..PodRequest::default()
    }
}

fn with(extra: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let kept = DUAL.iter().filter(|(key, _)| extra.iter().all(|(other, _)| other != key));
    kept.chain(extra).copied().collect()
}

fn waits_for(answer: Result<Given, NotGiven>) -> String {
    match answer {
        Err(NotGiven::Wait(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn refusal(answer: Result<Given, NotGiven>) -> String {
    match answer {
        Err(NotGiven::Refused(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_dual_stack_pod_has_all_of_both_families() {
    let given = given(&facts(DUAL), &request("", "eth0"), 1400).expect("given");
    assert_eq!(given.provider, "ovn");
    assert_eq!(given.pod, "web-0");
    assert_eq!(given.mtu, 1400);
    let addresses: Vec<_> = given.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.16.0.9/16", "fd00::9/112"]);
    let defaults: Vec<_> = given.defaults("eth0").iter().map(ToString::to_string).collect();
    assert_eq!(defaults, ["0.0.0.0/0 via 10.16.0.1 dev eth0", "::/0 via fd00::1 dev eth0"]);
}

#[test]
fn a_static_pod_is_known_by_the_uid_of_its_file() {
    let of_file = |uid: &str| PodRequest { pod_uid: uid.into(), ..request("", "eth0") };
    let mirror = with(&[("kubernetes.io/config.mirror", "f1")]);
    for (annotations, uid, known) in [(DUAL, "u1", true), (DUAL, "f1", false), (&mirror, "f1", true)] {
        let given = given(&facts(annotations), &of_file(uid), 1400);
        assert_eq!(given.is_ok(), known, "{uid}: {given:?}");
    }
}

#[test]
fn only_families_that_the_pod_has_get_a_default_route() {
    let single = with(&[("ovn.kubernetes.io/ip_address", "fd00::9")]);
    let given = given(&facts(&single), &request("ovn", "eth0"), 1400).expect("given");
    let defaults: Vec<_> = given.defaults("eth0").iter().map(ToString::to_string).collect();
    assert_eq!(defaults, ["::/0 via fd00::1 dev eth0"]);
}

#[test]
fn the_default_route_is_on_eth0_unless_the_pod_says_otherwise() {
    let second = request("lan.default.ovn", "net1");
    let lan: Vec<(String, &str)> =
        DUAL.iter().map(|(k, v)| (k.replace("ovn.kubernetes", "lan.default.ovn.kubernetes"), *v)).collect();
    let mut lan: Vec<(&str, &str)> = lan.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    assert!(given(&facts(&lan), &second, 1400).expect("given").gateways.is_empty());
    lan.push(("lan.default.ovn.kubernetes.io/default_route", "true"));
    assert!(!given(&facts(&lan), &second, 1400).expect("given").gateways.is_empty());
    let off = with(&[("ovn.kubernetes.io/default_route", "false")]);
    assert!(given(&facts(&off), &request("ovn", "eth0"), 1400).expect("given").gateways.is_empty());
}

#[test]
fn a_pod_that_is_in_one_network_twice_has_annotations_per_interface() {
    let twice = [
        ("lan.default.ovn.net1.kubernetes.io/allocated", "true"),
        ("lan.default.ovn.net1.kubernetes.io/ip_address", "10.9.0.1"),
        ("lan.default.ovn.net1.kubernetes.io/cidr", "10.9.0.0/24"),
        ("lan.default.ovn.net1.kubernetes.io/mac_address", "0a:58:0a:09:00:01"),
        ("lan.default.ovn.net1.kubernetes.io/logical_switch", "lan"),
    ];
    let given = given(&facts(&twice), &request("lan.default.ovn", "net1"), 1400).expect("given");
    assert_eq!(given.provider, "lan.default.ovn.net1");
    assert_eq!(given.mtu, 9000, "the subnet's");
    assert_eq!(given.addresses()[0].to_string(), "10.9.0.1/24");
}

#[test]
fn what_is_not_there_yet_is_named() {
    let no_list = Facts::new("n1");
    assert!(waits_for(given(&no_list, &request("", "eth0"), 1400)).starts_with("NODE-NOT-SYNCED: "));
    let stranger = PodRequest { pod_name: "web-1".into(), ..request("", "eth0") };
    assert!(
        waits_for(given(&facts(DUAL), &stranger, 1400)).starts_with("CNI-POD-UNKNOWN: pod default/web-1 ")
    );
    let successor = PodRequest { pod_uid: "u2".into(), ..request("", "eth0") };
    assert!(
        waits_for(given(&facts(DUAL), &successor, 1400)).starts_with("CNI-POD-UNKNOWN: "),
        "addresses of a predecessor are not the pod's"
    );
    let unallocated = with(&[("ovn.kubernetes.io/allocated", "")]);
    let text = waits_for(given(&facts(&unallocated), &request("", "eth0"), 1400));
    assert!(text.starts_with("CNI-NO-ADDRESS: ") && text.contains("ovn.kubernetes.io/allocated"), "{text}");
    let told = "IPAM-POOL-EXHAUSTED: subnet tiny has no free IPv4 address";
    let full = with(&[("ovn.kubernetes.io/allocated", ""), (nic::ERROR.ovn(), told)]);
    assert_eq!(waits_for(given(&facts(&full), &request("", "eth0"), 1400)), told);
    let no_prefix = with(&[("ovn.kubernetes.io/cidr", "10.16.0.0/16")]);
    let text = waits_for(given(&facts(&no_prefix), &request("", "eth0"), 1400));
    assert!(text.starts_with("CNI-NO-SUBNET: pod default/web-0 has 10.16.0.9,fd00::9, "), "{text}");
}

#[test]
fn what_can_never_work_is_refused_at_once() {
    let facts_with = |key, value| facts(&with(&[(key, value)]));
    for (facts, request, code) in [
        (facts(DUAL), request("wan.default.ovn", "net1"), "CNI-PROVIDER-UNKNOWN: "),
        (
            facts_with("ovn.kubernetes.io/pod_nic_type", "dpdk-port"),
            request("", "eth0"),
            "CNI-NIC-TYPE-UNSUPPORTED: ",
        ),
        (facts_with("ovn.kubernetes.io/cidr", "10.16.0.0"), request("", "eth0"), "CNI-BAD-ANNOTATION: "),
        (facts_with("ovn.kubernetes.io/routes", "[{}]"), request("", "eth0"), "CNI-BAD-ANNOTATION: "),
        (
            facts_with("ovn.kubernetes.io/routes", r#"[{"dst":"::/0","gw":"10.16.0.1"}]"#),
            request("", "eth0"),
            "CNI-BAD-ANNOTATION: ",
        ),
    ] {
        let text = refusal(given(&facts, &request, 1400));
        assert!(text.starts_with(code), "{text}");
    }
    for request in [
        PodRequest { device_id: "0000:3b:00.1".into(), ..request("", "eth0") },
        PodRequest { vhost_user_socket_volume_name: "v".into(), ..request("", "eth0") },
    ] {
        assert!(
            matches!(check_kind(&request), Err(NotGiven::Refused(text)) if text.contains("not supported"))
        );
    }
}

#[test]
fn routes_come_from_pod_and_configuration() {
    let pod = with(&[(
        "ovn.kubernetes.io/routes",
        r#"[{"dst":"192.168.1.7/24","gw":"10.16.0.2"},{"gw":"fd00::2"}]"#,
    )]);
    let mut request = request("", "eth0");
    request.routes = vec![RouteConfig { dst: "10.0.0.0/8".into(), gw: String::new() }];
    let given = given(&facts(&pod), &request, 1400).expect("given");
    let extras: Vec<_> = given.extras.iter().map(ToString::to_string).collect();
    assert_eq!(
        extras,
        ["192.168.1.0/24 via 10.16.0.2 dev eth0", "::/0 via fd00::2 dev eth0", "10.0.0.0/8 dev eth0"]
    );
    let defaults: Vec<_> = given.defaults("eth0").iter().map(ToString::to_string).collect();
    assert_eq!(defaults, ["0.0.0.0/0 via 10.16.0.1 dev eth0"], "the pod chose its own for IPv6");
}

#[test]
fn a_pod_on_dhcp_has_a_hardware_address_only() {
    let mac_only = [
        ("ovn.kubernetes.io/allocated", "true"),
        ("ovn.kubernetes.io/mac_address", "0a:58:0a:10:00:09"),
        ("ovn.kubernetes.io/virtualmachine", "vm1"),
    ];
    let given = given(&facts(&mac_only), &request("", "eth0"), 1400).expect("given");
    assert!(given.addresses().is_empty() && given.defaults("eth0").is_empty());
    assert_eq!(given.pod, "vm1");
}
