//! What we write is what a stock `ovn-northd` accepts.

use std::process::Command;

use kubeovn_core::{
    annotations::nic,
    index::objects::{Object, StaticRoute, SubnetAcl, VpcPeering},
};

use crate::{
    northd_support::Northd,
    objects::{namespace, node, pod, routed, subnet, tenants, vpc},
    rig::Rig,
};

#[test]
fn northd_takes_all_of_it_and_has_nothing_to_complain_about() {
    let mut rig = Rig::stopped(tenants());
    let northd = Northd::start(&rig.directory, &rig.server.endpoint());
    rig.start();
    rig.apply(routed(vpc("blue", &["blue"])));
    rig.settle();
    rig.server.nbctl(&["--wait=sb", "--timeout=20", "sync"]);

    let bound = northd.sbctl(&["--bare", "--columns=logical_port", "find", "Port_Binding"]);
    for port in rig.seen.ports().keys().map(String::as_str).chain(["web-ovn-cluster", "ovn-cluster-web"]) {
        assert!(bound.lines().any(|line| line == port), "{port} is not among {bound:?}");
    }
    let flows = northd.sbctl(&["lflow-list", "blue"]);
    let flow = |stage: &str, parts: &[&str]| {
        let stage = format!("({stage}");
        flows.lines().any(|line| line.contains(&stage) && parts.iter().all(|part| line.contains(part)))
    };
    for (stage, parts) in [
        ("lr_in_ip_routing", &["ip4.dst == 192.168.7.0/24"][..]),
        ("lr_in_ip_routing", &["ip4.dst == 0.0.0.0/0"]),
        ("lr_in_policy", &["priority=31000", "ip4.dst == 10.0.1.0/24"]),
        ("lr_in_policy", &["priority=900 ", "ip4.src == 10.0.0.11", "drop"]),
        ("lr_in_policy", &["priority=901 ", "tcp.dst == 80"]),
        ("lr_in_policy", &["ip4.src == 10.0.1.0/24", "10.0.0.10"]),
        ("lr_in_policy", &["priority=1 ", "ip4", "drop"]),
    ] {
        assert!(flow(stage, parts), "no flow {parts:?} in {stage}:\n{flows}");
    }
    // ovn-trace parses every flow, as ovn-controller does, and says which it cannot
    let database = format!("--db=unix:{}", northd.southbound.display());
    let packet = "inport == \"shop-0.web\" && eth.src == 0a:58:0a:14:00:6f";
    let trace =
        Command::new("ovn-trace").args(["--no-leader-only", &database, "web", packet]).output().unwrap();
    let complaints = String::from_utf8_lossy(&trace.stderr);
    assert!(trace.status.success() && !complaints.contains("parsing"), "{complaints}");
    assert_eq!(northd.warnings(), [""; 0]);

    // northd and its users write into Northbound, too: nothing of that is ours to answer
    let mark = rig.now();
    rig.server.nbctl(&["--wait=sb", "--timeout=20", "lsp-set-enabled", "shop-0.web", "enabled"]);
    rig.apply(pod("web", "canary", "n2", &[]));
    rig.settle();
    assert_eq!(rig.sent_since(mark), 1, "a pod is one transaction, and there was nothing else to do");
}

/// Every option that is taken: OVN must be able to parse all of them.
const DHCP_V4: &str = "arp_cache_timeout=60,bootfile_name=boot,bootfile_name_alt=alt,broadcast_address=10.0.0.255,\
    classless_static_route={10.1.0.0/16;10.0.0.1;0.0.0.0/0;10.0.0.1},default_ttl=64,dns_server={8.8.8.8;1.1.1.1},\
    domain_name=example.org,domain_search_list={a.org;b.org},ethernet_encap=1,hostname=host,ip_forward_enable=0,\
    log_server=10.0.0.3,lpr_server=10.0.0.3,ms_classless_static_route={10.1.0.0/16;10.0.0.1},\
    netbios_name_server=10.0.0.3,netbios_node_type=1,netmask=255.255.255.0,next_server=10.0.0.3,nis_server=10.0.0.3,\
    ntp_server=10.0.0.3,path_prefix=/boot,policy_filter={10.0.0.3;255.255.255.0},router_discovery=1,\
    router_solicitation=10.0.0.3,swap_server=10.0.0.3,tcp_keepalive_interval=60,tcp_ttl=64,T1=30,T2=50,\
    tftp_server=boot.example.org,tftp_server_address=10.0.0.3,wpad=http://wpad";
const DHCP_V6: &str = "dns_server={fd00::1;fd00::2},domain_search={a.org;b.org}";

/// Two VPCs that are connected, with rules and answers in a subnet of one.
fn connected() -> Vec<Object> {
    let side = |name: &str, remote: &str, ip: &str, route: (&str, &str)| {
        let Object::Vpc(mut vpc) = vpc(name, &[name]) else { panic!("no VPC") };
        let (cidr, hop) = route;
        vpc.spec.vpc_peerings = vec![VpcPeering { remote_vpc: remote.into(), local_connect_ip: ip.into() }];
        vpc.spec.static_routes =
            vec![StaticRoute { cidr: cidr.into(), next_hop: hop.into(), ..StaticRoute::default() }];
        Object::Vpc(vpc)
    };
    let acl = |direction: &str, priority, text: &str, action: &str| SubnetAcl {
        direction: direction.into(),
        priority,
        r#match: text.into(),
        action: action.into(),
    };
    let Object::Subnet(mut asking) = subnet("blue-net", "blue", "10.0.0.0/24,fd00:b::/64", "blue") else {
        panic!("no subnet")
    };
    asking.spec.acls = vec![
        acl("to-lport", 2500, "ip4.src == 10.0.9.0/24 && tcp.dst == 80", "drop"),
        acl("to-lport", 2400, "icmp4 || icmp6", "allow-stateless"),
        acl("from-lport", 2500, "ip4.dst == 10.99.0.0/16", "reject"),
        acl("from-lport", 10, "ip4.dst == 10.9.0.0/24", "allow-related"),
    ];
    asking.spec.allow_ew_traffic = true;
    asking.spec.enable_dhcp = true;
    asking.spec.dhcp_v4_options = DHCP_V4.into();
    asking.spec.dhcp_v6_options = DHCP_V6.into();
    asking.spec.enable_ipv6_ra = true;
    asking.spec.ipv6_ra_configs =
        "address_mode=slaac,mtu=1400,rdnss=fd00::1,dnssl=a.org,router_preference=HIGH,max_interval=30,\
         min_interval=5,send_periodic=true"
            .into();
    let fixed = |ip| [(nic::IP_ADDRESS.ovn(), ip), (nic::MAC_ADDRESS.ovn(), "0a:58:00:00:00:0a")];
    vec![
        namespace("blue"),
        namespace("green"),
        node("n1", "172.18.0.2"),
        side("blue", "green", "169.254.0.1/30", ("10.9.0.0/24", "169.254.0.2")),
        side("green", "blue", "169.254.0.2/30", ("10.0.0.0/24", "169.254.0.1")),
        Object::Subnet(asking),
        subnet("green-net", "green", "10.9.0.0/24", "green"),
        pod("blue", "b1", "n1", &fixed("10.0.0.10,fd00:b::10")),
        pod(
            "blue",
            "b2",
            "n1",
            &[(nic::DHCP_V4_OPTIONS.ovn(), "lease_time=77"), (nic::PORT_VIPS.ovn(), "10.0.0.200")],
        ),
        pod("green", "g1", "n1", &fixed("10.9.0.10")),
    ]
}

#[test]
fn rules_answers_and_connections_become_flows() {
    let mut rig = Rig::stopped(connected());
    let northd = Northd::start(&rig.directory, &rig.server.endpoint());
    rig.start();
    rig.settle();
    rig.server.nbctl(&["--wait=sb", "--timeout=20", "sync"]);

    let flows = ["blue-net", "blue"].map(|datapath| northd.sbctl(&["lflow-list", datapath])).join("\n");
    let flow = |stage: &str, parts: &[&str]| {
        let stage = format!("({stage}");
        flows.lines().any(|line| line.contains(&stage) && parts.iter().all(|part| line.contains(part)))
    };
    for (stage, parts) in [
        ("ls_out_acl", &["priority=3500 ", "ip4.src == 10.0.9.0/24 && tcp.dst == 80", "drop"][..]),
        ("ls_out_acl", &["priority=3400 ", "icmp4 || icmp6", "next"]),
        ("ls_in_acl", &["priority=3500 ", "ip4.dst == 10.99.0.0/16", "reject"]),
        ("ls_in_acl", &["priority=1010 ", "ip4.dst == 10.9.0.0/24"]),
        ("ls_in_acl", &["priority=2900 ", "ip4.src == 10.0.0.0/24 && ip4.dst == 10.0.0.0/24"]),
        ("ls_out_acl", &["priority=2900 ", "ip6.src == fd00:b::/64 && ip6.dst == fd00:b::/64"]),
        ("ls_in_dhcp_options", &["b1.blue", "put_dhcp_opts", "dns_server = {8.8.8.8,1.1.1.1}", "mtu = 1400"]),
        ("ls_in_dhcp_options", &["b2.blue", "put_dhcp_opts", "lease_time = 77", "router = 10.0.0.1"]),
        ("ls_in_dhcp_options", &["b1.blue", "put_dhcpv6_opts", "domain_search = \"a.org,b.org\""]),
        ("lr_in_nd_ra_options", &["blue-blue-net", "put_nd_ra_opts", "addr_mode = \"slaac\"", "mtu = 1400"]),
        ("lr_in_ip_routing", &["ip4.dst == 169.254.0.0/30", "blue-green"]),
    ] {
        assert!(flow(stage, parts), "no flow {parts:?} in {stage}:\n{flows}");
    }
    // From one VPC to the other. ovn-trace parses every flow, as ovn-controller does, and says which it cannot.
    let port = |name: &str| {
        let mac = rig.server.nbctl(&["get", "Logical_Router_Port", name, "mac"]);
        mac.trim().trim_matches('"').to_owned()
    };
    let packet = format!(
        "inport == \"b1.blue\" && eth.src == 0a:58:00:00:00:0a && eth.dst == {} && ip4 && ip.ttl == 64 && \
         ip4.src == 10.0.0.10 && ip4.dst == 10.9.0.10 && tcp && tcp.dst == 80",
        port("blue-blue-net")
    );
    let database = format!("--db=unix:{}", northd.southbound.display());
    let trace = ["--no-leader-only", &database, "--ct=new", "blue-net", &packet];
    let trace = Command::new("ovn-trace").args(trace).output().unwrap();
    let (told, complaints) = (String::from_utf8_lossy(&trace.stdout), String::from_utf8_lossy(&trace.stderr));
    assert!(trace.status.success() && !complaints.contains("parsing"), "{complaints}");
    assert!(told.contains("output to \"g1.green\""), "{told}");
    assert_eq!(northd.warnings(), [""; 0]);
}
