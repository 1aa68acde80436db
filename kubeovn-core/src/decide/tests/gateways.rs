//! Which nodes a subnet leaves by, and what marks it.

use super::facts::{Facts, grant, node_owner, pairs};
use crate::{
    contract::cluster::{Status, Write},
    decide::{Exit, Lead, lead},
    index::{
        Dirty,
        objects::{Kind, Meta, Name, Node, Object, ObjectKey, Selector, Subnet, SubnetSpec},
    },
    rows::{OwnerKey, OwnerKind},
};

fn central(nodes: &str) -> SubnetSpec {
    SubnetSpec { gateway_type: "centralized".into(), gateway_node: nodes.into(), ..SubnetSpec::default() }
}

fn set_node(facts: &mut Facts, name: &str, ready: bool, labels: &[(&str, &str)]) {
    let meta = Meta { labels: pairs(labels), uid: name.into(), ..Meta::named(name) };
    facts.world.apply(Object::Node(Node { meta, ready, ..Node::default() }));
}

/// Nodes that are ready or not, each with an address, and a subnet.
fn facts(nodes: &[(&str, bool)], spec: SubnetSpec) -> Facts {
    let mut facts = Facts::new();
    for (number, (name, ready)) in nodes.iter().enumerate() {
        set_node(&mut facts, name, *ready, &[]);
        let held = grant("join", "ovn-cluster", &format!("100.64.0.{}", number + 2));
        facts.world.grant(&node_owner(name), vec![held], None);
    }
    facts.subnet("a", "", "10.1.0.0/24", spec);
    facts.decide();
    choose(&mut facts);
    facts
}

fn choose(facts: &mut Facts) {
    let chosen = lead(&facts.world, facts.world.plan("a").unwrap());
    facts.world.follow(&"a".into(), chosen);
}

fn chosen(facts: &Facts) -> (Vec<&str>, &str) {
    let Lead { nodes, problem, .. } = facts.world.lead("a").unwrap();
    (nodes.iter().map(|name| &**name).collect(), problem.as_ref().map_or("", |p| p.code))
}

#[test]
fn the_first_of_the_list_that_is_ready_leads() {
    let up = [("n1", true), ("n2", true), ("n3", true)];
    for (list, nodes) in [
        ("n2,n1", vec!["n2"]),
        (" n3 : 172.18.0.9 ,n1:172.18.0.7,,", vec!["n3"]),
        ("gone,n1", vec!["n1"]),
        ("n1,n1", vec!["n1"]),
    ] {
        assert_eq!(chosen(&facts(&up, central(list))), (nodes, ""), "{list}");
    }
    let some = [("n1", false), ("n2", true), ("n3", true)];
    assert_eq!(chosen(&facts(&some, central("n1,n2,n3"))), (vec!["n2"], ""));
}

#[test]
fn all_that_are_ready_lead_where_that_is_asked_for() {
    let all = |nodes: &[(&str, bool)], list: &str| {
        let facts = facts(nodes, SubnetSpec { enable_ecmp: true, ..central(list) });
        let (nodes, code) = chosen(&facts);
        assert_eq!(facts.world.lead("a").unwrap().active(), None);
        (nodes.join(","), code.to_owned())
    };
    let some = [("n1", true), ("n2", false), ("n3", true)];
    assert_eq!(all(&some, "n3,n2,n1"), ("n3,n1".into(), String::new()));
    let down = [("n1", false), ("n2", false)];
    assert_eq!(all(&down, "n1,n2,n3"), ("n1,n2".into(), "SUBNET-GATEWAY-DOWN".into()));
}

#[test]
fn a_gateway_is_silent_in_the_families_that_the_subnet_has() {
    let ecmp = || SubnetSpec { enable_ecmp: true, ..central("n1,n2") };
    for (silent, leads) in [("100.64.0.3", vec!["n1"]), ("fd64::3", vec!["n1", "n2"])] {
        let mut facts = facts(&[("n1", true), ("n2", true)], ecmp());
        let held = grant("join", "ovn-cluster", "100.64.0.3,fd64::3");
        facts.world.grant(&node_owner("n2"), vec![held], None);
        facts.world.dirty = Dirty::default();
        let silent: std::collections::BTreeSet<_> = [silent.parse().unwrap()].into();
        facts.world.hear(silent.clone());
        assert!(facts.world.dirty.gateways.contains("a"));
        choose(&mut facts);
        assert_eq!(chosen(&facts), (leads, ""), "{silent:?}");
        facts.world.dirty = Dirty::default();
        facts.world.hear(silent);
        assert_eq!(facts.world.dirty, Dirty::default(), "that is no news");
    }
}

/// Without an address of a family a node leads nobody out in it.
#[test]
fn who_can_lead_in_all_families_of_the_subnet_comes_first() {
    let dual = |nodes: &[(&str, &str, bool)], spec: SubnetSpec| {
        let mut facts = Facts::new();
        for (name, ips, ready) in nodes {
            set_node(&mut facts, name, *ready, &[]);
            facts.world.grant(&node_owner(name), vec![grant("join", "ovn-cluster", ips)], None);
        }
        facts.subnet("a", "", "10.1.0.0/24,fd00:1::/64", spec);
        facts.decide();
        choose(&mut facts);
        facts
    };
    let (v4, both) = ("100.64.0.2", "100.64.0.3,fd64::3");
    for (nodes, leads, code) in [
        (&[("n1", v4, true), ("n2", both, true)][..], "n2", ""),
        (&[("n1", both, true), ("n2", v4, true)], "n1", ""),
        // Who does not answer at all is no better.
        (&[("n1", v4, true), ("n2", both, false)], "n1", "SUBNET-GATEWAY-FAMILY"),
        (&[("n1", v4, false), ("n2", both, false)], "n2", "SUBNET-GATEWAY-DOWN"),
        (&[("n1", v4, true)], "n1", "SUBNET-GATEWAY-FAMILY"),
    ] {
        let facts = dual(nodes, central("n1,n2"));
        let lead = facts.world.lead("a").unwrap();
        let told = lead.problem.iter().chain(&lead.silent).map(|problem| problem.code).next();
        assert_eq!((chosen(&facts).0, told.unwrap_or_default()), (vec![leads], code), "{nodes:?}");
    }
    // Who leads goes on only as long as nobody can do more.
    let mut facts = dual(&[("n1", v4, true)], central("n1,n2"));
    let problem = facts.world.lead("a").unwrap().silent.clone().unwrap();
    for part in ["subnet a: ", "leaves by n1", "without an IPv6 address", "dropped"] {
        assert!(problem.message.contains(part), "{part:?} is not in: {problem}");
    }
    set_node(&mut facts, "n2", true, &[]);
    facts.world.grant(&node_owner("n2"), vec![grant("join", "ovn-cluster", both)], None);
    choose(&mut facts);
    assert_eq!(chosen(&facts), (vec!["n2"], ""));
    // Where all lead at once each does what it can, as long as one can do each.
    let all = |nodes| SubnetSpec { enable_ecmp: true, ..central(nodes) };
    let facts = dual(&[("n1", v4, true), ("n2", both, true)], all("n1,n2"));
    assert_eq!(
        (chosen(&facts), facts.world.lead("a").unwrap().silent.clone()),
        ((vec!["n1", "n2"], ""), None)
    );
    let facts = dual(&[("n1", v4, true), ("n2", v4, true)], all("n1,n2"));
    let problem = facts.world.lead("a").unwrap().silent.clone().unwrap();
    assert_eq!(problem.code, "SUBNET-GATEWAY-FAMILY");
}

#[test]
fn selectors_count_where_no_node_is_named() {
    let exit = Selector { match_labels: pairs(&[("exit", "yes")]), ..Selector::default() };
    let spec = |nodes| SubnetSpec { gateway_node_selectors: vec![exit.clone()], ..central(nodes) };
    for (list, leads) in [("n3", "n3"), ("", "n2")] {
        let mut facts = facts(&[("n1", true), ("n2", true), ("n3", true)], spec(list));
        set_node(&mut facts, "n2", true, &[("exit", "yes")]);
        choose(&mut facts);
        assert_eq!(chosen(&facts), (vec![leads], ""), "{list:?}");
    }
}

#[test]
fn a_node_that_comes_back_waits_its_turn() {
    let mut facts = facts(&[("n1", true), ("n2", true)], central("n1,n2"));
    let mut seen = Vec::new();
    for ready in [false, true, false, true] {
        set_node(&mut facts, "n1", ready, &[]);
        choose(&mut facts);
        seen.push(chosen(&facts).0[0].to_owned());
    }
    assert_eq!(seen, ["n2"; 4]);
    set_node(&mut facts, "n2", false, &[]);
    choose(&mut facts);
    assert_eq!(chosen(&facts), (vec!["n1"], ""));
    set_node(&mut facts, "n1", false, &[]);
    choose(&mut facts);
    assert_eq!(chosen(&facts), (vec!["n1"], "SUBNET-GATEWAY-DOWN"), "better than none");
}

#[test]
fn who_led_before_a_start_leads_after_it() {
    let nodes = [("n1", true), ("n2", true), ("n3", false)];
    for (told, leads) in [("n2", "n2"), ("n3", "n1"), ("elsewhere", "n1"), ("", "n1")] {
        let mut facts = Facts::new();
        for (number, (name, ready)) in nodes.iter().enumerate() {
            set_node(&mut facts, name, *ready, &[]);
            let held = grant("join", "ovn-cluster", &format!("100.64.0.{}", number + 2));
            facts.world.grant(&node_owner(name), vec![held], None);
        }
        facts.subnet("a", "", "10.1.0.0/24", central("n1,n2,n3"));
        let key = ObjectKey::cluster(Kind::Subnet, "a");
        facts.change(&key, |subnet: &mut Subnet| subnet.status.activateGateway = told.into());
        facts.decide();
        choose(&mut facts);
        assert_eq!(chosen(&facts), (vec![leads], ""), "{told:?}");
    }
}

#[test]
fn without_anybody_it_says_what_was_asked_for() {
    for (list, words) in [("x,y", "2 gateways (x,y)"), ("", "neither gatewayNode nor gatewayNodeSelectors")] {
        let facts = facts(&[("n1", true)], central(list));
        let (nodes, code) = chosen(&facts);
        assert_eq!((nodes.len(), code), (0, "SUBNET-GATEWAY-NONE"));
        let telling = facts.tell(&ObjectKey::cluster(Kind::Subnet, "a"), true);
        let text = telling.problems[0].to_string();
        assert!(text.contains("(NoReadyGateway)") && text.contains(words), "{text}");
        let Some(Write::Status { status: Status::Subnet(status), .. }) = telling.writes.last() else {
            panic!("{telling:?}")
        };
        let ready = status.conditions.iter().find(|c| &*c.r#type == "Ready").unwrap();
        assert_eq!((&*ready.status, &*ready.reason), ("False", "SUBNET-GATEWAY-NONE"));
    }
}

#[test]
fn a_node_without_an_address_leads_nobody() {
    let mut facts = facts(&[("n1", true), ("n2", true)], central("n1,n2"));
    facts.world.grant(&node_owner("n1"), Vec::new(), None);
    assert!(facts.world.dirty.gateways.contains("a"));
    choose(&mut facts);
    assert_eq!(chosen(&facts), (vec!["n2"], ""));
}

#[test]
fn the_type_counts_in_the_default_vpc_alone() {
    let exit = |name: &str, vpc: &str, kind: &str| {
        let mut facts = Facts::new();
        facts.vpc("shop", crate::index::objects::VpcSpec::default());
        let spec = SubnetSpec { gateway_type: kind.into(), ..SubnetSpec::default() };
        facts.subnet(name, vpc, "10.1.0.0/24", spec);
        facts.decide();
        let decision = facts.world.decision(name).unwrap().clone();
        decision.plan.map(|plan| plan.exit.clone()).ok_or_else(|| decision.problems[0].code)
    };
    assert_eq!(exit("a", "", ""), Ok(Exit::Local));
    assert_eq!(exit("a", "", "distributed"), Ok(Exit::Local));
    assert!(matches!(exit("a", "", "centralized"), Ok(Exit::Central(_))));
    assert_eq!(exit("a", "", "Centralized"), Err("SUBNET-GATEWAY-TYPE"));
    assert_eq!(exit("join", "", "centralized"), Ok(Exit::None));
    assert_eq!(exit("a", "shop", "whatever"), Ok(Exit::None));
}

#[test]
fn a_status_says_who_leads_and_also_while_the_subnet_is_refused() {
    let mut facts = facts(&[("n1", true), ("n2", true)], central("n2,n1"));
    let key = ObjectKey::cluster(Kind::Subnet, "a");
    let told = |facts: &Facts| facts.world.subnet("a").unwrap().status.activateGateway.clone();
    facts.settle(&key, true);
    assert_eq!(told(&facts), "n2");
    facts.change(&key, |subnet: &mut Subnet| subnet.spec.cidr_block = "nonsense".into());
    facts.decide();
    assert!(facts.world.plan("a").is_none());
    facts.settle(&key, true);
    assert_eq!(told(&facts), "n2", "its rows are as they were");
    facts.change(&key, |subnet: &mut Subnet| subnet.spec = SubnetSpec { vpc: String::new(), ..central("") });
    facts.change(&key, |subnet: &mut Subnet| {
        (subnet.spec.cidr_block, subnet.spec.gateway_type) = ("10.1.0.0/24".into(), String::new());
    });
    facts.decide();
    choose(&mut facts);
    facts.settle(&key, true);
    assert_eq!(told(&facts), "");
}

fn marked(facts: &Facts) -> Vec<String> {
    let mut rows: Vec<String> = facts.world.dirty.rows.iter().map(ToString::to_string).collect();
    rows.extend(facts.world.dirty.gateways.iter().map(|name| format!("gateways of {name}")));
    rows.sort();
    rows
}

#[test]
fn a_heartbeat_marks_nothing() {
    let mut facts = facts(&[("n1", true), ("n2", true)], central("n1,n2"));
    facts.world.dirty = Dirty::default();
    let mut node = (**facts.world.node("n1").unwrap()).clone();
    node.meta.revision = "4711".into();
    facts.world.apply(Object::Node(node.clone()));
    assert_eq!(facts.world.dirty, Dirty::default());
    assert_eq!(&*facts.world.node("n1").unwrap().meta.revision, "4711", "it is known all the same");
    node.ready = false;
    facts.world.apply(Object::Node(node));
    assert_eq!(marked(&facts), ["gateways of a"], "rows only if it matters");
}

#[test]
fn pods_mark_what_leads_them_out_when_the_first_comes_and_the_last_goes() {
    let mut facts = facts(&[("n1", true), ("n2", true)], SubnetSpec::default());
    let place = |facts: &Facts| (facts.world.pods_at("a", "n1"), facts.world.pods_at("a", "n2"));
    let local = OwnerKey::local("a", "n1");
    let pod = |facts: &mut Facts, name: &str| {
        facts.pod("dev", name, &[]);
        facts.world.dirty = Dirty::default();
        let ips = if name == "p0" { "10.1.0.5" } else { "10.1.0.6" };
        facts.world.grant(&OwnerKey::pod("dev", name), vec![grant("a", "ovn-cluster", ips)], None);
    };
    pod(&mut facts, "p0");
    assert!(facts.world.dirty.rows.contains(&local));
    assert_eq!(place(&facts), (1, 0));
    assert!(facts.world.owners().contains(&local));
    pod(&mut facts, "p1");
    assert!(!facts.world.dirty.rows.contains(&local), "the second");
    assert_eq!(place(&facts), (2, 0));
    let key = super::facts::pod_key("dev", "p0");
    facts.change(&key, |pod: &mut crate::index::objects::Pod| pod.node = Some("n2".into()));
    assert_eq!(place(&facts), (1, 1));
    let marks = marked(&facts);
    assert!(
        marks.contains(&"local-gateway/a/n2".into()) && marks.contains(&"pod/dev/p0".into()),
        "{marks:?}"
    );
    facts.world.dirty = Dirty::default();
    facts.change(&super::facts::pod_key("dev", "p1"), |pod: &mut crate::index::objects::Pod| {
        pod.finished = true;
    });
    assert_eq!(place(&facts), (0, 1));
    assert!(facts.world.dirty.rows.contains(&local));
    facts.world.remove(&key, "");
    assert_eq!(place(&facts), (0, 0));
    facts.world.grant(&OwnerKey::pod("dev", "p0"), Vec::new(), None);
    assert_eq!(place(&facts), (0, 0), "taken away once");
    assert_eq!(facts.world.nodes_with_pods("a").count(), 0);
}

#[test]
fn a_node_marks_only_what_leads_by_it() {
    let mut facts = facts(&[("n1", true), ("n2", true)], SubnetSpec::default());
    facts.subnet("b", "", "10.2.0.0/24", central("n2"));
    facts.decide();
    facts.pod("dev", "p0", &[]);
    facts.world.grant(&OwnerKey::pod("dev", "p0"), vec![grant("a", "ovn-cluster", "10.1.0.5")], None);
    let chosen = lead(&facts.world, facts.world.plan("b").unwrap());
    facts.world.follow(&"b".into(), chosen);
    facts.world.dirty = Dirty::default();
    facts.world.grant(&node_owner("n1"), vec![grant("join", "ovn-cluster", "100.64.0.9")], None);
    assert_eq!(marked(&facts), ["gateways of b", "local-gateway/a/n1", "node/n1"]);
    facts.world.dirty = Dirty::default();
    facts.world.grant(&node_owner("n2"), vec![grant("join", "ovn-cluster", "100.64.0.8")], None);
    assert_eq!(marked(&facts), ["gateways of b", "node/n2", "subnet/b"]);
}

#[test]
fn another_type_marks_pods_and_another_list_does_not() {
    let mut facts = facts(&[("n1", true), ("n2", true)], SubnetSpec::default());
    let pod = OwnerKey::pod("dev", "p0");
    facts.pod("dev", "p0", &[]);
    facts.world.grant(&pod, vec![grant("a", "ovn-cluster", "10.1.0.5")], None);
    let key = ObjectKey::cluster(Kind::Subnet, "a");
    for (kind, nodes, marked) in [
        ("centralized", "n1", true),
        ("centralized", "n2", false),
        ("distributed", "n2", true),
        ("", "n2", false),
    ] {
        facts.world.dirty = Dirty::default();
        facts.change(&key, |subnet: &mut Subnet| {
            (subnet.spec.gateway_type, subnet.spec.gateway_node) = (kind.into(), nodes.into());
        });
        facts.decide();
        let rows = &facts.world.dirty.rows;
        assert_eq!(rows.contains(&pod), marked, "{kind} {nodes}");
        let changed = (kind, nodes) != ("", "n2");
        assert_eq!(rows.contains(&OwnerKey::local("a", "n1")), changed, "{kind} {nodes}");
        // Of whose own rows some are read from the object, whatever was decided.
        assert!(rows.contains(&OwnerKey::new(OwnerKind::Subnet, Name::from("a"))), "{kind} {nodes}");
    }
}
