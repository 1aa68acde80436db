//! Annotations and subnets in, the node's port out.

use kubeovn_core::index::objects::{Meta, SubnetSpec};

use super::*;

fn node() -> Node {
    let annotations = [
        (key::ALLOCATED, "true"),
        (key::IP_ADDRESS, "100.64.0.2,fd64::2"),
        (key::MAC_ADDRESS, "0a:58:64:40:00:02"),
        (key::CIDR, "100.64.0.0/16,fd64::/112"),
        (key::GATEWAY, "100.64.0.1,fd64::1"),
    ];
    let annotations = annotations.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let meta = Meta { annotations, ..Meta::named("n1") };
    Node { meta, internal: "172.31.0.1".parse().expect("addresses"), ..Node::default() }
}

fn subnet(name: &str, cidr: &str) -> Subnet {
    let spec = SubnetSpec { cidr_block: cidr.into(), ..SubnetSpec::default() };
    Subnet { meta: Meta::named(name), spec, ..Subnet::default() }
}

fn routes(subnets: &[Subnet], local: &[&str]) -> Vec<(String, Option<IpAddr>)> {
    let local: Vec<IpAddr> = local.iter().map(|ip| ip.parse().expect("an address")).collect();
    let port = plan(&node(), subnets.iter(), &local, 1400).expect("readable").expect("allocated");
    port.routes.iter().map(|route| (route.to_string(), route.src)).collect()
}

#[test]
fn the_port_is_what_the_annotations_say() {
    let port = plan(&node(), [].into_iter(), &[], 1400).expect("readable").expect("allocated");
    assert_eq!(port.iface_id, "node-n1");
    assert_eq!(port.mac.to_string(), "0a:58:64:40:00:02");
    let addresses: Vec<_> = port.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["100.64.0.2/16", "fd64::2/112"]);
    assert_eq!(port.port().kind, PortKind::Internal { mtu: 1400 });

    let mut early = node();
    early.meta.annotations.remove(key::ALLOCATED);
    assert_eq!(plan(&early, [].into_iter(), &[], 1400), Ok(None));
    let mut broken = node();
    broken.meta.annotations.insert(key::CIDR.into(), "100.64".into());
    let problem = plan(&broken, [].into_iter(), &[], 1400).expect_err("unreadable");
    assert_eq!(problem.code, "NODE-BAD-ANNOTATION");
    assert!(problem.message.contains("ovn.kubernetes.io/cidr of node n1"), "{problem}");
}

#[test]
fn every_overlay_subnet_is_reached_through_the_join_subnet() {
    let mut underlay = subnet("underlay", "10.30.0.0/16");
    underlay.spec.vlan = "vlan1".into();
    let mut foreign = subnet("foreign", "10.31.0.0/16");
    foreign.spec.provider = "lan.default".into();
    let mut leaving = subnet("leaving", "10.33.0.0/16");
    leaving.meta.deleting = true;
    let all = [
        subnet("join", "100.64.0.0/16,fd64::/112"),
        subnet("b", "10.17.0.0/16"),
        subnet("a", "10.16.0.0/16,fd16::/112"),
        subnet("unreadable", "10.16"),
        subnet("around", "172.31.0.0/24"),
        underlay,
        foreign,
        leaving,
    ];
    let own: IpAddr = "172.31.0.1".parse().expect("an address");
    assert_eq!(
        routes(&all, &["172.31.0.1", "100.64.0.2"]),
        [
            ("10.16.0.0/16 via 100.64.0.1 dev ovn0".to_owned(), Some(own)),
            ("10.17.0.0/16 via 100.64.0.1 dev ovn0".to_owned(), Some(own)),
            ("fd16::/112 via fd64::1 dev ovn0".to_owned(), None),
        ]
    );
}

#[test]
fn a_source_address_must_be_on_the_host() {
    let [(_, src)] = routes(&[subnet("a", "10.16.0.0/16")], &["100.64.0.2"]).try_into().expect("one");
    assert_eq!(src, None);
}
