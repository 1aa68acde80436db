//! Of a subnet whose edit was refused nobody knows what is in force: what the host has of it stays.

use kubeovn_node::gateway::{Egress, Facts, NatAction, NatRule, Pod, Subnet, SubnetGateway};

use crate::town::{Town, Writer, for_each_writer};

for_each_writer![
    a_masqueraded_subnet_with_exceptions_stays,
    a_subnet_with_an_address_of_its_own_stays,
    a_subnet_that_leaves_by_another_gateway_stays,
];

async fn a_masqueraded_subnet_with_exceptions_stays(writer: Writer) {
    let exception = NatRule {
        id: "r1".to_owned(),
        src: Vec::new(),
        dst: vec!["172.18.0.101/32".parse().expect("a prefix")],
        action: NatAction::Forward,
    };
    let facts = Town::with_web(|web| web.nat_rules = vec![exception]);
    let seen = [
        ("172.18.0.100", "outside 172.18.0.2"),
        ("172.18.0.101", "outside 10.16.0.10"),
        ("fd18::64", "outside fd18::2"),
    ];
    stays(writer, &facts, &seen).await;
}

async fn a_subnet_with_an_address_of_its_own_stays(writer: Writer) {
    let facts = Town::with_web(|web| {
        web.gateway = SubnetGateway::Centralized {
            nodes: "n1:172.18.0.8".to_owned(),
            selected: false,
            all: false,
            active: "n1".to_owned(),
        };
    });
    stays(writer, &facts, &[("172.18.0.100", "outside 172.18.0.8")]).await;
}

async fn a_subnet_that_leaves_by_another_gateway_stays(writer: Writer) {
    let mut facts = Town::with_web(|web| {
        web.nat_outgoing = false;
        web.egress = Some(Egress {
            gateways: "172.19.0.3,fd19::3".parse().expect("gateways"),
            priority: 100,
            table: 1000,
        });
    });
    facts.pods =
        vec![Pod { subnet: "web".to_owned(), ips: "10.16.0.10,fd16::a".parse().expect("addresses") }];
    stays(writer, &facts, &[("203.0.113.1", "other 10.16.0.10"), ("2001:db8::1", "other fd16::a")]).await;
}

/// What `a` sees of these facts it also sees when its subnet is unknown, whatever happens to others.
async fn stays(writer: Writer, facts: &Facts, seen: &[(&str, &str)]) {
    let town = Town::new(writer).await;
    town.apply(facts).await;
    let unknown = |change: &dyn Fn(&mut Vec<Subnet>)| {
        let mut facts = Facts { unknown: vec!["web".to_owned()], ..facts.clone() };
        facts.subnets.remove(0);
        change(&mut facts.subnets);
        facts
    };
    let more = Subnet {
        name: "more".to_owned(),
        cidrs: "10.20.0.0/24".parse().expect("a prefix"),
        ..Subnet::default()
    };
    for (facts, b_is) in [
        (unknown(&|_| {}), "outside 10.17.0.10"),
        (unknown(&|subnets| subnets[0].nat_outgoing = true), "outside 172.18.0.2"),
        (unknown(&|subnets| subnets.push(more.clone())), "outside 10.17.0.10"),
    ] {
        let report = town.apply(&facts).await;
        let codes: Vec<_> = report.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["GATEWAY-SUBNET-UNKNOWN"]);
        for (to, answer) in seen {
            town.expect(&town.a, to, answer).await;
        }
        town.expect(&town.b, "172.18.0.100", b_is).await;
    }
    // A subnet that is known now has its routes, and what nobody wants any more goes.
    let routes = || town.node.exec("ip", &["route", "show", "dev", "ovn0"]).expect("routes");
    assert!(routes().contains("10.20.0.0/24") && routes().contains("10.16.0.0/24"), "{}", routes());
    let known = Town::with_web(|web| web.nat_outgoing = false);
    town.apply(&known).await;
    town.expect(&town.a, "172.18.0.100", "outside 10.16.0.10").await;
    assert!(!routes().contains("10.20.0.0/24"), "{}", routes());
    // No trace is left of what stayed.
    let empty = Facts { subnets: Vec::new(), ..Town::facts() };
    town.apply(&empty).await;
    let all = |town: &Town| -> Vec<String> {
        let run = |line: &str| town.node.exec("sh", &["-c", line]).expect(line);
        let text = run(
            "nft -s list ruleset; ipset save; ip route; ip rule; ip route show table 1000 2>/dev/null || :",
        );
        text.lines()
            .filter(|line| line.contains("10.16.0") || line.contains("natpr"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(all(&town), Vec::<String>::new());
}
