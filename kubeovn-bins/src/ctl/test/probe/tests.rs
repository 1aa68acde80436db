#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use super::{How, Outcome, Targets, To, missing, plan};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn targets() -> Targets {
    let pods = [
        ("n1", Ok(vec![ip("10.16.0.2"), ip("fd00::2")])),
        ("n2", Ok(vec![ip("10.16.0.3")])),
        ("n3", Err("no kubelet".to_owned())),
    ];
    Targets {
        pods: pods.map(|(node, pod)| (node.to_owned(), pod)).into(),
        nodes: [("n1".to_owned(), vec![ip("172.18.0.2")])].into(),
        service: vec![ip("10.96.0.9")],
        dns: Some("kubernetes.default.svc".to_owned()),
        outside: vec!["192.0.2.1".to_owned(), "http://192.0.2.1/".to_owned()],
    }
}

#[test]
fn everything_that_is_there_is_tried() {
    let plan = plan(&targets());
    let told: Vec<(String, String)> =
        plan.iter().map(|probe| (probe.to.to_string(), probe.how.target())).collect();
    let expected = [
        ("pod on n1", "http://10.16.0.2:8080/"),
        ("pod on n1", "http://[fd00::2]:8080/"),
        ("pod on n2", "http://10.16.0.3:8080/"),
        ("node n1", "ping 172.18.0.2"),
        ("Service", "http://10.96.0.9:80/"),
        ("DNS", "kubernetes.default.svc"),
        ("outside 192.0.2.1", "ping 192.0.2.1"),
        ("outside http://192.0.2.1/", "http://192.0.2.1/"),
    ];
    assert_eq!(told, expected.map(|(to, target)| (to.to_owned(), target.to_owned())));
    // Who answers has to be who was asked.
    assert!(matches!(&plan.first().unwrap().how, How::Http(_, answer) if answer == "server-n1"));
}

#[test]
fn a_family_that_no_pod_has_is_not_tried() {
    let mut targets = targets();
    targets.pods.retain(|node, _| node != "n1");
    targets.nodes.insert("n2".to_owned(), vec![ip("fd00::9")]);
    targets.service.push(ip("fd00:96::1"));
    assert!(plan(&targets).iter().all(|probe| !probe.how.target().contains("fd00")));
}

#[test]
fn a_pod_that_is_missing_is_a_failure_from_everywhere() {
    let tried = missing(&targets());
    assert_eq!(tried.len(), 3);
    assert!(tried.iter().all(|tried| tried.probe.to == To::Pod("n3".to_owned())
        && tried.outcome == Outcome::Failed("no kubelet".to_owned())));
}
