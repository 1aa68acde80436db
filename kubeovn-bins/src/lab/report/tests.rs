use serde_json::{Value, json};

use super::*;

fn report() -> Report {
    let problem = Problem::new("IPAM-POOL-EXHAUSTED", "IPAM-POOL-EXHAUSTED: full");
    let probe = |name: &str, expected, seen| ProbeLine {
        name: name.to_owned(),
        family: Some("v4".to_owned()),
        expected,
        seen,
        ms: 1.25,
        note: None,
    };
    Report {
        nodes: vec![NodeLine { name: "n1".to_owned(), ready: true }],
        subnets: vec![SubnetLine {
            name: "web".to_owned(),
            vpc: "ovn-cluster".to_owned(),
            cidr: "10.0.0.0/24,fd00::/64".to_owned(),
            used: 3,
            available: 1 << 64,
            error: None,
            warning: None,
        }],
        pods: vec![PodLine {
            namespace: "shop".to_owned(),
            name: "w1".to_owned(),
            node: "n1".to_owned(),
            subnet: "web".to_owned(),
            ips: vec!["10.0.0.2".to_owned(), "fd00::2".to_owned()],
            mac: String::new(),
            error: Some(problem),
        }],
        probes: vec![
            probe("a", "allow", Seen::Allow),
            probe("b", "deny", Seen::Allow),
            probe("c", "deny", Seen::Unknown),
        ],
        rejected: vec![RejectedLine {
            file: "x.yaml".to_owned(),
            line: 7,
            kind: Some("Subnet".to_owned()),
            name: None,
            code: "SUBNET-CIDR".to_owned(),
            message: "no".to_owned(),
        }],
        warnings: vec!["y.yaml:3: FIELD: odd".to_owned()],
    }
}

#[test]
fn the_document_has_the_promised_shape() {
    let document: Value = serde_json::from_str(&report().to_json()).unwrap();
    let wanted = json!({
        "nodes": [{"name": "n1", "ready": true}],
        "subnets": [{"name": "web", "vpc": "ovn-cluster", "cidr": "10.0.0.0/24,fd00::/64", "used": 3,
                     "available": 18_446_744_073_709_551_616.0, "error": null}],
        "pods": [{"namespace": "shop", "name": "w1", "node": "n1", "subnet": "web", "ips": ["10.0.0.2", "fd00::2"],
                  "mac": "", "error": {"code": "IPAM-POOL-EXHAUSTED", "message": "full"}}],
        "probes": [{"name": "a", "family": "v4", "expected": "allow", "seen": "allow", "ms": 1.25},
                   {"name": "b", "family": "v4", "expected": "deny", "seen": "allow", "ms": 1.25},
                   {"name": "c", "family": "v4", "expected": "deny", "seen": "unknown", "ms": 1.25}],
        "rejected": [{"file": "x.yaml", "line": 7, "kind": "Subnet", "name": null, "code": "SUBNET-CIDR",
                      "message": "no"}],
    });
    assert_eq!(document, wanted);
}

#[test]
fn only_what_was_seen_as_expected_counts() {
    let report = report();
    assert!(!report.is_good());
    assert_eq!(report.verdict(), "1/3 probes as expected: b, c");
    assert_eq!(report.to_text(false).lines().last(), Some("1/3 probes as expected: b, c"));
    let none = Report::default();
    assert!(none.is_good());
    assert_eq!(none.to_text(false), "0/0 probes as expected\n");
}

#[test]
fn tables_line_up_and_tell_what_is_wrong() {
    let text = report().to_text(false);
    let pods = "\
POD      NODE  SUBNET  ADDRESSES          MAC
shop/w1  n1    web     10.0.0.2, fd00::2  -
    IPAM-POOL-EXHAUSTED: full
";
    assert!(text.contains(pods), "{text}");
    let subnets = "\
SUBNET  VPC          CIDR                   USED  AVAILABLE
web     ovn-cluster  10.0.0.0/24,fd00::/64     3      ~2^64
";
    assert!(text.contains(subnets), "{text}");
    assert!(text.contains("x.yaml:7: Subnet\n    SUBNET-CIDR: no\n"), "{text}");
}

#[test]
fn colours_do_not_move_columns() {
    let (plain, coloured) = (report().to_text(false), report().to_text(true));
    assert!(!plain.contains('\x1b') && coloured.contains('\x1b'));
    let mut stripped = coloured;
    for code in ["\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[0m"] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, plain);
}
