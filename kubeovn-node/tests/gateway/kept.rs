//! What is others' stays, byte for byte.

use kubeovn_node::gateway::{Facts, SubnetGateway};

use crate::guard::TestNs;
use crate::town::{Town, Writer, for_each_writer};

for_each_writer![
    what_others_have_is_not_touched,
    a_foreign_chain_that_drops_is_told_of,
    a_route_of_somebody_else_is_not_replaced,
];

/// What others have on a host: kube-proxy, a container engine, another network, and things that look like ours.
const OTHERS: &str = r#"
nft -f - <<'END'
table ip kube-proxy {
  map no-endpoint { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.96.7.7 . tcp . 80 : drop } }
  set cluster-ips { type ipv4_addr; elements = { 10.96.0.1, 10.96.0.10 } }
  chain services { type nat hook prerouting priority -100; policy accept; ip daddr 10.96.0.99 tcp dport 80 dnat to 10.17.0.10:7000 comment "a 'quoted' # thing"
  }
  chain masq { type nat hook postrouting priority 100; policy accept; meta mark & 0x4000 == 0x4000 masquerade fully-random
  }
}
add table inet kube-ovn
add chain inet kube-ovn mine { type filter hook input priority 5; }
add rule inet kube-ovn mine tcp dport 1 counter drop
add table ip kube-ovn-2
add chain ip kube-ovn-2 postrouting { type nat hook postrouting priority 98; }
add table netdev garbage
add chain netdev garbage x
END
iptables-restore <<'END'
*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:OVN-KUBE-EGRESS - [0:0]
:OVN-POSTROUTING-2 - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A POSTROUTING -s 192.168.77.0/24 -m comment --comment "with \"quotes\", 'and' \\ more -j OVN-POSTROUTING" -j MASQUERADE
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A OVN-KUBE-EGRESS -s 10.99.0.0/24 -j RETURN
COMMIT
*filter
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -m comment --comment "ovn-subnet-gateways are great" -j ACCEPT
-A INPUT -p udp -m udp --dport 6081 -j ACCEPT
COMMIT
END
ip6tables -A FORWARD -s 2001:db8:7::/64 -j ACCEPT
ipset create KUBE-CLUSTER-IP-2 hash:ip,port
ipset create ovn4-theirs hash:net
ipset add ovn4-theirs 10.0.0.0/8
ip route add 10.99.0.0/24 via 172.18.0.101 dev eth0 proto static
ip route add default via 172.19.0.3 table 77 proto bird
ip route add 10.98.0.0/24 dev ovn0 scope link
ip rule add from 10.99.0.0/24 lookup 77 pref 700
ip rule add fwmark 0x4 lookup 78 pref 701
"#;

/// All that is not ours, as their programs print it.
fn others(node: &TestNs) -> String {
    let exec = |program: &str, arguments: &[&str]| node.exec(program, arguments).unwrap_or_default();
    let mut text = String::new();
    for table in ["ip kube-proxy", "inet kube-ovn", "ip kube-ovn-2", "netdev garbage"] {
        let words: Vec<&str> = ["-a", "list", "table"].into_iter().chain(table.split(' ')).collect();
        text += &exec("nft", &words);
    }
    let ours = |line: &str| {
        ["OVN-PREROUTING", "OVN-POSTROUTING", "OVN-MASQUERADE", "OVN-NAT-"].iter().any(|chain| {
            line.starts_with(&format!(":{chain}"))
                || line.starts_with(&format!("-A {chain}"))
                || line.ends_with(&format!("rules\" -j {chain}"))
        }) && !line.contains("POSTROUTING-2")
            || ["ovn40", "ovn60", "ovn-subnet-gateway,", "--set-xmark 0x0/0xffffffff"]
                .iter()
                .any(|of| line.contains(of))
            || line.starts_with("create ovn") && !line.contains("theirs")
    };
    for (program, arguments) in [
        ("iptables-save", &[][..]),
        ("ip6tables-save", &[]),
        ("ipset", &["save"]),
        ("ip", &["route", "show", "table", "77"]),
        ("ip", &["route", "show", "10.99.0.0/24"]),
        ("ip", &["route", "show", "10.98.0.0/24"]),
        ("ip", &["rule"]),
    ] {
        let printed = exec(program, arguments);
        // Tables come into being, empty, when a first chain of ours does.
        let kept = printed.lines().filter(|line| {
            let frame = ["#", "*", "COMMIT"].iter().any(|frame| line.starts_with(frame));
            let builtin = line.starts_with(':') && line.contains(" ACCEPT ");
            !ours(line) && !frame && !builtin
        });
        text += &kept.collect::<Vec<_>>().join("\n");
        text.push('\n');
    }
    text
}

async fn what_others_have_is_not_touched(writer: Writer) {
    let town = Town::new(writer).await;
    town.node.exec("sh", &["-ec", OTHERS]).expect("others");
    let before = others(&town.node);
    for word in [
        "with \\\"quotes\\\"",
        "OVN-POSTROUTING-2",
        "10.96.7.7",
        "ovn4-theirs",
        "lookup 77",
        "inet kube-ovn",
        "10.98.0.0/24",
    ] {
        assert!(before.contains(word), "{word} is not there: {before}");
    }
    let central = Town::with_web(|web| {
        web.gateway = SubnetGateway::Centralized {
            nodes: "n1:172.18.0.8".to_owned(),
            selected: false,
            all: true,
            active: String::new(),
        };
    });
    for facts in [Town::facts(), central, Facts { subnets: Vec::new(), ..Town::facts() }, Town::facts()] {
        town.apply(&facts).await;
        assert_eq!(others(&town.node), before);
    }
    town.expect(&town.a, "172.18.0.100", "outside 172.18.0.2").await;
    town.expect(&town.a, "10.96.0.99:80", "b 100.64.0.2").await;
    writer.firewall(&town.node).apply(&kubeovn_core::addr::DualStack::default()).await.expect("take away");
    let counters =
        |text: &str| text.lines().filter(|line| !line.contains("counter")).collect::<Vec<_>>().join("\n");
    assert_eq!(counters(&others(&town.node)), counters(&before));
}

async fn a_foreign_chain_that_drops_is_told_of(writer: Writer) {
    let town = Town::new(writer).await;
    town.node.exec("iptables", &["-P", "FORWARD", "DROP"]).expect("a policy");
    let report = town.apply(&Town::facts()).await;
    let codes: Vec<_> = report.problems.iter().map(|problem| problem.code).collect();
    match writer {
        Writer::Nft => {
            assert_eq!(codes, ["GATEWAY-FORWARD-DROPS"]);
            assert!(report.problems[0].message.contains("ip filter FORWARD"), "{}", report.problems[0]);
        }
        Writer::Iptables => {
            assert!(codes.is_empty());
            town.expect(&town.a, "172.18.0.100", "outside 172.18.0.2").await;
            town.expect(&town.outside, "10.17.0.10", "b 172.18.0.100").await;
        }
    }
}

async fn a_route_of_somebody_else_is_not_replaced(writer: Writer) {
    let town = Town::new(writer).await;
    town.node.exec("ip", &["route", "add", "10.17.0.0/24", "via", "172.18.0.101"]).expect("a route");
    let report = town.apply(&Town::facts()).await;
    let problem = report.problems.first().expect("a problem");
    assert_eq!(problem.code, "GATEWAY-ROUTE-TAKEN");
    assert!(problem.message.contains("10.17.0.0/24 via 172.18.0.101 dev eth0"), "{problem}");
    let routes = town.node.exec("ip", &["route"]).expect("routes");
    assert!(routes.contains("10.17.0.0/24 via 172.18.0.101 dev eth0"), "{routes}");
    assert!(routes.contains("10.16.0.0/24 via 100.64.0.1 dev ovn0"), "the others are ours: {routes}");
    town.node.exec("ip", &["route", "del", "10.17.0.0/24"]).expect("it goes");
    assert!(town.apply(&Town::facts()).await.problems.is_empty());
}
