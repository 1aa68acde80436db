//! What packets look like where they arrive.

use std::net::UdpSocket;
use std::time::Duration;

use kubeovn_node::gateway::{NatAction, NatRule, Side, SubnetGateway, kube_proxy, plan};
use nix::sys::socket::{setsockopt, sockopt};

use crate::guard::TestNs;
use crate::town::{Town, Writer, connect, echo, for_each_writer, hello};

for_each_writer![
    a_pod_is_masqueraded_if_its_subnet_is,
    a_centralized_subnet_leaves_as_the_address_behind_the_node,
    the_first_exception_that_matches_decides,
    a_pod_reaches_pods_by_a_service_of_the_host,
    a_tunnel_is_not_masqueraded_because_of_what_is_in_it,
    a_connection_from_before_goes_on,
    a_connection_from_before_never_leaves_with_an_address_that_it_should_not_have,
    a_reset_of_no_connection_is_dropped,
    packets_are_counted_per_subnet,
    a_service_that_keeps_its_client_keeps_it_behind_the_pods_own_node,
];

async fn a_pod_is_masqueraded_if_its_subnet_is(writer: Writer) {
    let town = Town::new(writer).await;
    town.apply(&Town::facts()).await;
    for (from, to, answer) in [
        (&town.a, "172.18.0.100", "outside 172.18.0.2"),
        (&town.a, "fd18::64", "outside fd18::2"),
        (&town.a, "172.19.0.3", "other 172.19.0.2"),
        (&town.a, "fd19::3", "other fd19::2"),
        (&town.b, "172.18.0.100", "outside 10.17.0.10"),
        (&town.b, "fd18::64", "outside fd17::a"),
        // From one subnet to another, and on to who has a route to pods.
        (&town.a, "10.17.0.10", "b 10.16.0.10"),
        (&town.b, "fd16::a", "a fd17::a"),
        (&town.outside, "10.16.0.10", "a 172.18.0.100"),
        (&town.outside, "fd16::a", "a fd18::64"),
        (&town.outside, "10.17.0.10", "b 172.18.0.100"),
        (&town.other, "10.16.0.10", "a 172.19.0.3"),
        (&town.other, "fd16::a", "a fd19::3"),
        // The host itself, by its routes.
        (&town.node, "10.16.0.10", "a 172.18.0.2"),
        (&town.node, "fd16::a", "a fd18::2"),
    ] {
        town.expect(from, to, answer).await;
    }
    // The other way around, in the same connections' lifetime.
    town.apply(&Town::with_web(|web| web.nat_outgoing = false)).await;
    town.expect(&town.a, "172.18.0.100", "outside 10.16.0.10").await;
    town.expect(&town.a, "fd18::64", "outside fd16::a").await;
}

fn central(active: &str, nodes: &str) -> SubnetGateway {
    SubnetGateway::Centralized {
        nodes: nodes.to_owned(),
        selected: false,
        all: false,
        active: active.to_owned(),
    }
}

async fn a_centralized_subnet_leaves_as_the_address_behind_the_node(writer: Writer) {
    let town = Town::new(writer).await;
    let nodes = "n2:172.18.0.9,n1:172.18.0.8,n1:fd18::8";
    town.node.exec("ip", &["addr", "add", "fd18::8/64", "dev", "eth0", "nodad"]).expect("another address");
    town.apply(&Town::with_web(|web| web.gateway = central("n1", nodes))).await;
    town.expect(&town.a, "172.18.0.100", "outside 172.18.0.8").await;
    town.expect(&town.a, "fd18::64", "outside fd18::8").await;
    town.expect(&town.a, "172.19.0.3", "other 172.18.0.8").await;
    town.expect(&town.b, "172.18.0.100", "outside 10.17.0.10").await;
    town.expect(&town.outside, "10.16.0.10", "a 172.18.0.100").await;
    // Another node leads: what comes here all the same is masqueraded.
    town.apply(&Town::with_web(|web| web.gateway = central("n2", nodes))).await;
    town.expect(&town.a, "172.18.0.100", "outside 172.18.0.2").await;
}

fn exception(id: &str, src: &str, dst: &str, action: NatAction) -> NatRule {
    let list = |text: &str| {
        text.split(',').filter(|t| !t.is_empty()).map(|t| t.parse().expect("a prefix")).collect()
    };
    NatRule { id: id.to_owned(), src: list(src), dst: list(dst), action }
}

async fn the_first_exception_that_matches_decides(writer: Writer) {
    let town = Town::new(writer).await;
    let forward_one = exception("0123456789ab", "10.16.0.8/29", "172.18.0.100/32", NatAction::Forward);
    let nat_all = exception("r2", "", "172.18.0.0/24", NatAction::Nat);
    let rules = |rules: &[&NatRule]| {
        Town::with_web(|web| web.nat_rules = rules.iter().map(|r| (*r).clone()).collect())
    };

    town.apply(&rules(&[&forward_one, &nat_all])).await;
    town.expect(&town.a, "172.18.0.100", "outside 10.16.0.10").await;
    town.expect(&town.a, "172.18.0.101", "outside 172.18.0.2").await;
    town.expect(&town.a, "172.19.0.3", "other 172.19.0.2").await;
    town.expect(&town.a, "fd18::64", "outside fd18::2").await;

    town.apply(&rules(&[&nat_all, &forward_one])).await;
    town.expect(&town.a, "172.18.0.100", "outside 172.18.0.2").await;

    // Everything, and the other family.
    let all = exception("r3", "", "0.0.0.0/0", NatAction::Forward);
    let v6 = exception("r4", "fd16::/112", "", NatAction::Forward);
    town.apply(&rules(&[&all, &v6])).await;
    town.expect(&town.a, "172.18.0.100", "outside 10.16.0.10").await;
    town.expect(&town.a, "fd18::64", "outside fd16::a").await;

    // For others than `a`: it falls through to what its subnet says.
    let elsewhere = exception("r5", "10.16.0.128/25", "0.0.0.0/0", NatAction::Forward);
    town.apply(&rules(&[&elsewhere])).await;
    town.expect(&town.a, "172.18.0.100", "outside 172.18.0.2").await;
    town.apply(&Town::facts()).await;
}

async fn a_pod_reaches_pods_by_a_service_of_the_host(writer: Writer) {
    let town = Town::new(writer).await;
    let services = "
        add table ip kube-proxy
        add chain ip kube-proxy services { type nat hook prerouting priority -100; }
        add rule ip kube-proxy services ip daddr 10.96.0.1 tcp dport 80 dnat to 10.17.0.10:7000
        add rule ip kube-proxy services ip daddr 10.96.0.2 tcp dport 80 dnat to 10.16.0.10:7000
        add rule ip kube-proxy services ip daddr 10.96.0.3 tcp dport 80 dnat to 172.18.0.100:7000
        add rule ip kube-proxy services ip daddr 172.18.0.2 tcp dport 30081 dnat to 10.17.0.10:7000
        add table ip6 kube-proxy
        add chain ip6 kube-proxy services { type nat hook prerouting priority -100; }
        add rule ip6 kube-proxy services ip6 daddr fd96::1 tcp dport 80 dnat to [fd17::a]:7000";
    town.node.exec("nft", &[services]).expect("a service");
    town.apply(&Town::facts()).await;
    // The backend answers the host, which knows where the answer goes.
    town.expect(&town.a, "10.96.0.1:80", "b 100.64.0.2").await;
    town.expect(&town.b, "10.96.0.1:80", "b 100.64.0.2").await;
    town.expect(&town.a, "10.96.0.2:80", "a 100.64.0.2").await;
    town.expect(&town.a, "[fd96::1]:80", "b fd64::2").await;
    // A service whose backend is no pod, and a node port.
    town.expect(&town.b, "10.96.0.3:80", "outside 172.18.0.2").await;
    town.expect(&town.a, "172.18.0.2:30081", "b 100.64.0.2").await;
    // A client from outside that is not marked keeps its address.
    town.expect(&town.outside, "10.96.0.1:80", "b 172.18.0.100").await;
}

async fn a_tunnel_is_not_masqueraded_because_of_what_is_in_it(writer: Writer) {
    let town = Town::new(writer).await;
    town.apply(&Town::facts()).await;
    let seen = |port: u16| {
        let receiver =
            town.outside.ns.run(|| UdpSocket::bind(("172.18.0.100", port))).expect("enter").expect("bind");
        receiver.set_read_timeout(Some(Duration::from_secs(4))).expect("set");
        let send = || -> std::io::Result<()> {
            let sender = UdpSocket::bind("172.19.0.2:0")?;
            setsockopt(&sender, sockopt::Mark, &0x4000)?;
            sender.send_to(b"x", ("172.18.0.100", port)).map(drop)
        };
        town.node.ns.run(send).expect("enter").expect("send");
        let (_, from) = receiver.recv_from(&mut [0; 9]).expect("a packet");
        from.ip().to_string()
    };
    assert_eq!(seen(6081), "172.19.0.2");
    assert_eq!(seen(4789), "172.19.0.2");
    assert_eq!(seen(7001), "172.18.0.2", "any other marked packet is masqueraded");
}

/// Before any rule is there, nothing is tracked: what is established then is unknown to the rules that come.
async fn untracked(town: &Town, from: &TestNs, answer: &str) -> tokio::net::TcpStream {
    kubeovn_node::sysctl::write(&town.node.ns, &[("net/ipv4/ip_forward", "1")]).expect("forward");
    for (dst, via) in [("10.16.0.0/24", "100.64.0.1"), ("10.17.0.0/24", "100.64.0.1")] {
        town.node.exec("ip", &["route", "add", dst, "via", via]).expect("a route");
    }
    let mut stream = connect(from, "172.18.0.100").await.expect("connect");
    assert_eq!(hello(&mut stream).await.expect("an answer"), answer);
    stream
}

async fn a_connection_from_before_goes_on(writer: Writer) {
    let town = Town::new(writer).await;
    let mut stream = untracked(&town, &town.a, "outside 10.16.0.10").await;
    town.apply(&Town::facts()).await;
    echo(&mut stream, Duration::from_secs(4)).await.expect("the connection goes on");
    town.expect(&town.a, "172.18.0.100", "outside 172.18.0.2").await;
    echo(&mut stream, Duration::from_secs(4)).await.expect("and on");
}

async fn a_connection_from_before_never_leaves_with_an_address_that_it_should_not_have(writer: Writer) {
    let town = Town::new(writer).await;
    let mut stream = untracked(&town, &town.a, "outside 10.16.0.10").await;
    town.apply(&Town::with_web(|web| web.gateway = central("n1", "n1:172.18.0.8"))).await;
    let ended = echo(&mut stream, Duration::from_millis(600)).await;
    assert_eq!(ended.expect_err("dropped").kind(), std::io::ErrorKind::TimedOut);
    town.expect(&town.a, "172.18.0.100", "outside 172.18.0.8").await;
}

async fn a_reset_of_no_connection_is_dropped(writer: Writer) {
    let town = Town::new(writer).await;
    let stream = untracked(&town, &town.b, "outside 10.17.0.10").await;
    let sees =
        || town.outside.exec("ss", &["-tnH", "state", "established", "src", "172.18.0.100"]).expect("ss");
    let port = stream.local_addr().expect("an address").port().to_string();
    assert!(sees().contains(&port));
    town.apply(&Town::facts()).await;
    stream.set_zero_linger().expect("close with a reset");
    drop(stream);
    // A new connection is behind the reset: when it is through, the reset has been.
    town.expect(&town.b, "172.18.0.100", "outside 10.17.0.10").await;
    assert!(sees().contains(&port), "the reset came through: {}", sees());
}

async fn packets_are_counted_per_subnet(writer: Writer) {
    let town = Town::new(writer).await;
    town.apply(&Town::facts()).await;
    let counted = async |prefix: &str| {
        let traffic = town.gateway.traffic().await.expect("traffic");
        [Side::From, Side::To].map(|side| {
            let of =
                traffic.iter().find(|t| t.side == side && t.prefix.to_string() == prefix).expect("a counter");
            assert!(of.bytes >= 40 * of.packets, "{of:?}");
            of.packets
        })
    };
    assert_eq!(counted("10.16.0.0/24").await, [0, 0]);
    town.expect(&town.a, "172.18.0.100", "outside 172.18.0.2").await;
    let [from, to] = counted("10.16.0.0/24").await;
    assert!(from >= 2 && to >= 1, "{from} {to}");
    assert_eq!(counted("10.17.0.0/24").await, [0, 0]);
    assert_eq!(counted("fd16::/112").await, [0, 0]);
    town.expect(&town.a, "fd18::64", "outside fd18::2").await;
    assert_ne!(counted("fd16::/112").await, [0, 0]);
    // Another subnet more: who has been counted stays counted.
    let mut facts = Town::facts();
    let mut more = facts.subnets[1].clone();
    "more".clone_into(&mut more.name);
    more.cidrs = "10.20.0.0/24".parse().expect("a prefix");
    facts.subnets.push(more);
    town.apply(&facts).await;
    let [still_from, still_to] = counted("10.16.0.0/24").await;
    assert!(still_from >= from && still_to >= to, "{still_from} {still_to}");
}

async fn a_service_that_keeps_its_client_keeps_it_behind_the_pods_own_node(writer: Writer) {
    let town = Town::new(writer).await;
    // What kube-proxy has in IPVS mode, and a translation that does what IPVS would do.
    let sets = "create KUBE-NODE-PORT-LOCAL-TCP bitmap:port range 0-65535\nadd KUBE-NODE-PORT-LOCAL-TCP 30080\n\
        create KUBE-CLUSTER-IP hash:ip,port\nadd KUBE-CLUSTER-IP 10.96.0.1,tcp:80\n\
        create KUBE-6-CLUSTER-IP hash:ip,port family inet6\n\
        create KUBE-6-NODE-PORT-LOCAL-UDP bitmap:port range 0-65535\nadd KUBE-6-NODE-PORT-LOCAL-UDP 30053";
    town.node.exec("sh", &["-ec", &format!("printf '{sets}\n' | ipset restore")]).expect("kube-proxy's sets");
    let services = "
        add table ip kube-proxy
        add chain ip kube-proxy services { type nat hook prerouting priority -100; }
        add rule ip kube-proxy services tcp dport 30080 dnat to 10.17.0.10:7000
        add rule ip kube-proxy services ip daddr 10.96.0.1 tcp dport 80 dnat to 10.17.0.10:7000";
    town.node.exec("nft", &[services]).expect("a service");
    let mut facts = Town::facts();
    facts.kube_proxy = kube_proxy(&town.node.ns).await.expect("kube-proxy's sets");
    assert_eq!((facts.kube_proxy.ipvs.v4, facts.kube_proxy.ipvs.v6), (Some(()), Some(())));
    assert_eq!(facts.kube_proxy.local_tcp.v4, Some([30080].into()));
    assert_eq!(facts.kube_proxy.local_udp.v4, None);
    assert_eq!(facts.kube_proxy.local_udp.v6, Some([30053].into()));
    town.apply(&facts).await;
    let after_a_restart = writer.gateway(&town.node).apply(&plan(&facts)).await.expect("apply");
    assert_eq!(after_a_restart.changes, [], "these rules too are printed as they are written");
    town.expect(&town.outside, "172.18.0.2:30080", "b 172.18.0.100").await;
    // Another node sends on what came to it: the answer must go back there.
    town.expect(&town.other, "172.19.0.2:30080", "b 100.64.0.2").await;
    town.expect(&town.a, "10.96.0.1:80", "b 100.64.0.2").await;
    // A service that kube-proxy does not know of is refused at once, not let run into nothing.
    let refused = crate::town::connect(&town.node, "10.96.0.77:80").await.expect_err("nobody there");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    // Behind another node than the pod's own the client can't be kept.
    facts.subnets[1].gateway = central("n1", "n1");
    town.apply(&facts).await;
    town.expect(&town.outside, "172.18.0.2:30080", "b 100.64.0.2").await;
}
