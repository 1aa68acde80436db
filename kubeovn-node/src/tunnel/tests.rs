use kubeovn_core::index::objects::Meta;

use super::*;

fn interface(name: &str, addresses: &[&str]) -> Interface {
    let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
    Interface { name: name.into(), mtu: 1500, addresses }
}

fn machine() -> Vec<Interface> {
    vec![
        interface("lo", &["127.0.0.1/8"]),
        interface("eth0", &["10.0.0.9/24", "172.18.0.7/16", "fd00::7/64"]),
        interface("eth1", &["192.168.7.7/24"]),
        interface("ens5f1", &["10.9.9.9/32"]),
    ]
}

fn node(annotations: &[(&str, &str)]) -> Node {
    let mut meta = Meta::named("n1");
    meta.annotations = annotations.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    Node { meta, internal: "172.18.0.7,fd00::7".parse().unwrap(), ..Node::default() }
}

fn chosen(wish: &TunnelWish, annotations: &[(&str, &str)]) -> Tunnel {
    choose(wish, &node(annotations), &machine()).unwrap()
}

#[test]
fn without_a_word_it_is_the_interface_with_the_nodes_address() {
    let tunnel = chosen(&TunnelWish::default(), &[]);
    assert_eq!(
        (&*tunnel.dev, &tunnel.ips[..], tunnel.mtu),
        ("eth0", &["172.18.0.7".parse().unwrap()][..], 1400)
    );
}

#[test]
fn the_annotation_goes_before_the_flag_and_the_flag_before_the_address() {
    let wish = TunnelWish { iface: "eth1".into(), ..TunnelWish::default() };
    assert_eq!(chosen(&wish, &[]).dev, "eth1");
    assert_eq!(chosen(&wish, &[(key::TUNNEL_INTERFACE, "eth0")]).dev, "eth0");
    let wish = TunnelWish { iface: "bond.*, ens.*, eth1".into(), ..TunnelWish::default() };
    let host = TunnelWish { host_addresses: true, ..wish.clone() };
    assert_eq!(chosen(&host, &[]).ips, ["10.9.9.9".parse::<IpAddr>().unwrap()]);
    let refused = choose(&wish, &node(&[]), &machine()).unwrap_err();
    assert_eq!(refused.code, "NODE-TUNNEL-INTERFACE");
    assert!(refused.to_string().contains("ens5f1"), "{refused}");
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    for (wish, annotations) in [
        (TunnelWish { iface: "eth7".into(), ..TunnelWish::default() }, vec![]),
        (TunnelWish { iface: "(".into(), ..TunnelWish::default() }, vec![]),
        (TunnelWish::default(), vec![(key::TUNNEL_INTERFACE, "eth7")]),
    ] {
        let problem = choose(&wish, &node(&annotations), &machine()).unwrap_err();
        assert_eq!(problem.code, "NODE-TUNNEL-INTERFACE", "{problem}");
    }
    let elsewhere = Node { internal: "172.19.0.1".parse().unwrap(), ..node(&[]) };
    let problem = choose(&TunnelWish::default(), &elsewhere, &machine()).unwrap_err();
    assert!(
        problem.to_string().contains("172.19.0.1") && problem.to_string().contains("--iface"),
        "{problem}"
    );
}

#[test]
fn the_mtu_is_what_the_tunnel_leaves() {
    for (network, mtu) in [(NetworkType::Geneve, 1400), (NetworkType::Vxlan, 1450), (NetworkType::Stt, 1428)]
    {
        assert_eq!(chosen(&TunnelWish { network, ..TunnelWish::default() }, &[]).mtu, mtu);
    }
    assert_eq!(chosen(&TunnelWish { mtu: 1300, ..TunnelWish::default() }, &[]).mtu, 1300);
    let only_v6 = [Interface { mtu: 9000, ..interface("eth0", &["fd00::7/64"]) }];
    assert_eq!(choose(&TunnelWish::default(), &node(&[]), &only_v6).unwrap().mtu, 8880);
}

#[test]
fn other_networks_come_behind_the_default_one() {
    let told = r#"{"storage":"192.168.7.7","backup":"10.0.0.9","default":"172.18.0.7"}"#;
    let tunnel = chosen(&TunnelWish::default(), &[(key::NODE_NETWORKS, told)]);
    let ips: Vec<String> = tunnel.ips.iter().map(ToString::to_string).collect();
    assert_eq!(ips, ["172.18.0.7", "10.0.0.9", "192.168.7.7"]);
    for wrong in ["[]", r#"{"a":"x"}"#] {
        let problem = choose(&TunnelWish::default(), &node(&[(key::NODE_NETWORKS, wrong)]), &machine());
        assert_eq!(problem.unwrap_err().code, "NODE-BAD-ANNOTATION");
    }
}
