//! What a scraper reads.

use kubeovn_node::{
    cni::protocol::{PATH_ADD, PATH_DEL},
    gateway::Traffic,
};

use super::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
}

#[test]
fn requests_and_waits_have_kube_ovns_names() {
    let (_tell, parts) = watch::channel(Obstacles::new());
    let times = Times::new("n1");
    let metrics = Metrics::new(parts, &times);
    let text = metrics.text();
    for wait in ["address", "route", "connectivity"] {
        has(&text, &format!("cni_wait_{wait}_seconds_total{{node_name=\"n1\"}} 0.0"));
    }

    let id = AttachmentId { container_id: "c0ffee".into(), if_name: "eth0".into() };
    let ends = [(Stage::Turn, 0), (Stage::Address, 1500), (Stage::Bridge, 1500), (Stage::Link, 1503)];
    let mut stages = Stages::default();
    ends.into_iter().for_each(|(stage, at)| stages.end(stage, ms(at)));
    let mut waiting = Stages::default();
    waiting.end(Stage::Turn, ms(0));
    waiting.give_up(ms(500));
    for (stage, at) in [(Stage::Rows, 1505), (Stage::Port, 1513), (Stage::Flows, 2003)] {
        stages.end(stage, ms(at));
    }
    times.added(&id, &stages);
    times.added(&id, &waiting);
    times.answered(PATH_ADD, 200, ms(3));
    times.answered(PATH_ADD, 200, ms(600));
    times.answered(PATH_ADD, 500, ms(500));
    times.answered(PATH_DEL, 204, ms(1));

    let text = metrics.text();
    let add = "node_name=\"n1\",method=\"/api/v1/add\",status_code=\"200\"";
    has(&text, "# TYPE cni_op_latency_seconds histogram");
    has(&text, &format!("cni_op_latency_seconds_bucket{{le=\"0.002\",{add}}} 0"));
    has(&text, &format!("cni_op_latency_seconds_bucket{{le=\"0.004\",{add}}} 1"));
    has(&text, &format!("cni_op_latency_seconds_bucket{{le=\"0.512\",{add}}} 1"));
    has(&text, &format!("cni_op_latency_seconds_count{{{add}}} 2"));
    has(&text, "cni_op_latency_seconds_count{node_name=\"n1\",method=\"/api/v1/add\",status_code=\"500\"} 1");
    has(&text, "cni_op_latency_seconds_count{node_name=\"n1\",method=\"/api/v1/del\",status_code=\"204\"} 1");
    // 1.5 s of one pod, and half a second of another that got none.
    has(&text, "cni_wait_address_seconds_total{node_name=\"n1\"} 2.0");
    has(&text, "cni_wait_connectivity_seconds_total{node_name=\"n1\"} 0.5");
    has(&text, "kubeovn_cni_add_stage_seconds_count{node_name=\"n1\",stage=\"address\"} 2");
    has(&text, "kubeovn_cni_add_stage_seconds_count{node_name=\"n1\",stage=\"flows\"} 1");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_part_that_is_not_as_it_should_be_is_down() {
    let (tell, parts) = watch::channel(Obstacles::new());
    let metrics = Metrics::new(parts, &Times::new("n1"));
    assert_eq!(metrics.text().matches("kubeovn_node_part_up{").count(), PARTS.len());
    assert_eq!(metrics.text().matches("\"} 1.0").count(), PARTS.len());
    tell.send_modify(|obstacles| drop(obstacles.insert(Part::Tunnel, "no way".into())));
    has(&metrics.text(), "kubeovn_node_part_up{part=\"Tunnel\"} 0.0");
    has(&metrics.text(), "kubeovn_node_part_up{part=\"Node\"} 1.0");
}

#[test]
fn what_passed_the_host_has_kube_ovns_names_and_labels() {
    let of = |prefix: &str, side, packets, bytes| SubnetTraffic {
        subnet: "web".into(),
        traffic: Traffic { prefix: prefix.parse().unwrap(), side, packets, bytes },
    };
    let shown = vec![of("10.16.0.0/16", Side::From, 3, 180), of("fd16::/112", Side::To, 1, 60)];
    let text = metrics::collected(Traffics { node: "n1".to_owned(), shown: Arc::new(Mutex::new(shown)) });
    let v4 = "hostname=\"n1\",subnet_name=\"web/egress/IPv4\",cidr=\"10.16.0.0/16\",direction=\"egress\",protocol=\"IPv4\"";
    let v6 = "hostname=\"n1\",subnet_name=\"web/ingress/IPv6\",cidr=\"fd16::/112\",direction=\"ingress\",protocol=\"IPv6\"";
    has(&text, &format!("ovn_subnet_gateway_packets{{{v4}}} 3.0"));
    has(&text, &format!("ovn_subnet_gateway_packet_bytes{{{v4}}} 180.0"));
    has(&text, &format!("ovn_subnet_gateway_packets{{{v6}}} 1.0"));
    has(&text, &format!("ovn_subnet_gateway_packet_bytes{{{v6}}} 60.0"));
}

#[test]
fn what_is_not_in_effect_on_the_host_is_counted_by_code() {
    let problem = |text: &str| Problem::new("GATEWAY-FORWARD-DROPS", text);
    let (tell, problems) = watch::channel(vec![problem("chain a"), problem("chain b")]);
    let (_parts, parts) = watch::channel(Obstacles::new());
    let metrics = Metrics::new(parts, &Times::new("n1")).telling(problems);
    has(&metrics.text(), "kubeovn_node_gateway_problems{code=\"GATEWAY-FORWARD-DROPS\"} 2.0");
    tell.send_replace(Vec::new());
    assert!(!metrics.text().contains("GATEWAY-FORWARD-DROPS"));
}
