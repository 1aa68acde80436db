//! Subnets, VPCs and address records.

use serde_json::{Value, json};

use super::{metadata, read};
use crate::{
    count::Count,
    index::objects::{
        Ip, IpSpec, Meta, Name, NatRule, Operator, Subnet, SubnetAcl, SubnetSpec, SubnetStatus, Vpc, VpcSpec,
    },
};

fn sample(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn texts(names: &[Name]) -> Vec<&str> {
    names.iter().map(|name| &**name).collect()
}

fn subnet(spec: Value) -> SubnetSpec {
    read::<Subnet>(&json!({ "metadata": { "name": "a" }, "spec": spec })).spec
}

#[test]
fn a_whole_subnet_is_read_and_fields_without_effect_are_named() {
    let subnet: Subnet = read(&sample(include_str!("../../../../tests/data/subnet.json")));
    let spec = &subnet.spec;
    assert_eq!((&*subnet.meta.name, &*spec.vpc, &*spec.vlan), ("shop-a", "shop", "vlan10"));
    assert_eq!((&*spec.cidr_block, &*spec.gateway), ("10.1.0.0/24,fd00:1::/64", "10.1.0.1,fd00:1::1"));
    assert_eq!(spec.exclude_ips, ["10.1.0.1", "10.1.0.10..10.1.0.20", "fd00:1::1"]);
    assert_eq!((&*spec.provider, spec.private, spec.mtu, &*spec.route_table), ("ovn", true, 1400, "rt1"));
    assert_eq!(spec.allow_subnets, ["10.2.0.0/16"]);
    assert_eq!(spec.namespace_selectors.len(), 2);
    let [first, second] = spec.namespace_selectors.as_slice() else { panic!("{spec:?}") };
    assert_eq!(first.match_labels.get("team").map(|v| &**v), Some("shop"));
    assert_eq!(first.match_expressions[0].operator, Operator::DoesNotExist);
    assert_eq!(texts(&second.match_expressions[0].values), ["front"]);
    assert_eq!((&*spec.gateway_type, &*spec.gateway_node), ("centralized", "n1:172.18.0.9, n2"));
    assert_eq!((spec.gateway_node_selectors.is_empty(), spec.enable_ecmp), (false, true));
    assert_eq!(subnet.status.activateGateway, "n1");
    let inert = texts(&spec.inert);
    assert!(inert.contains(&"vips"), "{inert:?}");
    assert!((subnet.spec.u2o_interconnection, subnet.spec.logical_gateway) == (true, false));
    for field in [
        "acls",
        "cidrBlock",
        "vpc",
        "private",
        "default",
        "enableDHCP",
        "gatewayType",
        "gatewayNode",
        "gatewayNodeSelectors",
        "enableEcmp",
        "u2oFeatures",
        "externalEgressGateway",
    ] {
        assert!(!inert.contains(&field), "{field} has an effect, or is not set: {inert:?}");
    }
}

#[test]
fn rules_and_answers_of_a_subnet_are_read() {
    let spec = subnet(json!({
        "acls": [{ "direction": "to-lport", "priority": 7, "match": "ip4", "action": "drop" }, {}],
        "allowEWTraffic": true, "enableDHCP": true, "dhcpV4Options": "mtu=1400", "dhcpV6Options": "a=b",
        "enableIPv6RA": true, "ipv6RAConfigs": "mtu=1300",
    }));
    let [rule, empty] = spec.acls.as_slice() else { panic!("{spec:?}") };
    assert_eq!(
        (&*rule.direction, rule.priority, &*rule.r#match, &*rule.action),
        ("to-lport", 7, "ip4", "drop")
    );
    assert_eq!(*empty, SubnetAcl::default());
    assert!(spec.allow_ew_traffic && spec.enable_dhcp && spec.enable_ipv6_ra);
    let texts = (&*spec.dhcp_v4_options, &*spec.dhcp_v6_options, &*spec.ipv6_ra_configs);
    assert_eq!(texts, ("mtu=1400", "a=b", "mtu=1300"));
    assert_eq!(spec.inert, []);
}

#[test]
fn how_a_subnet_leaves_by_nodes_is_read() {
    let spec = subnet(json!({
        "natOutgoing": true, "natOutgoingPolicyRules": [
            { "match": { "srcIPs": "10.1.0.7", "dstIPs": "10.9.0.0/16,10.8.0.1" }, "action": "forward" }, {},
        ],
        "externalEgressGateway": "10.0.0.254", "policyRoutingPriority": 1001, "policyRoutingTableID": 7,
    }));
    let [rule, empty] = spec.nat_outgoing_policy_rules.as_slice() else { panic!("{spec:?}") };
    let texts = (&*rule.r#match.src, &*rule.r#match.dst, &*rule.action);
    assert_eq!(texts, ("10.1.0.7", "10.9.0.0/16,10.8.0.1", "forward"));
    assert_eq!(*empty, NatRule::default());
    assert_eq!((spec.nat_outgoing, &*spec.external_egress_gateway), (true, "10.0.0.254"));
    assert_eq!((spec.policy_routing_priority, spec.policy_routing_table), (1001, 7));
    assert_eq!(spec.inert, []);
}

#[test]
fn a_field_that_is_set_to_nothing_is_not_named() {
    let nothing = json!({ "vips": [], "u2oFeatures": {}, "logicalGateway": false, "vlanPriority": 0, "gatewayNode": "",
        "enableLb": null, "u2oInterconnectionIP": "", "nested": { "a": { "b": 0 }, "c": [] } });
    assert_eq!(subnet(nothing).inert, []);
    let set = json!({ "vips": [""], "u2oFeatures": { "overlayOnlyRouting": true },
        "vlanPriority": 1, "htbqos": "n1", "ratio": 0.5, "negative": -1, "fromTheFuture": "x" });
    let names = subnet(set).inert;
    let expected = ["fromTheFuture", "htbqos", "negative", "ratio", "u2oFeatures", "vips", "vlanPriority"];
    assert_eq!(texts(&names), expected, "sorted");
}

#[test]
fn sparse_objects_are_read() {
    assert_eq!(subnet(json!({})), SubnetSpec::default());
    let bare = json!({ "metadata": { "name": "a" } });
    assert_eq!(read::<Subnet>(&bare), Subnet { meta: Meta::named("a"), ..Subnet::default() });
    assert_eq!(read::<Vpc>(&bare), Vpc { meta: Meta::named("a"), ..Vpc::default() });
    assert_eq!(read::<Ip>(&bare), Ip { meta: Meta::named("a"), ..Ip::default() });
}

#[test]
fn a_subnets_status_is_what_was_last_written() {
    let subnet: Subnet = read(&sample(include_str!("../../../../tests/data/subnet.json")));
    let status = &subnet.status;
    assert_eq!((status.v4availableIPs, status.v4usingIPs), (Count(241), Count(0)));
    assert_eq!((status.v6availableIPs, status.v6usingIPs), (Count((1 << 64) - 3), Count(1)));
    assert_eq!(status.v4availableIPrange, "10.1.0.2-10.1.0.9,10.1.0.21-10.1.0.254");
    assert_eq!((&*status.v4usingIPrange, &*status.v6usingIPrange), ("", "fd00:1::2"));
    let [condition] = status.conditions.as_slice() else { panic!("{status:?}") };
    assert_eq!((&*condition.r#type, &*condition.status), ("Validated", "False"));
    assert_eq!(&*condition.reason, "ValidateLogicalSwitchFailed");
    assert_eq!(&*condition.message, "gateway 10.9.0.1 is not in cidr");
    assert_eq!(condition.observed_generation, 9_007_199_254_740_993);
}

#[test]
fn counts_are_read_in_every_form_that_is_stored() {
    for (stored, count) in [
        (json!(253), 253),
        (json!(253.0), 253),
        (json!("18446744073709551613"), (1 << 64) - 3),
        (json!(1.844_674_407_370_955_2e19), 1 << 64),
        (json!("253.0"), 253),
        (json!(-1), 0),
    ] {
        let status = json!({ "v4usingIPs": 0, "v6availableIPs": stored });
        let subnet: Subnet = read(&json!({ "metadata": { "name": "a" }, "status": status }));
        assert_eq!(subnet.status.v6availableIPs, Count(count), "{stored}");
        assert_eq!(subnet.status, SubnetStatus { v6availableIPs: Count(count), ..SubnetStatus::default() });
    }
}

#[test]
fn a_vpc_is_read() {
    let vpc: Vpc = read(&sample(include_str!("../../../../tests/data/vpc.json")));
    assert_eq!(
        vpc.spec.static_routes.len(),
        vpc.spec.static_routes.iter().filter(|r| !r.next_hop.is_empty()).count()
    );
    assert!(texts(&vpc.spec.inert).contains(&"enableExternal"), "{:?}", vpc.spec.inert);
    let [peering] = vpc.spec.vpc_peerings.as_slice() else { panic!("{:?}", vpc.spec.vpc_peerings) };
    assert!(!peering.remote_vpc.is_empty() && peering.local_connect_ip.contains('/'), "{peering:?}");
    let spec = json!({
        "defaultSubnet": "shop-a", "namespaces": ["shop", "shop-test"],
        "staticRoutes": [{ "policy": "policySrc", "cidr": "10.1.0.0/24", "nextHopIP": "10.1.0.9", "routeTable": "t1",
            "ecmpMode": "", "bfdId": "" }, { "cidr": "0.0.0.0/0", "nextHopIP": "10.1.0.8" }],
        "policyRoutes": [{ "priority": 10, "match": "ip4", "action": "reroute", "nextHopIP": "10.1.0.9,10.1.0.8" },
            { "priority": 32767, "match": "ip6", "action": "drop" }, { "match": "ip6" }],
        "enableExternal": false, "bfdPort": null,
    });
    let spec: VpcSpec = read::<Vpc>(&json!({ "metadata": metadata("shop"), "spec": spec })).spec;
    assert_eq!((&*spec.default_subnet, texts(&spec.namespaces)), ("shop-a", vec!["shop", "shop-test"]));
    let [source, default] = spec.static_routes.as_slice() else { panic!("{spec:?}") };
    assert_eq!((&*source.policy, &*source.cidr), ("policySrc", "10.1.0.0/24"));
    assert_eq!((&*source.next_hop, &*source.table), ("10.1.0.9", "t1"));
    assert_eq!((&*default.policy, &*default.table), ("", ""));
    let actions: Vec<_> = spec.policy_routes.iter().map(|p| &*p.action).collect();
    assert_eq!(actions, ["reroute", "drop", ""]);
    let [first, second, _] = spec.policy_routes.as_slice() else { panic!("{spec:?}") };
    assert_eq!((first.priority, &*first.r#match, &*first.next_hops), (10, "ip4", "10.1.0.9,10.1.0.8"));
    assert_eq!(second.priority, 32_767);
    assert_eq!(spec.inert, []);
}

#[test]
fn a_vpcs_status_is_what_was_last_written() {
    let status = json!({ "standby": true, "default": false, "defaultLogicalSwitch": "shop-a", "router": "shop",
        "subnets": ["shop-a"], "tcpLoadBalancer": "vpc-shop-tcp-load", "vpcPeerings": [], "enableExternal": false,
        "conditions": [{ "type": "Ready", "status": "True", "lastUpdateTime": "2026-01-01T00:00:00Z" }] });
    let status = read::<Vpc>(&json!({ "metadata": { "name": "shop" }, "status": status })).status;
    assert_eq!((status.standby, status.default, &*status.router), (true, false, "shop"));
    assert_eq!((&*status.default_logical_switch, texts(&status.subnets)), ("shop-a", vec!["shop-a"]));
    let [condition] = status.conditions.as_slice() else { panic!("{status:?}") };
    let unset = json!({ "metadata": { "name": "shop" }, "status": { "vpcPeerings": null } });
    assert_eq!(read::<Vpc>(&unset).status.vpc_peerings, [], "as Go writes it");
    assert_eq!((&*condition.reason, &*condition.message, condition.observed_generation), ("", "", 0));
}

#[test]
fn a_record_is_read_and_written_in_kube_ovns_names() {
    let ip: Ip = read(&sample(include_str!("../../../../tests/data/ip.json")));
    assert!(!ip.spec.pod_name.is_empty() && !ip.spec.mac_address.is_empty(), "{ip:?}");
    let spec = json!({ "podName": "web-0", "namespace": "dev", "subnet": "a", "nodeName": "n1", "macAddress": "0a:58:0a:10:00:05",
        "ipAddress": "10.1.0.5,fd00::5", "v4IpAddress": "10.1.0.5", "v6IpAddress": "fd00::5", "podType": "StatefulSet" });
    let mut with_legacy = spec.clone();
    with_legacy["attachIps"] = json!([]);
    with_legacy["containerID"] = json!("");
    let ip: Ip = read(&json!({ "metadata": metadata("web-0.dev"), "spec": with_legacy }));
    let expected = IpSpec {
        pod_name: "web-0".into(),
        namespace: "dev".into(),
        subnet: "a".into(),
        node_name: "n1".into(),
        ip_address: "10.1.0.5,fd00::5".into(),
        v4_ip_address: "10.1.0.5".into(),
        v6_ip_address: "fd00::5".into(),
        mac_address: "0a:58:0a:10:00:05".into(),
        pod_type: "StatefulSet".into(),
    };
    assert_eq!(ip.spec, expected);
    assert_eq!(serde_json::to_value(&ip.spec).unwrap(), spec);
}
