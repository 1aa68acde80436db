use kubeovn_core::api::Count;
use kubeovn_core::index::objects::{Meta, Name, SubnetSpec, SubnetStatus, VpcStatus};

use super::*;

fn conditions(ready: &str, message: &str, generation: i64) -> Vec<Condition> {
    let text = |text: &str| Name::from(text);
    let reason = text(message.split(':').next().unwrap_or_default());
    let (r#type, status, message) = (text("Ready"), text(ready), text(message));
    vec![Condition { r#type, status, reason, message, observed_generation: generation }]
}

fn subnet(name: &str, cidr: &str, conditions: Vec<Condition>) -> Subnet {
    Subnet {
        meta: Meta { generation: 1, ..Meta::named(name) },
        spec: SubnetSpec { cidr_block: cidr.to_owned(), ..SubnetSpec::default() },
        status: SubnetStatus {
            conditions,
            v4usingIPs: Count(4),
            v6usingIPs: Count(6),
            ..SubnetStatus::default()
        },
    }
}

fn pod(name: &str, node: Option<&str>, said: &[(annotations::NicKey, &str)]) -> Pod {
    let annotations = said.iter().map(|(key, value)| (Name::from(key.ovn()), Name::from(*value))).collect();
    let meta = Meta { namespace: "web".into(), annotations, ..Meta::named(name) };
    Pod { meta, node: node.map(Name::from), ..Pod::default() }
}

#[test]
fn what_is_refused_is_an_error_and_what_is_passed_over_a_warning() {
    let view = View {
        subnets: vec![
            subnet("a", "10.0.0.0/24,fd00::/64", conditions("True", "FIELD: not supported", 1)),
            subnet("b", "fd00::/64", conditions("False", "SUBNET-OVERLAP: with a", 1)),
        ],
        vpcs: vec![Vpc {
            meta: Meta::named("bad"),
            status: VpcStatus { conditions: conditions("False", "VPC-BAD: no", 1), ..VpcStatus::default() },
            ..Vpc::default()
        }],
        ..View::default()
    };
    let place = |kind, name: &str, line| {
        let key = ObjectKey { kind, namespace: "".into(), name: name.into() };
        (key, ("net.yaml".to_owned(), line))
    };
    let places = BTreeMap::from([place(Kind::Vpc, "bad", 3), place(Kind::Subnet, "b", 9)]);
    let findings = Findings { places, ..Findings::default() };
    let report = view.report(&findings, &Machines::default());
    let [a, b] = &report.subnets[..] else { panic!("{report:?}") };
    assert_eq!((a.used, &a.error, a.warning.as_deref()), (4, &None, Some("FIELD: not supported")));
    assert_eq!((b.used, &b.vpc[..]), (6, "ovn-cluster"));
    let overlap = Problem { code: "SUBNET-OVERLAP".to_owned(), message: "with a".to_owned() };
    assert_eq!((b.error.as_ref(), &b.warning), (Some(&overlap), &None));
    let [vpc, subnet] = &report.rejected[..] else { panic!("{report:?}") };
    assert_eq!((vpc.name.as_deref(), &vpc.code[..], &vpc.message[..]), (Some("bad"), "VPC-BAD", "no"));
    assert_eq!(
        (&vpc.file[..], vpc.line, subnet.line, &subnet.code[..]),
        ("net.yaml", 3, 9, "SUBNET-OVERLAP")
    );
    let text = report.to_text(false);
    assert!(text.contains("net.yaml:3: Vpc bad"), "{text}");
    assert_eq!(text.matches("SUBNET-OVERLAP").count(), 1, "the table has said it: {text}");
}

#[test]
fn a_pod_tells_what_it_has_or_why_not() {
    let granted =
        [(nic::ALLOCATED, "true"), (nic::IP_ADDRESS, "10.0.0.2,fd00::2"), (nic::LOGICAL_SWITCH, "a")];
    let view = View {
        pods: vec![
            pod("fine", Some("n1"), &granted),
            pod("full", Some("n1"), &[(nic::ERROR, "IPAM-POOL-EXHAUSTED: a is full")]),
            pod("stuck", Some("n1"), &[]),
            pod("homeless", None, &[]),
        ],
        ..View::default()
    };
    let stuck =
        (PodName { namespace: "web".to_owned(), name: "stuck".to_owned() }, Problem::new("CNI-11", "no"));
    let machines = Machines { trouble: BTreeMap::from([stuck]), ..Machines::default() };
    let report = view.report(&Findings::default(), &machines);
    let codes: Vec<_> =
        report.pods.iter().map(|pod| pod.error.as_ref().map(|error| &error.code[..])).collect();
    assert_eq!(codes, [None, Some("IPAM-POOL-EXHAUSTED"), Some("CNI-11"), Some("LAB-POD-UNSCHEDULED")]);
    assert_eq!(report.pods[0].ips, ["10.0.0.2", "fd00::2"]);
}

#[test]
fn nothing_is_settled_before_the_controller_has_seen_it_as_it_is() {
    let view = |generation, ready: &str, message: &str| View {
        subnets: vec![subnet("a", "10.0.0.0/24", conditions(ready, message, generation))],
        ..View::default()
    };
    assert_eq!(view(0, "True", "").undecided().as_deref(), Some("subnet a"), "an older generation");
    assert_eq!(view(1, "False", "").undecided().as_deref(), Some("subnet a"), "still being programmed");
    assert_eq!(view(1, "False", "SUBNET-OVERLAP: with b").undecided(), None, "refused is decided");
    assert_eq!(view(1, "True", "").undecided(), None);
    let waiting = View { pods: vec![pod("w", Some("n1"), &[])], ..View::default() };
    assert_eq!(waiting.undecided().as_deref(), Some("the addresses of pod web/w"));
}
