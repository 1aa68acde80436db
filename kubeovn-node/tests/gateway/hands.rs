//! Nothing is written without need, and what hands changed is mended.

use std::time::Duration;

use kubeovn_node::gateway::{NatAction, NatRule, What, plan};

use crate::town::{Town, Writer, connect, echo, for_each_writer, hello};
use crate::watch::Watch;

for_each_writer![
    what_is_as_it_should_be_is_not_written,
    a_subnet_more_is_an_element_more,
    what_hands_changed_is_mended,
    all_goes_without_a_trace,
    established_connections_survive_every_change,
];

async fn what_is_as_it_should_be_is_not_written(writer: Writer) {
    let town = Town::new(writer).await;
    let plan = plan(&Town::facts());
    let report = town.gateway.apply(&plan).await.expect("apply");
    assert!(!report.is_empty());
    let watch = Watch::start(&town.node);
    let sets = || town.node.exec("ipset", &["save"]).expect("sets");
    let before = sets();
    for _ in 0..3 {
        assert!(town.gateway.apply(&plan).await.expect("apply").is_empty());
    }
    // Another process, after a restart.
    assert!(writer.gateway(&town.node).apply(&plan).await.expect("apply").is_empty());
    assert_eq!(watch.changes(), Vec::<String>::new());
    assert_eq!(sets(), before);
}

async fn a_subnet_more_is_an_element_more(writer: Writer) {
    let town = Town::new(writer).await;
    town.apply(&Town::facts()).await;
    let mut facts = Town::facts();
    let mut more = facts.subnets[1].clone();
    "more".clone_into(&mut more.name);
    more.cidrs = "10.20.0.0/24".parse().expect("a prefix");
    facts.subnets.push(more);
    let watch = Watch::start(&town.node);
    let report = town.apply(&facts).await;
    let changes = watch.changes();
    match writer {
        Writer::Nft => {
            let mut expected: Vec<String> =
                ["counted-dst", "counted-src", "subnets", "subnets-distributed-gw"]
                    .map(|set| format!("add element ip kube-ovn {set} {{ 10.20.0.0/24 }}"))
                    .into();
            expected.push("10.20.0.0/24 via 100.64.0.1 dev ovn0 proto static src 172.18.0.2 ".to_owned());
            assert_eq!(changes, expected);
        }
        Writer::Iptables => {
            let rules: Vec<_> = changes.iter().filter(|line| line.starts_with("insert rule")).collect();
            assert_eq!(rules.len(), 2, "the two that count: {changes:#?}");
            let other = changes.iter().filter(|line| line.starts_with("delete") || line.starts_with("flush"));
            assert_eq!(other.count(), 0, "{changes:#?}");
        }
    }
    let one = |change: &&kubeovn_node::gateway::Change| {
        matches!(change.what, What::Edited { added: 1, removed: 0 })
    };
    assert!(report.changes.iter().filter(one).count() >= 2, "{:#?}", report.changes);
    // And back.
    town.apply(&Town::facts()).await;
    let back = watch.changes();
    if writer == Writer::Nft {
        assert_eq!(back.len(), 5, "{back:#?}");
        assert!(back[..4].iter().all(|line| line.starts_with("delete element")), "{back:#?}");
    }
}

async fn what_hands_changed_is_mended(writer: Writer) {
    let town = Town::new(writer).await;
    let id = NatRule {
        id: "r1".to_owned(),
        src: Vec::new(),
        dst: vec!["172.18.0.101/32".parse().expect("a prefix")],
        action: NatAction::Forward,
    };
    let facts = Town::with_web(|web| web.nat_rules = vec![id]);
    town.apply(&facts).await;
    let nft = [
        "nft delete element ip kube-ovn subnets-nat { 10.16.0.0/24 }",
        "nft add element ip kube-ovn subnets { 172.18.0.0/24 }",
        "nft flush chain ip kube-ovn postrouting",
        "nft insert rule ip kube-ovn postrouting accept",
        "nft 'insert rule ip kube-ovn masq drop comment \"mine\"'",
        "nft add rule ip kube-ovn forward drop",
        "nft 'add chain ip kube-ovn evil { type filter hook forward priority 0; policy drop; }'",
        "nft 'add set ip kube-ovn stray { type ipv4_addr; }'",
        "nft 'add table ip kube-ovn { flags dormant; }'",
        "nft delete table ip kube-ovn",
        "nft delete table ip kube-ovn; nft add table ip kube-ovn; nft 'add set ip kube-ovn subnets { type ipv4_addr; }'",
        "nft 'chain ip kube-ovn forward { policy drop; }'",
        "nft flush map ip kube-ovn policies",
        "nft add counter ip kube-ovn what",
        "nft flush ruleset",
    ];
    let iptables = [
        "ipset del ovn40subnets-nat 10.16.0.0/24",
        "ipset add ovn40subnets 172.18.0.0/24",
        "ipset flush ovn40services",
        "iptables -t nat -F OVN-POSTROUTING",
        "iptables -t nat -I OVN-POSTROUTING -j ACCEPT",
        "iptables -t nat -A OVN-MASQUERADE -j RETURN",
        "iptables -t nat -D POSTROUTING -m comment --comment 'kube-ovn postrouting rules' -j OVN-POSTROUTING",
        "iptables -t mangle -F POSTROUTING",
        "iptables -t nat -F",
        "iptables -F FORWARD",
        "iptables -I FORWARD -m set --match-set ovn40subnets src -j DROP",
        "iptables -D FORWARD -m set --match-set ovn40subnets dst -j ACCEPT",
        "iptables -t nat -F OVN-NAT-POLICY",
        "iptables -t nat -N OVN-NAT-PSUBNET-stray",
        "ipset create ovn40natpr-stray-src hash:net",
        "iptables -t nat -N KUBE-SERVICES; iptables -t nat -I PREROUTING -j KUBE-SERVICES",
    ];
    let routes = [
        "ip route del 10.16.0.0/24",
        "ip route replace 10.16.0.0/24 via 100.64.0.9 dev ovn0",
        "ip route add 10.99.0.0/24 via 100.64.0.1 dev ovn0 proto static",
        "ip route add 10.16.0.0/24 via 100.64.0.9 dev ovn0 metric 50",
        "sysctl -qw net.ipv4.ip_forward=0",
    ];
    let edits: Vec<&str> = match writer {
        Writer::Nft => nft.into_iter().chain(routes).collect(),
        Writer::Iptables => iptables.into_iter().chain(routes).collect(),
    };
    for edit in edits {
        town.node.exec("sh", &["-c", edit]).unwrap_or_else(|error| panic!("{edit}: {error}"));
        let report = town.apply(&facts).await;
        assert!(!report.is_empty(), "not found: {edit}");
        town.expect(&town.a, "172.18.0.100", "outside 172.18.0.2").await;
        town.expect(&town.a, "172.18.0.101", "outside 10.16.0.10").await;
        town.expect(&town.b, "172.18.0.100", "outside 10.17.0.10").await;
    }
}

async fn all_goes_without_a_trace(writer: Writer) {
    let town = Town::new(writer).await;
    let rules = || {
        let nft = town.node.exec("nft", &["list", "tables"]).expect("tables");
        let ours = nft.lines().filter(|line| line.contains("kube-ovn")).count();
        let saved = town.node.exec("iptables-save", &[]).expect("rules")
            + &town.node.exec("ip6tables-save", &[]).expect("rules");
        let rules = saved.lines().filter(|line| line.starts_with("-A") || line.contains("OVN-")).count();
        let sets = town.node.exec("ipset", &["list", "-n"]).expect("sets").lines().count();
        (ours, rules, sets)
    };
    town.apply(&Town::facts()).await;
    assert_ne!(rules(), (0, 0, 0));
    let before = rules();
    // Facts that are not known yet take nothing away.
    assert!(town.apply(&kubeovn_node::gateway::Facts::default()).await.is_empty());
    assert_eq!(rules(), before);
    assert!(!town.gateway.remove("ovn0").await.expect("take away").is_empty());
    assert_eq!(rules(), (0, 0, 0));
    let routes = town.node.exec("ip", &["route", "show", "proto", "static", "dev", "ovn0"]).expect("routes");
    assert_eq!(routes, "");
    assert!(town.gateway.remove("ovn0").await.expect("again").is_empty());
}

async fn established_connections_survive_every_change(writer: Writer) {
    let town = Town::new(writer).await;
    town.apply(&Town::facts()).await;
    let mut streams = Vec::new();
    for to in ["172.18.0.100", "fd18::64"] {
        let mut stream = connect(&town.a, to).await.expect("connect");
        hello(&mut stream).await.expect("an answer");
        streams.push(stream);
    }
    let no_nat = Town::with_web(|web| web.nat_outgoing = false);
    let nobody = kubeovn_node::gateway::Facts { subnets: Vec::new(), ..Town::facts() };
    for facts in [&no_nat, &Town::facts(), &nobody, &Town::facts()] {
        town.apply(facts).await;
        if facts.subnets.is_empty() {
            // Without its subnet there is no route to the pod.
            continue;
        }
        for stream in &mut streams {
            echo(stream, Duration::from_secs(4)).await.expect("what was translated stays translated");
        }
    }
}
