//! Golden rows of what users ask of their subnets and VPCs beside prefixes: rules, answers, connections.

use kubeovn_core::{
    contract::model::Model,
    decide::Peering,
    index::{
        World,
        objects::{SubnetAcl, SubnetSpec, VpcPeering, VpcSpec},
    },
    rows::{OwnerKey, OwnerKind, Render, Rendered},
};

use super::{features::compare, world::Facts};
use crate::{nb, render::Fabric};

fn acl(direction: &str, priority: i64, text: &str, action: &str) -> SubnetAcl {
    SubnetAcl { direction: direction.into(), priority, r#match: text.into(), action: action.into() }
}

fn peer(remote: &str, ip: &str) -> VpcPeering {
    VpcPeering { remote_vpc: remote.into(), local_connect_ip: ip.into() }
}

fn with(acls: Vec<SubnetAcl>, change: impl FnOnce(&mut SubnetSpec)) -> SubnetSpec {
    let mut spec = SubnetSpec { acls, ..SubnetSpec::default() };
    change(&mut spec);
    spec
}

#[test]
fn subnet_acl() {
    let every_action = vec![
        acl("to-lport", 2500, "ip4.src == 10.16.0.99 && icmp4", "drop"),
        acl("from-lport", 32_767, "ip4.dst == 10.9.0.0/16 && tcp.dst == 80", "reject"),
        acl("to-lport", 0, "ip", "allow"),
        acl("to-lport", 1, " icmp6 ", "allow-stateless"),
        acl("from-lport", 2, "inport == \"web-0.default\" && ip4", "allow-related"),
        acl("from-lport", 0, "ip", "allow"),
    ];
    let broken = vec![
        acl("to-lport", 100, "ip4.src == 10.1.0.0/16", "drop"),
        acl("to-lport", 101, "ip4.src = 10.1.0.9", "drop"),
        acl("ingress", 100, "ip4", "drop"),
        acl("to-lport", 40_000, "ip4", "drop"),
        acl("to-lport", 100, "", "drop"),
        acl("to-lport", 100, "ip4", "deny"),
        acl("from-lport", 100, "outport == \"a\"", "drop"),
        acl("to-lport", 100, "ip4.src == $friends", "allow-related"),
        acl("to-lport", 100, "ip4.src == 10.1.0.0/16", "allow"),
    ];
    let facts = Facts::new()
        .subnet("all", "", "10.1.0.0/24,fd00:1::/64", with(every_action, |spec| spec.allow_ew_traffic = true))
        .subnet("broken", "", "10.2.0.0/24", with(broken, |_| {}))
        .subnet("inside-alone", "", "10.3.0.0/24", with(Vec::new(), |spec| spec.allow_ew_traffic = true));
    compare("subnet ACL", &facts.done());
}

#[test]
fn vpc_peering() {
    let blue = vec![peer("green", "169.254.0.1/30,fd00:f::1/126"), peer("red", "169.254.1.1/30")];
    let facts = Facts::new()
        .vpc("blue", VpcSpec { vpc_peerings: blue, ..VpcSpec::default() })
        .vpc("green", VpcSpec { vpc_peerings: vec![peer("blue", "169.254.0.2/30")], ..VpcSpec::default() })
        .vpc("red", VpcSpec::default());
    compare("VPC peering", &facts.done());
}

/// What is not in effect has no rows; what cannot be read stays.
#[test]
fn a_peering_is_there_gone_or_held() {
    let given = vec![
        peer("green", "169.254.0.1/30"),
        peer("nowhere", "169.254.1.1/30"),
        peer("red", "169.254.2.1"),
        peer("blue", "169.254.3.1/30"),
    ];
    let facts = Facts::new()
        .vpc("blue", VpcSpec { vpc_peerings: given, ..VpcSpec::default() })
        .vpc("green", VpcSpec::default())
        .vpc("red", VpcSpec::default());
    let world = facts.done();
    let render = |remote: &str| Fabric.render(&world, &Peering::owner("blue", remote));
    assert!(matches!(render("green"), Render::Want(_)));
    assert_eq!(render("red"), Render::Hold(Vec::new()));
    for gone in ["nowhere", "blue", "never-named"] {
        assert_eq!(render(gone), Render::Gone, "{gone}");
    }
    assert_eq!(
        Fabric.render(&world, &Peering::owner("green", "blue")),
        Render::Gone,
        "its own side is its own"
    );
}

#[test]
fn router_advertisement() {
    let ra = |configs: &str| SubnetSpec {
        enable_ipv6_ra: true,
        ipv6_ra_configs: configs.into(),
        ..SubnetSpec::default()
    };
    let facts = Facts::new()
        .vpc("shop", VpcSpec::default())
        .subnet("own", "shop", "10.3.0.0/24,fd00:3::/80", ra("address_mode=slaac, mtu=1400,rdnss=fd00::1"))
        .subnet("unreadable", "shop", "fd00:4::/64", ra("address_mode=none"))
        .subnet("usual", "shop", "10.1.0.0/24,fd00:1::/64", ra(""))
        .subnet("v4-alone", "shop", "10.2.0.0/24", ra(""));
    compare("router advertisement", &facts.done());
}

fn dhcp(v4: &str, v6: &str) -> SubnetSpec {
    SubnetSpec {
        enable_dhcp: true,
        dhcp_v4_options: v4.into(),
        dhcp_v6_options: v6.into(),
        ..SubnetSpec::default()
    }
}

fn served() -> Facts {
    Facts::new()
        .vpc("shop", VpcSpec::default())
        .subnet("dual", "shop", "10.1.0.0/24,fd00:1::/64", dhcp("", ""))
        .subnet(
            "own",
            "shop",
            "10.2.0.0/24,fd00:2::/64",
            SubnetSpec {
                mtu: 9000,
                ..dhcp(
                    "lease_time=60,dns_server={8.8.8.8;1.1.1.1}, domain_name=example.org",
                    "dns_server=fd00::1",
                )
            },
        )
        .subnet("unreadable", "shop", "10.3.0.0/24,fd00:3::/64", dhcp("lease_time", "server_id=fd00::1"))
        .subnet("without", "shop", "10.4.0.0/24", SubnetSpec { enable_dhcp: false, ..dhcp("", "") })
}

#[test]
fn dhcp_of_subnets() {
    compare("DHCP", &served().done());
}

#[test]
fn dhcp_of_pods() {
    let own = [("ovn.kubernetes.io/dhcp-v4-options", "router=10.1.0.7")];
    let bad = [("ovn.kubernetes.io/dhcp-v4-options", "router=nowhere")];
    let facts = served()
        .pod("as-all", &[], &[("", "dual", "10.1.0.5,fd00:1::5")])
        .pod("bad", &bad, &[("", "dual", "10.1.0.6")])
        .pod("one-family", &[], &[("", "dual", "fd00:1::7")])
        .pod("own", &own, &[("", "dual", "10.1.0.8,fd00:1::8")])
        .pod("own-alone", &own, &[("", "without", "10.4.0.9")])
        .pod("without", &[], &[("", "without", "10.4.0.8")]);
    compare("pod DHCP", &facts.done());
}

fn want(world: &World, owner: &OwnerKey) -> Rendered {
    match Fabric.render(world, owner) {
        Render::Want(rendered) => rendered,
        other => panic!("{owner}: {other:?}"),
    }
}

/// A drop that vanishes with a slip of the pen would be an open door.
#[test]
fn while_a_rule_cannot_be_read_the_rules_that_are_there_stay() {
    let subnet = |acls| Facts::new().subnet("db", "", "10.1.0.0/24", with(acls, |_| {})).done();
    let owner = OwnerKey::new(OwnerKind::Subnet, "db");
    let good = || acl("to-lport", 100, "ip4.src == 10.9.0.0/16", "drop");
    let before = want(&subnet(vec![good()]), &owner);
    let rule = before.rows.keys().find(|row| row.table == nb::ACL).unwrap();
    assert!(!before.keeps(rule));
    for broken in [acl("to-lport", 100, "ip4.src = 10.9.0.0/16", "drop"), acl("to", 100, "ip4", "drop")] {
        let after = want(&subnet(vec![broken]), &owner);
        assert!(after.keeps(rule), "{after:?}");
    }
    assert!(!want(&subnet(Vec::new()), &owner).keeps(rule), "taken away is taken away");
}
