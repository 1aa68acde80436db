//! Gateways outside of the cluster.

use kubeovn_node::gateway::{Egress, Facts, Pod, SubnetGateway};

use crate::town::{Town, Writer};

fn leaving(gateways: &str, table: u32) -> Facts {
    let mut facts = Town::with_web(|web| {
        web.nat_outgoing = false;
        web.egress = Some(Egress { gateways: gateways.parse().expect("gateways"), priority: 100, table });
    });
    facts.pods =
        vec![Pod { subnet: "web".to_owned(), ips: "10.16.0.10,fd16::a".parse().expect("addresses") }];
    facts
}

#[tokio::test]
async fn a_distributed_subnet_leaves_by_the_gateway_of_its_pods() {
    let town = Town::new(Writer::Nft).await;
    town.apply(&leaving("172.19.0.3,fd19::3", 1000)).await;
    town.expect(&town.a, "203.0.113.1", "other 10.16.0.10").await;
    town.expect(&town.a, "2001:db8::1", "other fd16::a").await;
    town.expect(&town.b, "203.0.113.1", "outside 10.17.0.10").await;
    // Another table and another gateway.
    town.apply(&leaving("172.18.0.100", 1001)).await;
    town.expect(&town.a, "203.0.113.1", "outside 10.16.0.10").await;
    let show = |arguments: &[&str]| town.node.exec("ip", arguments).unwrap_or_default();
    assert_eq!(show(&["route", "show", "table", "1000"]).trim(), "");
    assert_eq!(show(&["-6", "route", "show", "table", "1000"]).trim(), "");
    assert_eq!(
        show(&["route", "show", "table", "1001"]).trim(),
        "default via 172.18.0.100 dev eth0 proto 75"
    );
    let rules = show(&["rule"]);
    assert!(rules.contains("100:\tfrom 10.16.0.10 lookup 1001 proto 75"), "{rules}");
    assert!(!rules.contains("1000 "), "{rules}");
    // The pod goes.
    let mut facts = leaving("172.18.0.100", 1001);
    facts.pods.clear();
    town.apply(&facts).await;
    assert!(!show(&["rule"]).contains("10.16.0.10"));
}

#[tokio::test]
async fn a_centralized_subnet_leaves_by_the_gateway_of_its_nodes() {
    let town = Town::new(Writer::Nft).await;
    for (nodes, selected, expected) in
        [("n1", false, "other"), ("n2", true, "outside"), ("", true, "other"), ("", false, "outside")]
    {
        let mut facts = leaving("172.19.0.3", 1000);
        facts.subnets[0].gateway = SubnetGateway::Centralized {
            nodes: nodes.to_owned(),
            selected,
            all: false,
            active: "n2".to_owned(),
        };
        town.apply(&facts).await;
        town.expect(&town.a, "203.0.113.1", &format!("{expected} 10.16.0.10")).await;
    }
}

#[tokio::test]
async fn rules_and_tables_of_kube_ovn_are_taken_over_and_those_of_others_are_not() {
    // What the Go daemon leaves: a rule without a number, which programs make as `boot`.
    for number in ["0", "boot"] {
        taken_over(number).await;
    }
}

async fn taken_over(number: &str) {
    let town = Town::new(Writer::Nft).await;
    let run = |line: &str| town.node.exec("sh", &["-ec", line]).expect("run");
    run(&format!("ip rule add from 10.16.0.10 lookup 1000 pref 100 proto {number}"));
    // A static route, here with another gateway.
    run("ip route add default via 172.18.0.100 table 1000 proto static");
    // What others have: the same table, another priority; and a table of theirs.
    run(
        "ip rule add from 10.99.0.0/24 lookup 1000 pref 90; ip route add 192.0.2.0/24 via 172.18.0.101 table 1000",
    );
    run("ip rule add from 10.16.0.10 lookup 55 pref 99; ip route add unreachable 192.0.2.7 table 55");
    town.apply(&leaving("172.19.0.3", 1000)).await;
    town.expect(&town.a, "203.0.113.1", "other 10.16.0.10").await;
    let rules = run("ip rule");
    assert_eq!(rules.matches("from 10.16.0.10 lookup 1000").count(), 1, "{rules}");
    assert!(rules.contains("100:\tfrom 10.16.0.10 lookup 1000 proto 75"), "{rules}");
    town.apply(&Town::facts()).await;
    let rules = run("ip rule");
    assert!(!rules.contains("from 10.16.0.10 lookup 1000"), "{rules}");
    assert!(
        rules.contains("90:\tfrom 10.99.0.0/24 lookup 1000")
            && rules.contains("99:\tfrom 10.16.0.10 lookup 55")
    );
    assert!(run("ip route show table 1000").contains("192.0.2.0/24 via 172.18.0.101"));
    assert!(!run("ip route show table 1000").contains("default"));
}

#[tokio::test]
async fn a_default_route_of_somebody_else_stays() {
    let town = Town::new(Writer::Nft).await;
    town.node
        .exec("ip", &["route", "add", "default", "via", "172.18.0.101", "table", "1000"])
        .expect("a route");
    let report = town.apply(&leaving("172.19.0.3", 1000)).await;
    let problem = report.problems.first().expect("a problem");
    assert_eq!(problem.code, "GATEWAY-ROUTE-TAKEN");
    assert!(problem.message.contains("default via 172.18.0.101 table 1000"), "{problem}");
    let table = town.node.exec("ip", &["route", "show", "table", "1000"]).expect("routes");
    assert!(table.contains("172.18.0.101"), "{table}");
}
