//! What is sent can be read back as what was meant.

use kubeovn_core::index::objects::{Ip, IpSpec, Meta, ObjectKey, Pod, Subnet, Vpc};

use super::*;
use crate::cluster::kube::wire::{Reading, object};

fn read_back(sent: &Object) -> Object {
    let body = create(sent).unwrap();
    match object(sent.kind(), &body.to_string()).unwrap() {
        Reading::Whole(object) => object,
        Reading::Broken(_, reason) => panic!("{reason}"),
    }
}

#[test]
fn a_new_object_says_all_that_its_record_does() {
    let meta = Meta {
        labels: [("a".into(), "b".into())].into(),
        annotations: [("c".into(), "d".into())].into(),
        finalizers: vec![FINALIZER.into()],
        ..Meta::named("x")
    };
    let vpc = VpcSpec {
        default_subnet: "s".to_owned(),
        namespaces: vec!["n".into()],
        static_routes: vec![StaticRoute {
            policy: "policySrc".to_owned(),
            cidr: "10.0.0.0/8".to_owned(),
            next_hop: "10.1.0.1".to_owned(),
            table: "t".to_owned(),
        }],
        policy_routes: vec![PolicyRoute {
            priority: 5,
            r#match: "ip4".to_owned(),
            action: "reroute".to_owned(),
            next_hops: "10.1.0.2".to_owned(),
        }],
        vpc_peerings: vec![VpcPeering {
            remote_vpc: "w".into(),
            local_connect_ip: "169.254.0.1/30".to_owned(),
        }],
        inert: Vec::new(),
    };
    let expression = Expression {
        key: "k".into(),
        operator: kubeovn_core::index::objects::Operator::NotIn,
        values: vec!["v".into()],
    };
    let selector =
        Selector { match_labels: [("l".into(), "w".into())].into(), match_expressions: vec![expression] };
    let subnet = SubnetSpec {
        vpc: "v".to_owned(),
        cidr_block: "10.0.0.0/24".to_owned(),
        gateway: "10.0.0.1".to_owned(),
        exclude_ips: vec!["10.0.0.2".to_owned()],
        namespaces: vec!["n".into()],
        namespace_selectors: vec![selector.clone()],
        provider: "ovn".to_owned(),
        vlan: "vlan1".to_owned(),
        private: true,
        allow_subnets: vec!["10.9.0.0/16".to_owned()],
        mtu: 1400,
        gateway_type: "centralized".to_owned(),
        gateway_node: "n1".to_owned(),
        gateway_node_selectors: vec![selector],
        enable_ecmp: true,
        route_table: "t".to_owned(),
        acls: vec![SubnetAcl {
            direction: "to-lport".to_owned(),
            priority: 7,
            r#match: "ip4".to_owned(),
            action: "drop".to_owned(),
        }],
        allow_ew_traffic: true,
        enable_dhcp: true,
        dhcp_v4_options: "mtu=1400".to_owned(),
        dhcp_v6_options: "a=b".to_owned(),
        enable_ipv6_ra: true,
        ipv6_ra_configs: "mtu=1300".to_owned(),
        nat_outgoing: true,
        nat_outgoing_policy_rules: vec![NatRule {
            r#match: NatMatch { src: "10.0.0.2".to_owned(), dst: "10.9.0.0/16".to_owned() },
            action: "forward".to_owned(),
        }],
        external_egress_gateway: "10.0.0.254".to_owned(),
        policy_routing_priority: 1001,
        policy_routing_table: 7,
        logical_gateway: true,
        u2o_interconnection: true,
        enable_lb: Some(true),
        inert: Vec::new(),
    };
    let ip = IpSpec { ip_address: "10.0.0.2".into(), subnet: "s".into(), ..IpSpec::default() };
    for sent in [
        Object::Vpc(Vpc { meta: meta.clone(), spec: vpc, ..Vpc::default() }),
        Object::Vpc(Vpc { meta: Meta::named("y"), ..Vpc::default() }),
        Object::Subnet(Subnet { meta: meta.clone(), spec: subnet, ..Subnet::default() }),
        Object::Ip(Ip { meta, spec: ip }),
    ] {
        assert_eq!(read_back(&sent), sent);
    }
    assert_eq!(create(&Object::Pod(Pod::default())), None);
    let bare = create(&Object::Vpc(Vpc { meta: Meta::named("y"), ..Vpc::default() })).unwrap();
    assert_eq!(bare["spec"], json!({}), "what is not set is left to the server");
}

#[test]
fn a_patch_has_what_it_changes_and_nothing_else() {
    let key = ObjectKey::cluster(Kind::Subnet, "s");
    let empty = Patch::new(key.clone(), "".into());
    assert_eq!(patch(&empty, None), json!({ "metadata": {} }));
    let full = Patch {
        annotations: [("a".into(), Some("1".into())), ("b".into(), None)].into(),
        finalizer: Some(true),
        ..Patch::new(key, "u".into())
    };
    let had: [Name; 2] = ["other/x".into(), "other/y".into()];
    let body = patch(&full, Some((&had, "7")));
    let finalizers = ["other/x", "other/y", FINALIZER];
    let metadata = json!({
        "uid": "u", "resourceVersion": "7", "finalizers": finalizers, "annotations": { "a": "1", "b": null },
    });
    assert_eq!(body, json!({ "metadata": metadata }));
    let had: [Name; 2] = [FINALIZER.into(), "other/y".into()];
    let body = patch(&Patch { finalizer: Some(false), ..full }, Some((&had, "7")));
    assert_eq!(body["metadata"]["finalizers"], json!(["other/y"]));
    let vpc = ObjectKey::cluster(Kind::Vpc, "v");
    let again = Patch { finalizer: Some(true), ..Patch::new(vpc, "".into()) };
    let body = patch(&again, Some((&had, "7")));
    assert_eq!(body["metadata"]["finalizers"], json!(had), "what is there stays where it is");
}

#[test]
fn a_status_is_written_field_by_field_with_what_is_nought() {
    let exception = NatRuleStatus {
        id: "2d68ef45f0b4".to_owned(),
        r#match: NatMatch { src: String::new(), dst: "10.9.0.0/16".to_owned() },
        action: "forward".to_owned(),
    };
    let status = SubnetStatus {
        v6availableIPs: Count((1 << 64) - 3).as_stored(),
        dhcpV4OptionsUUID: "6f2d3a0b-91c7-4d56-8e15-c2a477d0b9e3".to_owned(),
        natOutgoingPolicyRules: vec![exception],
        ..SubnetStatus::default()
    };
    let fields = status_fields("u", &Status::Subnet(status.clone()), &Stamps::default(), "now");
    let text = json!({ "metadata": { "name": "s" }, "status": fields }).to_string();
    let Ok(Reading::Whole(Object::Subnet(subnet))) = object(Kind::Subnet, &text) else { panic!("{text}") };
    assert_eq!(subnet.status, status);
    assert_eq!((&fields["v4usingIPs"], &fields["v4usingIPrange"]), (&json!(0), &json!("")));
    assert_eq!(fields["dhcpV6OptionsUUID"], json!(""));
    let exceptions =
        json!([{ "ruleID": "2d68ef45f0b4", "match": { "dstIPs": "10.9.0.0/16" }, "action": "forward" }]);
    assert_eq!(fields["natOutgoingPolicyRules"], exceptions);
    let steps = super::status("u", fields.clone(), None);
    assert_eq!(steps[0], json!({ "op": "test", "path": "/metadata/uid", "value": "u" }));
    assert_eq!(steps.as_array().unwrap().len(), 1 + fields.len());
    let steps = super::status("", fields.clone(), Some("7"));
    assert_eq!(steps[0], json!({ "op": "test", "path": "/metadata/resourceVersion", "value": "7" }));
    assert_eq!(steps[1], json!({ "op": "add", "path": "/status", "value": fields }));
}
