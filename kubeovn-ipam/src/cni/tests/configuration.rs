//! Every form of a configuration, and each that is wrong.

use std::path::PathBuf;

use kubeovn_core::cni::NEWEST;
use serde_json::{Value, json};

use super::{
    super::{Call, Verb},
    Node, addresses, environment, error, network, subnet, with,
};

fn read(conf: &Value) -> Call {
    Call::read(&environment("ADD", "c0ffee", ""), conf.to_string().as_bytes()).unwrap()
}

#[test]
fn settings_stand_in_ipam_or_at_the_top() {
    let settings =
        json!({"subnets": [{"name": "net1", "cidrBlock": "10.0.0.0/24", "colour": "blue"}], "new": 1});
    let inside = network(settings.clone());
    let mut top = settings;
    top["cniVersion"] = "1.1.0".into();
    top["name"] = "lan".into();
    top["type"] = "kubeovn-ipam".into();
    assert_eq!(read(&inside), read(&top));

    // What stands at the top of another plugin's configuration is that plugin's.
    let foreign = with(with(inside.clone(), "/subnets", 7), "/dataDir", "/elsewhere");
    assert_eq!(read(&foreign), read(&inside));
}

#[test]
fn what_is_left_out_has_a_default() {
    let call = read(&subnet("10.0.0.0/24", ""));
    assert_eq!(call.dir, PathBuf::from("/var/lib/cni/kubeovn-ipam"));
    assert!(call.offers[0].gateways.is_empty() && call.offers[0].excludes.is_empty());
    let nulls = json!({"subnets": [{"name": "net1", "cidrBlock": "10.0.0.0/24", "gateway": null, "excludeIps": null}],
        "dataDir": null, "subnet": null, "routes": null, "dns": null});
    assert_eq!(read(&with(with(network(nulls), "/args", json!({})), "/dns", json!({}))), call);
    assert_eq!(read(&with(subnet("10.0.0.0/24", ""), "/ipam/dataDir", "/d")).dir, PathBuf::from("/d"));
}

#[test]
fn subnets_are_read_whole() {
    let conf = network(json!({
        "subnet": "b",
        "subnets": [
            {"name": "a", "cidrBlock": "10.0.0.0/27", "gateway": "10.0.0.1"},
            {"name": "b", "cidrBlock": "10.1.0.0/26,fd00::/64", "gateway": "fe80::1,10.1.0.1",
             "excludeIps": ["10.1.0.2", "fd00::2..fd00::9"]},
        ],
    }));
    let call = read(&conf);
    let [a, b] = &call.offers[..] else { panic!("two subnets") };
    assert_eq!((a.rest, b.rest), (0, 5_000), "31 addresses are too few to let them rest");
    assert_eq!(
        (b.cidrs.to_string(), b.gateways.to_string()),
        ("10.1.0.0/26,fd00::/64".into(), "10.1.0.1,fe80::1".into())
    );
    assert_eq!(b.excludes[1].to_string(), "fd00::2..fd00::9");
    assert!(matches!(&call.verb, Verb::Add { want, .. } if *want.subnets == ["b".into()]));
    let mixed = read(&subnet("10.0.0.0/30,fd00::/64", ""));
    assert_eq!(mixed.offers[0].rest, 0);
}

#[test]
fn each_mistake_is_told_with_what_was_expected() {
    let good = subnet("10.0.0.0/24", "10.0.0.1");
    let two = network(json!({"subnets": [
        {"name": "a", "cidrBlock": "10.0.0.0/24"}, {"name": "b", "cidrBlock": "10.1.0.0/24"}]}));
    let first = "/ipam/subnets/0";
    let edit = |field: &str, value: Value| with(good.clone(), &format!("{first}/{field}"), value);
    for (conf, code, text) in [
        (with(good.clone(), "/ipam", Value::Null), "CNI-CONF-NO-IPAM", "plugin \"macvlan\" has no ipam"),
        (
            with(good.clone(), "/ipam/dataDir", "here"),
            "CNI-CONF-DATA-DIR",
            "\"here\" does not begin with a slash",
        ),
        (with(good.clone(), "/ipam/subnets", json!([])), "CNI-CONF-INCOMPLETE", "subnets is empty"),
        (edit("name", Value::Null), "CNI-CONF-INCOMPLETE", "subnet 1 of the list has no name"),
        (edit("cidrBlock", " , ".into()), "CNI-CONF-INCOMPLETE", "subnet net1 has no cidrBlock"),
        (
            edit("cidrBlock", "10.0.0/24".into()),
            "CNI-CONF-ADDRESS",
            "cidrBlock of subnet net1: \"10.0.0/24\" is no CIDR",
        ),
        (
            edit("cidrBlock", "10.0.0.0/24,10.1.0.0/24".into()),
            "CNI-CONF-ADDRESS",
            "more than one value of a family",
        ),
        (
            edit("gateway", "first".into()),
            "CNI-CONF-ADDRESS",
            "gateway of subnet net1: \"first\" is no IP address",
        ),
        (
            edit("gateway", "10.0.1.1".into()),
            "CNI-CONF-GATEWAY",
            "10.0.1.1 is no usable address of subnet net1 (10.0.0.0/24)",
        ),
        (edit("gateway", "10.0.0.255".into()), "CNI-CONF-GATEWAY", "10.0.0.255"),
        (edit("gateway", "fe80::1".into()), "CNI-CONF-GATEWAY", "fe80::1"),
        (
            edit("excludeIps", json!(["10.0.0.2-10.0.0.9"])),
            "CNI-CONF-ADDRESS",
            "excludeIps of subnet net1: \"10.0.0.2-10.0.0.9\" is no address range",
        ),
        (edit("excludeIps", json!(["10.0.0.9..10.0.0.2"])), "CNI-CONF-ADDRESS", "Write the lower one first"),
        (
            with(two.clone(), "/ipam/subnets/1/name", "a"),
            "CNI-CONF-SUBNET-TWICE",
            "more than one of the name a",
        ),
        (two.clone(), "CNI-CONF-SUBNET-UNKNOWN", "subnets lists 2: a, b. Choose one"),
        (with(two, "/ipam/subnet", "c"), "CNI-CONF-SUBNET-UNKNOWN", "subnet is c, and subnets lists a, b"),
        (with(good.clone(), "/ipam/routes", json!([{}])), "CNI-CONF-ADDRESS", "route 1: \"\" is no CIDR"),
        (
            with(good.clone(), "/ipam/routes", json!([{"gw": "x"}])),
            "CNI-CONF-ADDRESS",
            "route 1: \"x\" is no IP address",
        ),
        (
            with(good.clone(), "/ipam/routes", json!([{"dst": "::/0", "gw": "10.0.0.1"}])),
            "CNI-CONF-ROUTE",
            "route 1 leads to ::/0 by 10.0.0.1",
        ),
    ] {
        let (number, msg) = Node::default().refused("ADD", "c0ffee", &conf);
        assert_eq!(number, 7, "{msg}");
        assert!(msg.starts_with(&format!("{code}: ")) && msg.contains(text), "{msg}\nwanted {code} … {text}");
    }
}

#[test]
fn text_that_is_no_configuration_is_refused_in_a_version_that_can_be_read() {
    let node = Node::default();
    for (text, version, reason) in [
        ("", NEWEST, "EOF while parsing a value at line 1 column 0"),
        ("{\"cniVersion\": \"1.0.0\", ", NEWEST, "EOF"),
        ("[]", NEWEST, "ipam"),
        (
            r#"{"cniVersion": "0.4.0", "type": "kubeovn-ipam", "subnets": 5}"#,
            "0.4.0",
            "invalid type: integer `5`, expected a sequence at line 1",
        ),
        (r#"{"cniVersion": "0.4.0", "ipam": {"subnets": [{"name": 5}]}}"#, "0.4.0", "expected a string"),
        (
            r#"{"cniVersion": "0.4.0", "ipam": {}, "args": {"cni": {"ips": "10.0.0.5"}}}"#,
            "0.4.0",
            "expected a sequence",
        ),
    ] {
        let printed = super::run(
            &environment("ADD", "c0ffee", ""),
            text.as_bytes(),
            0,
            |_| Ok(node.store.clone()),
            |_| Ok(()),
        );
        assert_eq!(printed.output.as_ref().unwrap()["cniVersion"], version, "{text}");
        let (_, msg) = error(printed);
        assert!(msg.starts_with("CNI-CONF-") && msg.contains(reason), "{msg}");
    }
}

#[test]
fn variables_versions_and_verbs_that_do_not_fit_are_refused() {
    let (node, conf) = (Node::default(), subnet("10.0.0.0/24", ""));
    let versions = node.call("VERSION", "", &json!("no configuration"));
    assert_eq!(
        (versions.success, &versions.output.unwrap()["supportedVersions"][4]),
        (true, &json!("1.1.0"))
    );
    for (version, verb, container, code) in [
        ("0.2.0", "ADD", "c0ffee", 1),
        ("", "ADD", "c0ffee", 1),
        ("0.3.1", "CHECK", "c0ffee", 1),
        ("1.0.0", "GC", "c0ffee", 1),
        ("1.0.0", "STATUS", "c0ffee", 1),
        ("1.0.0", "JUMP", "c0ffee", 4),
        ("1.0.0", "ADD", "", 4),
        ("1.0.0", "DEL", "", 4),
        ("1.1.0", "GC", "", 7),
        ("1.1.0", "CHECK", "c0ffee", 7),
    ] {
        let refused = node.refused(verb, container, &with(conf.clone(), "/cniVersion", version));
        assert_eq!(refused.0, code, "{verb} in {version:?}: {}", refused.1);
    }
}

#[test]
fn an_address_can_be_asked_for_in_three_places() {
    let conf = subnet("10.0.0.0/24,fd00::/64", "");
    let argument = |node: &Node, ips: &str| {
        let printed = node.call_with("ADD", "c0ffee", &format!("IgnoreUnknown=1;IP={ips}"), &conf);
        addresses(&printed.output.unwrap())
    };
    assert_eq!(argument(&Node::default(), "10.0.0.5"), ["10.0.0.5/24", "fd00::1/64"]);
    assert_eq!(argument(&Node::default(), "fd00::5/64, 10.0.0.5"), ["10.0.0.5/24", "fd00::5/64"]);
    assert_eq!(argument(&Node::default(), ",10.0.0.5/16,10.0.0.5,"), ["10.0.0.5/24", "fd00::1/64"]);

    let capability =
        with(conf.clone(), "/runtimeConfig", json!({"ips": ["10.0.0.6/24", "10.0.0.6"], "mac": "x"}));
    assert_eq!(Node::default().ips("c0ffee", &capability)[0], "10.0.0.6/24");
    let args = with(conf.clone(), "/args", json!({"cni": {"ips": ["10.0.0.7"]}, "other": {}}));
    assert_eq!(Node::default().ips("c0ffee", &args)[0], "10.0.0.7/24");
}

#[test]
fn the_first_place_that_asks_for_an_address_counts() {
    let nowhere = subnet("10.0.0.0/24", "");
    let capability = with(nowhere.clone(), "/runtimeConfig", json!({"ips": ["10.0.0.6"]}));
    let both = with(capability.clone(), "/args", json!({"cni": {"ips": ["10.0.0.7"]}}));
    let empty = with(capability.clone(), "/args", json!({"cni": {"ips": []}}));
    for (conf, ip) in
        [(nowhere, "10.0.0.5"), (capability, "10.0.0.6"), (both, "10.0.0.7"), (empty, "10.0.0.6")]
    {
        let printed = Node::default().call_with("ADD", "c0ffee", "IP=10.0.0.5", &conf);
        assert_eq!(addresses(&printed.output.unwrap()), [format!("{ip}/24")]);
    }
}

#[test]
fn two_addresses_of_a_family_and_what_is_none_are_refused() {
    let conf = subnet("10.0.0.0/24,fd00::/64", "");
    let args = |ips: Value| with(conf.clone(), "/args", json!({"cni": {"ips": ips}}));
    for (conf, text) in [
        (
            args(json!(["10.0.0.5", "fd00::5", "10.0.0.6"])),
            "CNI-CONF-TWO-ADDRESSES: args.cni.ips asks for 10.0.0.5 and 10.0.0.6: an interface has one IPv4 address",
        ),
        (args(json!([""])), "CNI-CONF-ADDRESS: args.cni.ips: \"\" is no IP address"),
        (
            args(json!(["10.0.0.5/99"])),
            "CNI-CONF-ADDRESS: args.cni.ips: \"10.0.0.5/99\" is no IP address: write it like",
        ),
    ] {
        let (code, msg) = Node::default().refused("ADD", "c0ffee", &conf);
        assert_eq!(code, 7);
        assert!(msg.starts_with(text), "{msg}");
    }
    let (code, msg) = error(Node::default().call_with("ADD", "c0ffee", "IP=10.0.0.x", &conf));
    assert_eq!(
        (code, msg.split(" is no").next()),
        (7, Some("CNI-CONF-ADDRESS: IP in CNI_ARGS: \"10.0.0.x\""))
    );
}
